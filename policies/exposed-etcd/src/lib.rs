//! See the documentation of [`ExposedEtcd`].

mod api_server;
mod listening;
mod network_policy;
mod pod;
mod transport;

use api_server::{NO_CREDENTIALS, UNVERIFIED_ETCD};
use listening::{ALL_ADDRESSES, PUBLIC_METRICS};
use network_policy::OPEN_NETWORK_POLICY;
use pod::MOUNTED_ETCD;
use stridegate_policy::prelude::*;
use stridegate_policy::{Url, shapes};
use transport::{
    AUTO_TLS, NO_CERTIFICATE, NO_CLIENT_AUTHENTICATION, NO_PEER_AUTHENTICATION,
    NO_PEER_CERTIFICATE, PEER_AUTO_TLS,
};

policy! {
    /// An etcd that others than the API server may reach or read
    ///
    /// Judges an etcd as it is started, by its flags, its variables or its file: its certificates,
    /// whether it asks clients and peers for theirs, the scheme and the address of each URL. Of an
    /// API server it judges how that speaks to etcd, of a NetworkPolicy that selects etcd whom it
    /// lets in, and of a Pod whether it mounts the data or the keys of etcd from its node.
    ///
    /// Whoever reads etcd has every Secret of the cluster; whoever writes to it is its
    /// administrator, and no audit log shows it. One `http` URL beside the others undoes all
    /// certificates, and a certificate authority that etcd shares with the cluster lets every
    /// certificate of the cluster in.
    ///
    /// An etcd on the network of its host, as a static Pod is, is not protected by any
    /// NetworkPolicy; firewalls cannot be seen. A NetworkPolicy counts if a label that it selects
    /// by marks etcd; one for all Pods of a namespace is not judged. Two copies of one certificate
    /// authority under different paths look like two. A volume of a node that a
    /// PersistentVolumeClaim stands for is not seen.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// listen-client-urls: https://10.0.0.5:2379,http://0.0.0.0:2379
    /// advertise-client-urls: https://10.0.0.5:2379
    /// client-transport-security:
    ///   cert-file: /etc/etcd/pki/server.crt
    ///   key-file: /etc/etcd/pki/server.key
    ///   client-cert-auth: true
    ///   trusted-ca-file: /etc/etcd/pki/ca.crt
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// listen-client-urls: https://10.0.0.5:2379
    /// advertise-client-urls: https://10.0.0.5:2379
    /// client-transport-security:
    ///   cert-file: /etc/etcd/pki/server.crt
    ///   key-file: /etc/etcd/pki/server.key
    ///   client-cert-auth: true
    ///   trusted-ca-file: /etc/etcd/pki/ca.crt
    /// ```
    ///
    /// ## References
    ///
    /// - <https://etcd.io/docs/v3.5/op-guide/security/>
    /// - <https://kubernetes.io/docs/tasks/administer-cluster/configure-upgrade-etcd/>
    ExposedEtcd {
        parameters: Parameters,
        threats: [(KUBERNETES, Category::InformationDisclosure)],
        kinds: [shapes::etcd::KIND, shapes::api_server::KIND, NETWORK_POLICY, shapes::pod::KIND],
        context: [],
        rules: [
            PLAIN_URL, NO_CERTIFICATE, NO_CLIENT_AUTHENTICATION, AUTO_TLS, NO_PEER_CERTIFICATE,
            NO_PEER_AUTHENTICATION, PEER_AUTO_TLS, SHARED_CA, ALL_ADDRESSES, PUBLIC_METRICS,
            UNVERIFIED_ETCD, NO_CREDENTIALS, OPEN_NETWORK_POLICY, MOUNTED_ETCD,
        ],
        check: check,
    }
}

parameters! {
    /// What can be set for `exposed-etcd`.
    pub struct Parameters {
        /// Certificate authorities that sign others than etcd's clients; `*` stands for anything.
        pub cluster_authorities: Vec<String> = [
            "/etc/kubernetes/pki/ca.crt", "/etc/kubernetes/ssl/ca.crt", "/etc/kubernetes/ssl/ca.pem",
            "/var/lib/rancher/*/server/tls/client-ca.crt", "/var/lib/rancher/*/server/tls/server-ca.crt",
        ].map(String::from).to_vec(),
        /// Values of a label that mark etcd; `*` stands for anything.
        pub labels: Vec<String> =
            ["etcd", "*-etcd", "etcd-main", "etcd-events", "etcd-cluster"].map(String::from).to_vec(),
        /// The ports of etcd for clients and peers.
        pub ports: Vec<u64> = vec![2379, 2380],
        /// The folders and files of a node that hold the data and the keys of etcd.
        pub paths: Vec<String> = [
            "/var/lib/etcd", "/etc/etcd", "/etc/ssl/etcd", "/etc/kubernetes/pki/etcd",
            "/etc/kubernetes/pki/apiserver-etcd-client.key", "/var/lib/rancher/k3s/server/db",
            "/var/lib/rancher/k3s/server/tls/etcd", "/var/lib/rancher/rke2/server/db",
            "/var/lib/rancher/rke2/server/tls/etcd",
        ].map(String::from).to_vec(),
    }
}

const NETWORK_POLICY: Kind = Kind::known("networking.k8s.io", "NetworkPolicy");

pub(crate) const PLAIN_URL: Rule = Rule {
    id: "plain-url",
    title: "Nobody speaks to etcd without TLS",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "2.1"),
        ("cis-kubernetes-1.12", "2.4"),
    ],
    remediation: "Write https in each URL, and remove those of http: certificates are ignored for them.",
};

pub(crate) const SHARED_CA: Rule = Rule {
    id: "shared-ca",
    title: "The authority for etcd signs nothing else",
    severity: Severity::Medium,
    controls: &[("cis-kubernetes-1.12", "2.7")],
    remediation: "Give etcd a certificate authority of its own: each certificate of a shared one opens it.",
};

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let document = object.document()?;
    let root = At::root(&document);
    let effective = Effective::new(&document);
    let rest = if object.is(&shapes::etcd::KIND) {
        let on_host = root.get("network").text() != Some("pod");
        listening::check(effective, on_host, checks);
        transport::check(effective, parameters, checks);
        "it is a question to the other side"
    } else if object.is(&shapes::api_server::KIND) {
        api_server::check(effective, checks);
        "it is a question to etcd"
    } else if object.is(&NETWORK_POLICY) {
        network_policy::check(&root.get("spec"), parameters, checks);
        "a NetworkPolicy says who may connect"
    } else {
        let is_system = object.namespace == "kube-system";
        pod::check(&root, is_system, parameters, checks);
        "a Pod is judged by what it mounts"
    };
    for rule in ExposedEtcd::FACTS.rules {
        checks.not_applicable(rule, rest);
    }
    Ok(())
}

/// Whether the flags that a rule looks at are known, so that it holds unless an offender is found;
/// if they are not, the answer is not known either.
fn are_known(
    flags: &[&str],
    effective: Effective,
    rule: &'static Rule,
    checks: &mut Checks,
) -> bool {
    let mut settings = flags.iter().map(|name| (name, effective.flag(name)));
    let unknown = settings.any(|(name, flag)| flag.is_unknown(rule, checks, &format!("--{name}")));
    if !unknown {
        checks.pass(rule);
    }
    !unknown
}

/// Whether a URL is one of TLS, or of a socket that the file system protects.
fn is_encrypted(url: &Url) -> bool {
    ["https", "unix", "unixs"]
        .iter()
        .any(|scheme| url.has_scheme(scheme))
}

/// The URL at a place.
fn url<'a>(at: &At<'a>) -> Url<'a> {
    Url::new(at.text().unwrap_or_default())
}
