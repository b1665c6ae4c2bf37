//! Objects of a Docker engine: what `docker inspect` and `docker history` print, what the API
//! answers, the bodies that ask for a container or an exec, and OCI image configs.

use std::path::Path;
use std::sync::Arc;

use stridegate_shapes::fields::{Doubled, means};
use stridegate_shapes::{Kind, container, exec, image, network, service, volume};

use super::{InputFault, Reading, json};
use crate::object::{Content, Identity, Move, Node, Object, Span, Text, Written};

/// What a document is, by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Container,
    Image,
    Network,
    Volume,
    Service,
    Exec,
    /// What `docker inspect` prints, too, and no policy judges: nodes, tasks, secrets, plugins.
    Other,
    /// A body of `POST /containers/create`.
    CreateContainer,
    /// A body of `POST /containers/{id}/exec`.
    CreateExec,
    /// An OCI image config.
    ImageConfig,
}

/// Whether a text can hold an object of an engine at all, which spares parsing what cannot.
pub(super) fn is_plausible(content: &str) -> bool {
    const NAMES: [&str; 9] = [
        "\"Id\"",
        "\"ID\"",
        "\"Driver\"",
        "\"Image\"",
        "\"Cmd\"",
        "\"HostConfig\"",
        "\"hostconfig\"",
        "\"hostConfig\"",
        "\"rootfs\"",
    ];
    content.trim_start().starts_with(['{', '[']) && NAMES.iter().any(|name| content.contains(name))
}

/// Whether a text speaks of an engine even if it does not parse, so that it is worth a fault.
pub(super) fn is_certain(content: &str) -> bool {
    const NAMES: [&str; 5] = [
        "\"HostConfig\"",
        "\"RootFS\"",
        "\"RepoDigests\"",
        "\"TaskTemplate\"",
        "\"Mountpoint\"",
    ];
    content.trim_start().starts_with(['{', '[']) && NAMES.iter().any(|name| content.contains(name))
}

/// The documents of a text, the lines of a `docker history --format json` in it as one list.
pub(super) fn gather(documents: Vec<Node>) -> Vec<Node> {
    let mut gathered = Vec::with_capacity(documents.len());
    let mut lines: Vec<Node> = Vec::new();
    for document in documents {
        if document.get("CreatedSince").is_some() && image::is_history_entry(&document) {
            lines.push(document);
        } else {
            gathered.extend(as_list(std::mem::take(&mut lines)));
            gathered.push(document);
        }
    }
    gathered.extend(as_list(lines));
    gathered
}

fn as_list(lines: Vec<Node>) -> Option<Node> {
    let (first, last) = (lines.first()?.span, lines.last()?.span);
    let span = Span {
        end: last.end,
        ..first
    };
    Some(Node::list(span, lines))
}

/// Whether a document is of an engine. No file name promises that.
pub(super) fn recognises(_name: &Path, document: &Node) -> bool {
    if let Content::List(items) = &document.content {
        return image::is_history(document) || items.iter().any(|item| inspected(item).is_some());
    }
    volumes(document).is_some() || inspected(document).or_else(|| asked(document)).is_some()
}

/// Reads a document that [`recognises`] says yes to. `name` is that of an object that has none.
pub(super) fn read(document: &Node, text: &Arc<Text>, name: &str, reading: &mut Reading) {
    let mut reader = Reader {
        text,
        name,
        reading,
    };
    if image::is_history(document) {
        return reader.history(document);
    }
    let items = match &document.content {
        Content::List(items) => items,
        _ => match volumes(document) {
            Some(volumes) => volumes.items(),
            None => {
                return reader.object(document, inspected(document).or_else(|| asked(document)));
            }
        },
    };
    for item in items {
        match inspected(item) {
            None => {
                let message = "this is nothing that docker inspect prints, unlike its neighbours; take it out of the list";
                reader.fault(item.span, message.into());
            }
            form => reader.object(item, form),
        }
    }
}

/// What the engine shows.
fn inspected(document: &Node) -> Option<Form> {
    let map = |key| {
        document
            .get(key)
            .is_some_and(|node| matches!(node.content, Content::Map(_)))
    };
    let text = |key| document.text(key).is_some();
    let any = |key| document.get(key).is_some();
    if any("apiVersion") || any("kind") {
        return None;
    }
    let has = |pointer| document.at(pointer).is_some();
    // The items of `docker ps` have a HostConfig, too, but no Config.
    let container = text("Id") && map("HostConfig") && map("Config");
    let image = text("Id") && (any("RootFS") || (any("RepoTags") && text("Architecture")));
    let network = text("Id") && text("Driver") && text("Scope") && any("IPAM");
    let exec = text("ID") && text("ContainerID") && map("ProcessConfig");
    let of_swarm = text("ID") && any("Version") && any("CreatedAt") && map("Spec");
    let plugin = text("Id") && any("PluginReference");
    let volume = text("Name") && text("Driver") && text("Mountpoint");
    let forms = [
        (container, Form::Container),
        (image, Form::Image),
        (network, Form::Network),
        (text("ID") && has("/Spec/TaskTemplate"), Form::Service),
        (exec, Form::Exec),
        (of_swarm || plugin, Form::Other),
        (volume, Form::Volume),
    ];
    forms.into_iter().find_map(|(is, form)| is.then_some(form))
}

/// The list of what `GET /volumes` answers.
fn volumes(document: &Node) -> Option<&Node> {
    document.entry("Warnings")?;
    let volumes = document.get("Volumes")?;
    let first = volumes.items().first()?;
    (inspected(first) == Some(Form::Volume)).then_some(volumes)
}

/// What is asked of the engine, and image configs. Many formats have such members, so that only
/// what is unmistakable counts.
fn asked(document: &Node) -> Option<Form> {
    let Content::Map(entries) = &document.content else {
        return None;
    };
    let member = |field| entries.iter().rfind(|entry| means(&entry.key, field));
    let list = |key| {
        document
            .get(key)
            .is_some_and(|node| matches!(node.content, Content::List(_)))
    };
    let foreign = ["apiVersion", "kind", "Id", "ID", "services"];
    if foreign.iter().any(|key| document.get(key).is_some()) {
        return None;
    }
    if document.text("architecture").is_some()
        && document.text("os").is_some()
        && document.at("/rootfs/diff_ids").is_some()
    {
        return Some(Form::ImageConfig);
    }
    let host = member("HostConfig").is_some_and(|entry| is_map_or_null(&entry.value));
    let named = member("Image").is_some_and(|entry| entry.value.as_str().is_some());
    let exact = document.text("Image").is_some();
    if (host && named) || (exact && (list("Cmd") || list("Env") || list("Entrypoint"))) {
        return Some(Form::CreateContainer);
    }
    let attaches = ["AttachStdin", "AttachStdout", "AttachStderr", "Privileged"];
    let is_exec = list("Cmd")
        && member("Image").is_none()
        && attaches.iter().any(|field| member(field).is_some());
    is_exec.then_some(Form::CreateExec)
}

fn is_map_or_null(node: &Node) -> bool {
    matches!(node.content, Content::Map(_) | Content::Null)
}

struct Reader<'a> {
    text: &'a Arc<Text>,
    name: &'a str,
    reading: &'a mut Reading,
}

impl Reader<'_> {
    fn object(&mut self, document: &Node, form: Option<Form>) {
        let id = || {
            document
                .text("Id")
                .or_else(|| document.text("ID"))
                .map(short)
        };
        let named = |pointer| {
            let found = document.at(pointer)?;
            let name = found.node.as_str()?.trim_start_matches('/');
            (!name.is_empty()).then(|| name.to_owned())
        };
        let Some(form) = form else { return };
        match form {
            Form::Other => {}
            Form::Container => {
                let name = named("/Name").or_else(id);
                self.add(&container::KIND, name, merged(document), &[]);
            }
            Form::Image => {
                let name = reference(document).or_else(id);
                self.add(&image::KIND, name, merged(document), &[]);
            }
            Form::Network => self.add(
                &network::KIND,
                named("/Name").or_else(id),
                document.clone(),
                &[],
            ),
            Form::Volume => self.add(&volume::KIND, named("/Name"), document.clone(), &[]),
            Form::Service => self.service(document, named("/Spec/Name").or_else(id)),
            Form::Exec => {
                let exec = exec::from_inspect(document);
                self.add(&exec::KIND, id(), exec, exec::MOVES);
            }
            Form::CreateContainer => {
                self.asked(
                    document,
                    &container::KIND,
                    container::from_create,
                    container::MOVES,
                );
            }
            Form::CreateExec => self.asked(document, &exec::KIND, exec::from_create, &[]),
            Form::ImageConfig => self.asked(document, &image::KIND, image::from_oci, image::MOVES),
        }
    }

    fn asked(
        &mut self,
        document: &Node,
        kind: &Kind,
        convert: fn(Node, &mut Vec<Doubled>) -> Node,
        moves: &[(&'static str, &'static str)],
    ) {
        let mut doubled = Vec::new();
        let converted = convert(document.clone(), &mut doubled);
        self.add(kind, None, converted, moves);
        for Doubled { field, span } in doubled {
            self.fault(span, doubled_message(&format!("{field} is set before")));
        }
        // The tree holds each key once, but the engine lays the values of one that stands twice
        // over one another.
        let written = self.text.content.get(document.span.range());
        for at in json::doubled_keys(written.unwrap_or_default()) {
            let at = document.span.start as usize + at;
            self.fault(
                Span::new(at, at),
                doubled_message("the same key stands before"),
            );
        }
    }

    fn service(&mut self, document: &Node, name: Option<String>) {
        let container = service::container(document);
        self.add(&service::KIND, name, document.clone(), &[]);
        let identity = self
            .reading
            .objects
            .last()
            .map(|object| Arc::clone(&object.identity));
        if let (Some((container, moves)), Some(identity)) = (container, identity) {
            self.push(&container::KIND, identity, container, moves);
        }
    }

    /// A history: of an image right before it in the same text, or of one of which no more is
    /// known.
    fn history(&mut self, list: &Node) {
        let id = image::history_id(list).unwrap_or_default();
        let history = image::history(list);
        let is_its = |object: &&mut Object| {
            object.kind == image::KIND
                && object.document.get("History").is_none()
                && object
                    .document
                    .text("Id")
                    .is_some_and(|known| is_same(known, id))
        };
        let known = self
            .reading
            .objects
            .iter_mut()
            .rev()
            .take(NEAR)
            .find(is_its);
        if let Some(object) = known {
            object.document.set("History", list.span, history);
            return;
        }
        let tag = list
            .items()
            .first()
            .and_then(|newest| newest.get("Tags"))
            .and_then(|tags| tags.items().first())
            .and_then(Node::as_str);
        let name = tag
            .map(str::to_owned)
            .or_else(|| Some(short(id)).filter(|id| !id.is_empty()));
        let mut image = Node::map(list.span, []);
        if let Some(entry) = list
            .items()
            .first()
            .and_then(|newest| newest.entry("Id").or_else(|| newest.entry("ID")))
        {
            image.set("Id", entry.key_span, entry.value.clone());
        }
        image.set("History", list.span, history);
        self.add(&image::KIND, name, image, &[]);
    }

    fn add(
        &mut self,
        kind: &Kind,
        name: Option<String>,
        document: Node,
        moves: &[(&'static str, &'static str)],
    ) {
        self.reading.written += 1;
        let identity = Identity {
            group: kind.group.to_string(),
            kind: kind.name.to_string(),
            name: name.unwrap_or_else(|| self.name.to_owned()),
            namespace: String::new(),
        };
        self.push(kind, Arc::new(identity), document, moves);
    }

    fn push(
        &mut self,
        kind: &Kind,
        identity: Arc<Identity>,
        document: Node,
        moves: &[(&'static str, &'static str)],
    ) {
        let moves = moves
            .iter()
            .map(|&(judged, written)| Move { judged, written });
        let labels = labels(&document);
        self.reading.objects.push(Object {
            kind: kind.clone(),
            version: container::VERSION.into(),
            identity,
            written: Written {
                labels,
                ..Written::default()
            },
            document,
            moves: moves.collect(),
            origin: None,
            texts: vec![Arc::clone(self.text)],
        });
    }

    fn fault(&mut self, span: Span, message: String) {
        if self.reading.faults.len() >= MANY {
            return;
        }
        self.reading.faults.push(InputFault {
            position: Some(self.text.position(span.start as usize)),
            message,
        });
    }
}

/// What is said of a field that a request sets twice. Of two spellings the engine takes the last, and
/// it lays the values of a key that stands twice over one another.
pub(super) fn doubled_message(what: &str) -> String {
    format!("two spellings of one field: {what}, and the engine does not take the first; keep one")
}

/// How many faults of one text are told.
const MANY: usize = 50;

/// How far back an image may stand that a history belongs to.
const NEAR: usize = 64;

/// What the engine shows, with the words of its config as lists.
pub(super) fn merged(document: &Node) -> Node {
    let mut document = document.clone();
    if let Some(entry) = document.entry("Config").cloned() {
        document.set("Config", entry.key_span, container::as_config(entry.value));
    }
    document
}

/// What an image is called: its first tag, or else its first digest.
fn reference(image: &Node) -> Option<String> {
    let lists = ["RepoTags", "RepoDigests"].map(|key| image.get(key));
    let mut references = lists
        .into_iter()
        .flatten()
        .flat_map(Node::items)
        .filter_map(Node::as_str);
    references
        .find(|reference| !reference.starts_with("<none>"))
        .map(str::to_owned)
}

/// An id as the command line shows it: twelve digits.
fn short(id: &str) -> String {
    id.strip_prefix("sha256:")
        .unwrap_or(id)
        .chars()
        .take(12)
        .collect()
}

/// Whether an id, which may be cut short, is that of an image.
fn is_same(known: &str, id: &str) -> bool {
    let bare = |id: &'_ str| id.strip_prefix("sha256:").unwrap_or(id).to_owned();
    let (known, id) = (bare(known), bare(id));
    id.len() >= 12 && known.starts_with(&id)
}

/// The labels of an object of Docker, wherever its kind has them.
#[must_use]
pub fn labels(document: &Node) -> Option<Node> {
    let pointers = ["/Config/Labels", "/Spec/Labels", "/Labels"];
    let mut found = pointers.iter().filter_map(|pointer| document.at(pointer));
    found.next().map(|found| found.node.clone())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::read_text;
    use super::*;

    fn read_content(content: &str) -> Reading {
        read_text(&Arc::new(Text::new("x.json", content)), "x.json", None)
    }

    fn names(reading: &Reading) -> Vec<String> {
        let identities = reading.objects.iter().map(|object| &object.identity);
        identities.map(ToString::to_string).collect()
    }

    fn at<'a>(reading: &'a Reading, index: usize, pointer: &str) -> Option<&'a Node> {
        let object = reading.objects.get(index)?;
        object.document.at(pointer).map(|found| found.node)
    }

    const INSPECTED: &str = include_str!("../../../testdata/root-user/inspect-of-everything.json");
    const SERVICE: &str = include_str!("../../../testdata/root-user/swarm-service.json");
    const BODY: &str = include_str!("../../../testdata/root-user/create-body-without-user.json");
    const WITH_HISTORY: &str =
        include_str!("../../../testdata/hardcoded-secret/image-with-history-engine-28.json");
    const CONFIG: &str = include_str!("../../../testdata/root-user/oci-image-config.json");

    #[test]
    fn everything_that_inspect_prints_has_its_name() {
        let reading = read_content(INSPECTED);
        assert_eq!(
            names(&reading),
            [
                "Container web",
                "Image 7596625e8b17",
                "Network shop",
                "Volume data"
            ]
        );
        assert_eq!(reading.written, 4);
        assert_eq!(reading.faults, []);
    }

    #[test]
    fn what_no_engine_prints_between_what_one_does_is_a_fault() {
        let volume = r#"{"Name": "a", "Driver": "local", "Mountpoint": "/a"}"#;
        let reading = read_content(&format!("[{volume},\n {{\"Name\": \"b\"}}]"));
        assert_eq!(reading.objects.len(), 1);
        let lines: Vec<_> = reading
            .faults
            .iter()
            .filter_map(|fault| fault.position)
            .collect();
        assert_eq!(lines.first().map(|position| position.line), Some(2));
    }

    #[test]
    fn what_breaks_off_is_a_fault() {
        let half = &INSPECTED[..INSPECTED.len() / 2];
        assert_eq!(read_content(half).faults.len(), 1);
    }

    #[test]
    fn the_answer_of_the_api_about_volumes_is_a_list() {
        let content = r#"{"Volumes": [{"Name": "a", "Driver": "local", "Mountpoint": "/a"}], "Warnings": null}"#;
        assert_eq!(names(&read_content(content)), ["Volume a"]);
    }

    #[test]
    fn a_history_joins_its_image_and_begins_with_the_oldest() {
        let reading = read_content(WITH_HISTORY);
        assert_eq!(names(&reading), ["Image bb:built"]);
        let text = |pointer| at(&reading, 0, pointer).and_then(Node::as_str);
        assert_eq!(text("/History/0/comment"), Some("Imported from -"));
        assert_eq!(
            text("/History/10/created_by"),
            Some("/bin/sh -c #(nop)  LABEL foo=bar")
        );
        assert_eq!(text("/History/10/created"), Some("2026-11-23T05:58:19Z"));
        let empty = at(&reading, 0, "/History/10/empty_layer").map(|node| &node.content);
        assert_eq!(empty, Some(&Content::Bool(true)));
    }

    #[test]
    fn a_history_without_its_image_is_one_with_a_history_alone() {
        let lines: Vec<&str> = WITH_HISTORY
            .lines()
            .filter(|line| line.starts_with("{\""))
            .collect();
        let reading = read_content(&lines.join("\n").replace("LABEL foo=bar", "LABEL foo…"));
        assert_eq!(names(&reading), ["Image 2eb04c710201"]);
        let cut = |pointer| at(&reading, 0, pointer).map(|node| &node.content);
        assert_eq!(cut("/History/10/truncated"), Some(&Content::Bool(true)));
        assert_eq!(cut("/History/9/truncated"), Some(&Content::Bool(false)));
    }

    #[test]
    fn a_body_becomes_a_container() {
        let reading = read_content(BODY);
        assert_eq!(names(&reading), ["Container x.json"]);
        let text = |pointer| at(&reading, 0, pointer).and_then(Node::as_str);
        assert_eq!(text("/Config/Cmd/0"), Some("serve"));
        assert_eq!(text("/Mounts/0/Name"), Some("data"));
        assert_eq!(text("/Mounts/1/Source"), Some("/etc/shop"));
        let writable = at(&reading, 0, "/Mounts/0/RW").map(|node| &node.content);
        assert_eq!(writable, Some(&Content::Bool(false)));
        assert!(at(&reading, 0, "/NetworkSettings/Networks/shop").is_some());
        assert!(at(&reading, 0, "/Config/HostConfig").is_none());
        let object = &reading.objects[0];
        assert_eq!(object.written_path("/Config/Cmd/0"), "/Cmd/0");
        assert_eq!(
            object.written_path("/HostConfig/Memory"),
            "/HostConfig/Memory"
        );
    }

    #[test]
    fn two_spellings_of_a_field_are_a_fault_and_the_last_counts() {
        for (content, line) in [
            (
                "{\"Image\": \"a\", \"Cmd\": [],\n\"HostConfig\": {\"Privileged\": false,\n\"privileged\": true}}",
                3,
            ),
            (
                "{\"Image\": \"a\",\n\"HostConfig\": {\"Privileged\": true},\n\"HostConfig\": {\"Privileged\": true}}",
                3,
            ),
            (
                "{\"Image\": \"a\",\n\"User\": \"1\", \"hostconfig\": {\"Privileged\": true},\n\"u\u{17f}er\": \"0\"}",
                3,
            ),
        ] {
            let reading = read_content(content);
            let lines: Vec<_> = reading
                .faults
                .iter()
                .filter_map(|fault| fault.position)
                .collect();
            assert_eq!(
                lines
                    .iter()
                    .map(|position| position.line)
                    .collect::<Vec<_>>(),
                [line],
                "{content}"
            );
            let privileged = at(&reading, 0, "/HostConfig/Privileged").map(|node| &node.content);
            assert_eq!(privileged, Some(&Content::Bool(true)), "{content}");
        }
        let labels = r#"{"Image": "a", "HostConfig": {}, "Labels": {"user": "1", "User": "2"}}"#;
        assert_eq!(read_content(labels).faults, []);
    }

    #[test]
    fn old_engines_read_the_host_config_at_the_top() {
        let reading = read_content(r#"{"Image": "a", "Cmd": ["b"], "privileged": true}"#);
        let privileged = at(&reading, 0, "/HostConfig/Privileged").map(|node| &node.content);
        assert_eq!(privileged, Some(&Content::Bool(true)));
    }

    #[test]
    fn a_service_is_there_with_the_container_of_its_tasks() {
        let reading = read_content(SERVICE);
        assert_eq!(names(&reading), ["Service shop_web", "Service shop_web"]);
        assert_eq!(reading.written, 1);
        let text = |pointer| at(&reading, 1, pointer).and_then(Node::as_str);
        assert_eq!(text("/Config/User"), Some("root"));
        assert_eq!(
            text("/HostConfig/SecurityOpt/0"),
            Some("seccomp=unconfined")
        );
        assert_eq!(text("/HostConfig/LogConfig/Type"), Some("json-file"));
        assert_eq!(text("/Mounts/0/Destination"), Some("/data"));
        assert!(at(&reading, 1, "/HostConfig/Memory").is_some());
        assert!(at(&reading, 1, "/HostConfig/RestartPolicy").is_none());
        assert_eq!(
            reading.objects[1].written_path("/HostConfig/Memory"),
            "/Spec/TaskTemplate/Resources/Limits/MemoryBytes"
        );
    }

    #[test]
    fn an_image_config_becomes_an_image() {
        let reading = read_content(CONFIG);
        let text = |pointer| at(&reading, 0, pointer).and_then(Node::as_str);
        assert_eq!(text("/Config/User"), Some("root"));
        assert_eq!(text("/Architecture"), Some("arm64"));
        assert!(at(&reading, 0, "/RootFS/Layers/0").is_some());
        assert_eq!(
            reading.objects[0].written_path("/Config/User"),
            "/config/User"
        );
    }

    #[test]
    fn an_exec_is_read_as_it_is_asked_for_and_as_it_is() {
        let inspect = r#"{"ID": "11fb006128e8ceb3942e7c58d77750f24210e35f879dd204ac975c184b820b39", "Running": false,
            "ProcessConfig": {"tty": false, "entrypoint": "sh", "arguments": ["-c", "id"], "privileged": true, "user": "0"},
            "ContainerID": "b53ee82b53a40c7dca428523e34f741f3abc51d9f297a14ff874bf761b995126"}"#;
        let body = r#"{"AttachStdout": true, "cmd": ["sh"], "Cmd": ["sh", "-c", "id"], "Privileged": true, "User": "0"}"#;
        for content in [inspect, body] {
            let reading = read_content(content);
            let text = |pointer| at(&reading, 0, pointer).and_then(Node::as_str);
            assert_eq!(text("/Cmd/2"), Some("id"), "{content}");
            assert_eq!(text("/User"), Some("0"), "{content}");
            let privileged = at(&reading, 0, "/Privileged").map(|node| &node.content);
            assert_eq!(privileged, Some(&Content::Bool(true)), "{content}");
        }
        assert_eq!(read_content(body).faults.len(), 1);
    }

    #[test]
    fn other_formats_are_left_alone() {
        for content in [
            r#"{"name": "x", "version": "1.0.0", "scripts": {"Cmd": "x"}, "env": ["a"]}"#,
            r#"{"compilerOptions": {"target": "es2022"}, "files": []}"#,
            r#"{"Version": "2012-10-17", "Id": "x", "Statement": []}"#,
            r#"{"AWSEBDockerrunVersion": "1", "Image": {"Name": "a"}, "Ports": []}"#,
            r#"{"image": "ruby:3", "env": ["A=b"], "cmd": ["x"]}"#,
            r#"[{"Id": "1", "Name": "x"}]"#,
            r#"[{"Id": "1", "Names": ["/a"], "Image": "b", "HostConfig": {"NetworkMode": "bridge"}}]"#,
            r#"{"architecture": "amd64", "os": "linux"}"#,
            r#"{"hostConfig": {"port": 80}, "name": "app"}"#,
            "[]",
            "{}",
            "null",
        ] {
            let reading = read_content(content);
            assert_eq!(
                (reading.objects.len(), reading.written),
                (0, 0),
                "{content}"
            );
            assert_eq!(reading.faults, [], "{content}");
        }
    }

    /// One that took time in proportion to the square would not come to its end.
    #[test]
    fn a_megabyte_is_read_to_its_end() {
        let line = r#"{"Comment":"","CreatedAt":"","CreatedBy":"x","CreatedSince":"","ID":"<missing>","Size":"0B"}"#;
        let body = r#"{"Image":"a","HostConfig":{}}"#;
        for content in [
            format!("{line}\n").repeat(10_000),
            format!("{body}\n").repeat(30_000),
        ] {
            assert!(read_content(&content).written > 0);
        }
        let odd = r#"{"Name": "a", "Driver": "local", "Mountpoint": "/a"}"#.to_owned()
            + &",{}".repeat(9_999);
        assert_eq!(read_content(&format!("[{odd}]")).faults.len(), MANY);
        let keys: Vec<String> = (0..50_000).map(|n| format!("\"k{n}\":1")).collect();
        assert_eq!(
            read_content(&format!(
                "{{\"Image\":\"a\",\"HostConfig\":{{{}}}}}",
                keys.join(",")
            ))
            .written,
            1
        );
        let exec = format!(
            "{{\"ID\":\"1\",\"ContainerID\":\"2\",\"ProcessConfig\":{{}},{}}}",
            keys.join(",")
        );
        assert_eq!(read_content(&exec).written, 1);
    }

    /// A document of an engine in which values stand for others.
    fn mixed() -> impl Strategy<Value = String> {
        let samples = [INSPECTED, SERVICE, BODY, WITH_HISTORY, CONFIG];
        let values = [
            "null",
            "{}",
            "[]",
            "\"\"",
            "0",
            "true",
            "[{}]",
            "{\"a\":1}",
            "\"ſ:\u{212a}\"",
        ];
        let cuts = proptest::collection::vec((any::<prop::sample::Index>(), 0..values.len()), 0..6);
        (0..samples.len(), cuts).prop_map(move |(sample, cuts)| {
            let mut text = samples[sample].to_owned();
            for (place, value) in cuts {
                let colons: Vec<usize> = text.match_indices(": ").map(|(at, _)| at).collect();
                if colons.is_empty() {
                    break;
                }
                let at = *place.get(&colons) + 2;
                let end = text[at..]
                    .find([',', '}', '\n'])
                    .map_or(text.len(), |end| at + end);
                text.replace_range(at..end, values[value]);
            }
            text
        })
    }

    fn check_places(node: &Node, length: usize) {
        assert!(node.span.start <= node.span.end && node.span.end as usize <= length);
        node.items()
            .iter()
            .for_each(|item| check_places(item, length));
        for entry in node.entries() {
            assert!(entry.key_span.end as usize <= length);
            check_places(&entry.value, length);
        }
    }

    proptest! {
        #[test]
        fn places_lie_in_the_text(content in mixed()) {
            let reading = read_content(&content);
            for object in &reading.objects {
                check_places(&object.document, content.len());
            }
        }

        #[test]
        fn anything_is_read_without_a_panic(content in r#"(\{|\[|"(Id|Image|HostConfig|Cmd|Config|Mounts|Binds|CreatedBy)"|:|,|\}|\]|"a:b"|1|null| |\n|ſ){0,40}"#) {
            read_content(&content);
        }
    }
}
