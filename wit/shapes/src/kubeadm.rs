//! The files of kubeadm, and the components that they set up.
//!
//! kubeadm writes the static Pods of a control plane from its `ClusterConfiguration`, with flags of
//! its own; what `extraArgs` say goes before those. `InitConfiguration` and `JoinConfiguration` say
//! further flags of the kubelet.
//!
//! Source: `cmd/kubeadm/app/phases` of Kubernetes 1.31, and `kubeadm.k8s.io/v1beta3` (a map of
//! flags) and `v1beta4` (a list, in which a flag may stand twice).

use crate::command::Program;
use crate::component::{Component, of_distribution};
use crate::flags::{Word, plain};
use crate::{Content, Node, Span};

/// The group of kubeadm's files.
pub const GROUP: &str = "kubeadm.k8s.io";

const KINDS: [&str; 3] = [
    "ClusterConfiguration",
    "InitConfiguration",
    "JoinConfiguration",
];

/// Where kubeadm keeps keys and certificates if nobody says otherwise.
const CERTIFICATES: &str = "/etc/kubernetes/pki";

/// The modes that kubeadm passes on; it leaves out what it does not know, and takes its own if
/// nothing is left.
const MODES: [&str; 6] = [
    "Node",
    "RBAC",
    "Webhook",
    "ABAC",
    "AlwaysAllow",
    "AlwaysDeny",
];

/// Flags of kubeadm's own; a value that begins with `~` is a file among the certificates.
const API_SERVER: [(&str, &str); 15] = [
    ("authorization-mode", "Node,RBAC"),
    ("enable-admission-plugins", "NodeRestriction"),
    ("enable-bootstrap-token-auth", "true"),
    ("client-ca-file", "~/ca.crt"),
    ("requestheader-client-ca-file", "~/front-proxy-ca.crt"),
    ("tls-cert-file", "~/apiserver.crt"),
    ("tls-private-key-file", "~/apiserver.key"),
    (
        "kubelet-client-certificate",
        "~/apiserver-kubelet-client.crt",
    ),
    ("kubelet-client-key", "~/apiserver-kubelet-client.key"),
    ("etcd-servers", "https://127.0.0.1:2379"),
    ("etcd-cafile", "~/etcd/ca.crt"),
    ("etcd-certfile", "~/apiserver-etcd-client.crt"),
    ("etcd-keyfile", "~/apiserver-etcd-client.key"),
    ("service-account-key-file", "~/sa.pub"),
    ("service-account-signing-key-file", "~/sa.key"),
];

/// The flags that `etcd.external` sets, and its members.
const EXTERNAL: [(&str, &str); 4] = [
    ("etcd-servers", "endpoints"),
    ("etcd-cafile", "caFile"),
    ("etcd-certfile", "certFile"),
    ("etcd-keyfile", "keyFile"),
];

const CONTROLLER_MANAGER: [(&str, &str); 5] = [
    ("bind-address", "127.0.0.1"),
    ("use-service-account-credentials", "true"),
    ("root-ca-file", "~/ca.crt"),
    ("client-ca-file", "~/ca.crt"),
    ("service-account-private-key-file", "~/sa.key"),
];

const SCHEDULER: [(&str, &str); 1] = [("bind-address", "127.0.0.1")];

const ETCD: [(&str, &str); 10] = [
    ("data-dir", "/var/lib/etcd"),
    ("listen-client-urls", "https://127.0.0.1:2379"),
    ("listen-metrics-urls", "http://127.0.0.1:2381"),
    ("client-cert-auth", "true"),
    ("cert-file", "~/etcd/server.crt"),
    ("key-file", "~/etcd/server.key"),
    ("trusted-ca-file", "~/etcd/ca.crt"),
    ("peer-client-cert-auth", "true"),
    ("peer-cert-file", "~/etcd/peer.crt"),
    ("peer-key-file", "~/etcd/peer.key"),
];

const PEER_CA: (&str, &str) = ("peer-trusted-ca-file", "~/etcd/ca.crt");

/// What kubeadm writes into the kubelet's configuration.
const KUBELET: [(&str, &str); 3] = [
    ("/authentication/x509/clientCAFile", "~/ca.crt"),
    ("/rotateCertificates", "true"),
    ("/staticPodPath", "/etc/kubernetes/manifests"),
];

/// Whether a document is a file of kubeadm.
#[must_use]
pub fn is_config(document: &Node) -> bool {
    let version = document.text("apiVersion").unwrap_or_default();
    version
        .split_once('/')
        .is_some_and(|(group, _)| group == GROUP)
        && document
            .text("kind")
            .is_some_and(|kind| KINDS.contains(&kind))
}

/// The components that a file of kubeadm sets up.
#[must_use]
pub fn components(document: &Node) -> Vec<Component> {
    let here = document
        .entry("kind")
        .map_or(document.span, |entry| entry.key_span);
    if document.text("kind") != Some(KINDS[0]) {
        let registration = document.get("nodeRegistration");
        let arguments = registration.and_then(|node| node.entry("kubeletExtraArgs"));
        let settings = arguments
            .map(|entry| settings(&entry.value))
            .unwrap_or_default();
        let place = arguments.map_or(here, |entry| entry.key_span);
        let own = with_certificates(document, &KUBELET);
        return (!settings.is_empty())
            .then(|| of_distribution(Program::Kubelet, &borrowed(&own), &settings, place))
            .into_iter()
            .collect();
    }
    let external = document.at("/etcd/external").map(|found| found.node);
    let parts = [
        ("/apiServer", Program::ApiServer, &API_SERVER[..]),
        (
            "/controllerManager",
            Program::ControllerManager,
            &CONTROLLER_MANAGER,
        ),
        ("/scheduler", Program::Scheduler, &SCHEDULER),
        ("/etcd/local", Program::Etcd, &ETCD),
    ];
    let own_etcd = parts.len() - usize::from(external.is_some());
    let parts = parts.into_iter().take(own_etcd);
    let components = parts.map(|(pointer, program, own)| {
        let part = document.at(pointer);
        let arguments = part.as_ref().and_then(|part| part.node.entry("extraArgs"));
        let place = arguments
            .map(|entry| entry.key_span)
            .or_else(|| part.as_ref().and_then(|part| part.key))
            .unwrap_or(here);
        let mut own = with_certificates(document, own);
        match program {
            Program::Etcd => own.extend(with_certificates(document, &[PEER_CA])),
            Program::ApiServer => {
                for (flag, member) in EXTERNAL {
                    if let Some(external) = external {
                        own.retain(|(known, _)| *known != flag);
                        own.extend(external.get(member).map(|value| (flag, listed(value))));
                    }
                }
            }
            _ => {}
        }
        let settings = arguments
            .map(|entry| settings(&entry.value))
            .unwrap_or_default();
        of_distribution(program, &borrowed(&own), &settings, place)
    });
    components.collect()
}

/// The flags of `extraArgs`, each as `name=value`.
fn settings(arguments: &Node) -> Vec<(Span, Word)> {
    let map = arguments
        .entries()
        .iter()
        .map(|entry| (entry.key_span, &*entry.key, &entry.value));
    let list = arguments.items().iter().filter_map(|item| {
        let name = item.entry("name")?;
        Some((name.value.span, name.value.as_str()?, item.get("value")?))
    });
    let all = map.chain(list).filter_map(|(span, name, value)| {
        let name = name.trim_start_matches('-');
        let mut text = plain(value);
        if name == "authorization-mode" {
            let known = text.split(',').filter(|mode| MODES.contains(mode));
            text = known.collect::<Vec<_>>().join(",");
            if text.is_empty() {
                return None;
            }
        }
        Some((span, Word::new(value.span, format!("{name}={text}"))))
    });
    all.collect()
}

fn with_certificates<'a>(document: &Node, own: &[(&'a str, &str)]) -> Vec<(&'a str, String)> {
    let folder = document
        .text("certificatesDir")
        .filter(|folder| !folder.is_empty());
    let folder = folder.unwrap_or(CERTIFICATES);
    let value = |value: &str| match value.strip_prefix('~') {
        Some(file) => format!("{folder}{file}"),
        None => value.to_owned(),
    };
    own.iter()
        .map(|(name, text)| (*name, value(text)))
        .collect()
}

fn borrowed<'a>(own: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    own.iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

fn listed(node: &Node) -> String {
    match &node.content {
        Content::List(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        _ => plain(node),
    }
}
