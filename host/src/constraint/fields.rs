//! Reads the fields of a map, and notes everything that is wrong with them at its place.

use super::read::{Problem, Source};
use crate::object::{Content, Node, Span};
use crate::source::nearest;

/// A map that is read.
pub(crate) struct Fields<'a> {
    node: &'a Node,
    source: &'a Source,
}

impl<'a> Fields<'a> {
    /// A map of which only these keys are known.
    pub(crate) fn new(
        node: &'a Node,
        source: &'a Source,
        known: &[&str],
        problems: &mut Vec<Problem>,
    ) -> Self {
        let fields = Self { node, source };
        if !matches!(node.content, Content::Map(_) | Content::Null) {
            problems.push(source.problem(node.span, "a map is expected here".into()));
        }
        for entry in node
            .entries()
            .iter()
            .filter(|entry| !known.contains(&entry.key.as_str()))
        {
            let advice = match nearest(&entry.key, known) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("known here: {}", known.join(", ")),
            };
            problems.push(source.problem(
                entry.key_span,
                format!("there is no field {:?}; {advice}", entry.key),
            ));
        }
        fields
    }

    /// The map.
    pub(super) fn node(&self) -> &'a Node {
        self.node
    }

    /// A value, unless it is absent or null.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Node> {
        self.node
            .get(key)
            .filter(|node| node.content != Content::Null)
    }

    /// Where a key stands, or else its map.
    pub(crate) fn place(&self, key: &str) -> Span {
        self.node
            .entry(key)
            .map_or(self.node.span, |entry| entry.key_span)
    }

    /// A string.
    pub(crate) fn text(&self, key: &str, problems: &mut Vec<Problem>) -> Option<(&'a str, Span)> {
        let node = self.get(key)?;
        let text = node.as_str().map(|text| (text, node.span));
        if text.is_none() {
            problems.push(
                self.source
                    .problem(node.span, format!("{key} is a text; quote it")),
            );
        }
        text
    }

    /// A string that has to be there.
    pub(crate) fn required(
        &self,
        key: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<(&'a str, Span)> {
        let text = self
            .text(key, problems)
            .filter(|(text, _)| !text.trim().is_empty());
        if text.is_none() {
            problems.push(
                self.source
                    .problem(self.place(key), format!("{key} is missing; set it")),
            );
        }
        text
    }

    /// Whether something is so; not if it is absent.
    pub(super) fn flag(&self, key: &str, problems: &mut Vec<Problem>) -> bool {
        match self.get(key).map(|node| (&node.content, node.span)) {
            None => false,
            Some((Content::Bool(value), _)) => *value,
            Some((_, span)) => {
                problems.push(self.source.problem(span, format!("{key} is true or false")));
                false
            }
        }
    }

    /// A list of strings; empty if it is absent.
    pub(crate) fn texts(&self, key: &str, problems: &mut Vec<Problem>) -> Vec<(String, Span)> {
        let Some(node) = self.get(key) else {
            return Vec::new();
        };
        if !matches!(node.content, Content::List(_)) {
            problems.push(self.source.problem(node.span, format!("{key} is a list")));
        }
        let mut texts = Vec::new();
        for item in node.items() {
            match item.as_str() {
                Some(text) => texts.push((text.to_owned(), item.span)),
                None => problems.push(self.source.problem(
                    item.span,
                    format!("{key} is a list of texts; quote this one"),
                )),
            }
        }
        texts
    }

    /// One of some words.
    pub(crate) fn choice<T: Copy>(
        &self,
        key: &str,
        words: &[(&str, T)],
        problems: &mut Vec<Problem>,
    ) -> Option<T> {
        let (text, span) = self.text(key, problems)?;
        let found = words
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            problems.push(
                self.source
                    .problem(span, format!("{key} is one of {}", words.join(", "))),
            );
        }
        found
    }
}
