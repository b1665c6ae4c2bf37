//! The ports of a service.

use std::ops::RangeInclusive;

use super::container::{Half, Writer};
use super::merge::scalar;
use super::mounts::sections;
use crate::object::{Content, Map, Node, Span};

/// How many ports the ranges of one service may stand for.
const MAX_PORTS: usize = 70_000;

/// A published port.
struct Port {
    address: String,
    published: String,
    target: String,
}

impl Writer<'_> {
    pub(super) fn ports(&mut self) {
        let (exposing, publishing) = (self.written("expose"), self.written("ports"));
        let span = |entry: Option<&crate::object::Entry>| {
            entry.map(|entry| (entry.key_span, entry.value.span))
        };
        let mut exposed = Found::default();
        let mut bindings = Found::default();
        for item in exposing.map_or(&[][..], |entry| entry.value.items()) {
            if let Some(port) = scalar(item) {
                exposed.add(with_protocol(&port), item.span);
            }
        }
        let mut count = 0;
        for item in publishing.map_or(&[][..], |entry| entry.value.items()) {
            let unknown = self.loader.unknown.contains(&item.span);
            let ports = if matches!(item.content, Content::Map(_)) {
                long(item)
            } else {
                scalar(item).and_then(|text| short(&text, unknown))
            };
            let Some(ports) = ports else {
                self.refuse(item, "port such as 127.0.0.1:8080:80/tcp");
                continue;
            };
            count += ports.len();
            if count > MAX_PORTS {
                self.refuse(item, "range of a size that a machine has ports for");
                break;
            }
            if unknown {
                self.unresolved.push("/HostConfig/PortBindings".into());
            }
            for port in ports {
                let text = |text: String| Node::string(item.span, text);
                let binding = [
                    ("HostIp", text(port.address)),
                    ("HostPort", text(port.published)),
                ];
                exposed.add(port.target.clone(), item.span);
                bindings.bind(port.target, Node::map(item.span, binding));
            }
        }
        self.unresolved.dedup();
        if let Some((key, value)) = span(publishing) {
            self.set(Half::Host, "PortBindings", key, bindings.map(value));
        }
        if let Some((key, value)) = span(publishing).or(span(exposing)) {
            self.set(Half::Config, "ExposedPorts", key, exposed.map(value));
        }
    }
}

/// Ports by their names in the engine, in the order in which they are found.
#[derive(Default)]
struct Found {
    entries: Vec<crate::object::Entry>,
    places: std::collections::HashMap<String, usize>,
}

impl Found {
    fn place(&mut self, name: String, span: Span, content: Content) -> Option<&mut Node> {
        let next = self.entries.len();
        let place = *self.places.entry(name.clone()).or_insert(next);
        if place == next {
            self.entries.push(crate::object::Entry {
                key: name,
                key_span: span,
                value: Node { span, content },
            });
        }
        self.entries.get_mut(place).map(|entry| &mut entry.value)
    }

    fn add(&mut self, name: String, span: Span) {
        self.place(name, span, Content::Map(Map::default()));
    }

    fn bind(&mut self, name: String, binding: Node) {
        if let Some(node) = self.place(name, binding.span, Content::List(Vec::new()))
            && let Content::List(items) = &mut node.content
        {
            items.push(binding);
        }
    }

    fn map(self, span: Span) -> Node {
        Node {
            span,
            content: Content::Map(self.entries.into()),
        }
    }
}

fn with_protocol(port: &str) -> String {
    if port.contains('/') {
        port.to_ascii_lowercase()
    } else {
        format!("{port}/tcp")
    }
}

/// `[[ADDRESS:]PUBLISHED:]TARGET[/PROTOCOL]`, where ports may be ranges.
fn short(text: &str, unknown: bool) -> Option<Vec<Port>> {
    let (address, rest) = match text
        .strip_prefix('[')
        .and_then(|text| text.split_once("]:"))
    {
        Some((address, rest)) => (address, rest),
        None => ("", text),
    };
    let mut before = sections(rest, false);
    let target = before.pop()?;
    let published = before.pop().unwrap_or_default();
    let address = if address.is_empty() {
        before.join(":")
    } else {
        address.to_owned()
    };
    let (target, protocol) = target
        .split_once('/')
        .filter(|_| !unknown)
        .unwrap_or((target, "tcp"));
    let name = |port: &str| format!("{port}/{}", protocol.to_ascii_lowercase());
    if unknown {
        return Some(vec![Port {
            address,
            published: published.to_owned(),
            target: name(target),
        }]);
    }
    let targets = range(target)?;
    let from = if published.is_empty() {
        None
    } else {
        Some(range(published)?)
    };
    let single = targets.clone().count() == 1;
    if let Some(from) = &from
        && !single
        && from.clone().count() != targets.clone().count()
    {
        return None;
    }
    let ports = targets.zip(0..).map(|(target, step)| Port {
        address: address.clone(),
        published: match &from {
            // A range for one port leaves the choice to the engine.
            Some(_) if single => published.to_owned(),
            Some(from) => (from.start() + step).to_string(),
            None => String::new(),
        },
        target: name(&target.to_string()),
    });
    Some(ports.collect())
}

fn long(node: &Node) -> Option<Vec<Port>> {
    let text = |key: &str| node.get(key).and_then(scalar);
    let protocol = text("protocol").unwrap_or_else(|| "tcp".into());
    Some(vec![Port {
        address: text("host_ip").unwrap_or_default(),
        published: text("published").unwrap_or_default(),
        target: format!("{}/{}", text("target")?, protocol.to_ascii_lowercase()),
    }])
}

/// A port, or the first and last of several.
fn range(text: &str) -> Option<RangeInclusive<u32>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let port = |text: &str| text.parse::<u16>().ok().map(u32::from);
    let (first, last) = (port(first)?, port(last)?);
    (first <= last).then_some(first..=last)
}
