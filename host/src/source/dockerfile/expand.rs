//! The replacement of variables in a word of a Dockerfile, as `BuildKit` does it.

use std::collections::HashSet;

/// The longest value that a variable is followed to; a longer one counts as unknown, so that a
/// file cannot double a value until the memory is full.
pub(super) const LONGEST: usize = 64 * 1024;

/// How deep `${a:-${b:-…}}` may nest; what people write is two or three deep.
const DEEPEST: usize = 100;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variable<'a> {
    /// It has this value.
    Known(&'a str),
    /// It is not set.
    Unset,
    /// Only the build knows.
    Unknown,
    /// It stays in the text as it is written.
    Verbatim,
}

/// The variables that a word can use.
pub(super) trait Environment {
    /// What a name stands for.
    fn get(&self, name: &str) -> Variable<'_>;

    /// Takes from the work that may be done for this file; whether enough was left. What needs
    /// more counts as unknown.
    fn burn(&self, _work: usize) -> bool {
        true
    }
}

/// No variable is replaced.
pub(super) struct Verbatim;

impl Environment for Verbatim {
    fn get(&self, _: &str) -> Variable<'_> {
        Variable::Verbatim
    }
}

/// Every variable is unknown.
pub(super) struct Unknown;

impl Environment for Unknown {
    fn get(&self, _: &str) -> Variable<'_> {
        Variable::Unknown
    }
}

/// Names in order, each once.
#[derive(Debug, Default)]
pub(super) struct Names {
    list: Vec<String>,
    seen: HashSet<String>,
}

impl Names {
    pub(super) fn add(&mut self, name: &str) {
        if self.seen.insert(name.to_owned()) {
            self.list.push(name.to_owned());
        }
    }

    pub(super) fn into_list(self) -> Vec<String> {
        self.list
    }
}

/// A word with its variables replaced.
#[derive(Debug, Default)]
pub(super) struct Expansion {
    /// The text, unless it needs an unknown variable.
    pub(super) value: Option<String>,
    /// The unknown variables that it needs.
    pub(super) unresolved: Vec<String>,
}

/// Replaces the variables in a word and takes its quotes away. The error is the reason for which
/// `BuildKit` refuses the word.
pub(super) fn expand(
    word: &str,
    escape: char,
    variables: &dyn Environment,
) -> Result<Expansion, String> {
    let output = Lexer::new(word, escape, variables).until(None, false)?;
    Ok(Expansion {
        value: output.known.then_some(output.text),
        unresolved: output.unknown.into_list(),
    })
}

/// The end of the quoted part, the variable, the escaped character or else the character that
/// starts at an offset; `None` if it has no end.
pub(super) fn end_of_part(text: &str, at: usize) -> Option<usize> {
    let mut lexer = Lexer {
        at,
        ..Lexer::new(text, '\\', &Verbatim)
    };
    lexer.part(&mut Output::default(), true).ok()?;
    Some(lexer.at)
}

/// The delimiter that the redirection of a here-document names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Delimiter {
    /// The line that ends the here-document.
    pub(super) name: String,
    /// Whether a part of it was quoted.
    pub(super) quoted: bool,
}

/// Reads a delimiter; `None` if the text is not a single word.
pub(super) fn delimiter(text: &str) -> Result<Option<Delimiter>, String> {
    let mut lexer = Lexer::new(text, '\\', &Verbatim);
    let name = lexer.until(None, false)?.text;
    let single = !name.is_empty() && !lexer.spaced;
    Ok(single.then_some(Delimiter {
        name,
        quoted: lexer.quoted,
    }))
}

/// What was read so far.
#[derive(Debug)]
struct Output {
    text: String,
    known: bool,
    unknown: Names,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            text: String::new(),
            known: true,
            unknown: Names::default(),
        }
    }
}

impl Output {
    fn lose(&mut self, name: &str) {
        self.known = false;
        self.unknown.add(name);
    }

    fn append(&mut self, other: Self) {
        self.text.push_str(&other.text);
        self.known &= other.known;
        for name in other.unknown.into_list() {
            self.unknown.add(&name);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    escape: char,
    variables: &'a dyn Environment,
    depth: usize,
    quoted: bool,
    spaced: bool,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str, escape: char, variables: &'a dyn Environment) -> Self {
        Self {
            text,
            at: 0,
            escape,
            variables,
            depth: 0,
            quoted: false,
            spaced: false,
        }
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Reads up to a character, or else to the end. `raw` keeps the escape characters: a pattern
    /// needs them.
    fn until(&mut self, stop: Option<char>, raw: bool) -> Result<Output, String> {
        let mut output = Output::default();
        while let Some(next) = self.peek() {
            if Some(next) == stop {
                self.next();
                return Ok(output);
            }
            self.part(&mut output, raw)?;
        }
        match stop {
            None => Ok(output),
            Some(stop) => Err(format!(
                "a substitution has no closing {stop}; write ${{NAME}}"
            )),
        }
    }

    fn part(&mut self, output: &mut Output, raw: bool) -> Result<(), String> {
        match self.peek() {
            Some('$') => return self.dollar(output),
            Some('\'') => return self.single_quote(output),
            Some('"') => return self.double_quote(output, raw),
            Some(escape) if escape == self.escape => self.escaped(output, raw),
            Some(other) => {
                self.next();
                self.spaced |= other.is_whitespace();
                output.text.push(other);
            }
            None => {}
        }
        Ok(())
    }

    fn escaped(&mut self, output: &mut Output, raw: bool) {
        self.next();
        if raw {
            output.text.push(self.escape);
        }
        if let Some(literal) = self.next() {
            output.text.push(literal);
        }
    }

    fn single_quote(&mut self, output: &mut Output) -> Result<(), String> {
        self.next();
        self.quoted = true;
        let rest = self.text.get(self.at..).unwrap_or_default();
        let Some((inside, _)) = rest.split_once('\'') else {
            return Err("a single quote is not closed; close it or escape it".to_owned());
        };
        output.text.push_str(inside);
        self.at += inside.len() + 1;
        Ok(())
    }

    fn double_quote(&mut self, output: &mut Output, raw: bool) -> Result<(), String> {
        self.next();
        self.quoted = true;
        while let Some(next) = self.peek() {
            match next {
                '"' => {
                    self.next();
                    return Ok(());
                }
                '$' => self.dollar(output)?,
                escape if escape == self.escape => self.escaped_in_quotes(output, raw),
                other => {
                    self.next();
                    output.text.push(other);
                }
            }
        }
        Err("a double quote is not closed; close it or escape it".to_owned())
    }

    fn escaped_in_quotes(&mut self, output: &mut Output, raw: bool) {
        self.next();
        if raw {
            output.text.push(self.escape);
        }
        match self.peek() {
            Some(literal) if literal == '"' || literal == '$' || literal == self.escape => {
                self.next();
                output.text.push(literal);
            }
            Some(_) => output.text.push(self.escape),
            None => {}
        }
    }

    fn dollar(&mut self, output: &mut Output) -> Result<(), String> {
        let start = self.at;
        self.next();
        if self.peek() == Some('{') {
            self.depth += 1;
            if self.depth > DEEPEST {
                return Err(format!(
                    "substitutions nest more than {DEEPEST} deep; use a variable for the inner ones"
                ));
            }
            self.braces(start, output)?;
            self.depth -= 1;
            return Ok(());
        }
        match self.name() {
            "" => output.text.push('$'),
            name => self.put(start, name, output),
        }
        Ok(())
    }

    fn name(&mut self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let digits = |c: char| c.is_numeric();
        let letters = |c: char| c.is_alphanumeric() || c == '_';
        let length = match rest.chars().next() {
            Some(first) if digits(first) => rest.find(|c| !digits(c)).unwrap_or(rest.len()),
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => 1,
            _ => rest.find(|c| !letters(c)).unwrap_or(rest.len()),
        };
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    fn put(&self, start: usize, name: &str, output: &mut Output) {
        match self.variables.get(name) {
            Variable::Known(value) => self.put_value(name, value, output),
            Variable::Unset => {}
            Variable::Unknown => output.lose(name),
            Variable::Verbatim => output.text.push_str(self.since(start)),
        }
    }

    fn put_value(&self, name: &str, value: &str, output: &mut Output) {
        if output.text.len() + value.len() <= LONGEST && self.variables.burn(value.len()) {
            output.text.push_str(value);
        } else {
            output.lose(name);
        }
    }

    fn braces(&mut self, start: usize, output: &mut Output) -> Result<(), String> {
        self.next();
        match self.peek() {
            None => return Err("a substitution has no closing }; write ${NAME}".to_owned()),
            Some('{' | '}' | ':') => {
                return Err("a substitution has no name; write ${NAME}".to_owned());
            }
            Some(_) => {}
        }
        let name = self.name();
        match self.next() {
            Some('}') => self.put(start, name, output),
            Some(':') => {
                let operator = self.next();
                self.modified(start, name, operator, true, output)?;
            }
            Some('/') => self.replaced(start, name, output)?,
            operator => self.modified(start, name, operator, false, output)?,
        }
        Ok(())
    }

    fn modified(
        &mut self,
        start: usize,
        name: &str,
        operator: Option<char>,
        empty_is_unset: bool,
        output: &mut Output,
    ) -> Result<(), String> {
        let Some(operator @ ('-' | '+' | '?' | '#' | '%')) = operator else {
            return Err(format!(
                "the substitution of {name} is of no known form; use ${{{name}:-default}} or the like"
            ));
        };
        let word = self.until(Some('}'), matches!(operator, '#' | '%'))?;
        let value = match self.variables.get(name) {
            Variable::Verbatim => {
                output.text.push_str(self.since(start));
                return Ok(());
            }
            Variable::Unknown => {
                output.lose(name);
                if operator != '?' {
                    output.append(word);
                }
                return Ok(());
            }
            Variable::Known(value) => Some(value),
            Variable::Unset => None,
        };
        let given = value.filter(|value| !(empty_is_unset && value.is_empty()));
        match (operator, given) {
            ('-', None) | ('+', Some(_)) => output.append(word),
            ('+', None) => {}
            ('?', None) => return Err(required(name, &word.text)),
            ('-' | '?', Some(value)) => self.put_value(name, value, output),
            _ => self.trimmed(name, operator, value.unwrap_or_default(), word, output)?,
        }
        Ok(())
    }

    fn trimmed(
        &self,
        name: &str,
        operator: char,
        value: &str,
        word: Output,
        output: &mut Output,
    ) -> Result<(), String> {
        if !word.known {
            output.append(Output {
                text: String::new(),
                ..word
            });
            return Ok(());
        }
        if !self.variables.burn(value.len()) {
            output.lose(name);
            return Ok(());
        }
        let longest = word.text.starts_with(operator);
        let pattern = word.text.strip_prefix(operator).unwrap_or(&word.text);
        let mut pattern = Pattern::new(pattern)?;
        let mut chars: Vec<char> = value.chars().collect();
        if operator == '%' {
            pattern.0.reverse();
            chars.reverse();
        }
        let Ok(found) = pattern.match_at(&chars, longest, self.variables) else {
            output.lose(name);
            return Ok(());
        };
        chars.drain(..found.unwrap_or(0));
        if operator == '%' {
            chars.reverse();
        }
        self.put_value(name, &String::from_iter(chars), output);
        Ok(())
    }

    fn replaced(&mut self, start: usize, name: &str, output: &mut Output) -> Result<(), String> {
        let all = self.peek() == Some('/');
        if all {
            self.next();
        }
        let pattern = self.until(Some('/'), true)?;
        let replacement = self.until(Some('}'), true)?;
        let value = match self.variables.get(name) {
            Variable::Verbatim => {
                output.text.push_str(self.since(start));
                return Ok(());
            }
            Variable::Unknown => {
                output.lose(name);
                return Ok(());
            }
            Variable::Known(value) => value,
            Variable::Unset => "",
        };
        if !(pattern.known && replacement.known) {
            output.append(Output {
                text: String::new(),
                ..pattern
            });
            output.append(Output {
                text: String::new(),
                ..replacement
            });
            return Ok(());
        }
        let pattern = Pattern::new(&pattern.text)?;
        match pattern.replace(value, &replacement.text, all, self.variables) {
            Ok(text) => self.put_value(name, &text, output),
            Err(Exhausted) => output.lose(name),
        }
        Ok(())
    }
}

fn required(name: &str, reason: &str) -> String {
    let reason = if reason.is_empty() {
        "it is required"
    } else {
        reason
    };
    format!("the variable {name} has no value ({reason}); give it one")
}

/// The file has used up the work that may be done for it.
struct Exhausted;

/// The work of one step of a match, for each part of the pattern.
const STEP: usize = 4;

/// A shell pattern with `*` and `?`; `BuildKit` knows no `[…]`.
struct Pattern(Vec<Glob>);

#[derive(Clone, Copy)]
enum Glob {
    Many,
    One,
    Literal(char),
}

impl Pattern {
    fn new(text: &str) -> Result<Self, String> {
        let mut globs = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(next) = chars.next() {
            globs.push(match next {
                '*' => Glob::Many,
                '?' => Glob::One,
                '\\' => {
                    match chars.next() {
                        Some(literal @ ('}' | '/' | '*' | '?' | '\\')) => Glob::Literal(literal),
                        _ => return Err(
                            "a pattern escapes a character other than * ? / } \\; do not escape it"
                                .to_owned(),
                        ),
                    }
                }
                other => Glob::Literal(other),
            });
        }
        Ok(Self(globs))
    }

    /// The length of the longest or the shortest match at the start of the text.
    fn match_at(
        &self,
        text: &[char],
        longest: bool,
        variables: &dyn Environment,
    ) -> Result<Option<usize>, Exhausted> {
        let mut states = vec![false; self.0.len() + 1];
        if let Some(first) = states.first_mut() {
            *first = true;
        }
        self.skip_stars(&mut states);
        let mut found = None;
        for length in 0..=text.len() {
            if states.last() == Some(&true) {
                found = Some(length);
                if !longest {
                    break;
                }
            }
            let Some(&next) = text.get(length) else { break };
            if !variables.burn(STEP * states.len()) {
                return Err(Exhausted);
            }
            states = self.step(&states, next);
            if !states.contains(&true) {
                break;
            }
        }
        Ok(found)
    }

    /// A star may match nothing: where it can start, what follows it can start too.
    fn skip_stars(&self, states: &mut [bool]) {
        let mut reached = false;
        for (state, glob) in states.iter_mut().zip(self.0.iter().map(Some).chain([None])) {
            *state |= reached;
            reached = *state && matches!(glob, Some(Glob::Many));
        }
    }

    fn step(&self, states: &[bool], next: char) -> Vec<bool> {
        let mut after = vec![false; states.len()];
        for (index, (&active, glob)) in states.iter().zip(&self.0).enumerate() {
            let target = match glob {
                Glob::Many => index,
                Glob::Literal(literal) if *literal != next => continue,
                Glob::One | Glob::Literal(_) => index + 1,
            };
            if let Some(state) = after.get_mut(target) {
                *state |= active;
            }
        }
        self.skip_stars(&mut after);
        after
    }

    fn replace(
        &self,
        text: &str,
        replacement: &str,
        all: bool,
        variables: &dyn Environment,
    ) -> Result<String, Exhausted> {
        if !variables.burn(text.len()) {
            return Err(Exhausted);
        }
        let chars: Vec<char> = text.chars().collect();
        let mut rest = chars.as_slice();
        let mut output = String::new();
        let mut matched = false;
        while output.len() <= LONGEST {
            // An empty match right after a match does not count.
            let found = self
                .match_at(rest, true, variables)?
                .filter(|&length| length > 0 || !matched);
            matched = found.is_some();
            if matched {
                output.push_str(replacement);
            }
            rest = rest.get(found.unwrap_or(0)..).unwrap_or_default();
            if matched && !all {
                break;
            }
            if found.is_none_or(|length| length == 0) {
                let Some((next, after)) = rest.split_first() else {
                    break;
                };
                output.push(*next);
                rest = after;
                matched = false;
            }
        }
        output.extend(rest);
        Ok(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sample;

    impl Environment for Sample {
        fn get(&self, name: &str) -> Variable<'_> {
            match name {
                "v" => Variable::Known("abcabc"),
                "path" => Variable::Known("/usr/local/bin.tar.gz"),
                "empty" => Variable::Known(""),
                "secret" => Variable::Unknown,
                _ => Variable::Unset,
            }
        }
    }

    fn value(word: &str) -> String {
        expand(word, '\\', &Sample).expect(word).value.expect(word)
    }

    #[test]
    fn quotes_and_escapes_go_away() {
        for (word, expected) in [
            (r#"a"b c"'d $v'"#, "ab cd $v"),
            (r"a\ b\$v", "a b$v"),
            (r#""\a\"\$\\""#, r#"\a"$\"#),
            (r"a\", "a"),
            ("$", "$"),
            ("a$.b", "a$.b"),
            ("$$x$1", "x"),
        ] {
            assert_eq!(value(word), expected, "{word}");
        }
        assert_eq!(
            expand("a`b\\", '`', &Sample)
                .expect("valid")
                .value
                .as_deref(),
            Some("ab\\")
        );
    }

    #[test]
    fn every_form_of_substitution_is_replaced() {
        for (word, expected) in [
            ("$v-${v}", "abcabc-abcabc"),
            ("${none:-d}${none-d}${empty:-d}${empty-d}", "ddd"),
            (
                "${v:+a}${v+a}${none:+a}${none+a}${empty:+a}${empty+a}",
                "aaa",
            ),
            ("${v:?no}${v?no}", "abcabcabcabc"),
            ("${none:-${v:-x}'}'}", "abcabc}"),
            ("${v#a*b}|${v##a*b}|${v%b*c}|${v%%b*c}", "cabc|c|abca|a"),
            (
                "${path##*/}|${path%.*}|${path%%.*}",
                "bin.tar.gz|/usr/local/bin.tar|/usr/local/bin",
            ),
            (
                "${v/b/X}|${v//b/X}|${v//b/}|${v/c*/X}|${v//?c/}",
                "aXcabc|aXcaXc|acac|abX|aa",
            ),
            (r"${path//\//-}", "-usr-local-bin.tar.gz"),
            ("${none#x}${none/x/y}", ""),
            ("${v//x*/-}", "abcabc"),
            ("${v//*/-}", "-"),
        ] {
            assert_eq!(value(word), expected, "{word}");
        }
    }

    #[test]
    fn an_unknown_variable_makes_the_whole_unknown() {
        for word in [
            "a$secret",
            "${secret:-d}",
            "${secret+a}",
            "${secret#x}",
            "${secret/a/b}",
            "${v#$secret}",
            "${v/$secret/}",
        ] {
            let expansion = expand(word, '\\', &Sample).expect(word);
            assert_eq!(
                (expansion.value, expansion.unresolved),
                (None, vec!["secret".to_owned()]),
                "{word}"
            );
        }
        assert_eq!(value("${v:-$secret}"), "abcabc");
        assert_eq!(value("${none:+$secret}"), "");
    }

    #[test]
    fn what_buildkit_refuses_is_an_error() {
        for word in [
            "'a",
            "\"a",
            "${v",
            "${}",
            "${:a}",
            "${v:=a}",
            "${v:-a",
            "${none?}",
            "${empty:?x}",
            "${v/a}",
            "${v#\\a}",
            "${v!}",
        ] {
            assert!(expand(word, '\\', &Sample).is_err(), "{word}");
        }
        assert!(expand(&"${v:-".repeat(10_000), '\\', &Sample).is_err());
    }

    #[test]
    fn a_delimiter_is_one_word() {
        let read = |text| {
            delimiter(text)
                .expect(text)
                .map(|found| (found.name, found.quoted))
        };
        assert_eq!(read("EOF"), Some(("EOF".to_owned(), false)));
        assert_eq!(read("'E F'"), Some(("E F".to_owned(), true)));
        assert_eq!(read("\\EOF"), Some(("EOF".to_owned(), false)));
        assert_eq!(read("$EOF"), Some(("$EOF".to_owned(), false)));
        assert_eq!(read("a b"), None);
        assert_eq!(read("\"\""), None);
    }
}
