//! `kubernetes/ApiServer`, version `v1`: a kube-apiserver by its flags.
//!
//! `flags` holds each flag by its name without dashes, as a boolean, a number, a list or a text;
//! a value that the program refuses stays the text that was given. The flags of [`TABLE`] are
//! always there, and `defaults` lists the pointers of those that nobody gave. `unknown` lists
//! what the source cannot tell: an item holds for the value at its path, and for every default
//! and every absent flag beneath it. Files that flags name are not part of the shape.
//!
//! `authorization-mode` is the chain: `AlwaysAllow` by default, and empty where
//! `authorization-config` names a file that takes its place.

use crate::flags::{Flag, Flags, Syntax, Table, Type};
use crate::{Kind, Node, Span};

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

/// The shape of an API server with these flags; `instead` are the defaults of a distribution.
#[must_use]
pub fn document(flags: &Flags, instead: &[(&str, &str)], here: Span) -> Node {
    let config = flags
        .given
        .get("authorization-config")
        .is_some_and(|given| {
            given.unknown || given.value.as_str().is_some_and(|file| !file.is_empty())
        });
    let mut instead = instead.to_vec();
    if config {
        instead.insert(0, ("authorization-mode", ""));
    }
    crate::flags::document(flags, &TABLE, &instead, here)
}
