//! What a cluster holds, and what it tells a gate.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::shared::memory;
use super::{ApiServer, DENY, STRIDEGATE, Webhook, deployment, folder, pod, review, root, write};

const PODS: &str = "/api/v1/pods";
const DEPLOYMENTS: &str = "/apis/apps/v1/deployments";
const REPLICA_SETS: &str = "/apis/apps/v1/replicasets";
const CONSTRAINTS: &str = "/apis/stridegate.dev/v1/constraints";

/// Scans a cluster: the exit code, what was written, and what was said beside it.
pub(crate) fn scan(server: &ApiServer, folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    server.kubeconfig(folder);
    let output = Command::new(STRIDEGATE)
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
    let owned = |mut object: Value, kind: &str, controller: bool| {
        object["metadata"]["ownerReferences"] = json!([{"kind": kind, "name": "web", "uid": format!("uid-{kind}"), "controller": controller}]);
        object
    };
    let maker = |kind: &str| {
        let mut maker = deployment("web", "shop", 0);
        maker["metadata"]["uid"] = format!("uid-{kind}").into();
        maker["metadata"]["managedFields"] = json!([{}]);
        maker
    };
    server.put(DEPLOYMENTS, maker("Deployment"));
    server.put(REPLICA_SETS, owned(maker("ReplicaSet"), "Deployment", true));
    let mut itself = owned(maker("Deployment"), "Deployment", true);
    itself["metadata"]["name"] = "its-own-owner".into();
    server.put(DEPLOYMENTS, itself);
    let made = |name: &str, kind: &str, controller: bool| {
        server.put(PODS, owned(pod(name, "shop", 0), kind, controller));
    };
    made("web-1", "ReplicaSet", true);
    made("claims-to-be-owned", "ReplicaSet", false);
    made("claims-another-owner", "Deployment", true);
    // Not every kind of a group is served in the version that the server prefers.
    server.put(
        "/apis/batch/v1beta1/cronjobs",
        json!({"metadata": {"name": "nightly", "namespace": "shop"}, "spec": {"jobTemplate": {"spec": {"template": {"spec": pod("x", "shop", 0)["spec"]}}}}}),
    );
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
            "shop/cronjobs.batch/nightly",
            "shop/deployments.apps/its-own-owner",
            "shop/deployments.apps/web",
            "shop/pods/alone",
            "shop/pods/claims-another-owner",
            "shop/pods/claims-to-be-owned"
        ]
    );
    let summary = &report["summary"];
    assert_eq!(
        (&summary["objects"], &summary["fail"]),
        (&13.into(), &6.into()),
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
    server.lock().forbidden.push(REPLICA_SETS.into());
    let (code, report) = scan_json(&server, &["-c", "deny.yaml"]);
    assert_eq!(code, 2);
    let error = report["errors"][0]["message"].as_str().expect("it is said");
    assert!(error.contains("forbidden"), "{error}");
    assert_eq!(report["errors"][0]["file"], "replicasets.apps");
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
        (&6.into(), &0.into())
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
    let told = Command::new(STRIDEGATE)
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
    server.wait("the status is written", |state| {
        state
            .list(CONSTRAINTS)
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

/// How many of the questions of a log begin so.
fn asked(server: &ApiServer, question: &str) -> usize {
    let state = server.lock();
    let asked = state.asked.iter();
    asked.filter(|asked| asked.starts_with(question)).count()
}

fn in_cluster(name: &str, enforcement: &str, generation: u64) -> Value {
    json!({
        "metadata": {"name": name, "generation": generation},
        "spec": {"policy": "root-user", "enforcementAction": enforcement, "match": {"namespaces": [name]}},
    })
}

const FED: [&str; 3] = ["--kubeconfig", "kubeconfig", "--constraints-from-cluster"];

/// Starts a webhook with the constraints of a cluster.
fn fed(server: &ApiServer) -> Webhook {
    let folder = folder();
    server.kubeconfig(folder.path());
    Webhook::start_in(folder, &FED)
}

fn root_is_allowed(webhook: &Webhook, namespace: &str) -> bool {
    webhook.validate(&review(&pod("a", namespace, 0))).0
}

/// A list comes in pages, and the server may forget it in the middle: with a way to go on, or
/// without one.
#[test]
fn constraints_are_read_to_their_end_whatever_the_server_forgets() {
    for goes_on in [true, false] {
        let server = ApiServer::start();
        for number in 0..7 {
            server.put(CONSTRAINTS, in_cluster(&format!("n{number}"), "deny", 1));
        }
        server.lock().gone = 2;
        server.lock().goes_on = goes_on;
        let webhook = fed(&server);
        assert!(webhook.get("/readyz").body.contains("7 constraints"));
        assert!(asked(&server, &format!("GET {CONSTRAINTS}?")) >= 5);
        for number in 0..7 {
            assert!(!root_is_allowed(&webhook, &format!("n{number}")));
        }
        assert!(root_is_allowed(&webhook, "other"));
    }
}

#[test]
fn a_role_that_lacks_is_named() {
    let server = ApiServer::start();
    server.lock().forbidden.push(CONSTRAINTS.into());
    let folder = folder();
    server.kubeconfig(folder.path());
    super::certify(&folder.path().join("tls"));
    let told = Command::new(STRIDEGATE)
        .current_dir(folder.path())
        .args(["serve", "kubernetes", "--listen", "127.0.0.1:0"])
        .args(["--certificate", "tls/tls.crt", "--key", "tls/tls.key"])
        .args(FED)
        .output()
        .expect("the program can be started");
    let said = String::from_utf8_lossy(&told.stderr);
    assert_eq!(told.status.code(), Some(2), "{said}");
    let rule = "{apiGroups: [\"stridegate.dev\"], resources: [constraints], verbs: [list]}";
    assert!(said.contains(rule), "{said}");
    let (code, _, said) = scan(&server, folder.path(), &["--constraints-from-cluster"]);
    assert!(code == 2 && said.contains(rule), "{said}");
}

/// A watch that ends, a version that is forgotten and a list that is forbidden for a while lose no
/// change.
#[test]
fn a_watch_that_ends_is_taken_up_again() {
    let server = ApiServer::start();
    server.put(CONSTRAINTS, in_cluster("shop", "deny", 1));
    let mut webhook = fed(&server);
    let is_told = |state: &super::api_server::State, generation: u64| {
        let constraint = &state.list(CONSTRAINTS)[0];
        constraint["status"]["observedGeneration"] == generation
    };
    assert!(!root_is_allowed(&webhook, "shop"));
    server.wait("the status is written", |state| is_told(state, 1));
    for round in 0..6_u64 {
        let watches = asked(&server, &format!("WATCH {CONSTRAINTS}"));
        match round % 3 {
            0 => server.end_watches(),
            1 => {
                server.lock().forgotten = usize::MAX;
                server.end_watches();
            }
            _ => {
                server.lock().forbidden.push(CONSTRAINTS.into());
                server.end_watches();
                webhook.wait_for("constraints is forbidden");
                server.lock().forbidden.clear();
            }
        }
        if round % 3 == 1 {
            webhook.wait_for("too old resource version");
            server.lock().forgotten = 0;
        }
        let (enforcement, allowed) =
            [("warn", true), ("deny", false)][usize::try_from(round % 2).expect("it is small")];
        server.put(CONSTRAINTS, in_cluster("shop", enforcement, round + 2));
        server.wait("the new one is in force", |state| is_told(state, round + 2));
        assert_eq!(root_is_allowed(&webhook, "shop"), allowed, "round {round}");
        server.wait("it is watched", |state| {
            let begins = format!("WATCH {CONSTRAINTS}");
            let asked = state.asked.iter();
            asked.filter(|asked| asked.starts_with(&begins)).count() > watches
        });
    }
    // What was found is told with the next change.
    let all = server.objects(CONSTRAINTS);
    assert!(
        all[0]["status"]["violations"].as_u64() > Some(3),
        "{all:#?}"
    );
    assert_eq!(
        all[0]["status"]["policyDigest"].as_str().map(str::len),
        Some(64)
    );
}

/// What a namespace gives to containers now, a Pod that it holds need not have got.
#[test]
fn the_limits_of_a_namespace_do_not_count_for_pods_that_are_there() {
    let server = ApiServer::start();
    server.put(
        "/api/v1/limitranges",
        json!({"metadata": {"name": "l", "namespace": "shop"}, "spec": {"limits": [{"type": "Container", "default": {"memory": "64Mi"}}]}}),
    );
    server.put(PODS, pod("without", "shop", 7));
    server.put(DEPLOYMENTS, deployment("will-get-them", "shop", 7));
    let (_, report) = scan_json(&server, &[]);
    let results = report["results"].as_array().expect("it is a list");
    let unlimited = |result: &&Value| result["rule"] == "no-limit";
    let files: Vec<&Value> = results
        .iter()
        .filter(unlimited)
        .map(|result| &result["file"])
        .collect();
    assert_eq!(files, ["shop/pods/without"]);
}

/// The limits that a namespace gives to containers count for what it will make.
#[test]
fn the_limits_of_a_namespace_are_asked_for_once() {
    const MEMORY: &str = "apiVersion: stridegate.dev/v1\nkind: Constraint\nmetadata: {name: memory}\nspec: {policy: unlimited-memory, rules: [no-limit]}\n";
    let server = ApiServer::start();
    server.put(
        "/api/v1/limitranges",
        json!({"metadata": {"name": "l", "namespace": "shop"}, "spec": {"limits": [{"type": "Container", "default": {"memory": "64Mi"}}]}}),
    );
    let folder = folder();
    server.kubeconfig(folder.path());
    write(&folder.path().join("gate.yaml"), MEMORY);
    let arguments = ["-c", "gate.yaml", "--kubeconfig", "kubeconfig"];
    let webhook = Webhook::start_with(folder, &arguments, &["unlimited-memory"]);
    let limited = |namespace: &str| webhook.validate(&review(&deployment("a", namespace, 7)));
    let lists = |namespace: &str| {
        asked(
            &server,
            &format!("GET /api/v1/namespaces/{namespace}/limitranges"),
        )
    };
    for _ in 0..3 {
        let (allowed, said) = limited("shop");
        assert!(allowed, "{said}");
        assert!(!limited("other").0);
    }
    assert_eq!((lists("shop"), lists("other")), (1, 1));
    // A Pod has got its limits from the API server, or there are none.
    assert!(!webhook.validate(&review(&pod("a", "shop", 7))).0);
    // What may not be read is not known, and does not make each request wait.
    server.lock().forbidden.push("/api/v1/limitranges".into());
    assert!(!limited("third").0 && !limited("third").0);
    assert_eq!(lists("third"), 1);
    // A name that is none leads nowhere else.
    assert!(!limited("shop/limitranges?x=").0);
    assert_eq!(lists("shop/"), 0);
    assert_eq!(lists("shop%2Flimitranges%3Fx%3D"), 1);
}

/// Twenty thousand objects are judged in pages, of which a few are held at a time.
#[test]
fn a_large_cluster_is_scanned_in_bounded_memory() {
    let scanned = |objects: usize| {
        let server = ApiServer::start();
        let mut large = pod("x", "shop", 7);
        large["metadata"]["annotations"] = json!({"x": "x".repeat(4000)});
        for number in 0..objects {
            let mut pod = large.clone();
            pod["metadata"]["name"] = format!("p{number}").into();
            pod["metadata"]["uid"] = format!("u{number}").into();
            if number % 1000 == 0 {
                pod["spec"]["containers"][0]["securityContext"] = json!({"runAsUser": 0});
            }
            server.put(PODS, pod);
        }
        server.lock().page = Some(500);
        let folder = folder();
        server.kubeconfig(folder.path());
        write(&folder.path().join("deny.yaml"), DENY);
        let report = std::fs::File::create(folder.path().join("report.json"));
        let mut child = Command::new(STRIDEGATE)
            .current_dir(folder.path())
            .args(["scan", "cluster", "--kubeconfig", "kubeconfig"])
            .args(["-c", "deny.yaml", "-o", "json"])
            .stdout(report.expect("the folder can be written"))
            .stderr(Stdio::null())
            .spawn()
            .expect("the program can be started");
        let mut highest = 0;
        while child.try_wait().expect("it can be waited for").is_none() {
            highest = highest.max(memory(child.id(), "VmHWM").unwrap_or(0));
            std::thread::park_timeout(Duration::from_millis(5));
        }
        let report = std::fs::read_to_string(folder.path().join("report.json"));
        let report: Value =
            serde_json::from_str(&report.expect("it is there")).expect("it is JSON");
        assert_eq!(
            report["summary"]["objects"], objects,
            "{}",
            report["summary"]
        );
        assert_eq!(report["summary"]["fail"], objects.div_ceil(1000));
        assert!(asked(&server, &format!("GET {PODS}?limit=250")) >= objects / 250);
        highest
    };
    let (few, many) = (scanned(2_000), scanned(20_000));
    assert!(many < few + (48 << 20), "{few} bytes became {many}");
}
