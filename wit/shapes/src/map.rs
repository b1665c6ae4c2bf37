use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::tree::Entry;

/// So many members are looked through one by one: that is as fast as to look them up.
const FEW: usize = 32;

/// The members of a map, in the order in which they were written; no key stands twice.
///
/// It reads and changes as the vector that it holds. If it is made of many members, an index finds
/// them by their keys, so that to look up each takes no time that grows with their square. What
/// changes the members drops the index.
#[derive(Clone)]
pub struct Map(Members);

#[derive(Clone)]
enum Members {
    Few(Vec<Entry>),
    /// In a box, so that a small map needs no room for an index.
    Many(Box<Indexed>),
}

struct Indexed {
    entries: Vec<Entry>,
    /// Whether it was looked up before: to look through the members once takes less than an index.
    asked: AtomicBool,
    /// The places of the members in the order of their keys.
    by_key: OnceLock<Box<[usize]>>,
}

impl Map {
    /// The place of a member by its key.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<usize> {
        match &self.0 {
            Members::Few(entries) => look_through(entries, key),
            Members::Many(indexed) => indexed.find(key),
        }
    }

    /// The member at a place, to be changed; its key has to stay.
    pub(crate) fn member_mut(&mut self, place: usize) -> Option<&mut Entry> {
        match &mut self.0 {
            Members::Few(entries) => entries.get_mut(place),
            Members::Many(indexed) => indexed.entries.get_mut(place),
        }
    }
}

impl Indexed {
    fn new(entries: Vec<Entry>) -> Self {
        Self {
            entries,
            asked: AtomicBool::new(false),
            by_key: OnceLock::new(),
        }
    }

    fn find(&self, key: &str) -> Option<usize> {
        if self.by_key.get().is_none() && !self.asked.swap(true, Ordering::Relaxed) {
            return look_through(&self.entries, key);
        }
        let key_at = |place: usize| self.entries[place].key.as_str();
        let by_key = self.by_key.get_or_init(|| {
            let mut places: Box<[usize]> = (0..self.entries.len()).collect();
            places.sort_by_key(|place| key_at(*place));
            places
        });
        let at = by_key.partition_point(|place| key_at(*place) < key);
        by_key
            .get(at)
            .copied()
            .filter(|place| key_at(*place) == key)
    }
}

fn look_through(entries: &[Entry], key: &str) -> Option<usize> {
    entries.iter().position(|entry| entry.key == key)
}

impl Clone for Indexed {
    fn clone(&self) -> Self {
        Self::new(self.entries.clone())
    }
}

impl From<Vec<Entry>> for Map {
    fn from(entries: Vec<Entry>) -> Self {
        Self(if entries.len() > FEW {
            Members::Many(Box::new(Indexed::new(entries)))
        } else {
            Members::Few(entries)
        })
    }
}

impl From<Map> for Vec<Entry> {
    fn from(map: Map) -> Self {
        match map.0 {
            Members::Few(entries) => entries,
            Members::Many(indexed) => indexed.entries,
        }
    }
}

impl Default for Map {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl Deref for Map {
    type Target = Vec<Entry>;

    fn deref(&self) -> &Vec<Entry> {
        match &self.0 {
            Members::Few(entries) => entries,
            Members::Many(indexed) => &indexed.entries,
        }
    }
}

impl DerefMut for Map {
    fn deref_mut(&mut self) -> &mut Vec<Entry> {
        match &mut self.0 {
            Members::Few(entries) => entries,
            Members::Many(indexed) => {
                indexed.asked = AtomicBool::new(false);
                indexed.by_key = OnceLock::new();
                &mut indexed.entries
            }
        }
    }
}

impl FromIterator<Entry> for Map {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        Vec::from_iter(entries).into()
    }
}

impl IntoIterator for Map {
    type Item = Entry;
    type IntoIter = std::vec::IntoIter<Entry>;

    fn into_iter(self) -> Self::IntoIter {
        Vec::from(self).into_iter()
    }
}

impl<'a> IntoIterator for &'a Map {
    type Item = &'a Entry;
    type IntoIter = std::slice::Iter<'a, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a mut Map {
    type Item = &'a mut Entry;
    type IntoIter = std::slice::IterMut<'a, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Node, Span};

    fn map(length: usize) -> Map {
        let entry = |number: usize| Entry {
            key: format!("key{number}"),
            key_span: Span::default(),
            value: Node::string(Span::default(), number.to_string()),
        };
        (0..length).map(entry).collect()
    }

    #[test]
    fn every_member_is_found_however_many_there_are() {
        for length in [0, 1, FEW, FEW + 1, 1000] {
            let map = map(length);
            for _ in 0..2 {
                for place in 0..length {
                    assert_eq!(map.find(&format!("key{place}")), Some(place));
                }
                assert_eq!(map.find("key"), None);
                assert_eq!(map.find("kez"), None);
            }
        }
    }

    #[test]
    fn a_change_is_found() {
        let mut map = map(100);
        assert_eq!((map.find("key7"), map.find("key99")), (Some(7), Some(99)));
        map.remove(7);
        assert_eq!((map.find("key7"), map.find("key99")), (None, Some(98)));
        assert_eq!(map.find("key7"), None);
        map[0].key = "key7".into();
        assert_eq!((map.find("key7"), map.find("key7")), (Some(0), Some(0)));
        for entry in &mut map {
            entry.key.push('x');
        }
        assert_eq!((map.find("key7"), map.find("key7x")), (None, Some(0)));
    }

    #[test]
    fn an_index_changes_nothing_else() {
        let (one, other) = (map(100), map(100));
        for _ in 0..3 {
            assert!(one.find("key50").is_some());
        }
        assert_eq!(one, other);
        assert_eq!(one.clone(), other);
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
    }

    #[test]
    fn an_index_takes_no_room_in_a_small_map() {
        assert_eq!(size_of::<Map>(), size_of::<Vec<Entry>>());
    }
}
