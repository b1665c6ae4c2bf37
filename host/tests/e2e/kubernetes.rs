//! The admission webhook with clients that are not of this project: curl, over HTTP/2, and a real
//! kube-apiserver where `KUBE_APISERVER` names its binary (it needs Debian's etcd-server, too).

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::shared::{until, write};
use super::{STRIDEGATE, Server};

const CONSTRAINTS: &str = "
apiVersion: stridegate.dev/v1
kind: Constraint
metadata: {name: no-root}
spec: {policy: root-user, rules: [uid-zero, no-user]}
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

/// A port that nobody listened on a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it is bound").port()
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

#[test]
fn a_real_api_server_denies_what_the_webhook_denies() {
    let Some(binary) = std::env::var_os("KUBE_APISERVER") else {
        eprintln!("KUBE_APISERVER names no binary: not tested with a real kube-apiserver");
        return;
    };
    let world = World::start();
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let (client, peer) = (url(free_port()), url(free_port()));
    let _etcd = Server::start(
        Command::new("etcd")
            .arg("--data-dir")
            .arg(world.path("etcd"))
            .args([
                "--listen-client-urls",
                &client,
                "--advertise-client-urls",
                &client,
            ])
            .args([
                "--listen-peer-urls",
                &peer,
                "--initial-advertise-peer-urls",
                &peer,
            ])
            .args(["--initial-cluster", &format!("default={peer}")]),
        "ready to serve client requests",
    );
    write(
        &world.path("tokens.csv"),
        "secret-of-the-test,admin,1,system:masters\n",
    );
    let port = free_port();
    let _server = Server::start(
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
    let ask = |path: &str, body: Option<&Value>| {
        let url = format!("https://127.0.0.1:{port}{path}");
        let mut arguments = vec![
            "--insecure",
            "--header",
            "Authorization: Bearer secret-of-the-test",
            "--header",
            "Content-Type: application/json",
        ];
        let text = body.map(Value::to_string);
        if let Some(text) = &text {
            arguments.extend(["--data-binary", text]);
        }
        arguments.push(&url);
        curl(&arguments)
    };
    until("the API server is ready", || {
        ask("/readyz", None).0.starts_with("200")
    });
    let authority = fs::read(world.path("tls.crt")).expect("it can be read");
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "stridegate"},
        "webhooks": [{
            "name": "validate.stridegate.dev", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "failurePolicy": "Fail", "timeoutSeconds": 5,
            "clientConfig": {
                "url": format!("https://localhost:{}/validate", world.port),
                "caBundle": base64::engine::general_purpose::STANDARD.encode(authority),
            },
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
        }],
    });
    let webhooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    let (status, told) = ask(webhooks, Some(&configuration));
    assert!(status.starts_with("201"), "{told}");
    let pod = |user: u32| {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "a-"},
            "spec": {"containers": [{"name": "a", "image": "a:1", "securityContext": {"runAsUser": user, "runAsNonRoot": user != 0}}]},
        })
    };
    let pods = "/api/v1/namespaces/default/pods?dryRun=All";
    // The configuration reaches the server's own admission a moment later.
    until("a Pod that runs as root is denied", || {
        let (status, told) = ask(pods, Some(&pod(0)));
        let message = told["message"].as_str().unwrap_or_default();
        status.starts_with("403")
            && message.contains("denied the request: [no-root] root-user/uid-zero")
    });
    let (status, told) = ask(pods, Some(&pod(7)));
    assert!(status.starts_with("201"), "{told}");
}
