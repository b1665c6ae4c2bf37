//! JSON values that remember where they were written.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Number, Value};

use crate::map::Map;

/// A range of bytes in one of the texts that an object was read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Which of the object's texts, counted from 0.
    pub text: u32,
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    /// The range `start..end` of the first text. Texts are far smaller than 4 GiB: readers refuse
    /// larger ones before they make spans.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        let offset = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            text: 0,
            start: offset(start),
            end: offset(end),
        }
    }

    /// The range as indices of bytes.
    #[must_use]
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A JSON value with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where the value stands. For a value that was not written itself (a default, a name that
    /// a reader makes up), the place that stands for it.
    pub span: Span,
    /// The value.
    pub content: Content,
}

/// What a [`Node`] holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(String),
    /// An array.
    List(Vec<Node>),
    /// An object.
    Map(Map),
}

/// A member of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

/// What a pointer leads to.
#[derive(Clone, Copy, Debug)]
pub struct Located<'a> {
    /// The value.
    pub node: &'a Node,
    /// Where its key stands, if it is the member of a map.
    pub key: Option<Span>,
}

impl Node {
    /// A string.
    #[must_use]
    pub fn string(span: Span, text: impl Into<String>) -> Self {
        Self {
            span,
            content: Content::String(text.into()),
        }
    }

    /// A list.
    #[must_use]
    pub fn list(span: Span, items: Vec<Self>) -> Self {
        Self {
            span,
            content: Content::List(items),
        }
    }

    /// A map, from keys that its reader makes up: each key stands where its value stands.
    #[must_use]
    pub fn map<'a>(span: Span, members: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        let entries = members.into_iter().map(|(key, value)| Entry {
            key: key.to_owned(),
            key_span: value.span,
            value,
        });
        Self {
            span,
            content: Content::Map(entries.collect()),
        }
    }

    /// The member of a map by its key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The member of a map by its key, to be changed.
    #[must_use]
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        match &mut self.content {
            Content::Map(map) => {
                let place = map.find(key)?;
                Some(&mut map.member_mut(place)?.value)
            }
            _ => None,
        }
    }

    /// The member of a map by its key, with the key's place.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.content {
            Content::Map(map) => map.get(map.find(key)?),
            _ => None,
        }
    }

    /// The members of a map; none for any other value.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        match &self.content {
            Content::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none for any other value.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match &self.content {
            Content::List(items) => items,
            _ => &[],
        }
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.content {
            Content::String(text) => Some(text),
            _ => None,
        }
    }

    /// The text of the string at a key.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Self::as_str)
    }

    /// What a JSON Pointer (RFC 6901) leads to; `None` where it leads nowhere.
    #[must_use]
    pub fn at(&self, pointer: &str) -> Option<Located<'_>> {
        let mut located = Located {
            node: self,
            key: None,
        };
        if pointer.is_empty() {
            return Some(located);
        }
        for token in pointer.strip_prefix('/')?.split('/') {
            located = match &located.node.content {
                Content::Map(_) => {
                    let entry = located.node.entry(&unescape_token(token))?;
                    Located {
                        node: &entry.value,
                        key: Some(entry.key_span),
                    }
                }
                Content::List(items) => Located {
                    node: items.get(index(token)?)?,
                    key: None,
                },
                _ => return None,
            };
        }
        Some(located)
    }

    /// The JSON Pointer of the smallest value or member in which a place lies: the way back from
    /// [`Self::at`]. None if no part of the tree was written there.
    #[must_use]
    pub fn pointer_to(&self, place: Span) -> Option<String> {
        let mut search = Search {
            place,
            path: Vec::new(),
            best: None,
        };
        search.visit(self);
        search.best.map(|(_, pointer)| pointer)
    }

    /// Sets a member of a map; it takes the place of one with the same key. Any other value
    /// stays as it is.
    pub fn set(&mut self, key: &str, key_span: Span, value: Self) {
        if let Content::Map(map) = &mut self.content {
            let known = map.find(key);
            if let Some(known) = known.and_then(|place| map.member_mut(place)) {
                known.key_span = key_span;
                known.value = value;
            } else {
                map.push(Entry {
                    key: key.to_owned(),
                    key_span,
                    value,
                });
            }
        }
    }

    /// Gives every place in the tree the number of its text.
    pub fn in_text(&mut self, text: u32) {
        self.relocate(&|span| Span { text, ..span });
    }

    /// Puts every place in the tree elsewhere.
    pub fn relocate(&mut self, place: &impl Fn(Span) -> Span) {
        self.span = place(self.span);
        match &mut self.content {
            Content::List(items) => items.iter_mut().for_each(|item| item.relocate(place)),
            Content::Map(entries) => {
                for entry in entries {
                    entry.key_span = place(entry.key_span);
                    entry.value.relocate(place);
                }
            }
            _ => {}
        }
    }
}

/// A value that stands nowhere.
impl From<&Value> for Node {
    fn from(value: &Value) -> Self {
        let span = Span::default();
        let content = match value {
            Value::Null => Content::Null,
            Value::Bool(value) => Content::Bool(*value),
            Value::Number(number) => Content::Number(number.clone()),
            Value::String(text) => Content::String(text.clone()),
            Value::Array(items) => Content::List(items.iter().map(Self::from).collect()),
            Value::Object(members) => {
                let entries = members.iter().map(|(key, value)| Entry {
                    key: key.clone(),
                    key_span: span,
                    value: value.into(),
                });
                Content::Map(entries.collect())
            }
        };
        Self { span, content }
    }
}

/// Looks for the smallest part of a tree in which a place lies. A part need not lie in what holds
/// it: an alias stands for what is written elsewhere.
struct Search<'a> {
    place: Span,
    path: Vec<Cow<'a, str>>,
    best: Option<(u32, String)>,
}

impl<'a> Search<'a> {
    fn visit(&mut self, node: &'a Node) {
        self.offer(node.span);
        for entry in node.entries() {
            self.path.push(escape_token(&entry.key));
            self.offer(entry.key_span);
            self.visit(&entry.value);
            self.path.pop();
        }
        for (index, item) in node.items().iter().enumerate() {
            self.path.push(index.to_string().into());
            self.visit(item);
            self.path.pop();
        }
    }

    fn offer(&mut self, span: Span) {
        let place = self.place;
        let holds = span.text == place.text && span.start <= place.start && place.end <= span.end;
        let size = span.end.saturating_sub(span.start);
        if holds && self.best.as_ref().is_none_or(|(best, _)| size < *best) {
            let tokens = self.path.iter().map(|token| format!("/{token}"));
            self.best = Some((size, tokens.collect()));
        }
    }
}

/// The number that a pointer's token stands for in a list: digits without a leading zero.
fn index(token: &str) -> Option<usize> {
    let canonical =
        token == "0" || (!token.starts_with('0') && token.bytes().all(|b| b.is_ascii_digit()));
    canonical.then(|| token.parse().ok()).flatten()
}

/// A key as a token of a JSON Pointer.
#[must_use]
pub fn escape_token(key: &str) -> Cow<'_, str> {
    if key.contains(['~', '/']) {
        Cow::Owned(key.replace('~', "~0").replace('/', "~1"))
    } else {
        Cow::Borrowed(key)
    }
}

fn unescape_token(token: &str) -> Cow<'_, str> {
    if token.contains('~') {
        Cow::Owned(token.replace("~1", "/").replace("~0", "~"))
    } else {
        Cow::Borrowed(token)
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.content {
            Content::Null => serializer.serialize_unit(),
            Content::Bool(value) => serializer.serialize_bool(*value),
            Content::Number(number) => number.serialize(serializer),
            Content::String(text) => serializer.serialize_str(text),
            Content::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Content::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for entry in entries {
                    map.serialize_entry(&entry.key, &entry.value)?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Node {
        let word = Node::string(Span::new(5, 8), "app");
        Node::map(
            Span::new(0, 9),
            [("a/b", Node::list(Span::new(4, 9), vec![word]))],
        )
    }

    #[test]
    fn a_pointer_leads_to_the_value_and_its_key() {
        let tree = sample();
        assert_eq!(
            tree.at("/a~1b/0").map(|found| found.node.span),
            Some(Span::new(5, 8))
        );
        assert_eq!(
            tree.at("/a~1b").and_then(|found| found.key),
            Some(Span::new(4, 9))
        );
        assert_eq!(
            tree.at("").map(|found| found.node.span),
            Some(Span::new(0, 9))
        );
    }

    #[test]
    fn a_place_leads_back_to_the_pointer() {
        let tree = sample();
        for (place, pointer) in [
            (Span::new(5, 8), Some("/a~1b/0")),
            (Span::new(6, 7), Some("/a~1b/0")),
            (Span::new(4, 9), Some("/a~1b")),
            (Span::new(0, 5), Some("")),
            (Span::new(0, 10), None),
        ] {
            assert_eq!(tree.pointer_to(place).as_deref(), pointer, "{place:?}");
        }
    }

    #[test]
    fn a_pointer_that_leads_nowhere_is_none() {
        for pointer in [
            "/a",
            "/a~1b/1",
            "/a~1b/00",
            "/a~1b/-",
            "/a~1b/+0",
            "a~1b",
            "/a~1b/0/x",
        ] {
            assert!(sample().at(pointer).is_none(), "{pointer}");
        }
    }

    #[test]
    fn a_value_stays_the_same_as_a_tree() {
        let value = serde_json::json!({"a": [null, true, 1.5, "x"], "b": {}});
        let tree = Node::from(&value);
        assert_eq!(
            serde_json::to_value(&tree).expect("a tree is valid JSON"),
            value
        );
    }

    #[test]
    fn serializes_as_the_value_it_holds() {
        assert_eq!(
            serde_json::to_string(&sample()).expect("a tree is valid JSON"),
            r#"{"a/b":["app"]}"#
        );
    }
}
