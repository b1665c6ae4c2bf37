//! `kubernetes/ApiServer`, version `v1`: a kube-apiserver by its flags.
//!
//! `flags` holds each flag by its name without dashes, as a boolean, a number, a list or a text;
//! a value that the program refuses stays the text that was given. The flags of [`TABLE`] are
//! always there, and `defaults` lists the pointers of those that nobody gave. `unknown` lists
//! what the source cannot tell: an item holds for the value at its path, and for every default
//! and every absent flag beneath it.
//!
//! `authorizationConfiguration`, `authenticationConfiguration` and `encryptionConfiguration` are
//! the documents of the files that `authorization-config`, `authentication-config` and
//! `encryption-provider-config` name, with their places in those files; see [`FILES`]. Each is
//! `null` where no file is named. It is `null` and listed in `unknown` where one is named that is
//! not at hand.
//!
//! `authorization-mode` is the chain: `AlwaysAllow` by default, and empty where
//! `authorization-config` names a file that takes its place; the chain is then that of
//! `authorizationConfiguration`. `anonymous-auth`, unless it is given, is what `anonymous.enabled`
//! of `authenticationConfiguration` says; it is unknown where that is named and not at hand.

use crate::flags::{Flag, Flags, Syntax, Table, Type, unknown_entry};
use crate::{Content, Kind, Node, Span};

/// The kind of this shape.
pub const KIND: Kind = Kind::known("kubernetes", "ApiServer");

/// The version of this shape.
pub const VERSION: &str = "v1";

/// The JSON Schema of this shape.
pub const SCHEMA: &str = include_str!("../schema/kubernetes-ApiServer.json");

/// The flags of kube-apiserver.
pub const TABLE: Table = Table {
    syntax: Syntax::Pflag,
    flags: &[
        Flag::new("anonymous-auth", Type::Bool, "true"),
        Flag::new("authorization-mode", Type::List, "AlwaysAllow"),
        Flag::new("authorization-config", Type::Text, ""),
        Flag::new("authorization-webhook-config-file", Type::Text, ""),
        Flag::new("authentication-config", Type::Text, ""),
        Flag::new("authentication-token-webhook-config-file", Type::Text, ""),
        Flag::new("token-auth-file", Type::Text, ""),
        Flag::new("basic-auth-file", Type::Text, ""),
        Flag::new("enable-bootstrap-token-auth", Type::Bool, "false"),
        Flag::new("client-ca-file", Type::Text, ""),
        Flag::new("requestheader-client-ca-file", Type::Text, ""),
        Flag::new("tls-cert-file", Type::Text, ""),
        Flag::new("tls-private-key-file", Type::Text, ""),
        Flag::new("tls-cipher-suites", Type::List, ""),
        Flag::new("tls-min-version", Type::Text, ""),
        Flag::new("kubelet-certificate-authority", Type::Text, ""),
        Flag::new("kubelet-client-certificate", Type::Text, ""),
        Flag::new("kubelet-client-key", Type::Text, ""),
        Flag::new("kubelet-https", Type::Bool, "true"),
        Flag::new("etcd-servers", Type::List, ""),
        Flag::new("etcd-servers-overrides", Type::List, ""),
        Flag::new("etcd-cafile", Type::Text, ""),
        Flag::new("etcd-certfile", Type::Text, ""),
        Flag::new("etcd-keyfile", Type::Text, ""),
        Flag::new("encryption-provider-config", Type::Text, ""),
        Flag::new("enable-admission-plugins", Type::List, ""),
        Flag::new("disable-admission-plugins", Type::List, ""),
        Flag::new("audit-log-path", Type::Text, ""),
        Flag::new("audit-log-maxage", Type::Number, "0"),
        Flag::new("audit-log-maxbackup", Type::Number, "0"),
        Flag::new("audit-log-maxsize", Type::Number, "0"),
        Flag::new("audit-policy-file", Type::Text, ""),
        Flag::new("audit-webhook-config-file", Type::Text, ""),
        Flag::new("insecure-port", Type::Number, "0"),
        Flag::new("insecure-bind-address", Type::Text, ""),
        Flag::new("secure-port", Type::Number, "6443"),
        Flag::new("profiling", Type::Bool, "true"),
        Flag::new("service-account-lookup", Type::Bool, "true"),
        Flag::new("service-account-key-file", Type::List, ""),
        Flag::new("service-account-signing-key-file", Type::Text, ""),
        Flag::new("request-timeout", Type::Text, "1m0s"),
    ],
    booleans: &[
        "allow-privileged",
        "audit-log-compress",
        "audit-log-truncate-enabled",
        "audit-webhook-truncate-enabled",
        "authorization-webhook-use-service-resolution",
        "contention-profiling",
        "enable-aggregator-routing",
        "enable-garbage-collector",
        "enable-logs-handler",
        "enable-priority-and-fairness",
        "enable-swagger-ui",
        "encryption-provider-config-automatic-reload",
        "help",
        "logtostderr",
        "alsologtostderr",
        "one-output",
        "permit-address-sharing",
        "permit-port-sharing",
        "service-account-extend-token-expiration",
        "shutdown-send-retry-after",
        "skip-headers",
        "skip-log-headers",
        "version",
        "watch-cache",
    ],
    files: &["openshift-config"],
    aliases: &[(
        "experimental-encryption-provider-config",
        "encryption-provider-config",
    )],
};

/// A file that a flag names, and what the API server takes from it.
#[derive(Clone, Copy, Debug)]
pub struct ConfigFile {
    /// The flag that names it.
    pub flag: &'static str,
    /// The JSON Pointer of the member of the shape that holds its document.
    pub pointer: &'static str,
    /// The kinds that its document can have, of old API servers too.
    pub kinds: &'static [Kind],
    /// The flag whose default the file takes the place of.
    sets: Option<&'static str>,
    /// Why what it says is not known.
    reason: &'static str,
}

const ANONYMOUS: &str = "anonymous-auth";

/// The files that become members of the shape.
pub const FILES: [ConfigFile; 3] = [
    ConfigFile {
        flag: "authorization-config",
        pointer: "/authorizationConfiguration",
        kinds: &[Kind::known(
            "apiserver.config.k8s.io",
            "AuthorizationConfiguration",
        )],
        sets: Some("authorization-mode"),
        reason: "the file that --authorization-config names is not at hand; name it together with what starts the API server",
    },
    ConfigFile {
        flag: "authentication-config",
        pointer: "/authenticationConfiguration",
        kinds: &[Kind::known(
            "apiserver.config.k8s.io",
            "AuthenticationConfiguration",
        )],
        sets: Some(ANONYMOUS),
        reason: "the file that --authentication-config names is not at hand; name it together with what starts the API server",
    },
    ConfigFile {
        flag: "encryption-provider-config",
        pointer: "/encryptionConfiguration",
        kinds: &[
            Kind::known("apiserver.config.k8s.io", "EncryptionConfiguration"),
            Kind::known("", "EncryptionConfig"),
        ],
        sets: None,
        reason: "the file that --encryption-provider-config names is not at hand; name it together with what starts the API server",
    },
];

/// The shape of an API server with these flags, without the files that they name; `instead` are
/// the defaults of a distribution.
#[must_use]
pub fn document(flags: &Flags, instead: &[(&str, &str)], here: Span) -> Node {
    let named = |file: &ConfigFile| {
        flags.given.get(file.flag).filter(|given| {
            given.unknown || given.value.as_str().is_some_and(|path| !path.is_empty())
        })
    };
    let mut instead = instead.to_vec();
    if named(&FILES[0]).is_some() {
        instead.insert(0, ("authorization-mode", ""));
    }
    let mut document = crate::flags::document(flags, &TABLE, &instead, here);
    let open = open(&document);
    for file in &FILES {
        let span = named(file).map_or(here, |given| given.value.span);
        let content = Content::Null;
        document.set(file.member(), span, Node { span, content });
        if named(file).is_some() {
            let given = |flag: &&str| flags.given.contains_key(*flag);
            let sets = file.sets.filter(|flag| !given(flag)).map(flag_pointer);
            for pointer in std::iter::once(file.pointer.to_owned()).chain(sets) {
                push(
                    &mut document,
                    "unknown",
                    unknown_entry(&pointer, file.reason, span),
                );
            }
        } else if let Some((span, why)) = &open {
            push(
                &mut document,
                "unknown",
                unknown_entry(file.pointer, why, *span),
            );
        }
    }
    document
}

/// Why any flag may be given that is not seen; none if all are.
fn open(document: &Node) -> Option<(Span, String)> {
    let unknown = document.get("unknown")?.items();
    let all = unknown
        .iter()
        .find(|item| item.text("path") == Some("/flags"))?;
    Some((all.span, all.text("reason")?.to_owned()))
}

impl ConfigFile {
    fn member(&self) -> &'static str {
        self.pointer.trim_start_matches('/')
    }

    /// The path at which the API server of a shape finds the file; none if it uses none.
    #[must_use]
    pub fn path<'a>(&self, document: &'a Node) -> Option<&'a str> {
        let path = document.get("flags")?.text(self.flag)?;
        (!path.is_empty()).then_some(path)
    }

    /// Lays the document of the file into the shape of an API server that names it.
    pub fn join(&self, document: &mut Node, config: Node) {
        let sets = self.sets.map(flag_pointer);
        retain(document, "unknown", |item| {
            let of = item.text("path");
            let is_of_file = of == Some(self.pointer) || (of.is_some() && of == sets.as_deref());
            !(is_of_file && item.text("reason") == Some(self.reason))
        });
        if let Some(entry) = config.get("anonymous").and_then(|own| own.entry("enabled"))
            && self.sets == Some(ANONYMOUS)
            && retain(document, "defaults", |item| {
                item.as_str() != sets.as_deref()
            })
            && let Some(flags) = document.get_mut("flags")
        {
            flags.set(ANONYMOUS, entry.key_span, entry.value.clone());
        }
        let key_span = config
            .entry("kind")
            .map_or(config.span, |entry| entry.key_span);
        document.set(self.member(), key_span, config);
    }
}

fn flag_pointer(flag: &str) -> String {
    format!("/flags/{flag}")
}

fn push(document: &mut Node, list: &str, item: Node) {
    if let Some(Content::List(items)) = document.get_mut(list).map(|list| &mut list.content) {
        items.push(item);
    }
}

/// Keeps some items of a list; whether any had to go.
fn retain(document: &mut Node, list: &str, keep: impl FnMut(&Node) -> bool) -> bool {
    let Some(Content::List(items)) = document.get_mut(list).map(|list| &mut list.content) else {
        return false;
    };
    let before = items.len();
    items.retain(keep);
    items.len() < before
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::{Word, parse};

    fn shape(words: &[&str]) -> Node {
        let words: Vec<Word> = words
            .iter()
            .map(|word| Word::new(Span::default(), *word))
            .collect();
        document(&parse(&words, &TABLE), &[], Span::default())
    }

    fn text(text: &str) -> Node {
        Node::string(Span::default(), text)
    }

    fn map<'a>(members: impl IntoIterator<Item = (&'a str, Node)>) -> Node {
        Node::map(Span::default(), members)
    }

    fn list(items: Vec<Node>) -> Node {
        Node::list(Span::default(), items)
    }

    fn json(node: &Node) -> serde_json::Value {
        serde_json::to_value(node).unwrap()
    }

    #[test]
    fn a_file_that_is_not_at_hand_is_unknown() {
        let shape = json(&shape(&[
            "--authorization-config=/a",
            "--authentication-config=/b",
        ]));
        let unknown: Vec<_> = shape["unknown"].as_array().unwrap().iter().collect();
        let paths: Vec<_> = unknown
            .iter()
            .map(|item| item["path"].as_str().unwrap())
            .collect();
        assert_eq!(
            paths,
            [
                "/authorizationConfiguration",
                "/flags/authorization-mode",
                "/authenticationConfiguration",
                "/flags/anonymous-auth"
            ]
        );
        assert_eq!(shape["encryptionConfiguration"], serde_json::Value::Null);
    }

    #[test]
    fn a_file_that_is_at_hand_is_a_member() {
        let mut shape = shape(&["--authorization-config=/a"]);
        assert_eq!(FILES[0].path(&shape), Some("/a"));
        assert_eq!(FILES[1].path(&shape), None);
        let authorizers = ["Node", "AlwaysAllow"].map(|kind| map([("type", text(kind))]));
        let config = map([("authorizers", list(authorizers.to_vec()))]);
        FILES[0].join(&mut shape, config);
        let shape = json(&shape);
        assert_eq!(shape["flags"]["authorization-mode"], serde_json::json!([]));
        assert_eq!(shape["unknown"], serde_json::json!([]));
        let first = &shape["authorizationConfiguration"]["authorizers"][0];
        assert_eq!(first["type"], "Node");
    }

    #[test]
    fn a_flag_that_is_given_stays() {
        let words = ["--authentication-config=/b", "--anonymous-auth=false"];
        for (words, anonymous) in [(&words[..], false), (&words[..1], true)] {
            let mut shape = shape(words);
            let enabled = Node {
                span: Span::default(),
                content: Content::Bool(true),
            };
            FILES[1].join(
                &mut shape,
                map([("anonymous", map([("enabled", enabled)]))]),
            );
            let shape = json(&shape);
            assert_eq!(shape["flags"]["anonymous-auth"], anonymous);
            assert_eq!(shape["unknown"], serde_json::json!([]));
        }
    }
}
