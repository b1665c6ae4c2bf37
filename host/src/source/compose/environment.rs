//! The environment of a service, from its files and from itself.

use std::collections::HashMap;

use super::container::{Half, Writer, boolean};
use super::merge::{scalar, sequence};
use super::project::normal;
use crate::object::{Content, Entry, Node};

impl Writer<'_> {
    pub(super) fn environment(&mut self) {
        let mut found = Found::default();
        let files = self.written("env_file");
        for item in files
            .map(|entry| sequence(entry.value.clone()))
            .unwrap_or_default()
        {
            for (name, value) in self.file(&item) {
                found.add(name, value);
            }
        }
        let written = self.written("environment");
        for item in written
            .map(|entry| sequence(entry.value.clone()))
            .unwrap_or_default()
        {
            if let Some((name, mut value)) = self.assigned(&item) {
                if let Content::String(text) = &mut value.content {
                    *text = format!("{name}={text}");
                }
                found.add(name, value);
            }
        }
        if let Some(entry) = written.or(files) {
            let list = Node::list(entry.value.span, found.items);
            self.set(Half::Config, "Env", entry.key_span, list);
        }
    }

    /// A name and its value; a name alone takes its value from the project's variables.
    pub(super) fn assigned(&mut self, item: &Node) -> Option<(String, Node)> {
        let Some(text) = scalar(item) else {
            self.refuse(item, "variable");
            return None;
        };
        if let Some((name, value)) = text.split_once('=') {
            return Some((name.to_owned(), Node::string(item.span, value)));
        }
        let value = if let Some(value) = self.context.variables.get(&text) {
            Node::string(value.span, &*value.text)
        } else {
            self.loader.unknown.insert(item.span);
            Node::string(item.span, format!("${{{text}}}"))
        };
        Some((text, value))
    }

    /// The assignments of a file of variables.
    fn file(&mut self, item: &Node) -> Vec<(String, Node)> {
        let path = item.get("path").unwrap_or(item);
        let Some(name) = self.loader.named(path) else {
            return Vec::new();
        };
        let name = normal(&name);
        let required = item.get("required").and_then(boolean) != Some(false);
        if !required && !self.loader.is_there(&name) {
            return Vec::new();
        }
        let raw = item.text("format") == Some("raw");
        let Some(text) = self.loader.open(&name, path.span) else {
            return Vec::new();
        };
        let found = self.loader.assignments(text, self.context.variables, raw);
        let nodes = found.into_iter().map(|assignment| {
            let text = format!("{}={}", assignment.name, assignment.value.text);
            (assignment.name, Node::string(assignment.value.span, text))
        });
        nodes.collect()
    }

    /// Secrets and configs: those in files are mounted, those in the project have their content.
    pub(super) fn files(&mut self) {
        let mut contents = Vec::new();
        for (section, folder) in [("secrets", "/run/secrets/"), ("configs", "/")] {
            let Some(entry) = self.written(section) else {
                continue;
            };
            for item in entry.value.items() {
                let Some(name) = item.get("source").or(Some(item)).and_then(scalar) else {
                    self.refuse(item, "name of one of the project's files");
                    continue;
                };
                let target = item
                    .get("target")
                    .and_then(scalar)
                    .unwrap_or_else(|| name.clone());
                let target = if target.starts_with('/') {
                    target
                } else {
                    format!("{folder}{target}")
                };
                let declared = self
                    .context
                    .root
                    .get(section)
                    .and_then(|all| all.get(&name));
                let Some(declared) = declared else {
                    let message = format!(
                        "{name} is not among the {section} of the project, and Compose refuses that; declare it"
                    );
                    self.loader.fault(item.span, message);
                    continue;
                };
                let target = Node::string(item.span, target);
                if let Some(file) = declared.get("file") {
                    self.mount_file(file, target);
                } else if let Some(content) = content(self, declared) {
                    let source = Node::string(item.span, name);
                    let members = [("Source", source), ("Target", target), ("Content", content)];
                    contents.push(Node::map(item.span, members));
                }
            }
        }
        if let Some(first) = contents.first() {
            let span = first.span;
            self.more.push(Entry {
                key: "Files".into(),
                key_span: span,
                value: Node::list(span, contents),
            });
        }
    }
}

/// What a secret or config holds, where the project says it.
fn content(writer: &mut Writer<'_>, declared: &Node) -> Option<Node> {
    if let Some(content) = declared.get("content") {
        return writer.string(content);
    }
    let variable = declared.get("environment")?;
    let name = scalar(variable)?;
    let name = Node::string(variable.span, name);
    writer.assigned(&name).map(|(_, value)| value)
}

/// The variables so far. The last one of a name counts, at the place of the first.
#[derive(Default)]
struct Found {
    items: Vec<Node>,
    places: HashMap<String, usize>,
}

impl Found {
    fn add(&mut self, name: String, value: Node) {
        let known = self.places.get(&name);
        if let Some(item) = known.and_then(|place| self.items.get_mut(*place)) {
            *item = value;
        } else {
            self.places.insert(name, self.items.len());
            self.items.push(value);
        }
    }
}
