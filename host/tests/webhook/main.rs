//! Stands at the gate of a cluster as an API server does: the real program, over TLS, with an API
//! server that answers from memory.
#![cfg(all(target_os = "linux", feature = "cluster"))]

mod cluster;
mod evaluate;
mod faults;
mod reviews;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a test waits for what has to happen before it fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// The folder of the workspace.
fn root() -> PathBuf {
    let host = Path::new(env!("CARGO_MANIFEST_DIR"));
    host.parent()
        .expect("the host lies in the workspace")
        .to_owned()
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("the folder can be written");
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("there is a folder for temporary files")
}

/// Makes a certificate for the webhook with `stridegate certs`.
fn certify(folder: &Path) {
    let made = Command::new(env!("CARGO_BIN_EXE_stridegate"))
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
    child: Child,
    address: SocketAddr,
    /// The lines that it says.
    said: Receiver<String>,
    heard: Vec<String>,
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
        certify(&folder.path().join("tls"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_stridegate"))
            .current_dir(folder.path())
            .args(["serve", "kubernetes", "--listen", "127.0.0.1:0"])
            .args(["--certificate", "tls/tls.crt", "--key", "tls/tls.key"])
            .args(["--drain", "0", "--log", "decisions.jsonl", "--only"])
            .args(POLICIES.map(policy_argument))
            .args(arguments)
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let stderr = child.stderr.take().expect("its stderr is a pipe");
        let (say, said) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if say.send(line).is_err() {
                    break;
                }
            }
        });
        let mut webhook = Self {
            folder,
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            said,
            heard: Vec::new(),
        };
        let line = webhook.wait_for("listening on https://");
        let address = line.rsplit("https://").next().expect("it says where");
        webhook.address = address.trim().parse().expect("it is an address");
        webhook
    }

    /// Waits until the program says something.
    fn wait_for(&mut self, what: &str) -> String {
        loop {
            let line = self.said.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("{what:?} was not said: {:#?}", self.heard));
            self.heard.push(line.clone());
            if line.contains(what) {
                return line;
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn constraints(&self, text: &str) {
        write(&self.path("constraints/gate.yaml"), text);
    }

    fn hang_up(&self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::HUP).expect("the program runs");
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
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            self.heard.extend(self.said.try_iter());
            let _ = writeln!(std::io::stderr(), "the program said: {:#?}", self.heard);
        }
    }
}

/// An answer of HTTP.
#[derive(Debug)]
struct Answer {
    status: u16,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// One connection over TLS.
struct Caller {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

impl Caller {
    /// Connects to an address, trusts `ca.crt` of a folder, and shows `tls.crt` of another.
    fn new(address: SocketAddr, trusted: &Path, shown: Option<&Path>) -> Self {
        let stream = TcpStream::connect(address).expect("the webhook listens");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("the time is not zero");
        let config = client(trusted, shown);
        let name = ServerName::try_from(HOST).expect("it is a name");
        let session = ClientConnection::new(config, name).expect("the settings are sound");
        Self {
            stream: StreamOwned::new(session, stream),
        }
    }

    fn ask(&mut self, method: &str, path: &str, media: &str, body: &str) -> Answer {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream
            .write_all(request.as_bytes())
            .expect("the webhook reads");
        self.answer().expect("the webhook answers")
    }

    fn answer(&mut self) -> std::io::Result<Answer> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            self.stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("the head of an answer is ASCII");
        let status = head[9..12].parse().expect("an answer has a status");
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length: ")?
                .parse()
                .ok()
        });
        let mut body = vec![0; length.expect("an answer says how long it is")];
        self.stream.read_exact(&mut body)?;
        let body = String::from_utf8(body).expect("an answer is text");
        Ok(Answer { status, body })
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
    let path = root().join("testdata/admission").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A Pod that runs as a user.
fn pod(name: &str, namespace: &str, user: u32) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": format!("uid-{name}")},
        "spec": {"containers": [{"name": "a", "image": "a:1", "securityContext": {"runAsUser": user, "runAsNonRoot": user != 0}}]},
    })
}

/// A review of a Pod that is to be created.
fn review(object: &Value) -> String {
    let namespace = &object["metadata"]["namespace"];
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u-1", "operation": "CREATE", "namespace": namespace, "object": object,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "userInfo": {"username": "ann", "groups": ["dev"]},
        },
    })
    .to_string()
}

/// An API server that holds objects by their paths.
struct ApiServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Objects by the path of their list and their name.
    objects: BTreeMap<String, BTreeMap<String, Value>>,
    /// Lists that nobody may read.
    forbidden: Vec<String>,
    /// What was asked.
    asked: Vec<String>,
    /// How often something changed.
    version: u64,
}

/// What the API server serves: group, version, plural, kind, and whether it lies in namespaces.
const SERVED: [(&str, &str, &str, &str, bool); 11] = [
    ("", "v1", "pods", "Pod", true),
    ("", "v1", "namespaces", "Namespace", false),
    ("", "v1", "configmaps", "ConfigMap", true),
    ("apps", "v1", "deployments", "Deployment", true),
    ("apps", "v1", "replicasets", "ReplicaSet", true),
    ("batch", "v1", "jobs", "Job", true),
    ("stridegate.dev", "v1", "constraints", "Constraint", false),
    ("stridegate.dev", "v1", "exceptions", "Exception", false),
    ("openreports.io", "v1alpha1", "reports", "Report", true),
    (
        "openreports.io",
        "v1alpha1",
        "clusterreports",
        "ClusterReport",
        false,
    ),
    ("other.example", "v1", "things", "Thing", true),
];

impl ApiServer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let server = Self {
            address: listener.local_addr().expect("it is bound"),
            state: Arc::default(),
        };
        let state = Arc::clone(&server.state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&state);
                std::thread::spawn(move || Self::serve(stream, &state));
            }
        });
        server
    }

    /// Writes a kubeconfig for it.
    fn kubeconfig(&self, folder: &Path) {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "test", "user": {}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        });
        write(&folder.join("kubeconfig"), &config.to_string());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics")
    }

    /// Puts an object into a list.
    fn put(&self, list: &str, object: Value) {
        let mut state = self.lock();
        let name = object["metadata"]["name"].as_str().expect("it has a name");
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("");
        let name = format!("{namespace}/{name}");
        state
            .objects
            .entry(list.into())
            .or_default()
            .insert(name, object);
        state.version += 1;
    }

    fn remove(&self, list: &str, name: &str) {
        let mut state = self.lock();
        state.objects.entry(list.into()).or_default().remove(name);
        state.version += 1;
    }

    fn objects(&self, list: &str) -> Vec<Value> {
        let state = self.lock();
        let objects = state.objects.get(list);
        objects
            .map(|all| all.values().cloned().collect())
            .unwrap_or_default()
    }

    fn serve(stream: TcpStream, state: &Mutex<State>) {
        let mut reader = BufReader::new(stream.try_clone().expect("a socket can be shared"));
        let mut stream = stream;
        loop {
            let mut first = String::new();
            if reader.read_line(&mut first).unwrap_or(0) == 0 {
                return;
            }
            let mut length = 0;
            loop {
                let mut header = String::new();
                if reader.read_line(&mut header).unwrap_or(0) == 0 {
                    return;
                }
                let header = header.trim_end().to_ascii_lowercase();
                if let Some(value) = header.strip_prefix("content-length: ") {
                    length = value.parse().expect("it is a number");
                }
                if header.is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            if reader.read_exact(&mut body).is_err() {
                return;
            }
            let mut words = first.split(' ');
            let (method, uri) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            if uri.contains("watch=true") {
                Self::watch(&mut stream, uri, state);
                return;
            }
            let (status, answer) = state
                .lock()
                .expect("nothing panics")
                .answer(method, uri, &body);
            let text = answer.to_string();
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                text.len()
            );
            if stream.write_all((head + &text).as_bytes()).is_err() {
                return;
            }
        }
    }

    /// Tells of the first change after the version that is asked for, and ends.
    fn watch(stream: &mut TcpStream, uri: &str, state: &Mutex<State>) {
        let version: u64 = uri
            .split("resourceVersion=")
            .nth(1)
            .and_then(|rest| rest.split('&').next()?.parse().ok())
            .unwrap_or(0);
        let list = uri.split('?').next().unwrap_or("").to_owned();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";
        if stream.write_all(head.as_bytes()).is_err() {
            return;
        }
        loop {
            let event = {
                let state = state.lock().expect("nothing panics");
                (state.version > version).then(|| {
                    let objects = state.objects.get(&list);
                    let objects = objects.into_iter().flat_map(BTreeMap::values);
                    let mut text = String::new();
                    for object in objects {
                        let mut object = object.clone();
                        object["metadata"]["resourceVersion"] = state.version.to_string().into();
                        text += &json!({"type": "MODIFIED", "object": object}).to_string();
                        text.push('\n');
                    }
                    text
                })
            };
            if let Some(text) = event {
                let _ = stream.write_all(text.as_bytes());
                return;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

impl State {
    #[expect(
        clippy::too_many_lines,
        reason = "a table of what an API server answers, read from top to bottom"
    )]
    fn answer(&mut self, method: &str, uri: &str, body: &[u8]) -> (u16, Value) {
        self.asked.push(format!("{method} {uri}"));
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let parameter = |name: &str| {
            let pair = query.split('&').find_map(|pair| pair.strip_prefix(name));
            pair.and_then(|rest| rest.strip_prefix('='))
                .map(str::to_owned)
        };
        if path == "/apis" {
            let groups = [
                "apps",
                "batch",
                "stridegate.dev",
                "openreports.io",
                "other.example",
            ];
            let groups = groups.map(|group| {
                let version = if group == "openreports.io" {
                    "v1alpha1"
                } else {
                    "v1"
                };
                json!({"name": group, "preferredVersion": {"version": version}})
            });
            return (200, json!({"groups": groups}));
        }
        let root = |group: &str, version: &str| {
            if group.is_empty() {
                format!("/api/{version}")
            } else {
                format!("/apis/{group}/{version}")
            }
        };
        let of_root: Vec<Value> = SERVED
            .iter()
            .filter(|(group, version, ..)| root(group, version) == path)
            .map(|(_, _, plural, kind, namespaced)| {
                json!({"name": plural, "kind": kind, "namespaced": namespaced, "verbs": ["get", "list", "watch"]})
            })
            .collect();
        if !of_root.is_empty() {
            return (200, json!({"resources": of_root}));
        }
        // A namespace in the path selects from the one list.
        let mut namespace = None;
        let mut list = path.to_owned();
        if let Some((before, after)) = path.split_once("/namespaces/")
            && let Some((name, rest)) = after.split_once('/')
        {
            namespace = Some(name.to_owned());
            list = format!("{before}/{rest}");
        }
        if self.forbidden.contains(&list) {
            let message = format!("{list} is forbidden");
            return (
                403,
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403, "reason": "Forbidden", "message": message}),
            );
        }
        let is_list = SERVED.iter().any(|(group, version, plural, ..)| {
            format!("{}/{plural}", root(group, version)) == list
        });
        if is_list {
            let all = self.objects.get(&list);
            let items: Vec<Value> = all
                .into_iter()
                .flat_map(BTreeMap::values)
                .filter(|item| {
                    namespace
                        .as_ref()
                        .is_none_or(|name| item["metadata"]["namespace"] == **name)
                })
                .cloned()
                .collect();
            // Pages of two, so that there are several.
            let from: usize = parameter("continue")
                .and_then(|at| at.parse().ok())
                .unwrap_or(0);
            let page: Vec<Value> = items.iter().skip(from).take(2).cloned().collect();
            let mut metadata = json!({"resourceVersion": self.version.to_string()});
            if from + 2 < items.len() {
                metadata["continue"] = (from + 2).to_string().into();
                metadata["remainingItemCount"] = (items.len() - from - 2).into();
            }
            return (
                200,
                json!({"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": page}),
            );
        }
        let status = list.ends_with("/status");
        let object = list.trim_end_matches("/status").to_owned();
        let (list, name) = object.rsplit_once('/').unwrap_or(("", ""));
        let key = format!("{}/{name}", namespace.unwrap_or_default());
        let objects = self.objects.entry(list.into()).or_default();
        match method {
            "PATCH" => {
                let new: Value = serde_json::from_slice(body).expect("a patch is JSON");
                if status {
                    if let Some(object) = objects.get_mut(&key) {
                        object["status"] = new["status"].clone();
                    }
                } else {
                    objects.insert(key, new.clone());
                }
                (200, new)
            }
            "DELETE" => {
                objects.remove(&key);
                (
                    200,
                    json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}),
                )
            }
            _ => match objects.get(&key) {
                Some(object) => (200, object.clone()),
                None => (
                    404,
                    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound", "message": "not found"}),
                ),
            },
        }
    }
}
