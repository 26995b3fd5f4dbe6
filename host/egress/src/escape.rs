//! What encoders make of a character so that it stands in JSON, HTML or a URL.

/// A whole entity, from `&` to `;`: the longest name of an ASCII character, and numbers with zeros in front, fit.
const MAX_ENTITY_BYTES: usize = 24;

/// The names of ASCII characters in HTML (section 13.5 of the standard).
const NAMES: &[(&str, u8)] = &[
    ("excl", b'!'),
    ("quot", b'"'),
    ("num", b'#'),
    ("dollar", b'$'),
    ("percnt", b'%'),
    ("amp", b'&'),
    ("apos", b'\''),
    ("lpar", b'('),
    ("rpar", b')'),
    ("ast", b'*'),
    ("midast", b'*'),
    ("plus", b'+'),
    ("comma", b','),
    ("period", b'.'),
    ("sol", b'/'),
    ("colon", b':'),
    ("semi", b';'),
    ("lt", b'<'),
    ("equals", b'='),
    ("gt", b'>'),
    ("quest", b'?'),
    ("commat", b'@'),
    ("lsqb", b'['),
    ("lbrack", b'['),
    ("bsol", b'\\'),
    ("rsqb", b']'),
    ("rbrack", b']'),
    ("hat", b'^'),
    ("lowbar", b'_'),
    ("underbar", b'_'),
    ("grave", b'`'),
    ("diacriticalgrave", b'`'),
    ("lcub", b'{'),
    ("lbrace", b'{'),
    ("verbar", b'|'),
    ("vert", b'|'),
    ("verticalline", b'|'),
    ("rcub", b'}'),
    ("rbrace", b'}'),
];

/// True for what an escape begins with.
pub fn begins_escape(byte: u8) -> bool {
    matches!(byte, b'\\' | b'%' | b'&')
}

/// The character that the escape at the beginning of `text` means, and how many bytes the escape has.
pub fn escape(text: &[u8]) -> Option<(u8, usize)> {
    match text.first()? {
        b'\\' => backslash(text),
        b'%' => Some((number(text.get(1..3)?, 16)?, 3)),
        b'&' => entity(text),
        _ => None,
    }
}

/// `\u002b`, `\x2b`, and `\+`. A letter or digit behind a backslash means something else than itself: `\n`.
fn backslash(text: &[u8]) -> Option<(u8, usize)> {
    match *text.get(1)? {
        b'u' => Some((number(text.get(2..6)?, 16)?, 6)),
        b'x' => Some((number(text.get(2..4)?, 16)?, 4)),
        other => (!other.is_ascii_alphanumeric()).then_some((other, 2)),
    }
}

/// `&#43;`, `&#x2b;`, `&plus;`.
fn entity(text: &[u8]) -> Option<(u8, usize)> {
    let end = text.iter().take(MAX_ENTITY_BYTES).position(|byte| *byte == b';')?;
    let byte = match &text[1..end] {
        [b'#', b'x' | b'X', digits @ ..] => number(digits, 16)?,
        [b'#', digits @ ..] => number(digits, 10)?,
        name => NAMES.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name))?.1,
    };
    Some((byte, end + 1))
}

/// `None` beyond a byte: no secret has such a character.
fn number(digits: &[u8], radix: u32) -> Option<u8> {
    let value = digits.iter().try_fold(0_u32, |value, byte| {
        value.checked_mul(radix)?.checked_add(char::from(*byte).to_digit(radix)?)
    })?;
    u8::try_from(value).ok().filter(|_| !digits.is_empty())
}

/// A text with its escapes read.
pub struct Unescaped {
    pub text: Vec<u8>,
    /// Behind each escape: the place in `text`, and how many bytes more the original has up to there.
    longer: Vec<(usize, usize)>,
}

impl Unescaped {
    /// `None` where there is no escape.
    pub fn of(original: &[u8]) -> Option<Self> {
        let (mut text, mut longer) = (Vec::new(), Vec::new());
        let mut at = 0;
        while at < original.len() {
            let (byte, length) = escape(&original[at..]).unwrap_or((original[at], 1));
            text.push(byte);
            at += length;
            if length > 1 {
                longer.push((text.len(), at - text.len()));
            }
        }
        (!longer.is_empty()).then_some(Self { text, longer })
    }

    /// Where in the original stands what begins at `at`.
    pub fn original(&self, at: usize) -> usize {
        let before = self.longer.partition_point(|(place, _)| *place <= at);
        at + self.longer[..before].last().map_or(0, |(_, longer)| *longer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_is_read_with_its_length() {
        for (text, byte) in [
            (r"\u002b", b'+'),
            (r"\u002B", b'+'),
            (r"\x3d", b'='),
            (r"\/", b'/'),
            (r"\\", b'\\'),
            ("%2b", b'+'),
            ("%2B", b'+'),
            ("&#43;", b'+'),
            ("&#043;", b'+'),
            ("&#x2b;", b'+'),
            ("&#X2B;", b'+'),
            ("&#x00002b;", b'+'),
            ("&plus;", b'+'),
            ("&AMP;", b'&'),
            ("&DiacriticalGrave;", b'`'),
        ] {
            assert_eq!(escape(format!("{text};2b").as_bytes()), Some((byte, text.len())), "{text}");
        }
        for text in [
            "",
            "a",
            "+",
            "\\",
            r"\n",
            r"\u002",
            r"\u+02b",
            r"\u012b",
            r"\x+b",
            "%",
            "%2",
            "%+2",
            "&",
            "&;",
            "&#;",
            "&#x;",
            "&#+43;",
            "&#299;",
            "&#99999999999999;",
            "&eacute;",
            "&amp",
            "& a;",
        ] {
            assert_eq!(escape(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_is_unescaped_is_found_in_the_original() {
        let original = r"a%41b\u0041&amp;c";
        let read = Unescaped::of(original.as_bytes()).unwrap();
        assert_eq!(read.text, b"aAbA&c");
        let places: Vec<_> = (0..=read.text.len()).map(|at| read.original(at)).collect();
        assert_eq!(places, [0, 1, 4, 5, 11, 16, 17]);
        assert!(Unescaped::of(b"100 % of it \\n").is_none());
    }
}
