//! Stands at a gate as an engine does: the real program, with an engine that answers from files.

mod calls;
mod docker;
#[cfg(feature = "registry")]
#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../program/registry/fake.rs"]
mod fake;
#[cfg(feature = "registry")]
mod follow;
mod peer;
mod renewal;
mod scan;
#[path = "../shared/mod.rs"]
mod shared;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use shared::{Answer, PATIENCE, Program, STRIDEGATE, root, testdata as recorded};

/// No container runs as root, and secrets are looked for.
const CONSTRAINTS: &str = "
apiVersion: stridegate.dev/v1
kind: Constraint
metadata: {name: no-root}
spec: {policy: root-user, enforcementAction: deny}
---
apiVersion: stridegate.dev/v1
kind: Constraint
metadata: {name: secrets}
spec: {policy: hardcoded-secret, enforcementAction: warn}
";

/// A program at its gate.
struct Gate {
    folder: TempDir,
    program: Program,
    engine: Engine,
}

impl Gate {
    /// Starts the program with constraints, and waits until it listens.
    fn start(constraints: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        std::fs::create_dir(folder.path().join("constraints")).expect("the folder can be written");
        let path = folder.path().join("constraints/gate.yaml");
        std::fs::write(path, constraints).expect("the folder can be written");
        Self::start_in(folder, arguments)
    }

    fn start_in(folder: TempDir, arguments: &[&str]) -> Self {
        let program = command(folder.path());
        Self::run(folder, program, arguments)
    }

    /// Starts a program that takes the arguments of this one.
    fn run(folder: TempDir, mut program: Command, arguments: &[&str]) -> Self {
        let engine = Engine::start(folder.path());
        let socket = format!("unix://{}", folder.path().join("engine.sock").display());
        let chosen = if arguments.contains(&"--engine") {
            vec![]
        } else {
            vec!["--engine", &socket]
        };
        let program = Program::start(
            program
                .args([
                    "serve",
                    "docker",
                    "-c",
                    "constraints",
                    "--socket",
                    "plugin.sock",
                ])
                .args(["--log", "decisions.jsonl"])
                .args(chosen)
                .args(arguments),
            "listening on",
        );
        Self {
            folder,
            program,
            engine,
        }
    }

    fn wait_for(&mut self, what: &str) -> String {
        self.program.wait_for(what)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.path("plugin.sock")).expect("the plugin listens");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("the time is not zero");
        stream
    }

    /// Asks the plugin.
    fn post(&self, path: &str, body: &str) -> (u16, Value) {
        let mut stream = self.connect();
        stream
            .write_all(request(path, body).as_bytes())
            .expect("the plugin reads");
        answer(&mut stream)
    }

    /// What the plugin says of a request: whether it is allowed, and why not.
    fn authorize(&self, call: &str) -> (bool, String) {
        let (status, body) = self.post("/AuthZPlugin.AuthZReq", call);
        assert_eq!(status, 200, "{body}");
        let message = body["Msg"].as_str().expect("a verdict has a message");
        (
            body["Allow"].as_bool().expect("a verdict says it"),
            message.to_owned(),
        )
    }

    fn asks(&self, method: &str, uri: &str, body: Option<&Value>) -> (bool, String) {
        self.authorize(&call(method, uri, body))
    }

    /// The decisions in the log.
    fn decisions(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(self.path("decisions.jsonl")).expect("there is a log");
        log.lines()
            .map(|line| serde_json::from_str(line).expect("a decision is JSON"))
            .collect()
    }

    fn constraints(&self, text: &str) {
        std::fs::write(self.path("constraints/gate.yaml"), text)
            .expect("the folder can be written");
    }

    fn signal(&self, signal: rustix::process::Signal) {
        self.program.signal(signal);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.program.child.kill();
    }
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(STRIDEGATE);
    command
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    for name in [
        "DOCKER_HOST",
        "DOCKER_CONTEXT",
        "DOCKER_CONFIG",
        "DOCKER_TLS_VERIFY",
    ] {
        command.env_remove(name);
    }
    command
}

fn request(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: \r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Reads an answer: its status and its body.
fn answer(stream: &mut UnixStream) -> (u16, Value) {
    let answer = Answer::read(stream).expect("the plugin answers");
    (
        answer.status,
        serde_json::from_str(&answer.body).unwrap_or(Value::Null),
    )
}

/// A call as an engine posts it.
fn call(method: &str, uri: &str, body: Option<&Value>) -> String {
    let mut call = json!({"RequestMethod": method, "RequestUri": uri, "RequestHeaders": {}});
    match body.map(Value::to_string) {
        Some(body) => {
            call["RequestHeaders"] = json!({"Content-Type": "application/json", "Content-Length": body.len().to_string()});
            call["RequestBody"] = base64::engine::general_purpose::STANDARD
                .encode(body)
                .into();
        }
        None if method == "POST" => call["RequestHeaders"] = json!({"Content-Length": "0"}),
        None => {}
    }
    call.to_string()
}

/// The id of the image `bb:imported`.
const IMAGE: &str = "sha256:398eee9c0dd892e4bb88428dbe2a12b1a5de78adb7846eef88d56c47fa36c150";

/// The body of a request for a container.
fn create(user: &str) -> Value {
    json!({"Image": "bb:imported", "User": user, "Cmd": ["true"], "HostConfig": {}})
}

/// An engine that shows what it was told to. Where there is a plugin, it asks that about each
/// question before it answers, as a real one does.
#[derive(Clone)]
struct Engine {
    shows: Arc<Mutex<BTreeMap<String, String>>>,
    asked: Arc<Mutex<Vec<String>>>,
    /// Whether answers are held back.
    held: Arc<AtomicBool>,
    /// The question at which it dies.
    fatal: Arc<Mutex<Option<String>>>,
}

impl Engine {
    fn start(folder: &Path) -> Self {
        let engine = Self::serve(folder, Some(folder.join("plugin.sock")));
        engine.show(
            "/images/bb:imported/json",
            &recorded("docker-engine/28.5/image-imported.json"),
        );
        engine.show(
            &format!("/images/{IMAGE}/history"),
            &recorded("docker-engine/28.5/history-imported.json"),
        );
        engine
    }

    fn serve(folder: &Path, plugin: Option<PathBuf>) -> Self {
        let socket = folder.join("engine.sock");
        let listener = UnixListener::bind(&socket).expect("the folder can be written");
        let engine = Self {
            shows: Arc::default(),
            asked: Arc::default(),
            held: Arc::default(),
            fatal: Arc::default(),
        };
        let served = engine.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (engine, plugin, socket) = (served.clone(), plugin.clone(), socket.clone());
                std::thread::spawn(move || engine.answer(stream, plugin.as_deref(), &socket));
            }
        });
        engine
    }

    fn dies_at(&self, path: &str) {
        *self.fatal.lock().expect("nothing panics") = Some(path.into());
    }

    fn show(&self, path: &str, body: &str) {
        self.shows
            .lock()
            .expect("nothing panics")
            .insert(path.into(), body.into());
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("nothing panics").clone()
    }

    fn answer(&self, mut stream: UnixStream, plugin: Option<&Path>, socket: &Path) {
        let mut headers = serde_json::Map::new();
        let mut reader = BufReader::new(stream.try_clone().expect("a socket can be shared"));
        let mut first = String::new();
        if reader.read_line(&mut first).is_err() {
            return;
        }
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        for line in reader
            .lines()
            .map_while(Result::ok)
            .take_while(|line| !line.is_empty())
        {
            if let Some((name, value)) = line.split_once(": ") {
                headers.insert(name.into(), value.into());
            }
        }
        self.asked
            .lock()
            .expect("nothing panics")
            .push(path.clone());
        if self.fatal.lock().expect("nothing panics").as_ref() == Some(&path) {
            std::fs::remove_file(socket).expect("an engine dies once");
            return;
        }
        let question =
            json!({"RequestMethod": "GET", "RequestUri": path, "RequestHeaders": headers});
        let denied = plugin.is_some_and(|plugin| {
            let mut peer = UnixStream::connect(plugin).expect("the plugin listens");
            peer.write_all(request("/AuthZPlugin.AuthZReq", &question.to_string()).as_bytes())
                .expect("the plugin reads");
            answer(&mut peer).1["Allow"] != true
        });
        while self.held.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        let known = self.shows.lock().expect("nothing panics");
        let shown = known.get(&path).cloned();
        drop(known);
        let (status, body) = match shown {
            _ if denied => ("403 Forbidden", "{\"message\":\"denied\"}".to_owned()),
            Some(body) => ("200 OK", body),
            None => (
                "404 Not Found",
                "{\"message\":\"No such thing\"}".to_owned(),
            ),
        };
        // The plugin may be gone.
        let _ = write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
    }
}
