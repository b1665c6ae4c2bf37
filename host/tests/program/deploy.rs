//! The files that put the program into a cluster.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use stridegate::catalog::Catalog;
use stridegate::engine::{Engine, Limits};
use stridegate::source::yaml;
use stridegate_shapes::pod;

use super::{entries, folder, report, root};

fn kubernetes() -> PathBuf {
    root().join("host/deploy/kubernetes")
}

/// The documents of a file.
fn documents(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(kubernetes().join(name)).expect("the file is there");
    let read = yaml::read(&text);
    assert_eq!(read.fault, None, "{name}");
    let documents = read.documents.iter();
    documents
        .map(|document| serde_json::to_value(document).expect("a tree is JSON"))
        .collect()
}

#[test]
fn the_files_pass_our_own_policies() {
    let (code, told) = report(&root(), &["eval", "host/deploy/kubernetes"]);
    assert_eq!(code, 0, "{told:#}");
    assert!(told["summary"]["objects"].as_u64() > Some(10), "{told:#}");
    // Only the digests are left to whoever builds the image, and the files say so.
    assert_eq!(told["summary"]["unknown"], 0);
    for found in entries(&told, "results", "outcome", "fail") {
        assert_eq!(found["exception"], "inline", "{found:#}");
        let policy = found["policy"].as_str().expect("it is named");
        assert!(
            ["mutable-image", "unverified-image"].contains(&policy),
            "{found:#}"
        );
    }
}

#[test]
fn the_shipped_constraints_refuse_nothing() {
    let constraints = kubernetes().join("base/constraints.yaml");
    let manifest = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: NS}\nspec: {containers: [{name: a, securityContext: {runAsUser: 0}}]}\n";
    let folder = folder(&[
        ("a.yaml", &manifest.replace("NS", "shop")),
        ("b.yaml", &manifest.replace("NS", "kube-system")),
    ]);
    let constraints = constraints.to_string_lossy().into_owned();
    let (code, told) = report(folder.path(), &["eval", ".", "-c", &constraints]);
    assert_eq!(code, 0, "{told:#}");
    let found = entries(&told, "results", "outcome", "fail");
    assert!(!found.is_empty());
    assert!(
        found
            .iter()
            .all(|found| found["enforcement"] == "warn" && found["file"] == "a.yaml")
    );
}

fn texts(value: &Value) -> BTreeSet<String> {
    let items = value.as_array().into_iter().flatten();
    items
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

/// The groups and resources that rules name.
fn named(rules: &Value) -> BTreeSet<(String, String)> {
    let rules = rules.as_array().expect("there are rules");
    rules
        .iter()
        .flat_map(|rule| {
            let groups = texts(&rule["apiGroups"]);
            let resources = texts(&rule["resources"]);
            groups.into_iter().flat_map(move |group| {
                let resources = resources.clone().into_iter();
                resources.map(move |resource| (group.clone(), resource))
            })
        })
        .collect()
}

/// The groups and resources of the API that a policy judges, and of what makes Pods.
fn judged() -> BTreeSet<(String, String)> {
    let engine = Engine::new(1, Limits::default()).expect("the machine can run components");
    let mut catalog = Catalog::default();
    let cache = stridegate::engine::Cache::of_user();
    catalog.add_path(&engine, cache.as_ref(), &root().join("target/policies"));
    let mut kinds: BTreeSet<(String, String)> = catalog
        .policies()
        .flat_map(|policy| &policy.description.kinds)
        .map(|kind| (kind.group.clone(), kind.name.clone()))
        .collect();
    if kinds.contains(&(String::new(), "Pod".into())) {
        let workloads = pod::WORKLOADS;
        kinds.extend(
            workloads
                .iter()
                .map(|kind| (kind.group.to_string(), kind.name.to_string())),
        );
    }
    // Shapes of this program, and configurations that no API server serves.
    kinds.retain(|(group, kind)| {
        !["docker", "kubernetes", "host", "compose"].contains(&group.as_str())
            && !group.ends_with("config.k8s.io")
            && group != "audit.k8s.io"
            && kind != "EncryptionConfig"
    });
    assert!(kinds.len() > 8, "{kinds:?}");
    let resource = |kind: String| match kind.as_str() {
        // The options of a connection come with its subresource.
        "NodeProxyOptions" => "nodes/proxy".into(),
        "PodExecOptions" => "pods/exec".into(),
        "PodAttachOptions" => "pods/attach".into(),
        "PodPortForwardOptions" => "pods/portforward".into(),
        kind if kind.ends_with("Policy") => {
            format!("{}ies", kind.trim_end_matches('y').to_lowercase())
        }
        kind => format!("{}s", kind.to_lowercase()),
    };
    let kinds = kinds.into_iter();
    kinds.map(|(group, kind)| (group, resource(kind))).collect()
}

/// What a scan may read is what the policies judge, and what they are judged with.
#[test]
fn a_scan_may_list_all_that_a_policy_judges() {
    let role = &documents("scan/access.yaml")[1];
    for rule in role["rules"].as_array().expect("there are rules") {
        let reports = texts(&rule["apiGroups"]) == BTreeSet::from(["openreports.io".into()]);
        let verbs = texts(&rule["verbs"]);
        assert!(
            reports || verbs == BTreeSet::from(["list".into()]),
            "{rule}"
        );
    }
    let allowed = named(&role["rules"]);
    let judged = judged();
    let read = judged
        .iter()
        .filter(|(_, resource)| !resource.contains('/'));
    for of in read {
        assert!(
            allowed.contains(of),
            "scan/access.yaml does not name {of:?}"
        );
    }
}

/// Constraints of the cluster take the place of those of a file.
#[test]
fn the_overlay_for_constraints_of_the_cluster_fits_the_deployment() {
    let overlay = &documents("constraints-from-cluster/kustomization.yaml")[0];
    let text = overlay["patches"][0]["patch"].as_str();
    let steps = yaml::read(text.expect("it is a patch")).documents;
    let steps = serde_json::to_value(&steps[0]).expect("a tree is JSON");
    let deployment = &documents("base/deployment.yaml")[0];
    for step in steps.as_array().expect("it is a list") {
        let path = step["path"].as_str().expect("it has a path");
        let there = deployment.pointer(path);
        assert!(there.is_some(), "{path}");
        if step["op"] == "test" {
            assert_eq!(there, Some(&step["value"]), "{path}");
        }
    }
}

/// Every kind of the API that a policy judges reaches the webhook, and so does what makes Pods.
#[test]
fn the_webhook_is_asked_about_all_that_a_policy_judges() {
    let configuration = &documents("base/webhook.yaml")[0]["webhooks"][0];
    let asked = named(&configuration["rules"]);
    for of in judged() {
        assert!(
            asked.contains(&of),
            "base/webhook.yaml does not name {of:?}"
        );
    }
    assert_eq!(configuration["failurePolicy"], "Fail");
    let left_out = &configuration["namespaceSelector"]["matchExpressions"][0];
    assert_eq!(left_out["operator"], "NotIn");
    assert!(
        texts(&left_out["values"])
            .is_superset(&BTreeSet::from(["kube-system".into(), "stridegate".into()]))
    );
}

/// The schema of a custom resource, in which nothing else than what it names is allowed.
fn schema(name: &str) -> Value {
    fn close(schema: &mut Value) {
        let open = schema["x-kubernetes-preserve-unknown-fields"] == true
            || schema["additionalProperties"].is_object();
        if schema["type"] == "object" && schema["properties"].is_object() && !open {
            schema["additionalProperties"] = false.into();
        }
        match schema {
            Value::Object(members) => members.values_mut().for_each(close),
            Value::Array(items) => items.iter_mut().for_each(close),
            _ => {}
        }
    }
    let definition = documents(name).remove(0);
    let version = &definition["spec"]["versions"][0];
    assert_eq!(definition["spec"]["scope"], "Cluster");
    assert!(version["subresources"]["status"].is_object());
    let mut schema = version["schema"]["openAPIV3Schema"].clone();
    close(&mut schema["properties"]["spec"]);
    schema
}

/// Each type is stated and each list says what it holds, as a structural schema has to.
fn check_structural(schema: &Value, path: &str) {
    assert!(schema["type"].is_string(), "{path} has no type");
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        check_structural(property, &format!("{path}.{name}"));
    }
    if schema["type"] == "array" {
        check_structural(&schema["items"], &format!("{path}[]"));
    }
    assert!(
        !(schema["properties"].is_object() && schema["additionalProperties"].is_object()),
        "{path} has both properties and additionalProperties"
    );
}

const WHOLE: &str = "
apiVersion: stridegate.dev/v1
kind: Constraint
metadata: {name: whole}
spec:
  policy: root-user
  rules: [uid-zero]
  enforcementAction: warn
  onUnknown: allow
  onlyNew: true
  match:
    source: All
    kinds: [{apiGroups: [''], kinds: [Pod]}]
    scope: Namespaced
    namespaces: [a]
    excludedNamespaces: [b]
    name: x*
    labelSelector: {matchLabels: {a: b}, matchExpressions: [{key: c, operator: In, values: [d]}]}
    namespaceSelector: {matchLabels: {a: b}, matchExpressions: [{key: c, operator: Exists}]}
    operations: [create]
  parameters: {rootNames: [root]}
---
apiVersion: stridegate.dev/v1
kind: Exception
metadata: {name: whole}
spec: {policy: root-user, rules: [uid-zero], match: {name: x}, expires: '2099-01-01', reason: for a test}
";

#[test]
fn the_custom_resources_take_what_the_program_reads() {
    let constraint = schema("crds/constraints.yaml");
    let exception = schema("crds/exceptions.yaml");
    for schema in [&constraint, &exception] {
        check_structural(schema, "");
    }
    let read = |text: &str| -> Vec<Value> {
        let documents = yaml::read(text).documents;
        let documents = documents.iter();
        documents
            .map(|document| serde_json::to_value(document).expect("a tree is JSON"))
            .collect()
    };
    let mut all = read(WHOLE);
    all.extend(documents("base/constraints.yaml"));
    for document in all {
        let schema = if document["kind"] == "Constraint" {
            &constraint
        } else {
            &exception
        };
        jsonschema::validate(schema, &document)
            .unwrap_or_else(|error| panic!("{error}: {document}"));
    }
    let folder = folder(&[
        ("whole.yaml", WHOLE),
        (
            "pod.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a}]}\n",
        ),
    ]);
    let (code, told) = report(folder.path(), &["eval", "pod.yaml", "-c", "whole.yaml"]);
    assert_eq!(code, 0, "{told:#}");
}
