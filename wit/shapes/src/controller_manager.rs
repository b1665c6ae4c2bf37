//! `kubernetes/ControllerManager`, version `v1`: a kube-controller-manager by its flags, in the
//! form that [`crate::api_server`] describes.

use crate::Kind;
use crate::flags::{Flag, Syntax, Table, Type};

/// The kind of this shape.
pub const KIND: Kind = Kind::known("kubernetes", "ControllerManager");

/// The version of this shape.
pub const VERSION: &str = "v1";

/// The JSON Schema of this shape.
pub const SCHEMA: &str = include_str!("../schema/kubernetes-ControllerManager.json");

/// The flags of kube-controller-manager.
pub const TABLE: Table = Table {
    syntax: Syntax::Pflag,
    flags: &[
        Flag::new("bind-address", Type::Text, "0.0.0.0"),
        Flag::new("address", Type::Text, ""),
        Flag::new("port", Type::Number, "0"),
        Flag::new("profiling", Type::Bool, "true"),
        Flag::new("root-ca-file", Type::Text, ""),
        Flag::new("client-ca-file", Type::Text, ""),
        Flag::new("service-account-private-key-file", Type::Text, ""),
        Flag::new("terminated-pod-gc-threshold", Type::Number, "12500"),
        Flag::new("tls-cipher-suites", Type::List, ""),
        Flag::new("tls-min-version", Type::Text, ""),
        Flag::new("use-service-account-credentials", Type::Bool, "false"),
        Flag::new("feature-gates", Type::List, ""),
    ],
    booleans: &[
        "allocate-node-cidrs",
        "allow-untagged-cloud",
        "alsologtostderr",
        "authentication-skip-lookup",
        "authentication-tolerate-lookup-failure",
        "configure-cloud-routes",
        "contention-profiling",
        "disable-attach-detach-reconcile-sync",
        "enable-dynamic-provisioning",
        "enable-garbage-collector",
        "enable-hostpath-provisioner",
        "enable-leader-migration",
        "enable-taint-manager",
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
    files: &["openshift-config"],
    aliases: &[],
};
