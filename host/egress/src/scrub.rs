//! Replacing the secret in an answer.
//!
//! A receiver may echo what it was sent, in a page, an error, a header. The guest that reads the answer must not find the secret
//! there: as it stands, in hexadecimal digits or in base64, in any case of letters. Each character of these may stand for itself or
//! be escaped as in JSON, JavaScript, HTML or a URL, one so and the next otherwise, whatever stands before and behind; and an answer
//! may hold such a text inside another, [`NESTED`] deep. In base64 of a longer text the secret starts at one of three places of a
//! group; a character at each end may stay, which says less than a byte.
//!
//! A secret is visible ASCII, so escapes of other characters do not matter. Not looked for: base64 that is broken into lines or made of
//! escaped text, other charsets, and whatever a receiver thinks up.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bulla_kernel::secrets::MIN_VALUE_BYTES;
use zeroize::Zeroizing;

use crate::escape::{Unescaped, begins_escape, escape};

pub const REPLACEMENT: &[u8] = b"[secret]";

/// JSON in JSON in JSON: a text is searched as it stands, and so often again with its escapes read.
const NESTED: usize = 2;
/// Comparisons for each byte of a text. Seldom is it one; only a secret and a text that repeat themselves come near.
const STEPS_PER_BYTE: usize = 32;

/// The search would take too long. The answer must then not be given.
#[derive(Debug, PartialEq, Eq)]
pub struct TooCostly;

pub struct Scrubber {
    forms: Vec<Zeroizing<Vec<u8>>>,
    /// For each byte of a text, the forms that may begin with it.
    beginning: Vec<Vec<usize>>,
}

impl Scrubber {
    /// `None` for a value too short to be a secret; the request must then not be sent.
    pub fn new(secret: &[u8], user_and_secret: Option<&[u8]>) -> Option<Self> {
        if secret.len() < MIN_VALUE_BYTES {
            return None;
        }
        let mut forms = forms(secret);
        forms.extend(user_and_secret.into_iter().flat_map(whole_base64));
        // The two alphabets of base64 stand side by side, and often agree.
        forms.dedup();
        let may_begin =
            |first, form: &[u8]| begins_escape(first) || form.first().is_some_and(|byte| is(first, *byte));
        let with = |first| (0..forms.len()).filter(|form| may_begin(first, &forms[*form])).collect();
        let beginning = (0..=u8::MAX).map(with).collect();
        Some(Self { forms, beginning })
    }

    pub fn replace(&self, text: &[u8]) -> Result<Vec<u8>, TooCostly> {
        let mut found = self.nested(text, NESTED)?;
        found.sort_unstable_by_key(|place| (place.start, place.end));
        let (mut clean, mut kept) = (Vec::with_capacity(text.len()), 0);
        for place in found {
            // What two readings found in the same place is replaced once.
            if place.start >= kept {
                clean.extend_from_slice(&text[kept..place.start]);
                clean.extend_from_slice(REPLACEMENT);
            }
            kept = kept.max(place.end);
        }
        clean.extend_from_slice(&text[kept..]);
        Ok(clean)
    }

    fn nested(&self, text: &[u8], depth: usize) -> Result<Vec<Range<usize>>, TooCostly> {
        let mut found = self.places(text)?;
        if depth > 0
            && let Some(inner) = Unescaped::of(text)
        {
            let places = self.nested(&inner.text, depth - 1)?.into_iter();
            found.extend(places.map(|place| inner.original(place.start)..inner.original(place.end)));
        }
        Ok(found)
    }

    /// From left to right, the longest form in each place.
    fn places(&self, text: &[u8]) -> Result<Vec<Range<usize>>, TooCostly> {
        let (mut found, mut at) = (Vec::new(), 0);
        let mut search = Search::of(text);
        while let Some(&first) = text.get(at) {
            let mut longest = None;
            for form in &self.beginning[usize::from(first)] {
                longest = longest.max(search.end(&self.forms[*form], at)?);
            }
            found.extend(longest.map(|end| at..end));
            at = longest.unwrap_or(at + 1);
        }
        Ok(found)
    }
}

/// Several readings of a text at once: `%25` is `%` or itself, and which of them only the rest shows.
/// A regular expression of them all would have to be compiled for each request, and has no bound on its time but its size.
struct Search<'t> {
    text: &'t [u8],
    steps: usize,
    ends: Vec<usize>,
    next: Vec<usize>,
}

impl<'t> Search<'t> {
    fn of(text: &'t [u8]) -> Self {
        let steps = text.len().saturating_mul(STEPS_PER_BYTE);
        Self { text, steps, ends: Vec::new(), next: Vec::new() }
    }

    /// Where `form` ends that begins at `at`, however each of its characters is written.
    fn end(&mut self, form: &[u8], at: usize) -> Result<Option<usize>, TooCostly> {
        self.ends.clear();
        self.ends.push(at);
        for byte in form {
            self.steps = self.steps.checked_sub(self.ends.len()).ok_or(TooCostly)?;
            self.next.clear();
            self.next.extend(self.ends.iter().flat_map(|end| behind(*byte, self.text, *end)));
            self.next.sort_unstable();
            self.next.dedup();
            if self.next.is_empty() {
                return Ok(None);
            }
            std::mem::swap(&mut self.ends, &mut self.next);
        }
        Ok(self.ends.last().copied())
    }
}

/// What is behind `byte`, where it stands at `at`: as itself, or escaped.
fn behind(byte: u8, text: &[u8], at: usize) -> impl Iterator<Item = usize> {
    let plain = text.get(at).filter(|found| is(**found, byte)).map(|_| at + 1);
    let escaped = text.get(at..).and_then(escape).filter(|(found, _)| is(*found, byte));
    plain.into_iter().chain(escaped.map(|(_, length)| at + length))
}

/// A form in a URL writes a blank as `+`.
fn is(found: u8, byte: u8) -> bool {
    found.eq_ignore_ascii_case(&byte) || (found == b'+' && byte == b' ')
}

fn forms(secret: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let mut forms = vec![secret.to_vec().into(), hex::encode(secret).into_bytes().into()];
    forms.extend(whole_base64(secret));
    for before in 0..3 {
        forms.extend(inner_base64(secret, before));
    }
    forms
}

fn whole_base64(text: &[u8]) -> [Zeroizing<Vec<u8>>; 2] {
    [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD].map(|engine| engine.encode(text).into_bytes().into())
}

/// The characters that depend on the secret alone, where `before` bytes of another text stand in its first group.
fn inner_base64(secret: &[u8], before: usize) -> [Zeroizing<Vec<u8>>; 2] {
    let text = Zeroizing::new([&[0u8; 2][..before], secret].concat());
    let inner = (before * 8).div_ceil(6)..(text.len() * 8) / 6;
    whole_base64(&text).map(|encoded| encoded[inner.clone()].to_vec().into())
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use bulla_kernel::secrets::MAX_VALUE_BYTES;

    use super::*;

    const SECRET: &str = "t0k/en+\"4711 <&>?";

    fn clean(text: &str) -> String {
        clean_of(SECRET, text)
    }

    fn clean_of(secret: &str, text: &str) -> String {
        let pair = format!("ada:{secret}");
        let scrubber = Scrubber::new(secret.as_bytes(), Some(pair.as_bytes())).unwrap();
        String::from_utf8(scrubber.replace(text.as_bytes()).unwrap()).unwrap()
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

    /// What each of them writes by default for the same key, which has the form that keys have: base64, but with all that they escape.
    const KEY: &str = r#"Zm9v+YmFy/Q&<'>"x=="#;
    const ENCODERS: &[(&str, &str)] = &[
        ("System.Text.Json", r"Zm9v\u002BYmFy/Q\u0026\u003C\u0027\u003E\u0022x=="),
        ("Gson", r#"Zm9v+YmFy/Q\u0026\u003c\u0027\u003e\"x\u003d\u003d"#),
        ("Go, encoding/json", r#"Zm9v+YmFy/Q\u0026\u003c'\u003e\"x=="#),
        ("Go, html/template", "Zm9v&#43;YmFy/Q&amp;&lt;&#39;&gt;&#34;x=="),
        ("Go, html/template in a script", r"Zm9v\u002bYmFy\/Q\u0026\u003c\u0027\u003e\u0022x\u003d\u003d"),
        ("Python, html.escape", "Zm9v+YmFy/Q&amp;&lt;&#x27;&gt;&quot;x=="),
        ("PHP, htmlspecialchars", "Zm9v+YmFy/Q&amp;&lt;&#039;&gt;&quot;x=="),
        ("PHP, json_encode", r#"Zm9v+YmFy\/Q&<'>\"x=="#),
        ("OWASP, forJavaScript", r#"Zm9v+YmFy\/Q\x26<\x27>\x22x=="#),
        ("all names of HTML", "Zm9v&plus;YmFy&sol;Q&amp;&lt;&apos;&gt;&quot;x&equals;&equals;"),
        ("a part of it in percent", "Zm9v%2BYmFy/Q%26<'>%22x=%3d"),
        ("all of it in percent", "%5a%6D%39%76%2b%59%6d%46%79%2f%51%26%3c%27%3e%22%78%3d%3d"),
    ];

    #[test]
    fn what_each_encoder_writes_is_replaced() {
        for (encoder, form) in ENCODERS {
            for (before, behind) in
                [("", ""), ("{\"key\":\"", "\"}"), (r"\\", r"\\"), ("%", "%"), ("&", ";"), ("&#x", "&")]
            {
                let clean = clean_of(KEY, &format!("{before}{form}{behind}"));
                assert_eq!(clean, format!("{before}[secret]{behind}"), "{encoder}");
            }
        }
    }

    #[test]
    fn encoders_mixed_in_one_text_hide_nothing() {
        for form in [
            r#"Zm9v\u002BYmFy%2fQ&amp;\x3c&#x27;>\"x=&equals;"#,
            r#"ZM9V&#43;ymfy\/q%26&lt;'%3E&quot;x\u003d="#,
            // Base64 and hexadecimal digits may be escaped as well.
            &STANDARD.encode(KEY).replace('=', r"\u003d").replace('S', "%53"),
            &hex::encode(KEY).replace('2', "&#50;").replace('6', r"\u0036"),
        ] {
            assert!(clean_of(KEY, form).starts_with("[secret]"), "{form}: {}", clean_of(KEY, form));
        }
    }

    #[test]
    fn a_secret_that_looks_like_an_escape_is_replaced_in_each_reading() {
        let secret = r"41%41\u0041&amp;%";
        for form in [
            secret,
            r"41%41\\u0041\u0026amp;%",
            r"41%2541%5Cu0041%26amp%3B%25",
            r"41%41\\u0041&amp;amp;%",
            r"41%41\\u0041\u0026amp;\u0025",
            r"4\u0031%2541\u0041&amp;%",
        ] {
            for (before, behind) in [("", ""), ("%", "41"), ("&#", ";")] {
                let clean = clean_of(secret, &format!("{before}{form}{behind}"));
                assert_eq!(clean, format!("{before}[secret]{behind}"), "{before}{form}{behind}");
            }
        }
    }

    #[test]
    fn a_text_inside_a_text_hides_nothing() {
        let json = |text: &str| text.replace('\\', r"\\").replace('"', r#"\""#).replace('+', r"\u002B");
        let page = |text: &str| text.replace('&', "&amp;").replace('"', "&quot;").replace('+', "&#43;");
        let url = |text: &str| text.replace('%', "%25").replace('"', "%22").replace('+', "%2B");
        let encoders: [&dyn Fn(&str) -> String; 3] = [&json, &page, &url];
        for first in encoders {
            for second in encoders {
                for third in encoders {
                    let text = third(&second(&first(KEY)));
                    assert_eq!(clean_of(KEY, &format!("a {text} b")), "a [secret] b", "{text}");
                }
            }
        }
    }

    #[test]
    fn ordinary_text_is_not_harmed() {
        let page = include_str!("escape.rs");
        let almost = r#"Zm9v\u002BYmFy/Q\u0026\u003C\u0027\u003E\u0022x= %5a%6 Zm9v+YmFy/Q&amp"#;
        for text in [
            "",
            "%",
            "\\",
            "&",
            "&;",
            r"\u00",
            "100 % & more: C:\\n \u{e9}",
            almost,
            &STANDARD.encode(page),
            page,
        ] {
            assert_eq!(clean_of("another-Secret/1", text), *text);
        }
        assert_eq!(clean_of(KEY, almost), almost);
        assert_eq!(clean_of(KEY, &format!(r"\u0041 {KEY}%20\n&amp;")), r"\u0041 [secret]%20\n&amp;");
    }

    #[test]
    fn the_search_ends_in_time_or_gives_nothing() {
        let scrubber = |secret: &str| Scrubber::new(secret.as_bytes(), None).unwrap();
        let long = "a".repeat(MAX_VALUE_BYTES);
        let text = "a".repeat(1 << 16);
        // The longest secret, again and again: every byte of it is found.
        let clean = REPLACEMENT.repeat((1 << 16) / MAX_VALUE_BYTES);
        assert_eq!(scrubber(&long).replace(text.as_bytes()).unwrap(), clean);
        let almost = format!("{}b", &long[1..]);
        assert_eq!(scrubber(&almost).replace(text.as_bytes()), Err(TooCostly));
        let slashes = "\\".repeat(MAX_VALUE_BYTES - 1) + "b";
        assert_eq!(scrubber(&slashes).replace("\\".repeat(1 << 16).as_bytes()), Err(TooCostly));
        // What a line of a page or an image may well have is no reason.
        for (secret, text) in [("----------------x", "-"), ("AAAAAAAAAAAAAAAA9", "A")] {
            let text = text.repeat(1 << 10);
            assert_eq!(scrubber(secret).replace(text.as_bytes()).unwrap(), text.as_bytes(), "{secret}");
        }
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
