//! The JSON arrays of a Dockerfile.

use std::ops::Range;

/// What a text is as a JSON array.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Array {
    /// Not a JSON array at all.
    No,
    /// An array with an item that is not a string.
    Mixed,
    /// An array of strings.
    Strings(Strings),
}

/// The strings of an array: where each stands with its quotes, and what it says.
pub(super) type Strings = Vec<(Range<usize>, String)>;

/// Reads a text as a JSON array of strings.
pub(super) fn array(text: &str) -> Array {
    if !text.starts_with('[') {
        return Array::No;
    }
    match (Scanner { text, at: 0 }).strings() {
        Some(strings) => Array::Strings(strings),
        None if serde_json::from_str::<Vec<serde_json::Value>>(text).is_ok() => Array::Mixed,
        None => Array::No,
    }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl Scanner<'_> {
    fn strings(&mut self) -> Option<Strings> {
        let mut found = Vec::new();
        self.take('[')?;
        self.blanks();
        if self.take(']').is_none() {
            loop {
                self.blanks();
                let start = self.at;
                let value = self.string()?;
                found.push((start..self.at, value));
                self.blanks();
                if self.take(']').is_some() {
                    break;
                }
                self.take(',')?;
            }
        }
        self.blanks();
        self.rest().is_empty().then_some(found)
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn take(&mut self, wanted: char) -> Option<()> {
        self.rest()
            .starts_with(wanted)
            .then(|| self.at += wanted.len_utf8())
    }

    fn blanks(&mut self) {
        self.at += self.rest().len()
            - self
                .rest()
                .trim_start_matches([' ', '\t', '\n', '\r'])
                .len();
    }

    fn string(&mut self) -> Option<String> {
        self.take('"')?;
        let mut value = String::new();
        loop {
            match self.next()? {
                '"' => return Some(value),
                '\\' => value.push(self.escaped()?),
                control if control < ' ' => return None,
                other => value.push(other),
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        Some(match self.next()? {
            literal @ ('"' | '\\' | '/') => literal,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let unit = self.unit()?;
                char::from_u32(unit).unwrap_or_else(|| self.surrogate(unit))
            }
            _ => return None,
        })
    }

    fn unit(&mut self) -> Option<u32> {
        let digits = self
            .rest()
            .get(..4)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        let unit = u32::from_str_radix(digits, 16).ok()?;
        self.at += 4;
        Some(unit)
    }

    /// The character that a pair of surrogates makes; a lone one is replaced, as Go does it.
    fn surrogate(&mut self, high: u32) -> char {
        let start = self.at;
        let low = self
            .take('\\')
            .and_then(|()| self.take('u'))
            .and_then(|()| self.unit());
        let pair = low.filter(|low| high < 0xDC00 && (0xDC00..0xE000).contains(low));
        let joined =
            pair.and_then(|low| char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)));
        joined.unwrap_or_else(|| {
            self.at = start;
            char::REPLACEMENT_CHARACTER
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_of_strings_are_told_from_others() {
        let strings = |text| match array(text) {
            Array::Strings(found) => {
                Some(found.into_iter().map(|found| found.1).collect::<Vec<_>>())
            }
            _ => None,
        };
        assert_eq!(strings("[]"), Some(vec![]));
        assert_eq!(
            strings(r#"[ "a" , "b\"\u00e9\ud83d\ude00\ud83dx\n" ]"#).map(|found| found.join("|")),
            Some("a|b\"é😀\u{fffd}x\n".to_owned())
        );
        for text in [
            "[",
            "['a']",
            "[ -f x ] && y",
            "[\"a\" \"b\"]",
            "[\"a\",]",
            "[\"a\"] b",
            "[\"\\x\"]",
            "[\"\\u12\"]",
        ] {
            assert_eq!(array(text), Array::No, "{text}");
        }
        for text in ["[1]", "[\"a\", null]", "[[\"a\"]]"] {
            assert_eq!(array(text), Array::Mixed, "{text}");
        }
    }
}
