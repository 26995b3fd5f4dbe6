//! W3C Trace Context (Recommendation of 2021-11-23): `traceparent` in and out.

use bulla_base::{Rng, TraceId};
use http::{HeaderMap, HeaderName, HeaderValue};

pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Where this request stands in a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    pub id: TraceId,
    /// This server's own span: 16 hex digits.
    span: String,
    /// The caller's flags; recorded (`01`) where the trace starts here.
    flags: String,
}

impl Trace {
    /// Goes on with the caller's trace; starts one where there is none, or none that can be read (section 2.2.2: an invalid
    /// header is as good as none).
    pub fn of(headers: &HeaderMap, rng: &dyn Rng) -> Self {
        let (id, flags) = incoming(headers).unwrap_or_else(|| (TraceId::draw(rng), "01".into()));
        Self { id, span: span(rng), flags }
    }

    /// The header of the response.
    pub fn header(&self) -> HeaderValue {
        let text = format!("00-{}-{}-{}", self.id, self.span, self.flags);
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

/// A span id is any 8 bytes but zero.
fn span(rng: &dyn Rng) -> String {
    let mut bytes = [0u8; 8];
    rng.fill(&mut bytes);
    if bytes == [0; 8] {
        bytes[7] = 1;
    }
    hex::encode(bytes)
}

fn incoming(headers: &HeaderMap) -> Option<(TraceId, String)> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let text = value.to_str().ok()?;
    let mut parts = text.split('-');
    let (version, id, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let known = version == "00" && parts.next().is_none();
    // A later version may append fields, and keeps these four (section 3.2.2).
    let later = is_hex(version, 2) && version != "00" && version != "ff";
    let parent_is_set = is_hex(parent, 16) && parent.bytes().any(|b| b != b'0');
    if !(known || later) || !parent_is_set || !is_hex(flags, 2) {
        return None;
    }
    Some((TraceId::new(id).ok()?, flags.into()))
}

fn is_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bulla_base::SeededRng;

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn of(values: &[&str]) -> Trace {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(TRACEPARENT, value.parse().unwrap());
        }
        Trace::of(&headers, &SeededRng::new(1))
    }

    #[test]
    fn a_trace_goes_on_under_a_new_span() {
        let trace = of(&[&format!("00-{ID}-00f067aa0ba902b7-00")]);
        assert_eq!(trace.id.as_str(), ID);
        let out = trace.header();
        let out = out.to_str().unwrap();
        assert!(out.starts_with(&format!("00-{ID}-")) && out.ends_with("-00"), "{out}");
        assert!(!out.contains("00f067aa0ba902b7"));
        assert_eq!(of(&[&format!("01-{ID}-00f067aa0ba902b7-01-more")]).id.as_str(), ID);
    }

    #[test]
    fn what_cannot_be_read_is_ignored() {
        let zeros = "0".repeat(32);
        let wrong = [
            "".into(),
            "00".into(),
            format!("00-{ID}-00f067aa0ba902b7"),
            format!("00-{ID}-00f067aa0ba902b7-01-more"),
            format!("ff-{ID}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", ID.to_uppercase()),
            format!("00-{zeros}-00f067aa0ba902b7-01"),
            format!("00-{ID}-0000000000000000-01"),
            format!("00-{ID}-00f067aa0ba902b7-1"),
            format!("0-{ID}-00f067aa0ba902b7-01"),
        ];
        for text in &wrong {
            let trace = of(&[text]);
            assert_ne!(trace.id.as_str(), ID, "{text}");
            assert!(trace.header().to_str().unwrap().ends_with("-01"));
        }
        let twice = format!("00-{ID}-00f067aa0ba902b7-01");
        assert_ne!(of(&[&twice, &twice]).id.as_str(), ID);
    }
}
