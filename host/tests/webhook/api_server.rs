//! An API server that holds objects in memory, and does what a real one may do to its callers.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use serde_json::{Value, json};

use super::shared::{PATIENCE, write};

/// What it serves: group, version, plural, kind, and whether it lies in namespaces.
const SERVED: [(&str, &str, &str, &str, bool); 13] = [
    ("", "v1", "pods", "Pod", true),
    ("", "v1", "namespaces", "Namespace", false),
    ("", "v1", "configmaps", "ConfigMap", true),
    ("", "v1", "limitranges", "LimitRange", true),
    ("apps", "v1", "deployments", "Deployment", true),
    ("apps", "v1", "replicasets", "ReplicaSet", true),
    ("batch", "v1", "jobs", "Job", true),
    ("batch", "v1beta1", "cronjobs", "CronJob", true),
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

/// An API server on loopback.
pub(crate) struct ApiServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// What it holds, and how it behaves.
#[derive(Default)]
pub(crate) struct State {
    /// Objects by the path of their list and their name.
    objects: BTreeMap<String, BTreeMap<String, Value>>,
    /// Lists that nobody may read.
    pub(crate) forbidden: Vec<String>,
    /// What was asked.
    pub(crate) asked: Vec<String>,
    /// The most objects of a page; two if it is not set, so that there are several.
    pub(crate) page: Option<usize>,
    /// How many questions for a next page are answered with 410 Gone.
    pub(crate) gone: usize,
    /// Whether such an answer says how to go on.
    pub(crate) goes_on: bool,
    /// What has happened: the list, the type and the object.
    events: Vec<(String, &'static str, Value)>,
    /// Watches from before this version are answered with 410 Gone.
    pub(crate) forgotten: usize,
    /// How often all watches were ended.
    ended: usize,
}

impl ApiServer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let server = Self {
            address: listener.local_addr().expect("it is bound"),
            shared: Arc::default(),
        };
        let shared = Arc::clone(&server.shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        server
    }

    /// Writes a kubeconfig for it.
    pub(crate) fn kubeconfig(&self, folder: &Path) {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "test", "user": {}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        });
        write(&folder.join("kubeconfig"), &config.to_string());
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }

    /// Puts an object into a list.
    pub(crate) fn put(&self, list: &str, object: Value) {
        self.lock().put(list, object);
        self.shared.changed.notify_all();
    }

    pub(crate) fn remove(&self, list: &str, name: &str) {
        let mut state = self.lock();
        let objects = state.objects.entry(list.into()).or_default();
        if let Some(object) = objects.remove(name) {
            state.events.push((list.into(), "DELETED", object));
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    pub(crate) fn objects(&self, list: &str) -> Vec<Value> {
        self.lock().list(list)
    }

    /// Ends every watch, as a server does that is restarted.
    pub(crate) fn end_watches(&self) {
        self.lock().ended += 1;
        self.shared.changed.notify_all();
    }

    /// Waits until something holds that a caller brings about.
    pub(crate) fn wait(&self, what: &str, mut holds: impl FnMut(&State) -> bool) {
        let waited = self
            .shared
            .changed
            .wait_timeout_while(self.lock(), PATIENCE, |state| !holds(state));
        let (state, timeout) = waited.expect("nothing panics");
        assert!(!timeout.timed_out(), "{what}: {:#?}", state.asked);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics")
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().expect("a socket can be shared"));
        while let Some((method, uri, body)) = request(&mut reader) {
            if uri.contains("watch=true") {
                self.watch(&mut stream, &uri);
                return;
            }
            let (status, answer) = self.lock().answer(&method, &uri, &body);
            self.changed.notify_all();
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

    /// Tells what happens to a list after the version that is asked for, until watches end.
    fn watch(&self, stream: &mut TcpStream, uri: &str) {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";
        if stream.write_all(head.as_bytes()).is_err() {
            return;
        }
        let list = uri.split('?').next().unwrap_or("");
        let mut version: usize = parameter(uri, "resourceVersion")
            .and_then(|version| version.parse().ok())
            .unwrap_or(0);
        let mut state = self.lock();
        state.asked.push(format!("WATCH {uri}"));
        self.changed.notify_all();
        let ended = state.ended;
        if version < state.forgotten {
            let status = gone("too old resource version");
            let _ = writeln!(stream, "{}", json!({"type": "ERROR", "object": status}));
            return;
        }
        while state.ended == ended {
            let mut text = String::new();
            for (number, (of, kind, object)) in state.events.iter().enumerate().skip(version) {
                if of == list {
                    let mut object = object.clone();
                    object["metadata"]["resourceVersion"] = (number + 1).to_string().into();
                    text += &json!({"type": kind, "object": object}).to_string();
                    text.push('\n');
                }
            }
            version = state.events.len();
            if stream.write_all(text.as_bytes()).is_err() {
                return;
            }
            state = self.changed.wait(state).expect("nothing panics");
        }
    }
}

/// The next request of a connection: method, path and body.
fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, String, Vec<u8>)> {
    let mut first = String::new();
    if reader.read_line(&mut first).ok()? == 0 {
        return None;
    }
    let mut length = 0;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).ok()? == 0 {
            return None;
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
    reader.read_exact(&mut body).ok()?;
    let mut words = first.split(' ').map(str::to_owned);
    Some((words.next()?, words.next()?, body))
}

fn parameter(uri: &str, name: &str) -> Option<String> {
    let (_, query) = uri.split_once('?')?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    Some(value.to_owned())
}

fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message})
}

fn gone(message: &str) -> Value {
    status(410, "Expired", message)
}

fn root(group: &str, version: &str) -> String {
    if group.is_empty() {
        format!("/api/{version}")
    } else {
        format!("/apis/{group}/{version}")
    }
}

impl State {
    fn put(&mut self, list: &str, object: Value) {
        let name = object["metadata"]["name"].as_str().expect("it has a name");
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("");
        let name = format!("{namespace}/{name}");
        let objects = self.objects.entry(list.into()).or_default();
        let known = objects.insert(name, object.clone()).is_some();
        let kind = if known { "MODIFIED" } else { "ADDED" };
        self.events.push((list.into(), kind, object));
    }

    pub(crate) fn list(&self, list: &str) -> Vec<Value> {
        let objects = self.objects.get(list);
        objects
            .map(|all| all.values().cloned().collect())
            .unwrap_or_default()
    }

    fn answer(&mut self, method: &str, uri: &str, body: &[u8]) -> (u16, Value) {
        self.asked.push(format!("{method} {uri}"));
        let path = uri.split('?').next().unwrap_or(uri);
        if let Some(answer) = discovery(path) {
            return (200, answer);
        }
        let mut list = path.to_owned();
        let mut namespace = None;
        if let Some((before, after)) = path.split_once("/namespaces/")
            && let Some((name, rest)) = after.split_once('/')
        {
            namespace = Some(name.to_owned());
            list = format!("{before}/{rest}");
        }
        let is_list = SERVED.iter().any(|(group, version, plural, ..)| {
            format!("{}/{plural}", root(group, version)) == list
        });
        let forbidden = |list: &String| {
            let of = |known: &String| list == known || list.starts_with(&format!("{known}/"));
            self.forbidden.iter().any(of)
        };
        if forbidden(&list) {
            let plural = list.rsplit('/').next().unwrap_or_default();
            let message = format!(
                "{plural} is forbidden: User \"system:serviceaccount:x:y\" cannot list resource \"{plural}\" at the cluster scope"
            );
            return (403, status(403, "Forbidden", &message));
        }
        if is_list && method == "GET" {
            return self.page(&list, namespace.as_deref(), uri);
        }
        self.one(method, &list, namespace, body)
    }

    /// A page of a list.
    fn page(&mut self, list: &str, namespace: Option<&str>, uri: &str) -> (u16, Value) {
        let all = self.objects.get(list);
        let label = parameter(uri, "labelSelector");
        let label = label.as_deref().map(|label| label.replace("%2F", "/"));
        let label = label.as_deref().and_then(|label| label.split_once("%3D"));
        let items: Vec<&Value> = all
            .into_iter()
            .flat_map(BTreeMap::values)
            .filter(|item| namespace.is_none_or(|name| item["metadata"]["namespace"] == *name))
            .filter(|item| {
                label.is_none_or(|(key, value)| item["metadata"]["labels"][key] == *value)
            })
            .collect();
        let number = |name| parameter(uri, name).and_then(|at| at.parse::<usize>().ok());
        let from = number("continue");
        if from.is_some() && self.gone > 0 {
            self.gone -= 1;
            let mut status = gone("The provided continue parameter is too old");
            if self.goes_on {
                status["metadata"]["continue"] = from.unwrap_or(0).to_string().into();
            }
            return (410, status);
        }
        let from = from.unwrap_or(0);
        let most = self
            .page
            .unwrap_or(2)
            .min(number("limit").unwrap_or(usize::MAX));
        let page: Vec<&Value> = items.iter().skip(from).take(most).copied().collect();
        let mut metadata = json!({"resourceVersion": self.events.len().to_string()});
        if from + most < items.len() {
            metadata["continue"] = (from + most).to_string().into();
            metadata["remainingItemCount"] = (items.len() - from - most).into();
        }
        let list = json!({"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": page});
        (200, list)
    }

    /// What is asked of one object.
    fn one(
        &mut self,
        method: &str,
        path: &str,
        namespace: Option<String>,
        body: &[u8],
    ) -> (u16, Value) {
        let object = path.trim_end_matches("/status");
        let (list, name) = object.rsplit_once('/').unwrap_or(("", ""));
        let key = format!("{}/{name}", namespace.unwrap_or_default());
        let objects = self.objects.entry(list.into()).or_default();
        match (method, objects.get_mut(&key)) {
            ("PATCH", known) => {
                let new: Value = serde_json::from_slice(body).expect("a patch is JSON");
                if path == object {
                    self.put(list, new.clone());
                } else if let Some(known) = known {
                    known["status"] = new["status"].clone();
                    let changed = known.clone();
                    self.events.push((list.into(), "MODIFIED", changed));
                }
                (200, new)
            }
            ("DELETE", Some(_)) => {
                objects.remove(&key);
                (
                    200,
                    json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}),
                )
            }
            ("GET", Some(known)) => (200, known.clone()),
            _ => (404, status(404, "NotFound", "not found")),
        }
    }
}

/// What it says of what it serves.
fn discovery(path: &str) -> Option<Value> {
    if path == "/apis" {
        let mut groups: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for (group, version, ..) in SERVED.iter().filter(|(group, ..)| !group.is_empty()) {
            let version = json!({"groupVersion": format!("{group}/{version}"), "version": version});
            let versions = groups.entry(group).or_default();
            if !versions.contains(&version) {
                versions.push(version);
            }
        }
        let groups = groups.iter().map(|(group, versions)| {
            json!({"name": group, "versions": versions, "preferredVersion": versions[0]})
        });
        let groups: Vec<Value> = groups.collect();
        return Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}));
    }
    let resources: Vec<Value> = SERVED
        .iter()
        .filter(|(group, version, ..)| root(group, version) == path)
        .flat_map(|(_, _, plural, kind, namespaced)| {
            let of = |name: String, verbs: &[&str]| {
                json!({"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": verbs})
            };
            [
                of((*plural).into(), &["get", "list", "watch", "patch", "delete"]),
                of(format!("{plural}/status"), &["get", "patch"]),
            ]
        })
        .collect();
    (!resources.is_empty())
        .then(|| json!({"kind": "APIResourceList", "groupVersion": path, "resources": resources}))
}
