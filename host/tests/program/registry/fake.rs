//! A small registry that keeps everything in memory and misbehaves on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use stridegate::registry::Digest;

/// A request, with the names of headers in small letters.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Whom it is meant for, if it was sent to a proxy.
    pub(crate) host: Option<String>,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// What is sent back.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// An answer with its length.
    Whole(u16, Vec<(String, String)>, Vec<u8>),
    /// An answer in pieces whose end is the end of the body.
    Pieces(Vec<(String, String)>, Vec<u8>),
    /// An answer that promises some bytes, and ends after others.
    Cut(usize, Vec<u8>),
    /// An answer without an end, with a status.
    Endless(u16),
    /// Nothing, and the connection stays open.
    Silence,
}

pub(crate) fn reply(status: u16, body: &[u8]) -> Reply {
    Reply::Whole(status, Vec::new(), body.to_vec())
}

pub(crate) fn with(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Reply::Whole(status, headers, body.to_vec())
}

type Fault = Box<dyn FnMut(&Request) -> Option<Reply> + Send>;

#[derive(Default)]
struct State {
    blobs: BTreeMap<String, Vec<u8>>,
    /// By repository, and tag or digest.
    manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    fault: Option<Fault>,
    log: Vec<Request>,
}

/// A registry on this machine, for as long as the test runs.
pub(crate) struct Fake {
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
}

impl Fake {
    pub(crate) fn start() -> Self {
        Self::start_over(Some)
    }

    /// A registry that speaks over what is made of each connection.
    pub(crate) fn start_over<S: Read + Write>(
        over: impl Fn(TcpStream) -> Option<S> + Clone + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, over) = (Arc::clone(&shared), over.clone());
                thread::spawn(move || over(stream).map(|stream| serve(stream, &state)));
            }
        });
        Self { address, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panicked with it")
    }

    /// The reference of something in it.
    pub(crate) fn reference(&self, rest: &str) -> String {
        format!("oci://{}/{rest}", self.address)
    }

    /// Answers some requests in another way.
    pub(crate) fn misbehave(&self, fault: impl FnMut(&Request) -> Option<Reply> + Send + 'static) {
        self.state().fault = Some(Box::new(fault));
    }

    pub(crate) fn behave(&self) {
        self.state().fault = None;
    }

    /// What was asked since this was last asked.
    pub(crate) fn log(&self) -> Vec<Request> {
        std::mem::take(&mut self.state().log)
    }

    /// What a tag or digest stands for.
    pub(crate) fn manifest(&self, repository: &str, name: &str) -> Vec<u8> {
        let key = (repository.to_owned(), name.to_owned());
        self.state().manifests[&key].1.clone()
    }

    pub(crate) fn set(&self, repository: &str, name: &str, media_type: &str, bytes: &[u8]) {
        let value = (media_type.to_owned(), bytes.to_vec());
        let mut state = self.state();
        let digest = Digest::of(bytes).to_string();
        for name in [name.to_owned(), digest] {
            let key = (repository.to_owned(), name);
            state.manifests.insert(key, value.clone());
        }
    }

    /// Removes a tag.
    pub(crate) fn remove(&self, repository: &str, tag: &str) {
        let key = (repository.to_owned(), tag.to_owned());
        self.state().manifests.remove(&key);
    }

    pub(crate) fn blob(&self, digest: &str) -> Vec<u8> {
        self.state().blobs[digest].clone()
    }

    pub(crate) fn set_blob(&self, bytes: &[u8]) -> String {
        let digest = Digest::of(bytes).to_string();
        self.state().blobs.insert(digest.clone(), bytes.to_vec());
        digest
    }
}

fn serve(stream: impl Read + Write, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        let reply = {
            let mut state = state.lock().expect("no test panicked with it");
            state.log.push(request.clone());
            let fault = state.fault.as_mut().and_then(|fault| fault(&request));
            fault.unwrap_or_else(|| answer(&mut state, &request))
        };
        if write(reader.get_mut(), &request, reply).is_none() {
            return;
        }
    }
}

/// Reads a request; none if it is none, as the beginning of TLS is.
fn read(reader: &mut BufReader<impl Read>) -> Option<Request> {
    let mut line = Vec::new();
    reader
        .by_ref()
        .take(8192)
        .read_until(b'\n', &mut line)
        .ok()?;
    let line = String::from_utf8(line).ok()?;
    let mut words = line.split_whitespace();
    let method = words.next()?.to_owned();
    let target = words.next()?.to_owned();
    words
        .next()
        .filter(|version| version.starts_with("HTTP/"))?;
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .and_then(|text| text.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    // A proxy is told the host too.
    let whole = target.strip_prefix("http://");
    let (host, target) = match whole.and_then(|rest| rest.split_once('/')) {
        Some((host, rest)) => (Some(host.to_owned()), format!("/{rest}")),
        None => (None, target.clone()),
    };
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Some(Request {
        method,
        host,
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body,
    })
}

/// Writes a reply; none if the connection is done with.
fn write(stream: &mut (impl Read + Write), request: &Request, reply: Reply) -> Option<()> {
    let head = |status: u16, headers: &[(String, String)]| {
        headers
            .iter()
            .fold(format!("HTTP/1.1 {status} X\r\n"), |head, (name, value)| {
                format!("{head}{name}: {value}\r\n")
            })
    };
    match reply {
        Reply::Whole(status, headers, body) => {
            let head = head(status, &headers);
            let mut all = format!("{head}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
            if request.method != "HEAD" {
                all.extend(body);
            }
            stream.write_all(&all).ok()
        }
        Reply::Pieces(headers, body) => {
            let head = head(200, &headers);
            let all = format!(
                "{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n",
                body.len()
            );
            stream.write_all(all.as_bytes()).ok()?;
            stream.write_all(&body).ok()?;
            stream.write_all(b"\r\n0\r\n\r\n").ok()
        }
        Reply::Cut(promised, body) => {
            let head = head(200, &[]);
            let all = format!("{head}Content-Length: {promised}\r\n\r\n");
            stream.write_all(all.as_bytes()).ok()?;
            stream.write_all(&body).ok()?;
            None
        }
        Reply::Endless(status) => {
            let head = head(status, &[]);
            let all = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
            stream.write_all(all.as_bytes()).ok()?;
            // Until the other side has enough.
            let piece = [b"10000\r\n", &vec![b' '; 0x10000][..], b"\r\n"].concat();
            while stream.write_all(&piece).is_ok() {}
            None
        }
        Reply::Silence => {
            // Until the other side has enough.
            let _ = stream.read(&mut [0]);
            None
        }
    }
}

/// What a registry without faults answers.
fn answer(state: &mut State, request: &Request) -> Reply {
    let missing = || {
        reply(
            404,
            br#"{"errors":[{"code":"NOT_FOUND","message":"not there"}]}"#,
        )
    };
    if request.method == "PUT" && request.path.starts_with("/upload/") {
        let digest = Digest::of(&request.body).to_string();
        // Colons are escaped in a query.
        let promised = request.query.replace("%3A", ":");
        if !promised.ends_with(&format!("digest={digest}")) || !promised.starts_with("state=x") {
            return reply(400, br#"{"errors":[{"code":"DIGEST_INVALID"}]}"#);
        }
        state.blobs.insert(digest, request.body.clone());
        return reply(201, b"");
    }
    let Some(path) = request.path.strip_prefix("/v2/") else {
        return missing();
    };
    if path.is_empty() {
        return reply(200, b"{}");
    }
    if path == "_catalog" {
        let names: BTreeSet<&String> = state.manifests.keys().map(|(name, _)| name).collect();
        let body = serde_json::json!({"repositories": names}).to_string();
        return reply(200, body.as_bytes());
    }
    if let Some(repository) = path.strip_suffix("/tags/list") {
        let names = state.manifests.keys();
        if !names.clone().any(|(known, _)| known == repository) {
            return missing();
        }
        let tags: Vec<&String> = names
            .filter(|(known, name)| known == repository && !name.contains(':'))
            .map(|(_, name)| name)
            .collect();
        let body = serde_json::json!({"name": repository, "tags": tags}).to_string();
        return reply(200, body.as_bytes());
    }
    if path.ends_with("/blobs/uploads/") {
        return with(202, &[("Location", "/upload/1?state=x")], b"");
    }
    if let Some((repository, name)) = path.split_once("/manifests/") {
        let key = (repository.to_owned(), name.to_owned());
        if request.method == "PUT" {
            let media_type = request.headers["content-type"].clone();
            let digest = Digest::of(&request.body).to_string();
            for name in [name.to_owned(), digest.clone()] {
                let key = (repository.to_owned(), name);
                let value = (media_type.clone(), request.body.clone());
                state.manifests.insert(key, value);
            }
            return with(201, &[("Docker-Content-Digest", &digest)], b"");
        }
        return match state.manifests.get(&key) {
            Some((media_type, bytes)) => with(200, &[("Content-Type", media_type)], bytes),
            None => missing(),
        };
    }
    if let Some((_, digest)) = path.split_once("/blobs/") {
        return match state.blobs.get(digest) {
            Some(bytes) => reply(200, bytes),
            None => missing(),
        };
    }
    missing()
}
