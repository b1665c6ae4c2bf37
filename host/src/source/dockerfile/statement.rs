//! The instructions of a Dockerfile as they are written.

use std::collections::HashSet;
use std::ops::Range;

use stridegate_shapes::Span;

use stridegate_shapes::dockerfile::KEYWORDS;

use super::super::{Fault, nearest};
use super::heredoc::{self, Heredoc};
use super::json::{self, Array};
use super::lines::{self, BLANKS, Line, Lines};

/// How much of a file a message quotes.
const QUOTED: usize = 40;

/// An instruction as it is written.
pub(super) struct Statement {
    /// The logical line.
    pub(super) line: Line,
    /// The keyword in capitals.
    pub(super) name: String,
    /// Where its parts stand.
    pub(super) head: Head,
    /// Where the ONBUILD before the keyword stands.
    pub(super) onbuild: Option<Range<usize>>,
    /// The here-documents in the order of their redirections.
    pub(super) heredocs: Vec<Heredoc>,
    /// Where it stands, with its here-documents.
    pub(super) span: Span,
}

/// The parts of an instruction, by their place in the logical line.
pub(super) struct Head {
    pub(super) keyword: Range<usize>,
    pub(super) flags: Vec<RawFlag>,
    /// The arguments.
    pub(super) rest: Range<usize>,
}

/// A flag without its quotes.
pub(super) struct RawFlag {
    pub(super) range: Range<usize>,
    pub(super) name: String,
    pub(super) value: Option<String>,
}

impl Statement {
    /// Reads a logical line, and the here-documents that follow it.
    pub(super) fn read(line: Line, lines: &mut Lines<'_>) -> Result<Self, Fault> {
        let outer = Head::read(line.text(), 0..line.text().len());
        let name = outer.name(&line);
        if !KEYWORDS.contains(&name.as_str()) {
            return Err(unknown_instruction(&line, &outer.keyword));
        }
        let start = line.at(outer.keyword.start);
        let statement = if name == "ONBUILD" {
            Self::onbuild(line, &outer)?
        } else {
            Self {
                line,
                name,
                head: outer,
                onbuild: None,
                heredocs: Vec::new(),
                span: Span::default(),
            }
        };
        statement.with_heredocs(start, lines)
    }

    fn onbuild(line: Line, outer: &Head) -> Result<Self, Fault> {
        let at = line.at(outer.rest.start.min(outer.keyword.end));
        if let Some(flag) = outer.flags.first() {
            return Err(Fault::new(
                line.at(flag.range.start),
                "ONBUILD takes no flags; write the instruction first",
            ));
        }
        if outer.rest.is_empty() {
            return Err(Fault::new(
                at,
                "ONBUILD has no instruction; write one after it",
            ));
        }
        let head = Head::read(line.text(), outer.rest.clone());
        let name = head.name(&line);
        if ["ONBUILD", "FROM", "MAINTAINER"].contains(&name.as_str()) {
            let message = format!("ONBUILD cannot hold {name}; write another instruction after it");
            return Err(Fault::new(line.at(head.keyword.start), message));
        }
        let onbuild = Some(outer.keyword.clone());
        Ok(Self {
            line,
            name,
            head,
            onbuild,
            heredocs: Vec::new(),
            span: Span::default(),
        })
    }

    fn with_heredocs(mut self, start: usize, lines: &mut Lines<'_>) -> Result<Self, Fault> {
        let mut end = self
            .line
            .end(lines::trim(self.line.text(), 0..self.line.text().len()).end);
        let takes =
            ["RUN", "COPY", "ADD"].contains(&self.name.as_str()) && self.line.text().contains("<<");
        if takes && !matches!(json::array(self.rest()), Array::Strings(_)) {
            self.heredocs = heredoc::read(&self.line, lines)?;
            end = self.heredocs.last().map_or(end, |heredoc| heredoc.end);
        }
        self.span = Span::new(start, end);
        Ok(self)
    }

    /// The arguments.
    pub(super) fn rest(&self) -> &str {
        self.line.get(self.head.rest.clone())
    }

    /// A fault at an offset of the logical line.
    pub(super) fn fault(&self, offset: usize, message: impl Into<String>) -> Fault {
        Fault::new(self.line.at(offset), message)
    }

    /// A fault at the arguments, unless the instruction stands after ONBUILD: `BuildKit` reads that
    /// only when the image is used.
    pub(super) fn require(&self, condition: bool, message: &str) -> Result<(), Fault> {
        let message = || format!("{} {message}", self.name);
        let offset = if self.head.rest.is_empty() {
            self.head.keyword.start
        } else {
            self.head.rest.start
        };
        if condition || self.onbuild.is_some() {
            Ok(())
        } else {
            Err(self.fault(offset, message()))
        }
    }

    /// Whether the instruction knows its flags.
    pub(super) fn check_flags(&self) -> Result<(), Fault> {
        let name = self.name.as_str();
        // BuildKit drops the flags of these instructions without a look at them.
        let ignored = matches!(name, "ARG" | "STOPSIGNAL")
            || name == "HEALTHCHECK" && self.rest().eq_ignore_ascii_case("NONE");
        if ignored || self.onbuild.is_some() {
            return Ok(());
        }
        let mut seen = HashSet::new();
        for flag in &self.head.flags {
            let known = known_flags(name)
                .iter()
                .find(|(known, _)| *known == flag.name);
            let fault = |message: String| Err(self.fault(flag.range.start, message));
            let quoted: String = flag.name.chars().take(QUOTED).collect();
            let Some(&(_, kind)) = known else {
                return fault(format!(
                    "{name} has no flag {quoted:?}; correct or remove it"
                ));
            };
            if !seen.insert(&flag.name) && kind != Kind::Many {
                return fault(format!("{name} has the flag {quoted:?} twice; keep one"));
            }
            let valid = match kind {
                Kind::Bool => flag.value.as_deref().is_none_or(|value| {
                    ["true", "false"]
                        .iter()
                        .any(|known| known.eq_ignore_ascii_case(value))
                }),
                Kind::One | Kind::Many => flag.value.is_some(),
            };
            if !valid {
                let wanted = if kind == Kind::Bool {
                    "true or false"
                } else {
                    "a value"
                };
                return fault(format!(
                    "the flag {quoted:?} takes {wanted}; write it after an ="
                ));
            }
        }
        Ok(())
    }
}

impl RawFlag {
    fn new(range: Range<usize>, text: &str) -> Self {
        let text = text.strip_prefix("--").unwrap_or(text);
        let (name, value) = text
            .split_once('=')
            .map_or((text, None), |(name, value)| (name, Some(value)));
        Self {
            range,
            name: name.to_owned(),
            value: value.map(str::to_owned),
        }
    }
}

impl Head {
    fn read(text: &str, range: Range<usize>) -> Self {
        let range = lines::trim(text, range);
        let part = text.get(range.clone()).unwrap_or_default();
        let length = part.find(BLANKS).unwrap_or(part.len());
        let keyword = range.start..range.start + length;
        let after = part
            .get(length..)
            .unwrap_or_default()
            .trim_start_matches(BLANKS)
            .len();
        let (flags, rest) = flags(text, range.end - after..range.end);
        Self {
            keyword,
            flags,
            rest: lines::trim(text, rest),
        }
    }

    fn name(&self, line: &Line) -> String {
        line.get(self.keyword.clone())
            .to_lowercase()
            .to_ascii_uppercase()
    }
}

/// Splits the flags off. Whatever the escape directive says, `\` escapes here.
fn flags(text: &str, range: Range<usize>) -> (Vec<RawFlag>, Range<usize>) {
    let mut found = Vec::new();
    let mut at = range.start;
    loop {
        let rest = text.get(at..range.end).unwrap_or_default();
        let start = range.end - rest.trim_start().len();
        if !rest.trim_start().starts_with("--") {
            return (found, start..range.end);
        }
        let (flag, end) = flag(text, start..range.end);
        at = end;
        if flag == "--" {
            return (found, at..range.end);
        }
        found.push(RawFlag::new(start..end, &flag));
    }
}

/// The flag at the start of a range without its quotes, and where it ends.
fn flag(text: &str, range: Range<usize>) -> (String, usize) {
    let part = text.get(range.clone()).unwrap_or_default();
    let mut flag = String::new();
    let mut quote = None;
    let mut chars = part.char_indices();
    while let Some((index, next)) = chars.next() {
        match next {
            blank if blank.is_whitespace() && quote.is_none() => {
                return (flag, range.start + index);
            }
            '\'' | '"' if quote.is_none() => quote = Some(next),
            _ if Some(next) == quote => quote = None,
            '\\' => flag.extend(chars.next().map(|(_, literal)| literal)),
            _ => flag.push(next),
        }
    }
    (flag, range.end)
}

fn unknown_instruction(line: &Line, keyword: &Range<usize>) -> Fault {
    let written = line.get(keyword.clone());
    // A word that is no slip of a known one is not repeated: it may be the rest of a secret.
    let message = match nearest(written, &KEYWORDS) {
        Some(known) => format!("{written:?} is not an instruction; did you mean {known}?"),
        None => "this line begins with no instruction; correct or remove it".to_owned(),
    };
    Fault::new(line.at(keyword.start), message)
}

/// The name after AS, in lower case.
pub(super) fn stage_name(statement: &Statement) -> Result<Option<(String, Span)>, Fault> {
    let line = &statement.line;
    match lines::words(line.text(), statement.head.rest.clone()).as_slice() {
        [_] => Ok(None),
        [_, keyword, name] if line.get(keyword.clone()).eq_ignore_ascii_case("as") => {
            let written = line.get(name.clone()).to_lowercase();
            let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
            if !(written.starts_with(|c: char| c.is_ascii_lowercase())
                && written.chars().all(valid))
            {
                let message = "the name of a stage has to start with a letter and to hold letters, digits, - _ . only";
                return Err(statement.fault(name.start, format!("{message}; choose another name")));
            }
            Ok(Some((written, line.span(name))))
        }
        [] => Err(statement.fault(
            statement.head.keyword.start,
            "FROM names no image; write one after it",
        )),
        [_, second, ..] => Err(statement.fault(
            second.start,
            "FROM takes an image, or an image AS a name; write it so",
        )),
    }
}

/// Reads the `NAME=value` pairs of a statement.
pub(super) struct Pairs<'a> {
    pub(super) statement: &'a Statement,
    /// The character that escapes.
    pub(super) escape: char,
}

/// Where a name and its value stand in the logical line.
pub(super) type NameAndValue = (Range<usize>, Option<Range<usize>>);

impl Pairs<'_> {
    /// Whether a statement has pairs.
    pub(super) fn are_in(statement: &Statement) -> bool {
        ["ENV", "LABEL", "ARG"].contains(&statement.name.as_str())
    }

    pub(super) fn read(&self) -> Result<Vec<NameAndValue>, Fault> {
        let statement = self.statement;
        let words = self.words();
        let argument = statement.name == "ARG";
        statement.require(
            !words.is_empty(),
            "has no argument; write NAME=value after it",
        )?;
        if !argument
            && words
                .first()
                .is_some_and(|word| !statement.line.get(word.clone()).contains('='))
        {
            return self.legacy().map(|pair| vec![pair]);
        }
        words
            .into_iter()
            .map(|word| self.pair(word, argument))
            .collect()
    }

    fn pair(&self, word: Range<usize>, argument: bool) -> Result<NameAndValue, Fault> {
        let statement = self.statement;
        let Some(length) = statement.line.get(word.clone()).find('=') else {
            if argument {
                return Ok((word, None));
            }
            return Err(statement.fault(
                word.start,
                "the word has no =; write NAME=value, with quotes around blanks",
            ));
        };
        if length == 0 && statement.onbuild.is_none() {
            return Err(statement.fault(word.start, "the pair has no name; write one before the ="));
        }
        let equals = word.start + length;
        Ok((word.start..equals, Some(equals + 1..word.end)))
    }

    /// `ENV NAME value that goes on`.
    fn legacy(&self) -> Result<NameAndValue, Fault> {
        let rest = self.statement.head.rest.clone();
        let text = self.statement.rest();
        let Some(length) = text.find(BLANKS) else {
            let message = format!(
                "{} has a name without a value; write NAME=value",
                self.statement.name
            );
            return Err(self.statement.fault(rest.start, message));
        };
        let value = text
            .get(length..)
            .unwrap_or_default()
            .trim_start_matches(BLANKS)
            .len();
        Ok((
            rest.start..rest.start + length,
            Some(rest.end - value..rest.end),
        ))
    }

    /// The words of the arguments, where quotes and the escape character keep blanks together.
    fn words(&self) -> Vec<Range<usize>> {
        let offset = self.statement.head.rest.start;
        let mut found = Vec::new();
        let mut start = None;
        let mut quote = None;
        let mut end = offset;
        let mut chars = self.statement.rest().char_indices();
        while let Some((index, next)) = chars.next() {
            let at = offset + index;
            if next.is_whitespace() && quote.is_none() {
                found.extend(start.take().map(|start| start..end));
                continue;
            }
            let escaped = if next == self.escape && quote != Some('\'') {
                Some(chars.next())
            } else {
                None
            };
            match (quote, next) {
                // An escape character at the very end escapes nothing and is no part of a word.
                _ if escaped == Some(None) => break,
                (Some(open), _) if open == next => quote = None,
                (None, '\'' | '"') => quote = Some(next),
                _ => {}
            }
            start.get_or_insert(at);
            let last = escaped.flatten().map_or(next, |(_, literal)| literal);
            end = at
                + next.len_utf8()
                + if escaped.is_some() {
                    last.len_utf8()
                } else {
                    0
                };
        }
        found.extend(start.map(|start| start..end));
        found
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    One,
    Many,
}

fn known_flags(name: &str) -> &'static [(&'static str, Kind)] {
    match name {
        "ADD" => &[
            ("chown", Kind::One),
            ("chmod", Kind::One),
            ("link", Kind::Bool),
            ("keep-git-dir", Kind::Bool),
            ("checksum", Kind::One),
            ("unpack", Kind::Bool),
            ("exclude", Kind::Many),
        ],
        "COPY" => &[
            ("from", Kind::One),
            ("chown", Kind::One),
            ("chmod", Kind::One),
            ("link", Kind::Bool),
            ("parents", Kind::Bool),
            ("exclude", Kind::Many),
        ],
        "FROM" => &[("platform", Kind::One)],
        "HEALTHCHECK" => &[
            ("interval", Kind::One),
            ("timeout", Kind::One),
            ("start-period", Kind::One),
            ("start-interval", Kind::One),
            ("retries", Kind::One),
        ],
        "RUN" => &[
            ("mount", Kind::Many),
            ("network", Kind::One),
            ("security", Kind::One),
            ("device", Kind::Many),
        ],
        _ => &[],
    }
}
