//! Stands at the gate of a cluster as an API server does: the real program, over TLS, with an API
//! server that answers from memory.
#![cfg(all(target_os = "linux", feature = "cluster"))]

mod access;
mod api_server;
mod cluster;
mod evaluate;
mod faults;
mod load;
mod reviews;
#[path = "../shared/mod.rs"]
mod shared;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use tempfile::TempDir;

use api_server::ApiServer;
use shared::{Answer, PATIENCE, Program, STRIDEGATE, folder, root, testdata, write};

/// Makes a certificate for the webhook with `stridegate certs`.
fn certify(folder: &Path) {
    let made = Command::new(STRIDEGATE)
        .args(["certs", "--service", "stridegate", "--namespace", "test"])
        .arg(folder)
        .output()
        .expect("the program can be started");
    assert!(made.status.success(), "{made:?}");
}

/// The name that the certificate is for.
const HOST: &str = "stridegate.test.svc";

/// Refuses root.
const DENY: &str = "
apiVersion: stridegate.dev/v1
kind: Constraint
metadata: {name: no-root}
spec: {policy: root-user}
";

/// The policies that the tests need: to compile all takes long.
const POLICIES: [&str; 3] = ["hardcoded-secret", "privileged-exec", "root-user"];

fn policy_argument(policy: &str) -> String {
    let component = root().join(format!("target/policies/{policy}.wasm"));
    format!("--policy={}", component.display())
}

/// The program at its gate.
struct Webhook {
    folder: TempDir,
    program: Program,
    address: SocketAddr,
}

impl Webhook {
    /// Starts the program with constraints, and waits until it listens.
    fn start(constraints: &str, arguments: &[&str]) -> Self {
        let folder = folder();
        std::fs::create_dir(folder.path().join("constraints")).expect("the folder can be written");
        write(&folder.path().join("constraints/gate.yaml"), constraints);
        Self::start_in(folder, &[&["-c", "constraints"], arguments].concat())
    }

    fn start_in(folder: TempDir, arguments: &[&str]) -> Self {
        Self::start_with(folder, arguments, &POLICIES)
    }

    /// Starts the program with some of the policies beside those that the arguments name.
    fn start_with(folder: TempDir, arguments: &[&str], policies: &[&str]) -> Self {
        certify(&folder.path().join("tls"));
        let program = Program::start(
            Command::new(STRIDEGATE)
                .current_dir(folder.path())
                .args(["serve", "kubernetes", "--listen", "127.0.0.1:0"])
                .args(["--certificate", "tls/tls.crt", "--key", "tls/tls.key"])
                .args(["--drain", "0", "--log", "decisions.jsonl", "--only"])
                .args(policies.iter().map(|policy| policy_argument(policy)))
                .args(arguments)
                .env_remove("KUBECONFIG"),
            "listening on https://",
        );
        let address = program.last().rsplit("https://").next();
        let address = address.and_then(|address| address.trim().parse().ok());
        Self {
            folder,
            program,
            address: address.expect("it says where"),
        }
    }

    fn wait_for(&mut self, what: &str) -> String {
        self.program.wait_for(what)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn constraints(&self, text: &str) {
        write(&self.path("constraints/gate.yaml"), text);
    }

    fn hang_up(&self) {
        self.program.signal(rustix::process::Signal::HUP);
    }

    /// A caller that trusts the certificate in the folder now.
    fn caller(&self) -> Caller {
        Caller::new(self.address, &self.path("tls"), None)
    }

    fn get(&self, path: &str) -> Answer {
        self.caller().ask("GET", path, "", "")
    }

    fn post(&self, path: &str, body: &str) -> Answer {
        self.caller().ask("POST", path, "application/json", body)
    }

    /// What is told of a review: whether it is allowed, and the message or the warnings.
    fn validate(&self, body: &str) -> (bool, String) {
        let answer = self.post("/validate?timeout=10s", body);
        assert_eq!(answer.status, 200, "{}", answer.body);
        verdict(&answer.json())
    }
}

/// Whether a review is allowed, and the message or the warnings.
fn verdict(told: &Value) -> (bool, String) {
    let response = &told["response"];
    let said = response["status"]["message"].as_str().map_or_else(
        || response["warnings"].to_string(),
        std::borrow::ToOwned::to_owned,
    );
    (response["allowed"] == true, said)
}

impl Drop for Webhook {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.program.child.kill();
    }
}

/// One connection over TLS.
struct Caller {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

impl Caller {
    /// Connects to an address, trusts `ca.crt` of a folder, and shows `tls.crt` of another.
    fn new(address: SocketAddr, trusted: &Path, shown: Option<&Path>) -> Self {
        Self::with(address, client(trusted, shown))
    }

    fn with(address: SocketAddr, config: Arc<ClientConfig>) -> Self {
        let stream = TcpStream::connect(address).expect("the webhook listens");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("the time is not zero");
        let name = ServerName::try_from(HOST).expect("it is a name");
        let session = ClientConnection::new(config, name).expect("the settings are sound");
        Self {
            stream: StreamOwned::new(session, stream),
        }
    }

    /// Sends a part of a request.
    fn send(&mut self, part: &[u8]) {
        assert!(self.sends(part), "the webhook reads");
    }

    /// Sends a part of a request, if the webhook still reads.
    fn sends(&mut self, part: &[u8]) -> bool {
        let sent = self.stream.write_all(part);
        sent.and_then(|()| self.stream.flush()).is_ok()
    }

    fn ask(&mut self, method: &str, path: &str, media: &str, body: &str) -> Answer {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.send(request.as_bytes());
        self.answer().expect("the webhook answers")
    }

    fn answer(&mut self) -> std::io::Result<Answer> {
        Answer::read(&mut self.stream)
    }
}

fn client(trusted: &Path, shown: Option<&Path>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(trusted.join("ca.crt"));
    roots
        .add(authority.expect("the authority can be read"))
        .expect("the authority is sound");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the versions are known")
        .with_root_certificates(roots);
    Arc::new(match shown {
        None => builder.with_no_client_auth(),
        Some(folder) => {
            let chain = CertificateDer::from_pem_file(folder.join("tls.crt"));
            let key = PrivateKeyDer::from_pem_file(folder.join("tls.key"));
            builder
                .with_client_auth_cert(
                    vec![chain.expect("the certificate can be read")],
                    key.expect("the key can be read"),
                )
                .expect("both belong together")
        }
    })
}

/// A recorded review.
fn recorded(name: &str) -> String {
    testdata(&format!("admission/{name}"))
}

/// A Pod that runs as a user.
fn pod(name: &str, namespace: &str, user: u32) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": format!("uid-{name}")},
        "spec": {"containers": [{"name": "a", "image": "a:1", "securityContext": {"runAsUser": user, "runAsNonRoot": user != 0}}]},
    })
}

/// A Deployment of such Pods.
fn deployment(name: &str, namespace: &str, user: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "uid": format!("uid-{name}")},
        "spec": {"template": {"spec": pod(name, namespace, user)["spec"]}},
    })
}

/// A review of a Pod or a Deployment that is to be created.
fn review(object: &Value) -> String {
    let namespace = &object["metadata"]["namespace"];
    let (group, resource) = match object["kind"].as_str() {
        Some("Deployment") => ("apps", "deployments"),
        _ => ("", "pods"),
    };
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u-1", "operation": "CREATE", "namespace": namespace, "object": object,
            "kind": {"group": group, "version": "v1", "kind": object["kind"]},
            "resource": {"group": group, "version": "v1", "resource": resource},
            "userInfo": {"username": "ann", "groups": ["dev"]},
        },
    })
    .to_string()
}
