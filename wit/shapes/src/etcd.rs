//! `kubernetes/Etcd`, version `v1`: an etcd member by its flags, whichever way it is set.
//!
//! The form is that of [`crate::api_server`]. What a configuration file says stands under the
//! name of the flag that would say it: `peer-transport-security: {cert-file: x}` is
//! `peer-cert-file`. Flags go before `ETCD_` variables; where a configuration file is used, both
//! are ignored, and if the file is not at hand all of `/flags` is unknown. `network` is `pod` where
//! etcd has the network of a Pod to itself, so that all its addresses are those of the Pod, and
//! `host` elsewhere.

use crate::command::Environment;
use crate::flags::{Flag, Flags, Syntax, Table, Type, Word, parse};
use crate::{Content, Kind, Node, Span};

/// The kind of this shape.
pub const KIND: Kind = Kind::known("kubernetes", "Etcd");

/// The version of this shape.
pub const VERSION: &str = "v1";

/// The JSON Schema of this shape.
pub const SCHEMA: &str = include_str!("../schema/kubernetes-Etcd.json");

const FILE: &str =
    "--config-file is given, so that flags and variables are ignored, and the file is not at hand";

const ELSEWHERE: &str =
    "variables from elsewhere may set any ETCD_ variable, and their values are not written here";

/// The flags of etcd.
pub const TABLE: Table = Table {
    syntax: Syntax::Go,
    flags: &[
        Flag::new("name", Type::Text, "default"),
        Flag::new("data-dir", Type::Text, ""),
        Flag::new("wal-dir", Type::Text, ""),
        Flag::new("config-file", Type::Text, ""),
        Flag::new("listen-client-urls", Type::List, "http://localhost:2379"),
        Flag::new("listen-client-http-urls", Type::List, ""),
        Flag::new("advertise-client-urls", Type::List, "http://localhost:2379"),
        Flag::new("listen-peer-urls", Type::List, "http://localhost:2380"),
        Flag::new(
            "initial-advertise-peer-urls",
            Type::List,
            "http://localhost:2380",
        ),
        Flag::new("listen-metrics-urls", Type::List, ""),
        Flag::new("initial-cluster", Type::Text, ""),
        Flag::new("initial-cluster-state", Type::Text, "new"),
        Flag::new("force-new-cluster", Type::Bool, "false"),
        Flag::new("cert-file", Type::Text, ""),
        Flag::new("key-file", Type::Text, ""),
        Flag::new("client-cert-auth", Type::Bool, "false"),
        Flag::new("trusted-ca-file", Type::Text, ""),
        Flag::new("auto-tls", Type::Bool, "false"),
        Flag::new("peer-cert-file", Type::Text, ""),
        Flag::new("peer-key-file", Type::Text, ""),
        Flag::new("peer-client-cert-auth", Type::Bool, "false"),
        Flag::new("peer-trusted-ca-file", Type::Text, ""),
        Flag::new("peer-auto-tls", Type::Bool, "false"),
        Flag::new("cipher-suites", Type::List, ""),
        Flag::new("tls-min-version", Type::Text, "TLS1.2"),
    ],
    booleans: &[
        "debug",
        "discovery-insecure-skip-tls-verify",
        "discovery-insecure-transport",
        "enable-distributed-tracing",
        "enable-grpc-gateway",
        "enable-log-rotation",
        "enable-pprof",
        "enable-v2",
        "experimental-compact-hash-check-enabled",
        "experimental-enable-distributed-tracing",
        "experimental-enable-lease-checkpoint",
        "experimental-enable-lease-checkpoint-persist",
        "experimental-initial-corrupt-check",
        "experimental-memory-mlock",
        "experimental-stop-grpc-service-on-defrag",
        "experimental-txn-mode-write-with-shared-buffer",
        "h",
        "help",
        "initial-election-tick-advance",
        "memory-mlock",
        "peer-skip-client-san-verification",
        "pre-vote",
        "socket-reuse-address",
        "socket-reuse-port",
        "strict-reconfig-check",
        "unsafe-no-fsync",
        "version",
    ],
    files: &[],
    aliases: &[],
};

/// The shape of an etcd that is started with these words and variables.
#[must_use]
pub fn from_command(words: &[Word], environment: &Environment, here: Span) -> Node {
    let mut flags = parse(words, &TABLE);
    let mut variables: Vec<_> = environment.variables.iter().collect();
    variables.sort();
    for (variable, value) in variables {
        let Some(name) = variable.strip_prefix("ETCD_") else {
            continue;
        };
        let name = name.to_ascii_lowercase().replace('_', "-");
        let known = TABLE.value_type(&name);
        if known.is_none() || name == "version" || flags.given.contains_key(&name) {
            continue;
        }
        let said = match value {
            Some((_, text)) if text.is_empty() => continue,
            Some((span, text)) => Word::new(*span, text.as_str()),
            None => Word {
                unknown_from: Some(0),
                ..Word::new(here, "")
            },
        };
        flags.give(name, known, said.span, &said, &TABLE);
    }
    if let Some(span) = environment.elsewhere {
        flags.open.get_or_insert((span, ELSEWHERE));
    }
    let file = flags
        .given
        .remove("config-file")
        .filter(|file| file.unknown || file.value.as_str().is_some_and(|path| !path.is_empty()));
    if let Some(file) = file {
        flags.open = Some((file.key_span, FILE));
        flags.given = [("config-file".to_owned(), file)].into();
    }
    document(&flags, &[], here)
}

/// Whether a document is a configuration file of etcd.
#[must_use]
pub fn is_config(document: &Node) -> bool {
    const OWN: [&str; 8] = [
        "listen-client-urls",
        "listen-peer-urls",
        "advertise-client-urls",
        "initial-advertise-peer-urls",
        "initial-cluster-token",
        "client-transport-security",
        "peer-transport-security",
        "initial-cluster",
    ];
    document.get("apiVersion").is_none()
        && document.get("kind").is_none()
        && OWN.iter().filter(|key| document.get(key).is_some()).count() >= 2
}

/// The shape of an etcd that is started with this configuration file.
#[must_use]
pub fn from_config(config: &Node) -> Node {
    let here = config
        .entries()
        .first()
        .map_or(config.span, |entry| entry.key_span);
    let mut flags = Flags::default();
    for entry in config.entries() {
        match &*entry.key {
            "client-transport-security" => security(&entry.value, "", &mut flags),
            "peer-transport-security" => security(&entry.value, "peer-", &mut flags),
            // The file that is read is this one.
            "config-file" => {}
            name => give(name, entry.key_span, &entry.value, &mut flags),
        }
    }
    document(&flags, &[], here)
}

fn security(section: &Node, prefix: &str, flags: &mut Flags) {
    for entry in section.entries() {
        give(
            &format!("{prefix}{}", entry.key),
            entry.key_span,
            &entry.value,
            flags,
        );
    }
}

/// A value of the file; one that is written as the type of its flag is taken as it stands.
fn give(name: &str, key_span: Span, value: &Node, flags: &mut Flags) {
    let value_type = TABLE.value_type(name);
    if matches!(value.content, Content::Null | Content::Map(_)) {
        return;
    }
    let words = Word::list(value);
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    let said = Word::new(value.span, texts.join(","));
    flags.give(name.to_owned(), value_type, key_span, &said, &TABLE);
    // Each item keeps its place.
    if let Some(given) = flags.given.get_mut(name)
        && let Content::List(items) = &mut given.value.content
        && items.len() == words.len()
    {
        for (item, word) in items.iter_mut().zip(&words) {
            item.span = word.span;
        }
    }
}

/// The shape; `instead` are the defaults of a distribution.
#[must_use]
pub fn document(flags: &Flags, instead: &[(&str, &str)], here: Span) -> Node {
    let mut instead = instead.to_vec();
    // etcd wants to be told both where it listens and what it announces, or neither.
    if flags.given.contains_key("listen-client-urls") {
        instead.push(("advertise-client-urls", ""));
    }
    let mut document = crate::flags::document(flags, &TABLE, &instead, here);
    set_network(&mut document, true);
    document
}

/// Says whether etcd has the network of its host, or that of a Pod to itself.
pub(crate) fn set_network(document: &mut Node, on_host: bool) {
    let network = if on_host { "host" } else { "pod" };
    let here = document.span;
    document.set("network", here, Node::string(here, network));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(words: &[&str], variables: &[(&str, &str)]) -> serde_json::Value {
        let words: Vec<Word> = words
            .iter()
            .map(|word| Word::new(Span::default(), *word))
            .collect();
        let mut environment = Environment::default();
        for (name, value) in variables {
            let value = Some((Span::default(), (*value).to_owned()));
            environment.variables.insert((*name).to_owned(), value);
        }
        serde_json::to_value(from_command(&words, &environment, Span::default())).unwrap()
    }

    #[test]
    fn flags_go_before_variables() {
        let shape = flags(
            &["-client-cert-auth", "--cert-file", "a"],
            &[
                ("ETCD_CERT_FILE", "b"),
                ("ETCD_KEY_FILE", "c"),
                ("ETCD_AUTO_TLS", ""),
            ],
        );
        assert_eq!(shape["flags"]["client-cert-auth"], true);
        assert_eq!(shape["flags"]["cert-file"], "a");
        assert_eq!(shape["flags"]["key-file"], "c");
        assert_eq!(shape["flags"]["auto-tls"], false);
        assert_eq!(shape["unknown"], serde_json::json!([]));
    }

    #[test]
    fn a_configuration_file_hides_flags_and_variables() {
        for shape in [
            flags(&["--config-file=/etcd.yml", "--cert-file=a"], &[]),
            flags(&["--cert-file=a"], &[("ETCD_CONFIG_FILE", "/etcd.yml")]),
        ] {
            assert_eq!(shape["flags"]["config-file"], "/etcd.yml");
            assert_eq!(shape["flags"]["cert-file"], "");
            assert_eq!(shape["unknown"][0]["path"], "/flags");
        }
    }
}
