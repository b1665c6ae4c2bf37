//! See the documentation of [`InsecureDaemonSocket`].

mod client;
mod daemon;
mod swarm;

use daemon::CERTIFICATES;
use stridegate_policy::prelude::*;
use stridegate_policy::{Url, shapes};
use swarm::FOREIGN_MANAGER;

policy! {
    /// A Docker daemon that serves anybody, or a client that believes any daemon
    ///
    /// Judges where the daemon listens together with how it protects that: an address of the
    /// network needs TLS, and TLS that asks clients for a certificate. On the client's side it
    /// judges `DOCKER_HOST` with the variables for TLS, and contexts. Sockets of the file system,
    /// pipes, `fd://` and `ssh://` are not of the network; who may open a socket's file is a
    /// matter of `tamperable-config`.
    ///
    /// Who may speak to the daemon owns its host. Without certificates of clients everybody who
    /// reaches the port may; without that of the daemon, or without verifying it, a client hands
    /// its images, its secrets and its logins to whoever answers first.
    ///
    /// At the gate of an engine, requests that let managers of a swarm give it orders are found: what
    /// they start here, no gate of this machine is asked about.
    ///
    /// What cannot be seen here is said: with `fd://` the addresses are those of a systemd socket,
    /// a variable on the command line may add addresses, and the certificates of a context lie in
    /// files beside it, so that a `tcp://` context is `unknown` unless its port is that for
    /// unprotected traffic.
    ///
    /// ## Example
    ///
    /// ```json daemon.json
    /// {
    ///   "hosts": ["unix:///var/run/docker.sock", "tcp://0.0.0.0:2375"]
    /// }
    /// ```
    ///
    /// ## Instead
    ///
    /// ```json daemon.json
    /// {
    ///   "hosts": ["unix:///var/run/docker.sock", "tcp://0.0.0.0:2376"],
    ///   "tlsverify": true,
    ///   "tlscacert": "/etc/docker/ca.pem",
    ///   "tlscert": "/etc/docker/server-cert.pem",
    ///   "tlskey": "/etc/docker/server-key.pem"
    /// }
    /// ```
    ///
    /// ## References
    ///
    /// - <https://docs.docker.com/engine/security/protect-access/>
    /// - <https://docs.docker.com/engine/deprecated/#unauthenticated-tcp-connections>
    InsecureDaemonSocket {
        parameters: Parameters,
        threats: [(DOCKER, Category::Spoofing)],
        kinds: [shapes::daemon::KIND, shapes::client::KIND, shapes::request::KIND],
        context: [],
        rules: [UNPROTECTED, UNVERIFIED, CERTIFICATES, FOREIGN_MANAGER],
        check: check,
    }
}

parameters! {
    /// What can be set for `insecure-daemon-socket`.
    pub struct Parameters {
        /// Addresses without TLS that are accepted, because something else protects them; `*`
        /// stands for any characters: `tcp://127.0.0.1:*`.
        pub accepted_hosts: Vec<String> = Vec::new(),
        /// The managers whose swarms the daemon may join, with their ports: `10.0.0.*:2377`.
        pub managers: Vec<String> = Vec::new(),
    }
}

const CONTROLS: &[(&str, &str)] = &[("cis-docker-1.2", "2.6"), ("cis-docker-1.6", "2.7")];

const UNPROTECTED: Rule = Rule {
    id: "unprotected",
    title: "No address of the network is used without TLS",
    severity: Severity::Critical,
    controls: CONTROLS,
    remediation: "Listen on unix:// or fd:// and connect through ssh://; or set tlsverify with tlscacert, tlscert and tlskey, and DOCKER_TLS_VERIFY=1 for clients.",
};

const UNVERIFIED: Rule = Rule {
    id: "unverified",
    title: "Both sides of a TLS connection are verified",
    severity: Severity::High,
    controls: CONTROLS,
    remediation: "Set \"tlsverify\": true for the daemon; for a client DOCKER_TLS_VERIFY=1, and make its context without skip-tls-verify.",
};

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let document = object.document()?;
    let root = At::root(&document);
    if object.is(&shapes::request::KIND) {
        for rule in [&UNPROTECTED, &UNVERIFIED, &CERTIFICATES] {
            checks.not_applicable(rule, "it is no configuration");
        }
        swarm::check(&root, parameters, checks);
        return Ok(());
    }
    checks.not_applicable(&FOREIGN_MANAGER, "it is no request to an engine");
    if object.is(&shapes::daemon::KIND) {
        daemon::check(&root, Effective::new(&document), parameters, checks);
    } else {
        checks.not_applicable(&CERTIFICATES, "the client's are files in a folder");
        client::check(&root, parameters, checks);
    }
    Ok(())
}

/// Refuses an address without TLS. One of this machine is open to its users alone, and to the web
/// pages that they visit.
fn refuse(place: &At, host: &str, message: String, checks: &mut Checks) {
    let finding = checks.fail(&UNPROTECTED, place, message);
    if is_loopback(host) {
        finding.severity(Severity::Medium);
    }
}

/// Whether an address is one of the network: `tcp://`, or without a scheme, which means that.
fn is_of_network(host: &str) -> bool {
    let scheme = host.split_once("://").map_or("tcp", |(scheme, _)| scheme);
    !host.is_empty() && ["tcp", "http", "https"].contains(&scheme)
}

/// Whether an address is one of this machine only. Without a host it is.
fn is_loopback(host: &str) -> bool {
    let url = Url::new(host);
    url.host.is_empty() || url.is_loopback()
}

/// An address without what stands before its host, which may be a password.
fn shown(host: &str) -> &str {
    host.rsplit('@').next().unwrap_or_default()
}

fn is_accepted(host: &str, parameters: &Parameters) -> bool {
    matches_any(&parameters.accepted_hosts, host)
}
