//! `kubernetes/Kubelet`, version `v1`: what a kubelet runs with, in the fields of its
//! `KubeletConfiguration`.
//!
//! Flags go before drop-ins, drop-ins before the file, the file before defaults. The defaults
//! depend on where the configuration comes from: a kubelet that loads a file starts with safer
//! ones than a kubelet that is set by flags alone. `defaults` lists the pointers of the fields
//! that nobody set, `unknown` those of which the source cannot tell, and `flags` holds the flags
//! that were given, in the form that [`crate::api_server`] describes.

use crate::flags::{Flag, Flags, HIDDEN_VALUE, Syntax, Table, Type, Word, unknown_entry, value};
use crate::{Content, Entry, Kind, Node, Span};

/// The kind of this shape.
pub const KIND: Kind = Kind::known("kubernetes", "Kubelet");

/// The version of this shape.
pub const VERSION: &str = "v1";

/// The JSON Schema of this shape.
pub const SCHEMA: &str = include_str!("../schema/kubernetes-Kubelet.json");

/// The kind of the configuration file.
pub const CONFIGURATION: Kind = Kind::known("kubelet.config.k8s.io", "KubeletConfiguration");

const FILE: &str = "the kubelet loads a configuration file that is not at hand";

/// A field that the shape always holds.
#[derive(Clone, Copy)]
struct Field {
    pointer: &'static str,
    /// The flag that sets it.
    flag: &'static str,
    value: Type,
    /// The default beneath a configuration file, and without one.
    defaults: [&'static str; 2],
    /// A zero in the file means the default.
    zero_is_absent: bool,
}

const fn field(
    pointer: &'static str,
    flag: &'static str,
    value: Type,
    default: &'static str,
) -> Field {
    Field {
        pointer,
        flag,
        value,
        defaults: [default, default],
        zero_is_absent: matches!(value, Type::Text),
    }
}

const fn legacy(field: Field, default: &'static str) -> Field {
    Field {
        defaults: [field.defaults[0], default],
        ..field
    }
}

const FIELDS: [Field; 22] = [
    legacy(
        field(
            "/authentication/anonymous/enabled",
            "anonymous-auth",
            Type::Bool,
            "false",
        ),
        "true",
    ),
    legacy(
        field(
            "/authentication/webhook/enabled",
            "authentication-token-webhook",
            Type::Bool,
            "true",
        ),
        "false",
    ),
    field(
        "/authentication/x509/clientCAFile",
        "client-ca-file",
        Type::Text,
        "",
    ),
    legacy(
        field(
            "/authorization/mode",
            "authorization-mode",
            Type::Text,
            "Webhook",
        ),
        "AlwaysAllow",
    ),
    legacy(
        field("/readOnlyPort", "read-only-port", Type::Number, "0"),
        "10255",
    ),
    field(
        "/streamingConnectionIdleTimeout",
        "streaming-connection-idle-timeout",
        Type::Text,
        "4h0m0s",
    ),
    field(
        "/makeIPTablesUtilChains",
        "make-iptables-util-chains",
        Type::Bool,
        "true",
    ),
    field("/eventRecordQPS", "event-qps", Type::Number, "50"),
    field(
        "/rotateCertificates",
        "rotate-certificates",
        Type::Bool,
        "false",
    ),
    field(
        "/serverTLSBootstrap",
        "rotate-server-certificates",
        Type::Bool,
        "false",
    ),
    field("/tlsCertFile", "tls-cert-file", Type::Text, ""),
    field("/tlsPrivateKeyFile", "tls-private-key-file", Type::Text, ""),
    field("/tlsCipherSuites", "tls-cipher-suites", Type::List, ""),
    field("/tlsMinVersion", "tls-min-version", Type::Text, ""),
    field("/podPidsLimit", "pod-max-pids", Type::Number, "-1"),
    field("/seccompDefault", "seccomp-default", Type::Bool, "false"),
    field(
        "/protectKernelDefaults",
        "protect-kernel-defaults",
        Type::Bool,
        "false",
    ),
    field(
        "/enableDebuggingHandlers",
        "enable-debugging-handlers",
        Type::Bool,
        "true",
    ),
    field("/enableServer", "enable-server", Type::Bool, "true"),
    field("/staticPodPath", "pod-manifest-path", Type::Text, ""),
    field("/address", "address", Type::Text, "0.0.0.0"),
    Field {
        zero_is_absent: true,
        ..field("/port", "port", Type::Number, "10250")
    },
];

/// The flags of the kubelet, whose values stand in the fields.
pub const TABLE: Table = Table {
    syntax: Syntax::Pflag,
    flags: &FLAGS,
    booleans: &[
        "allow-privileged",
        "alsologtostderr",
        "cgroups-per-qos",
        "contention-profiling",
        "cpu-cfs-quota",
        "enable-controller-attach-detach",
        "enable-load-reader",
        "exit-on-lock-contention",
        "experimental-allocatable-ignore-eviction",
        "experimental-mounter-rootfs",
        "fail-swap-on",
        "help",
        "keep-terminated-pod-volumes",
        "kernel-memcg-notification",
        "local-storage-capacity-isolation",
        "log-cadvisor-usage",
        "logtostderr",
        "one-output",
        "register-node",
        "register-schedulable",
        "require-kubeconfig",
        "runonce",
        "serialize-image-pulls",
        "skip-headers",
        "skip-log-headers",
        "version",
    ],
    files: &[],
    aliases: &[],
};

/// The flag that opens and shuts features: `Name=true`, separated by commas.
const GATES: Flag = Flag::new("feature-gates", Type::List, "");

const FLAGS: [Flag; FIELDS.len() + 1] = {
    let mut flags = [GATES; FIELDS.len() + 1];
    let mut index = 0;
    while index < FIELDS.len() {
        flags[index] = Flag::new(
            FIELDS[index].flag,
            FIELDS[index].value,
            FIELDS[index].defaults[1],
        );
        index += 1;
    }
    flags
};

/// Where the configuration of a kubelet begins.
#[derive(Clone, Copy, Debug)]
pub enum Base<'a> {
    /// A configuration file.
    File(&'a Node),
    /// What a distribution writes: the defaults of a file, and its own before them.
    Distribution(&'a [(&'a str, &'a str)]),
    /// Flags alone.
    Flags,
}

/// The shape of a kubelet. Its drop-ins come in the order of their names; their places keep the
/// numbers of their texts.
#[must_use]
pub fn effective(base: Base, drop_ins: &[Node], flags: &Flags, here: Span) -> Node {
    let mut document = match base {
        Base::File(file) => file.clone(),
        _ => Node::map(here, []),
    };
    for drop_in in drop_ins {
        merge(&mut document, drop_in);
    }
    let file_flag = |name: &str| {
        let given = flags.given.get(name)?;
        let is_empty = given.value.as_str().is_some_and(str::is_empty);
        (given.unknown || !is_empty).then_some(given)
    };
    let hidden = match base {
        Base::File(_) => None,
        _ => file_flag("config"),
    };
    let hidden_drop_in = file_flag("config-dir").filter(|_| drop_ins.is_empty());
    let mut shape = Shape {
        document,
        own: match base {
            Base::Distribution(own) => own,
            _ => &[],
        },
        // Drop-ins alone lie on top of the defaults of a kubelet that is set by flags.
        legacy: matches!(base, Base::Flags) && hidden.is_none(),
        hidden: hidden.or(hidden_drop_in).map(|given| given.key_span),
        here,
        defaults: Vec::new(),
        unknown: Vec::new(),
    };
    for field in &FIELDS {
        shape.complete(field, flags);
    }
    shape.gates(flags);
    shape.finish(flags)
}

struct Shape<'a> {
    document: Node,
    own: &'a [(&'a str, &'a str)],
    legacy: bool,
    /// The flag that names a file which is not at hand.
    hidden: Option<Span>,
    here: Span,
    defaults: Vec<Node>,
    unknown: Vec<Node>,
}

impl Shape<'_> {
    fn complete(&mut self, field: &Field, flags: &Flags) {
        if let Some(given) = flags.given.get(field.flag) {
            put(
                &mut self.document,
                field.pointer,
                given.key_span,
                given.value.clone(),
            );
            if given.unknown {
                self.unknown
                    .push(unknown_entry(field.pointer, HIDDEN_VALUE, given.value.span));
            }
            return;
        }
        let written = self.document.at(field.pointer);
        let place = written.as_ref().map(|found| found.node.span);
        if written.is_some_and(|found| !field.is_absent(found.node)) {
            return;
        }
        let own = self
            .own
            .iter()
            .find(|(pointer, _)| *pointer == field.pointer);
        let default = own.map_or(field.defaults[usize::from(self.legacy)], |(_, value)| value);
        let here = place.unwrap_or_else(|| nearest(&self.document, field.pointer, self.here));
        put(
            &mut self.document,
            field.pointer,
            here,
            value(default, field.value, here),
        );
        self.defaults.push(Node::string(here, field.pointer));
        if let Some(span) = self.hidden {
            self.unknown.push(unknown_entry(field.pointer, FILE, span));
        } else if let Some((span, why)) = flags.open {
            self.unknown.push(unknown_entry(field.pointer, why, span));
        }
    }

    /// A gate that the flag names goes before what the file says of it; the others stay.
    fn gates(&mut self, flags: &Flags) {
        let given = flags.given.get(GATES.name);
        for gate in given.map(|given| given.value.items()).unwrap_or_default() {
            let Some((name, open)) = gate.as_str().and_then(|gate| gate.split_once('=')) else {
                continue;
            };
            put(
                &mut self.document,
                &format!("/featureGates/{}", name.trim()),
                gate.span,
                value(open.trim(), Type::Bool, gate.span),
            );
        }
        let hidden = given
            .filter(|given| given.unknown)
            .map(|given| (given.value.span, HIDDEN_VALUE))
            .or(self.hidden.map(|span| (span, FILE)))
            .or(flags.open);
        if let Some((span, why)) = hidden {
            self.unknown.push(unknown_entry("/featureGates", why, span));
        }
    }

    fn finish(mut self, flags: &Flags) -> Node {
        let here = self.here;
        for (name, given) in flags.given.iter().filter(|(_, given)| given.unknown) {
            let pointer = format!("/flags/{}", crate::escape_token(name));
            let entry = unknown_entry(&pointer, HIDDEN_VALUE, given.value.span);
            self.unknown.push(entry);
        }
        let given = flags.given.iter().map(|(name, given)| Entry {
            key: name.clone(),
            key_span: given.key_span,
            value: given.value.clone(),
        });
        let flags = Node {
            span: here,
            content: Content::Map(given.collect()),
        };
        self.document.set("flags", here, flags);
        let defaults = Node::list(here, self.defaults);
        self.document.set("defaults", here, defaults);
        let unknown = Node::list(here, self.unknown);
        self.document.set("unknown", here, unknown);
        self.document
    }
}

impl Field {
    /// Whether the kubelet takes a value of its file for none.
    fn is_absent(&self, value: &Node) -> bool {
        match &value.content {
            Content::Null => true,
            Content::String(text) => {
                self.zero_is_absent && (text.is_empty() || is_zero_duration(text))
            }
            Content::Number(number) => self.zero_is_absent && number.as_f64() == Some(0.0),
            _ => false,
        }
    }
}

/// A duration of no length, as a file may say it.
fn is_zero_duration(text: &str) -> bool {
    matches!(text, "0" | "0s" | "0m" | "0h" | "0ms" | "0h0m0s" | "0m0s")
}

/// The key of the nearest map that is there and could hold a value.
fn nearest(document: &Node, pointer: &str, here: Span) -> Span {
    let mut parent = pointer;
    while let Some((above, _)) = parent.rsplit_once('/') {
        parent = above;
        if let Some(key) = document.at(parent).and_then(|found| found.key) {
            return key;
        }
    }
    here
}

/// Sets a value and makes the maps that lead to it. What stands in the way of a map goes.
fn put(document: &mut Node, pointer: &str, key_span: Span, value: Node) {
    let Some((first, rest)) = pointer.strip_prefix('/').map(|pointer| {
        pointer
            .split_once('/')
            .map_or((pointer, None), |(first, rest)| (first, Some(rest)))
    }) else {
        return;
    };
    let Some(rest) = rest else {
        document.set(first, key_span, value);
        return;
    };
    if !document
        .get(first)
        .is_some_and(|child| matches!(child.content, Content::Map(_)))
    {
        document.set(first, key_span, Node::map(key_span, []));
    }
    if let Content::Map(entries) = &mut document.content
        && let Some(entry) = entries.iter_mut().find(|entry| entry.key == first)
    {
        put(&mut entry.value, &format!("/{rest}"), key_span, value);
    }
}

/// Lays a drop-in over a configuration: maps are merged, everything else is replaced, and `null`
/// takes a field away.
pub fn merge(configuration: &mut Node, drop_in: &Node) {
    for entry in drop_in.entries() {
        let Content::Map(entries) = &mut configuration.content else {
            return;
        };
        let place = entries.iter().position(|known| known.key == entry.key);
        match (place, &entry.value.content) {
            (Some(place), Content::Null) => {
                entries.remove(place);
            }
            (None, Content::Null) => {}
            (Some(place), Content::Map(_))
                if matches!(entries[place].value.content, Content::Map(_)) =>
            {
                merge(&mut entries[place].value, &entry.value);
            }
            (Some(place), _) => entries[place] = entry.clone(),
            (None, _) => entries.push(entry.clone()),
        }
    }
}

/// What keeps a kubelet from loading a configuration, and the value that does: a field of the
/// wrong type.
#[must_use]
pub fn problem(configuration: &Node) -> Option<(&Node, String)> {
    FIELDS.iter().find_map(|field| {
        let tokens = field.pointer.get(1..)?.split('/');
        let mut node = configuration;
        for token in tokens {
            if !matches!(node.content, Content::Map(_) | Content::Null) {
                return Some((
                    node,
                    format!("what should hold {} is no map", field.pointer),
                ));
            }
            node = node.get(token)?;
        }
        let fits = matches!(
            (&node.content, field.value),
            (Content::Null, _)
                | (Content::Bool(_), Type::Bool)
                | (Content::Number(_), Type::Number)
                | (Content::List(_), Type::List)
                | (Content::String(_), Type::Text)
        );
        (!fits).then(|| (node, format!("{} has the wrong type", field.pointer)))
    })
}

/// The shape of a configuration file, judged as a kubelet would start with it alone.
#[must_use]
pub fn from_file(configuration: &Node) -> Node {
    let here = configuration
        .entries()
        .first()
        .map_or(configuration.span, |entry| entry.key_span);
    effective(Base::File(configuration), &[], &Flags::default(), here)
}

/// The shape of a kubelet that is started with these words.
#[must_use]
pub fn from_words(words: &[Word], here: Span) -> Node {
    effective(Base::Flags, &[], &crate::flags::parse(words, &TABLE), here)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tree(value: &serde_json::Value) -> Node {
        let content = match value {
            serde_json::Value::Null => Content::Null,
            serde_json::Value::Bool(value) => Content::Bool(*value),
            serde_json::Value::Number(number) => Content::Number(number.clone()),
            serde_json::Value::String(text) => Content::String(text.clone()),
            serde_json::Value::Array(items) => Content::List(items.iter().map(tree).collect()),
            serde_json::Value::Object(members) => {
                let members: Vec<_> = members
                    .iter()
                    .map(|(key, value)| (key.as_str(), tree(value)))
                    .collect();
                Node::map(Span::default(), members).content
            }
        };
        Node {
            span: Span::default(),
            content,
        }
    }

    fn shape(
        file: Option<serde_json::Value>,
        drop_ins: &[serde_json::Value],
        words: &[&str],
    ) -> serde_json::Value {
        let words: Vec<Word> = words
            .iter()
            .map(|word| Word::new(Span::default(), *word))
            .collect();
        let file = file.map(|file| tree(&file));
        let base = file.as_ref().map_or(Base::Flags, Base::File);
        let drop_ins: Vec<Node> = drop_ins.iter().map(tree).collect();
        let flags = crate::flags::parse(&words, &TABLE);
        serde_json::to_value(effective(base, &drop_ins, &flags, Span::default())).unwrap()
    }

    #[test]
    fn defaults_depend_on_where_the_configuration_comes_from() {
        let by_flags = shape(None, &[], &[]);
        assert_eq!(by_flags["authorization"]["mode"], "AlwaysAllow");
        assert_eq!(by_flags["authentication"]["anonymous"]["enabled"], true);
        assert_eq!(by_flags["readOnlyPort"], 10255);
        let by_file = shape(Some(json!({})), &[], &[]);
        assert_eq!(by_file["authorization"]["mode"], "Webhook");
        assert_eq!(by_file["authentication"]["anonymous"]["enabled"], false);
        assert_eq!(by_file["readOnlyPort"], 0);
        assert!(
            by_file["defaults"]
                .as_array()
                .unwrap()
                .contains(&json!("/authorization/mode"))
        );
    }

    #[test]
    fn flags_go_before_drop_ins_and_drop_ins_before_the_file() {
        let file = json!({"authorization": {"mode": "Webhook"}, "tlsCipherSuites": ["A", "B"], "readOnlyPort": 1});
        let drop_in = json!({"authorization": {"mode": "AlwaysAllow"}, "tlsCipherSuites": ["C"], "readOnlyPort": null});
        let merged = shape(Some(file.clone()), std::slice::from_ref(&drop_in), &[]);
        assert_eq!(merged["authorization"]["mode"], "AlwaysAllow");
        assert_eq!(merged["tlsCipherSuites"], json!(["C"]));
        assert_eq!(merged["readOnlyPort"], 0);
        let flagged = shape(
            Some(file),
            &[drop_in],
            &["--authorization-mode", "Webhook", "--read-only-port=7"],
        );
        assert_eq!(flagged["authorization"]["mode"], "Webhook");
        assert_eq!(flagged["readOnlyPort"], 7);
    }

    #[test]
    fn a_gate_of_the_flag_goes_before_that_of_the_file_and_leaves_the_others() {
        let file = json!({"featureGates": {"A": true, "B": true}});
        let merged = shape(
            Some(file),
            &[],
            &["--feature-gates=A=false", "--feature-gates", "C=true"],
        );
        assert_eq!(
            merged["featureGates"],
            json!({"A": false, "B": true, "C": true})
        );
    }

    #[test]
    fn a_zero_in_the_file_is_the_default_and_in_a_flag_it_is_zero() {
        for zero in [json!("0s"), json!("")] {
            let file = shape(
                Some(json!({"streamingConnectionIdleTimeout": zero})),
                &[],
                &[],
            );
            assert_eq!(file["streamingConnectionIdleTimeout"], "4h0m0s");
        }
        let flag = shape(None, &[], &["--streaming-connection-idle-timeout=0"]);
        assert_eq!(flag["streamingConnectionIdleTimeout"], "0");
        assert_eq!(
            shape(Some(json!({"eventRecordQPS": 0})), &[], &[])["eventRecordQPS"],
            0
        );
    }

    #[test]
    fn a_file_that_is_not_at_hand_leaves_unknown_what_no_flag_sets() {
        let shape = shape(None, &[], &["--config", "/x.yaml", "--read-only-port=0"]);
        let unknown: Vec<_> = shape["unknown"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| &item["path"])
            .collect();
        assert!(unknown.contains(&&json!("/authorization/mode")));
        assert!(!unknown.contains(&&json!("/readOnlyPort")));
        assert_eq!(shape["authorization"]["mode"], "Webhook");
    }

    #[test]
    fn a_drop_in_folder_alone_keeps_the_defaults_of_flags() {
        let shape = shape(None, &[], &["--config-dir=/etc/kubelet.d"]);
        assert_eq!(shape["authorization"]["mode"], "AlwaysAllow");
        assert_eq!(
            shape["unknown"][0]["path"],
            "/authentication/anonymous/enabled"
        );
    }

    #[test]
    fn each_value_keeps_the_text_that_it_stands_in() {
        let mut drop_in = tree(&json!({"authorization": {"mode": "AlwaysAllow"}}));
        drop_in.in_text(1);
        let file = tree(&json!({"authorization": {"webhook": {}}, "readOnlyPort": 0}));
        let flags = Flags::default();
        let shape = effective(Base::File(&file), &[drop_in], &flags, Span::default());
        let text = |pointer| shape.at(pointer).unwrap().node.span.text;
        assert_eq!((text("/authorization/mode"), text("/readOnlyPort")), (1, 0));
        assert_eq!(text("/authorization/webhook"), 0);
    }

    #[test]
    fn a_field_of_the_wrong_type_is_a_problem() {
        for bad in [
            json!({"authorization": "Webhook"}),
            json!({"authentication": {"anonymous": {"enabled": "false"}}}),
        ] {
            assert!(problem(&tree(&bad)).is_some(), "{bad}");
        }
        assert!(problem(&tree(&json!({"authorization": null, "readOnlyPort": 0}))).is_none());
    }
}
