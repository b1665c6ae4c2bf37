//! Brings the files of a project together: interpolation, `include`, `extends`, overrides.

use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::interpolate::{Variables, replace};
use super::{dotenv, merge, paths};
use crate::object::{Content, Entry, Node, Span, Text};
use crate::source::yaml::{Dialect, read_as};
use crate::source::{Fault, InputFault, MAX_TEXT};

/// How many files a project may name, how long a chain of `extends` or `include` may be, how many
/// values `extends` may copy, and how many services or other parts a file may hold. Real projects stay far below; beyond is made to exhaust.
const MAX_FILES: usize = 500;
const MAX_CHAIN: usize = 30;
const MAX_COPIED: usize = 300_000;
const MAX_MEMBERS: usize = 10_000;

/// The parts of a project that hold members by their names.
const SECTIONS: [&str; 5] = ["services", "volumes", "networks", "secrets", "configs"];

/// What reading the files of a project brings to light.
pub(super) struct Loader {
    /// The folder of the project; none for standard input.
    folder: Option<PathBuf>,
    /// The texts that places lie in.
    pub(super) texts: Vec<Arc<Text>>,
    /// The places of values that need a variable without a value.
    pub(super) unknown: HashSet<Span>,
    /// What is wrong.
    pub(super) faults: Vec<InputFault>,
    bases: HashMap<PathBuf, Option<Arc<Model>>>,
    copied: usize,
}

/// A file of a project, with its variables replaced.
struct Model {
    root: Node,
    /// What `!reset` and `!override` take away from what this is laid over.
    resets: Vec<Vec<String>>,
    /// The folder that its paths start from, seen from the project's.
    folder: PathBuf,
}

/// A service on its way to what it extends: the file and the service's name.
type Chain = Vec<(PathBuf, String)>;

impl Loader {
    pub(super) fn new(text: &Arc<Text>) -> Self {
        let path = Path::new(&text.name);
        let folder = path.parent().map(|folder| {
            let here = folder.as_os_str().is_empty();
            PathBuf::from(if here { Path::new(".") } else { folder })
        });
        Self {
            folder: folder.filter(|_| text.name != "-"),
            texts: vec![Arc::clone(text)],
            unknown: HashSet::new(),
            faults: Vec::new(),
            bases: HashMap::new(),
            copied: 0,
        }
    }

    /// The project of the first text and of what is laid over it.
    pub(super) fn project(&mut self, layers: &[PathBuf]) -> Option<(Node, Variables)> {
        let variables = self.variables();
        let mut files = vec![(0, PathBuf::from(file_name(&self.texts.first()?.name)))];
        for path in layers {
            files.push((self.open(path, Span::default())?, path.clone()));
        }
        let root = self.layers(&files, Path::new(""), &variables, &mut Vec::new())?;
        Some((root, variables))
    }

    /// The variables of the file `.env` in the folder of the project.
    fn variables(&mut self) -> Variables {
        let path = Path::new(".env");
        if !self.is_there(path) {
            return Variables::new();
        }
        let text = self.open(path, Span::default());
        text.map(|text| self.variables_of(text, &Variables::new()))
            .unwrap_or_default()
    }

    fn variables_of(&mut self, text: u32, outer: &Variables) -> Variables {
        let mut found = outer.clone();
        for assignment in self.assignments(text, outer, false) {
            // What the outer project sets outweighs what an included one brings along.
            if !outer.contains_key(&assignment.name) {
                found.insert(assignment.name, assignment.value);
            }
        }
        found
    }

    /// The assignments of a file of variables, each with its place.
    pub(super) fn assignments(
        &mut self,
        text: u32,
        outer: &Variables,
        raw: bool,
    ) -> Vec<dotenv::Assignment> {
        let Some(content) = self.texts.get(text as usize).map(Arc::clone) else {
            return Vec::new();
        };
        let (mut found, fault) = if raw {
            (dotenv::read_raw(&content.content), None)
        } else {
            dotenv::read(&content.content, outer)
        };
        if let Some(fault) = fault {
            self.fault_in(text, &fault);
        }
        for assignment in &mut found {
            assignment.value.span.text = text;
            if !assignment.value.known {
                self.unknown.insert(assignment.value.span);
            }
        }
        found
    }

    /// Reads files and lays each over those before it.
    fn layers(
        &mut self,
        files: &[(u32, PathBuf)],
        folder: &Path,
        variables: &Variables,
        including: &mut Vec<PathBuf>,
    ) -> Option<Node> {
        let mut merged: Option<Node> = None;
        for (text, path) in files {
            for model in self.models(*text, folder, variables)? {
                let Model {
                    mut root, resets, ..
                } = model;
                self.include(&mut root, folder, variables, path, including);
                self.extend(&mut root, &resets, path, folder, variables);
                merged = Some(match merged {
                    None => root,
                    Some(mut base) => {
                        for path in &resets {
                            merge::remove(&mut base, path);
                        }
                        match merge::projects(base, root) {
                            Ok(merged) => merged,
                            Err(misfit) => return self.misfit(&misfit.0),
                        }
                    }
                });
            }
        }
        merged
    }

    fn misfit<T>(&mut self, node: &Node) -> Option<T> {
        let message = "has another form than the value that it is laid over, and Compose refuses that; write both in the same form";
        self.fault(node.span, message);
        None
    }

    /// The documents of a text; none if Compose would not read it.
    fn models(&mut self, text: u32, folder: &Path, variables: &Variables) -> Option<Vec<Model>> {
        let content = Arc::clone(self.texts.get(text as usize)?);
        let found = read_as(&content.content, Dialect::Compose);
        if let Some(fault) = found.fault {
            self.fault_in(text, &fault);
            return None;
        }
        if let Some(section) = found.documents.iter().find_map(crowded) {
            let mut span = section.key_span;
            span.text = text;
            self.fault(
                span,
                format!("holds more than {MAX_MEMBERS} members; split it"),
            );
            return None;
        }
        let models = found.documents.into_iter().map(|mut root| {
            root.in_text(text);
            let mut resets = Vec::new();
            tagged(&mut root, &content.content, &mut Vec::new(), &mut resets);
            self.interpolate(&mut root, variables);
            Model {
                root,
                resets,
                folder: folder.to_owned(),
            }
        });
        Some(models.collect())
    }

    /// Replaces the variables of every value. What starts with `x-` is Compose's place for notes.
    fn interpolate(&mut self, node: &mut Node, variables: &Variables) {
        let span = node.span;
        match &mut node.content {
            Content::String(text) if text.contains('$') => {
                let replaced = replace(text, variables);
                if !replaced.as_ref().is_ok_and(|replaced| replaced.known) {
                    self.unknown.insert(span);
                }
                if let Ok(replaced) = replaced {
                    *text = replaced.text;
                } else {
                    self.fault(span, "holds a `$` that starts no variable, and Compose refuses that; write `$$` for the sign itself");
                }
            }
            Content::List(items) => items
                .iter_mut()
                .for_each(|item| self.interpolate(item, variables)),
            Content::Map(entries) => {
                let noted = |entry: &&mut Entry| !entry.key.starts_with("x-");
                entries
                    .iter_mut()
                    .filter(noted)
                    .for_each(|entry| self.interpolate(&mut entry.value, variables));
            }
            _ => {}
        }
    }

    /// Adds what the projects hold that a file includes.
    fn include(
        &mut self,
        root: &mut Node,
        folder: &Path,
        variables: &Variables,
        path: &Path,
        including: &mut Vec<PathBuf>,
    ) {
        let Some(includes) = root.get("include").cloned() else {
            return;
        };
        including.push(normal(path));
        for item in merge::sequence(includes) {
            if let Some(included) = self.included(&item, folder, variables, including) {
                self.import(root, included);
            }
        }
        including.pop();
    }

    fn included(
        &mut self,
        item: &Node,
        folder: &Path,
        variables: &Variables,
        including: &mut Vec<PathBuf>,
    ) -> Option<Node> {
        let written = item.get("path").unwrap_or(item).clone();
        let names = merge::sequence(written);
        let mut files = Vec::new();
        for name in &names {
            let path = normal(&folder.join(self.named(name)?));
            if including.len() >= MAX_CHAIN || including.contains(&path) {
                self.fault(
                    name.span,
                    "includes itself in the end; take one of the includes away",
                );
                return None;
            }
            files.push((self.open(&path, name.span)?, path));
        }
        let main = files.first()?.1.clone();
        let own = match item.get("project_directory") {
            Some(node) => normal(&folder.join(self.named(node)?)),
            None => main.parent().unwrap_or(Path::new("")).to_owned(),
        };
        let variables = self.included_variables(item, folder, &own, variables)?;
        let mut root = self.layers(&files, &own, &variables, including)?;
        self.settle(&mut root, &variables);
        paths::rebase_project(&mut root, &paths::between(folder, &own));
        Some(root)
    }

    fn included_variables(
        &mut self,
        item: &Node,
        folder: &Path,
        own: &Path,
        variables: &Variables,
    ) -> Option<Variables> {
        let mut files = Vec::new();
        match item.get("env_file") {
            Some(names) => {
                for name in merge::sequence(names.clone()) {
                    files.push((folder.join(self.named(&name)?), name.span));
                }
            }
            None if self.is_there(&own.join(".env")) => files.push((own.join(".env"), item.span)),
            None => {}
        }
        let mut found = variables.clone();
        for (path, span) in files {
            let text = self.open(&normal(&path), span)?;
            found = self.variables_of(text, &found);
        }
        Some(found)
    }

    /// Gives what takes its value from outside the value that this project knows: seen from the
    /// project that includes it, it may have another.
    fn settle(&mut self, root: &mut Node, variables: &Variables) {
        for service in members_mut(root, "services") {
            if let Some(environment) = service.value.get_mut("environment") {
                let items = merge::sequence(std::mem::replace(
                    environment,
                    Node::list(environment.span, Vec::new()),
                ));
                let settled = items.into_iter().map(|mut item| {
                    if let Content::String(name) = &item.content
                        && !name.contains('=')
                        && let Some(value) = variables.get(name)
                    {
                        let text = format!("{name}={}", value.text);
                        if !value.known {
                            self.unknown.insert(item.span);
                        }
                        item.content = Content::String(text);
                    }
                    item
                });
                environment.content = Content::List(settled.collect());
            }
        }
    }

    /// Takes over what an included project holds. A name that is there already is a conflict.
    fn import(&mut self, root: &mut Node, included: Node) {
        let Content::Map(sections) = included.content else {
            return;
        };
        for section in sections {
            if !SECTIONS.contains(&section.key.as_str()) {
                continue;
            }
            if root.get(&section.key).is_none() {
                root.set(&section.key.clone(), section.key_span, section.value);
                continue;
            }
            let Content::Map(entries) = section.value.content else {
                continue;
            };
            let mine: HashMap<String, usize> = root
                .get(&section.key)
                .map_or(&[][..], Node::entries)
                .iter()
                .enumerate()
                .map(|(place, entry)| (entry.key.clone(), place))
                .collect();
            for entry in entries {
                match mine.get(&entry.key) {
                    Some(place) => {
                        let other = root
                            .get(&section.key)
                            .and_then(|own| own.entries().get(*place));
                        if other.is_some_and(|other| !merge::same(&other.value, &entry.value)) {
                            let message = format!(
                                "{}.{} stands here and in an included file, and Compose refuses that; rename one",
                                section.key, entry.key
                            );
                            let span = other.map_or(entry.key_span, |other| other.key_span);
                            self.fault(span, message);
                        }
                    }
                    None => {
                        if let Some(Node {
                            content: Content::Map(own),
                            ..
                        }) = root.get_mut(&section.key)
                        {
                            own.push(entry);
                        }
                    }
                }
            }
        }
    }

    /// Completes the services that extend others.
    fn extend(
        &mut self,
        root: &mut Node,
        resets: &[Vec<String>],
        path: &Path,
        folder: &Path,
        variables: &Variables,
    ) {
        let extending = |entry: &&Entry| entry.value.get("extends").is_some();
        let Some(services) = root.get("services") else {
            return;
        };
        let names: Vec<String> = services
            .entries()
            .iter()
            .filter(extending)
            .map(|entry| entry.key.clone())
            .collect();
        if names.is_empty() {
            return;
        }
        let model = Model {
            root: root.clone(),
            resets: resets.to_vec(),
            folder: folder.to_owned(),
        };
        for name in names {
            let found = self.extended(&model, path, &name, variables, &mut Vec::new());
            if let (Some(found), Some(services)) = (found, root.get_mut("services"))
                && let Some(service) = services.get_mut(&name)
            {
                *service = found;
            }
        }
    }

    /// A service with all that it extends.
    fn extended(
        &mut self,
        model: &Model,
        path: &Path,
        name: &str,
        variables: &Variables,
        chain: &mut Chain,
    ) -> Option<Node> {
        let service = model.root.get("services")?.get(name)?;
        self.copied = self.copied.saturating_add(size(service));
        let Some(extends) = service.get("extends") else {
            return Some(service.clone());
        };
        let place = (normal(path), name.to_owned());
        if chain.contains(&place) || chain.len() >= MAX_CHAIN || self.copied > MAX_COPIED {
            self.fault(
                extends.span,
                "extends itself in the end, or far too much; take one of the `extends` away",
            );
            return None;
        }
        let Some(wanted) = extends.get("service").unwrap_or(extends).as_str() else {
            self.fault(extends.span, "says no service to extend; add `service:`");
            return None;
        };
        chain.push(place);
        let base = match extends.get("file") {
            Some(file) => self.base_in(file, model, wanted, extends, variables, chain),
            None if has_service(model, wanted) => {
                self.extended(model, path, wanted, variables, chain)
            }
            None => self.no_service(extends, wanted),
        };
        chain.pop();
        let mut base = base?;
        for reset in &model.resets {
            if let [first, own, rest @ ..] = reset.as_slice()
                && first == "services"
                && own == name
            {
                merge::remove(&mut base, rest);
            }
        }
        match merge::services(base, service.clone()) {
            Ok(mut merged) => {
                merge::remove(&mut merged, &["extends".to_owned()]);
                Some(merged)
            }
            Err(misfit) => self.misfit(&misfit.0),
        }
    }

    fn base_in(
        &mut self,
        file: &Node,
        model: &Model,
        wanted: &str,
        extends: &Node,
        variables: &Variables,
        chain: &mut Chain,
    ) -> Option<Node> {
        let path = normal(&model.folder.join(self.named(file)?));
        let base = self.base(&path, file.span, variables)?;
        if !has_service(&base, wanted) {
            return self.no_service(extends, wanted);
        }
        let mut found = self.extended(&base, &path, wanted, variables, chain)?;
        paths::rebase_service(&mut found, &paths::between(&model.folder, &base.folder));
        Some(found)
    }

    /// A file that services are extended from. It is read once.
    fn base(&mut self, path: &Path, span: Span, variables: &Variables) -> Option<Arc<Model>> {
        if let Some(known) = self.bases.get(path) {
            return known.clone();
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        let read = self
            .open(path, span)
            .and_then(|text| self.models(text, folder, variables))
            .and_then(|models| models.into_iter().next())
            .map(Arc::new);
        self.bases.insert(path.to_owned(), read.clone());
        read
    }

    fn no_service(&mut self, extends: &Node, wanted: &str) -> Option<Node> {
        let message = format!("extends a service {wanted} that is not there; correct the name");
        self.fault(extends.span, message);
        None
    }

    /// The path that a value names; a fault if it is no text or not known.
    pub(super) fn named(&mut self, node: &Node) -> Option<PathBuf> {
        if self.unknown.contains(&node.span) {
            self.fault(
                node.span,
                "names a file by a variable without a value; give it one in .env or a default",
            );
            return None;
        }
        let Some(name) = node.as_str().filter(|name| !name.is_empty()) else {
            self.fault(node.span, "is no path of a file; name one");
            return None;
        };
        Some(PathBuf::from(name))
    }

    /// Whether a file is there below the folder of the project.
    pub(super) fn is_there(&self, path: &Path) -> bool {
        self.folder
            .as_deref()
            .is_some_and(|folder| folder.join(path).is_file())
    }

    /// Reads a file of the project, and says the number of its text. `from` names it.
    pub(super) fn open(&mut self, path: &Path, from: Span) -> Option<u32> {
        match self.content(path) {
            Ok((name, content)) => {
                let known = self.texts.iter().skip(1).position(|text| text.name == name);
                let number = known.map_or(self.texts.len(), |place| place + 1);
                if known.is_none() {
                    self.texts.push(Arc::new(Text::new(name, content)));
                }
                u32::try_from(number).ok()
            }
            Err(message) => {
                self.fault(from, format!("{} {message}", path.display()));
                None
            }
        }
    }

    fn content(&self, path: &Path) -> Result<(String, String), String> {
        let Some(folder) = &self.folder else {
            return Err(
                "is named by a project from standard input; name the Compose file itself".into(),
            );
        };
        if path.to_string_lossy().contains("://") {
            return Err(
                "lies elsewhere and is not fetched; judge what docker compose config writes".into(),
            );
        }
        if self.texts.len() > MAX_FILES {
            return Err(format!(
                "is more than the {MAX_FILES}th file of the project; split it"
            ));
        }
        let path = folder.join(path);
        let missing = |error| format!("cannot be read: {error}; correct the path or add the file");
        let real = path.canonicalize().map_err(missing)?;
        let inside = folder
            .canonicalize()
            .is_ok_and(|folder| real.starts_with(folder));
        if !inside {
            return Err("lies outside the folder of the Compose file and is not read; judge what docker compose config writes".into());
        }
        let size = real.metadata().map_err(missing)?;
        if !size.is_file() {
            return Err("is no file; correct the path".into());
        }
        if size.len() > MAX_TEXT {
            return Err(format!("is larger than {} MiB; split it", MAX_TEXT >> 20));
        }
        let content = std::fs::read_to_string(&real).map_err(missing)?;
        let content = content
            .strip_prefix('\u{feff}')
            .map(str::to_owned)
            .unwrap_or(content);
        let shown = path.strip_prefix(".").unwrap_or(&path);
        Ok((shown.display().to_string(), content))
    }

    fn fault_in(&mut self, text: u32, fault: &Fault) {
        let mut span = Span::new(fault.at, fault.at);
        span.text = text;
        self.fault(span, fault.message.clone());
    }

    /// Says what is wrong at a place. A place in another file than the first is part of the words.
    pub(super) fn fault(&mut self, span: Span, message: impl Into<String>) {
        let message = message.into();
        let Some(text) = self.texts.get(span.text as usize) else {
            return;
        };
        let position = text.position(span.start as usize);
        let fault = if span.text == 0 {
            InputFault {
                position: Some(position),
                message,
            }
        } else {
            let place = format!("{}:{}:{}", text.name, position.line, position.column);
            InputFault {
                position: None,
                message: format!("{place}: {message}"),
            }
        };
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }
}

/// The section of a project that holds too many members.
fn crowded(root: &Node) -> Option<&Entry> {
    let entries = root.entries().iter();
    let mut sections = entries.filter(|entry| SECTIONS.contains(&entry.key.as_str()));
    sections.find(|entry| entry.value.entries().len() > MAX_MEMBERS)
}

fn has_service(model: &Model, name: &str) -> bool {
    model
        .root
        .get("services")
        .is_some_and(|services| services.get(name).is_some())
}

fn file_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// How many values a tree holds.
fn size(node: &Node) -> usize {
    let below = |sum: usize, node: &Node| sum.saturating_add(size(node));
    match &node.content {
        Content::List(items) => items.iter().fold(1, below),
        Content::Map(entries) => entries.iter().map(|entry| &entry.value).fold(1, below),
        _ => 1,
    }
}

fn members_mut<'a>(node: &'a mut Node, key: &str) -> &'a mut [Entry] {
    match node.get_mut(key) {
        Some(Node {
            content: Content::Map(entries),
            ..
        }) => entries,
        _ => &mut [],
    }
}

/// Collects the paths of the members that bear `!reset` or `!override`. One with `!reset` is gone.
fn tagged(node: &mut Node, text: &str, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let Content::Map(entries) = &mut node.content else {
        return;
    };
    entries.retain_mut(|entry| {
        path.push(entry.key.clone());
        let tag = tag(entry, text);
        match tag {
            Some(_) => found.push(path.clone()),
            None => tagged(&mut entry.value, text, path, found),
        }
        path.pop();
        tag != Some("!reset")
    });
}

/// The tag of Compose's own that stands between a key and its value.
fn tag(entry: &Entry, text: &str) -> Option<&'static str> {
    let between = text.get(entry.key_span.end as usize..entry.value.span.start as usize)?;
    let mut words = between.lines().flat_map(|line| {
        let line = line.split(" #").next().unwrap_or_default();
        line.split_whitespace()
    });
    words.find_map(|word| match word {
        "!reset" => Some("!reset"),
        "!override" => Some("!override"),
        _ => None,
    })
}

/// A path without `.` and with `..` resolved by name.
pub(super) fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if normal.file_name().is_some() => drop(normal.pop()),
            other => normal.push(other),
        }
    }
    normal
}
