//! Kubernetes objects in YAML or JSON, as `kubectl` reads them.

use std::path::Path;
use std::sync::Arc;

use stridegate_shapes::{Kind, pod};

use super::{InputFault, Reading, admission, cluster};
use crate::object::{Content, Identity, Move, Node, Object, Text, Written, owner};

const CONFIG_MAP: Kind = Kind::known("", "ConfigMap");

/// Whether a text spells the two names that every object has. An escape or a tag could spell
/// them in another way, so that a text with one of those may hold an object all the same.
pub(super) fn is_plausible(content: &str) -> bool {
    is_spelled(content) || content.contains(['\\', '!'])
}

/// Whether a text spells the two names that every object has.
pub(super) fn is_spelled(content: &str) -> bool {
    content.contains("apiVersion") && content.contains("kind")
}

/// Whether a document is an object, or a Pod or workload that lacks its `apiVersion`.
pub(super) fn recognises(_name: &Path, document: &Node) -> bool {
    document.get("kind").is_some()
}

/// Reads an object, or the objects of a list. What is no object is passed over.
pub(super) fn read(document: &Node, text: &Arc<Text>, name: &str, reading: &mut Reading) {
    add(document.clone(), None, (text, name), reading);
}

/// Adds an object, or the objects of a list. The items of a typed list need not say their kind:
/// it is then `of_list`.
fn add(
    mut document: Node,
    of_list: Option<&(String, String)>,
    (text, name): (&Arc<Text>, &str),
    reading: &mut Reading,
) {
    let Content::Map(_) = document.content else {
        return;
    };
    if let Some((api_version, kind)) = of_list {
        for (key, value) in [("apiVersion", api_version), ("kind", kind)] {
            if document.get(key).is_none() {
                document.set(key, document.span, Node::string(document.span, value));
            }
        }
    }
    let (Some(api_version), Some(kind)) = (document.text("apiVersion"), document.text("kind"))
    else {
        refuse_headless(&document, text, reading);
        return;
    };
    // What Stridegate itself is told is nothing to judge.
    if api_version == "stridegate.dev/v1" {
        return;
    }
    if admission::recognises(&document) {
        admission::read(&document, text, reading);
        return;
    }
    let item_kind = kind
        .strip_suffix("List")
        .map(|item| (api_version.to_owned(), item.to_owned()));
    // For kubectl, whatever has a list of items is a list, whatever its kind.
    if document
        .get("items")
        .is_some_and(|items| matches!(items.content, Content::List(_)))
    {
        let of_list = item_kind.as_ref().filter(|(_, kind)| !kind.is_empty());
        if let Content::Map(entries) = document.content {
            let items = entries
                .into_iter()
                .find(|entry| entry.key == "items")
                .map(|entry| entry.value.content);
            if let Some(Content::List(items)) = items {
                for item in items {
                    add(item, of_list, (text, name), reading);
                }
            }
        }
        return;
    }
    add_object(document, text, name, reading);
}

/// Adds an object, whatever lists it has; `name` is that of one that has none of its own.
pub(super) fn add_object(document: Node, text: &Arc<Text>, name: &str, reading: &mut Reading) {
    let (Some(api_version), Some(kind)) = (document.text("apiVersion"), document.text("kind"))
    else {
        refuse_headless(&document, text, reading);
        return;
    };
    reading.written += 1;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let kind = Kind::new(group, kind);
    let version = version.to_owned();
    let object = Object {
        version,
        identity: Arc::new(identity(&kind, &document, name)),
        written: written(&document),
        moves: Vec::new(),
        origin: None,
        texts: vec![Arc::clone(text)],
        kind,
        document,
    };
    if let Some(template) = pod::template(&object.kind) {
        match to_pod(&object, template) {
            Ok(pod) => add_pod(pod, reading),
            Err(fault) => reading.faults.push(located(fault, text)),
        }
    }
    if object.kind == pod::KIND {
        add_pod(object, reading);
    } else {
        if object.kind == CONFIG_MAP {
            cluster::add_kept(&object, reading);
        }
        reading.objects.push(object);
    }
}

fn add_pod(object: Object, reading: &mut Reading) {
    if let Some((node, problem)) = pod::problem(&object.document) {
        let message = format!("{}: {problem}; the API server refuses it", object.identity);
        let text = Arc::clone(&object.texts[0]);
        reading
            .faults
            .push(located((node.span.start as usize, message), &text));
        return;
    }
    cluster::add_components(&object, reading);
    reading.objects.push(object);
}

/// The kinds whose controllers make objects of a kind.
fn makers(kind: &str) -> &'static [&'static str] {
    match kind {
        "Pod" => &[
            "ReplicaSet",
            "ReplicationController",
            "StatefulSet",
            "DaemonSet",
            "Job",
        ],
        "ReplicaSet" => &["Deployment"],
        "Job" => &["CronJob"],
        _ => &[],
    }
}

/// What a match and the question of who owns what look at.
fn written(document: &Node) -> Written {
    let Some(metadata) = document.get("metadata") else {
        return Written::default();
    };
    let owners = metadata
        .get("ownerReferences")
        .map(Node::items)
        .unwrap_or_default();
    let makers = makers(document.text("kind").unwrap_or_default());
    Written {
        labels: None,
        uid: metadata.text("uid").unwrap_or_default().to_owned(),
        // Anybody may name an owner, be it itself; what makes such objects takes back what it did
        // not make.
        owners: owners
            .iter()
            .filter(|owner| {
                owner
                    .get("controller")
                    .is_some_and(|controls| controls.content == Content::Bool(true))
            })
            .filter_map(|named| Some((named.text("kind")?, named.text("uid")?)))
            .filter(|(kind, _)| makers.contains(kind))
            .map(|(kind, uid)| owner(kind, uid))
            .collect(),
        ..Written::default()
    }
}

fn located((at, message): (usize, String), text: &Text) -> InputFault {
    InputFault {
        position: Some(text.position(at)),
        message,
    }
}

/// A Pod or workload whose `apiVersion` is missing is a mistake, not something else.
fn refuse_headless(document: &Node, text: &Text, reading: &mut Reading) {
    let Some(kind) = document.get("kind") else {
        return;
    };
    let name = kind.as_str().unwrap_or_default();
    let known = ["", "apps", "batch"].iter().any(|group| {
        let kind = Kind::new(*group, name);
        kind == pod::KIND || pod::template(&kind).is_some()
    });
    if known && document.get("spec").is_some() {
        let message = format!("this {name} has no apiVersion, and kubectl refuses it; add one");
        reading
            .faults
            .push(located((kind.span.start as usize, message), text));
    }
}

fn identity(kind: &Kind, document: &Node, of_file: &str) -> Identity {
    let metadata = document.get("metadata");
    let text = |key| {
        metadata
            .and_then(|metadata| metadata.text(key))
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    // A configuration is no object of the API: its name is that of its file.
    let is_configuration = kind.group.ends_with("config.k8s.io")
        || kind.group == "audit.k8s.io"
        || kind.name == "EncryptionConfig";
    let name = text("name")
        // The API server will add some characters to it: it is not the name of another object.
        .or_else(|| Some(text("generateName")? + "*"))
        .or_else(|| is_configuration.then(|| of_file.to_owned()))
        .unwrap_or_else(|| "(without name)".into());
    Identity {
        group: kind.group.to_string(),
        kind: kind.name.to_string(),
        name,
        namespace: text("namespace").unwrap_or_default(),
    }
}

/// The Pod that a workload makes: its template, with the name and namespace of the workload.
fn to_pod(object: &Object, template: &'static str) -> Result<Object, (usize, String)> {
    let workload = &object.document;
    let Some(located) = workload.at(template) else {
        let at = workload
            .entry("kind")
            .map_or(workload.span, |entry| entry.key_span)
            .start;
        let message = format!(
            "{} has no template at {template}; the API server refuses it",
            object.identity
        );
        return Err((at as usize, message));
    };
    let here = located.key.unwrap_or(located.node.span);
    let own = workload.get("metadata");
    let mut metadata = located
        .node
        .get("metadata")
        .cloned()
        .unwrap_or_else(|| Node::map(here, []));
    for key in ["name", "namespace"] {
        if let Some(entry) = own.and_then(|metadata| metadata.entry(key)) {
            metadata.set(key, entry.key_span, entry.value.clone());
        }
    }
    let kind = [("apiVersion", pod::VERSION), ("kind", &pod::KIND.name)];
    let mut pod = Node::map(
        here,
        kind.map(|(key, text)| (key, Node::string(here, text))),
    );
    let place = |key| located.node.entry(key).map_or(here, |entry| entry.key_span);
    pod.set("metadata", place("metadata"), metadata);
    if let Some(spec) = located.node.get("spec") {
        pod.set("spec", place("spec"), spec.clone());
    }
    Ok(Object {
        kind: pod::KIND,
        version: pod::VERSION.into(),
        identity: Arc::clone(&object.identity),
        written: Written {
            labels: own.and_then(|metadata| metadata.get("labels")).cloned(),
            ..object.written.clone()
        },
        document: pod,
        moves: moves(template),
        origin: None,
        texts: object.texts.clone(),
    })
}

/// Where the parts of a workload's Pod stand in the workload.
fn moves(template: &'static str) -> Vec<Move> {
    let (metadata, spec) = match template {
        "/spec/template" => ("/spec/template/metadata", "/spec/template/spec"),
        "/spec/jobTemplate/spec/template" => (
            "/spec/jobTemplate/spec/template/metadata",
            "/spec/jobTemplate/spec/template/spec",
        ),
        _ => ("/template/metadata", "/template/spec"),
    };
    vec![
        Move {
            judged: "/metadata/name",
            written: "/metadata/name",
        },
        Move {
            judged: "/metadata/namespace",
            written: "/metadata/namespace",
        },
        Move {
            judged: "/metadata",
            written: metadata,
        },
        Move {
            judged: "/spec",
            written: spec,
        },
        Move {
            judged: "",
            written: template,
        },
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::object::Text;
    use crate::source::daemon::tests::check_places;
    use crate::source::read_text;

    fn value() -> impl Strategy<Value = String> {
        prop::sample::select(vec![
            "a",
            "",
            "null",
            "7",
            "[]",
            "{}",
            "[null, 1]",
            "{a: [b]}",
            "é",
            "&x {name: ż}",
            "[{name: a, image: é, command: [kube-apiserver, --a=é]}]",
            "{metadata: {labels: {a: é}}, spec: {containers: [{}]}}",
            "{spec: {template: {spec: {containers: [{name: a}]}}}}",
            "{data: {kubelet: é}}",
            "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{}]}}",
            "|\n    apiVersion: kubelet.config.k8s.io/v1beta1\n    kind: KubeletConfiguration\n    port: é\n",
        ])
        .prop_map(str::to_owned)
    }

    proptest! {
        #[test]
        fn any_members_are_read_or_refused(
            kind in prop::sample::select(vec![
                "v1 Pod", "apps/v1 Deployment", "batch/v1 CronJob", "v1 PodTemplate", "v1 List", "v1 PodList", "v1 ConfigMap",
                "admission.k8s.io/v1 AdmissionReview", "stridegate.dev/v1 HostFacts", "kubeadm.k8s.io/v1beta4 ClusterConfiguration",
                "kubeadm.k8s.io/v1beta3 InitConfiguration", "apiserver.config.k8s.io/v1 AuthorizationConfiguration", "a b",
            ]),
            members in prop::collection::vec((
                prop::sample::select(vec![
                    "metadata", "spec", "items", "request", "data", "apiServer", "etcd", "nodeRegistration", "template",
                    "authorizers", "files", "processes",
                ]),
                value(),
            ), 0..5),
            named in any::<bool>(),
        ) {
            let (version, kind) = kind.split_once(' ').unwrap_or_default();
            let mut text = format!("apiVersion: {version}\nkind: {kind}\n");
            if named {
                text += "metadata: {name: kubelet-config, namespace: kube-system}\n";
            }
            let members = members.iter().map(|(key, value)| format!("{key}: {value}\n"));
            text.extend(members);
            let text = std::sync::Arc::new(Text::new("x", text));
            let reading = read_text(&text, "x", None);
            check_places(&reading);
            for object in &reading.objects {
                for entry in object.document.entries() {
                    let pointer = format!("/{}", entry.key);
                    prop_assert!(object.place(&pointer).is_some());
                    prop_assert!(!object.written_path(&pointer).is_empty());
                }
            }
        }
    }
}
