//! `docker/DaemonConfig`, version `v1`: what a Docker daemon runs with, from its flags and its
//! daemon.json.
//!
//! The members are the keys of daemon.json, each with the value that is in effect, whether it was
//! set by a flag, in the file, or by nobody. The proxies' flags stand in `proxies`. Beside them:
//!
//! - `defaults`: JSON Pointers of the members that nobody set. Such a member stands at the first
//!   line of the text that could have set it.
//! - `conflicts`: what is set by a flag and in the file, so that the daemon refuses to start:
//!   `{key, flag, file}`, the values at their places. In the members the file's value counts.
//! - `unknownKeys`: keys of the file that the daemon does not know, so that it refuses to start.
//!   Its keys are matched with regard to case.
//! - `ignoredKeys`: keys of the file that are named like a flag where the key has another name
//!   (`insecure-registry`): the daemon starts, and does not do what they say.
//! - `unresolved`: variables on the command line whose values are not known, and the path of a
//!   `--config-file` that is not at hand; they may set anything.
//!
//! As the daemon sees it, `tlsverify` in any value turns `tls` on (moby#27105), and `tls` alone
//! means verification as well; releases before 20.10 did not verify then, which is told by
//! `/tlsverify` among the `defaults`. The certificates' paths are empty where nobody set them: the
//! daemon looks in `~/.docker` then. Its socket by default is `unix:///var/run/docker.sock`.

mod argv;
mod option;

use std::collections::HashSet;

use option::{Form, Known, OPTIONS, by_flag, by_key};

pub use argv::{Flags, flags};

use crate::{Content, Entry, Kind, Map, Node, Span};

/// The kind of this shape.
pub const KIND: Kind = Kind::known("docker", "DaemonConfig");

/// The version of this shape.
pub const VERSION: &str = "v1";

/// The JSON Schema of this shape.
pub const SCHEMA: &str = include_str!("../../schema/docker-DaemonConfig.json");

/// The file that the daemon reads unless `--config-file` names another.
pub const DEFAULT_FILE: &str = "/etc/docker/daemon.json";

/// Where the daemon listens if nobody says where.
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

/// The flags of the proxies; in the file they are members of `proxies`.
const PROXIES: [&str; 3] = ["http-proxy", "https-proxy", "no-proxy"];

/// The keys whose value is not taken apart when keys are compared with flags.
const FLAT: [&str; 6] = [
    "default-network-opts",
    "log-opts",
    "runtimes",
    "default-ulimits",
    "features",
    "builder",
];

/// What keeps the daemon from starting, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The place.
    pub span: Span,
    /// What is wrong and what to do, without the value.
    pub message: String,
}

/// The configuration that comes of flags and a daemon.json, `here` being the place of what nobody
/// wrote; or every reason for which the daemon cannot read the file.
pub fn effective(flags: &Flags, file: Option<&Node>, here: Span) -> Result<Node, Vec<Problem>> {
    let nothing = Node::map(here, []);
    let file = match file {
        None => &nothing,
        Some(node) if node.content == Content::Null => &nothing,
        Some(node) if matches!(node.content, Content::Map(_)) => node,
        Some(node) => {
            return Err(vec![problem(
                node,
                "daemon.json is no JSON object; dockerd refuses to start",
            )]);
        }
    };
    let mut merge = Merge {
        flags,
        file,
        here,
        defaults: Vec::new(),
        problems: Vec::new(),
    };
    let document = merge.document();
    if merge.problems.is_empty() {
        Ok(document)
    } else {
        Err(merge.problems)
    }
}

/// Lets the variables of a daemon's environment (`HTTP_PROXY` and its like) stand for the proxies
/// that neither a flag nor the file sets, as the daemon does.
pub fn proxies_from(document: &mut Node, variables: &Node) {
    for name in PROXIES {
        let pointer = format!("/proxies/{name}");
        let upper = name.to_ascii_uppercase().replace('-', "_");
        let variable = variables
            .entry(&upper)
            .or_else(|| variables.entry(&upper.to_ascii_lowercase()));
        let (Some(variable), Content::Map(members)) = (variable, &mut document.content) else {
            continue;
        };
        let is_default = |node: &Node| node.as_str() == Some(&pointer);
        let mut defaulted = false;
        for member in &mut *members {
            if let ("defaults", Content::List(items)) = (&*member.key, &mut member.value.content) {
                defaulted = items.iter().any(is_default);
                items.retain(|node| !is_default(node));
            }
        }
        let proxies = members.iter_mut().find(|member| member.key == "proxies");
        if let Some(proxies) = proxies.filter(|_| defaulted) {
            proxies
                .value
                .set(name, variable.key_span, variable.value.clone());
        }
    }
}

struct Merge<'a> {
    flags: &'a Flags,
    file: &'a Node,
    here: Span,
    defaults: Vec<Node>,
    problems: Vec<Problem>,
}

impl Merge<'_> {
    fn document(&mut self) -> Node {
        let mut document = Node::map(self.here, []);
        for known in OPTIONS {
            if let Some(key) = known.key {
                let (key_span, value) = match key {
                    "proxies" => self.proxies(),
                    _ => self.option(key, known),
                };
                document.set(key, key_span, value);
            }
        }
        self.tls(&mut document);
        let (unknown, ignored) = self.strangers();
        let conflicts = self.conflicts();
        let lists = [
            ("defaults", std::mem::take(&mut self.defaults)),
            ("conflicts", conflicts),
            ("unknownKeys", unknown),
            ("ignoredKeys", ignored),
            ("unresolved", self.flags.unresolved.clone()),
        ];
        for (key, items) in lists {
            document.set(key, self.here, Node::list(self.here, items));
        }
        document
    }

    /// The value of an option: the file's unless it is empty, then the flag's, then the default.
    fn option(&mut self, key: &str, known: &Known) -> (Span, Node) {
        let flag = self.flags.of(known);
        let entry = self.file.entry(key);
        let written = entry.and_then(|entry| self.written(known, entry));
        match (written, flag, entry) {
            (Some((span, mut value)), Some(flag), _)
                if matches!(known.form, Form::Map | Form::Tree) =>
            {
                add_missing(&mut value, &flag.value);
                (span, value)
            }
            (Some(found), ..) => found,
            (None, Some(flag), _) => (flag.place, flag.value.clone()),
            (None, None, Some(entry)) => (entry.key_span, default(known, entry.value.span)),
            (None, None, None) => {
                self.defaults
                    .push(Node::string(self.here, format!("/{key}")));
                (self.here, default(known, self.here))
            }
        }
    }

    /// What the file says, if it is not as good as nothing; notes a value that the daemon cannot
    /// read.
    fn written(&mut self, known: &Known, entry: &Entry) -> Option<(Span, Node)> {
        let value = &entry.value;
        let (fits, empty, wanted) = match (&known.form, &value.content) {
            (_, Content::Null) => return None,
            (Form::Switch(_), content) => (
                matches!(content, Content::Bool(_)),
                false,
                "true or false without quotes",
            ),
            (Form::Text(_), Content::Number(_)) if known.key == Some("default-shm-size") => {
                (true, false, "")
            }
            (Form::Text(_), content) => (
                matches!(content, Content::String(_)),
                value.as_str() == Some(""),
                "a string",
            ),
            (Form::Number(_), Content::Number(number)) => (
                !number.is_f64(),
                number.as_i64() == Some(0),
                "a whole number",
            ),
            (Form::Number(_), _) => (false, false, "a whole number without quotes"),
            (Form::List, content) => (
                matches!(content, Content::List(items) if texts(items.iter())),
                value.items().is_empty(),
                "a list of strings",
            ),
            (Form::Map, content) => (
                matches!(content, Content::Map(entries) if texts(entries.iter().map(|entry| &entry.value))),
                value.entries().is_empty(),
                "an object of strings; numbers are quoted there",
            ),
            (Form::Tree, content) => (
                matches!(content, Content::Map(_)),
                value.entries().is_empty(),
                "an object",
            ),
            (Form::TreeList, content) => (
                matches!(content, Content::List(_)),
                value.items().is_empty(),
                "a list",
            ),
        };
        if !fits {
            let message = format!(
                "{}: dockerd wants {wanted} here and refuses to start",
                entry.key
            );
            self.problems.push(Problem {
                span: value.span,
                message,
            });
        }
        (fits && !empty).then(|| (entry.key_span, value.clone()))
    }

    /// The members of `proxies`, which the command line has as flags of their own.
    fn proxies(&mut self) -> (Span, Node) {
        let entry = self.file.entry("proxies");
        let known = by_key("proxies");
        let file = entry
            .zip(known)
            .and_then(|(entry, known)| self.written(known, entry));
        let key_span = entry.map_or(self.here, |entry| entry.key_span);
        let mut value = file.map_or_else(|| Node::map(key_span, []), |(_, value)| value);
        for name in PROXIES {
            if let Some(member) = value.get(name)
                && !matches!(member.content, Content::String(_) | Content::Null)
            {
                self.problems.push(problem(
                    member,
                    "dockerd wants a string here and refuses to start",
                ));
            }
            let flag = by_flag(name).and_then(|known| self.flags.of(known));
            if value.text(name).unwrap_or_default().is_empty() {
                let (span, text) = match flag {
                    Some(flag) => (flag.place, flag.value.clone()),
                    None => (key_span, Node::string(key_span, "")),
                };
                if flag.is_none() && value.get(name).is_none() {
                    self.defaults
                        .push(Node::string(self.here, format!("/proxies/{name}")));
                }
                value.set(name, span, text);
            }
        }
        (key_span, value)
    }

    /// How `tls` and `tlsverify` act on each other, and where the daemon listens by default.
    fn tls(&mut self, document: &mut Node) {
        let is_set = |pointer: &str, defaults: &[Node]| {
            !defaults.iter().any(|item| item.as_str() == Some(pointer))
        };
        let place = |document: &Node, key: &str| {
            document
                .entry(key)
                .map(|entry| (entry.key_span, entry.value.span))
        };
        let on = |span| Node {
            span,
            content: Content::Bool(true),
        };
        if is_set("/tlsverify", &self.defaults) {
            let null = self
                .file
                .get("tlsverify")
                .is_some_and(|value| value.content == Content::Null);
            if let Some((key, value)) = place(document, "tlsverify") {
                if !is_true(document, "tls") {
                    document.set("tls", key, on(value));
                }
                if null {
                    document.set("tlsverify", key, on(value));
                }
            }
            self.defaults.retain(|item| item.as_str() != Some("/tls"));
        } else if is_true(document, "tls")
            && let Some((key, value)) = place(document, "tls")
        {
            document.set("tlsverify", key, on(value));
        }
        if let Some((key, value)) = place(document, "hosts")
            && document
                .get("hosts")
                .is_some_and(|hosts| hosts.items().is_empty())
        {
            let host = Node::string(value, DEFAULT_HOST);
            document.set("hosts", key, Node::list(value, vec![host]));
        }
    }

    /// The keys of the file that the daemon does not know, and those that it takes and ignores.
    fn strangers(&self) -> (Vec<Node>, Vec<Node>) {
        let (mut unknown, mut ignored) = (Vec::new(), Vec::new());
        for entry in self.file.entries() {
            let composed = matches!(entry.value.content, Content::Map(_));
            if composed && !FLAT.contains(&&*entry.key) {
                // The daemon looks at the members of such a map as if they stood at the top.
                let members = entry.value.entries().iter();
                let strange = members.filter(|member| !is_known(&member.key));
                unknown.extend(strange.map(|member| Node::string(member.key_span, &*member.key)));
                if entry.key != "proxies" {
                    ignored.push(Node::string(entry.key_span, &*entry.key));
                }
            } else if by_key(&entry.key).is_none() && entry.key != "deprecated-key-path" {
                let strangers = if is_known(&entry.key) {
                    &mut ignored
                } else {
                    &mut unknown
                };
                strangers.push(Node::string(entry.key_span, &*entry.key));
            }
        }
        (unknown, ignored)
    }

    fn conflicts(&self) -> Vec<Node> {
        let conflict = |set: &argv::Set| {
            let key = set.known.key.or(set.known.flag)?;
            let proxies = self.file.get("proxies");
            let entry = self.file.entry(key).or_else(|| {
                let nested = PROXIES.contains(&key);
                proxies
                    .filter(|_| nested)
                    .and_then(|proxies| proxies.entry(key))
            })?;
            let members = [
                ("key", Node::string(set.place, key)),
                ("flag", set.value.clone()),
                ("file", entry.value.clone()),
            ];
            (key != "runtimes").then(|| Node::map(set.place, members))
        };
        self.flags.set.iter().filter_map(conflict).collect()
    }
}

fn texts<'a>(mut nodes: impl Iterator<Item = &'a Node>) -> bool {
    nodes.all(|node| node.as_str().is_some())
}

fn is_known(key: &str) -> bool {
    by_key(key).is_some() || by_flag(key).is_some()
}

fn is_true(document: &Node, key: &str) -> bool {
    document
        .get(key)
        .is_some_and(|node| node.content == Content::Bool(true))
}

fn add_missing(value: &mut Node, more: &Node) {
    if let Content::Map(entries) = &mut value.content {
        let known: HashSet<String> = entries.iter().map(|entry| entry.key.clone()).collect();
        let missing = more.entries().iter();
        entries.extend(missing.filter(|entry| !known.contains(&entry.key)).cloned());
    }
}

fn default(known: &Known, span: Span) -> Node {
    let content = match known.form {
        Form::Switch(on) => Content::Bool(on),
        Form::Text(text) => Content::String(text.to_owned()),
        Form::Number(number) => Content::Number(number.into()),
        Form::List | Form::TreeList => Content::List(Vec::new()),
        Form::Map | Form::Tree => Content::Map(Map::default()),
    };
    Node { span, content }
}

fn problem(node: &Node, message: &str) -> Problem {
    Problem {
        span: node.span,
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests;
