//! The volumes of a service.

use std::collections::HashMap;

use super::container::{Half, Unit, Writer, boolean};
use super::merge::scalar;
use crate::object::{Content, Node, Span};

/// A volume of a service in its long form.
struct Volume {
    kind: Node,
    source: Option<Node>,
    target: Node,
    read_only: Option<Node>,
    /// How it is bound, as it stands after the colon: `rw`, `ro,z`.
    mode: String,
    /// What only a mount can say.
    options: Option<(&'static str, Node)>,
}

impl Writer<'_> {
    pub(super) fn volumes(&mut self) {
        let Some(entry) = self.written("volumes") else {
            return;
        };
        let mut volumes: Vec<(Span, Volume)> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for item in entry.value.items() {
            let volume = match &item.content {
                Content::String(text) => self.short_volume(item, text),
                Content::Map(_) => self.long_volume(item),
                _ => None,
            };
            let Some(volume) = volume else {
                self.refuse(item, "volume");
                continue;
            };
            let target = volume.target.as_str().unwrap_or_default().to_owned();
            if let Some(other) = places
                .get(&target)
                .and_then(|place| volumes.get_mut(*place))
            {
                *other = (item.span, volume);
            } else {
                places.insert(target, volumes.len());
                volumes.push((item.span, volume));
            }
        }
        let (mut binds, mut mounts) = (Vec::new(), Vec::new());
        for (span, volume) in volumes {
            let bound = volume.kind.as_str() == Some("bind") && volume.options.is_none();
            match &volume.source {
                Some(source) if bound => {
                    let text = |node: &Node| node.as_str().unwrap_or_default().to_owned();
                    let bind = format!("{}:{}:{}", text(source), text(&volume.target), volume.mode);
                    binds.push(Node::string(span, bind));
                }
                _ => mounts.push(self.mount(span, volume)),
            }
        }
        if !binds.is_empty() {
            self.set(
                Half::Host,
                "Binds",
                entry.key_span,
                Node::list(entry.value.span, binds),
            );
        }
        if !mounts.is_empty() {
            self.set(
                Half::Host,
                "Mounts",
                entry.key_span,
                Node::list(entry.value.span, mounts),
            );
        }
    }

    /// Mounts the file of a secret or config.
    pub(super) fn mount_file(&mut self, file: &Node, target: Node) {
        let Some(source) = self.string(file) else {
            return;
        };
        let span = target.span;
        let mount = Node::map(
            span,
            [
                ("Type", Node::string(span, "bind")),
                ("Source", source),
                ("Target", target),
                (
                    "ReadOnly",
                    Node {
                        span,
                        content: Content::Bool(true),
                    },
                ),
            ],
        );
        let mut mounts = self.take_mounts();
        mounts.push(mount);
        self.set(Half::Host, "Mounts", span, Node::list(span, mounts));
    }

    fn mount(&self, span: Span, volume: Volume) -> Node {
        let mut mount = Node::map(span, [("Type", volume.kind)]);
        let named = mount.text("Type") == Some("volume");
        if let Some(mut source) = volume.source {
            let unknown = self.loader.unknown.contains(&source.span);
            if let Content::String(name) = &mut source.content
                && named
                && !unknown
            {
                *name = self.context.resource("volumes", name);
            }
            mount.set("Source", source.span, source);
        }
        mount.set("Target", volume.target.span, volume.target);
        let writable = Node {
            span,
            content: Content::Bool(false),
        };
        let read_only = volume.read_only.unwrap_or(writable);
        mount.set("ReadOnly", read_only.span, read_only);
        if let Some((name, options)) = volume.options {
            mount.set(name, options.span, options);
        }
        mount
    }

    fn short_volume(&mut self, item: &Node, text: &str) -> Option<Volume> {
        let node = |text: &str| Node::string(item.span, text);
        let sections = sections(text, true);
        let (source, target, options) = match sections[..] {
            [target] => (None, target, ""),
            [source, target] => (Some(source), target, ""),
            [source, target, options] => (Some(source), target, options),
            _ => return None,
        };
        if target.is_empty() || source == Some("") {
            return None;
        }
        let is_path = source.is_some_and(is_path);
        // A source that is not known may be a path, which is the more dangerous of the two.
        let is_open = source
            .is_some_and(|source| source.starts_with("${") || source.starts_with('$'))
            && self.loader.unknown.contains(&item.span);
        let kind = if is_path || is_open { "bind" } else { "volume" };
        let mut read_only = false;
        let mut others = Vec::new();
        for option in options.split(',').filter(|option| !option.is_empty()) {
            match option {
                "ro" => read_only = true,
                "rw" => read_only = false,
                other => others.push(other),
            }
        }
        let mode = [if read_only { "ro" } else { "rw" }]
            .into_iter()
            .chain(others);
        Some(Volume {
            kind: node(kind),
            source: source.map(node),
            target: node(target),
            read_only: Some(Node {
                span: item.span,
                content: Content::Bool(read_only),
            }),
            mode: mode.collect::<Vec<_>>().join(","),
            options: None,
        })
    }

    fn long_volume(&mut self, item: &Node) -> Option<Volume> {
        let kind = item.get("type").and_then(|kind| self.string(kind));
        let kind = kind.unwrap_or_else(|| Node::string(item.span, "volume"));
        let target = item.get("target").and_then(|target| self.string(target));
        let target = target.or_else(|| (kind.as_str() == Some("cluster")).then(|| kind.clone()))?;
        let read_only = item.get("read_only").map(|node| Node {
            span: node.span,
            content: Content::Bool(boolean(node) == Some(true)),
        });
        let is_read_only = read_only.as_ref().and_then(boolean) == Some(true);
        let mut mode = if is_read_only { "ro" } else { "rw" }.to_owned();
        let bind = item.get("bind");
        if let Some(label) = bind.and_then(|bind| bind.get("selinux")).and_then(scalar) {
            mode = format!("{mode},{label}");
        }
        let options = match kind.as_str() {
            Some("bind") => bind.and_then(bind_options),
            Some("tmpfs") => item.get("tmpfs").map(|tmpfs| self.tmpfs_options(tmpfs)),
            _ => None,
        };
        Some(Volume {
            source: item.get("source").and_then(|source| self.string(source)),
            kind,
            target,
            read_only,
            mode,
            options,
        })
    }

    fn tmpfs_options(&mut self, tmpfs: &Node) -> (&'static str, Node) {
        let mut options = Node::map(tmpfs.span, []);
        for (key, field, unit) in [
            ("size", "SizeBytes", Unit::Byte),
            ("mode", "Mode", Unit::One),
        ] {
            let Some(entry) = tmpfs.entry(key) else {
                continue;
            };
            if let Some(number) = self.measured(&entry.value, unit, "/HostConfig/Mounts") {
                options.set(field, entry.key_span, number);
            }
        }
        ("TmpfsOptions", options)
    }

    fn take_mounts(&mut self) -> Vec<Node> {
        match self.get(Half::Host, "Mounts").map(|node| &node.content) {
            Some(Content::List(items)) => items.clone(),
            _ => Vec::new(),
        }
    }
}

/// What cannot be said in the short form of a bind.
fn bind_options(bind: &Node) -> Option<(&'static str, Node)> {
    let propagation = bind
        .get("propagation")
        .and_then(|node| Some(Node::string(node.span, scalar(node)?)));
    let must_exist = bind.get("create_host_path").and_then(boolean) == Some(false);
    if propagation.is_none() && !must_exist {
        return None;
    }
    let mut options = Node::map(bind.span, []);
    if let Some(propagation) = propagation {
        options.set("Propagation", propagation.span, propagation);
    }
    Some(("BindOptions", options))
}

/// Whether the source of a volume is a path, and not a name.
fn is_path(source: &str) -> bool {
    let mut chars = source.chars();
    let (first, second) = (chars.next(), chars.next());
    matches!(first, Some('.' | '/' | '~'))
        || source.starts_with(r"\\")
        || (first.is_some_and(char::is_alphabetic) && second == Some(':'))
}

/// The parts between colons. Those within `${…}` separate nothing; where there may be `drives`,
/// nor does one after a single letter.
pub(super) fn sections(text: &str, drives: bool) -> Vec<&str> {
    let mut sections = Vec::new();
    let (mut start, mut open) = (0, 0_usize);
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let is_drive = drives && before.is_alphabetic() && at == start + before.len_utf8();
        match c {
            '{' if before == '$' || open > 0 => open += 1,
            '}' => open = open.saturating_sub(1),
            ':' if open == 0 && !is_drive => {
                sections.extend(text.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
        before = c;
    }
    sections.extend(text.get(start..));
    sections
}
