//! Lays one part of a project over another.

use crate::object::{Content, Entry, Node};

/// Parts that do not fit together: the one that was to be laid over the other.
#[derive(Debug)]
pub(super) struct Misfit(pub(super) Node);

/// Members that are brought into the form of a list and put one after the other.
const SEQUENCES: [&str; 15] = [
    "annotations",
    "build.args",
    "build.additional_contexts",
    "build.extra_hosts",
    "build.labels",
    "deploy.labels",
    "dns",
    "dns_opt",
    "dns_search",
    "env_file",
    "label_file",
    "environment",
    "extra_hosts",
    "labels",
    "sysctls",
];

/// Lays a project over another.
pub(super) fn projects(base: Node, over: Node) -> Result<Node, Misfit> {
    merge(base, over, &mut Vec::new())
}

/// Lays a service over the one that it extends.
pub(super) fn services(base: Node, over: Node) -> Result<Node, Misfit> {
    merge(base, over, &mut vec!["services".into(), "x".into()])
}

fn merge(base: Node, over: Node, path: &mut Vec<String>) -> Result<Node, Misfit> {
    let place = match path.first().map(String::as_str) {
        Some("services") => path.get(2..).unwrap_or_default().join("."),
        Some("networks" | "volumes") if path.len() == 3 && path[2] == "labels" => "labels".into(),
        _ => String::new(),
    };
    match place.as_str() {
        "command" | "entrypoint" | "healthcheck.test" => return Ok(over),
        "tmpfs" => return Ok(joined(base, over)),
        place if SEQUENCES.contains(&place) => return Ok(joined(base, over)),
        "build" => return maps(keyed(base, "context"), keyed(over, "context"), path),
        "depends_on" | "networks" | "models" => return maps(by_name(base), by_name(over), path),
        "logging"
            if driver(&base)
                .zip(driver(&over))
                .is_some_and(|(a, b)| a != b) =>
        {
            return Ok(over);
        }
        place if place.starts_with("ulimits.") && !is_map(&base) => return Ok(over),
        place if place.starts_with("ulimits.") && !is_map(&over) => return Ok(over),
        _ => {}
    }
    match (&base.content, &over.content) {
        (Content::Map(_), Content::Map(_)) => maps(base, over, path),
        (Content::List(_), Content::List(_)) => Ok(joined(base, over)),
        (_, Content::Null) => Ok(base),
        (Content::Null, _) => Ok(over),
        (Content::Map(_), _) | (_, Content::Map(_)) => Err(Misfit(over)),
        _ => Ok(over),
    }
}

fn maps(mut base: Node, over: Node, path: &mut Vec<String>) -> Result<Node, Misfit> {
    let (Content::Map(entries), Content::Map(others)) = (&mut base.content, over.content) else {
        return Ok(base);
    };
    let mut places: std::collections::HashMap<String, usize> = entries
        .iter()
        .enumerate()
        .map(|(place, entry)| (entry.key.clone(), place))
        .collect();
    for other in others {
        let Some(entry) = places.get(&other.key).and_then(|n| entries.get_mut(*n)) else {
            places.insert(other.key.clone(), entries.len());
            entries.push(other);
            continue;
        };
        path.push(other.key.clone());
        let mine = std::mem::replace(&mut entry.value, Node::list(other.key_span, Vec::new()));
        let merged = merge(mine, other.value, path);
        path.pop();
        *entry = Entry {
            key: other.key,
            key_span: other.key_span,
            value: merged?,
        };
    }
    Ok(base)
}

fn joined(base: Node, over: Node) -> Node {
    let span = over.span;
    let mut items = sequence(base);
    items.extend(sequence(over));
    Node::list(span, items)
}

/// The items of a list, or the members of a map as `key=value`.
pub(super) fn sequence(node: Node) -> Vec<Node> {
    match node.content {
        Content::Null => Vec::new(),
        Content::List(items) => items,
        Content::Map(entries) => entries.iter().flat_map(pairs).collect(),
        _ => vec![node],
    }
}

fn pairs(entry: &Entry) -> Vec<Node> {
    let pair = |value: &Node| match scalar(value) {
        Some(text) => Node::string(value.span, format!("{}={text}", entry.key)),
        None => Node::string(entry.key_span, entry.key.clone()),
    };
    match &entry.value.content {
        Content::List(items) => items.iter().map(pair).collect(),
        _ => vec![pair(&entry.value)],
    }
}

/// The text of a scalar as Compose writes it; none for null, a list or a map.
pub(super) fn scalar(node: &Node) -> Option<String> {
    match &node.content {
        Content::String(text) => Some(text.clone()),
        Content::Number(number) => Some(number.to_string()),
        Content::Bool(value) => Some(value.to_string()),
        Content::Null | Content::List(_) | Content::Map(_) => None,
    }
}

fn keyed(node: Node, key: &str) -> Node {
    match node.content {
        Content::Map(_) => node,
        Content::Null => Node::map(node.span, []),
        _ => Node::map(node.span, [(key, node)]),
    }
}

fn by_name(node: Node) -> Node {
    let Content::List(items) = node.content else {
        return keyed(node, "");
    };
    let entries = items.into_iter().filter_map(|item| {
        Some(Entry {
            key: scalar(&item)?,
            key_span: item.span,
            value: Node {
                span: item.span,
                content: Content::Null,
            },
        })
    });
    Node {
        span: node.span,
        content: Content::Map(entries.collect()),
    }
}

fn driver(logging: &Node) -> Option<String> {
    logging.get("driver").and_then(scalar)
}

fn is_map(node: &Node) -> bool {
    matches!(node.content, Content::Map(_))
}

/// Whether two values are the same, wherever they stand.
pub(super) fn same(a: &Node, b: &Node) -> bool {
    match (&a.content, &b.content) {
        (Content::List(a), Content::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Content::Map(a), Content::Map(b)) => {
            a.len() == b.len()
                && a.iter()
                    .zip(b)
                    .all(|(a, b)| a.key == b.key && same(&a.value, &b.value))
        }
        (a, b) => a == b,
    }
}

/// Takes away what stands at a path.
pub(super) fn remove(node: &mut Node, path: &[String]) {
    let (Content::Map(entries), Some((key, rest))) = (&mut node.content, path.split_first()) else {
        return;
    };
    if rest.is_empty() {
        entries.retain(|entry| entry.key != *key);
    } else if let Some(entry) = entries.iter_mut().find(|entry| entry.key == *key) {
        remove(&mut entry.value, rest);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::source::yaml::{Dialect, read_as};

    fn node(text: &str) -> Node {
        read_as(text, Dialect::Compose).documents.remove(0)
    }

    fn merged(base: &str, over: &str) -> Value {
        let merged = services(node(base), node(over)).expect("the parts fit");
        serde_json::to_value(&merged).expect("a tree is valid JSON")
    }

    #[test]
    fn each_member_merges_in_its_own_way() {
        let cases = [
            (
                "{command: [a], user: a}",
                "{command: [b]}",
                json!({"command": ["b"], "user": "a"}),
            ),
            (
                "{cap_add: [A]}",
                "{cap_add: [B]}",
                json!({"cap_add": ["A", "B"]}),
            ),
            (
                "{environment: {A: 1, N: }}",
                "{environment: [A=2]}",
                json!({"environment": ["A=1", "N", "A=2"]}),
            ),
            (
                "{env_file: a}",
                "{env_file: [b]}",
                json!({"env_file": ["a", "b"]}),
            ),
            ("{tmpfs: a}", "{tmpfs: [b]}", json!({"tmpfs": ["a", "b"]})),
            (
                "{build: .}",
                "{build: {target: x}}",
                json!({"build": {"context": ".", "target": "x"}}),
            ),
            (
                "{logging: {driver: a, options: {x: 1}}}",
                "{logging: {driver: b}}",
                json!({"logging": {"driver": "b"}}),
            ),
            (
                "{logging: {driver: a, options: {x: 1}}}",
                "{logging: {options: {y: 2}}}",
                json!({"logging": {"driver": "a", "options": {"x": 1, "y": 2}}}),
            ),
            (
                "{ulimits: {nofile: 1}}",
                "{ulimits: {nofile: {soft: 2}}}",
                json!({"ulimits": {"nofile": {"soft": 2}}}),
            ),
            (
                "{networks: [a]}",
                "{networks: {b: {x: 1}}}",
                json!({"networks": {"a": null, "b": {"x": 1}}}),
            ),
            ("{user: a}", "{user: }", json!({"user": "a"})),
        ];
        for (base, over, expected) in cases {
            assert_eq!(merged(base, over), expected, "{base} {over}");
        }
    }

    #[test]
    fn a_map_and_a_list_do_not_fit() {
        assert!(services(node("{healthcheck: {a: 1}}"), node("{healthcheck: [a]}")).is_err());
    }
}
