//! Files of variables: `.env`, and what `env_file` names.

use std::borrow::Cow;

use super::interpolate::{Value, Variables, replace};
use crate::object::Span;
use crate::source::Fault;

/// A line of the file.
#[derive(Debug, PartialEq)]
pub(super) struct Assignment {
    pub(super) name: String,
    pub(super) value: Value,
}

/// Reads a file of variables, in its order. `outer` are variables that are known already; they
/// outweigh those of the file where the file uses them. What stands before a fault is kept.
pub(super) fn read(text: &str, outer: &Variables) -> (Vec<Assignment>, Option<Fault>) {
    let mut reader = Reader {
        text,
        at: 0,
        known: outer.clone(),
        outer,
        found: Vec::new(),
    };
    let fault = reader.run().err();
    (reader.found, fault)
}

/// Reads a file of variables in the format `raw`: values are taken as they stand.
pub(super) fn read_raw(text: &str) -> Vec<Assignment> {
    let mut at = 0;
    let mut found = Vec::new();
    for line in text.split('\n') {
        let written = line.trim_end_matches('\r');
        let content = written.trim_start();
        if let Some((name, value)) = content
            .split_once('=')
            .filter(|_| !content.starts_with('#'))
        {
            let end = at + written.len();
            found.push(Assignment {
                name: name.trim().to_owned(),
                value: Value {
                    text: value.to_owned(),
                    known: true,
                    span: Span::new(end - value.len(), end),
                },
            });
        }
        at += line.len() + 1;
    }
    found
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    known: Variables,
    outer: &'a Variables,
    found: Vec<Assignment>,
}

impl<'a> Reader<'a> {
    fn run(&mut self) -> Result<(), Fault> {
        loop {
            self.skip(char::is_whitespace);
            let Some(first) = self.rest().chars().next() else {
                return Ok(());
            };
            if first == '#' {
                self.skip(|c| c != '\n');
            } else {
                self.statement()?;
            }
        }
    }

    fn statement(&mut self) -> Result<(), Fault> {
        if let Some(after) = self.rest().strip_prefix("export")
            && after.starts_with(is_blank)
        {
            self.at += "export".len();
            self.skip(is_blank);
        }
        let start = self.at;
        let rest = self.rest();
        let end = rest.find(['=', ':', '\n']).unwrap_or(rest.len());
        let name = rest.get(..end).unwrap_or_default().trim_end();
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '[' | ']');
        if let Some(odd) = name.find(|c| !is_name(c)) {
            let message =
                "the name of a variable holds letters, digits and _ only; correct this line";
            return Err(Fault::new(start + odd, message));
        }
        let assigned = rest
            .get(end..)
            .is_some_and(|rest| rest.starts_with(['=', ':']));
        self.at = start + end + usize::from(assigned);
        let value = if assigned {
            self.skip(is_blank);
            self.value()?
        } else {
            self.inherited(name, Span::new(start, start + name.len()))
        };
        // Compose passes over names that start with a digit.
        if !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty() {
            if !self.outer.contains_key(name) {
                self.known.insert(name.to_owned(), value.clone());
            }
            self.found.push(Assignment {
                name: name.to_owned(),
                value,
            });
        }
        Ok(())
    }

    /// A name alone takes its value from outside.
    fn inherited(&self, name: &str, span: Span) -> Value {
        match self.outer.get(name) {
            Some(value) => Value {
                span,
                ..value.clone()
            },
            None => Value {
                text: format!("${{{name}}}"),
                known: false,
                span,
            },
        }
    }

    fn value(&mut self) -> Result<Value, Fault> {
        let start = self.at;
        let first = self.rest().chars().next();
        if let Some(quote @ ('"' | '\'')) = first {
            let text = self.quoted(quote)?;
            let span = Span::new(start, self.at);
            return if quote == '"' {
                self.replaced(&unescape(&text), span)
            } else {
                let known = true;
                Ok(Value { text, known, span })
            };
        }
        let line = self.rest().split('\n').next().unwrap_or_default();
        self.at += line.len();
        let value = line.split(" #").next().unwrap_or_default().trim_end();
        // A comment may follow the sign at once.
        let value = if value.starts_with('#') { "" } else { value };
        self.replaced(value, Span::new(start, start + value.len()))
    }

    fn quoted(&mut self, quote: char) -> Result<String, Fault> {
        let start = self.at;
        let mut content = String::new();
        let mut escaped = false;
        for (at, c) in self.rest().char_indices().skip(1) {
            if escaped {
                if c != quote {
                    content.push('\\');
                }
                content.push(c);
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if c == quote {
                self.at = start + at + 1;
                return Ok(content);
            } else {
                content.push(c);
            }
        }
        Err(Fault::new(start, "the quote is not closed; close it"))
    }

    fn replaced(&self, text: &str, span: Span) -> Result<Value, Fault> {
        let replaced = replace(text, &self.known).map_err(|_| {
            let message = "a `$` here starts no variable; write `$$` for the sign itself";
            Fault::new(span.start as usize, message)
        })?;
        Ok(Value {
            text: replaced.text,
            known: replaced.known,
            span,
        })
    }

    fn skip(&mut self, skipped: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !skipped(c)).unwrap_or(rest.len());
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() && c != '\n'
}

/// Replaces the escapes of a double-quoted value.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('a') => out.push('\u{7}'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('v') => out.push('\u{b}'),
            Some('$') => out.push_str("$$"),
            Some('\\') | None => out.push('\\'),
            Some(other) => out.extend(['\\', other]),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &str) -> Vec<(String, String, bool)> {
        let (found, fault) = read(text, &Variables::new());
        assert_eq!(fault, None, "{text}");
        found
            .into_iter()
            .map(|found| (found.name, found.value.text, found.value.known))
            .collect()
    }

    #[test]
    fn values_are_read_as_compose_reads_them() {
        let cases = [
            ("A=b", "b", true),
            ("A: b", "b", true),
            ("export A = b # c", "b", true),
            ("A=b#c", "b#c", true),
            ("A='b $C' # c", "b $C", true),
            ("A=\"b\\n\\$c\\\"\"", "b\n$c\"", true),
            ("A=\"b\nc\"", "b\nc", true),
            (r#"A="b\\c\d""#, r"b\c\d", true),
            ("A=", "", true),
            ("A= # c", "", true),
            ("A=${B:-d}", "d", true),
            ("A=$B", "$B", false),
            ("A", "${A}", false),
            ("# c\n\nA=b\r\n", "b", true),
        ];
        for (text, value, known) in cases {
            let expected = ("A".to_owned(), value.to_owned(), known);
            assert_eq!(pairs(text), [expected], "{text:?}");
        }
    }

    #[test]
    fn a_value_may_use_what_stands_before_it() {
        let found = pairs("A=1\nB=${A}2\n1X=0\n");
        assert_eq!(found[1], ("B".into(), "12".into(), true));
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_place_is_that_of_the_value() {
        let text = "A=b c # d\nB=\"x\"\n";
        let (found, _) = read(text, &Variables::new());
        let written: Vec<_> = found.iter().map(|a| &text[a.value.span.range()]).collect();
        assert_eq!(written, ["b c", "\"x\""]);
        let raw = read_raw("#x\n A='b' #\r\n");
        assert_eq!(
            (raw[0].value.text.as_str(), raw[0].value.span),
            ("'b' #", Span::new(6, 11))
        );
    }

    #[test]
    fn what_is_wrong_is_a_fault_without_the_value() {
        for (text, at) in [("A B=c", 1), ("A=\"b", 2), ("A=$1", 2), ("ok=1\n!=x", 5)] {
            let (_, fault) = read(text, &Variables::new());
            assert_eq!(fault.map(|fault| fault.at), Some(at), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(parts in prop::collection::vec(prop::sample::select(vec![
            "A", "=", ":", "\"", "'", "\\", "$", "{", "}", "#", " ", "\n", "\r\n", "é", "export ", "\u{85}", "\u{a0}",
        ]), 0..30)) {
            let text = parts.concat();
            let (found, fault) = read(&text, &Variables::new());
            for assignment in found.iter().chain(&read_raw(&text)) {
                prop_assert!(text.get(assignment.value.span.range()).is_some());
            }
            prop_assert!(fault.is_none_or(|fault| text.is_char_boundary(fault.at)));
        }
    }
}
