//! `Pod`, version `v1`: Kubernetes' own Pod, and where a workload keeps the template of its Pods.

use crate::{Content, Kind, Node};

/// The kind of this shape.
pub const KIND: Kind = Kind::known("", "Pod");

/// The version of this shape.
pub const VERSION: &str = "v1";

/// The JSON Schema of what policies rely on in a Pod.
pub const SCHEMA: &str = include_str!("../schema/Pod.json");

/// Where a workload keeps the template of the Pods that it makes, as a JSON Pointer; `None` for
/// a kind that makes no Pods. The API version does not matter: what was `extensions/v1beta1`
/// keeps its template where `apps/v1` does.
#[must_use]
pub fn template(kind: &Kind) -> Option<&'static str> {
    match (&*kind.group, &*kind.name) {
        ("apps" | "extensions", "Deployment" | "DaemonSet" | "ReplicaSet")
        | ("apps", "StatefulSet")
        | ("", "ReplicationController")
        | ("batch", "Job") => Some("/spec/template"),
        ("batch", "CronJob") => Some("/spec/jobTemplate/spec/template"),
        ("", "PodTemplate") => Some("/template"),
        _ => None,
    }
}

/// The kinds that make Pods, in the groups that a cluster of today serves.
pub const WORKLOADS: [Kind; 8] = [
    Kind::known("apps", "Deployment"),
    Kind::known("apps", "DaemonSet"),
    Kind::known("apps", "ReplicaSet"),
    Kind::known("apps", "StatefulSet"),
    Kind::known("", "ReplicationController"),
    Kind::known("batch", "Job"),
    Kind::known("batch", "CronJob"),
    Kind::known("", "PodTemplate"),
];

/// The lists of a Pod's spec that hold containers, in the order in which they start.
pub const CONTAINER_LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// What keeps a document from being a Pod at all, and the value that does: without it a policy
/// would look at nothing and find nothing.
#[must_use]
pub fn problem(document: &Node) -> Option<(&Node, String)> {
    let Some(spec) = document.get("spec") else {
        return Some((document, "has no spec".into()));
    };
    if !matches!(spec.content, Content::Map(_)) {
        return Some((spec, "its spec is no map".into()));
    }
    for list in CONTAINER_LISTS {
        let Some(containers) = spec.get(list) else {
            continue;
        };
        match &containers.content {
            Content::Null => {}
            Content::List(items) => {
                if let Some(item) = items
                    .iter()
                    .find(|item| !matches!(item.content, Content::Map(_)))
                {
                    return Some((item, format!("an item of {list} is no map")));
                }
            }
            _ => return Some((containers, format!("{list} is no list"))),
        }
    }
    let none = spec
        .get("containers")
        .is_none_or(|containers| containers.items().is_empty());
    none.then(|| (spec, "has no containers".into()))
}
