//! What a cluster holds, and what it tells a gate.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use super::{ApiServer, DENY, PATIENCE, Webhook, folder, pod, review, root, write};

const PODS: &str = "/api/v1/pods";
const DEPLOYMENTS: &str = "/apis/apps/v1/deployments";
const CONSTRAINTS: &str = "/apis/stridegate.dev/v1/constraints";

/// Scans a cluster: the exit code, what was written, and what was said beside it.
fn scan(server: &ApiServer, folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    server.kubeconfig(folder);
    let output = Command::new(env!("CARGO_BIN_EXE_stridegate"))
        .current_dir(folder)
        .env("XDG_CACHE_HOME", root().join("target/test-cache"))
        .args(["scan", "cluster", "--kubeconfig", "kubeconfig"])
        .args(arguments)
        .output()
        .expect("the program can be started");
    (
        output.status.code().expect("it was not killed"),
        String::from_utf8(output.stdout).expect("it writes UTF-8"),
        String::from_utf8(output.stderr).expect("it writes UTF-8"),
    )
}

fn scan_json(server: &ApiServer, arguments: &[&str]) -> (i32, Value) {
    let folder = folder();
    write(&folder.path().join("deny.yaml"), DENY);
    let arguments = [arguments, &["-o", "json"]].concat();
    let (code, stdout, stderr) = scan(server, folder.path(), &arguments);
    let report = serde_json::from_str(&stdout);
    (
        code,
        report.unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}")),
    )
}

/// A cluster with a Deployment that runs as root and has made a Pod, and Pods of their own.
fn cluster() -> ApiServer {
    let server = ApiServer::start();
    let template = pod("x", "shop", 0)["spec"].clone();
    server.put(
        DEPLOYMENTS,
        json!({"metadata": {"name": "web", "namespace": "shop", "uid": "d-1", "managedFields": [{}]}, "spec": {"template": {"spec": template}}}),
    );
    let owned = |name: &str, controller: bool| {
        let mut pod = pod(name, "shop", 0);
        pod["metadata"]["ownerReferences"] =
            json!([{"kind": "Deployment", "name": "web", "uid": "d-1", "controller": controller}]);
        pod
    };
    server.put(PODS, owned("web-1", true));
    server.put(PODS, owned("claims-to-be-owned", false));
    server.put(PODS, pod("alone", "shop", 0));
    for number in 0..5 {
        server.put(PODS, pod(&format!("good-{number}"), "other", 7));
    }
    server
}

fn found(report: &Value) -> Vec<String> {
    let results = report["results"].as_array().expect("it is a list");
    let mut found: Vec<String> = results
        .iter()
        .map(|result| result["file"].as_str().unwrap_or("").to_owned())
        .collect();
    found.sort();
    found
}

#[test]
fn everything_is_read_page_by_page_and_what_is_owned_is_judged_once() {
    let server = cluster();
    let (code, report) = scan_json(&server, &["-c", "deny.yaml"]);
    assert_eq!(code, 1);
    assert_eq!(
        found(&report),
        [
            "shop/deployments.apps/web",
            "shop/pods/alone",
            "shop/pods/claims-to-be-owned"
        ]
    );
    let summary = &report["summary"];
    assert_eq!(
        (&summary["objects"], &summary["fail"]),
        (&9.into(), &3.into()),
        "{summary}"
    );
    assert!(summary["pass"].as_u64() > Some(9), "{summary}");
    let asked = server.lock().asked.clone();
    assert!(
        asked
            .iter()
            .filter(|asked| asked.contains("/api/v1/pods?"))
            .count()
            >= 4,
        "{asked:?}"
    );
    assert!(
        asked
            .iter()
            .all(|asked| !asked.contains("things") && !asked.contains("configmaps")),
        "only what a policy judges is read: {asked:?}"
    );
    let (code, report) = scan_json(&server, &["-c", "deny.yaml", "-n", "other"]);
    assert_eq!((code, found(&report).len()), (0, 0));
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_judged() {
    let server = cluster();
    server.lock().forbidden.push(DEPLOYMENTS.into());
    let (code, report) = scan_json(&server, &["-c", "deny.yaml"]);
    assert_eq!(code, 2);
    let error = report["errors"][0]["message"].as_str().expect("it is said");
    assert!(error.contains("forbidden"), "{error}");
    assert_eq!(report["errors"][0]["file"], "deployments.apps");
    assert!(
        found(&report).contains(&"shop/pods/web-1".into()),
        "its owner was not judged"
    );
    let folder = folder();
    let (code, _, stderr) = scan(&server, folder.path(), &["--context", "no-such"]);
    assert!(code == 2 && stderr.contains("kubeconfig"), "{stderr}");
}

#[test]
fn reports_are_written_and_those_of_before_removed() {
    let server = cluster();
    let reports = "/apis/openreports.io/v1alpha1/reports";
    let label = json!({"app.kubernetes.io/managed-by": "stridegate"});
    server.put(
        reports,
        json!({"metadata": {"name": "stridegate", "namespace": "gone", "labels": label}}),
    );
    let folder = folder();
    write(&folder.path().join("deny.yaml"), DENY);
    let arguments = ["-c", "deny.yaml", "-o", "openreports", "--apply"];
    let (code, stdout, stderr) = scan(&server, folder.path(), &arguments);
    assert_eq!(code, 1, "{stderr}");
    let list: Value = serde_json::from_str(&stdout).expect("it is JSON");
    let written = server.objects(reports);
    assert_eq!(list["items"], json!(written));
    assert_eq!(written.len(), 1, "{written:#?}");
    let report = &written[0];
    assert_eq!(report["metadata"]["namespace"], "shop");
    assert_eq!(
        (&report["summary"]["fail"], &report["summary"]["error"]),
        (&3.into(), &0.into())
    );
    let result = &report["results"][0];
    assert_eq!(
        (&result["policy"], &result["result"], &result["severity"]),
        (&"root-user".into(), &"fail".into(), &"high".into())
    );
    assert!(stderr.contains("1 written, 1 removed"), "{stderr}");
    // Not everything could be read: nothing is removed.
    server.put(
        reports,
        json!({"metadata": {"name": "stridegate", "namespace": "gone", "labels": label}}),
    );
    server.lock().forbidden.push(DEPLOYMENTS.into());
    scan(&server, folder.path(), &arguments);
    assert_eq!(server.objects(reports).len(), 2);
}

const BY_LABEL: &str = "
apiVersion: stridegate.dev/v1
kind: Constraint
metadata: {name: no-root}
spec: {policy: root-user, match: {namespaceSelector: {matchLabels: {env: prod}}}}
";

#[test]
fn the_labels_of_namespaces_come_from_the_cluster() {
    let server = ApiServer::start();
    let namespace =
        |name: &str, env: &str| json!({"metadata": {"name": name, "labels": {"env": env}}});
    server.put("/api/v1/namespaces", namespace("shop", "prod"));
    server.put("/api/v1/namespaces", namespace("play", "test"));
    let folder = folder();
    server.kubeconfig(folder.path());
    write(&folder.path().join("gate.yaml"), BY_LABEL);
    let webhook = Webhook::start_in(folder, &["-c", "gate.yaml", "--kubeconfig", "kubeconfig"]);
    let root = |namespace: &str| webhook.validate(&review(&pod("a", namespace, 0))).0;
    assert!(!root("shop") && root("play"));
    // One that has just been made is asked for.
    server.put("/api/v1/namespaces", namespace("fresh", "test"));
    assert!(root("fresh"));
    assert!(!root("unknown"), "what nobody knows is judged");
    assert_eq!(webhook.get("/readyz").status, 200);
    // Without the cluster such a constraint is an error at the start.
    let folder = super::folder();
    super::certify(&folder.path().join("tls"));
    write(&folder.path().join("gate.yaml"), BY_LABEL);
    let told = Command::new(env!("CARGO_BIN_EXE_stridegate"))
        .current_dir(folder.path())
        .args([
            "serve",
            "kubernetes",
            "-c",
            "gate.yaml",
            "--certificate",
            "tls/tls.crt",
            "--key",
            "tls/tls.key",
            "--log",
            "log",
        ])
        .output()
        .expect("the program can be started");
    assert_eq!(told.status.code(), Some(2));
}

/// Waits until something holds, which somebody else brings about.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn constraints_of_the_cluster_are_followed_and_told_what_became_of_them() {
    let server = ApiServer::start();
    let constraint = |name: &str, policy: &str, generation: u64| {
        json!({
            "metadata": {"name": name, "generation": generation, "creationTimestamp": "x"},
            "spec": {"policy": policy, "match": {"namespaces": ["shop"]}},
        })
    };
    server.put(CONSTRAINTS, constraint("no-root", "root-user", 3));
    server.put(CONSTRAINTS, constraint("broken", "no-such-policy", 1));
    let folder = folder();
    server.kubeconfig(folder.path());
    let mut webhook = Webhook::start_in(
        folder,
        &["--kubeconfig", "kubeconfig", "--constraints-from-cluster"],
    );
    let denied = |user: u32| webhook.validate(&review(&pod("a", "shop", user)));
    let (allowed, said) = denied(7);
    assert!(!allowed && said.contains("[broken]"), "{said}");
    until("the status is written", || {
        server
            .objects(CONSTRAINTS)
            .iter()
            .all(|constraint| constraint["status"].is_object())
    });
    let status = |name: &str| {
        let all = server.objects(CONSTRAINTS);
        let one = all
            .iter()
            .find(|constraint| constraint["metadata"]["name"] == name);
        one.expect("it is there")["status"].clone()
    };
    assert_eq!(status("no-root")["observedGeneration"], 3);
    assert_eq!(
        status("no-root")["policyDigest"].as_str().map(str::len),
        Some(64)
    );
    assert!(
        status("broken")["problem"]
            .as_str()
            .is_some_and(|problem| problem.contains("no-such-policy"))
    );
    server.remove(CONSTRAINTS, "/broken");
    webhook.wait_for("the constraints of the cluster are in force");
    assert!(webhook.validate(&review(&pod("a", "shop", 7))).0);
    assert!(!webhook.validate(&review(&pod("a", "shop", 0))).0);
    // Scans apply them, too.
    server.put(PODS, pod("a", "shop", 0));
    server.put(PODS, pod("b", "elsewhere", 0));
    let (code, report) = scan_json(&server, &["--constraints-from-cluster"]);
    assert_eq!((code, found(&report)), (1, vec!["shop/pods/a".to_owned()]));
}

#[test]
fn a_connection_is_judged_with_the_pod_that_it_leads_into() {
    let constraint = "apiVersion: stridegate.dev/v1\nkind: Constraint\nmetadata: {name: exec}\nspec: {policy: privileged-exec}\n";
    let server = ApiServer::start();
    let mut target = pod("good", "team-a", 7);
    target["spec"]["containers"][0]["name"] = "good".into();
    server.put(PODS, target.clone());
    let folder = folder();
    server.kubeconfig(folder.path());
    write(&folder.path().join("gate.yaml"), constraint);
    let policies = root().join("target/policies");
    let policies = policies.to_string_lossy();
    let arguments = [
        "-c",
        "gate.yaml",
        "--kubeconfig",
        "kubeconfig",
        "-p",
        &policies,
    ];
    let webhook = Webhook::start_in(folder, &arguments);
    let exec = super::recorded("009-connect-pods-exec-good.json");
    let (allowed, said) = webhook.validate(&exec);
    assert!(allowed, "{said}");
    target["spec"]["containers"][0]["securityContext"]["privileged"] = true.into();
    server.put(PODS, target);
    let (allowed, said) = webhook.validate(&exec);
    assert!(!allowed && said.contains("privileged-exec/"), "{said}");
}
