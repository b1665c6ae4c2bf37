//! The lines of a Dockerfile: its directives, and the logical lines that continuations make.

use std::collections::HashSet;
use std::ops::Range;

use stridegate_shapes::Span;

use super::super::Fault;

/// The longest line that `BuildKit` reads.
const LONGEST: usize = 64 * 1024 - 1;

/// White space inside an instruction.
pub(super) const BLANKS: [char; 5] = ['\t', '\u{b}', '\u{c}', '\r', ' '];

const ESCAPES: [&str; 2] = ["\\", "`"];

/// Text put together from pieces of the file, that knows where each piece stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    text: String,
    /// Where pieces start: in this text and in the file, in ascending order.
    pieces: Vec<(usize, usize)>,
}

impl Line {
    pub(super) fn push(&mut self, at: usize, piece: &str) {
        self.pieces.push((self.text.len(), at));
        self.text.push_str(piece);
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn get(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }

    /// Where the byte at an offset stands in the file.
    pub(super) fn at(&self, offset: usize) -> usize {
        let after = self.pieces.partition_point(|&(start, _)| start <= offset);
        let piece = after
            .checked_sub(1)
            .and_then(|index| self.pieces.get(index));
        piece.map_or(0, |&(start, at)| at + (offset - start))
    }

    /// Where the text before an offset ends in the file.
    pub(super) fn end(&self, offset: usize) -> usize {
        offset
            .checked_sub(1)
            .map_or_else(|| self.at(0), |last| self.at(last) + 1)
    }

    /// Where a range stands in the file.
    pub(super) fn span(&self, range: &Range<usize>) -> Span {
        let end = self.end(range.end);
        Span::new(
            if range.is_empty() {
                end
            } else {
                self.at(range.start)
            },
            end,
        )
    }
}

/// A range without the white space at its ends.
pub(super) fn trim(text: &str, range: Range<usize>) -> Range<usize> {
    let part = text.get(range.clone()).unwrap_or_default();
    let end = range.start + part.trim_end().len();
    let start = end - part.trim().len();
    start..end
}

/// The words between runs of blanks.
pub(super) fn words(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let part = text.get(range.clone()).unwrap_or_default();
    let mut at = range.start;
    let mut found = Vec::new();
    for word in part.split(BLANKS) {
        if !word.is_empty() {
            found.push(at..at + word.len());
        }
        at += word.len() + 1;
    }
    found
}

/// A line as the file has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Physical<'a> {
    /// Where it starts.
    pub(super) at: usize,
    /// Its text without the end of line.
    pub(super) text: &'a str,
}

/// Reads a Dockerfile line by line.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    text: &'a str,
    at: usize,
    escape: char,
    escape_span: Option<Span>,
    directives: Option<HashSet<&'static str>>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            escape: '\\',
            escape_span: None,
            directives: Some(HashSet::new()),
        }
    }

    /// The character that continues a line. It is settled after the first logical line.
    pub(super) fn escape(&self) -> char {
        self.escape
    }

    /// Where the escape directive gives the character.
    pub(super) fn escape_span(&self) -> Option<Span> {
        self.escape_span
    }

    /// The next line of the file.
    pub(super) fn physical(&mut self) -> Result<Option<Physical<'a>>, Fault> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let (line, step) = rest
            .split_once('\n')
            .map_or((rest, rest.len()), |(line, _)| (line, line.len() + 1));
        if line.len() > LONGEST {
            let message = format!(
                "the line is longer than {LONGEST} bytes, which BuildKit refuses; break it up"
            );
            return Err(Fault::new(self.at, message));
        }
        let at = self.at;
        self.at += step;
        Ok(Some(Physical {
            at,
            text: line.trim_end_matches('\r'),
        }))
    }

    /// The next line that has an instruction, with its continuations.
    pub(super) fn logical(&mut self) -> Result<Option<Line>, Fault> {
        while let Some(first) = self.physical()? {
            let text = first.text.trim_start();
            let at = first.at + (first.text.len() - text.len());
            self.directive(at, text)?;
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let mut line = Line::default();
            let (piece, mut open) = self.continued(text);
            line.push(at, piece);
            while open && let Some(next) = self.physical()? {
                let text = next.text.trim_start();
                if !(text.is_empty() || text.starts_with('#')) {
                    let (piece, more) = self.continued(next.text);
                    line.push(next.at, piece);
                    open = more;
                }
            }
            return Ok(Some(line));
        }
        Ok(None)
    }

    /// A line without the escape character that continues it, and whether there was one. A
    /// doubled escape character continues nothing.
    fn continued(&self, line: &'a str) -> (&'a str, bool) {
        match line.trim_end_matches([' ', '\t']).strip_suffix(self.escape) {
            Some(piece) if !piece.ends_with(self.escape) => (piece, true),
            _ => (line, false),
        }
    }

    fn directive(&mut self, at: usize, line: &str) -> Result<(), Fault> {
        let Some(seen) = &mut self.directives else {
            return Ok(());
        };
        let Some(directive) = Directive::read(line) else {
            self.directives = None;
            return Ok(());
        };
        let Directive { name, value } = directive;
        if !seen.insert(name) {
            return Err(Fault::new(
                at,
                format!("the directive {name} stands twice; keep one"),
            ));
        }
        if name == "escape" {
            let start = at + (line.len() - value.len());
            let value = value.trim_end();
            let Some(escape) = ESCAPES.iter().find(|&&escape| escape == value) else {
                return Err(Fault::new(
                    at,
                    "the escape directive gives a character other than \\ or `; give one of them",
                ));
            };
            self.escape = escape.chars().next().unwrap_or('\\');
            self.escape_span = Some(Span::new(start, start + escape.len()));
        }
        Ok(())
    }
}

/// The image that a `# syntax=` directive names, and where. A builder looks for it before it
/// reads the file: a first line `#!…` is skipped, and the `#` has to be the line's first character.
pub(super) fn syntax(text: &str) -> Option<(String, Span)> {
    let mut at = 0;
    for (number, line) in text.split('\n').enumerate() {
        let start = at;
        at += line.len() + 1;
        if number == 0 && line.starts_with("#!") {
            continue;
        }
        let Directive { name, value } = Directive::read(line)?;
        if name == "syntax" {
            let start = start + (line.len() - value.len());
            let image = value
                .split(|c: char| c.is_ascii_whitespace())
                .next()
                .unwrap_or_default();
            return Some((image.to_owned(), Span::new(start, start + image.len())));
        }
    }
    None
}

/// A comment that steers the build.
struct Directive<'a> {
    name: &'static str,
    /// The rest of the line.
    value: &'a str,
}

impl<'a> Directive<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (name, value) = line.strip_prefix('#')?.split_once('=')?;
        let name = name
            .trim_start()
            .trim_end_matches(|c: char| c.is_ascii_whitespace());
        let name = ["escape", "syntax", "check"]
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(name))?;
        let given = value.trim_start_matches(|c: char| c.is_ascii_whitespace());
        (!value.is_empty()).then_some(Self { name, value: given })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logical(text: &str) -> Vec<String> {
        let mut lines = Lines::new(text);
        let mut found = Vec::new();
        while let Some(line) = lines.logical().expect(text) {
            found.push(line.text().to_owned());
        }
        found
    }

    #[test]
    fn continuations_join_lines() {
        for (text, expected) in [
            ("RUN a \\\n b\nRUN c", vec!["RUN a  b", "RUN c"]),
            ("RUN a \\  \t\n  # note\n\n\t\nb", vec!["RUN a b"]),
            ("RUN a \\\r\n b\r\n\r\n", vec!["RUN a  b"]),
            ("  # note\n\n  RUN a", vec!["RUN a"]),
            ("RUN a \\", vec!["RUN a "]),
            ("RUN a \\\\\nRUN b", vec!["RUN a \\\\", "RUN b"]),
            ("\\\nRUN a", vec!["RUN a"]),
            ("# escape=`\nRUN a `\n\\\nRUN b", vec!["RUN a \\", "RUN b"]),
            ("# note\n# escape=`\nRUN a \\\nb", vec!["RUN a b"]),
            ("\n# escape=`\nRUN a \\\nb", vec!["RUN a b"]),
        ] {
            assert_eq!(logical(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_line_knows_where_its_pieces_stand() {
        let text = "RUN ab\\\n  # é\ncd e";
        let line = Lines::new(text).logical().expect("valid").expect("a line");
        assert_eq!(line.text(), "RUN abcd e");
        assert_eq!(line.span(&(4..8)), Span::new(4, text.len() - 2));
        assert_eq!(
            line.span(&(8..8)),
            Span::new(text.len() - 2, text.len() - 2)
        );
        assert_eq!(line.span(&(9..10)), Span::new(text.len() - 1, text.len()));
    }

    #[test]
    fn directives_stand_at_the_top() {
        assert_eq!(
            syntax("# Syntax = docker/dockerfile:1 x\n")
                .map(|found| found.0)
                .as_deref(),
            Some("docker/dockerfile:1")
        );
        assert_eq!(
            syntax("#!/bin/x\n# escape=`\r\n#syntax=a\r\n"),
            Some(("a".to_owned(), Span::new(29, 30)))
        );
        for text in [
            "",
            " # syntax=a",
            "# note\n# syntax=a",
            "# foo=b\n# syntax=a",
            "# syntax",
            "FROM a\n# syntax=b",
        ] {
            assert_eq!(syntax(text), None, "{text:?}");
        }
    }

    #[test]
    fn wrong_directives_and_long_lines_are_faults() {
        for text in [
            "# escape=x\nFROM a",
            "# escape= \nFROM a",
            "# check=a\n# CHECK=b\nFROM a",
        ] {
            assert!(Lines::new(text).logical().is_err(), "{text:?}");
        }
        assert!(
            Lines::new(&format!("RUN {}", "a".repeat(LONGEST)))
                .logical()
                .is_err()
        );
    }
}
