//! The command line of dockerd, as pflag reads it.

use std::collections::HashSet;

use super::Problem;
use super::option::{Form, Known, by_flag, by_letter};
use crate::flags::boolean;
use crate::{Content, Entry, Node, Span};

/// The flags of a command line.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The flags that are set, each once, with what all its uses come to.
    pub(super) set: Vec<Set>,
    /// What dockerd refuses.
    pub problems: Vec<Problem>,
    /// The variables in it whose values are not known, each with its place.
    pub unresolved: Vec<Node>,
}

/// A flag that is set.
#[derive(Clone, Debug)]
pub(super) struct Set {
    pub(super) known: &'static Known,
    /// Where it is set for the last time.
    pub(super) place: Span,
    pub(super) value: Node,
}

/// Reads the arguments of dockerd, without the program itself.
#[must_use]
pub fn flags(arguments: &[Node]) -> Flags {
    let mut flags = Flags::default();
    let mut rest = arguments.iter();
    while let Some(node) = rest.next() {
        let word = node.as_str().unwrap_or_default();
        if word == "--" {
            rest.by_ref().for_each(|extra| flags.refuse_argument(extra));
        } else if let Some(long) = word.strip_prefix("--") {
            flags.long(long, node, &mut rest);
        } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            flags.letters(letters, node, &mut rest);
        } else {
            flags.refuse_argument(node);
        }
    }
    for set in &mut flags.set {
        if let Content::Map(members) = &mut set.value.content {
            keep_last(members);
        }
    }
    flags
}

/// Of members with one name the last counts.
fn keep_last(members: &mut Vec<Entry>) {
    let mut seen = HashSet::new();
    members.reverse();
    members.retain(|member| seen.insert(member.key.clone()));
    members.reverse();
}

impl Flags {
    /// The text of a flag that is set, by its name.
    #[must_use]
    pub fn text(&self, flag: &str) -> Option<&str> {
        let set = self.set.iter().find(|set| set.known.flag == Some(flag))?;
        set.value.as_str()
    }

    pub(super) fn of(&self, known: &Known) -> Option<&Set> {
        self.set
            .iter()
            .find(|set| set.known.flag == known.flag && set.known.key == known.key)
    }

    fn long<'a>(&mut self, long: &str, node: &Node, rest: &mut impl Iterator<Item = &'a Node>) {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (long, None),
        };
        let Some(known) = by_flag(name) else {
            self.refuse(
                node,
                "dockerd has no such flag and refuses to start; remove it",
            );
            return;
        };
        match (value, known.form) {
            (Some(value), _) => self.add(known, value, node.span),
            (None, Form::Switch(_)) => self.add(known, "true", node.span),
            (None, _) => self.with_next(known, node, rest),
        }
    }

    fn letters<'a>(
        &mut self,
        letters: &str,
        node: &Node,
        rest: &mut impl Iterator<Item = &'a Node>,
    ) {
        let mut left = letters;
        while let Some(letter) = left.chars().next() {
            left = left.get(letter.len_utf8()..).unwrap_or_default();
            let Some(known) = by_letter(letter) else {
                self.refuse(
                    node,
                    "dockerd has no such flag and refuses to start; remove it",
                );
                return;
            };
            if let Some(value) = left.strip_prefix('=') {
                self.add(known, value, node.span);
                return;
            }
            if matches!(known.form, Form::Switch(_)) {
                self.add(known, "true", node.span);
            } else if left.is_empty() {
                self.with_next(known, node, rest);
                return;
            } else {
                self.add(known, left, node.span);
                return;
            }
        }
    }

    fn with_next<'a>(
        &mut self,
        known: &'static Known,
        node: &Node,
        rest: &mut impl Iterator<Item = &'a Node>,
    ) {
        match rest.next() {
            Some(value) => self.add(known, value.as_str().unwrap_or_default(), value.span),
            None => self.refuse(
                node,
                "the flag needs a value, and dockerd refuses to start; add one",
            ),
        }
    }

    fn refuse_argument(&mut self, node: &Node) {
        self.refuse(
            node,
            "dockerd takes no arguments beside flags and refuses to start; a switch is written --flag=false",
        );
    }

    fn refuse(&mut self, node: &Node, message: &str) {
        self.problems.push(Problem {
            span: node.span,
            message: message.to_owned(),
        });
    }

    fn add(&mut self, known: &'static Known, text: &str, place: Span) {
        let value = match value(known, text, place) {
            Ok(value) => value,
            Err(message) => {
                let message = format!("--{}: {message}", known.flag.unwrap_or_default());
                self.problems.push(Problem {
                    span: place,
                    message,
                });
                return;
            }
        };
        match self.set.iter_mut().find(|set| set.known.flag == known.flag) {
            Some(set) => {
                set.place = place;
                join(&mut set.value, value);
            }
            None => self.set.push(Set {
                known,
                place,
                value,
            }),
        }
    }
}

/// Lists and maps grow; of anything else the last counts.
fn join(value: &mut Node, more: Node) {
    match (&mut value.content, more.content) {
        (Content::List(items), Content::List(new)) => items.extend(new),
        (Content::Map(members), Content::Map(new)) => members.extend(new),
        (content, new) => {
            *content = new;
            value.span = more.span;
        }
    }
}

fn value(known: &Known, text: &str, span: Span) -> Result<Node, String> {
    let word = |text: &str| Node::string(span, text);
    Ok(match known.form {
        Form::Switch(_) => {
            let value = boolean(text).ok_or("is neither true nor false, and dockerd refuses it")?;
            Node {
                span,
                content: Content::Bool(value),
            }
        }
        Form::Text(_) => word(text),
        Form::Number(_) => {
            let number = text
                .parse::<i64>()
                .map_err(|_| "is not a whole number, and dockerd refuses it")?;
            Node {
                span,
                content: Content::Number(number.into()),
            }
        }
        Form::List => Node::list(span, vec![word(text)]),
        Form::Map => {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            Node::map(span, [(name, word(value))])
        }
        Form::TreeList => Node::list(span, vec![pool(text, span)]),
        Form::Tree => tree(known.key.unwrap_or_default(), text, span),
    })
}

/// What the flags of structured options say, in the form that daemon.json has for it.
fn tree(key: &str, text: &str, span: Span) -> Node {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let word = |text: &str| Node::string(span, text);
    let inner = match key {
        "runtimes" => Node::map(span, [("path", word(value))]),
        "default-network-opts" => {
            let (option, value) = value.split_once('=').unwrap_or((value, ""));
            Node::map(span, [(option, word(value))])
        }
        "default-ulimits" => {
            let (soft, hard) = value.split_once(':').unwrap_or((value, value));
            let number = |text: &str| {
                text.parse::<i64>().map_or_else(
                    |_| word(text),
                    |number| Node {
                        span,
                        content: Content::Number(number.into()),
                    },
                )
            };
            Node::map(
                span,
                [
                    ("Name", word(name)),
                    ("Hard", number(hard)),
                    ("Soft", number(soft)),
                ],
            )
        }
        _ => Node {
            span,
            content: Content::Bool(value.is_empty() || boolean(value).unwrap_or(false)),
        },
    };
    Node::map(span, [(name, inner)])
}

/// `base=10.0.0.0/8,size=24`.
fn pool(text: &str, span: Span) -> Node {
    let members = text
        .split(',')
        .filter_map(|part| part.split_once('='))
        .map(|(name, value)| (name, Node::string(span, value)));
    let mut pool = Node::map(span, []);
    members.for_each(|(name, value)| pool.set(name, span, value));
    pool
}
