//! The here-documents of a Dockerfile.

use std::collections::HashSet;
use std::ops::Range;

use stridegate_shapes::Span;

use super::super::Fault;
use super::expand;
use super::lines::{Line, Lines};
use super::shell::Token;

/// Programs that run what they read.
const SHELLS: [&str; 8] = ["sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "rbash"];

/// Programs that run the program named after them.
const WRAPPERS: [&str; 9] = [
    "exec", "command", "env", "sudo", "nohup", "time", "busybox", "!", "{",
];

/// Operators that end a command.
const SEPARATORS: [&str; 12] = [
    "&&", "||", "|", "|&", ";", ";;", ";&", ";;&", "&", "(", ")", "\n",
];

/// A here-document.
#[derive(Debug)]
pub(super) struct Heredoc {
    /// Where the redirection stands in the logical line.
    pub(super) range: Range<usize>,
    /// The delimiter.
    pub(super) name: String,
    /// Whether the delimiter is unquoted.
    pub(super) expand: bool,
    /// The lines, each with a line feed.
    pub(super) body: Line,
    /// The lines in the body, without line feeds.
    pub(super) lines: Vec<Range<usize>>,
    /// Where the body stands.
    pub(super) span: Span,
    /// Where the delimiter's line ends.
    pub(super) end: usize,
}

/// The redirection of a here-document: `<<-'EOF'`.
#[derive(Debug)]
pub(super) struct Redirection {
    name: String,
    quoted: bool,
    tabs: bool,
}

/// Reads a word as the redirection of a here-document. As `BuildKit` has it, what follows `<<` up
/// to a blank is the delimiter, be there a `>` in it or not.
pub(super) fn redirection(word: &str) -> Result<Option<Redirection>, String> {
    let Some(rest) = word
        .trim_start_matches(|c: char| c.is_ascii_digit())
        .strip_prefix("<<")
    else {
        return Ok(None);
    };
    let (rest, tabs) = rest
        .strip_prefix('-')
        .map_or((rest, false), |rest| (rest, true));
    if rest.contains('<') {
        return Ok(None);
    }
    let delimiter = expand::delimiter(rest)?;
    Ok(delimiter.map(|found| Redirection {
        name: found.name,
        quoted: found.quoted,
        tabs,
    }))
}

/// Reads the bodies of the here-documents that a logical line asks for.
pub(super) fn read(line: &Line, lines: &mut Lines<'_>) -> Result<Vec<Heredoc>, Fault> {
    let mut found = Vec::new();
    for range in quoted_words(line.text()) {
        let redirection = redirection(line.get(range.clone()));
        let redirection = redirection.map_err(|reason| Fault::new(line.at(range.start), reason))?;
        if let Some(redirection) = redirection {
            found.push(body(line, range, redirection, lines)?);
        }
    }
    Ok(found)
}

/// The words of a line, where quotes keep blanks together. None where a quote is open: then
/// `BuildKit` looks for no here-document.
fn quoted_words(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = None;
    let mut at = 0;
    while let Some(next) = text.get(at..).and_then(|rest| rest.chars().next()) {
        if next.is_whitespace() {
            found.extend(start.take().map(|start| start..at));
            at += next.len_utf8();
        } else {
            start.get_or_insert(at);
            let Some(end) = expand::end_of_part(text, at) else {
                return Vec::new();
            };
            at = end;
        }
    }
    found.extend(start.map(|start| start..at));
    found
}

fn body(
    line: &Line,
    range: Range<usize>,
    redirection: Redirection,
    lines: &mut Lines<'_>,
) -> Result<Heredoc, Fault> {
    let mut body = Line::default();
    let mut ranges: Vec<Range<usize>> = Vec::new();
    while let Some(next) = lines.physical()? {
        let tabs = if redirection.tabs {
            next.text.len() - next.text.trim_start_matches('\t').len()
        } else {
            0
        };
        let text = next.text.get(tabs..).unwrap_or_default();
        let end = next.at + next.text.len();
        if text == redirection.name {
            let span = match ranges.last() {
                Some(last) => Span::new(body.at(0), body.end(last.end)),
                None => Span::new(next.at, next.at),
            };
            let expand = !redirection.quoted;
            return Ok(Heredoc {
                range,
                name: redirection.name,
                expand,
                body,
                lines: ranges,
                span,
                end,
            });
        }
        let start = body.text().len();
        body.push(next.at + tabs, text);
        ranges.push(start..body.text().len());
        body.push(end, "\n");
    }
    let name: String = redirection.name.chars().take(40).collect();
    let message =
        format!("the here-document has no end; write its delimiter {name:?} on a line of its own");
    Err(Fault::new(line.at(range.start), message))
}

impl Heredoc {
    /// Whether a shell runs the body when it is the whole of a RUN: it does unless a `#!` names
    /// another program.
    pub(super) fn is_script(&self) -> bool {
        let Some(first) = self.body.text().strip_prefix("#!") else {
            return true;
        };
        let mut words = first
            .lines()
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .map(base_name);
        let program = words.next().filter(|&program| program != "env");
        program
            .or_else(|| words.find(|word| !word.starts_with('-') && !word.contains('=')))
            .is_some_and(is_shell)
    }
}

/// Where the redirections start whose here-document a shell reads as its script.
pub(super) fn fed(tokens: &[Token]) -> HashSet<usize> {
    let commands = commands(tokens);
    let next = commands.iter().skip(1).map(Some).chain([None]);
    let feeding = commands.iter().zip(next).filter(|(command, next)| {
        let onward = next.filter(|next| next.piped && matches!(next.input, Input::Inherited));
        command.is_shell() || command.is_cat() && onward.is_some_and(Command::is_shell)
    });
    feeding
        .filter_map(|(command, _)| match command.input {
            Input::Heredoc(start) => Some(start),
            _ => None,
        })
        .collect()
}

/// A simple command.
#[derive(Default)]
struct Command<'a> {
    words: Vec<&'a str>,
    input: Input,
    piped: bool,
}

/// Where a command reads from.
#[derive(Clone, Copy, Default)]
enum Input {
    #[default]
    Inherited,
    Heredoc(usize),
    Other,
}

fn commands(tokens: &[Token]) -> Vec<Command<'_>> {
    let mut found = vec![Command::default()];
    let mut tokens = tokens.iter();
    while let Some(token) = tokens.next() {
        let Some(command) = found.last_mut() else {
            break;
        };
        if !token.operator {
            command.words.push(token.value.as_deref().unwrap_or("$"));
        } else if SEPARATORS.contains(&token.written.as_str()) {
            found.push(Command {
                piped: token.written.starts_with('|') && token.written != "||",
                ..Command::default()
            });
        } else {
            let operator = token.written.strip_prefix('0').unwrap_or(&token.written);
            match operator {
                "<<" | "<<-" => command.input = Input::Heredoc(token.start),
                "<" | "<<<" | "<>" | "<&" => command.input = Input::Other,
                _ => {}
            }
            tokens.next();
        }
    }
    found
}

impl Command<'_> {
    /// The program and its arguments.
    fn program(&self) -> &[&str] {
        let mut words = self.words.as_slice();
        let mut options = false;
        while let Some((first, rest)) = words.split_first() {
            let wrapper = WRAPPERS.contains(&base_name(first));
            if !(wrapper || is_assignment(first) || options && first.starts_with('-')) {
                break;
            }
            options |= wrapper;
            words = rest;
        }
        words
    }

    fn is_cat(&self) -> bool {
        let program = self.program().split_first();
        program.is_some_and(|(first, rest)| {
            base_name(first) == "cat" && rest.iter().all(|word| *word == "-")
        })
    }

    /// Whether it is a shell that runs what it reads, not a file or a text that it is given.
    fn is_shell(&self) -> bool {
        let Some((first, rest)) = self.program().split_first() else {
            return false;
        };
        is_shell(base_name(first)) && reads_input(rest)
    }
}

fn reads_input(arguments: &[&str]) -> bool {
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let Some(letters) = argument.strip_prefix(['-', '+']) else {
            return false;
        };
        if letters.is_empty() || letters == "-" {
            return arguments.next().is_none();
        }
        if letters.starts_with('-') {
            continue;
        }
        if letters.contains('c') {
            return false;
        }
        if letters.contains('s') {
            return true;
        }
        if letters.ends_with(['o', 'O']) {
            arguments.next();
        }
    }
    true
}

fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map_or("", |(name, _)| name);
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_shell(program: &str) -> bool {
    SHELLS.contains(&program)
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::super::shell;
    use super::*;

    #[test]
    fn the_bodies_that_a_shell_reads_are_found() {
        for (text, expected) in [
            ("sh <<A", 1),
            ("/bin/bash -euo pipefail 0<<-A", 1),
            ("X=1 env -i sh -s a <<A", 1),
            ("sh - <<A && cat <<B", 1),
            ("cat <<A | sh -e", 1),
            ("cat <<A >f", 0),
            ("sh -c 'cat' <<A", 0),
            ("sh script <<A", 0),
            ("sh 3<<A", 0),
            ("sh <<A <f", 0),
            ("sh <f <<A", 1),
            ("python3 <<A", 0),
            ("cat <<A || sh", 0),
        ] {
            assert_eq!(fed(&shell::split(text, true)).len(), expected, "{text}");
        }
    }

    #[test]
    fn redirections_are_whole_words() {
        let words = |text| -> Vec<String> {
            let words = quoted_words(text)
                .into_iter()
                .filter_map(|word| redirection(text.get(word)?).expect(text));
            words.map(|found| found.name).collect()
        };
        assert_eq!(
            words("RUN cat <<A 3<<-'B C' x<<D '<<E' <<<F \"$(<<G)\" <<H>i"),
            ["A", "B C", "H>i"]
        );
        assert_eq!(words("RUN cat <<A 'open"), Vec::<String>::new());
    }
}
