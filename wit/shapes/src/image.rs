//! `docker/Image`, version `v1`: an image as `docker inspect` shows it, with its history.
//!
//! `History` is there when it is known, the newest entry last, each with `created` (RFC 3339),
//! `created_by`, `comment`, `empty_layer` and `truncated`: whether `docker history` cut
//! `created_by` off for want of `--no-trunc`. The engine does not say which layers are empty; an
//! entry of size 0 is taken for one. An image of which only the history is known has no `Config`.
//!
//! What only some engines show (`Container`, `ContainerConfig` and `VirtualSize` up to 25.0) is
//! kept and means nothing.
//!
//! Source: `api/types/image` of moby, the OCI image specification 1.1, and the recordings of
//! engines 20.10 and 28.5.

use crate::container::{self, as_config};
use crate::fields::{Doubled, Holds, Struct, canonical};
use crate::{Content, Entry, Kind, Node, Span};

/// The kind of this shape.
pub const KIND: Kind = Kind::known("docker", "Image");

/// The version of this shape.
pub const VERSION: &str = "v1";

/// The JSON Schema of what policies rely on in an image.
pub const SCHEMA: &str = include_str!("../schema/docker-Image.json");

/// Where the parts of an image stand in an OCI image config: pointers into the shape and into
/// the config; the first that fits counts.
pub const MOVES: &[(&str, &str)] = &[
    ("/Config", "/config"),
    ("/History", "/history"),
    ("/RootFS/Layers", "/rootfs/diff_ids"),
    ("/RootFS/Type", "/rootfs/type"),
    ("/RootFS", "/rootfs"),
    ("/Architecture", "/architecture"),
    ("/Os", "/os"),
    ("/Author", "/author"),
    ("/Created", "/created"),
];

const OCI: Struct = Struct {
    plain: &["architecture", "os", "author", "created"],
    nested: &[
        ("config", Holds::One(&container::CONFIG)),
        ("rootfs", Holds::One(&ROOT_FS)),
        ("history", Holds::List(&HISTORY)),
    ],
};
const ROOT_FS: Struct = Struct {
    plain: &["type", "diff_ids"],
    nested: &[],
};
const HISTORY: Struct = Struct {
    plain: &["created", "created_by", "author", "comment", "empty_layer"],
    nested: &[],
};

/// The image that an OCI image config describes; `doubled` gets the fields with two spellings.
#[must_use]
pub fn from_oci(config: Node, doubled: &mut Vec<Doubled>) -> Node {
    let config = canonical(config, &OCI, doubled);
    let mut image = Node::map(config.span, []);
    let mut put = |key: &str, entry: &Entry, value: Node| image.set(key, entry.key_span, value);
    for (from, to) in [
        ("architecture", "Architecture"),
        ("os", "Os"),
        ("author", "Author"),
        ("created", "Created"),
    ] {
        if let Some(entry) = config.entry(from) {
            put(to, entry, entry.value.clone());
        }
    }
    if let Some(entry) = config.entry("config") {
        put("Config", entry, as_config(entry.value.clone()));
    } else {
        image.set("Config", config.span, Node::map(config.span, []));
    }
    if let Some(entry) = config.entry("rootfs") {
        image.set("RootFS", entry.key_span, root_fs(&entry.value));
    }
    if let Some(entry) = config.entry("history")
        && let Content::List(items) = &entry.value.content
    {
        let items = items.iter().map(history_entry).collect();
        image.set(
            "History",
            entry.key_span,
            Node::list(entry.value.span, items),
        );
    }
    image
}

/// Whether a list is a history as the engine's API or the lines of `docker history --format json`
/// tell it.
#[must_use]
pub fn is_history(list: &Node) -> bool {
    !list.items().is_empty() && list.items().iter().all(is_history_entry)
}

/// Whether a map is an entry of such a history.
#[must_use]
pub fn is_history_entry(entry: &Node) -> bool {
    let by_api = entry.get("Id").is_some() && entry.get("Tags").is_some();
    let by_command = entry.get("ID").is_some() && entry.get("CreatedSince").is_some();
    entry.text("CreatedBy").is_some() && (by_api || by_command)
}

/// The `History` of an image from the list that the engine's API or `docker history` gives, which
/// begins with the newest entry.
#[must_use]
pub fn history(list: &Node) -> Node {
    let items = list.items().iter().rev().map(history_entry).collect();
    Node::list(list.span, items)
}

/// The id of the image that such a list is the history of.
#[must_use]
pub fn history_id(list: &Node) -> Option<&str> {
    let newest = list.items().first()?;
    newest.text("Id").or_else(|| newest.text("ID"))
}

fn root_fs(node: &Node) -> Node {
    let mut root_fs = Node::map(node.span, []);
    for (from, to) in [("type", "Type"), ("diff_ids", "Layers")] {
        if let Some(entry) = node.entry(from) {
            root_fs.set(to, entry.key_span, entry.value.clone());
        }
    }
    root_fs
}

/// An entry of a history in the one spelling.
fn history_entry(node: &Node) -> Node {
    let mut entry = Node::map(node.span, []);
    let any = |keys: &[&str]| keys.iter().find_map(|key| node.entry(key));
    if let Some(found) = any(&["created", "CreatedAt", "Created"]) {
        let value = match &found.value.content {
            Content::Number(seconds) => seconds.as_i64().and_then(rfc3339),
            Content::String(text) => Some(text.clone()),
            _ => None,
        };
        if let Some(value) = value {
            let value = Node::string(found.value.span, value);
            entry.set("created", found.key_span, value);
        }
    }
    let mut truncated = false;
    for (key, others) in [
        ("created_by", ["created_by", "CreatedBy"]),
        ("comment", ["comment", "Comment"]),
        ("author", ["author", "Author"]),
    ] {
        let found = any(&others);
        let text = found
            .and_then(|found| found.value.as_str())
            .unwrap_or_default();
        truncated |= key == "created_by" && is_truncated(text);
        let (key_span, span) = found.map_or((node.span, node.span), |found| {
            (found.key_span, found.value.span)
        });
        if found.is_some() || key != "author" {
            entry.set(key, key_span, Node::string(span, text));
        }
    }
    let empty = match any(&["empty_layer", "Size"]).map(|found| &found.value.content) {
        Some(Content::Bool(empty)) => *empty,
        Some(Content::Number(size)) => size.as_u64() == Some(0),
        Some(Content::String(size)) => size == "0B" || size == "0",
        _ => false,
    };
    let flag = |span: Span, value| Node {
        span,
        content: Content::Bool(value),
    };
    entry.set("empty_layer", node.span, flag(node.span, empty));
    entry.set("truncated", node.span, flag(node.span, truncated));
    entry
}

/// Whether `docker history` cut a text off: at 45 characters, with an ellipsis.
fn is_truncated(text: &str) -> bool {
    text.ends_with('…') || (text.ends_with("...") && text.chars().count() == 45)
}

/// Seconds since 1970 as RFC 3339 in UTC; none outside the years 0 to 9999.
fn rfc3339(seconds: i64) -> Option<String> {
    const DAY: i64 = 86_400;
    if !(-62_167_219_200..=253_402_300_799).contains(&seconds) {
        return None;
    }
    // Days are counted from 0000-03-01, so that a leap day is the last of its year.
    let days = seconds.div_euclid(DAY) + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let time = seconds.rem_euclid(DAY);
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_a_date() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_413_135, "2026-11-23T05:52:15Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (-62_167_219_200, "0000-01-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds).as_deref(), Some(date));
        }
        assert_eq!(rfc3339(i64::MAX), None);
    }

    #[test]
    fn what_was_cut_off_is_marked() {
        assert!(is_truncated("/bin/sh -c #(nop)  ENV PATH=/usr/local/sbin…"));
        assert!(is_truncated(&format!("{}...", "x".repeat(42))));
        assert!(!is_truncated("echo ..."));
    }
}
