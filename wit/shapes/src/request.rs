//! `docker/Request`, version `v1`: a request to the Docker Engine API that asks for none of the
//! other shapes.
//!
//! `endpoint` names what is asked ([`ENDPOINTS`]): `image.commit`, `image.pull`, `image.import`,
//! `image.load`, `image.tag`, `image.push`, `image.build`, `container.start`, `session`, `grpc`.
//! One that is not known here is [`UNKNOWN`]. `method` and `path` are as the engine routes them:
//! the path is decoded and has no version; `version` is the API version that the path named.
//!
//! `name` is what the path names: a container, an image, a volume. `image` is the reference that
//! a request writes (commit, import, tag) or moves (pull, push), put together as the engine does.
//! `query` has a list for each parameter, because some can be given several times; the engine
//! takes the first of one that it reads once. `body` is the JSON body if there is one. The fields
//! of those bodies that [`Endpoint::fields`] knows have their canonical spelling; others are as
//! they were written, and the engine finds their fields as [`crate::fields::means`] says.
//!
//! Source: `api/server/router` of moby 20.10 and 28.5, and the recordings of both engines.

use crate::fields::{Doubled, Holds, Struct, canonical};
use crate::{Content, Kind, Node, Span, container};

/// The kind of this shape.
pub const KIND: Kind = Kind::known("docker", "Request");

/// The version of this shape.
pub const VERSION: &str = "v1";

/// The JSON Schema of what policies rely on in a request.
pub const SCHEMA: &str = include_str!("../schema/docker-Request.json");

/// The name of an endpoint that is not known.
pub const UNKNOWN: &str = "unknown";

/// An endpoint of the Engine API.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// What it is called here: an object and what is done to it.
    pub name: &'static str,
    /// The method, in capitals.
    pub method: &'static str,
    /// The path without its version: `*` stands for anything, `+` for anything without a slash.
    pub path: &'static str,
    /// What it does with a body.
    pub body: Body,
}

/// What an endpoint does with the body of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// It reads none.
    None,
    /// It needs one in JSON.
    Json,
    /// It reads one in JSON if there is one, and refuses other types of content.
    OptionalJson,
    /// It reads one as JSON if there is one, whatever the type of its content.
    UntypedJson,
    /// It reads another format, of which an authorization plugin is never told.
    Opaque,
    /// It needs one in JSON, of which an authorization plugin is never told: it holds a password.
    Hidden,
}

const fn endpoint(
    name: &'static str,
    method: &'static str,
    path: &'static str,
    body: Body,
) -> Endpoint {
    Endpoint {
        name,
        method,
        path,
        body,
    }
}

/// The endpoints in the order in which the engine looks for the first that fits.
pub const ENDPOINTS: &[Endpoint] = &[
    endpoint(
        "checkpoint.list",
        "GET",
        "/containers/*/checkpoints",
        Body::None,
    ),
    endpoint(
        "checkpoint.create",
        "POST",
        "/containers/*/checkpoints",
        Body::Json,
    ),
    endpoint(
        "checkpoint.delete",
        "DELETE",
        "/containers/+/checkpoints/+",
        Body::None,
    ),
    endpoint(
        "container.stat-archive",
        "HEAD",
        "/containers/*/archive",
        Body::None,
    ),
    endpoint("container.list", "GET", "/containers/json", Body::None),
    endpoint(
        "container.export",
        "GET",
        "/containers/*/export",
        Body::None,
    ),
    endpoint(
        "container.changes",
        "GET",
        "/containers/*/changes",
        Body::None,
    ),
    endpoint("container.inspect", "GET", "/containers/*/json", Body::None),
    endpoint("container.top", "GET", "/containers/*/top", Body::None),
    endpoint("container.logs", "GET", "/containers/*/logs", Body::None),
    endpoint("container.stats", "GET", "/containers/*/stats", Body::None),
    endpoint(
        "container.attach-websocket",
        "GET",
        "/containers/*/attach/ws",
        Body::None,
    ),
    endpoint("exec.inspect", "GET", "/exec/*/json", Body::None),
    endpoint(
        "container.get-archive",
        "GET",
        "/containers/*/archive",
        Body::None,
    ),
    endpoint("container.create", "POST", "/containers/create", Body::Json),
    endpoint("container.kill", "POST", "/containers/*/kill", Body::None),
    endpoint("container.pause", "POST", "/containers/*/pause", Body::None),
    endpoint(
        "container.unpause",
        "POST",
        "/containers/*/unpause",
        Body::None,
    ),
    endpoint(
        "container.restart",
        "POST",
        "/containers/*/restart",
        Body::None,
    ),
    endpoint(
        "container.start",
        "POST",
        "/containers/*/start",
        Body::OptionalJson,
    ),
    endpoint("container.stop", "POST", "/containers/*/stop", Body::None),
    endpoint("container.wait", "POST", "/containers/*/wait", Body::None),
    endpoint(
        "container.resize",
        "POST",
        "/containers/*/resize",
        Body::None,
    ),
    endpoint(
        "container.attach",
        "POST",
        "/containers/*/attach",
        Body::None,
    ),
    endpoint("container.copy", "POST", "/containers/*/copy", Body::Json),
    endpoint("exec.create", "POST", "/containers/*/exec", Body::Json),
    endpoint("exec.start", "POST", "/exec/*/start", Body::Json),
    endpoint("exec.resize", "POST", "/exec/*/resize", Body::None),
    endpoint(
        "container.rename",
        "POST",
        "/containers/*/rename",
        Body::None,
    ),
    endpoint(
        "container.update",
        "POST",
        "/containers/*/update",
        Body::Json,
    ),
    endpoint("container.prune", "POST", "/containers/prune", Body::None),
    endpoint("image.commit", "POST", "/commit", Body::UntypedJson),
    endpoint(
        "container.put-archive",
        "PUT",
        "/containers/*/archive",
        Body::Opaque,
    ),
    endpoint("container.delete", "DELETE", "/containers/*", Body::None),
    endpoint("image.list", "GET", "/images/json", Body::None),
    endpoint("image.search", "GET", "/images/search", Body::None),
    endpoint("image.save", "GET", "/images/get", Body::None),
    endpoint("image.save", "GET", "/images/*/get", Body::None),
    endpoint("image.history", "GET", "/images/*/history", Body::None),
    endpoint("image.inspect", "GET", "/images/*/json", Body::None),
    endpoint("image.load", "POST", "/images/load", Body::Opaque),
    // With `fromImage` it is a pull, and else an import: see `find`.
    endpoint("image.import", "POST", "/images/create", Body::Opaque),
    endpoint("image.push", "POST", "/images/*/push", Body::None),
    endpoint("image.tag", "POST", "/images/*/tag", Body::None),
    endpoint("image.prune", "POST", "/images/prune", Body::None),
    endpoint("image.delete", "DELETE", "/images/*", Body::None),
    endpoint("system.ping", "GET", "/_ping", Body::None),
    endpoint("system.ping", "HEAD", "/_ping", Body::None),
    endpoint("system.events", "GET", "/events", Body::None),
    endpoint("system.info", "GET", "/info", Body::None),
    endpoint("system.version", "GET", "/version", Body::None),
    endpoint("system.disk-usage", "GET", "/system/df", Body::None),
    endpoint("system.login", "POST", "/auth", Body::Hidden),
    endpoint("volume.list", "GET", "/volumes", Body::None),
    endpoint("volume.inspect", "GET", "/volumes/*", Body::None),
    endpoint("volume.create", "POST", "/volumes/create", Body::Json),
    endpoint("volume.prune", "POST", "/volumes/prune", Body::None),
    endpoint("volume.update", "PUT", "/volumes/*", Body::Json),
    endpoint("volume.delete", "DELETE", "/volumes/*", Body::None),
    endpoint("image.build", "POST", "/build", Body::Opaque),
    endpoint("build.prune", "POST", "/build/prune", Body::None),
    endpoint("build.cancel", "POST", "/build/cancel", Body::None),
    endpoint("session", "POST", "/session", Body::None),
    endpoint("grpc", "POST", "/grpc", Body::None),
    endpoint("swarm.init", "POST", "/swarm/init", Body::Json),
    endpoint("swarm.join", "POST", "/swarm/join", Body::Json),
    endpoint("swarm.leave", "POST", "/swarm/leave", Body::None),
    endpoint("swarm.inspect", "GET", "/swarm", Body::None),
    endpoint("swarm.unlock-key", "GET", "/swarm/unlockkey", Body::None),
    endpoint("swarm.update", "POST", "/swarm/update", Body::Json),
    endpoint("swarm.unlock", "POST", "/swarm/unlock", Body::Json),
    endpoint("service.list", "GET", "/services", Body::None),
    endpoint("service.inspect", "GET", "/services/+", Body::None),
    endpoint("service.create", "POST", "/services/create", Body::Json),
    endpoint("service.update", "POST", "/services/+/update", Body::Json),
    endpoint("service.delete", "DELETE", "/services/+", Body::None),
    endpoint("service.logs", "GET", "/services/+/logs", Body::None),
    endpoint("node.list", "GET", "/nodes", Body::None),
    endpoint("node.inspect", "GET", "/nodes/+", Body::None),
    endpoint("node.delete", "DELETE", "/nodes/+", Body::None),
    endpoint("node.update", "POST", "/nodes/+/update", Body::Json),
    endpoint("task.list", "GET", "/tasks", Body::None),
    endpoint("task.inspect", "GET", "/tasks/+", Body::None),
    endpoint("task.logs", "GET", "/tasks/+/logs", Body::None),
    endpoint("secret.list", "GET", "/secrets", Body::None),
    endpoint("secret.create", "POST", "/secrets/create", Body::Json),
    endpoint("secret.delete", "DELETE", "/secrets/+", Body::None),
    endpoint("secret.inspect", "GET", "/secrets/+", Body::None),
    endpoint("secret.update", "POST", "/secrets/+/update", Body::Json),
    endpoint("config.list", "GET", "/configs", Body::None),
    endpoint("config.create", "POST", "/configs/create", Body::Json),
    endpoint("config.delete", "DELETE", "/configs/+", Body::None),
    endpoint("config.inspect", "GET", "/configs/+", Body::None),
    endpoint("config.update", "POST", "/configs/+/update", Body::Json),
    endpoint("plugin.list", "GET", "/plugins", Body::None),
    endpoint("plugin.inspect", "GET", "/plugins/*/json", Body::None),
    endpoint(
        "plugin.privileges",
        "GET",
        "/plugins/privileges",
        Body::None,
    ),
    endpoint("plugin.delete", "DELETE", "/plugins/*", Body::None),
    endpoint("plugin.enable", "POST", "/plugins/*/enable", Body::None),
    endpoint("plugin.disable", "POST", "/plugins/*/disable", Body::None),
    endpoint("plugin.pull", "POST", "/plugins/pull", Body::Json),
    endpoint("plugin.push", "POST", "/plugins/*/push", Body::None),
    endpoint("plugin.upgrade", "POST", "/plugins/*/upgrade", Body::Json),
    endpoint("plugin.set", "POST", "/plugins/*/set", Body::Json),
    endpoint("plugin.create", "POST", "/plugins/create", Body::Opaque),
    endpoint(
        "image.distribution",
        "GET",
        "/distribution/*/json",
        Body::None,
    ),
    endpoint("network.list", "GET", "/networks", Body::None),
    endpoint("network.list", "GET", "/networks/", Body::None),
    endpoint("network.inspect", "GET", "/networks/*", Body::None),
    endpoint("network.create", "POST", "/networks/create", Body::Json),
    endpoint("network.connect", "POST", "/networks/*/connect", Body::Json),
    endpoint(
        "network.disconnect",
        "POST",
        "/networks/*/disconnect",
        Body::Json,
    ),
    endpoint("network.prune", "POST", "/networks/prune", Body::None),
    endpoint("network.delete", "DELETE", "/networks/*", Body::None),
];

/// `POST /images/create` with `fromImage`.
const PULL: Endpoint = endpoint("image.pull", "POST", "/images/create", Body::None);

const CONNECT: Struct = Struct {
    plain: &["Container"],
    nested: &[("EndpointConfig", Holds::One(&container::ENDPOINT))],
};
const DISCONNECT: Struct = Struct {
    plain: &["Container", "Force"],
    nested: &[],
};
const EXEC_START: Struct = Struct {
    plain: &["Detach", "Tty", "ConsoleSize"],
    nested: &[],
};
const CHECKPOINT: Struct = Struct {
    plain: &["CheckpointID", "CheckpointDir", "Exit"],
    nested: &[],
};

impl Endpoint {
    /// Whether it only shows what is there. That of a websocket lets its caller type into a
    /// container, so that it is none of these.
    #[must_use]
    pub fn reads(&self) -> bool {
        matches!(self.method, "GET" | "HEAD") && self.name != "container.attach-websocket"
    }

    /// The struct that its body is decoded into, if it is known here.
    #[must_use]
    pub fn fields(&self) -> Option<&'static Struct> {
        match self.name {
            "image.commit" => Some(&container::CONFIG),
            "container.start" => Some(&container::START),
            "container.update" => Some(&container::HOST_CONFIG),
            "exec.start" => Some(&EXEC_START),
            "checkpoint.create" => Some(&CHECKPOINT),
            "network.connect" => Some(&CONNECT),
            "network.disconnect" => Some(&DISCONNECT),
            _ => None,
        }
    }
}

/// Where a request goes, as the engine reads its URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The API version, if the path names one.
    pub version: Option<String>,
    /// The path, decoded and without its version.
    pub path: String,
    /// The parameters in the order in which they were given.
    pub query: Vec<(String, String)>,
}

impl Target {
    /// Reads a URI as Go reads that of a request. The error says in one line why it has no single
    /// meaning.
    pub fn parse(uri: &str) -> Result<Self, &'static str> {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let path =
            decode(local(path), false).ok_or("the path of the URI is not percent-encoded UTF-8")?;
        // Old engines take a semicolon for a separator, new ones for an error.
        if query.contains(';') {
            return Err("the query of the URI has a bare semicolon; write it as %3B");
        }
        let mut parameters = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let parts = decode(key, true).zip(decode(value, true));
            parameters.push(parts.ok_or("the query of the URI is not percent-encoded UTF-8")?);
        }
        let (version, path) = split_version(path);
        Ok(Self {
            version,
            path,
            query: parameters,
        })
    }

    /// The first value of a parameter; empty if there is none, which means the same to the engine.
    #[must_use]
    pub fn first(&self, key: &str) -> &str {
        self.query
            .iter()
            .find(|(name, _)| name == key)
            .map_or("", |(_, value)| value)
    }

    /// The endpoint that the engine routes a method and this target to, and what the path names.
    /// It routes no path with an empty segment or with dots: it redirects it.
    #[must_use]
    pub fn endpoint(&self, method: &str) -> Option<(Endpoint, &str)> {
        let (found, name) = ENDPOINTS.iter().find_map(|endpoint| {
            let name = (endpoint.method == method).then(|| fit(endpoint.path, &self.path))??;
            Some((*endpoint, name))
        })?;
        let clean = self.path.get(1..).is_some_and(|rest| {
            let rest = rest.strip_suffix('/').unwrap_or(rest);
            rest.split('/')
                .all(|segment| !matches!(segment, "" | "." | ".."))
        });
        if !clean {
            return None;
        }
        let is_pull = found.path == PULL.path
            && found.method == "POST"
            && !self.first("fromImage").is_empty();
        Some((if is_pull { PULL } else { found }, name))
    }

    /// Whether the API version is older than `1.MINOR`. Without a version the engine takes its
    /// newest.
    #[must_use]
    pub fn is_before(&self, minor: u32) -> bool {
        let Some(version) = &self.version else {
            return false;
        };
        let mut parts = version
            .split('.')
            .map(|part| part.parse::<u32>().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) < (1, minor)
    }
}

/// The request as a document. Its places are those of the URI at `span`; `body` keeps its own.
#[must_use]
pub fn document(method: &str, target: &Target, span: Span, body: Option<Node>) -> Node {
    let text = |text: &str| Node::string(span, text);
    let found = target.endpoint(method);
    let endpoint = found.map_or(UNKNOWN, |(endpoint, _)| endpoint.name);
    let name = found.map_or("", |(_, name)| name);
    let mut request = Node::map(
        span,
        [
            ("endpoint", text(endpoint)),
            ("method", text(method)),
            ("path", text(&target.path)),
        ],
    );
    if let Some(version) = &target.version {
        request.set("version", span, text(version));
    }
    if !name.is_empty() {
        request.set("name", span, text(name));
    }
    if let Some(image) = image(endpoint, name, target) {
        request.set("image", span, text(&image));
    }
    let mut query = Node::map(span, []);
    for (key, value) in &target.query {
        match query.get_mut(key) {
            Some(Node {
                content: Content::List(values),
                ..
            }) => values.push(text(value)),
            _ => query.set(key, span, Node::list(span, vec![text(value)])),
        }
    }
    request.set("query", span, query);
    if let Some(body) = body {
        request.set("body", body.span, body);
    }
    request
}

/// The parameters whose values are never secrets: names, numbers and switches.
const PUBLIC: [&str; 24] = [
    "all",
    "condition",
    "container",
    "detachKeys",
    "dockerfile",
    "force",
    "fromImage",
    "h",
    "link",
    "name",
    "noprune",
    "path",
    "pause",
    "platform",
    "pull",
    "repo",
    "rollback",
    "signal",
    "t",
    "tag",
    "target",
    "v",
    "version",
    "w",
];

/// A request as it may be shown: without its body, and with a star for the value of each parameter
/// that can hold a secret, as those of build arguments do.
#[must_use]
pub fn public(request: &Node) -> Node {
    let mut shown = Node::map(request.span, []);
    for entry in request.entries().iter().filter(|entry| entry.key != "body") {
        shown.set(&entry.key, entry.key_span, entry.value.clone());
    }
    if let Some(Node {
        content: Content::Map(parameters),
        ..
    }) = shown.get_mut("query")
    {
        for parameter in parameters
            .iter_mut()
            .filter(|parameter| !PUBLIC.contains(&parameter.key.as_str()))
        {
            let span = parameter.value.span;
            let stars = parameter
                .value
                .items()
                .iter()
                .map(|_| Node::string(span, "*"))
                .collect();
            parameter.value = Node::list(span, stars);
        }
    }
    shown
}

/// The body of a request with the fields that its endpoint knows in their canonical spelling.
#[must_use]
pub fn body(endpoint: Option<&Endpoint>, body: Node, doubled: &mut Vec<Doubled>) -> Node {
    match endpoint.and_then(Endpoint::fields) {
        Some(fields) => canonical(body, fields, doubled),
        None => body,
    }
}

/// The reference that a request is about.
fn image(endpoint: &str, name: &str, target: &Target) -> Option<String> {
    let (repository, tag) = match endpoint {
        "image.pull" => (target.first("fromImage"), target.first("tag")),
        "image.commit" | "image.import" | "image.tag" => {
            (target.first("repo"), target.first("tag"))
        }
        "image.push" => (name, target.first("tag")),
        _ => return None,
    };
    (!repository.is_empty()).then(|| reference(repository.trim_end_matches(':'), tag))
}

/// A repository with a tag, which takes the place of one that is there, or with a digest.
fn reference(repository: &str, tag: &str) -> String {
    let (name, digest) = match repository.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (repository, None),
    };
    let last = name.rfind('/').map_or(0, |at| at + 1);
    let bare = name[last..]
        .find(':')
        .map_or(name, |colon| &name[..last + colon]);
    match (tag, digest) {
        ("", _) => repository.to_owned(),
        (tag, _) if tag.contains(':') => format!("{bare}@{tag}"),
        (tag, Some(digest)) => format!("{bare}:{tag}@{digest}"),
        (tag, None) => format!("{bare}:{tag}"),
    }
}

/// What the first wildcard of a pattern stands for in a path that fits it.
fn fit<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let Some(at) = pattern.find(['*', '+']) else {
        return (pattern == path).then_some("");
    };
    let rest = path.strip_prefix(&pattern[..at])?;
    let (wild, after) = pattern[at..].split_at(1);
    let ends = (0..=rest.len())
        .rev()
        .filter(|end| rest.is_char_boundary(*end));
    ends.map(|end| rest.split_at(end)).find_map(|(name, rest)| {
        let fits = wild == "*" || !(name.is_empty() || name.contains('/'));
        (fits && fit(after, rest).is_some()).then_some(name)
    })
}

/// The path of a URI without its query, as Go's `net/url` finds it behind a scheme and a host,
/// either of which can be there without the other.
fn local(uri: &str) -> &str {
    let behind_scheme = uri.split_once(':').filter(|(scheme, _)| {
        let mut letters = scheme.bytes();
        letters
            .next()
            .is_some_and(|byte| byte.is_ascii_alphabetic())
            && letters.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    });
    let Some((_, rest)) = behind_scheme else {
        return uri;
    };
    match rest.strip_prefix("//") {
        Some(host) => host.find('/').map_or("/", |at| &host[at..]),
        None => rest,
    }
}

/// A path without the version that it may begin with.
fn split_version(path: String) -> (Option<String>, String) {
    let found = path.strip_prefix("/v").and_then(|rest| {
        let length = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        (length > 0 && rest[length..].starts_with('/')).then(|| rest.split_at(length))
    });
    match found {
        Some((version, rest)) => (Some(version.to_owned()), rest.to_owned()),
        None => (None, path),
    }
}

/// Undoes percent-encoding, and in a query the plus signs that stand for spaces.
fn decode(text: &str, query: bool) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let value = digit(bytes.next()?)? * 16 + digit(bytes.next()?)?;
                decoded.push(u8::try_from(value).ok()?);
            }
            b'+' if query => decoded.push(b' '),
            other => decoded.push(other),
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(method: &str, uri: &str) -> (String, String) {
        let target = Target::parse(uri).expect("the sample is a URI");
        let found = target.endpoint(method);
        let (name, of) = found.map_or((UNKNOWN, ""), |(endpoint, of)| (endpoint.name, of));
        (name.to_owned(), of.to_owned())
    }

    #[test]
    fn a_uri_goes_where_the_engine_routes_it() {
        for (method, uri, endpoint, name) in [
            (
                "POST",
                "/v1.41/containers/create?name=a",
                "container.create",
                "",
            ),
            ("POST", "/containers/create", "container.create", ""),
            ("POST", "/v1.51/containers/%63reate", "container.create", ""),
            ("POST", "/v1.51/containers%2fcreate", "container.create", ""),
            (
                "POST",
                "http://docker/v1.51/containers/create",
                "container.create",
                "",
            ),
            (
                "POST",
                "http:///v1.51/containers/create",
                "container.create",
                "",
            ),
            (
                "GET",
                "x+1:/v1.51/containers/a/attach/ws?stdin=1",
                "container.attach-websocket",
                "a",
            ),
            ("GET", "1x:/containers/a/attach/ws", UNKNOWN, ""),
            ("GET", "x:containers/a/attach/ws", UNKNOWN, ""),
            ("POST", "http://docker?/containers/create", UNKNOWN, ""),
            ("POST", "/v1.41/containers/create/", UNKNOWN, ""),
            ("POST", "/v1.41//containers/create", UNKNOWN, ""),
            ("POST", "/v1.41/x/../containers/create", UNKNOWN, ""),
            ("post", "/containers/create", UNKNOWN, ""),
            ("POST", "/v1.41/containers/web/exec", "exec.create", "web"),
            (
                "POST",
                "/v1.41/containers/parent/alias/start",
                "container.start",
                "parent/alias",
            ),
            (
                "POST",
                "/images/127.0.0.1:5000/t/bb/push?tag=1",
                "image.push",
                "127.0.0.1:5000/t/bb",
            ),
            ("POST", "/images/create?fromImage=a", "image.pull", ""),
            (
                "POST",
                "/images/create?fromImage=&fromSrc=-",
                "image.import",
                "",
            ),
            (
                "POST",
                "/images/create?fromSrc=-&repo=a",
                "image.import",
                "",
            ),
            (
                "DELETE",
                "/containers/a/checkpoints/b",
                "checkpoint.delete",
                "a",
            ),
            ("DELETE", "/containers/a", "container.delete", "a"),
            (
                "POST",
                "/services/a/update?version=3",
                "service.update",
                "a",
            ),
            ("POST", "/v1.41.2/grpc", "grpc", ""),
            ("POST", "/v/grpc", UNKNOWN, ""),
            ("POST", "/vx/grpc", UNKNOWN, ""),
        ] {
            assert_eq!(
                routed(method, uri),
                (endpoint.to_owned(), name.to_owned()),
                "{method} {uri}"
            );
        }
    }

    #[test]
    fn a_uri_without_a_single_meaning_is_refused() {
        for uri in ["/commit?a=1;b=2", "/commit?a=%zz", "/comm%f", "/%ff"] {
            assert!(Target::parse(uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn the_first_of_equal_parameters_counts() {
        let target = Target::parse("/commit?repo=a+b&repo=c&pause").expect("the sample is a URI");
        assert_eq!(
            (
                target.first("repo"),
                target.first("pause"),
                target.first("x")
            ),
            ("a b", "", "")
        );
    }

    #[test]
    fn versions_are_numbers() {
        let is_before = |uri: &str| Target::parse(uri).is_ok_and(|target| target.is_before(24));
        assert!(is_before("/v1.23/grpc") && is_before("/v1.9/grpc") && is_before("/v0.99/grpc"));
        assert!(!is_before("/v1.24/grpc") && !is_before("/v1.100/grpc") && !is_before("/grpc"));
        assert!(!is_before("/v2.0/grpc"));
    }

    #[test]
    fn a_reference_is_put_together_as_the_engine_does() {
        for (repository, tag, whole) in [
            ("a", "", "a"),
            ("a", "1", "a:1"),
            ("a:2", "1", "a:1"),
            ("localhost:5000/a", "1", "localhost:5000/a:1"),
            (
                "localhost:5000/a:2",
                "sha256:00",
                "localhost:5000/a@sha256:00",
            ),
            ("a@sha256:00", "1", "a:1@sha256:00"),
        ] {
            assert_eq!(reference(repository, tag), whole);
        }
    }

    #[test]
    fn what_may_be_secret_is_not_shown() {
        let target = Target::parse("/build?t=a&buildargs=%7B%22TOKEN%22%3A%22hunter22%22%7D")
            .expect("the sample is a URI");
        let body = Node::string(Span::default(), "hunter22");
        let shown = public(&document("POST", &target, Span::default(), Some(body)));
        let shown = serde_json::to_string(&shown).expect("a tree is valid JSON");
        assert!(
            shown.contains(r#""query":{"t":["a"],"buildargs":["*"]}"#)
                && !shown.contains("hunter22"),
            "{shown}"
        );
    }

    #[test]
    fn a_document_says_what_is_asked() {
        let target =
            Target::parse("/v1.50/images/x:1/tag?repo=127.0.0.1%3A5000%2Ft%2Fbb&tag=1&tag=2")
                .expect("the sample is a URI");
        let document = document("POST", &target, Span::default(), None);
        assert_eq!(
            serde_json::to_string(&document).expect("a tree is valid JSON"),
            r#"{"endpoint":"image.tag","method":"POST","path":"/images/x:1/tag","version":"1.50","name":"x:1","image":"127.0.0.1:5000/t/bb:1","query":{"repo":["127.0.0.1:5000/t/bb"],"tag":["1","2"]}}"#
        );
    }
}
