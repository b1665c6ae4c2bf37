//! Kubernetes objects in YAML or JSON, as `kubectl` reads them.

use std::path::Path;
use std::sync::Arc;

use stridegate_shapes::{Kind, pod};

use super::{Documents, InputFault, Reading, cluster, json, yaml};
use crate::object::{Content, Identity, Move, Node, Object, Text};

/// Whether a text can hold a Kubernetes object at all, which spares parsing what cannot. An
/// escape or a tag could spell the two names in another way, so that nothing is ruled out then.
pub(super) fn is_plausible(content: &str) -> bool {
    let spelled = content.contains("apiVersion") && content.contains("kind");
    spelled
        || cluster::is_plausible(content)
        || super::dockerfile_by_content(content)
        || (content.contains(['\\', '!']) && !content.contains('\0'))
}

/// Reads the objects of a text. What is no Kubernetes object is passed over. A configuration that
/// has no name of its own gets `name`.
pub(super) fn read(text: &Arc<Text>, name: &str) -> Reading {
    let is_json = text.content.trim_start().starts_with(['{', '[']);
    let Documents { documents, fault } = if is_json {
        json_or_flow(&text.content)
    } else {
        yaml::read(&text.content)
    };
    let mut reading = Reading::default();
    for document in documents {
        if cluster::recognises(Path::new(&text.name), &document) {
            cluster::read(&document, text, name, &mut reading);
        } else {
            add(document, None, (text, name), &mut reading);
        }
    }
    let spelled = text.content.contains("apiVersion") && text.content.contains("kind");
    // A file without the two names that every object has is something else, well-formed or not.
    reading.faults.extend(
        fault
            .filter(|_| spelled || reading.written > 0)
            .map(|fault| InputFault {
                position: Some(text.position(fault.at)),
                message: fault.message,
            }),
    );
    reading
}

/// `kubectl` takes what begins with a brace for JSON, and as YAML in flow style if it is not.
fn json_or_flow(content: &str) -> Documents {
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
    let item_kind = kind
        .strip_suffix("List")
        .map(|item| (api_version.to_owned(), item.to_owned()));
    if let (Some(item_kind), Some(_)) = (&item_kind, document.get("items")) {
        let of_list = Some(item_kind).filter(|(_, kind)| !kind.is_empty());
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
    reading.written += 1;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let kind = Kind::new(group, kind);
    let version = version.to_owned();
    let identity = Arc::new(identity(&kind, &document, name));
    let template = pod::template(&kind);
    let pod = template
        .map(|pointer| to_pod(&document, pointer, &identity))
        .transpose();
    match pod {
        Ok(Some(pod)) => add_pod(
            pod,
            moves(template.unwrap_or_default()),
            &identity,
            text,
            reading,
        ),
        Ok(None) => {}
        Err(fault) => reading.faults.push(located(fault, text)),
    }
    if kind == pod::KIND {
        add_pod(document, Vec::new(), &identity, text, reading);
    } else {
        reading.objects.push(Object {
            kind,
            version,
            identity,
            document,
            moves: Vec::new(),
            texts: vec![Arc::clone(text)],
        });
    }
}

fn add_pod(
    document: Node,
    moves: Vec<Move>,
    identity: &Arc<Identity>,
    text: &Arc<Text>,
    reading: &mut Reading,
) {
    if let Some((node, problem)) = pod::problem(&document) {
        let message = format!("{identity}: {problem}; the API server refuses it");
        reading
            .faults
            .push(located((node.span.start as usize, message), text));
        return;
    }
    cluster::add_components(&document, identity, text, reading);
    reading.objects.push(Object {
        kind: pod::KIND,
        version: pod::VERSION.into(),
        identity: Arc::clone(identity),
        document,
        moves,
        texts: vec![Arc::clone(text)],
    });
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
            .map(str::to_owned)
    };
    // A configuration is no object of the API: its name is that of its file.
    let is_configuration = kind.group.ends_with("config.k8s.io") || kind.name == "EncryptionConfig";
    let name = text("name")
        .or_else(|| text("generateName"))
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
fn to_pod(workload: &Node, template: &str, identity: &Identity) -> Result<Node, (usize, String)> {
    let Some(located) = workload.at(template) else {
        let at = workload
            .entries()
            .iter()
            .find(|entry| entry.key == "kind")
            .map_or(workload.span, |entry| entry.key_span);
        return Err((
            at.start as usize,
            format!("{identity} has no template at {template}; the API server refuses it"),
        ));
    };
    let here = located.key.unwrap_or(located.node.span);
    let mut metadata = located
        .node
        .get("metadata")
        .cloned()
        .unwrap_or_else(|| Node::map(here, []));
    for key in ["name", "namespace"] {
        if let Some(entry) = workload
            .get("metadata")
            .and_then(|metadata| metadata.entry(key))
        {
            metadata.set(key, entry.key_span, entry.value.clone());
        }
    }
    let mut pod = Node::map(
        here,
        [
            ("apiVersion", Node::string(here, pod::VERSION)),
            ("kind", Node::string(here, &*pod::KIND.name)),
        ],
    );
    let template_key = |key| located.node.entry(key).map_or(here, |entry| entry.key_span);
    pod.set("metadata", template_key("metadata"), metadata);
    if let Some(spec) = located.node.get("spec") {
        pod.set("spec", template_key("spec"), spec.clone());
    }
    Ok(pod)
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
