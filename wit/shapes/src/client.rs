//! `docker/ClientConfig`, version `v1`: what a Docker client runs with.
//!
//! `source` says what it was read from: `config.json`, the older `.dockercfg`, the `context` of a
//! `meta.json`, or the `environment`. The other members are those of config.json (docker/cli
//! `configfile.ConfigFile`), with `contexts` as `{name, host, skipTLSVerify}` and `environment` as
//! the `DOCKER_*` variables. Every member is present; `defaults` lists the JSON Pointers of those
//! that nobody wrote, which stand at the first line.
//!
//! The names of fields are matched as the client matches them, without regard to case, and of two
//! spellings the last counts; names that users choose (registries, headers) stay as written.

use crate::{Content, Entry, Kind, Node, Span};

/// The kind of this shape.
pub const KIND: Kind = Kind::known("docker", "ClientConfig");

/// The version of this shape.
pub const VERSION: &str = "v1";

/// The JSON Schema of this shape.
pub const SCHEMA: &str = include_str!("../schema/docker-ClientConfig.json");

const LOGIN: [&str; 7] = [
    "username",
    "password",
    "auth",
    "email",
    "serveraddress",
    "identitytoken",
    "registrytoken",
];

const PROXY: [&str; 5] = ["httpProxy", "httpsProxy", "noProxy", "ftpProxy", "allProxy"];

/// The members with the values that they have if nobody writes them.
const MEMBERS: [(&str, Empty); 11] = [
    ("auths", Empty::Map),
    ("credsStore", Empty::Text),
    ("credHelpers", Empty::Map),
    ("HttpHeaders", Empty::Map),
    ("proxies", Empty::Map),
    ("cliPluginsExtraDirs", Empty::List),
    ("plugins", Empty::Map),
    ("aliases", Empty::Map),
    ("currentContext", Empty::Text),
    ("contexts", Empty::List),
    ("environment", Empty::Map),
];

#[derive(Clone, Copy)]
enum Empty {
    Text,
    List,
    Map,
}

/// A value of another type than the client reads; the client refuses the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The place.
    pub span: Span,
    /// What is wrong, without the value.
    pub message: String,
}

/// The shape of a config.json.
pub fn from_config(file: &Node, here: Span) -> Result<Node, Mismatch> {
    let mut members = Node::map(here, []);
    for (key, _) in MEMBERS
        .iter()
        .filter(|(key, _)| !matches!(*key, "contexts" | "environment"))
    {
        if let Some(entry) = folded(file, key) {
            let value = match *key {
                "auths" => each(entry, &LOGIN)?,
                "proxies" => each(entry, &PROXY)?,
                _ => entry.value.clone(),
            };
            members.set(key, entry.key_span, value);
        }
    }
    whole("config.json", &members, here)
}

/// The shape of a .dockercfg, whose top is what config.json has in `auths`.
pub fn from_legacy(file: &Node, here: Span) -> Result<Node, Mismatch> {
    let entry = Entry {
        key: "auths".to_owned(),
        key_span: here,
        value: file.clone(),
    };
    whole(
        ".dockercfg",
        &Node::map(here, [("auths", each(&entry, &LOGIN)?)]),
        here,
    )
}

/// The shape of a context's meta.json.
pub fn from_context(file: &Node, here: Span) -> Result<Node, Mismatch> {
    let name =
        folded(file, "Name").map_or_else(|| Node::string(here, ""), |entry| entry.value.clone());
    let endpoint = folded(file, "Endpoints").and_then(|entry| entry.value.get("docker"));
    let member = |key| {
        endpoint
            .and_then(|endpoint| folded(endpoint, key))
            .map(|entry| entry.value.clone())
    };
    let host = member("Host").unwrap_or_else(|| Node::string(here, ""));
    let skip = member("SkipTLSVerify").unwrap_or(Node {
        span: here,
        content: Content::Bool(false),
    });
    for (node, fits) in [
        (&name, name.as_str().is_some()),
        (&host, host.as_str().is_some()),
        (&skip, matches!(skip.content, Content::Bool(_))),
    ] {
        if !fits {
            return Err(mismatch(
                node,
                "docker cannot read this member of a context",
            ));
        }
    }
    let context = Node::map(
        file.span,
        [("name", name), ("host", host), ("skipTLSVerify", skip)],
    );
    whole(
        "context",
        &Node::map(here, [("contexts", Node::list(file.span, vec![context]))]),
        here,
    )
}

/// The shape of `DOCKER_*` variables.
pub fn from_environment(variables: &Node, here: Span) -> Result<Node, Mismatch> {
    whole(
        "environment",
        &Node::map(here, [("environment", variables.clone())]),
        here,
    )
}

/// Adds the members that nobody wrote, and checks the types of the others.
fn whole(source: &str, members: &Node, here: Span) -> Result<Node, Mismatch> {
    let mut document = Node::map(here, [("source", Node::string(here, source))]);
    let mut defaults = Vec::new();
    for (key, empty) in MEMBERS {
        let entry = members
            .entry(key)
            .filter(|entry| entry.value.content != Content::Null);
        let (span, value) = if let Some(entry) = entry {
            check(entry, empty)?;
            (entry.key_span, entry.value.clone())
        } else {
            defaults.push(Node::string(here, format!("/{key}")));
            (here, empty.node(here))
        };
        document.set(key, span, value);
    }
    document.set("defaults", here, Node::list(here, defaults));
    Ok(document)
}

fn check(entry: &Entry, empty: Empty) -> Result<(), Mismatch> {
    let fits = match (empty, &entry.value.content) {
        (Empty::Text, Content::String(_)) | (Empty::List, Content::List(_)) => true,
        (Empty::Map, Content::Map(members)) => {
            let structured = matches!(&*entry.key, "auths" | "proxies" | "plugins");
            structured || members.iter().all(|member| member.value.as_str().is_some())
        }
        _ => false,
    };
    if fits {
        Ok(())
    } else {
        let message = format!("{} has another type than docker reads there", entry.key);
        Err(mismatch(&entry.value, &message))
    }
}

/// A map whose values have known fields, with the fields' names as the client knows them.
fn each(entry: &Entry, fields: &[&str]) -> Result<Node, Mismatch> {
    if entry.value.content == Content::Null {
        return Ok(Node::map(entry.value.span, []));
    }
    if !matches!(entry.value.content, Content::Map(_)) {
        return Err(mismatch(&entry.value, "docker wants an object here"));
    }
    let mut all = Vec::new();
    for member in entry.value.entries() {
        if !matches!(member.value.content, Content::Map(_) | Content::Null) {
            return Err(mismatch(&member.value, "docker wants an object here"));
        }
        let mut one = Node::map(member.value.span, []);
        for field in fields {
            let Some(found) = folded(&member.value, field) else {
                continue;
            };
            match found.value.content {
                Content::Null => {}
                Content::String(_) => one.set(field, found.key_span, found.value.clone()),
                _ => return Err(mismatch(&found.value, "docker wants a string here")),
            }
        }
        all.push(Entry {
            key: member.key.clone(),
            key_span: member.key_span,
            value: one,
        });
    }
    Ok(Node {
        span: entry.value.span,
        content: Content::Map(all.into()),
    })
}

/// The member of a map as Go finds the field of a struct: without regard to case, the last wins.
fn folded<'a>(map: &'a Node, field: &str) -> Option<&'a Entry> {
    let wanted = fold(field);
    map.entries()
        .iter()
        .rev()
        .find(|entry| fold(&entry.key) == wanted)
}

/// Go folds two letters outside of ASCII onto letters in it.
fn fold(name: &str) -> String {
    name.chars()
        .map(|letter| match letter {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            letter => letter.to_ascii_lowercase(),
        })
        .collect()
}

fn mismatch(node: &Node, message: &str) -> Mismatch {
    Mismatch {
        span: node.span,
        message: message.to_owned(),
    }
}

impl Empty {
    fn node(self, span: Span) -> Node {
        match self {
            Self::Text => Node::string(span, ""),
            Self::List => Node::list(span, Vec::new()),
            Self::Map => Node::map(span, []),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Node {
        Node::string(Span::new(1, 2), value)
    }

    #[test]
    fn fields_are_folded_and_registries_are_not() {
        let login = Node::map(
            Span::default(),
            [("AUTH", text("eA==")), ("other", text("x"))],
        );
        let auths = Node::map(Span::default(), [("Example.org", login)]);
        let file = Node::map(
            Span::default(),
            [
                ("Auths", auths),
                ("cred\u{17f}\u{17f}tore", text("no")),
                ("CREDSSTORE", text("pass")),
            ],
        );
        let document = from_config(&file, Span::default()).unwrap();
        assert_eq!(
            document
                .at("/auths/Example.org/auth")
                .unwrap()
                .node
                .as_str(),
            Some("eA==")
        );
        assert!(document.at("/auths/Example.org/other").is_none());
        assert_eq!(document.text("credsStore"), Some("pass"));
    }

    #[test]
    fn what_docker_cannot_read_is_refused() {
        for file in [
            Node::map(Span::default(), [("auths", text("x"))]),
            Node::map(
                Span::default(),
                [("auths", Node::map(Span::default(), [("r", text("x"))]))],
            ),
            Node::map(
                Span::default(),
                [("credsStore", Node::map(Span::default(), []))],
            ),
        ] {
            assert!(from_config(&file, Span::default()).is_err(), "{file:?}");
        }
    }
}
