//! The flags of a command line, as the Go programs of a cluster read them.
//!
//! The programs of Kubernetes read their flags with pflag, etcd with the flag package of Go. What
//! matters is told by a [`Table`]: whether a flag takes the next word depends on its type.

use std::collections::BTreeMap;

use serde_json::Number;

use crate::{Content, Entry, Node, Span};

/// A word of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Where it was written.
    pub span: Span,
    /// What it says, with variables replaced as far as their values are known.
    pub text: String,
    /// The byte from which on it is not known what the word says; none if all of it is known.
    pub unknown_from: Option<usize>,
}

impl Word {
    /// A word that is known.
    #[must_use]
    pub fn new(span: Span, text: impl Into<String>) -> Self {
        Self {
            span,
            text: text.into(),
            unknown_from: None,
        }
    }

    /// The strings of a list as words; what is no string is written as JSON.
    #[must_use]
    pub fn list(node: &Node) -> Vec<Self> {
        let word = |item: &Node| Self::new(item.span, plain(item));
        match &node.content {
            Content::List(items) => items.iter().map(word).collect(),
            Content::Null => Vec::new(),
            _ => vec![word(node)],
        }
    }

    /// What stands before the part that is not known.
    fn known(&self) -> &str {
        self.unknown_from
            .and_then(|from| self.text.get(..from))
            .unwrap_or(&self.text)
    }
}

/// A value as a command line would say it.
pub(crate) fn plain(node: &Node) -> String {
    match &node.content {
        Content::String(text) => text.clone(),
        Content::Null => String::new(),
        _ => serde_json::to_string(node).unwrap_or_default(),
    }
}

/// The type of a flag's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A boolean, which does not take the next word.
    Bool,
    /// A whole number.
    Number,
    /// Texts separated by commas.
    List,
    /// Any text.
    Text,
}

/// Whose rules a command line follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// pflag, as Kubernetes uses it: `--a-flag`, in which `_` means `-`; a list that is given
    /// again grows.
    Pflag,
    /// The flag package of Go: `-a-flag` and `--a-flag`, reading ends at the first word that is
    /// no flag, and of a list that is given again the last counts.
    Go,
}

/// A flag that a shape always holds.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// The name without dashes.
    pub name: &'static str,
    /// The type of its value.
    pub value: Type,
    /// The default, as a command line would say it.
    pub default: &'static str,
}

impl Flag {
    pub(crate) const fn new(name: &'static str, value: Type, default: &'static str) -> Self {
        Self {
            name,
            value,
            default,
        }
    }
}

/// What is known of the flags of a program.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Whose rules its command line follows.
    pub syntax: Syntax,
    /// The flags whose value the shape always holds.
    pub flags: &'static [Flag],
    /// Other flags that are booleans.
    pub booleans: &'static [&'static str],
    /// Flags that name a file which sets what other flags would.
    pub files: &'static [&'static str],
    /// Other names of flags.
    pub aliases: &'static [(&'static str, &'static str)],
}

impl Table {
    fn canonical(&self, name: &str) -> String {
        let name = match self.syntax {
            Syntax::Pflag => name.replace('_', "-"),
            Syntax::Go => name.to_owned(),
        };
        let other = self.aliases.iter().find(|(alias, _)| *alias == name);
        other.map_or(name, |(_, flag)| (*flag).to_owned())
    }

    /// The type of a flag; none for one that the table does not name.
    #[must_use]
    pub fn value_type(&self, name: &str) -> Option<Type> {
        let listed = self.flags.iter().find(|flag| flag.name == name);
        listed
            .map(|flag| flag.value)
            .or_else(|| self.booleans.contains(&name).then_some(Type::Bool))
    }
}

/// A flag that was given.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// Where the flag stands that counts.
    pub key_span: Span,
    /// Its value. One that its type does not allow is the text as given.
    pub value: Node,
    /// Whether a part of the value is not known.
    pub unknown: bool,
}

/// The flags of a command line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flags {
    /// By name, without dashes.
    pub given: BTreeMap<String, Given>,
    /// What may set any flag and is not known: its place, and why.
    pub open: Option<(Span, &'static str)>,
}

const HIDDEN_WORD: &str =
    "a part of the command line comes from a variable whose value is not written here";

pub(crate) const HIDDEN_VALUE: &str =
    "its value comes from a variable whose value is not written here";

const HIDDEN_FILE: &str = "a file that is not at hand sets what is not given here";

/// Reads the words after the name of the program.
#[must_use]
pub fn parse(words: &[Word], table: &Table) -> Flags {
    let mut flags = Flags::default();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let known = word.known();
        if word.unknown_from.is_some() && !known.contains('=') {
            flags.open.get_or_insert((word.span, HIDDEN_WORD));
            continue;
        }
        let Some(flag) = flag_text(&word.text, table.syntax) else {
            match table.syntax {
                Syntax::Pflag if word.text != "--" => continue,
                _ => break,
            }
        };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (flag, None),
        };
        let name = table.canonical(name);
        let value_type = table.value_type(&name);
        match (value, value_type) {
            (Some(value), _) => {
                let said = Word {
                    span: word.span,
                    text: value.to_owned(),
                    unknown_from: word.unknown_from.map(|_| 0),
                };
                flags.give(name, value_type, word.span, &said, table);
            }
            (None, Some(Type::Bool)) => {
                let said = Word::new(word.span, "true");
                flags.give(name, value_type, word.span, &said, table);
            }
            (None, Some(_)) => {
                if let Some(said) = rest.next() {
                    flags.give(name, value_type, word.span, said, table);
                }
            }
            (None, None) => {
                let takes = rest
                    .as_slice()
                    .first()
                    .is_some_and(|next| !next.text.starts_with('-'));
                let bare = Word::new(word.span, "true");
                let said = if takes { rest.next() } else { None };
                let value_type = if takes { None } else { Some(Type::Bool) };
                flags.give(name, value_type, word.span, said.unwrap_or(&bare), table);
            }
        }
    }
    flags
}

/// A word without the dashes of a flag; none if it is no flag.
fn flag_text(word: &str, syntax: Syntax) -> Option<&str> {
    let long = word.strip_prefix("--");
    let flag = match syntax {
        Syntax::Pflag => long,
        Syntax::Go => long.or_else(|| word.strip_prefix('-')),
    }?;
    (!flag.is_empty() && !flag.starts_with(['-', '='])).then_some(flag)
}

impl Flags {
    /// Gives a flag a value, as if it came next on the command line.
    pub(crate) fn give(
        &mut self,
        name: String,
        value_type: Option<Type>,
        key_span: Span,
        said: &Word,
        table: &Table,
    ) {
        let unknown = said.unknown_from.is_some();
        let mut given = Given {
            key_span,
            value: value(&said.text, value_type.unwrap_or(Type::Text), said.span),
            unknown,
        };
        if value_type == Some(Type::List)
            && table.syntax == Syntax::Pflag
            && let Some(earlier) = self.given.get_mut(&name)
        {
            earlier.unknown |= unknown;
            if let (Content::List(items), Content::List(more)) =
                (&mut earlier.value.content, &mut given.value.content)
            {
                items.append(more);
            }
            return;
        }
        self.given.insert(name, given);
    }
}

/// What a text means as a value of a type; the text itself if the program would refuse it.
pub(crate) fn value(text: &str, value_type: Type, span: Span) -> Node {
    let content = match value_type {
        Type::Bool => boolean(text).map(Content::Bool),
        Type::Number => text
            .parse::<i64>()
            .ok()
            .map(|number| Content::Number(Number::from(number))),
        Type::List => Some(Content::List(list(text, span))),
        Type::Text => None,
    };
    Node {
        span,
        content: content.unwrap_or_else(|| Content::String(text.to_owned())),
    }
}

/// The items of a list: separated by commas, which may stand in double quotes.
fn list(text: &str, span: Span) -> Vec<Node> {
    if text.is_empty() {
        return Vec::new();
    }
    let mut items = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => items.push(String::new()),
            c => {
                if let Some(item) = items.last_mut() {
                    item.push(c);
                }
            }
        }
    }
    items
        .into_iter()
        .map(|item| Node::string(span, item))
        .collect()
}

/// The boolean that Go's strconv reads in a text; none if it refuses it.
#[must_use]
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// The shape of a program that is set by flags: `flags` by name, each total flag of the table
/// included; `defaults`, the pointers of those that were not given; `unknown`, what cannot be
/// known and why. `instead` are the defaults of a distribution, which go before the program's.
#[must_use]
pub fn document(flags: &Flags, table: &Table, instead: &[(&str, &str)], here: Span) -> Node {
    let mut entries = Vec::new();
    let mut defaults = Vec::new();
    let mut unknown = Vec::new();
    let file = table.files.iter().find_map(|name| flags.given.get(*name));
    let hidden = file.map(|given| (given.key_span, HIDDEN_FILE));
    if let Some((span, why)) = flags.open.or(hidden) {
        unknown.push(unknown_entry("/flags", why, span));
    }
    for (name, given) in &flags.given {
        let pointer = format!("/flags/{}", crate::escape_token(name));
        if given.unknown {
            unknown.push(unknown_entry(&pointer, HIDDEN_VALUE, given.value.span));
        }
        entries.push(Entry {
            key: name.clone(),
            key_span: given.key_span,
            value: given.value.clone(),
        });
    }
    for flag in table.flags {
        if flags.given.contains_key(flag.name) {
            continue;
        }
        let own = instead.iter().find(|(name, _)| *name == flag.name);
        let default = own.map_or(flag.default, |(_, default)| default);
        defaults.push(Node::string(here, format!("/flags/{}", flag.name)));
        entries.push(Entry {
            key: flag.name.to_owned(),
            key_span: here,
            value: value(default, flag.value, here),
        });
    }
    let flags = Node {
        span: here,
        content: Content::Map(entries.into()),
    };
    Node::map(
        here,
        [
            ("flags", flags),
            ("defaults", Node::list(here, defaults)),
            ("unknown", Node::list(here, unknown)),
        ],
    )
}

/// An item of `unknown`: what stands at the pointer, or any default beneath it, may be otherwise.
pub(crate) fn unknown_entry(pointer: &str, reason: &str, span: Span) -> Node {
    Node::map(
        span,
        [
            ("path", Node::string(span, pointer)),
            ("reason", Node::string(span, reason)),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Table = Table {
        syntax: Syntax::Pflag,
        flags: &[
            Flag::new("modes", Type::List, "A"),
            Flag::new("anonymous-auth", Type::Bool, "true"),
            Flag::new("port", Type::Number, "0"),
        ],
        booleans: &["v-long"],
        files: &["settings"],
        aliases: &[("old-port", "port")],
    };

    fn shape(words: &[&str], table: &Table) -> serde_json::Value {
        let words: Vec<Word> = words
            .iter()
            .map(|word| Word::new(Span::default(), *word))
            .collect();
        let document = document(&parse(&words, table), table, &[], Span::default());
        serde_json::to_value(&document).unwrap()
    }

    fn flags(words: &[&str]) -> serde_json::Value {
        shape(words, &TABLE)["flags"].clone()
    }

    #[test]
    fn both_forms_give_the_same_value() {
        for words in [
            &["--modes=X,Y"][..],
            &["--modes", "X,Y"],
            &["--modes=X", "--modes", "Y"],
        ] {
            assert_eq!(
                flags(words)["modes"],
                serde_json::json!(["X", "Y"]),
                "{words:?}"
            );
        }
    }

    #[test]
    fn the_last_scalar_wins_and_underscores_are_dashes() {
        let given = flags(&["--anonymous-auth=false", "--anonymous_auth=T"]);
        assert_eq!(given["anonymous-auth"], true);
        assert_eq!(flags(&["--old-port", "7", "--port=8"])["port"], 8);
    }

    #[test]
    fn a_bare_boolean_does_not_take_the_next_word() {
        let given = flags(&["--v-long", "false", "--other", "x", "--bare"]);
        assert_eq!(given["v-long"], true);
        assert_eq!(given["other"], "x");
        assert_eq!(given["bare"], true);
    }

    #[test]
    fn what_a_type_refuses_stays_a_text() {
        assert_eq!(
            flags(&["--anonymous-auth=maybe"])["anonymous-auth"],
            "maybe"
        );
        assert_eq!(flags(&["--port=x"])["port"], "x");
        assert_eq!(flags(&["--modes="])["modes"], serde_json::json!([]));
        assert_eq!(
            flags(&["--modes=\"a,b\",c"])["modes"],
            serde_json::json!(["a,b", "c"])
        );
    }

    #[test]
    fn nothing_after_two_dashes_is_a_flag() {
        assert_eq!(flags(&["--", "--port=8"])["port"], 0);
    }

    #[test]
    fn a_file_of_settings_leaves_defaults_unknown() {
        assert_eq!(
            shape(&["--settings=/x"], &TABLE)["unknown"][0]["path"],
            "/flags"
        );
        assert_eq!(
            shape(&["--port=8"], &TABLE)["unknown"],
            serde_json::json!([])
        );
    }

    #[test]
    fn defaults_are_listed() {
        let shape = shape(&["--port=8"], &TABLE);
        assert_eq!(
            shape["defaults"],
            serde_json::json!(["/flags/modes", "/flags/anonymous-auth"])
        );
    }

    #[test]
    fn go_takes_one_dash_and_lets_the_last_list_count() {
        let table = Table {
            syntax: Syntax::Go,
            ..TABLE
        };
        let given = &shape(
            &[
                "-modes",
                "X",
                "--modes=Y",
                "-anonymous-auth",
                "stop",
                "-port=1",
            ],
            &table,
        )["flags"];
        assert_eq!(given["modes"], serde_json::json!(["Y"]));
        assert_eq!(given["anonymous-auth"], true);
        assert_eq!(given["port"], 0);
    }
}
