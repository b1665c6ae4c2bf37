//! `kubernetes/Scheduler`, version `v1`: a kube-scheduler by its flags, in the form that
//! [`crate::api_server`] describes.

use crate::Kind;
use crate::flags::{Flag, Syntax, Table, Type};

/// The kind of this shape.
pub const KIND: Kind = Kind::known("kubernetes", "Scheduler");

/// The version of this shape.
pub const VERSION: &str = "v1";

/// The JSON Schema of this shape.
pub const SCHEMA: &str = include_str!("../schema/kubernetes-Scheduler.json");

/// The flags of kube-scheduler.
pub const TABLE: Table = Table {
    syntax: Syntax::Pflag,
    flags: &[
        Flag::new("bind-address", Type::Text, "0.0.0.0"),
        Flag::new("address", Type::Text, ""),
        Flag::new("port", Type::Number, "0"),
        Flag::new("profiling", Type::Bool, "true"),
        Flag::new("client-ca-file", Type::Text, ""),
        Flag::new("tls-cipher-suites", Type::List, ""),
        Flag::new("tls-min-version", Type::Text, ""),
    ],
    booleans: &[
        "alsologtostderr",
        "authentication-skip-lookup",
        "authentication-tolerate-lookup-failure",
        "contention-profiling",
        "help",
        "leader-elect",
        "logtostderr",
        "one-output",
        "permit-address-sharing",
        "permit-port-sharing",
        "skip-headers",
        "skip-log-headers",
        "version",
    ],
    files: &["config"],
    aliases: &[],
};
