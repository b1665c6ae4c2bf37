//! The components of a Kubernetes cluster, as their files and static Pods set them up.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use stridegate_shapes::command::{self, Environment, Invocation, Program};
use stridegate_shapes::component::{
    Component, Distribution, MAX_COMPONENTS, components, is_distribution_config,
    of_distribution_config, of_invocation,
};
use stridegate_shapes::flags::{self, Word};
use stridegate_shapes::{Kind, api_server, etcd, kubeadm, kubelet};

use super::block::Lines;
use super::{InputFault, Reading, daemon, unit, yaml};
use crate::object::{Change, Content, Identity, Move, Node, Object, Origin, Span, Text, Written};

/// Whether a text can hold a configuration that has no `apiVersion`.
pub(super) fn is_plausible(content: &str) -> bool {
    [
        "kube-apiserver-arg",
        "kubelet-arg",
        "etcd-arg",
        "kube-controller-manager-arg",
        "kube-scheduler-arg",
        "listen-client-urls",
        "transport-security",
    ]
    .iter()
    .any(|key| content.contains(key))
}

/// Whether a document is the configuration file of etcd, k3s, rke2 or the kubelet.
pub(super) fn recognises(name: &Path, document: &Node) -> bool {
    let etcd_by_name = name
        .file_name()
        .is_some_and(|name| name == "etcd.conf.yml" || name == "etcd.conf.yaml");
    let bare = matches!(document.content, Content::Map(_))
        && document.get("apiVersion").is_none()
        && document.get("kind").is_none();
    (bare && etcd_by_name)
        || etcd::is_config(document)
        || is_distribution_config(document)
        || is_kubelet(document)
        || kubeadm::is_config(document)
}

pub(super) fn is_kubelet(document: &Node) -> bool {
    document.text("kind") == Some(&*kubelet::CONFIGURATION.name)
        && document
            .text("apiVersion")
            .and_then(|version| version.split_once('/'))
            .is_some_and(|(group, _)| group == kubelet::CONFIGURATION.group)
}

/// Reads such a file.
pub(super) fn read(document: &Node, text: &Arc<Text>, name: &str, reading: &mut Reading) {
    reading.written += 1;
    let identity = |kind: &Kind| {
        Arc::new(Identity {
            group: kind.group.to_string(),
            kind: kind.name.to_string(),
            name: name.to_owned(),
            namespace: String::new(),
        })
    };
    if is_kubelet(document) {
        let identity = identity(&kubelet::CONFIGURATION);
        if let Some((node, problem)) = kubelet::problem(document) {
            let message = format!("{identity}: {problem}; the kubelet refuses it, correct it");
            let position = Some(text.position(node.span.start as usize));
            reading.faults.push(InputFault { position, message });
            return;
        }
        push(
            (kubelet::KIND, kubelet::from_file(document)),
            None,
            &identity,
            text,
            reading,
        );
    } else if kubeadm::is_config(document) {
        let kind = Kind::new(kubeadm::GROUP, document.text("kind").unwrap_or_default());
        let origin = of_settings(document);
        for component in kubeadm::components(document) {
            push(
                component,
                Some(origin.clone()),
                &identity(&kind),
                text,
                reading,
            );
        }
    } else if is_distribution_config(document) {
        let distribution = if text.name.contains("rke2") {
            Distribution::Rke2
        } else {
            Distribution::K3s
        };
        let origin = of_settings(document);
        for component in of_distribution_config(document, distribution) {
            let identity = identity(&component.0);
            push(component, Some(origin.clone()), &identity, text, reading);
        }
    } else {
        let component = (etcd::KIND, etcd::from_config(document));
        let origin = Some(of_settings(document));
        push(component, origin, &identity(&etcd::KIND), text, reading);
    }
}

/// What starts a component on a host.
pub(super) struct Command<'a> {
    /// The words, the program first.
    pub(super) words: Vec<Word>,
    /// The variables that it is started with.
    pub(super) environment: Environment,
    /// The texts that these stand in.
    pub(super) texts: Vec<Arc<Text>>,
    /// The document that they stand in, if it is one.
    pub(super) document: Option<&'a Arc<Node>>,
}

/// Reads the components that a command of a host starts, with the files that their flags name.
pub(super) fn read_command(
    command: &Command,
    contents: &[(String, Arc<Text>)],
    name: &str,
    reading: &mut Reading,
) -> Vec<Program> {
    let Some(first) = command.words.first() else {
        return Vec::new();
    };
    let content = |path: &str| {
        let mut contents = contents.iter();
        let found = contents.find(|(known, _)| known == path);
        found.map(|(_, text)| Arc::clone(text))
    };
    let mut started = Vec::new();
    for invocation in command::of_words(&command.words, &command.environment, first.span) {
        started.push(invocation.program);
        let components = match invocation.program {
            Program::Kubelet => vec![kubelet_process(&invocation, &command.texts, contents)],
            _ => of_invocation(&invocation, &command.environment)
                .into_iter()
                .map(|component| (component, command.texts.clone()))
                .collect(),
        };
        for ((kind, document), texts) in components {
            reading.written += 1;
            let identity = Identity {
                group: kind.group.to_string(),
                kind: kind.name.to_string(),
                name: name.to_owned(),
                namespace: String::new(),
            };
            let origin = command
                .document
                .map(|document| of_command_line(Arc::clone(document)));
            let mut object = Object {
                kind,
                version: kubelet::VERSION.into(),
                identity: Arc::new(identity),
                written: Written::default(),
                document,
                moves: Vec::new(),
                origin,
                texts,
            };
            join_files(&mut object, content);
            reading.objects.push(object);
        }
    }
    started
}

/// The units of systemd that start components, by the names under which they are shipped.
const UNITS: [(&str, Program); 9] = [
    ("kube-apiserver", Program::ApiServer),
    ("kube-controller-manager", Program::ControllerManager),
    ("kube-scheduler", Program::Scheduler),
    ("etcd", Program::Etcd),
    ("kubelet", Program::Kubelet),
    ("k3s", Program::K3s),
    ("k3s-agent", Program::K3s),
    ("rke2-server", Program::Rke2),
    ("rke2-agent", Program::Rke2),
];

/// The name of the unit that a file is, or is a drop-in of, if it starts a component.
pub(super) fn unit_of(path: &Path) -> Option<&'static str> {
    let name = |path: &Path| {
        path.file_name()
            .and_then(|name| name.to_str())
            .map(str::to_owned)
    };
    let own = name(path)?;
    let folder = path.parent().and_then(name).unwrap_or_default();
    let is_drop_in = path
        .extension()
        .is_some_and(|extension| extension == "conf");
    let unit = own
        .strip_suffix(".service")
        .or_else(|| folder.strip_suffix(".service.d").filter(|_| is_drop_in))?;
    let known = UNITS.iter().find(|(known, _)| *known == unit);
    known.map(|(known, _)| *known)
}

/// Reads a unit by itself.
pub(super) fn read_unit(text: &Arc<Text>, name: &str) -> Reading {
    let mut reading = Reading::default();
    read_units(std::slice::from_ref(text), &[], name, &mut reading);
    reading
}

/// Reads what a unit and its drop-ins start, with the files that are at hand.
pub(super) fn read_units(
    units: &[Arc<Text>],
    contents: &[(String, Arc<Text>)],
    name: &str,
    reading: &mut Reading,
) -> Vec<Program> {
    let start = unit::start(units, contents);
    let words = match start.commands.as_slice() {
        [] => {
            let why = "starts nothing by itself; judge it with its unit, in a facts file";
            reading.skipped = Some(why.into());
            return Vec::new();
        }
        [words] => words,
        [.., last] => {
            daemon::refuse(units, last.first(), daemon::MANY, reading);
            return Vec::new();
        }
    };
    let mut variables = HashMap::new();
    for entry in start.variables.iter().flat_map(Node::entries) {
        let text = entry.value.as_str().unwrap_or_default().to_owned();
        variables.insert(entry.key.clone(), Some((entry.value.span, text)));
    }
    let known = words.iter().zip(0..).map(|(word, index)| {
        let text = word.as_str().unwrap_or_default();
        // The signs before the program say how systemd starts it.
        let signs: &[char] = if index == 0 {
            &['@', '-', ':', '+', '!', '|']
        } else {
            &[]
        };
        Word::new(word.span, text.trim_start_matches(signs))
    });
    let open = start.unresolved.iter().map(|node| Word {
        unknown_from: Some(0),
        ..Word::new(node.span, "")
    });
    let command = Command {
        words: known.chain(open).collect(),
        environment: Environment::of(variables, start.open),
        texts: units.to_vec(),
        document: None,
    };
    let started = read_command(&command, contents, name, reading);
    if started.is_empty() {
        let why =
            "starts no program of a cluster that is known; judge the process, in a facts file";
        reading.skipped = Some(why.into());
    }
    started
}

/// The configurations that kubeadm keeps in the cluster, by the name of the `ConfigMap`, which may
/// end in a version, and the key.
const KEPT: [(&str, &str); 2] = [
    ("kubelet-config", "kubelet"),
    ("kubeadm-config", "ClusterConfiguration"),
];

/// Adds what a `ConfigMap` of kubeadm configures, under its name.
pub(super) fn add_kept(config_map: &Object, reading: &mut Reading) {
    let identity = &config_map.identity;
    if !matches!(&*identity.namespace, "" | "kube-system") {
        return;
    }
    let kept = KEPT.iter().find(|(name, _)| {
        let version = identity.name.strip_prefix(name);
        version.is_some_and(|rest| rest.is_empty() || rest.starts_with("-1."))
    });
    let value = kept.and_then(|(_, key)| config_map.document.get("data")?.get(key));
    let Some((value, content)) = value.and_then(|value| Some((value, value.as_str()?))) else {
        return;
    };
    let lines = Lines::new(value, &config_map.texts);
    let Some(text) = config_map.texts.first() else {
        return;
    };
    let read = super::documents(content);
    if let Some(fault) = read.fault {
        let at = lines.place(Span::new(fault.at, fault.at));
        let position = Some(text.position(at.start as usize));
        let message = format!("{identity}: {}", fault.message);
        reading.faults.push(InputFault { position, message });
    }
    let written = reading.written;
    let first = reading.objects.len();
    for mut document in read.documents {
        document.relocate(&|span| lines.place(span));
        if is_kubelet(&document) || kubeadm::is_config(&document) {
            self::read(&document, text, &identity.name, reading);
        }
    }
    // They are parts of the one object that was written.
    reading.written = written;
    for object in &mut reading.objects[first..] {
        object.identity = Arc::clone(identity);
        object.written = config_map.written.clone();
        object.origin = Some(of_settings(&config_map.document));
    }
}

/// Lays into a component the configuration files that its flags name, as far as `find` has them.
/// A text that does not hold what the flag asks for stays out: it is not known what it means.
pub(super) fn join_files(object: &mut Object, find: impl Fn(&str) -> Option<Arc<Text>>) {
    if object.kind == etcd::KIND {
        return join_etcd(object, find);
    }
    if object.kind != api_server::KIND {
        return;
    }
    for file in &api_server::FILES {
        let Some(text) = file.path(&object.document).and_then(&find) else {
            continue;
        };
        let read = super::documents(&text.content);
        let is_of_kind = |document: &Node| {
            let kind = kind_of(document);
            kind.is_some_and(|kind| file.kinds.contains(&kind))
        };
        let mut documents = read.documents.into_iter();
        let Some(mut config) = documents.find(is_of_kind).filter(|_| read.fault.is_none()) else {
            continue;
        };
        config.in_text(u32::try_from(object.texts.len()).unwrap_or(u32::MAX));
        object.texts.push(text);
        file.join(&mut object.document, config);
        let moved = Move {
            judged: file.pointer,
            written: "",
        };
        object.moves.insert(0, moved);
    }
}

/// The file of an etcd takes the place of all its flags.
fn join_etcd(object: &mut Object, find: impl Fn(&str) -> Option<Arc<Text>>) {
    let flags = object.document.get("flags");
    let path = flags.and_then(|flags| flags.text("config-file"));
    let Some(text) = path.filter(|path| !path.is_empty()).and_then(find) else {
        return;
    };
    let read = super::documents(&text.content);
    let is_map = |document: &Node| matches!(document.content, Content::Map(_));
    let mut documents = read.documents.into_iter();
    let Some(mut config) = documents
        .next()
        .filter(|config| read.fault.is_none() && is_map(config))
    else {
        return;
    };
    config.in_text(u32::try_from(object.texts.len()).unwrap_or(u32::MAX));
    object.texts.push(text);
    let network = object.document.get("network").cloned();
    object.document = etcd::from_config(&config);
    if let Some(network) = network {
        object.document.set("network", network.span, network);
    }
    object.moves.clear();
    object.origin = Some(of_settings(&config));
}

fn kind_of(document: &Node) -> Option<Kind> {
    let version = document.text("apiVersion")?;
    let group = version.split_once('/').map_or("", |(group, _)| group);
    Some(Kind::new(group, document.text("kind")?))
}

/// Reads a kubelet's configuration with its drop-ins, in the order of their names.
pub(super) fn read_kubelet(texts: &[Arc<Text>], name: &str, reading: &mut Reading) {
    let Some((first, rest)) = texts.split_first() else {
        return;
    };
    let mut texts = vec![Arc::clone(first)];
    let mut rest = rest.to_vec();
    rest.sort_by(|a, b| a.name.cmp(&b.name));
    texts.extend(rest);
    let mut documents = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let read = yaml::read(&text.content);
        let document = read.documents.into_iter().next();
        let wrong = document.as_ref().and_then(|document| {
            let (node, problem) = kubelet::problem(document)?;
            Some((node.span.start as usize, problem))
        });
        if let Some((at, problem)) = read.fault.map(|fault| (fault.at, fault.message)).or(wrong) {
            let place = text.position(at);
            let message = format!("{}:{}:{}: {problem}", text.name, place.line, place.column);
            reading.faults.push(InputFault {
                position: None,
                message,
            });
            return;
        }
        let mut document = document.unwrap_or_else(|| Node::map(Span::default(), []));
        document.in_text(u32::try_from(index).unwrap_or(u32::MAX));
        documents.push(document);
    }
    let Some((file, drop_ins)) = documents.split_first() else {
        return;
    };
    let here = file
        .entries()
        .first()
        .map_or(file.span, |entry| entry.key_span);
    let document = kubelet::effective(
        kubelet::Base::File(file),
        drop_ins,
        &flags::Flags::default(),
        here,
    );
    let identity = Identity {
        group: kubelet::CONFIGURATION.group.to_string(),
        kind: kubelet::CONFIGURATION.name.to_string(),
        name: name.to_owned(),
        namespace: String::new(),
    };
    reading.written += texts.len();
    reading.objects.push(Object {
        kind: kubelet::KIND,
        version: kubelet::VERSION.into(),
        identity: Arc::new(identity),
        written: Written::default(),
        document,
        moves: Vec::new(),
        origin: None,
        texts,
    });
}

/// A kubelet with its configuration file and drop-ins, as far as they are at hand.
fn kubelet_process(
    invocation: &Invocation,
    texts: &[Arc<Text>],
    contents: &[(String, Arc<Text>)],
) -> (Component, Vec<Arc<Text>>) {
    let flags = flags::parse(&invocation.words, &kubelet::TABLE);
    let mut texts = texts.to_vec();
    let mut load = |content: &Arc<Text>| {
        let mut document = yaml::read(&content.content).documents.into_iter().next()?;
        document.in_text(u32::try_from(texts.len()).ok()?);
        texts.push(Arc::clone(content));
        Some(document)
    };
    let named = |flag: &str| flags.given.get(flag).and_then(|given| given.value.as_str());
    let of = |path: &str| {
        contents
            .iter()
            .find(|(known, _)| known == path)
            .map(|(_, text)| text)
    };
    let file = named("config").and_then(of).and_then(&mut load);
    let mut drop_ins: Vec<&(String, Arc<Text>)> = contents
        .iter()
        .filter(|(path, _)| {
            let path = Path::new(path);
            path.extension()
                .is_some_and(|extension| extension == "conf")
                && path.parent().is_some_and(|folder| {
                    named("config-dir").is_some_and(|named| folder == Path::new(named))
                })
        })
        .collect();
    drop_ins.sort_by(|a, b| a.0.cmp(&b.0));
    let drop_ins: Vec<Node> = drop_ins
        .into_iter()
        .filter_map(|(_, text)| load(text))
        .collect();
    let base = file
        .as_ref()
        .map_or(kubelet::Base::Flags, kubelet::Base::File);
    (
        (
            kubelet::KIND,
            kubelet::effective(base, &drop_ins, &flags, invocation.here),
        ),
        texts,
    )
}

/// Adds the components that a Pod starts, under the name of the object as written.
pub(super) fn add_components(pod: &Object, reading: &mut Reading) {
    let components = components(&pod.document);
    if components.len() > MAX_COMPONENTS {
        let identity = &pod.identity;
        let message = format!(
            "{identity}: starts more than {MAX_COMPONENTS} components of a cluster; split it"
        );
        let position = pod
            .texts
            .first()
            .map(|text| text.position(pod.document.span.start as usize));
        reading.faults.push(InputFault { position, message });
        return;
    }
    if components.is_empty() {
        return;
    }
    let origin = of_command_line(Arc::new(pod.document.clone()));
    for (kind, document) in components {
        let component = Object {
            kind,
            version: kubelet::VERSION.into(),
            identity: Arc::clone(&pod.identity),
            written: pod.written.clone(),
            document,
            moves: pod.moves.clone(),
            origin: Some(origin.clone()),
            texts: pod.texts.clone(),
        };
        reading.objects.push(component);
    }
}

fn push(
    (kind, document): Component,
    origin: Option<Origin>,
    identity: &Arc<Identity>,
    text: &Arc<Text>,
    reading: &mut Reading,
) {
    reading.objects.push(Object {
        kind,
        version: kubelet::VERSION.into(),
        identity: Arc::clone(identity),
        written: Written::default(),
        document,
        moves: Vec::new(),
        origin,
        texts: vec![Arc::clone(text)],
    });
}

/// Where a component comes from whose settings are no words of a command line.
fn of_settings(document: &Node) -> Origin {
    Origin {
        document: Arc::new(document.clone()),
        rewrite: rewrite_setting,
    }
}

/// A flag as the value that a file sets: that of a member, or the end of `name=value`.
fn rewrite_setting(document: &Node, written: &str, change: &Change) -> Option<Value> {
    let name = change.judged.strip_prefix("/flags/")?;
    let value = flag_text(change.value)?;
    let text = document.at(written)?.node.as_str()?;
    let is_member = written.ends_with(&format!("/{name}")) || written.ends_with("/value");
    let value = match text.split_once('=').filter(|(flag, _)| *flag == name) {
        Some(_) => format!("{name}={value}"),
        None if is_member => value,
        None => return None,
    };
    Some(json!({"op": "replace", "path": written, "value": value}))
}

/// A value as a command line says it.
fn flag_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(flag_text).collect();
            Some(items?.join(","))
        }
        _ => None,
    }
}

/// Where a component that is started with flags comes from.
fn of_command_line(document: Arc<Node>) -> Origin {
    Origin {
        document,
        rewrite: rewrite_flag,
    }
}

/// A flag as the word of a command line: in the place of the word that gives it, or, if nobody
/// does, at the end of the words.
fn rewrite_flag(document: &Node, written: &str, change: &Change) -> Option<Value> {
    let name = change.judged.strip_prefix("/flags/")?;
    let value = flag_text(change.value)?;
    let flag = |node: &Node| {
        let flag = node.as_str()?.strip_prefix("--")?;
        let (flag, value) = flag
            .split_once('=')
            .map_or((flag, None), |(flag, value)| (flag, Some(value)));
        (flag.replace('_', "-") == name).then_some(value.is_some())
    };
    let replace = |value| Some(json!({"op": "replace", "path": written, "value": value}));
    let words = document.at(written)?.node.items();
    if !words.is_empty() {
        let ends_in_flag = words.last()?.as_str()?.starts_with("--");
        let value = format!("--{name}={value}");
        let path = format!("{written}/-");
        return ends_in_flag.then(|| json!({"op": "add", "path": path, "value": value}));
    }
    let (list, index) = written.rsplit_once('/')?;
    let index: usize = index.parse().ok()?;
    let words = document.at(list)?.node.items();
    // Of a flag that is given twice, the other would still count.
    if words.iter().filter(|word| flag(word).is_some()).count() != 1 {
        return None;
    }
    let before = index.checked_sub(1).and_then(|before| words.get(before));
    if flag(words.get(index)?) == Some(true) {
        replace(format!("--{name}={value}"))
    } else if before.and_then(flag) == Some(false) {
        replace(value)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::read_text;

    const FACTS: &str = "apiVersion: stridegate.dev/v1\nkind: HostFacts\nmetadata: {name: node-1}\nprocesses:\n- program: /usr/bin/kubelet\n  argv: [--config=/etc/k.yaml, --config-dir=/etc/k.d]\ncontents:\n  /etc/k.yaml: |\n    kind: KubeletConfiguration\n    apiVersion: kubelet.config.k8s.io/v1beta1\n    readOnlyPort: 10255\n";

    /// The documentation of the drop-ins has one that turns authorization off.
    #[test]
    fn a_kubelet_on_a_host_is_its_flags_its_file_and_its_drop_ins() {
        let drop_in = "  /etc/k.d/20-late.conf: '{\"authorization\": {\"mode\": \"AlwaysAllow\"}}'\n  /etc/k.d/10-early.conf: '{\"authorization\": {\"mode\": \"Webhook\"}}'\n";
        for (content, mode) in [
            (FACTS.to_owned(), "Webhook"),
            (format!("{FACTS}{drop_in}"), "AlwaysAllow"),
        ] {
            let kubelet = one("facts.yaml", &content);
            assert_eq!(kubelet["authorization"]["mode"], mode);
            assert_eq!(kubelet["readOnlyPort"], 10255);
        }
    }

    #[test]
    fn a_finding_in_a_drop_in_has_its_place_there() {
        let content = format!(
            "{FACTS}  /etc/k.d/a.conf: '{{\"authorization\": {{\"mode\": \"AlwaysAllow\"}}}}'\n"
        );
        let reading = read_text(
            &Arc::new(Text::new("facts.yaml", content)),
            "facts.yaml",
            None,
        );
        let place = reading.objects[0].place("/authorization/mode").unwrap();
        assert_eq!(place.text.name, "facts.yaml:/etc/k.d/a.conf");
        assert_eq!(
            place.text.content.get(place.shown.range()),
            Some("\"AlwaysAllow\"")
        );
    }

    fn objects(name: &str, content: &str) -> Vec<(String, serde_json::Value)> {
        let reading = read_text(&Arc::new(Text::new(name, content)), name, None);
        assert_eq!(reading.faults, []);
        reading
            .objects
            .iter()
            .map(|object| {
                let document = serde_json::to_value(&object.document).unwrap();
                (object.kind.to_string(), document)
            })
            .collect()
    }

    fn one(name: &str, content: &str) -> serde_json::Value {
        objects(name, content).pop().unwrap().1
    }

    #[test]
    fn a_static_pod_is_a_pod_and_its_component() {
        let content = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: a\n    command: [kube-apiserver]\n    args:\n    - --authorization-mode=Node,RBAC\n";
        let objects = objects("a.yaml", content);
        assert_eq!(
            objects
                .iter()
                .map(|(kind, _)| kind.as_str())
                .collect::<Vec<_>>(),
            ["kubernetes/ApiServer", "Pod"]
        );
        assert_eq!(
            objects[0].1["flags"]["authorization-mode"],
            serde_json::json!(["Node", "RBAC"])
        );
    }

    #[test]
    fn etcd_reads_the_same_from_its_file_as_from_flags() {
        let file = one(
            "etcd.conf.yml",
            "listen-client-urls: https://a,https://b\nclient-transport-security:\n  client-cert-auth: true\n  cert-file: c\npeer-transport-security: {cert-file: p}\n",
        );
        let flags = &file["flags"];
        assert_eq!(
            flags["listen-client-urls"],
            serde_json::json!(["https://a", "https://b"])
        );
        assert_eq!(flags["client-cert-auth"], true);
        assert_eq!(
            (&flags["cert-file"], &flags["peer-cert-file"]),
            (&"c".into(), &"p".into())
        );
        assert_eq!(flags["peer-client-cert-auth"], false);
    }

    #[test]
    fn an_etcd_on_a_host_is_its_flags_its_variables_or_its_file() {
        let facts = |process: &str| {
            format!(
                "apiVersion: stridegate.dev/v1\nkind: HostFacts\nmetadata: {{name: a}}\nprocesses:\n- {process}\ncontents:\n  /etc/etcd.yml: 'client-transport-security: {{cert-file: /c}}'\n"
            )
        };
        for (process, cert) in [
            ("{program: etcd, argv: [], env: {ETCD_CERT_FILE: /b}}", "/b"),
            (
                "{program: etcd, argv: [--cert-file=/a], env: {ETCD_CERT_FILE: /b}}",
                "/a",
            ),
            (
                "{program: etcd, argv: [--config-file, /etc/etcd.yml, --cert-file=/a]}",
                "/c",
            ),
            (
                "{program: etcd, argv: [], env: {ETCD_CONFIG_FILE: /etc/etcd.yml}}",
                "/c",
            ),
            (
                "{program: etcd, argv: [--config-file=/x, --cert-file=/a]}",
                "",
            ),
        ] {
            let etcd = one("facts.yaml", &facts(process));
            assert_eq!(etcd["flags"]["cert-file"], cert, "{process}");
        }
        let reading = read_text(
            &Arc::new(Text::new(
                "f",
                facts("{program: etcd, argv: [--config-file=/etc/etcd.yml]}"),
            )),
            "f",
            None,
        );
        let place = reading.objects[0].place("/flags/cert-file").unwrap();
        assert_eq!(place.text.name, "f:/etc/etcd.yml");
    }

    #[test]
    fn k3s_has_defaults_of_its_own_and_grows_them() {
        let server = one(
            "config.yaml",
            "kube-apiserver-arg:\n- authorization-mode+=Webhook\n- profiling\n",
        );
        assert_eq!(
            server["flags"]["authorization-mode"],
            serde_json::json!(["Node", "RBAC", "Webhook"])
        );
        assert_eq!(server["flags"]["anonymous-auth"], false);
        assert_eq!(server["flags"]["profiling"], true);
        let kubelet = one(
            "config.yaml",
            "kubelet-arg: [\"authorization-mode=AlwaysAllow\"]\n",
        );
        assert_eq!(kubelet["authorization"]["mode"], "AlwaysAllow");
        assert_eq!(kubelet["authentication"]["anonymous"]["enabled"], false);
    }

    #[test]
    fn a_default_stands_at_the_nearest_key() {
        let content = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nauthorization:\n  webhook: {}\n";
        let reading = read_text(&Arc::new(Text::new("k", content)), "k", None);
        let line = |pointer| {
            let place = reading.objects[0].place(pointer).unwrap();
            place.text.position(place.shown.start as usize).line
        };
        assert_eq!(line("/authorization/mode"), 3);
        assert_eq!(line("/readOnlyPort"), 1);
        assert_eq!(reading.objects[0].identity.name, "k");
    }

    #[test]
    fn an_etcd_on_a_host_is_its_file() {
        let content = "apiVersion: stridegate.dev/v1\nkind: HostFacts\nmetadata: {name: a}\nprocesses:\n- program: /usr/bin/etcd\n  argv: [--config-file=/etc/etcd.yml, --client-cert-auth=false]\n";
        let etcd = one("facts.yaml", content);
        assert_eq!(etcd["unknown"][0]["path"], "/flags");
        let file = "contents:\n  /etc/etcd.yml: |\n    client-transport-security: {client-cert-auth: true}\n";
        let content = format!("{content}{file}");
        let text = Arc::new(Text::new("facts.yaml", content));
        let reading = read_text(&text, "facts.yaml", None);
        let etcd = &reading.objects[0];
        let auth = "/flags/client-cert-auth";
        let value = etcd.document.at(auth).map(|found| &found.node.content);
        assert_eq!(value, Some(&Content::Bool(true)));
        assert_eq!(
            etcd.place(auth).unwrap().text.name,
            "facts.yaml:/etc/etcd.yml"
        );
        let path = "/client-transport-security/client-cert-auth";
        assert_eq!(etcd.written_path(auth), path);
    }

    #[test]
    fn a_component_that_does_not_run_is_what_its_unit_would_start() {
        let unit = "contents:\n  /etc/systemd/system/kube-scheduler.service: |\n    [Service]\n    ExecStart=/usr/bin/kube-scheduler --profiling=false\n  /etc/systemd/system/etcd.service: |\n    [Service]\n    EnvironmentFile=/etc/etcd.env\n    Environment=ETCD_NAME=a\n    ExecStart=-/usr/bin/etcd --data-dir=%S/etcd\n  /etc/etcd.env: ETCD_AUTO_TLS=true\n";
        let content = format!(
            "apiVersion: stridegate.dev/v1\nkind: HostFacts\nmetadata: {{name: a}}\n{unit}"
        );
        let found = objects("facts.yaml", &content);
        let kinds: Vec<&str> = found.iter().map(|(kind, _)| &**kind).collect();
        assert_eq!(kinds, ["kubernetes/Etcd", "kubernetes/Scheduler"]);
        let etcd = &found[0].1;
        assert_eq!(etcd["flags"]["name"], "a");
        assert_eq!(etcd["flags"]["auto-tls"], true);
        assert_eq!(etcd["unknown"][0]["path"], "/flags", "the machine knows %S");
        let running = "processes: [{program: kube-scheduler, argv: [--profiling=true]}]\n";
        let scheduler = objects("facts.yaml", &format!("{content}{running}"));
        assert_eq!(scheduler[0].1["flags"]["profiling"], true);
        assert_eq!(scheduler.len(), 2);
    }

    /// Kubescape P1 reads `TLSCipherSuites`, which the kubelet does not.
    #[test]
    fn a_field_in_another_case_is_none() {
        let content = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nTLSCipherSuites: TLS_A\ntlsCipherSuites: [TLS_B]\n";
        let kubelet = one("k", content);
        assert_eq!(kubelet["tlsCipherSuites"], serde_json::json!(["TLS_B"]));
        let content = content.replace("tlsCipherSuites: [TLS_B]\n", "");
        assert_eq!(one("k", &content)["tlsCipherSuites"], serde_json::json!([]));
    }

    fn path_of(content: &str, pointer: &str) -> String {
        let reading = read_text(&Arc::new(Text::new("x", content)), "x", None);
        assert_eq!(reading.faults, []);
        reading.objects[0].written_path(pointer)
    }

    #[test]
    fn the_path_of_a_component_leads_into_what_was_written() {
        let containers = "containers: [{name: a, command: [kube-apiserver, --profiling=false, --authorization-mode, AlwaysAllow]}]";
        let pod = format!("apiVersion: v1\nkind: Pod\nmetadata: {{}}\nspec: {{{containers}}}\n");
        let deployment = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{}}\nspec: {{template: {{spec: {{{containers}}}}}}}\n"
        );
        let command = "/spec/containers/0/command";
        for (content, pointer, path) in [
            (&*pod, "/flags/authorization-mode/0", format!("{command}/3")),
            (&*pod, "/flags/profiling", format!("{command}/1")),
            (&*pod, "/flags/secure-port", command.to_owned()),
            (
                &*deployment,
                "/flags/profiling",
                format!("/spec/template{command}/1"),
            ),
            (
                "kube-apiserver-arg: [\"profiling=true\"]\n",
                "/flags/profiling",
                "/kube-apiserver-arg/0".to_owned(),
            ),
            (
                "peer-transport-security: {cert-file: x}\nlisten-peer-urls: a\n",
                "/flags/peer-cert-file",
                "/peer-transport-security/cert-file".to_owned(),
            ),
            (
                "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\napiServer: {extraArgs: [{name: profiling, value: 'false'}]}\n",
                "/flags/profiling",
                "/apiServer/extraArgs/0/value".to_owned(),
            ),
        ] {
            assert_eq!(path_of(content, pointer), path, "{content}");
        }
    }

    #[test]
    fn a_fix_of_a_flag_is_one_of_the_words() {
        let fixed = |words: &str, flag: &str, value: Value| {
            let content = format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{}}\nspec: {{containers: [{{name: a, command: [{words}]}}]}}\n"
            );
            let reading = read_text(&Arc::new(Text::new("x", content)), "x", None);
            let path = format!("/flags/{flag}");
            let judged = [json!({"op": "replace", "path": path, "value": value})];
            let operations = reading.objects[0].written_patch(&judged)?;
            let operation = &operations[0];
            Some((
                operation["path"]
                    .as_str()?
                    .trim_start_matches("/spec/containers/0/command")
                    .to_owned(),
                operation["value"].as_str()?.to_owned(),
            ))
        };
        let modes = || json!(["Node", "RBAC"]);
        let known = |path: &str, value: &str| Some((path.to_owned(), value.to_owned()));
        for (words, expected) in [
            (
                "kube-apiserver, --authorization-mode=X",
                known("/1", "--authorization-mode=Node,RBAC"),
            ),
            (
                "kube-apiserver, --authorization_mode, X",
                known("/2", "Node,RBAC"),
            ),
            (
                "kube-apiserver, --profiling=false",
                known("/-", "--authorization-mode=Node,RBAC"),
            ),
            (
                "kube-apiserver, --authorization-mode=X, --authorization-mode=Y",
                None,
            ),
            ("sh, -c, 'kube-apiserver --authorization-mode=X'", None),
            ("sh, -c, kube-apiserver", None),
        ] {
            assert_eq!(
                fixed(words, "authorization-mode", modes()),
                expected,
                "{words}"
            );
        }
    }

    #[test]
    fn a_field_of_the_wrong_type_is_a_fault() {
        let content = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nauthorization: Webhook\n";
        let reading = read_text(&Arc::new(Text::new("k", content)), "k", None);
        assert_eq!(reading.objects.len(), 0);
        assert_eq!(reading.faults[0].position.unwrap().line, 3);
    }

    #[test]
    fn other_files_are_left_alone() {
        for content in [
            "name: ci\non: push\njobs: {build: {steps: []}}\n",
            "{\"name\": \"x\", \"version\": \"1\", \"scripts\": {}}",
            "cluster:\n  listen-client-urls: x\n",
            "server: https://a:6443\ntoken: x\n",
        ] {
            assert_eq!(objects("x.yaml", content).len(), 0, "{content}");
        }
    }

    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "kube-apiserver",
            "etcd",
            "kubelet",
            "k3s server",
            "hyperkube",
            "sh",
            "-c",
            "exec ",
            "--authorization-mode",
            "=",
            "AlwaysAllow",
            ",",
            "--config",
            "-client-cert-auth",
            "$(A)",
            "$(B)",
            "$",
            "${A}",
            "`",
            "'",
            "\\\"",
            "\\\\",
            ";",
            "|",
            ">",
            " ",
            "2>&1",
            "--kubelet-arg",
            "--kube-apiserver-arg",
            "+=",
            "#",
            "\\n",
            "ż",
        ]);
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn places_lie_in_the_text(words in prop::collection::vec(pieces(), 0..6), a in pieces(), key in pieces()) {
            let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            let words = words.join(", ");
            let pod = format!("apiVersion: v1\nkind: Pod\nmetadata: {{}}\nspec:\n  containers:\n  - env:\n    - {{name: A, value: \"{a}\"}}\n    - {{name: B, value: \"$(A)$(A)\"}}\n    - {{name: ETCD_CONFIG_FILE, value: \"\"}}\n    command: [{words}]\n");
            let rancher = format!("kubelet-arg: [{words}]\nkube-apiserver-arg: \"{key}\"\netcd-arg: {{a: 1}}\n");
            let kubelet = format!("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n\"{key}\": [{words}]\nauthorization: {{mode: \"{a}\"}}\n");
            let etcd = format!("listen-client-urls: \"{a}\"\nlisten-peer-urls: [{words}]\n\"{key}\": {{}}\n");
            let kubeadm = format!("apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\napiServer: {{extraArgs: [{{name: \"{key}\", value: \"{a}\"}}]}}\netcd: {{local: {{extraArgs: {{\"{key}\": [{words}]}}}}}}\n");
            let config_map = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: kubelet-config}}\ndata:\n  kubelet: |\n    kind: KubeletConfiguration\n    apiVersion: kubelet.config.k8s.io/v1beta1\n    \"{key}\": [{words}]\n    tlsMinVersion: \"{a}\"\n");
            let unit = format!("[Service]\nEnvironment=A={a} B=%i\nExecStart={key} {words} $A\n");
            for content in [pod, rancher, kubelet, etcd, kubeadm, config_map, unit] {
                let name = if content.starts_with('[') { "etcd.service" } else { "x" };
                let text = Arc::new(Text::new(name, content));
                let format = super::super::Format::promised_by(Path::new(name));
                let reading = read_text(&text, "x", format);
                for object in &reading.objects {
                    check(&object.document, &text.content)?;
                }
            }
        }
    }

    fn check(node: &Node, content: &str) -> Result<(), TestCaseError> {
        prop_assert!(content.get(node.span.range()).is_some());
        for entry in node.entries() {
            prop_assert!(content.get(entry.key_span.range()).is_some());
            check(&entry.value, content)?;
        }
        node.items()
            .iter()
            .try_for_each(|item| check(item, content))
    }

    #[test]
    fn a_pod_of_too_many_components_is_a_fault() {
        let script = "etcd;".repeat(1000);
        let content = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{}}\nspec:\n  containers:\n  - command: [sh, -c, \"{script}\"]\n"
        );
        let reading = read_text(&Arc::new(Text::new("x", content)), "x", None);
        assert_eq!((reading.faults.len(), reading.objects.len()), (1, 1));
    }

    #[test]
    fn variables_that_double_do_not_exhaust_memory() {
        use std::fmt::Write;
        let mut content = "apiVersion: v1\nkind: Pod\nmetadata: {}\nspec:\n  containers:\n  - env:\n    - {name: V0, value: xxxxxxxx}\n".to_owned();
        for n in 1..60 {
            writeln!(
                content,
                "    - {{name: V{n}, value: \"$(V{m})$(V{m})\"}}",
                m = n - 1
            )
            .unwrap();
        }
        content.push_str("    command: [kube-apiserver, \"--a=$(V59)\"]\n");
        let server = objects("x", &content).swap_remove(0).1;
        assert_eq!(server["unknown"][0]["path"], "/flags/a");
    }
}
