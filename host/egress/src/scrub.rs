//! Replacing the secret in an answer.
//!
//! A receiver may echo what it was sent, in a page, an error, a header. The guest that reads the answer must not find
//! the secret there: as it stands, or as JSON, HTML, a URL, hexadecimal digits or base64 write it, in any case of letters. In base64
//! of a longer text the secret starts at one of three places of a group; a character at each end may stay, which says less
//! than a byte.

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bulla_kernel::secrets::MIN_VALUE_BYTES;
use zeroize::{Zeroize, Zeroizing};

pub const REPLACEMENT: &[u8] = b"[secret]";

pub struct Scrubber(AhoCorasick);

impl Scrubber {
    /// `None` for a value too short to be a secret, and where the search cannot be built; the request must then not be sent.
    pub fn new(secret: &[u8], user_and_secret: Option<&[u8]>) -> Option<Self> {
        if secret.len() < MIN_VALUE_BYTES {
            return None;
        }
        let mut forms = forms(secret);
        forms.extend(user_and_secret.into_iter().flat_map(whole_base64));
        forms.sort_unstable();
        forms.dedup();
        let built = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .ascii_case_insensitive(true)
            .build(&forms);
        forms.iter_mut().for_each(Zeroize::zeroize);
        built.ok().map(Self)
    }

    pub fn finds(&self, text: &[u8]) -> bool {
        self.0.is_match(text)
    }

    pub fn replace(&self, text: &[u8]) -> Vec<u8> {
        let mut clean = Vec::with_capacity(text.len());
        self.0.replace_all_with_bytes(text, &mut clean, |_, _, clean| {
            clean.extend_from_slice(REPLACEMENT);
            true
        });
        clean
    }
}

fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![secret.to_vec(), hex::encode(secret).into_bytes()];
    forms.push(escaped(secret, |byte| matches!(byte, b'"' | b'\\').then(|| vec![b'\\', byte])));
    forms.push(escaped(secret, |byte| matches!(byte, b'"' | b'\\' | b'/').then(|| vec![b'\\', byte])));
    forms.push(escaped(secret, html));
    // What stays as it is: RFC 3986 unreserved; the same for forms, with `+` for a blank; JavaScript's encodeURI; nothing.
    forms.push(percent(secret, b"-._~", false));
    forms.push(percent(secret, b"*-._", true));
    forms.push(percent(secret, b"-_.!~*'()", false));
    forms.push(percent(secret, b"-_.!~*'();,/?:@&=+$#", false));
    forms.push(secret.iter().flat_map(|byte| format!("%{byte:02X}").into_bytes()).collect());
    forms.extend(whole_base64(secret));
    for before in 0..3 {
        forms.extend(inner_base64(secret, before));
    }
    forms
}

fn whole_base64(text: &[u8]) -> [Vec<u8>; 2] {
    [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD].map(|engine| engine.encode(text).into_bytes())
}

/// The characters that depend on the secret alone, where `before` bytes of another text stand in its first group.
fn inner_base64(secret: &[u8], before: usize) -> [Vec<u8>; 2] {
    let text = Zeroizing::new([&[0u8; 2][..before], secret].concat());
    let inner = (before * 8).div_ceil(6)..(text.len() * 8) / 6;
    whole_base64(&text).map(|encoded| encoded[inner.clone()].to_vec())
}

fn escaped(secret: &[u8], escape: impl Fn(u8) -> Option<Vec<u8>>) -> Vec<u8> {
    secret.iter().flat_map(|byte| escape(*byte).unwrap_or_else(|| vec![*byte])).collect()
}

fn html(byte: u8) -> Option<Vec<u8>> {
    let entity = match byte {
        b'&' => "&amp;",
        b'<' => "&lt;",
        b'>' => "&gt;",
        b'"' => "&quot;",
        b'\'' => "&#39;",
        _ => return None,
    };
    Some(entity.into())
}

/// Percent-encoding (RFC 3986, section 2.1) of all but letters, digits and `kept`.
fn percent(secret: &[u8], kept: &[u8], plus: bool) -> Vec<u8> {
    escaped(secret, |byte| match byte {
        b' ' if plus => Some(vec![b'+']),
        _ if byte.is_ascii_alphanumeric() || kept.contains(&byte) => None,
        _ => Some(format!("%{byte:02X}").into_bytes()),
    })
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use super::*;

    const SECRET: &str = "t0k/en+\"4711 <&>?";

    fn clean(text: &str) -> String {
        let pair = format!("ada:{SECRET}");
        let scrubber = Scrubber::new(SECRET.as_bytes(), Some(pair.as_bytes())).unwrap();
        String::from_utf8(scrubber.replace(text.as_bytes())).unwrap()
    }

    #[test]
    fn every_likely_form_is_replaced() {
        for form in [
            SECRET.to_owned(),
            SECRET.to_uppercase(),
            hex::encode(SECRET),
            r#"t0k/en+\"4711 <&>?"#.to_owned(),
            r#"t0k\/en+\"4711 <&>?"#.to_owned(),
            "t0k/en+&quot;4711 &lt;&amp;&gt;?".to_owned(),
            "t0k%2Fen%2B%224711%20%3C%26%3E%3F".to_owned(),
            "t0k%2fen%2b%224711%20%3c%26%3e%3f".to_owned(),
            "t0k%2Fen%2B%224711+%3C%26%3E%3F".to_owned(),
            "t0k/en+%224711%20%3C&%3E?".to_owned(),
            STANDARD_NO_PAD.encode(SECRET),
            URL_SAFE_NO_PAD.encode(SECRET),
        ] {
            assert_eq!(clean(&format!("a{form}b{form}")), "a[secret]b[secret]", "{form}");
        }
        let basic = STANDARD.encode(format!("ada:{SECRET}"));
        assert!(clean(&format!("Basic {basic}")).starts_with("Basic [secret]"));
        assert_eq!(clean("nothing of it"), "nothing of it");
    }

    /// Whatever stands before and behind it, decoding what is left does not give the secret.
    #[test]
    fn base64_around_the_secret_is_replaced_too() {
        for before in ["", "x", "xy", "xyz", "Bearer ", "{\"a\":\""] {
            for behind in ["", "1", "12", "\"}"] {
                let text = format!("{before}{SECRET}{behind}");
                for encoded in [STANDARD.encode(&text), URL_SAFE.encode(&text)] {
                    let clean = clean(&encoded);
                    assert!(clean.contains("[secret]"), "{text}: {clean}");
                    let left = clean.len() - "[secret]".len();
                    assert!(left <= (before.len() + behind.len()) * 4 / 3 + 8, "{text}: {clean}");
                }
            }
        }
    }

    #[test]
    fn what_is_too_short_is_not_sent() {
        for short in ["", "1", "1234567"] {
            assert!(Scrubber::new(short.as_bytes(), None).is_none(), "{short}");
        }
    }

    #[test]
    fn a_replacement_is_never_longer_than_what_it_replaces() {
        for form in forms(b"8 bytes!") {
            assert!(form.len() >= REPLACEMENT.len(), "{}", String::from_utf8_lossy(&form));
        }
    }
}
