//! The tree that a Dockerfile makes.

use std::ops::Range;

use stridegate_shapes::{Content, Node, Span};

use super::lines::Line;
use super::scope;
use super::shell::Token;

pub(super) struct Stage {
    pub(super) span: Span,
    pub(super) name: Option<(String, Span)>,
    pub(super) from: Word,
    pub(super) base: Option<usize>,
    pub(super) platform: Option<Word>,
    pub(super) instructions: Vec<Instruction>,
    pub(super) scope: scope::Index,
    /// The variables that its ONBUILD instructions set in a stage built on it.
    pub(super) triggers: Vec<Option<String>>,
}

pub(super) struct Instruction {
    pub(super) span: Span,
    pub(super) keyword: Text,
    pub(super) onbuild: Option<Span>,
    pub(super) flags: Vec<Flag>,
    pub(super) form: &'static str,
    pub(super) arguments: Vec<Word>,
    pub(super) pairs: Vec<Pair>,
    pub(super) heredocs: Vec<HeredocNode>,
}

pub(super) struct Flag {
    pub(super) span: Span,
    pub(super) name: Text,
    pub(super) value: Option<Word>,
}

pub(super) struct Pair {
    pub(super) span: Span,
    pub(super) name: Word,
    pub(super) value: Option<Word>,
}

pub(super) struct Word {
    pub(super) span: Span,
    pub(super) written: String,
    pub(super) value: Option<String>,
    pub(super) unresolved: Vec<String>,
}

pub(super) struct HeredocNode {
    pub(super) span: Span,
    pub(super) name: Text,
    pub(super) expand: bool,
    pub(super) lines: Vec<Text>,
    pub(super) words: Vec<Word>,
}

/// A text and where it stands.
pub(super) type Text = (String, Span);

impl Stage {
    pub(super) fn into_node(self) -> Node {
        let span = self.span;
        let name = self
            .name
            .map_or_else(|| null(span), |(name, span)| Node::string(span, name));
        let base = self
            .base
            .map_or_else(|| null(span), |base| number(self.from.span, base));
        Node::map(
            span,
            [
                ("name", name),
                ("from", self.from.into_node()),
                ("base", base),
                (
                    "platform",
                    self.platform.map_or_else(|| null(span), Word::into_node),
                ),
                (
                    "instructions",
                    list(
                        span,
                        self.instructions.into_iter().map(Instruction::into_node),
                    ),
                ),
            ],
        )
    }
}

impl Instruction {
    pub(super) fn sets_variables(&self) -> bool {
        ["ENV", "ARG"].contains(&self.keyword.0.as_str())
    }

    pub(super) fn into_node(self) -> Node {
        let span = self.span;
        let arguments = list(span, self.arguments.into_iter().map(Word::into_node));
        let pairs = list(
            span,
            self.pairs.into_iter().map(|pair| pair.into_node(span)),
        );
        let form = if self.form == "pairs" {
            pairs.span
        } else {
            arguments.span
        };
        Node::map(
            span,
            [
                ("keyword", Node::string(self.keyword.1, self.keyword.0)),
                (
                    "onbuild",
                    boolean(self.onbuild.unwrap_or(span), self.onbuild.is_some()),
                ),
                (
                    "flags",
                    list(
                        span,
                        self.flags.into_iter().map(|flag| flag.into_node(span)),
                    ),
                ),
                ("form", Node::string(form, self.form)),
                ("arguments", arguments),
                ("pairs", pairs),
                (
                    "heredocs",
                    list(
                        span,
                        self.heredocs
                            .into_iter()
                            .map(|heredoc| heredoc.into_node(span)),
                    ),
                ),
            ],
        )
    }
}

impl Flag {
    fn into_node(self, instruction: Span) -> Node {
        let value = self
            .value
            .map_or_else(|| null(instruction), Word::into_node);
        Node::map(
            self.span,
            [
                ("name", Node::string(self.name.1, self.name.0)),
                ("value", value),
            ],
        )
    }
}

impl Pair {
    fn into_node(self, instruction: Span) -> Node {
        let value = self
            .value
            .map_or_else(|| null(instruction), Word::into_node);
        Node::map(
            self.span,
            [("name", self.name.into_node()), ("value", value)],
        )
    }
}

impl HeredocNode {
    fn into_node(self, instruction: Span) -> Node {
        let lines = self
            .lines
            .into_iter()
            .map(|(line, span)| Node::string(span, line));
        Node::map(
            self.span,
            [
                ("name", Node::string(self.name.1, self.name.0)),
                ("expand", boolean(self.name.1, self.expand)),
                ("lines", list(instruction, lines)),
                (
                    "words",
                    list(instruction, self.words.into_iter().map(Word::into_node)),
                ),
            ],
        )
    }
}

impl Word {
    pub(super) fn of(token: &Token, line: &Line) -> Self {
        Self {
            span: line.span(&(token.start..token.end)),
            written: token.written.clone(),
            value: token.value.clone(),
            unresolved: token.unresolved.clone(),
        }
    }

    pub(super) fn into_node(self) -> Node {
        let span = self.span;
        let value = self
            .value
            .map_or_else(|| null(span), |value| Node::string(span, value));
        let unresolved = self
            .unresolved
            .into_iter()
            .map(|name| Node::string(span, name))
            .collect();
        let unresolved = Node::list(span, unresolved);
        Node::map(
            span,
            [
                ("written", Node::string(span, self.written)),
                ("value", value),
                ("unresolved", unresolved),
            ],
        )
    }
}

pub(super) fn text(line: &Line, range: &Range<usize>) -> Text {
    (line.get(range.clone()).to_owned(), line.span(range))
}

/// A list that spans its items, or else what stands for an empty one.
pub(super) fn list(empty: Span, items: impl Iterator<Item = Node>) -> Node {
    let items: Vec<Node> = items.collect();
    let span = match (items.first(), items.last()) {
        (Some(first), Some(last)) => Span {
            end: last.span.end,
            ..first.span
        },
        _ => empty,
    };
    Node::list(span, items)
}

pub(super) fn null(span: Span) -> Node {
    Node {
        span,
        content: Content::Null,
    }
}

fn boolean(span: Span, value: bool) -> Node {
    Node {
        span,
        content: Content::Bool(value),
    }
}

pub(super) fn number(span: Span, value: usize) -> Node {
    Node {
        span,
        content: Content::Number(value.into()),
    }
}
