//! A request to the Docker Engine API, as the engine tells an authorization plugin of it.
//!
//! The plugin sees the method, the URI, the headers and, of bodies in JSON, the body. What it does
//! not see the engine may read all the same, so that a request of which it is not certain what the
//! engine makes of it has a fault here.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stridegate_shapes::fields::{Doubled, means};
use stridegate_shapes::request::{self, Body, Endpoint, Target};
use stridegate_shapes::{Kind, container, exec, network, plugin, service, volume};

use super::docker::{doubled_message, labels, merged};
use super::{Fault, InputFault, Reading, json};
use crate::object::{Content, Identity, Move, Node, Object, Request, Span, Text, Written};

/// A request to the engine.
#[derive(Debug)]
pub struct Call {
    /// The method.
    pub method: String,
    /// The path and the query as the engine got them.
    pub uri: String,
    /// Where the engine routes it; none if that is not known here.
    pub endpoint: Option<Endpoint>,
    /// What the path names: a container, an exec, an image; empty if nothing.
    pub name: String,
    /// The user, if the transport knows one.
    pub user: Option<String>,
    /// Why it is not certain what the engine makes of it; what is uncertain is no request to grant.
    pub faults: Vec<String>,
    target: Target,
    request: Arc<Request>,
    headers: Vec<(String, String)>,
    /// The text of the call, and that of its body.
    texts: Vec<Arc<Text>>,
    uri_span: Span,
    body_span: Span,
    /// The body, with its fields in their canonical spelling where the shape has no other.
    body: Option<Node>,
}

/// What the engine has to be asked before a call can be judged: what is there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The container that is started or changed.
    Container(String),
    /// The exec that is started.
    Exec(String),
    /// The service that is set back to what it was.
    Service(String),
    /// The plugin that is enabled, which starts its container.
    Plugin(String),
}

/// Whether a text can hold a call at all.
pub(super) fn is_plausible(content: &str) -> bool {
    content.contains("\"RequestMethod\"")
}

/// Whether a document is a call.
pub(super) fn recognises(_name: &Path, document: &Node) -> bool {
    document.text("RequestMethod").is_some() && document.text("RequestUri").is_some()
}

/// Reads a call that was recorded.
pub(super) fn read(document: &Node, text: &Arc<Text>, name: &str, reading: &mut Reading) {
    let call = Call::of(document, text);
    let judged = call.reading(name);
    reading.written += judged.written;
    reading.objects.extend(judged.objects);
    reading.faults.extend(judged.faults);
}

impl Call {
    /// Reads a call: the JSON that the engine posts.
    pub fn parse(text: &Arc<Text>) -> Result<Self, Fault> {
        let document = json::read(&text.content)?;
        if recognises(Path::new(""), &document) {
            Ok(Self::of(&document, text))
        } else {
            let message = "is no call of the engine: RequestMethod and RequestUri are missing";
            Err(Fault::new(0, message))
        }
    }

    fn of(document: &Node, text: &Arc<Text>) -> Self {
        let mut faults = Vec::new();
        let field = |key| document.text(key).filter(|value: &&str| !value.is_empty());
        let method = field("RequestMethod").unwrap_or_default().to_owned();
        let uri = field("RequestUri").unwrap_or_default().to_owned();
        let target = Target::parse(&uri).unwrap_or_else(|why| {
            faults.push(format!("{why}; engines do not agree on what it means"));
            let path = uri.clone();
            Target {
                version: None,
                path,
                query: Vec::new(),
            }
        });
        let routed = target.endpoint(&method);
        let endpoint = routed.map(|(endpoint, _)| endpoint);
        let name = routed.map_or("", |(_, name)| name).to_owned();
        let headers = document
            .get("RequestHeaders")
            .map(Node::entries)
            .unwrap_or_default();
        let headers = headers
            .iter()
            .filter_map(|entry| Some((entry.key.clone(), entry.value.as_str()?.to_owned())));
        let user = field("User").map(str::to_owned);
        let mut attributes = serde_json::Map::new();
        if let Some(method) = field("UserAuthNMethod") {
            attributes.insert("authentication".into(), method.into());
        }
        let request = Request {
            operation: endpoint
                .map_or(request::UNKNOWN, |endpoint| endpoint.name)
                .into(),
            user: user.clone(),
            attributes,
            ..Request::default()
        };
        let span = |key| document.get(key).map_or(document.span, |node| node.span);
        let mut call = Self {
            method,
            uri,
            endpoint,
            name,
            user,
            faults,
            target,
            request: Arc::new(request),
            headers: headers.collect(),
            texts: vec![Arc::clone(text)],
            uri_span: span("RequestUri"),
            body_span: span("RequestBody"),
            body: None,
        };
        match call.decode(field("RequestBody")) {
            Ok(body) => call.body = body,
            Err(why) => call.faults.push(why),
        }
        call
    }

    /// A header by its name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The name of its endpoint.
    #[must_use]
    pub fn endpoint_name(&self) -> &'static str {
        self.endpoint
            .map_or(request::UNKNOWN, |endpoint| endpoint.name)
    }

    /// Whether it only shows what is there. An unknown endpoint does, by the meaning of its method.
    #[must_use]
    pub fn reads(&self) -> bool {
        match self.endpoint {
            Some(endpoint) => endpoint.reads(),
            None => matches!(self.method.as_str(), "GET" | "HEAD"),
        }
    }

    /// The JSON body; why it is not certain what the engine reads as one.
    fn decode(&mut self, encoded: Option<&str>) -> Result<Option<Node>, String> {
        // The engine reads no body of these, not even as a form.
        if !matches!(self.method.as_str(), "POST" | "PUT" | "PATCH") {
            return Ok(None);
        }
        let kind = self.endpoint.map(|endpoint| endpoint.body);
        let Some(encoded) = encoded else {
            return self.without_body(kind).map(|()| None);
        };
        let text = STANDARD
            .decode(encoded)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.ok_or("the body is not UTF-8 text; write it in UTF-8")?;
        match kind {
            Some(Body::None | Body::Opaque | Body::Hidden) => return Ok(None),
            Some(Body::Json | Body::OptionalJson | Body::UntypedJson) | None => {}
        }
        let body = json::read(&text)
            .map_err(|fault| format!("the body is not one JSON value: {}", fault.message))?;
        let body = self.check(body, &text)?;
        let name = self
            .texts
            .first()
            .map(|text| format!("{} (body)", text.name));
        self.texts
            .push(Arc::new(Text::new(name.unwrap_or_default(), text)));
        Ok(Some(body))
    }

    /// Why a request of which no body is seen may have one all the same. The engine shows no body
    /// that is too large or of another type than JSON, and of a header that is given twice only
    /// the last.
    fn without_body(&self, kind: Option<Body>) -> Result<(), String> {
        let content = self.header("Content-Type");
        if content.is_some_and(|content| !content.is_ascii()) {
            return Err(
                "the type of the content has letters of which Go makes others; write it in ASCII"
                    .into(),
            );
        }
        let empty = self.header("Content-Length") == Some("0");
        let media = content.map(|content| {
            content
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase()
        });
        let form = media.as_deref().is_some_and(|media| {
            media == "application/x-www-form-urlencoded" || media.starts_with("multipart/")
        });
        let length = self
            .header("Content-Length")
            .map_or(String::new(), |length| format!(" of {length} bytes"));
        let endpoint = self.endpoint_name();
        match kind {
            Some(Body::Json) => Err(format!(
                "{endpoint} needs a body and the engine shows none: send it as application/json, and smaller than the engine's limit"
            )),
            Some(Body::OptionalJson) if !empty && content.is_some() => Err(format!(
                "{endpoint} may have a body{length} that the engine does not show: send Content-Length: 0"
            )),
            Some(Body::UntypedJson) if !empty => Err(format!(
                "{endpoint} may have a body{length} that the engine does not show: send Content-Length: 0, or application/json"
            )),
            // The engine takes the fields of a form for parameters of the query.
            _ if form && !empty => {
                Err("a form may change the parameters of the query; send no body".into())
            }
            Some(Body::None) if !empty && content.is_some() => Err(format!(
                "{endpoint} takes no body and may have one{length} that the engine does not show: send Content-Length: 0"
            )),
            _ => Ok(()),
        }
    }

    /// A body in which every field has one spelling and one value.
    fn check(&self, body: Node, text: &str) -> Result<Node, String> {
        if !json::doubled_keys(text).is_empty() {
            return Err(doubled_message("a key stands twice"));
        }
        let keys: Vec<&str> = body
            .entries()
            .iter()
            .map(|entry| entry.key.as_str())
            .collect();
        let twice =
            (1..keys.len()).find(|&at| keys[..at].iter().any(|key| folds_to(key, keys[at])));
        if let Some(at) = twice {
            return Err(doubled_message(&format!("{} has two spellings", keys[at])));
        }
        if matches!(self.endpoint_name(), "container.create" | "container.start")
            && let Some(field) = beside_host_config(&body)
        {
            return Err(format!(
                "{field} stands beside HostConfig, where some engines read it and others do not: put it into HostConfig"
            ));
        }
        let mut doubled = Vec::new();
        let mut body = request::body(self.endpoint.as_ref(), body, &mut doubled);
        if let Some(Doubled { field, .. }) = doubled.first() {
            return Err(doubled_message(&format!("{field} has two spellings")));
        }
        body.in_text(1);
        Ok(body)
    }

    /// What has to be asked of the engine before it can be judged.
    #[must_use]
    pub fn lookup(&self) -> Option<Lookup> {
        let name = || self.name.clone();
        match self.endpoint_name() {
            "container.start" | "container.restart" | "container.update" => {
                Some(Lookup::Container(name()))
            }
            "exec.start" => Some(Lookup::Exec(name())),
            "plugin.enable" => Some(Lookup::Plugin(name())),
            // With any other value the body is what counts, or the engine refuses the request.
            "service.update" if self.target.first("rollback") == "previous" => {
                Some(Lookup::Service(name()))
            }
            _ => None,
        }
    }

    /// Whether `BuildKit` builds what it asks for: of that, its caller and the engine speak unseen.
    #[must_use]
    pub fn builds_unseen(&self) -> bool {
        match self.endpoint_name() {
            "session" | "grpc" => true,
            "image.build" => self.target.first("version") == "2",
            _ => false,
        }
    }

    /// The objects that it asks for, without what exists already; `name` is that of an object that
    /// has none. Its faults are among those of the reading.
    #[must_use]
    pub fn reading(&self, name: &str) -> Reading {
        let mut made = Made::new(self);
        if self.faults.is_empty() {
            self.objects(name, &mut made);
        }
        self.finish(made)
    }

    /// The objects that it makes of what the engine knows already: the answer to its
    /// [`Self::lookup`].
    #[must_use]
    pub fn reading_with(&self, known: &Arc<Text>) -> Reading {
        let mut made = Made::new(self);
        match json::read(&known.content) {
            Err(fault) => made.problem(format!(
                "the engine's answer is not JSON: {}",
                fault.message
            )),
            Ok(known_document) => {
                let mut document = known_document;
                document.in_text(2);
                made.texts.resize_with(2, || Arc::new(Text::new("", "")));
                made.texts.push(Arc::clone(known));
                self.objects_of(&document, &mut made);
            }
        }
        self.finish(made)
    }

    fn finish(&self, made: Made) -> Reading {
        let position = self
            .texts
            .first()
            .map(|text| text.position(self.body_span.start as usize));
        let uri = self
            .texts
            .first()
            .map(|text| text.position(self.uri_span.start as usize));
        let at = if self.body_span == self.uri_span {
            uri
        } else {
            position
        };
        let messages = self.faults.iter().cloned().chain(made.problems);
        let faults = messages.map(|message| InputFault {
            position: at,
            message,
        });
        Reading {
            text: self.texts.first().cloned(),
            objects: made.objects,
            written: 1,
            faults: faults.collect(),
            ..Reading::default()
        }
    }

    fn objects(&self, name: &str, made: &mut Made) {
        let name = |own: Option<&str>| own.filter(|own| !own.is_empty()).unwrap_or(name).to_owned();
        let body = self.body.clone();
        let text = |key: &str| {
            body.as_ref()
                .and_then(|body| body.text(key))
                .map(str::to_owned)
        };
        match (self.endpoint_name(), &self.body) {
            ("container.create", Some(body)) => {
                let named = self.target.first("name").trim_start_matches('/').to_owned();
                let mut document = made.converted(body, container::from_create);
                if !named.is_empty() {
                    let span = self.uri_span;
                    document.set("Name", span, Node::string(span, format!("/{named}")));
                }
                made.add(
                    &container::KIND,
                    name(Some(&named)),
                    document,
                    container::MOVES,
                );
            }
            ("exec.create", Some(body)) => {
                let mut document = made.converted(body, exec::from_create);
                let span = self.uri_span;
                document.set("ContainerID", span, Node::string(span, &self.name));
                made.add(&exec::KIND, self.name.clone(), document, &[]);
            }
            ("volume.create", Some(body)) => {
                let document = made.converted(body, volume::from_create);
                let named = document.text("Name").map(str::to_owned);
                made.add(
                    &volume::KIND,
                    name(named.as_deref()),
                    document,
                    volume::MOVES,
                );
            }
            ("network.create", Some(body)) => {
                let document = made.converted(body, network::from_create);
                let named = document.text("Name").map(str::to_owned);
                made.add(&network::KIND, name(named.as_deref()), document, &[]);
            }
            ("service.create" | "service.update", Some(body)) if self.lookup().is_none() => {
                let document = made.converted(body, service::from_body);
                made.service(document, name(text("Name").as_deref()));
            }
            _ => {
                let document =
                    request::document(&self.method, &self.target, self.uri_span, body.clone());
                let subject = document
                    .text("image")
                    .or_else(|| document.text("name"))
                    .map(str::to_owned);
                let endpoint = self
                    .endpoint
                    .map_or(self.target.path.as_str(), |endpoint| endpoint.name);
                made.add(
                    &request::KIND,
                    subject.unwrap_or_else(|| endpoint.to_owned()),
                    document,
                    &[],
                );
            }
        }
    }

    fn objects_of(&self, known: &Node, made: &mut Made) {
        let own = |pointer: &str| {
            let found = known.at(pointer).and_then(|found| found.node.as_str());
            found
                .unwrap_or(&self.name)
                .trim_start_matches('/')
                .to_owned()
        };
        match self.endpoint_name() {
            "exec.start" => {
                let document = exec::from_inspect(known);
                made.add(&exec::KIND, own("/ContainerID"), document, exec::MOVES);
            }
            "plugin.enable" => {
                let document = plugin::container(known);
                made.add(&container::KIND, own("/Name"), document, plugin::MOVES);
            }
            "service.update" => match known.get("PreviousSpec") {
                Some(previous) => {
                    let document = Node::map(known.span, [("Spec", previous.clone())]);
                    let name = own("/Spec/Name");
                    made.service(document, name);
                }
                None => made.problem("the service has no previous state to be set back to".into()),
            },
            endpoint => {
                let name = own("/Name");
                let mut document = merged(known);
                match &self.body {
                    Some(body) if endpoint == "container.update" => {
                        container::update(&mut document, body);
                    }
                    Some(body) if endpoint == "container.start" && self.target.is_before(24) => {
                        container::start(&mut document, body.clone(), &mut made.doubled);
                    }
                    _ => {}
                }
                made.add(&container::KIND, name, document, &[]);
            }
        }
    }
}

/// What becomes of a call.
struct Made {
    request: Arc<Request>,
    texts: Vec<Arc<Text>>,
    objects: Vec<Object>,
    doubled: Vec<Doubled>,
    problems: Vec<String>,
}

impl Made {
    fn new(call: &Call) -> Self {
        Self {
            request: Arc::clone(&call.request),
            texts: call.texts.clone(),
            objects: Vec::new(),
            doubled: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn problem(&mut self, message: String) {
        self.problems.push(message);
    }

    /// A body as the shape that it asks for.
    fn converted(&mut self, body: &Node, convert: fn(Node, &mut Vec<Doubled>) -> Node) -> Node {
        if !matches!(body.content, Content::Map(_)) {
            self.problem("the body is not a JSON object, which the engine refuses".into());
        }
        convert(body.clone(), &mut self.doubled)
    }

    fn service(&mut self, document: Node, name: String) {
        let container = service::container(&document);
        self.add(&service::KIND, name, document, service::BODY_MOVES);
        let identity = self
            .objects
            .last()
            .map(|object| Arc::clone(&object.identity));
        if let (Some((container, moves)), Some(identity)) = (container, identity) {
            self.push(&container::KIND, identity, container, moves);
        }
    }

    fn add(
        &mut self,
        kind: &Kind,
        name: String,
        document: Node,
        moves: &[(&'static str, &'static str)],
    ) {
        let doubled = std::mem::take(&mut self.doubled);
        for Doubled { field, .. } in doubled {
            self.problem(doubled_message(&format!("{field} has two spellings")));
        }
        let identity = Identity {
            group: kind.group.to_string(),
            kind: kind.name.to_string(),
            name,
            namespace: String::new(),
        };
        self.push(kind, Arc::new(identity), document, moves);
    }

    fn push(
        &mut self,
        kind: &Kind,
        identity: Arc<Identity>,
        document: Node,
        moves: &[(&'static str, &'static str)],
    ) {
        let labels = labels(&document);
        let moves = moves
            .iter()
            .map(|&(judged, written)| Move { judged, written });
        self.objects.push(Object {
            kind: kind.clone(),
            version: request::VERSION.into(),
            identity,
            written: Written {
                labels,
                request: Some(Arc::clone(&self.request)),
                ..Written::default()
            },
            document,
            moves: moves.collect(),
            origin: None,
            texts: self.texts.clone(),
        });
    }
}

/// What of a `HostConfig` a body has at its top. Engines before 23.0 take all of that if there is
/// no `HostConfig`, and some of it for what is not set there; later ones take nothing.
fn beside_host_config(body: &Node) -> Option<&str> {
    const ADDED: [&str; 5] = [
        "Memory",
        "MemorySwap",
        "CpuShares",
        "CpusetCpus",
        "VolumeDriver",
    ];
    let has_host = body.entries().iter().any(|entry| {
        means(&entry.key, "HostConfig") && matches!(entry.value.content, Content::Map(_))
    });
    let is_read = |key: &str| {
        if has_host {
            ADDED.iter().any(|field| means(key, field))
        } else {
            container::HOST_CONFIG.has(key)
        }
    };
    let mut set = body
        .entries()
        .iter()
        .filter(|entry| entry.value.content != Content::Null);
    set.find(|entry| is_read(&entry.key))
        .map(|entry| entry.key.as_str())
}

/// Whether Go takes two keys for one field.
fn folds_to(key: &str, other: &str) -> bool {
    if other.is_ascii() {
        means(key, other)
    } else {
        means(other, key)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn call(method: &str, uri: &str, headers: &Value, body: Option<&[u8]>) -> Call {
        let mut call =
            json!({"RequestMethod": method, "RequestUri": uri, "RequestHeaders": headers});
        if let Some(body) = body {
            call["RequestBody"] = STANDARD.encode(body).into();
        }
        Call::parse(&Arc::new(Text::new("call", call.to_string()))).expect("the sample is a call")
    }

    /// Whether a request is one of which it is certain what the engine makes of it.
    fn is_certain(method: &str, uri: &str, headers: &Value, body: Option<&str>) -> bool {
        let call = call(method, uri, headers, body.map(str::as_bytes));
        call.reading("x").faults.is_empty()
    }

    const JSON: &str = "application/json";

    #[test]
    fn a_body_that_is_not_seen_is_not_taken_for_none() {
        let empty = json!({"Content-Length": "0"});
        let none = json!({});
        let form = json!({"Content-Type": "Application/X-WWW-form-urlencoded; a=b"});
        let parts =
            json!({"Content-Type": "multipart/form-data; boundary=a", "Content-Length": "9"});
        let unseen = json!({"Content-Type": JSON});
        let text = json!({"Content-Type": "text/plain", "Content-Length": "0"});
        let tar = json!({"Content-Type": "application/x-tar"});
        let folding = json!({"Content-Type": "appl\u{130}cation/x-www-form-urlencoded"});
        for (uri, headers, expected) in [
            ("/containers/create", &empty, false),
            ("/containers/a/exec", &none, false),
            ("/commit?container=a", &empty, true),
            ("/commit?container=a", &none, false),
            ("/commit?container=a", &unseen, false),
            ("/containers/a/start", &none, true),
            ("/containers/a/start", &empty, true),
            ("/containers/a/start", &unseen, false),
            ("/containers/a/attach", &text, true),
            ("/containers/a/stop", &none, true),
            ("/containers/a/stop", &unseen, false),
            ("/images/create?fromImage=a", &form, false),
            ("/images/create?fromImage=a", &unseen, false),
            ("/images/create?fromSrc=-", &tar, true),
            ("/images/create?fromSrc=-", &form, false),
            ("/build", &tar, true),
            ("/build", &parts, false),
            ("/build", &folding, false),
            ("/auth", &unseen, true),
        ] {
            assert_eq!(
                is_certain("POST", uri, headers, None),
                expected,
                "{uri} {headers}"
            );
        }
        assert!(
            is_certain("DELETE", "/containers/a", &form, None),
            "the engine reads no form there"
        );
    }

    #[test]
    fn a_body_has_one_meaning() {
        let headers = json!({"Content-Type": JSON, "Content-Length": "9"});
        for (uri, body, expected) in [
            (
                "/networks/a/connect",
                r#"{"container": "b", "EndpointConfig": {"links": []}}"#,
                true,
            ),
            (
                "/networks/a/connect",
                r#"{"container": "b", "Container": "c"}"#,
                false,
            ),
            (
                "/networks/a/connect",
                r#"{"EndpointConfig": {"links": [], "Links": []}}"#,
                false,
            ),
            ("/secrets/create", r#"{"Name": "a", "name": "b"}"#, false),
            (
                "/secrets/create",
                r#"{"Name": "a", "Labels": {"b": "", "B": ""}}"#,
                true,
            ),
            (
                "/services/create",
                r#"{"Name": "a", "TaskTemplate": {"ContainerSpec": {"User": "1", "user": "0"}}}"#,
                false,
            ),
            (
                "/volumes/create",
                r#"{"Name": "a", "driveropts": {"o": "", "O": ""}}"#,
                true,
            ),
            ("/volumes/create", r#"{"Name": "a"} {"Name": "b"}"#, false),
            ("/plugins/pull?remote=a", "[]", true),
            ("/containers/create", "null", false),
            (
                "/containers/create",
                r#"{"Image": "a", "memory": 67108864}"#,
                false,
            ),
            (
                "/containers/create",
                r#"{"Image": "a", "MemorySwap": -1, "HostConfig": {"Memory": 67108864}}"#,
                false,
            ),
            (
                "/containers/create",
                r#"{"Image": "a", "Runtime": "x", "Memory": null, "HostConfig": {}}"#,
                true,
            ),
            (
                "/v1.23/containers/a/start",
                r#"{"RestartPolicy": {"Name": "always"}, "HostConfig": null}"#,
                false,
            ),
        ] {
            assert_eq!(
                is_certain("POST", uri, &headers, Some(body)),
                expected,
                "{uri} {body}"
            );
        }
        let call = call(
            "POST",
            "/containers/create",
            &headers,
            Some(b"{\"Image\": \"\xff\"}"),
        );
        assert!(
            call.faults.iter().any(|fault| fault.contains("UTF-8")),
            "{:?}",
            call.faults
        );
    }

    #[test]
    fn what_exists_is_shown_as_it_will_be() {
        let known = r#"{"Id": "1", "Name": "/web", "Config": {"User": "1"}, "HostConfig": {"Memory": 5, "PidsLimit": 7, "RestartPolicy": {"Name": "no"}}}"#;
        let known = Arc::new(Text::new("engine", known));
        let headers = json!({"Content-Type": JSON});
        let host = |uri: &str, body: Option<&str>| {
            let call = call(
                "POST",
                uri,
                if body.is_some() {
                    &headers
                } else {
                    &Value::Null
                },
                body.map(str::as_bytes),
            );
            assert_eq!(call.faults, [] as [String; 0], "{uri}");
            let reading = call.reading_with(&known);
            let object = reading.objects.first().expect("it is a container");
            assert_eq!(object.identity.name, "web");
            serde_json::to_value(object.document.get("HostConfig")).expect("a tree is JSON")
        };
        let before = host("/containers/web/start", None);
        assert_eq!(before["Memory"], 5);
        assert_eq!(host("/containers/web/restart", None), before);
        let updated = host(
            "/containers/web/update",
            Some(
                r#"{"memory": 0, "PidsLimit": 0, "CpuShares": 2, "Privileged": true, "restartpolicy": {"name": "always"}}"#,
            ),
        );
        assert_eq!(
            updated,
            json!({"Memory": 5, "PidsLimit": 0, "CpuShares": 2, "RestartPolicy": {"Name": "always"}})
        );
        let unchanged = host(
            "/containers/web/update",
            Some(r#"{"PidsLimit": null, "RestartPolicy": {"Name": ""}}"#),
        );
        assert_eq!(unchanged, before);
        let started = host(
            "/v1.23/containers/web/start",
            Some(r#"{"hostconfig": {"privileged": true}}"#),
        );
        assert_eq!(started, json!({"Privileged": true}));
        // Newer versions of the API refuse the body, or do not look at it.
        assert_eq!(
            host(
                "/v1.24/containers/web/start",
                Some(r#"{"HostConfig": {"Privileged": true}}"#)
            ),
            before
        );
    }

    #[test]
    fn a_service_that_is_set_back_is_judged_as_it_was() {
        let headers = json!({"Content-Type": JSON});
        let body = br#"{"Name": "s", "TaskTemplate": {"ContainerSpec": {"User": "1"}}}"#;
        let call = call(
            "POST",
            "/services/s/update?version=1&rollback=previous",
            &headers,
            Some(body),
        );
        assert_eq!(call.lookup(), Some(Lookup::Service("s".into())));
        let known = r#"{"ID": "1", "Spec": {"Name": "s"}, "PreviousSpec": {"Name": "s", "TaskTemplate": {"ContainerSpec": {"User": "0"}}}}"#;
        let reading = call.reading_with(&Arc::new(Text::new("engine", known)));
        let user = reading.objects.iter().find_map(|object| {
            Some(
                object
                    .document
                    .at("/Config/User")?
                    .node
                    .as_str()?
                    .to_owned(),
            )
        });
        assert_eq!(user.as_deref(), Some("0"));
    }

    /// The engine starts every plugin as root, whatever user its configuration names.
    #[test]
    fn a_plugin_that_is_enabled_is_judged_as_the_container_that_starts() {
        let enable = call(
            "POST",
            "/plugins/evil/p:latest/enable?timeout=0",
            &json!({"Content-Length": "0"}),
            None,
        );
        assert_eq!(
            enable.lookup(),
            Some(Lookup::Plugin("evil/p:latest".into()))
        );
        let known = r#"{"Name": "evil/p:latest", "Config": {"Entrypoint": ["/bin/sh"], "User": {"UID": 1000}, "PidHost": true, "IpcHost": false, "Network": {"Type": "host"}, "Linux": {"Capabilities": ["CAP_SYS_ADMIN"]}, "Mounts": [{"Source": "/none"}]}, "Settings": {"Args": ["-c"], "Env": ["A=b"], "Mounts": [{"Source": "/", "Destination": "/host", "Options": ["rbind", "ro"]}, {"Name": "unset", "Source": null}]}}"#;
        let reading = enable.reading_with(&Arc::new(Text::new("engine", known)));
        let object = reading.objects.first().expect("it is a container");
        assert_eq!(object.identity.name, "evil/p:latest");
        assert_eq!(
            serde_json::to_value(&object.document).expect("a tree is JSON"),
            json!({
                "Config": {"User": "0", "Env": ["A=b"], "Cmd": ["-c"], "Entrypoint": ["/bin/sh"]},
                "HostConfig": {"CapAdd": ["CAP_SYS_ADMIN"], "PidMode": "host", "NetworkMode": "host"},
                "Mounts": [
                    {"Type": "bind", "Source": "/", "RW": false, "Destination": "/host"},
                    {"Type": "bind", "Source": null, "RW": true},
                ],
            })
        );
    }

    #[test]
    fn a_plugin_of_a_service_runs_as_root() {
        let headers = json!({"Content-Type": JSON});
        let user = |task: &str| {
            let body = format!(r#"{{"Name": "s", "TaskTemplate": {task}}}"#);
            let call = call("POST", "/services/create", &headers, Some(body.as_bytes()));
            let reading = call.reading("x");
            let containers = reading.objects.iter().filter_map(|object| {
                let user = object.document.at("/Config/User")?.node.as_str()?;
                Some(user.to_owned())
            });
            containers.collect::<Vec<_>>()
        };
        let plugin =
            r#""PluginSpec": {"remote": "a", "Privileges": [{"Name": "mount", "value": ["/"]}]}"#;
        let container = r#""ContainerSpec": {"User": "1"}"#;
        assert_eq!(user(&format!("{{{plugin}}}")), ["0"]);
        let both = format!("{plugin}, {container}");
        assert_eq!(user(&format!(r#"{{"Runtime": "plugin", {both}}}"#)), ["0"]);
        assert_eq!(user(&format!("{{{both}}}")), ["1"]);
        assert_eq!(user("{}"), [] as [&str; 0]);
    }

    /// The engine sets back only by one word; with another the body is what it executes.
    #[test]
    fn a_service_that_is_not_set_back_is_judged_by_its_body() {
        let headers = json!({"Content-Type": JSON});
        let body = br#"{"Name": "s", "TaskTemplate": {"ContainerSpec": {"User": "0"}}}"#;
        for rollback in ["", "none", "Previous", "&rollback=previous"] {
            let uri = format!("/services/s/update?version=1&rollback={rollback}");
            let call = call("POST", &uri, &headers, Some(body));
            assert_eq!(call.lookup(), None, "{uri}");
            let reading = call.reading("x");
            let user = |object: &Object| {
                let user = object.document.at("/Config/User")?.node.as_str()?;
                Some(user.to_owned())
            };
            let user = reading.objects.iter().find_map(user);
            assert_eq!(user.as_deref(), Some("0"), "{uri}");
        }
    }

    #[test]
    fn it_is_known_what_buildkit_builds() {
        for (uri, expected) in [
            ("/session", true),
            ("/v1.41/grpc", true),
            ("/build?version=2&remote=a", true),
            ("/build?version=1&version=2", false),
            ("/build?t=a", false),
            ("/commit?container=a", false),
        ] {
            let call = call("POST", uri, &json!({"Content-Length": "0"}), None);
            assert_eq!(call.builds_unseen(), expected, "{uri}");
        }
    }
}
