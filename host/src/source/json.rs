//! The reader of JSON (RFC 8259).

use serde_json::Number;
use stridegate_shapes::{Content, Entry, Node, Span};

use super::documents::{Members, check_size, too_deep};
use super::{Documents, Fault, MAX_DEPTH};

/// Reads a text that is one JSON value.
///
/// A byte order mark before the value is ignored. Of members with equal keys the last one counts,
/// and its place is the member's place. A surrogate that is escaped without its partner becomes
/// U+FFFD.
pub fn read(text: &str) -> Result<Node, Fault> {
    check_size(text)?;
    let mut reader = Reader::new(text);
    let value = reader.value(0)?;
    match reader.next() {
        None => Ok(value),
        Some(_) => Err(reader.expected("the end of the text after the JSON value")),
    }
}

/// Reads a text that is any number of JSON values, one after the other.
#[must_use]
pub fn read_all(text: &str) -> Documents {
    if let Err(fault) = check_size(text) {
        return Documents::failed(fault);
    }
    let mut found = Documents::default();
    let mut reader = Reader::new(text);
    while reader.next().is_some() {
        match reader.value(0) {
            Ok(value) => found.push(value),
            Err(fault) => {
                found.fault = Some(fault);
                break;
            }
        }
    }
    found
}

/// Where keys stand that their object has before, in a text that is one JSON value.
#[must_use]
pub fn doubled_keys(text: &str) -> Vec<usize> {
    let mut reader = Reader::new(text);
    // What follows a fault is not read by anybody.
    let _ = reader.value(0);
    reader.doubled
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Where keys stand that their object has before.
    doubled: Vec<usize>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        let at = if text.starts_with('\u{FEFF}') {
            '\u{FEFF}'.len_utf8()
        } else {
            0
        };
        Self {
            text,
            at,
            doubled: Vec::new(),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, Fault> {
        let first = self.next();
        let start = self.at;
        let content = match first {
            Some(b'{') => Content::Map(self.map(depth)?.into()),
            Some(b'[') => Content::List(self.list(depth)?),
            Some(b'"') => Content::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => Content::Number(self.number()?),
            _ => self.word()?,
        };
        Ok(Node {
            span: Span::new(start, self.at),
            content,
        })
    }

    fn map(&mut self, depth: usize) -> Result<Vec<Entry>, Fault> {
        self.open(depth)?;
        let mut members = Members::default();
        if self.next() == Some(b'}') {
            self.at += 1;
            return Ok(Vec::new());
        }
        loop {
            let member = self.member(depth)?;
            let key = member.key_span.start as usize;
            if members.insert(member) {
                self.doubled.push(key);
            }
            match self.next() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.expected("`,` or `}` after the member of an object")),
            }
        }
        self.at += 1;
        Ok(members.into_entries())
    }

    fn member(&mut self, depth: usize) -> Result<Entry, Fault> {
        match self.next() {
            Some(b'"') => {}
            Some(b'}') => {
                return Err(
                    self.expected("another member after the `,`, for JSON has no trailing comma")
                );
            }
            _ => return Err(self.expected("a key in double quotes")),
        }
        let start = self.at;
        let key = self.string()?;
        let key_span = Span::new(start, self.at);
        if self.next() != Some(b':') {
            return Err(self.expected("`:` after the key"));
        }
        self.at += 1;
        Ok(Entry {
            key,
            key_span,
            value: self.value(depth + 1)?,
        })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Fault> {
        self.open(depth)?;
        let mut items = Vec::new();
        if self.next() == Some(b']') {
            self.at += 1;
            return Ok(items);
        }
        loop {
            if !items.is_empty() && self.next() == Some(b']') {
                return Err(
                    self.expected("another item after the `,`, for JSON has no trailing comma")
                );
            }
            items.push(self.value(depth + 1)?);
            match self.next() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.expected("`,` or `]` after the item of an array")),
            }
        }
        self.at += 1;
        Ok(items)
    }

    fn open(&mut self, depth: usize) -> Result<(), Fault> {
        if depth >= MAX_DEPTH {
            return Err(too_deep(self.at));
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self) -> Result<Content, Fault> {
        let words = [
            ("null", Content::Null),
            ("true", Content::Bool(true)),
            ("false", Content::Bool(false)),
        ];
        let found = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let length = found
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
            .count();
        for (word, content) in words {
            if found.get(..length) == Some(word.as_bytes()) {
                self.at += length;
                return Ok(content);
            }
        }
        Err(self.expected("a JSON value"))
    }

    fn number(&mut self) -> Result<Number, Fault> {
        let start = self.at;
        self.skip(|b| b == b'-', 1);
        if self.skip(|b| b == b'0', 1) == 0 && self.digits() == 0 {
            return Err(self.expected("a digit"));
        }
        if self.peek().is_some_and(|b| b.is_ascii_digit()) {
            return Err(Fault::new(
                start,
                "a JSON number has no leading zeros; remove them, or quote the value",
            ));
        }
        let whole = !self.fraction()?;
        let digits = self.text.get(start..self.at).unwrap_or_default();
        number(digits, whole)
            .ok_or_else(|| Fault::new(start, "the number is too large; quote the value"))
    }

    /// Whether digits after the point or an exponent follow.
    fn fraction(&mut self) -> Result<bool, Fault> {
        let point = self.skip(|b| b == b'.', 1) == 1;
        if point && self.digits() == 0 {
            return Err(self.expected("a digit after the decimal point"));
        }
        let exponent = self.skip(|b| matches!(b, b'e' | b'E'), 1) == 1;
        if exponent {
            self.skip(|b| matches!(b, b'+' | b'-'), 1);
            if self.digits() == 0 {
                return Err(self.expected("a digit in the exponent"));
            }
        }
        Ok(point || exponent)
    }

    fn digits(&mut self) -> usize {
        self.skip(|b| b.is_ascii_digit(), usize::MAX)
    }

    fn string(&mut self) -> Result<String, Fault> {
        let start = self.at;
        self.at += 1;
        let mut value = String::new();
        loop {
            let from = self.at;
            self.skip(|b| b >= 0x20 && b != b'"' && b != b'\\', usize::MAX);
            value.push_str(self.text.get(from..self.at).unwrap_or_default());
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => value.push(self.escape()?),
                Some(_) => {
                    return Err(self
                        .expected("no raw control character in a string, write it as an escape"));
                }
                None => {
                    return Err(Fault::new(
                        start,
                        "the string has no closing double quote; add one",
                    ));
                }
            }
        }
        self.at += 1;
        Ok(value)
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let start = self.at;
        self.at += 1;
        let letter = self.peek();
        self.at += usize::from(letter.is_some());
        match letter {
            Some(b'"') => Ok('"'),
            Some(b'\\') => Ok('\\'),
            Some(b'/') => Ok('/'),
            Some(b'b') => Ok('\u{8}'),
            Some(b'f') => Ok('\u{C}'),
            Some(b'n') => Ok('\n'),
            Some(b'r') => Ok('\r'),
            Some(b't') => Ok('\t'),
            Some(b'u') => self.unicode_escape(start),
            _ => Err(Fault::new(
                start,
                r#"unknown escape in a string; expected one of \" \\ \/ \b \f \n \r \t \u"#,
            )),
        }
    }

    fn unicode_escape(&mut self, start: usize) -> Result<char, Fault> {
        let wrong = || Fault::new(start, r"expected four hexadecimal digits after \u");
        let first = self.hexadecimal(self.at).ok_or_else(wrong)?;
        self.at += 4;
        if !(0xD800..0xE000).contains(&first) {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let partner = self.partner().filter(|_| first < 0xDC00);
        let Some(second) = partner else {
            return Ok(char::REPLACEMENT_CHARACTER);
        };
        self.at += 6;
        let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// The low surrogate whose escape comes next.
    fn partner(&self) -> Option<u32> {
        let escape = self.text.as_bytes().get(self.at..self.at + 2)?;
        let second = self.hexadecimal(self.at + 2)?;
        (escape == br"\u" && (0xDC00..0xE000).contains(&second)).then_some(second)
    }

    fn hexadecimal(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 4)?;
        let valid = digits.bytes().all(|b| b.is_ascii_hexdigit());
        valid
            .then(|| u32::from_str_radix(digits, 16).ok())
            .flatten()
    }

    /// Skips white space and looks at what follows.
    fn next(&mut self) -> Option<u8> {
        self.skip(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'), usize::MAX);
        self.peek()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Skips at most `limit` bytes that are wanted; how many there were.
    fn skip(&mut self, wanted: impl Fn(u8) -> bool, limit: usize) -> usize {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let count = rest.iter().take(limit).take_while(|b| wanted(**b)).count();
        self.at += count;
        count
    }

    fn expected(&self, what: &str) -> Fault {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let found = match rest.chars().next() {
            None => "the end of the text".to_owned(),
            Some('#') => "a comment, which JSON does not have".to_owned(),
            Some('/') if rest.starts_with("//") || rest.starts_with("/*") => {
                "a comment, which JSON does not have".to_owned()
            }
            Some('\'') => "a single quote, where JSON has only double quotes".to_owned(),
            Some(c) if c.is_alphanumeric() => format!("`{}`", word_of(rest)),
            Some(c) if c.is_control() => format!("the character U+{:04X}", u32::from(c)),
            Some(c) => format!("`{c}`"),
        };
        Fault::new(self.at, format!("expected {what}; found {found}"))
    }
}

/// The word at the start of a text, cut to what a message can hold.
fn word_of(text: &str) -> String {
    text.chars()
        .take(20)
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

fn number(digits: &str, whole: bool) -> Option<Number> {
    let integer = || {
        digits
            .parse::<i64>()
            .map(Number::from)
            .or_else(|_| digits.parse::<u64>().map(Number::from))
            .ok()
    };
    let float = || digits.parse::<f64>().ok().and_then(Number::from_f64);
    whole.then(integer).flatten().or_else(float)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str) -> serde_json::Value {
        serde_json::to_value(read(text).unwrap()).unwrap()
    }

    fn message(text: &str) -> (usize, String) {
        let fault = read(text).unwrap_err();
        (fault.at, fault.message)
    }

    #[test]
    fn values_know_their_places() {
        let text = "\u{FEFF} {\"é\": [1, \"x\"], \"n\":null}";
        let tree = read(text).unwrap();
        let slice = |span: Span| &text[span.range()];
        assert_eq!(slice(tree.span), "{\"é\": [1, \"x\"], \"n\":null}");
        assert_eq!(slice(tree.entries()[0].key_span), "\"é\"");
        assert_eq!(slice(tree.get("é").unwrap().span), "[1, \"x\"]");
        assert_eq!(slice(tree.at("/é/1").unwrap().node.span), "\"x\"");
        assert_eq!(slice(tree.get("n").unwrap().span), "null");
    }

    #[test]
    fn the_last_of_equal_keys_wins_with_its_place() {
        let tree = read(r#"{"a":1,"b":2,"a":3}"#).unwrap();
        assert_eq!(serde_json::to_string(&tree).unwrap(), r#"{"a":3,"b":2}"#);
        assert_eq!(tree.entries()[0].key_span, Span::new(13, 16));
    }

    #[test]
    fn integers_stay_exact_as_far_as_64_bits_reach() {
        for number in [
            "0",
            "-9223372036854775808",
            "9223372036854775807",
            "18446744073709551615",
        ] {
            assert_eq!(value(number).to_string(), number);
        }
        assert_eq!(
            value("18446744073709551616").as_f64(),
            Some(18_446_744_073_709_551_616.0)
        );
        assert_eq!(value("1.5e3").as_f64(), Some(1500.0));
        assert_eq!(
            message("[1e999]"),
            (1, "the number is too large; quote the value".to_owned())
        );
    }

    #[test]
    fn escapes_are_read_and_lone_surrogates_replaced_as_in_go() {
        assert_eq!(
            value(r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#),
            "\"\\/\u{8}\u{C}\n\r\té😀"
        );
        assert_eq!(
            value(r#""\ud83d-\ude00\ud83d\u0041\ud83d\ud83d\ude00""#),
            "\u{FFFD}-\u{FFFD}\u{FFFD}A\u{FFFD}😀"
        );
    }

    #[test]
    fn faults_tell_the_place_and_what_was_expected() {
        let cases = [
            ("", 0, "expected a JSON value; found the end of the text"),
            (
                "{\"a\":1,}",
                7,
                "another member after the `,`, for JSON has no trailing comma; found `}`",
            ),
            (
                "[1, ]",
                4,
                "another item after the `,`, for JSON has no trailing comma; found `]`",
            ),
            ("{a: 1}", 1, "expected a key in double quotes; found `a`"),
            (
                "{'a': 1}",
                1,
                "found a single quote, where JSON has only double quotes",
            ),
            ("{\"a\" 1}", 5, "expected `:` after the key; found `1`"),
            ("{\"a\":1 \"b\"", 7, "expected `,` or `}` after the member"),
            ("[1 2]", 3, "expected `,` or `]` after the item"),
            ("[1", 2, "found the end of the text"),
            (
                "[1] // c",
                4,
                "expected the end of the text after the JSON value; found a comment",
            ),
            ("# c\n1", 0, "found a comment"),
            ("tru", 0, "expected a JSON value; found `tru`"),
            ("nullx", 0, "expected a JSON value; found `nullx`"),
            ("01", 0, "no leading zeros"),
            ("1.", 2, "a digit after the decimal point"),
            ("1e+", 3, "a digit in the exponent"),
            ("-", 1, "expected a digit"),
            ("\"a", 0, "no closing double quote"),
            ("\"a\nb\"", 2, "no raw control character"),
            (r#""\x""#, 1, "unknown escape"),
            (r#""\u12""#, 1, "four hexadecimal digits"),
            (r#""\u+123""#, 1, "four hexadecimal digits"),
            ("NaN", 0, "found `NaN`"),
        ];
        for (text, at, words) in cases {
            let (found, message) = message(text);
            assert!(
                found == at && message.contains(words),
                "{text}: {found} {message}"
            );
            assert!(!message.contains('\n'), "{text}");
        }
    }

    #[test]
    fn a_concatenation_is_read_up_to_its_fault() {
        let found = read_all("{}\n[1]{\"a\":2} null 3 [");
        assert_eq!(found.documents.len(), 4);
        assert_eq!(found.fault.map(|fault| fault.at), Some(22));
        assert_eq!(read_all(" \n"), Documents::default());
    }

    #[test]
    fn depth_is_limited() {
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(read(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(message(&nested(MAX_DEPTH + 1)).0, MAX_DEPTH);
        for text in ["[".repeat(1_000_000), "{\"a\":".repeat(1_000_000)] {
            assert!(message(&text).1.contains("nested deeper than 100 levels"));
        }
    }

    #[test]
    fn large_texts_take_linear_time() {
        let members: Vec<String> = (0..200_000).map(|n| format!("\"k{n}\":\"{n}\"")).collect();
        assert_eq!(
            read(&format!("{{{}}}", members.join(",")))
                .unwrap()
                .entries()
                .len(),
            200_000
        );
        let long = format!("\"{}\"", "\\u0041é".repeat(700_000));
        assert_eq!(
            read(&long).unwrap().as_str().unwrap().chars().count(),
            1_400_000
        );
    }

    fn check(node: &Node, text: &str) {
        assert!(text.get(node.span.range()).is_some());
        node.items().iter().for_each(|item| check(item, text));
        for entry in node.entries() {
            assert!(text.get(entry.key_span.range()).is_some());
            check(&entry.value, text);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let found = read_all(&text);
            found.documents.iter().for_each(|document| check(document, &text));
            prop_assert!(found.fault.is_none_or(|fault| text.is_char_boundary(fault.at)));
        }

        #[test]
        fn agrees_with_another_reader(parts in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"a\"", "\"é\\n\"", "1", "-0", "2.5e1", "true", "null", " ", "\n", "\\", "\"",
        ]), 0..12)) {
            let text = parts.concat();
            let other = serde_json::from_str::<serde_json::Value>(&text).ok();
            let found = read(&text).ok();
            prop_assert_eq!(found.is_some(), other.is_some());
            if let Some(node) = found {
                check(&node, &text);
            }
        }
    }
}
