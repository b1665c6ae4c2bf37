//! What both readers of structured text share.

use std::collections::HashMap;

use stridegate_shapes::{Content, Entry, Node};

use super::Fault;

/// How many lists and maps may stand within one another. Real manifests stay below 30; the limit
/// keeps everything that walks a tree recursively within its stack.
pub const MAX_DEPTH: usize = 100;

/// The documents of a text, as far as it could be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Documents {
    /// The documents before the fault. Documents that hold nothing, or only `null`, are left out,
    /// as kubectl leaves them out.
    pub documents: Vec<Node>,
    /// Why the rest of the text could not be read.
    pub fault: Option<Fault>,
}

impl Documents {
    pub(super) fn failed(fault: Fault) -> Self {
        Self {
            documents: Vec::new(),
            fault: Some(fault),
        }
    }

    pub(super) fn push(&mut self, document: Node) {
        if document.content != Content::Null {
            self.documents.push(document);
        }
    }
}

/// A fault if spans cannot express the places of a text.
pub(super) fn check_size(text: &str) -> Result<(), Fault> {
    match u32::try_from(text.len()) {
        Ok(_) => Ok(()),
        Err(_) => Err(Fault::new(0, "the text is larger than 4 GiB; split it")),
    }
}

pub(super) fn too_deep(at: usize) -> Fault {
    Fault::new(
        at,
        format!("nested deeper than {MAX_DEPTH} levels; flatten the document"),
    )
}

/// The members of a map while it is read. Of equal keys the last one wins, as in Go.
#[derive(Default)]
pub(super) struct Members {
    entries: Vec<Entry>,
    places: HashMap<String, usize>,
}

/// Up to this many members, looking at each is faster than hashing.
const SEARCHED: usize = 16;

impl Members {
    /// Adds a member; whether it takes the place of another.
    pub(super) fn insert(&mut self, entry: Entry) -> bool {
        let earlier = self
            .place(&entry.key)
            .and_then(|place| self.entries.get_mut(place));
        if let Some(earlier) = earlier {
            *earlier = entry;
            true
        } else {
            self.push(entry);
            false
        }
    }

    pub(super) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    fn place(&self, key: &str) -> Option<usize> {
        if self.places.is_empty() {
            self.entries.iter().position(|entry| entry.key == key)
        } else {
            self.places.get(key).copied()
        }
    }

    fn push(&mut self, entry: Entry) {
        if self.entries.len() == SEARCHED {
            self.places = self
                .entries
                .iter()
                .zip(0..)
                .map(|(entry, place)| (entry.key.clone(), place))
                .collect();
        }
        if self.entries.len() >= SEARCHED {
            self.places.insert(entry.key.clone(), self.entries.len());
        }
        self.entries.push(entry);
    }
}

#[cfg(test)]
mod tests {
    use stridegate_shapes::Span;

    use super::*;

    #[test]
    fn the_last_of_equal_keys_wins_in_small_and_large_maps() {
        for size in [3, 15, 16, 17, 40] {
            let mut members = Members::default();
            for n in 0..2 * size {
                let span = Span::new(n, n);
                let key = (n % size).to_string();
                members.insert(Entry {
                    key,
                    key_span: span,
                    value: Node {
                        span,
                        content: Content::Null,
                    },
                });
            }
            let entries = members.into_entries();
            assert_eq!(entries.len(), size);
            for (n, entry) in entries.iter().enumerate() {
                assert_eq!(
                    (entry.key.clone(), entry.key_span),
                    (n.to_string(), Span::new(n + size, n + size))
                );
            }
        }
    }
}
