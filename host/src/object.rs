//! An object: what a policy judges, and where its parts were written.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use serde_json::Value;
pub use stridegate_shapes::{Content, Entry, Kind, Map, Node, Span};

/// A text that objects were read from.
#[derive(Debug)]
pub struct Text {
    /// How the text is shown: a path relative to where the program was started, or `-`.
    pub name: String,
    /// The text without a byte order mark.
    pub content: String,
    lines: OnceLock<Vec<usize>>,
    /// How many characters begin before each block of bytes.
    characters: OnceLock<Vec<usize>>,
}

/// So many bytes are counted one by one to find a column: a text may be one long line.
const BLOCK: usize = 1024;

/// A line and a column, both counted from 1; a column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Text {
    /// A text.
    #[must_use]
    pub fn new(name: impl Into<String>, content: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            content: content.into(),
            lines: OnceLock::new(),
            characters: OnceLock::new(),
        }
    }

    /// The position of a byte.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.content.len());
        let line = self.starts().partition_point(|&start| start <= offset);
        let start = self.starts()[line - 1];
        let bytes = self.content.as_bytes();
        let before = if offset - start < BLOCK {
            characters(&bytes[start..offset])
        } else {
            self.characters_before(offset) - self.characters_before(start)
        };
        Position {
            line,
            column: before + 1,
        }
    }

    /// How many characters begin before a byte.
    fn characters_before(&self, offset: usize) -> usize {
        let bytes = self.content.as_bytes();
        let blocks = self.characters.get_or_init(|| {
            let mut total = 0;
            let counts = bytes.chunks(BLOCK).map(|block| {
                let before = total;
                total += characters(block);
                before
            });
            counts.collect()
        });
        let block = offset / BLOCK;
        let before = blocks.get(block).copied();
        before.map_or(0, |before| {
            before + characters(&bytes[block * BLOCK..offset])
        })
    }

    /// The bytes of the lines that hold a range, without the end of the last.
    #[must_use]
    pub fn lines_around(&self, range: &Range<usize>) -> Range<usize> {
        let first = self.position(range.start).line;
        let last = self
            .position(range.end.saturating_sub(1).max(range.start))
            .line;
        let end = self
            .starts()
            .get(last)
            .map_or(self.content.len(), |next| next - 1);
        self.starts()[first - 1]..end
    }

    /// The offset at which each line starts.
    fn starts(&self) -> &[usize] {
        self.lines.get_or_init(|| {
            let newlines = self
                .content
                .bytes()
                .enumerate()
                .filter(|&(_, byte)| byte == b'\n');
            std::iter::once(0)
                .chain(newlines.map(|(offset, _)| offset + 1))
                .collect()
        })
    }
}

/// How many characters begin in a part of a text.
fn characters(part: &[u8]) -> usize {
    let begins = |byte: &&u8| **byte & 0b1100_0000 != 0b1000_0000;
    part.iter().filter(begins).count()
}

/// The name by which a user knows an object: that of what was written, before it became the
/// shape that policies judge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// The group of its kind.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace; empty if it has none or does not say.
    pub namespace: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.namespace.is_empty() { "" } else { "/" };
        write!(
            f,
            "{} {}{separator}{}",
            self.kind, self.namespace, self.name
        )
    }
}

/// An object in the shape that policies judge.
#[derive(Clone, Debug)]
pub struct Object {
    /// The kind of the shape.
    pub kind: Kind,
    /// The version of the shape.
    pub version: String,
    /// The object as written.
    pub identity: Arc<Identity>,
    /// What else is known of the object as written.
    pub written: Written,
    /// The document, in which each value knows its place.
    pub document: Node,
    /// Where a part of the document stands in the object as written, by prefix; the first that
    /// fits counts. A path that none fits is the same in both.
    pub moves: Vec<Move>,
    /// What was written, where the document is made of it in another order than
    /// moves can tell.
    pub origin: Option<Origin>,
    /// The texts that the places of the document lie in.
    pub texts: Vec<Arc<Text>>,
}

/// The name of an object in the question of who owns what: its kind and its unique id.
#[must_use]
pub fn owner(kind: &str, uid: &str) -> String {
    format!("{kind} {uid}")
}

/// What an object as written says beside its document, where it became another shape.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// Its labels, if they are not those of the document.
    pub labels: Option<Node>,
    /// The unique id that a cluster gave it; empty if it does not come from one.
    pub uid: String,
    /// What owns it, controls what becomes of it, and is of a kind that makes such objects, each as
    /// [`owner`] names it.
    pub owners: Vec<String>,
    /// Where it stands in the document that was written, as a JSON Pointer; empty if it is that.
    pub at: &'static str,
    /// The request that it is part of.
    pub request: Option<Arc<Request>>,
    /// The Namespace that it lies in, if that is known.
    pub namespace: Option<Arc<Node>>,
    /// What a connection leads into, in the shape that policies judge, if that is known.
    pub target: Option<Arc<Node>>,
    /// What else is known from outside of it.
    pub facts: Facts,
}

/// Facts from outside of an object, as JSON by the key under which policies ask for them.
pub type Facts = BTreeMap<&'static str, Arc<Value>>;

/// Who asks for what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `create`, `update`, `delete`, `connect`, or an engine's own endpoint by name
    /// (`image.commit`).
    pub operation: String,
    /// The subresource; empty if it is the object itself.
    pub subresource: String,
    /// The user, if the transport knows one.
    pub user: Option<String>,
    /// The groups of the user.
    pub groups: Vec<String>,
    /// Whether nothing will come of it.
    pub dry_run: bool,
    /// The object as it was before, as JSON.
    pub previous: Option<String>,
    /// What else is known of the caller.
    pub attributes: serde_json::Map<String, serde_json::Value>,
}

/// A part of a document that stands elsewhere in the object as written.
#[derive(Clone, Copy, Debug)]
pub struct Move {
    /// Its JSON Pointer in the document.
    pub judged: &'static str,
    /// Its JSON Pointer in the object as written.
    pub written: &'static str,
}

/// What a document was made of: a path is found there by its place.
#[derive(Clone, Debug)]
pub struct Origin {
    /// What was written. Moves go on from it.
    pub document: Arc<Node>,
    /// Says a change of the document as one of what was written.
    pub rewrite: Rewrite,
}

/// Says what replacing the value at a pointer of the judged document means at the pointer of
/// what was written for it: an operation of a JSON Patch, or none if no single one does it.
pub type Rewrite = fn(&Node, &str, &Change) -> Option<Value>;

/// A value that is to stand at a JSON Pointer of the judged document.
#[derive(Debug)]
pub struct Change<'a> {
    /// The JSON Pointer.
    pub judged: &'a str,
    /// The value.
    pub value: &'a Value,
}

/// Where a value of an object was written.
#[derive(Clone, Debug)]
pub struct Place {
    /// The text.
    pub text: Arc<Text>,
    /// What to show: the value if it is written on one line, and else its key.
    pub shown: Span,
    /// The whole value.
    pub value: Span,
}

impl Object {
    /// Whether it was written as another kind and has become this one, as the Pod of a workload.
    #[must_use]
    pub fn becomes(&self, kind: &Kind) -> bool {
        self.kind == *kind && self.identity.kind != kind.name
    }

    /// Where the value at a JSON Pointer was written; none if the pointer leads nowhere.
    #[must_use]
    pub fn place(&self, pointer: &str) -> Option<Place> {
        let located = self.document.at(pointer)?;
        let value = located.node.span;
        let written = self
            .texts
            .get(value.text as usize)
            .and_then(|text| text.content.get(value.range()));
        let composed = matches!(located.node.content, Content::Map(_) | Content::List(_));
        let by_key =
            composed || written.is_none_or(|written| written.is_empty() || written.contains('\n'));
        let shown = located.key.filter(|_| by_key).unwrap_or(value);
        let text = self.texts.get(shown.text as usize)?;
        Some(Place {
            text: Arc::clone(text),
            shown,
            value,
        })
    }

    /// A JSON Pointer into the document as one into the object as written, in the text in which
    /// its place lies.
    #[must_use]
    pub fn written_path(&self, pointer: &str) -> String {
        let span = self.document.at(pointer).map(|found| found.node.span);
        let origin = span.and_then(|span| self.in_origin(span));
        if origin.is_none() && span.is_some_and(|span| span.text > 0) {
            return self.moved(pointer);
        }
        let path = self.moved(origin.as_deref().unwrap_or(pointer));
        format!("{}{path}", self.written.at)
    }

    /// Where a place stands in what the document was made of.
    fn in_origin(&self, place: Span) -> Option<String> {
        self.origin.as_ref()?.document.pointer_to(place)
    }

    /// The operations of a JSON Patch for the document as ones for the object as written; none
    /// if what was written cannot be changed in this way.
    #[must_use]
    pub fn written_patch(&self, patch: &[Value]) -> Option<Vec<Value>> {
        let operations = patch
            .iter()
            .map(|operation| self.written_operation(operation));
        operations.collect()
    }

    fn written_operation(&self, operation: &Value) -> Option<Value> {
        let mut operation = operation.clone();
        let judged = operation.get("path")?.as_str()?;
        let span = self.document.at(judged).map(|found| found.node.span);
        let written = span.and_then(|span| self.in_origin(span));
        let elsewhere = written.is_none() && span.is_some_and(|span| span.text > 0);
        if let Some(origin) = self.origin.as_ref().filter(|_| !elsewhere) {
            let change = Change {
                judged,
                value: operation
                    .get("value")
                    .filter(|_| operation["op"] == "replace")?,
            };
            let mut operation = (origin.rewrite)(&origin.document, &written?, &change)?;
            let path = operation.get("path")?.as_str()?;
            operation["path"] = format!("{}{}", self.written.at, self.moved(path)).into();
            return Some(operation);
        }
        for key in ["path", "from"] {
            if let Some(Value::String(pointer)) = operation.get_mut(key) {
                *pointer = self.written_path(pointer);
            }
        }
        Some(operation)
    }

    fn moved(&self, pointer: &str) -> String {
        let moved = self.moves.iter().find_map(|part| {
            let rest = pointer.strip_prefix(part.judged)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| format!("{}{rest}", part.written))
        });
        moved.unwrap_or_else(|| pointer.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_lines_and_characters() {
        let text = Text::new("x", "a\nżó b\n");
        assert_eq!(text.position(0), Position { line: 1, column: 1 });
        let b = text.content.find('b').expect("the sample has a b");
        assert_eq!(text.position(b), Position { line: 2, column: 4 });
        assert_eq!(text.position(999), Position { line: 3, column: 1 });
    }

    #[test]
    fn a_column_of_a_long_line_counts_characters() {
        let text = Text::new("x", format!("é\n{}", "ż1".repeat(BLOCK)));
        for at in 0..=2 * BLOCK {
            let offset = 3 + at / 2 * 3 + at % 2 * 2;
            let position = Position {
                line: 2,
                column: at + 1,
            };
            assert_eq!(text.position(offset), position, "{at}");
        }
    }
}
