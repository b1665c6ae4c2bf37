//! Replaces variables in values.

use std::collections::HashMap;

use crate::object::Span;

/// The variables of a project and their values.
pub(super) type Variables = HashMap<String, Value>;

/// The value of a variable.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Value {
    /// The value; where it needs a variable without a value, `${NAME}` stands for that.
    pub(super) text: String,
    /// Whether the files tell the whole value.
    pub(super) known: bool,
    /// Where it is written.
    pub(super) span: Span,
}

/// A text with its variables replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Replaced {
    /// The text; a variable that has no value is left as written.
    pub(super) text: String,
    /// Whether each variable has a value.
    pub(super) known: bool,
}

/// How deep defaults may stand within defaults.
const MAX_NESTING: usize = 50;

/// Replaces the variables of a text. An error is the offset of what Compose does not understand.
pub(super) fn replace(text: &str, variables: &Variables) -> Result<Replaced, usize> {
    replace_at(text, variables, 0)
}

fn replace_at(text: &str, variables: &Variables, depth: usize) -> Result<Replaced, usize> {
    let mut replaced = Replaced {
        text: String::with_capacity(text.len()),
        known: true,
    };
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        let at = text.len() - rest.len() + dollar;
        let (before, from) = rest.split_at(dollar);
        replaced.text.push_str(before);
        let after = from.get(1..).unwrap_or_default();
        let written = if let Some(tail) = after.strip_prefix('$') {
            replaced.text.push('$');
            rest = tail;
            continue;
        } else if after.starts_with('{') {
            let end = closing(from).ok_or(at)?;
            from.get(..=end).unwrap_or_default()
        } else {
            let end = 1 + name_length(after);
            from.get(..end).unwrap_or_default()
        };
        let value = expand(written, variables, depth).ok_or(at)?;
        replaced.known &= value.known;
        replaced.text.push_str(&value.text);
        rest = from.get(written.len()..).unwrap_or_default();
    }
    replaced.text.push_str(rest);
    Ok(replaced)
}

/// What `$NAME` or `${NAME…}` stands for; none if it is neither.
fn expand(written: &str, variables: &Variables, depth: usize) -> Option<Replaced> {
    let body = written.strip_prefix('$')?;
    let body = body
        .strip_prefix('{')
        .and_then(|body| body.strip_suffix('}'))
        .unwrap_or(body);
    let length = name_length(body);
    let (name, operation) = body.split_at(length);
    let unknown = || Replaced {
        text: written.to_owned(),
        known: false,
    };
    if name.is_empty() {
        return None;
    }
    let value = variables.get(name);
    let current = value.map_or_else(unknown, |value| {
        if value.known {
            Replaced {
                text: value.text.clone(),
                known: true,
            }
        } else {
            unknown()
        }
    });
    if operation.is_empty() {
        return Some(current);
    }
    let (colon, operator) = match operation.strip_prefix(':') {
        Some(operator) => (true, operator),
        None => (false, operation),
    };
    let set = value.is_some_and(|value| !(colon && value.known && value.text.is_empty()));
    let sign = operator.chars().next()?;
    let argument = operator.get(1..).unwrap_or_default();
    if depth >= MAX_NESTING {
        return Some(unknown());
    }
    match sign {
        '-' | '?' if set => Some(current),
        '-' => replace_at(argument, variables, depth + 1).ok(),
        '+' if set => replace_at(argument, variables, depth + 1).ok(),
        '+' => Some(Replaced {
            text: String::new(),
            known: true,
        }),
        // Without a value Compose refuses to start, so that somebody has to bring one.
        '?' => Some(unknown()),
        _ => None,
    }
}

/// The offset of the brace that closes the one at the start.
fn closing(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut open = 0;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                open += 1;
                at += 1;
            }
            b'}' if open == 1 => return Some(at),
            b'}' => open -= 1,
            _ => {}
        }
        at += 1;
    }
    None
}

fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn variables() -> Variables {
        let value = |text: &str, known| Value {
            text: text.into(),
            known,
            span: Span::default(),
        };
        Variables::from([
            ("A".into(), value("a", true)),
            ("EMPTY".into(), value("", true)),
            ("PART".into(), value("x${Y}", false)),
        ])
    }

    #[test]
    fn every_form_is_composes() {
        let cases = [
            ("$A-${A}", "a-a", true),
            ("$$A $${A}", "$A ${A}", true),
            ("$NO", "$NO", false),
            ("x${NO}y$A", "x${NO}ya", false),
            ("${NO:-d}", "d", true),
            ("${NO-d}", "d", true),
            ("${EMPTY:-d}", "d", true),
            ("${EMPTY-d}", "", true),
            ("${A:-d}", "a", true),
            ("${NO:-${A}b${NO2:-c}}", "abc", true),
            ("${NO:-${NO2}}", "${NO2}", false),
            ("${NO:?say it}", "${NO:?say it}", false),
            ("${NO?}", "${NO?}", false),
            ("${A:?say it}", "a", true),
            ("${EMPTY:?say it}", "${EMPTY:?say it}", false),
            ("${EMPTY?say it}", "", true),
            ("${A:+set}", "set", true),
            ("${EMPTY:+set}", "", true),
            ("${EMPTY+set}", "set", true),
            ("${NO+set}", "", true),
            ("${NO:-a:b-c?d}", "a:b-c?d", true),
            ("${PART}", "${PART}", false),
            ("${NO:-$$x}", "$x", true),
            ("ł$A", "ła", true),
        ];
        for (text, expected, known) in cases {
            let expected = Replaced {
                text: expected.into(),
                known,
            };
            assert_eq!(replace(text, &variables()), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_variable_is_refused_at_its_dollar() {
        for (text, at) in [
            ("a$", 1),
            ("$1", 0),
            ("ab ${", 3),
            ("${}", 0),
            ("${A!x}", 0),
        ] {
            assert_eq!(replace(text, &variables()), Err(at), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_replaced_or_refused(parts in prop::collection::vec(prop::sample::select(vec![
            "$", "{", "}", "A", "NO", ":", "-", "?", "+", "é", "${", "${NO:-", " ",
        ]), 0..30)) {
            let text = parts.concat();
            if let Err(at) = replace(&text, &variables()) {
                prop_assert!(text.is_char_boundary(at));
            }
        }
    }
}
