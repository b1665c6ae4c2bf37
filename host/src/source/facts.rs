//! Facts about a host: `stridegate.dev/v1`, kind `HostFacts`, in YAML or JSON, written by hand or
//! by `stridegate facts`.
//!
//! ```yaml
//! apiVersion: stridegate.dev/v1
//! kind: HostFacts
//! metadata: {name: node-1}
//! files:
//! - {role: etcd-data-dir, path: /var/lib/etcd, type: directory, mode: "0700", uid: 0, gid: 0,
//!    target: null, parents: [{path: /, type: directory, mode: "0755", uid: 0, gid: 0}]}
//! processes:
//! - {program: /usr/bin/dockerd, argv: [-H, "fd://"], env: {}}
//! environment: {DOCKER_CONTENT_TRUST: "1"}
//! contents: {/etc/docker/daemon.json: "{}"}
//! ```
//!
//! Each of `files` becomes a `host/File`; `role`, `type`, `target` and `parents` may be left out.
//! What belongs together is read together: the flags of dockerd with its daemon.json, the manifest of
//! a Pod with the process that it starts. A content has
//! a text of its own, so that findings show the file as it is on the host.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use stridegate_shapes::command::{Environment, Program};
use stridegate_shapes::flags::Word;
use stridegate_shapes::{Content, Kind, Node, file};

use super::cluster::Command;
use super::daemon::{self, Together};
use super::{InputFault, Reading, client, cluster, json, manifest, yaml};
use crate::object::{Identity, Object, Text, Written};

const API_VERSION: &str = "stridegate.dev/v1";
const KIND: &str = "HostFacts";

/// How many daemons are merged with the same contents.
const MAX_DAEMONS: usize = 16;

/// Whether a document states facts about a host.
pub(super) fn recognises(_name: &Path, document: &Node) -> bool {
    let group = document
        .text("apiVersion")
        .unwrap_or_default()
        .split('/')
        .next();
    group == Some("stridegate.dev") && document.text("kind") == Some(KIND)
}

/// Reads the facts about a host.
pub(super) fn read(document: &Node, text: &Arc<Text>, name: &str, reading: &mut Reading) {
    let mut host = Host {
        name: document
            .get("metadata")
            .and_then(|metadata| metadata.text("name"))
            .unwrap_or(name),
        text,
        reading,
    };
    if document.text("apiVersion") != Some(API_VERSION) {
        host.refuse(
            document,
            "this version of HostFacts is not known; it is stridegate.dev/v1",
        );
        return;
    }
    for entry in document.entries() {
        let known = [
            "apiVersion",
            "kind",
            "metadata",
            "files",
            "processes",
            "environment",
            "contents",
        ];
        if !known.contains(&&*entry.key) {
            host.refuse(
                &entry.value,
                &format!("HostFacts have no such member; known: {}", known.join(", ")),
            );
        }
    }
    for item in document.get("files").map(Node::items).unwrap_or_default() {
        host.file(item);
    }
    let contents = host.contents(document.get("contents"));
    let processes = document
        .get("processes")
        .map(Node::items)
        .unwrap_or_default();
    host.docker(processes, &contents);
    host.cluster(document, &contents);
    host.pods(document.get("files"), &contents);
    host.clients(document.get("environment"), &contents);
}

struct Host<'a> {
    name: &'a str,
    text: &'a Arc<Text>,
    reading: &'a mut Reading,
}

impl Host<'_> {
    fn refuse(&mut self, node: &Node, message: &str) {
        self.reading.faults.push(InputFault {
            position: Some(self.text.position(node.span.start as usize)),
            message: message.to_owned(),
        });
    }

    fn file(&mut self, item: &Node) {
        let Some(mut document) = self.stated(item) else {
            return;
        };
        let Some(path) = item.text("path").map(str::to_owned) else {
            return;
        };
        let role = item
            .get("role")
            .cloned()
            .unwrap_or_else(|| Node::string(item.span, role_of(&path)));
        document.set("host", item.span, Node::string(item.span, self.name));
        document.set(
            "role",
            item.entry("role").map_or(item.span, |entry| entry.key_span),
            role,
        );
        let parents = item.get("parents").map(Node::items).unwrap_or_default();
        let stated: Vec<Node> = parents
            .iter()
            .filter_map(|parent| self.stated(parent))
            .collect();
        if stated.len() < parents.len() {
            return;
        }
        let key = item
            .entry("parents")
            .map_or(item.span, |entry| entry.key_span);
        document.set("parents", key, Node::list(key, stated));
        let identity = Identity {
            group: file::KIND.group.into(),
            kind: file::KIND.name.into(),
            name: path,
            namespace: String::new(),
        };
        self.reading.written += 1;
        self.reading.objects.push(Object {
            written: Written::default(),
            kind: file::KIND,
            version: file::VERSION.into(),
            identity: Arc::new(identity),
            document,
            moves: Vec::new(),
            origin: None,
            texts: vec![Arc::clone(self.text)],
        });
    }

    /// What is stated of one path, or why it cannot be used.
    fn stated(&mut self, item: &Node) -> Option<Node> {
        let mut stated = Node::map(item.span, []);
        for (key, otherwise) in [
            ("path", None),
            ("type", Some(Content::String("file".into()))),
            ("mode", None),
            ("uid", None),
            ("gid", None),
            ("target", Some(Content::Null)),
        ] {
            let entry = item.entry(key);
            let value = entry.and_then(|entry| file::member(key, &entry.value));
            match (entry, value, otherwise) {
                (Some(entry), Some(value), _) => stated.set(key, entry.key_span, value),
                (None, _, Some(content)) => {
                    let span = item.span;
                    stated.set(key, span, Node { span, content });
                }
                (Some(entry), None, _) => {
                    self.refuse(&entry.value, wrong(key));
                    return None;
                }
                (None, ..) => {
                    self.refuse(item, &format!("{key} is missing; {}", wrong(key)));
                    return None;
                }
            }
        }
        Some(stated)
    }

    /// The contents, each as a text of its own.
    fn contents(&mut self, contents: Option<&Node>) -> Vec<(String, Arc<Text>)> {
        let mut texts = Vec::new();
        for entry in contents.map(Node::entries).unwrap_or_default() {
            match entry.value.as_str() {
                Some(content) => {
                    let name = format!("{}:{}", self.text.name, entry.key);
                    texts.push((entry.key.clone(), Arc::new(Text::new(name, content))));
                }
                None => self.refuse(&entry.value, "a content is a string: the text of the file"),
            }
        }
        texts
    }

    /// The daemons: each process, or else what the units and the file would start.
    fn docker(&mut self, processes: &[Node], contents: &[(String, Arc<Text>)]) {
        let mut running = 0;
        for process in processes {
            let program = process.text("program").unwrap_or_default();
            if matches!(
                program.rsplit('/').next(),
                Some("dockerd" | "dockerd-current" | "dockerd-ce")
            ) {
                running += 1;
                if running > MAX_DAEMONS {
                    self.refuse(
                        process,
                        "more daemons of Docker than a host runs; split the facts",
                    );
                    return;
                }
                let words = words(process);
                let together = Together {
                    units: Vec::new(),
                    process: Some((Arc::clone(self.text), words)),
                    files: contents.to_vec(),
                };
                daemon::read_together(together, self.name, self.reading);
            }
        }
        let known = |(path, _): &(String, Arc<Text>)| {
            daemon::is_file(Path::new(path)) || daemon::is_unit(Path::new(path))
        };
        if running == 0 && contents.iter().any(known) {
            let together = Together {
                units: docker_units(contents),
                process: None,
                files: contents.to_vec(),
            };
            daemon::read_together(together, self.name, self.reading);
        }
    }

    /// The components of a cluster: each process, with the files that its flags name; of what
    /// does not run, what its unit would start; or else the kubelet that the files would start.
    fn cluster(&mut self, facts: &Node, contents: &[(String, Arc<Text>)]) {
        let mut running = Vec::new();
        let processes = facts.get("processes").map(Node::items).unwrap_or_default();
        let facts = Arc::new(facts.clone());
        for process in processes.iter().take(MAX_PROCESSES) {
            let words = words(process);
            let first = words.first().map_or(process.span, |word| word.span);
            let command = Command {
                words: Word::list(&Node::list(first, words)),
                environment: variables(process),
                texts: vec![Arc::clone(self.text)],
                document: Some(&facts),
            };
            running.extend(cluster::read_command(
                &command,
                contents,
                self.name,
                self.reading,
            ));
        }
        let mut units: Vec<&str> = contents
            .iter()
            .filter_map(|(path, _)| cluster::unit_of(Path::new(path)))
            .collect();
        units.sort_unstable();
        units.dedup();
        for unit in units {
            let of_unit = |path: &Path| cluster::unit_of(path) == Some(unit);
            let texts = self::units(contents, &format!("{unit}.service"), of_unit);
            let mut planned = Reading::default();
            let started = cluster::read_units(&texts, contents, self.name, &mut planned);
            if !started.iter().any(|program| running.contains(program)) {
                running.extend(started);
                self.reading.written += planned.written;
                self.reading.objects.append(&mut planned.objects);
                self.reading.faults.append(&mut planned.faults);
            }
        }
        if !running.contains(&Program::Kubelet) {
            for (_, text) in contents {
                for document in yaml::read(&text.content).documents {
                    if cluster::is_kubelet(&document) {
                        cluster::read(&document, text, self.name, self.reading);
                    }
                }
            }
        }
    }

    /// The Pods of the kubelet's manifests, and the components that they start, unless those are
    /// known by their processes or units: what runs counts more than what is to run.
    fn pods(&mut self, files: Option<&Node>, contents: &[(String, Arc<Text>)]) {
        let files = files.map(Node::items).unwrap_or_default();
        let is_manifest = |path: &str| {
            let mut files = files.iter();
            let file = files.find(|file| file.text("path") == Some(path));
            file.is_some_and(|file| file.text("role").unwrap_or(role_of(path)) == "static-pod")
        };
        let mut planned = Reading::default();
        for (path, text) in contents.iter().filter(|(path, _)| is_manifest(path)) {
            let read = yaml::read(&text.content);
            for document in read.documents {
                manifest::read(&document, text, path, &mut planned);
            }
            planned.faults.extend(read.fault.map(|fault| InputFault {
                position: Some(text.position(fault.at)),
                message: format!("{path}: {}", fault.message),
            }));
        }
        let known: Vec<Kind> = self
            .reading
            .objects
            .iter()
            .map(|o| o.kind.clone())
            .collect();
        let objects = planned.objects.into_iter();
        let news = objects.filter(|object| !known.contains(&object.kind));
        self.reading.objects.extend(news);
        self.reading.written += planned.written;
        self.reading.faults.append(&mut planned.faults);
    }

    fn clients(&mut self, environment: Option<&Node>, contents: &[(String, Arc<Text>)]) {
        for (path, text) in contents
            .iter()
            .filter(|(path, _)| client::is_file(Path::new(path)))
        {
            match json::read(&text.content) {
                Ok(document) => client::read(&document, text, path, self.reading),
                Err(fault) => self.reading.faults.push(InputFault {
                    position: Some(text.position(fault.at)),
                    message: format!("{path}: {}", fault.message),
                }),
            }
        }
        if let Some(environment) = environment {
            client::read_environment(environment, self.text, self.name, self.reading);
        }
    }
}

fn wrong(key: &str) -> &'static str {
    match key {
        "path" => "a path is absolute",
        "type" => "a type is file, directory, socket, link or other",
        "mode" => "a mode is octal digits in quotes: \"0644\"",
        "uid" | "gid" => "an owner is a number: a name means something else on another machine",
        _ => "it is a string",
    }
}

/// The variables of a process.
fn variables(process: &Node) -> Environment {
    let mut variables = HashMap::new();
    for entry in process.get("env").map(Node::entries).unwrap_or_default() {
        if let Some(value) = entry.value.as_str() {
            let value = Some((entry.value.span, value.to_owned()));
            variables.insert(entry.key.clone(), value);
        }
    }
    Environment::of(variables, None)
}

/// The unit of dockerd and its drop-ins.
pub(super) fn docker_units(contents: &[(String, Arc<Text>)]) -> Vec<Arc<Text>> {
    units(contents, "docker.service", daemon::is_unit)
}

/// The unit that systemd prefers and its drop-ins, in the order of their names.
pub(super) fn units(
    contents: &[(String, Arc<Text>)],
    unit: &str,
    is_part: impl Fn(&Path) -> bool,
) -> Vec<Arc<Text>> {
    let rank = |path: &str| {
        let folders = ["/etc/", "/run/", "/usr/local/lib/"];
        folders
            .iter()
            .position(|folder| path.starts_with(folder))
            .unwrap_or(folders.len())
    };
    let all = || contents.iter().filter(|(path, _)| is_part(Path::new(path)));
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let main = all()
        .filter(|(path, _)| name(path) == unit)
        .min_by_key(|(path, _)| rank(path));
    let mut drop_ins: Vec<_> = all().filter(|(path, _)| name(path) != unit).collect();
    // Of drop-ins with one name, systemd reads that of the first folder.
    drop_ins.sort_by_key(|(path, _)| (name(path), rank(path)));
    drop_ins.dedup_by_key(|(path, _)| name(path));
    main.into_iter()
        .chain(drop_ins)
        .map(|(_, text)| Arc::clone(text))
        .collect()
}

/// The role of a path that does not say its own.
fn role_of(path: &str) -> &'static str {
    let parts: Vec<&str> = path.split('/').collect();
    let fits = |pattern: &str| {
        let wanted: Vec<&str> = pattern.split('/').collect();
        let part = |(wanted, part): (&&str, &&str)| match wanted.split_once('*') {
            Some((before, after)) => {
                part.len() > before.len() + after.len()
                    && part.starts_with(before)
                    && part.ends_with(after)
            }
            None => wanted == part,
        };
        wanted.len() == parts.len() && wanted.iter().zip(&parts).all(part)
    };
    let role = file::ROLES.iter().find(|(_, pattern)| fits(pattern));
    role.map_or("other", |(role, _)| role)
}

/// The most processes of a cluster that one host runs.
const MAX_PROCESSES: usize = 1_000;

/// The words of a process. They begin with its program, which people leave out.
fn words(process: &Node) -> Vec<Node> {
    let program = process.get("program");
    let arguments = process.get("argv").map(Node::items).unwrap_or_default();
    let file = |word: &Node| {
        word.as_str()
            .and_then(|word| word.rsplit('/').next())
            .map(str::to_owned)
    };
    let begins = arguments.first().and_then(file) == program.and_then(file);
    let first = program.cloned().into_iter().filter(|_| !begins);
    first.chain(arguments.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::daemon::tests::check_places;
    use crate::source::yaml;

    fn facts(content: &str) -> Reading {
        let text = Arc::new(Text::new("facts.yaml", content));
        let mut reading = Reading::default();
        for document in yaml::read(content).documents {
            if recognises(Path::new(""), &document) {
                read(&document, &text, "x", &mut reading);
            }
        }
        check_places(&reading);
        reading
    }

    const HEAD: &str = "apiVersion: stridegate.dev/v1\nkind: HostFacts\nmetadata: {name: node}\n";

    #[test]
    fn a_file_becomes_its_shape() {
        let reading = facts(&format!(
            "{HEAD}files:\n- path: /var/lib/etcd\n  type: directory\n  mode: \"0700\"\n  uid: 0\n  gid: 0\n  parents:\n  - {{path: /, mode: '0755', uid: 0, gid: 0, type: directory}}\n"
        ));
        assert_eq!(reading.faults, []);
        let document = serde_json::to_value(&reading.objects[0].document).unwrap();
        assert_eq!(
            document,
            serde_json::json!({
                "host": "node", "role": "etcd-data-dir", "path": "/var/lib/etcd", "type": "directory", "mode": 448,
                "uid": 0, "gid": 0, "target": null,
                "parents": [{"path": "/", "type": "directory", "mode": 493, "uid": 0, "gid": 0, "target": null}],
            })
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for item in [
            "{path: /a, mode: 0644, uid: 0, gid: 0}",
            "{path: /a, mode: '0644', uid: root, gid: 0}",
            "{path: a, mode: '0644', uid: 0, gid: 0}",
            "{path: /a, mode: '0644', uid: 0}",
            "{path: /a, mode: '0644', uid: 0, gid: 0, parents: [{path: /}]}",
            "7",
        ] {
            let reading = facts(&format!("{HEAD}files:\n- {item}\n"));
            assert_eq!(
                (reading.faults.len(), reading.objects.len()),
                (1, 0),
                "{item}"
            );
        }
        assert_eq!(facts(&HEAD.replace("v1", "v9")).faults.len(), 1);
        assert_eq!(facts(&format!("{HEAD}file: []\n")).faults.len(), 1);
    }

    #[test]
    fn what_belongs_together_is_read_together() {
        let reading = facts(&format!(
            "{HEAD}processes:\n- program: /usr/bin/dockerd\n  argv: [-H, 'fd://', --log-level=warn]\ncontents:\n  /etc/docker/daemon.json: |\n    {{\"debug\": true}}\nenvironment: {{DOCKER_CONTENT_TRUST: '1'}}\n"
        ));
        assert_eq!(reading.faults, []);
        let daemon = &reading.objects[0];
        assert_eq!(daemon.document.text("log-level"), Some("warn"));
        assert_eq!(
            daemon.place("/debug").unwrap().text.name,
            "facts.yaml:/etc/docker/daemon.json"
        );
        assert_eq!(daemon.place("/log-level").unwrap().text.name, "facts.yaml");
        assert_eq!(
            reading.objects[1]
                .document
                .at("/environment/DOCKER_CONTENT_TRUST")
                .unwrap()
                .node
                .as_str(),
            Some("1")
        );
    }

    #[test]
    fn a_manifest_that_cannot_be_read_is_told() {
        let reading = facts(&format!(
            "{HEAD}files:\n- {{path: /etc/kubernetes/manifests/a.yaml, role: static-pod, type: file, mode: '0600', uid: 0, gid: 0}}\ncontents:\n  /etc/kubernetes/manifests/a.yaml: \"kind: Pod\\nspec: [broken\\n\"\n"
        ));
        assert_eq!(reading.faults.len(), 1);
        let message = &reading.faults[0].message;
        assert!(
            message.starts_with("/etc/kubernetes/manifests/a.yaml: "),
            "{message}"
        );
    }

    #[test]
    fn the_first_folder_of_units_wins() {
        let reading = facts(&format!(
            "{HEAD}contents:\n  /lib/systemd/system/docker.service: \"[Service]\\nExecStart=dockerd -l error\\n\"\n  /etc/systemd/system/docker.service: \"[Service]\\nExecStart=dockerd -l warn\\n\"\n  /etc/systemd/system/docker.service.d/a.conf: \"[Service]\\nExecStart=\\nExecStart=dockerd -l fatal\\n\"\n  /run/systemd/system/docker.service.d/a.conf: \"[Service]\\nExecStart=dockerd\\n\"\n"
        ));
        assert_eq!(reading.faults, []);
        assert_eq!(reading.objects[0].document.text("log-level"), Some("fatal"));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(
            lines in proptest::collection::vec("(files:|processes:|contents:|environment:|- path: /é|- program: dockerd|  argv: \\[-D, é\\]|  mode: '06[0-9]4'|  uid: 0|  gid: 0|  /etc/docker/daemon.json: '\\{[a-z]?\\}'|  parents: \\[\\{\\}\\]|- [a-zé]*)", 0..12)
        ) {
            facts(&format!("{HEAD}{}\n", lines.join("\n")));
        }
    }
}
