//! How the engine, a Go program, finds the field that a key means.
//!
//! Go's `encoding/json` takes a key for a field of a struct if both are equal without regard to
//! case, by Unicode's simple folding: `ſ` is an `s`, and the sign for Kelvin a `k`. The last
//! spelling wins. The keys of Go's maps are left as they are.

use crate::{Content, Entry, Node, Span};

/// A struct that the engine decodes JSON into.
#[derive(Debug)]
pub struct Struct {
    /// The fields that hold no struct: scalars, lists of them, and maps with keys of the user.
    pub plain: &'static [&'static str],
    /// The fields that hold structs.
    pub nested: &'static [(&'static str, Holds)],
}

/// How a field holds structs.
#[derive(Clone, Copy, Debug)]
pub enum Holds {
    /// It is one.
    One(&'static Struct),
    /// It is a list of them.
    List(&'static Struct),
    /// It is a map from the user's keys to them.
    Map(&'static Struct),
    /// It is a map from the user's keys to lists of them.
    MapOfLists(&'static Struct),
}

/// A field that is set twice in one object, under two spellings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubled {
    /// The field in its canonical spelling.
    pub field: &'static str,
    /// Where the later key stands, whose value counts.
    pub span: Span,
}

/// A value with the fields of its structs in their canonical spelling. Of two spellings of one
/// field the last one counts, and `doubled` gets it; what is no field stays as it is.
#[must_use]
pub fn canonical(node: Node, of: &'static Struct, doubled: &mut Vec<Doubled>) -> Node {
    let Node { span, content } = node;
    let Content::Map(entries) = content else {
        return Node { span, content };
    };
    let mut places = vec![None; of.plain.len() + of.nested.len()];
    let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
    for entry in entries {
        let Some((index, field, holds)) = of.field(&entry.key) else {
            kept.push(entry);
            continue;
        };
        let value = match holds {
            Some(holds) => held(entry.value, holds, doubled),
            None => entry.value,
        };
        let entry = Entry {
            key: field.to_owned(),
            key_span: entry.key_span,
            value,
        };
        let Some(place) = places.get_mut(index) else {
            continue;
        };
        if let Some(earlier) = place.and_then(|place: usize| kept.get_mut(place)) {
            doubled.push(Doubled {
                field,
                span: entry.key_span,
            });
            *earlier = entry;
        } else {
            *place = Some(kept.len());
            kept.push(entry);
        }
    }
    Node {
        span,
        content: Content::Map(kept.into()),
    }
}

fn held(node: Node, holds: Holds, doubled: &mut Vec<Doubled>) -> Node {
    match holds {
        Holds::One(of) => canonical(node, of, doubled),
        Holds::List(of) => each_item(node, |item| canonical(item, of, doubled)),
        Holds::Map(of) => each_member(node, |value| canonical(value, of, doubled)),
        Holds::MapOfLists(of) => each_member(node, |value| {
            each_item(value, |item| canonical(item, of, doubled))
        }),
    }
}

fn each_item(node: Node, change: impl FnMut(Node) -> Node) -> Node {
    let Node { span, content } = node;
    let content = match content {
        Content::List(items) => Content::List(items.into_iter().map(change).collect()),
        other => other,
    };
    Node { span, content }
}

fn each_member(node: Node, mut change: impl FnMut(Node) -> Node) -> Node {
    let Node { span, content } = node;
    let content = match content {
        Content::Map(entries) => {
            let entries = entries.into_iter().map(|entry| Entry {
                value: change(entry.value),
                ..entry
            });
            Content::Map(entries.collect())
        }
        other => other,
    };
    Node { span, content }
}

impl Struct {
    /// The field that a key means: its number, its canonical spelling and what it holds.
    fn field(&self, key: &str) -> Option<(usize, &'static str, Option<Holds>)> {
        let plain = self.plain.iter().map(|field| (*field, None));
        let nested = self
            .nested
            .iter()
            .map(|(field, holds)| (*field, Some(*holds)));
        let mut all = plain.chain(nested).enumerate();
        all.find(|(_, (field, _))| means(key, field))
            .map(|(index, (field, holds))| (index, field, holds))
    }

    /// Whether a key means one of the fields.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.field(key).is_some()
    }
}

/// Whether Go takes a key for a field, whose name is ASCII.
#[must_use]
pub fn means(key: &str, field: &str) -> bool {
    let folded = key.chars().map(|c| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    });
    folded.eq(field.chars().map(|c| c.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INNER: Struct = Struct {
        plain: &["Type"],
        nested: &[],
    };
    const OUTER: Struct = Struct {
        plain: &["Privileged", "Sysctls", "Links"],
        nested: &[
            ("LogConfig", Holds::One(&INNER)),
            ("Networks", Holds::Map(&INNER)),
            ("Ports", Holds::MapOfLists(&INNER)),
        ],
    };

    fn map<'a>(at: usize, members: impl IntoIterator<Item = (&'a str, Node)>) -> Node {
        Node::map(Span::new(at, at), members)
    }

    fn text(at: usize) -> Node {
        Node::string(Span::new(at, at), "x")
    }

    #[test]
    fn a_key_means_a_field_as_in_go() {
        for key in ["SYSCTLS", "sysctls", "\u{17f}ysctl\u{17f}"] {
            assert!(means(key, "Sysctls"), "{key}");
        }
        assert!(means("lin\u{212a}s", "Links"));
        for key in ["Sysctl", "Sysctlss", "Sýsctls", ""] {
            assert!(!means(key, "Sysctls"), "{key}");
        }
    }

    #[test]
    fn the_last_spelling_wins_and_is_told() {
        let mut doubled = Vec::new();
        let body = map(
            0,
            [
                ("Privileged", text(1)),
                ("x", text(2)),
                ("PRIVILEGED", text(3)),
            ],
        );
        let body = canonical(body, &OUTER, &mut doubled);
        assert_eq!(
            body.get("Privileged").map(|node| node.span.start),
            Some(3),
            "{body:?}"
        );
        assert_eq!(body.entries().len(), 2);
        let span = Span::new(3, 3);
        assert_eq!(
            doubled,
            [Doubled {
                field: "Privileged",
                span
            }]
        );
    }

    #[test]
    fn the_keys_of_maps_stay() {
        let mut doubled = Vec::new();
        let inner = || map(1, [("TYPE", text(1))]);
        let list = Node::list(Span::new(1, 1), vec![inner()]);
        let body = map(
            0,
            [
                ("sysctls", map(1, [("a", text(1)), ("A", text(2))])),
                ("networks", map(1, [("type", inner())])),
                ("ports", map(1, [("80/TCP", list)])),
                ("logconfig", inner()),
            ],
        );
        let body = canonical(body, &OUTER, &mut doubled);
        for pointer in [
            "/Sysctls/a",
            "/Sysctls/A",
            "/Networks/type/Type",
            "/Ports/80~1TCP/0/Type",
            "/LogConfig/Type",
        ] {
            assert!(body.at(pointer).is_some(), "{pointer}");
        }
        assert_eq!(doubled, []);
    }
}
