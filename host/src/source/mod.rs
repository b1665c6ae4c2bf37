//! From bytes to objects: one file for each format.
//!
//! A format knows how a program reads it, and no policy. What a text says becomes the shape that
//! policies know, and each value in it keeps its place in the text.

pub mod admission;
mod block;
mod call;
mod client;
mod cluster;
mod compose;
pub mod daemon;
mod docker;
pub mod dockerfile;
mod documents;
mod facts;
mod fault;
mod group;
mod images;
pub mod json;
mod manifest;
mod secrets;
mod unit;
mod walk;
pub mod yaml;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use call::{Call, Lookup};
pub use docker::labels;
pub use documents::{Documents, MAX_DEPTH};
pub use fault::{Fault, nearest};
pub use group::group;
pub use images::Images;
pub use secrets::secrets;
pub use walk::{Found, walk};

use crate::object::{Identity, Node, Object, Position, Text, Written};

/// The largest text that is read, in bytes.
pub const MAX_TEXT: u64 = 32 << 20;

/// A format that can be named where it cannot be told from the name or the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A Dockerfile or Containerfile.
    Dockerfile,
    /// What a Docker engine shows and is asked: inspect, history, request bodies, image configs.
    Docker,
    /// A request to a Docker engine, as the engine tells an authorization plugin of it.
    Call,
    /// Kubernetes objects.
    Manifest,
    /// daemon.json, or the unit of systemd that starts dockerd.
    Daemon,
    /// The config.json of a Docker client.
    Client,
    /// A Compose project.
    Compose,
    /// What configures the components of a Kubernetes cluster: kubelet, etcd, k3s and rke2.
    Cluster,
    /// What was captured of a host: files, processes and what configures them.
    Facts,
}

/// Whether a document is of a format, by the name of its file and its content.
type Recognise = fn(&Path, &Node) -> bool;

/// Reads a document of a format into objects; the name is that of an object that has none.
type ReadDocument = fn(&Node, &Arc<Text>, &str, &mut Reading);

/// The formats whose texts are documents in YAML or JSON, the most distinct first.
const DOCUMENTS: [(Format, Recognise, ReadDocument); 6] = [
    (Format::Facts, facts::recognises, facts::read),
    (Format::Call, call::recognises, call::read),
    (Format::Client, client::recognises, client::read),
    (Format::Docker, docker::recognises, docker::read),
    (Format::Cluster, cluster::recognises, cluster::read),
    (Format::Manifest, manifest::recognises, manifest::read),
];

impl Format {
    /// The names by which a user chooses a format.
    pub const NAMES: [(&'static str, Self); 9] = [
        ("dockerfile", Self::Dockerfile),
        ("docker", Self::Docker),
        ("docker-call", Self::Call),
        ("manifest", Self::Manifest),
        ("docker-daemon", Self::Daemon),
        ("docker-client", Self::Client),
        ("compose", Self::Compose),
        ("cluster", Self::Cluster),
        ("facts", Self::Facts),
    ];

    /// The format that a file's name promises.
    #[must_use]
    pub fn promised_by(path: &Path) -> Option<Self> {
        if daemon::is_file(path) || daemon::is_unit(path) {
            return Some(Self::Daemon);
        }
        if client::is_file(path) {
            return Some(Self::Client);
        }
        if cluster::unit_of(path).is_some() {
            return Some(Self::Cluster);
        }
        if compose::is_promised(path) {
            return Some(Self::Compose);
        }
        let name = path.file_name()?.to_str()?;
        let extension = path
            .extension()
            .and_then(|extension| extension.to_str())
            .unwrap_or_default();
        let exact =
            name.eq_ignore_ascii_case("dockerfile") || name.eq_ignore_ascii_case("containerfile");
        let variant = ["Dockerfile", "Containerfile"].iter().any(|start| {
            name.strip_prefix(start)
                .is_some_and(|rest| rest.starts_with(['.', '-', '_']))
        });
        let other = [
            "dockerignore",
            "containerignore",
            "md",
            "rst",
            "adoc",
            "html",
        ]
        .contains(&extension);
        let ending = ["dockerfile", "containerfile"]
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known));
        (exact || ending || (variant && !other)).then_some(Self::Dockerfile)
    }
}

/// A text to read.
#[derive(Clone, Debug)]
pub struct Input {
    /// How it is shown.
    pub name: String,
    /// The name of an object in it that has none of its own: its path from the root of the
    /// review, with forward slashes.
    pub object_name: String,
    /// Where it is; none for standard input.
    pub path: Option<PathBuf>,
    /// Whether the user named it, so that it is an error if it is not understood; what is found
    /// in a folder may be something else.
    pub named: bool,
    /// Why it is not read although it could be, as the walk found.
    pub skip: Option<&'static str>,
    /// What belongs to it: files that configure the same program.
    pub with: Vec<Self>,
    /// What its flags may name: inputs of their own, which the program that it starts reads.
    pub beside: Vec<Self>,
}

/// What became of a text.
#[derive(Debug, Default)]
pub struct Reading {
    /// The text, if it could be read at all.
    pub text: Option<Arc<Text>>,
    /// A text that is one document in JSON, as it was read; kept where it is looked at again at
    /// once.
    pub tree: Option<Box<(Arc<Text>, Node)>>,
    /// The objects in it. One that becomes another shape is there as both.
    pub objects: Vec<Object>,
    /// How many objects were written.
    pub written: usize,
    /// Why there is nothing to judge in it.
    pub skipped: Option<String>,
    /// What is wrong with it.
    pub faults: Vec<InputFault>,
}

/// What is wrong with an input, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFault {
    /// The place, if the text could be read.
    pub position: Option<Position>,
    /// What is wrong and what to do.
    pub message: String,
}

const TEMPLATE: &str =
    "is a template; judge what it renders: helm template CHART | stridegate eval -";
const FOREIGN: &str =
    "holds nothing that is judged: no Dockerfile, no object of Docker or Kubernetes";

/// Reads a text, as a format if one is given.
#[must_use]
pub fn read(input: &Input, format: Option<Format>) -> Reading {
    let promised = format.or_else(|| Format::promised_by(Path::new(&input.name)));
    let text = match load(input, promised) {
        Ok(text) => text,
        Err(reading) => return reading,
    };
    // What a chart keeps among its templates may be none.
    if let Some(why) = input
        .skip
        .filter(|why| *why != walk::CHART || text.content.contains("{{"))
    {
        return Reading::skip(why);
    }
    if !input.with.is_empty() {
        return read_group(input, text);
    }
    let found = promised.is_none() && !input.named;
    if found && !is_plausible(&text.content) {
        return Reading::skip(FOREIGN);
    }
    let mut reading = read_text(&text, &input.object_name, promised);
    if !input.beside.is_empty() {
        // What cannot be read is told where it is an input itself.
        let beside = input
            .beside
            .iter()
            .filter_map(|other| load(other, None).ok());
        let beside: Vec<Arc<Text>> = beside.collect();
        group::join(&mut reading, &beside);
    }
    // What does not name what every object has is something else, well-formed or not.
    if found
        && reading.written == 0
        && !manifest::is_spelled(&text.content)
        && !docker::is_certain(&text.content)
        && !call::is_plausible(&text.content)
        && !dockerfile_by_content(&text.content)
    {
        return Reading::skip(FOREIGN);
    }
    let nothing = reading.skipped.is_none() && reading.faults.is_empty() && reading.written == 0;
    if nothing && (input.named || promised.is_some()) {
        let what = if text.content.trim().is_empty() {
            "is empty"
        } else {
            FOREIGN
        };
        let names: Vec<&str> = Format::NAMES.iter().map(|(name, _)| *name).collect();
        return Reading::fault(
            None,
            format!(
                "{what}; if it is one of {}, say so with --kind",
                names.join(", ")
            ),
        );
    }
    if nothing {
        return Reading::skip(FOREIGN);
    }
    reading.text = Some(text);
    reading
}

/// Reads files that configure one program.
fn read_group(input: &Input, first: Arc<Text>) -> Reading {
    let mut others = Vec::new();
    for other in &input.with {
        match load(other, None) {
            Ok(text) => others.push(text),
            Err(mut reading) => {
                for fault in &mut reading.faults {
                    fault.message = format!("{} {}", other.name, fault.message);
                    fault.position = None;
                }
                return reading;
            }
        }
    }
    let mut reading = group::read(&first, others, &input.object_name);
    reading.text = Some(first);
    reading
}

/// The text of an input, or what became of it instead.
fn load(input: &Input, promised: Option<Format>) -> Result<Arc<Text>, Reading> {
    let bytes = match input
        .path
        .as_deref()
        .map_or_else(|| take(std::io::stdin()), read_file)
    {
        Ok(bytes) => bytes,
        Err(message) => return Err(Reading::fault(None, message)),
    };
    let content = match String::from_utf8(bytes) {
        Ok(content) => content,
        Err(error)
            if promised.is_none()
                && !input.named
                && !is_object_in_other_encoding(error.as_bytes()) =>
        {
            return Err(Reading::skip(FOREIGN));
        }
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let message = "is not UTF-8 text from here on; save it as UTF-8".to_owned();
            let content = String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned();
            return Err(Reading::fault(
                Some(Text::new(&input.name, content).position(valid)),
                message,
            ));
        }
    };
    let content = content
        .strip_prefix('\u{feff}')
        .map(str::to_owned)
        .unwrap_or(content);
    Ok(Arc::new(Text::new(&input.name, content)))
}

/// Reads a text that is at hand, as a format if one is given; `name` is that of an object in it
/// that has none of its own.
#[must_use]
pub fn read_text(text: &Arc<Text>, name: &str, format: Option<Format>) -> Reading {
    let content = &text.content;
    if content.contains('\0') {
        let position = content.find('\0').map(|at| text.position(at));
        return Reading {
            faults: vec![InputFault {
                position,
                message: "is binary, not text".into(),
            }],
            ..Reading::default()
        };
    }
    let reading = match format {
        Some(Format::Dockerfile) => read_dockerfile(text, name),
        Some(Format::Daemon) => daemon::read(text, name),
        Some(Format::Client) => client::read_text(text, name),
        Some(Format::Compose) => compose::read(text),
        Some(Format::Cluster) if content.contains("[Service]") => cluster::read_unit(text, name),
        None if dockerfile_by_content(content) => read_dockerfile(text, name),
        None if compose::recognises(text) => compose::read(text),
        _ => read_documents(text, name, format),
    };
    if reading.written == 0 && !reading.faults.is_empty() && is_template(text, &reading.faults) {
        return Reading::skip(TEMPLATE);
    }
    reading
}

/// Whether bytes that are no UTF-8 may hold an object that others read all the same: in UTF-16,
/// or with a stray byte.
fn is_object_in_other_encoding(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xfe])
        || bytes.starts_with(&[0xfe, 0xff])
        || manifest::is_spelled(&String::from_utf8_lossy(bytes))
}

/// Whether a text can be of any format, which spares parsing what cannot.
fn is_plausible(content: &str) -> bool {
    dockerfile_by_content(content)
        || docker::is_plausible(content)
        || call::is_plausible(content)
        || client::is_plausible(content)
        || compose::is_plausible(content)
        || cluster::is_plausible(content)
        || manifest::is_plausible(content)
}

/// Reads the documents of a text, each as the first format that recognises it, or as the one that
/// is given. What is of no format is passed over.
fn read_documents(text: &Arc<Text>, name: &str, format: Option<Format>) -> Reading {
    let Documents { documents, fault } = documents(&text.content);
    let mut reading = Reading::default();
    for document in docker::gather(documents) {
        let path = Path::new(&text.name);
        let reader = DOCUMENTS.iter().find(|(known, recognises, _)| {
            format.map_or_else(|| recognises(path, &document), |format| format == *known)
        });
        if let Some((_, _, read)) = reader {
            read(&document, text, name, &mut reading);
        }
    }
    let fault = fault.map(|fault| InputFault {
        position: Some(text.position(fault.at)),
        message: fault.message,
    });
    reading.faults.extend(fault);
    reading
}

/// The documents of a text in YAML or JSON. What begins with a brace is taken for JSON, and for
/// YAML in flow style if it is not, as `kubectl` does.
fn documents(content: &str) -> Documents {
    if !content.trim_start().starts_with(['{', '[']) {
        return yaml::read(content);
    }
    let as_json = json::read_all(content);
    if as_json.fault.is_none() {
        return as_json;
    }
    let as_yaml = yaml::read(content);
    if as_yaml.fault.is_none() {
        as_yaml
    } else {
        as_json
    }
}

/// Whether a text that makes no sense as it is was never meant to: by its name, or because a
/// fault lies at what a template engine would replace.
fn is_template(text: &Text, faults: &[InputFault]) -> bool {
    const ENDINGS: [&str; 7] = ["template", "tmpl", "gotmpl", "tpl", "j2", "erb", "in"];
    let extension = Path::new(&text.name)
        .extension()
        .and_then(|extension| extension.to_str());
    let lines = |line: usize| text.content.lines().skip(line.saturating_sub(3)).take(3);
    let replaced = |line: &str| line.contains("{{") && !line.trim_start().starts_with('#');
    let mut positions = faults.iter().filter_map(|fault| fault.position);
    extension.is_some_and(|extension| ENDINGS.contains(&extension))
        || positions.any(|position| lines(position.line).any(replaced))
}

impl Reading {
    fn skip(why: &str) -> Self {
        Self {
            skipped: Some(why.into()),
            ..Self::default()
        }
    }

    fn fault(position: Option<Position>, message: String) -> Self {
        Self {
            faults: vec![InputFault { position, message }],
            ..Self::default()
        }
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| {
        let dangling = path.is_symlink() && error.kind() == std::io::ErrorKind::NotFound;
        let what = if dangling {
            "is a link to a file that is not there"
        } else {
            "cannot be opened"
        };
        format!("{what}: {error}")
    })?;
    take(file)
}

fn take(reader: impl Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    reader
        .take(MAX_TEXT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_TEXT {
        return Err(format!("is larger than {} MiB; split it", MAX_TEXT >> 20));
    }
    Ok(bytes)
}

/// Whether the first word that is no comment can only be that of a Dockerfile.
fn dockerfile_by_content(content: &str) -> bool {
    let mut lines = content
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut words = lines.next().unwrap_or_default().split_ascii_whitespace();
    let instruction = words
        .next()
        .is_some_and(|word| word.eq_ignore_ascii_case("from") || word.eq_ignore_ascii_case("arg"));
    instruction && words.next().is_some()
}

fn read_dockerfile(text: &Arc<Text>, name: &str) -> Reading {
    match dockerfile::read(&text.content) {
        Ok(document) => {
            let identity = Identity {
                group: stridegate_shapes::dockerfile::KIND.group.into(),
                kind: stridegate_shapes::dockerfile::KIND.name.into(),
                name: name.into(),
                namespace: String::new(),
            };
            let object = Object {
                kind: stridegate_shapes::dockerfile::KIND,
                version: stridegate_shapes::dockerfile::VERSION.into(),
                identity: Arc::new(identity),
                written: Written::default(),
                document,
                moves: Vec::new(),
                origin: None,
                texts: vec![Arc::clone(text)],
            };
            Reading {
                objects: vec![object],
                written: 1,
                ..Reading::default()
            }
        }
        Err(fault) => Reading::fault(Some(text.position(fault.at)), fault.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_content(content: &str) -> Reading {
        read_text(&Arc::new(Text::new("x", content)), "x", None)
    }

    #[test]
    fn a_name_promises_a_dockerfile() {
        for name in [
            "Dockerfile",
            "dockerfile",
            "a/Dockerfile.dev",
            "Containerfile-x",
            "web.dockerfile",
            "x.Dockerfile",
        ] {
            assert_eq!(
                Format::promised_by(Path::new(name)),
                Some(Format::Dockerfile),
                "{name}"
            );
        }
        for name in [
            "Dockerfile.md",
            "Dockerfile.dockerignore",
            "dockerfile.rs",
            "Dockerfiles",
            "my-dockerfile",
            "x.yaml",
        ] {
            assert_eq!(Format::promised_by(Path::new(name)), None, "{name}");
        }
    }

    #[test]
    fn a_dockerfile_is_known_by_its_content() {
        assert_eq!(read_content("# x\n\nFROM scratch\n").objects.len(), 1);
        assert_eq!(read_content("from: scratch\n").objects.len(), 0);
    }

    #[test]
    fn a_template_is_skipped_with_the_remedy() {
        let part = Arc::new(Text::new("Dockerfile.tmpl", "RUN make\n"));
        assert!(
            read_text(&part, "x", Some(Format::Dockerfile))
                .skipped
                .is_some()
        );
        let reading = read_content("apiVersion: v1\nkind: Pod\nmetadata: {{ toYaml .x }}\n");
        assert!(
            reading
                .skipped
                .is_some_and(|why| why.contains("helm template")),
            "{:?}",
            reading.faults
        );
    }
}
