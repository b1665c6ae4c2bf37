//! Units of systemd, as far as they set the command line of the program that they start.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use stridegate_shapes::{Node, Span};

use crate::object::Text;

/// What a unit and its drop-ins start.
#[derive(Debug, Default)]
pub(super) struct Start {
    /// The words of each command that is left, the program first.
    pub(super) commands: Vec<Vec<Node>>,
    /// Variables in them that nothing at hand sets, and specifiers (`%H`), whose values the machine
    /// gives.
    pub(super) unresolved: Vec<Node>,
    /// The variables that are set, as a map.
    pub(super) variables: Option<Node>,
    /// A file of variables that is not at hand may set others: where it is named.
    pub(super) open: Option<Span>,
}

/// A setting of the section `[Service]`, its value as characters with their places.
struct Setting<'a> {
    name: &'a str,
    value: Vec<(usize, char)>,
    text: u32,
}

/// A word of a value, without quotes.
struct Word {
    content: String,
    span: Span,
    quoted: bool,
}

/// Reads a unit and the drop-ins behind it, each text numbered by its place in the list, with the
/// files of variables that are at hand, by path.
pub(super) fn start(texts: &[Arc<Text>], files: &[(String, Arc<Text>)]) -> Start {
    let settings: Vec<Setting> = texts
        .iter()
        .zip(0..)
        .flat_map(|(text, number)| service(&text.content, number))
        .collect();
    let mut environment = Environment::default();
    for setting in &settings {
        environment.take(setting, files);
    }
    let mut start = Start::default();
    for setting in settings
        .iter()
        .filter(|setting| setting.name == "ExecStart")
    {
        let words = split(&setting.value, setting.text);
        if words.is_empty() {
            start.commands.clear();
            start.unresolved.clear();
        } else {
            let command = environment.expand(words, &mut start.unresolved);
            start.commands.push(command);
        }
    }
    start.open = environment.open;
    let members = environment.known.iter();
    let span = Span::new(0, 0);
    start.variables = (!environment.known.is_empty())
        .then(|| Node::map(span, members.map(|(name, value)| (&**name, value.clone()))));
    start
}

/// The settings of the section `[Service]`.
fn service(content: &str, text: u32) -> Vec<Setting<'_>> {
    let mut settings = Vec::new();
    let mut within = false;
    let mut at = 0;
    let mut lines = content.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let start = at;
        at += line.len();
        let trimmed = line.trim();
        if trimmed.starts_with('[') {
            within = trimmed == "[Service]";
            continue;
        }
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        let Some((name, _)) = line.split_once('=') else {
            continue;
        };
        let first = start + name.len() + 1;
        let mut value = Vec::new();
        let mut open = characters(
            content.get(first..at).unwrap_or_default(),
            first,
            &mut value,
        );
        while let Some(next) = lines.peek().filter(|_| open) {
            let comment = next.trim_start().starts_with(['#', ';']);
            if !comment {
                open = characters(next, at, &mut value);
            }
            at += next.len();
            lines.next();
        }
        if within {
            settings.push(Setting {
                name: name.trim(),
                value,
                text,
            });
        }
    }
    settings
}

/// Adds the characters of a line; whether the next line goes on with it.
fn characters(line: &str, at: usize, value: &mut Vec<(usize, char)>) -> bool {
    let line = line.trim_end_matches(['\n', '\r']);
    let open = line.ends_with('\\');
    let line = line.strip_suffix('\\').unwrap_or(line);
    value.extend(
        line.char_indices()
            .map(|(index, letter)| (at + index, letter)),
    );
    if open {
        value.push((at + line.len(), ' '));
    }
    open
}

/// The words of a value, as systemd splits them.
fn split(value: &[(usize, char)], text: u32) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut quote = None;
    let mut letters = value.iter().copied();
    while let Some((at, letter)) = letters.next() {
        if quote.is_none() && letter.is_whitespace() {
            words.extend(word.take());
            continue;
        }
        let span = Span {
            text,
            ..Span::new(at, at + letter.len_utf8())
        };
        let current = word.get_or_insert_with(|| Word {
            content: String::new(),
            span,
            quoted: false,
        });
        current.span.end = span.end;
        match (letter, quote) {
            ('\\' | '"', Some('\'')) | ('\'', Some('"')) => {
                current.content.push(letter);
            }
            ('\\', _) => {
                if let Some((at, escaped)) = letters.next() {
                    current.span.end = Span::new(at, at + escaped.len_utf8()).end;
                    current.content.push(unescaped(escaped));
                }
            }
            ('"' | '\'', None) => {
                quote = Some(letter);
                current.quoted = true;
            }
            ('"' | '\'', Some(_)) => quote = None,
            _ => current.content.push(letter),
        }
    }
    words.extend(word);
    words
}

fn unescaped(letter: char) -> char {
    match letter {
        'n' => '\n',
        't' => '\t',
        's' => ' ',
        other => other,
    }
}

/// How many bytes the values of variables may come to on command lines; no real unit comes near.
const MAX_EXPANDED: usize = 1 << 20;

#[derive(Default)]
struct Environment {
    known: BTreeMap<String, Node>,
    /// The files of variables that were read.
    read: BTreeSet<String>,
    /// How many bytes were put in.
    expanded: usize,
    /// Where a file of variables is named that is not at hand and may set others.
    open: Option<Span>,
}

impl Environment {
    fn take(&mut self, setting: &Setting, files: &[(String, Arc<Text>)]) {
        let words = split(&setting.value, setting.text);
        match setting.name {
            "Environment" if words.is_empty() => self.known.clear(),
            "Environment" => words
                .into_iter()
                .for_each(|word| self.set(&word.content, word.span)),
            "EnvironmentFile" => {
                for word in words {
                    let path = word.content.strip_prefix('-').unwrap_or(&word.content);
                    if !self.read.insert(path.to_owned()) {
                        continue;
                    }
                    match files.iter().find(|(known, _)| known == path) {
                        Some((_, text)) => text
                            .content
                            .lines()
                            .for_each(|line| self.line(line, word.span)),
                        None => {
                            self.open.get_or_insert(word.span);
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// A line of a file of variables.
    fn line(&mut self, line: &str, span: Span) {
        let line = line.trim();
        if let Some((name, value)) = line.split_once('=')
            && !line.starts_with(['#', ';'])
        {
            let value = value.trim();
            let inner = ['"', '\'']
                .iter()
                .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
            self.known.insert(
                name.trim().to_owned(),
                Node::string(span, inner.unwrap_or(value)),
            );
        }
    }

    fn set(&mut self, assignment: &str, span: Span) {
        if let Some((name, value)) = assignment.split_once('=') {
            self.known
                .insert(name.to_owned(), Node::string(span, value));
        }
    }

    /// Puts in the values of variables: `$NAME` alone becomes any number of words, `${NAME}` a
    /// part of one.
    fn expand(&mut self, words: Vec<Word>, unresolved: &mut Vec<Node>) -> Vec<Node> {
        let mut expanded = Vec::new();
        for word in words {
            let Some(word) = specified(&word, unresolved) else {
                continue;
            };
            let alone = word
                .content
                .strip_prefix('$')
                .filter(|name| is_name(name) && !word.quoted);
            if let Some(name) = alone {
                if let Some(value) = self.value(name, word.span, unresolved) {
                    let letters: Vec<(usize, char)> = value.char_indices().collect();
                    let parts = split(&letters, 0);
                    expanded.extend(
                        parts
                            .into_iter()
                            .map(|part| Node::string(word.span, part.content)),
                    );
                }
            } else if let Some(text) = self.within(&word, unresolved) {
                expanded.push(Node::string(word.span, text));
            }
        }
        expanded
    }

    /// A word with its variables; none if one of them is not known.
    fn within(&mut self, word: &Word, unresolved: &mut Vec<Node>) -> Option<String> {
        let mut text = String::new();
        let mut rest = word.content.as_str();
        while let Some((before, after)) = rest.split_once('$') {
            text.push_str(before);
            rest = after;
            if let Some(after) = rest.strip_prefix('$') {
                text.push('$');
                rest = after;
            } else if let Some((name, after)) =
                rest.strip_prefix('{').and_then(|rest| rest.split_once('}'))
            {
                text.push_str(&self.value(name, word.span, unresolved)?);
                rest = after;
            } else {
                text.push('$');
            }
        }
        text.push_str(rest);
        Some(text)
    }

    /// The value of a variable, empty where nothing can set it.
    fn value(&mut self, name: &str, span: Span, unresolved: &mut Vec<Node>) -> Option<String> {
        let known = self
            .known
            .get(name)
            .and_then(Node::as_str)
            .map(str::to_owned);
        self.expanded += known.as_deref().map_or(0, str::len);
        if (known.is_none() && self.open.is_some()) || self.expanded > MAX_EXPANDED {
            unresolved.push(Node::string(span, name));
            return None;
        }
        Some(known.unwrap_or_default())
    }
}

/// A word without its specifiers: `%%` is a `%`; none if the machine gives the value of one.
fn specified(word: &Word, unresolved: &mut Vec<Node>) -> Option<Word> {
    const SPECIFIERS: &str = "aAbBCdDEfgGhHiIjJlLmMnNopPqsStTuUvVwWyY";
    let mut content = String::new();
    let mut rest = word.content.as_str();
    while let Some((before, after)) = rest.split_once('%') {
        content.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('%') {
            rest = after;
        } else if let Some(specifier) = rest.chars().next().filter(|c| SPECIFIERS.contains(*c)) {
            unresolved.push(Node::string(word.span, format!("%{specifier}")));
            return None;
        }
        content.push('%');
    }
    content.push_str(rest);
    Some(Word {
        content,
        span: word.span,
        quoted: word.quoted,
    })
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(texts: &[&str], files: &[(&str, &str)]) -> (Vec<Vec<String>>, usize) {
        let texts: Vec<_> = texts
            .iter()
            .map(|text| Arc::new(Text::new("u", *text)))
            .collect();
        let files: Vec<_> = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), Arc::new(Text::new("e", *text))))
            .collect();
        let start = start(&texts, &files);
        let words = |command: &Vec<Node>| {
            command
                .iter()
                .map(|word| word.as_str().unwrap().to_owned())
                .collect()
        };
        (
            start.commands.iter().map(words).collect(),
            start.unresolved.len(),
        )
    }

    #[test]
    fn words_are_split_as_systemd_splits_them() {
        let unit = "[Unit]\nExecStart=no\n[Service]\nExecStart=/usr/bin/dockerd -H fd:// \\\n# a comment\n  --label \"a b\" \\\n --label='c d'\n";
        assert_eq!(
            started(&[unit], &[]).0,
            [[
                "/usr/bin/dockerd",
                "-H",
                "fd://",
                "--label",
                "a b",
                "--label=c d"
            ]]
        );
    }

    #[test]
    fn a_specifier_is_known_to_the_machine_alone() {
        let unit = "[Service]\nExecStart=dockerd -H tcp://%H:2376 --label=a=100%% -l %z\n";
        let expected = ["dockerd", "-H", "--label=a=100%", "-l", "%z"];
        let expected = expected.map(str::to_owned).to_vec();
        assert_eq!(started(&[unit], &[]), (vec![expected], 1));
    }

    #[test]
    fn an_empty_command_resets() {
        let unit = "[Service]\nExecStart=dockerd -D\n";
        assert_eq!(
            started(&[unit, "[Service]\nExecStart=\nExecStart=dockerd\n"], &[]).0,
            [["dockerd"]]
        );
        assert_eq!(started(&[unit, "[Service]\nExecStart=\n"], &[]).0.len(), 0);
    }

    #[test]
    fn variables_are_put_in_as_far_as_they_are_known() {
        let unit =
            "[Service]\nEnvironment=A=-D \"B=x y\"\nExecStart=dockerd $A --label=${B} $$x $C\n";
        assert_eq!(
            started(&[unit], &[]),
            (
                vec![
                    ["dockerd", "-D", "--label=x y", "$x"]
                        .map(str::to_owned)
                        .to_vec()
                ],
                0
            )
        );
        let unit = "[Service]\nEnvironmentFile=-/etc/default/docker\nExecStart=dockerd $OPTS\n";
        assert_eq!(started(&[unit], &[]).1, 1);
        let files = [("/etc/default/docker", "# x\nOPTS=\"-l debug\"\n")];
        assert_eq!(
            started(&[unit], &files),
            (
                vec![["dockerd", "-l", "debug"].map(str::to_owned).to_vec()],
                0
            )
        );
    }
}
