//! The admission webhook with clients that are not of this project: curl, over HTTP/2, and a real
//! kube-apiserver where `KUBE_APISERVER` names its binary (it needs Debian's etcd-server, too).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::shared::{until, write};
use super::{STRIDEGATE, Server, etcd, free_port};

const CONSTRAINTS: &str = "
apiVersion: stridegate.dev/v1
kind: Constraint
metadata: {name: no-root}
spec: {policy: root-user, rules: [uid-zero, no-user]}
---
apiVersion: stridegate.dev/v1
kind: Constraint
metadata: {name: no-way-around}
spec: {policy: privileged-exec, rules: [through-node]}
";

/// A webhook with a certificate for `localhost`.
struct World {
    folder: TempDir,
    port: u16,
    _webhook: Server,
}

impl World {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        let path = |name: &str| folder.path().join(name);
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])
            .expect("a certificate can be made");
        write(&path("tls.crt"), &made.cert.pem());
        write(&path("tls.key"), &made.signing_key.serialize_pem());
        write(&path("tls.pub"), &made.signing_key.public_key_pem());
        write(&path("gate.yaml"), CONSTRAINTS);
        let port = free_port();
        let webhook = Server::start(
            Command::new(STRIDEGATE)
                .args(["serve", "kubernetes", "--drain", "0", "--listen"])
                .arg(format!("127.0.0.1:{port}"))
                .arg("--certificate")
                .arg(path("tls.crt"))
                .arg("--key")
                .arg(path("tls.key"))
                .arg("-c")
                .arg(path("gate.yaml"))
                .arg("--log")
                .arg(path("decisions.jsonl")),
            "listening on https://",
        );
        Self {
            folder,
            port,
            _webhook: webhook,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Runs curl: the status and the body.
fn curl(arguments: &[&str]) -> (String, Value) {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "60"])
        .args(["--write-out", "\n%{http_code} %{http_version}"])
        .args(arguments)
        .output()
        .expect("curl can be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap_or(("", &text));
    (
        status.to_owned(),
        serde_json::from_str(body).unwrap_or_else(|_| body.into()),
    )
}

#[test]
fn curl_posts_every_recorded_review_over_http_2() {
    let world = World::start();
    let certificate = world.path("tls.crt");
    let certificate = certificate.to_string_lossy();
    let url = format!("https://localhost:{}/validate?timeout=5s", world.port);
    let reviews = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/admission");
    let (mut allowed, mut denied) = (0, 0);
    for entry in fs::read_dir(reviews).expect("testdata can be read") {
        let path = entry.expect("testdata can be read").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let (status, told) = curl(&[
            "--http2",
            "--cacert",
            &certificate,
            "--header",
            "Content-Type: application/json",
            "--data-binary",
            &format!("@{}", path.display()),
            &url,
        ]);
        assert_eq!(status, "200 2", "{told}");
        let response = &told["response"];
        let text = fs::read_to_string(&path).expect("it can be read");
        let uid = response["uid"].as_str().expect("it is named");
        assert!(text.contains(uid), "{}", path.display());
        *(if response["allowed"] == true {
            &mut allowed
        } else {
            &mut denied
        }) += 1;
    }
    assert!(
        allowed >= 10 && denied >= 10,
        "{allowed} allowed, {denied} denied"
    );
}

/// A kube-apiserver with an etcd; each has what it writes in the folder of the world.
struct ApiServer {
    port: u16,
    _etcd: Server,
    _server: Server,
}

const TOKEN: &str = "secret-of-the-test";

impl ApiServer {
    /// Starts one; none if nobody says where there is one.
    fn start(world: &World) -> Option<Self> {
        let Some(binary) = std::env::var_os("KUBE_APISERVER") else {
            eprintln!("KUBE_APISERVER names no binary: not tested with a real kube-apiserver");
            return None;
        };
        let (etcd, client) = etcd(&world.path("etcd"));
        write(
            &world.path("tokens.csv"),
            &format!("{TOKEN},admin,1,system:masters\n"),
        );
        let port = free_port();
        let server = Server::start(
            Command::new(binary)
                .args(["--etcd-servers", &client, "--bind-address", "127.0.0.1"])
                .args(["--secure-port", &port.to_string(), "--cert-dir"])
                .arg(world.path("apiserver"))
                .arg("--token-auth-file")
                .arg(world.path("tokens.csv"))
                .args(["--authorization-mode", "AlwaysAllow"])
                .args(["--service-cluster-ip-range", "10.0.0.0/24"])
                .args(["--service-account-issuer", "https://localhost"])
                .arg("--service-account-key-file")
                .arg(world.path("tls.pub"))
                .arg("--service-account-signing-key-file")
                .arg(world.path("tls.key"))
                .args(["--disable-admission-plugins", "ServiceAccount"]),
            "Serving securely",
        );
        let this = Self {
            port,
            _etcd: etcd,
            _server: server,
        };
        until("the API server is ready", || {
            this.ask("GET", "/readyz", JSON, "").0.starts_with("200")
        });
        Some(this)
    }

    /// Asks it: the status and the answer.
    fn ask(&self, method: &str, path: &str, media: &str, body: &str) -> (String, Value) {
        let url = format!("https://127.0.0.1:{}{path}", self.port);
        let authorization = format!("Authorization: Bearer {TOKEN}");
        let media = format!("Content-Type: {media}");
        let mut arguments = vec!["--insecure", "--request", method];
        arguments.extend(["--header", &authorization, "--header", &media]);
        if !body.is_empty() {
            arguments.extend(["--data-binary", body]);
        }
        arguments.push(&url);
        curl(&arguments)
    }

    /// Makes an object, which has to be taken.
    fn make(&self, path: &str, object: &Value) -> Value {
        let (status, told) = self.ask("POST", path, JSON, &object.to_string());
        assert!(status.starts_with("201"), "{told}");
        told
    }

    /// Writes a kubeconfig for it.
    fn kubeconfig(&self, world: &World) -> PathBuf {
        let authority = world.path("apiserver").join("apiserver.crt");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": format!("https://127.0.0.1:{}", self.port), "certificate-authority": authority}}],
            "users": [{"name": "test", "user": {"token": TOKEN}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        });
        write(&world.path("kubeconfig"), &config.to_string());
        world.path("kubeconfig")
    }
}

const JSON: &str = "application/json";
const PODS: &str = "/api/v1/namespaces/default/pods";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

fn pod(user: u32) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "a-"},
        "spec": {"containers": [{"name": "a", "image": "a:1", "securityContext": {"runAsUser": user, "runAsNonRoot": user != 0}}]},
    })
}

fn deployment(name: &str, user: u32) -> Value {
    let labels = json!({"app": name});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod(user)["spec"]}},
    })
}

#[test]
fn a_real_api_server_denies_what_the_webhook_denies() {
    let world = World::start();
    let Some(server) = ApiServer::start(&world) else {
        return;
    };
    let authority = fs::read(world.path("tls.crt")).expect("it can be read");
    server.make("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", &json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "stridegate"},
        "webhooks": [{
            "name": "validate.stridegate.dev", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "failurePolicy": "Fail", "timeoutSeconds": 5,
            "clientConfig": {
                "url": format!("https://localhost:{}/validate", world.port),
                "caBundle": base64::engine::general_purpose::STANDARD.encode(authority),
            },
            "rules": [{
                "operations": ["CREATE", "UPDATE"], "apiGroups": ["", "apps"], "apiVersions": ["*"],
                "resources": ["pods", "pods/ephemeralcontainers", "deployments"],
            }, {
                "operations": ["CONNECT"], "apiGroups": [""], "apiVersions": ["*"],
                "resources": ["nodes/proxy"],
            }],
        }],
    }));
    let denied = |(status, told): &(String, Value)| {
        let message = told["message"].as_str().unwrap_or_default();
        status.starts_with("403")
            && message.contains("denied the request: [no-root] root-user/uid-zero")
    };
    let dry = format!("{PODS}?dryRun=All");
    // The configuration reaches the server's own admission a moment later.
    until("a Pod that runs as root is denied", || {
        denied(&server.ask("POST", &dry, JSON, &pod(0).to_string()))
    });
    server.make(&dry, &pod(7));
    // However it is written, the server asks about what it becomes.
    let twice = pod(7)
        .to_string()
        .replace("\"runAsUser\":7", "\"runAsUser\":7,\"runAsUser\":0");
    assert!(denied(&server.ask("POST", PODS, JSON, &twice)));
    let web = format!("{DEPLOYMENTS}/web");
    server.make(DEPLOYMENTS, &deployment("web", 7));
    let user = "/spec/template/spec/containers/0/securityContext/runAsUser";
    let container = json!({"name": "a", "securityContext": {"runAsUser": 0}});
    let strategic = json!({"spec": {"template": {"spec": {"containers": [container]}}}});
    for (media, patch) in [
        (
            "application/json-patch+json",
            json!([{"op": "replace", "path": user, "value": 0}]),
        ),
        ("application/strategic-merge-patch+json", strategic),
    ] {
        let answer = server.ask("PATCH", &web, media, &patch.to_string());
        assert!(denied(&answer), "{media}: {answer:?}");
    }
    let apply = format!("{DEPLOYMENTS}/applied?fieldManager=test");
    let applied = deployment("applied", 0).to_string();
    let answer = server.ask("PATCH", &apply, "application/apply-patch+yaml", &applied);
    assert!(denied(&answer), "{answer:?}");
    // A kubelet that nobody could reach is not even asked to run a command.
    server.make(
        "/api/v1/nodes",
        &json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}),
    );
    let through = |path: &str| {
        let path = format!("/api/v1/nodes/n/proxy/{path}");
        let (status, told) = server.ask("POST", &path, JSON, "");
        let message = told["message"].as_str().unwrap_or_default();
        status.starts_with("403")
            && message.contains("[no-way-around] privileged-exec/through-node")
    };
    assert!(through("run/default/a/a?cmd=id"));
    assert!(!through("metrics"));
}

/// The resources are those that are shipped, and what they refuse, the program would not read.
#[test]
fn a_real_api_server_takes_the_custom_resources_and_is_scanned_with_them() {
    let world = World::start();
    let Some(server) = ApiServer::start(&world) else {
        return;
    };
    for name in ["constraints", "exceptions"] {
        let file = format!("../host/deploy/kubernetes/crds/{name}.yaml");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let definition = fs::read_to_string(file).expect("it can be read");
        let (status, told) = server.ask("POST", path, "application/yaml", &definition);
        assert!(status.starts_with("201"), "{told}");
    }
    let group = "/apis/stridegate.dev/v1";
    let made = |plural: &str, kind: &str, spec: Value| {
        let object = json!({"apiVersion": "stridegate.dev/v1", "kind": kind, "metadata": {"name": "a"}, "spec": spec});
        let path = format!("{group}/{plural}");
        server.ask("POST", &path, JSON, &object.to_string()).0
    };
    until("constraints are served", || {
        let spec = json!({"policy": "root-user", "rules": ["uid-zero"]});
        made("constraints", "Constraint", spec).starts_with("201")
    });
    for spec in [
        json!({"policy": ""}),
        json!({"policy": "root-user", "enforcementAction": "block"}),
        json!({"policy": "root-user", "match": {"operations": ["creat"]}}),
    ] {
        let status = made("constraints", "Constraint", spec.clone());
        assert!(status.starts_with("422"), "{status}: {spec}");
    }
    let never = json!({"policy": "root-user", "expires": "2027-02-30", "reason": "a test"});
    until("no exception ends on a day that is none", || {
        made("exceptions", "Exception", never.clone()).starts_with("422")
    });
    // More than one page of Pods, one of which names as its owner what makes none.
    let web = server.make(DEPLOYMENTS, &deployment("web", 7));
    for _ in 0..255 {
        server.make(PODS, &pod(7));
    }
    let mut claims = pod(0);
    claims["metadata"] = json!({"name": "claims", "ownerReferences": [{
        "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": web["metadata"]["uid"], "controller": true,
    }]});
    server.make(PODS, &claims);
    let output = Command::new(STRIDEGATE)
        .args([
            "scan",
            "cluster",
            "--constraints-from-cluster",
            "-o",
            "json",
        ])
        .arg("--kubeconfig")
        .arg(server.kubeconfig(&world))
        .output()
        .expect("the program can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_slice(&output.stdout).expect(&said);
    let results = report["results"].as_array().expect("it is a list");
    let files: Vec<&Value> = results.iter().map(|result| &result["file"]).collect();
    assert_eq!(files, ["default/pods/claims"], "{said}");
    assert!(report["summary"]["objects"].as_u64() >= Some(257), "{said}");
}
