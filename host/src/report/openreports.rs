//! Reports as resources of a cluster: `Report` and `ClusterReport` of `openreports.io/v1alpha1`.
//!
//! There is one for each namespace and not for each object, so that a cluster keeps few of them;
//! only what was found is spelled out, and the rest is counted.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::constraint::Enforcement;
use crate::engine::contract::Verdict;
use crate::object::Identity;
use crate::review::{Answer, FileReview, Review, ReviewError, RuleResult, category, severity};

/// The version of the resources.
pub const API_VERSION: &str = "openreports.io/v1alpha1";

/// The label that tells these reports from those of others.
pub const LABEL: (&str, &str) = ("app.kubernetes.io/managed-by", "stridegate");

/// The most results of one resource, which etcd keeps whole.
const MOST: usize = 500;

/// The resources of a review, at a time in seconds since 1970. Those of cluster-scoped objects come
/// first, then those of each namespace in order.
#[must_use]
pub fn resources(review: &Review, now: u64) -> Vec<Value> {
    let mut namespaces: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for file in &review.files {
        for result in &file.results {
            if let Some(entry) = found(result, file, now) {
                namespaces
                    .entry(&result.identity.namespace)
                    .or_default()
                    .push(entry);
            }
        }
    }
    for error in review.errors() {
        let namespace = error.object.as_ref().map(|object| &*object.namespace);
        namespaces
            .entry(namespace.unwrap_or_default())
            .or_default()
            .push(failed(error, now));
    }
    let mut resources = Vec::new();
    for (namespace, results) in namespaces {
        for (number, part) in results.chunks(MOST).enumerate() {
            resources.push(resource(namespace, number, part));
        }
    }
    resources
}

fn resource(namespace: &str, number: usize, results: &[Value]) -> Value {
    let name = match number {
        0 => "stridegate".to_owned(),
        number => format!("stridegate-{number}"),
    };
    let count = |outcome: &str| {
        results
            .iter()
            .filter(|result| result["result"] == outcome)
            .count()
    };
    let mut resource = json!({
        "apiVersion": API_VERSION,
        "kind": if namespace.is_empty() { "ClusterReport" } else { "Report" },
        "metadata": {"name": name, "labels": {LABEL.0: LABEL.1}},
        "source": "stridegate",
        "summary": {
            "pass": 0,
            "fail": count("fail"),
            "warn": count("warn"),
            "error": count("error"),
            "skip": count("skip"),
        },
        "results": results,
    });
    if !namespace.is_empty() {
        resource["metadata"]["namespace"] = namespace.into();
        resource["scope"] = json!({"apiVersion": "v1", "kind": "Namespace", "name": namespace});
    }
    resource
}

/// What was found, as a result: what is refused fails, what is excepted is skipped, and everything
/// else warns.
fn found(result: &RuleResult, file: &FileReview, now: u64) -> Option<Value> {
    let Answer::Found(offence) = &result.answer else {
        return None;
    };
    let outcome = match result.enforcement {
        _ if result.exception.is_some() => "skip",
        Enforcement::Deny => "fail",
        Enforcement::Warn | Enforcement::Dryrun => "warn",
    };
    let description = &result.constraint.policy.description;
    let mut properties = BTreeMap::from([
        ("path", offence.path.clone()),
        ("version", description.version.clone()),
        ("enforcement", result.enforcement.name().to_owned()),
    ]);
    if offence.verdict == Verdict::Unknown {
        properties.insert("certain", "false".into());
    }
    if let Some(name) = &result.constraint.name {
        properties.insert("constraint", name.clone());
    }
    if let Some(grant) = &result.exception {
        properties.insert("exception", grant.name.clone());
    }
    let controls: Vec<String> = result
        .rule()
        .controls
        .iter()
        .map(|control| format!("{} {}", control.benchmark, control.id))
        .collect();
    if !controls.is_empty() {
        properties.insert("controls", controls.join(", "));
    }
    let threat = description.threats.first();
    Some(json!({
        "policy": description.id,
        "rule": result.rule().id,
        "category": threat.map(|threat| category(threat.category)),
        "severity": severity(offence.severity),
        "timestamp": {"seconds": now, "nanos": 0},
        "result": outcome,
        "scored": outcome == "fail",
        "resources": [reference(&result.identity)],
        "message": file.secrets.mask(&offence.message),
        "properties": properties,
    }))
}

fn failed(error: &ReviewError, now: u64) -> Value {
    json!({
        "policy": error.policy.as_deref().unwrap_or("stridegate"),
        "timestamp": {"seconds": now, "nanos": 0},
        "result": "error",
        "resources": error.object.iter().map(reference).collect::<Vec<_>>(),
        "message": error.message,
    })
}

fn reference(identity: &Identity) -> Value {
    let mut reference = json!({"kind": identity.kind, "name": identity.name});
    if !identity.namespace.is_empty() {
        reference["namespace"] = identity.namespace.clone().into();
    }
    reference
}
