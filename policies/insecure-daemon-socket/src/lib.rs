//! See the documentation of [`InsecureDaemonSocket`].

use stridegate_policy::Url;
use stridegate_policy::prelude::*;
use stridegate_policy::shapes::{client, daemon};

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
        kinds: [daemon::KIND, client::KIND],
        context: [],
        rules: [UNPROTECTED, UNVERIFIED, CERTIFICATES],
        check: check,
    }
}

parameters! {
    /// What can be set for `insecure-daemon-socket`.
    pub struct Parameters {
        /// Addresses without TLS that are accepted, because something else protects them; `*`
        /// stands for any characters: `tcp://127.0.0.1:*`.
        pub accepted_hosts: Vec<String> = Vec::new(),
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

const CERTIFICATES: Rule = Rule {
    id: "certificates",
    title: "The certificates are named, and the authority is one of your own",
    severity: Severity::High,
    controls: CONTROLS,
    remediation: "Set tlscacert, tlscert and tlskey together, tlscacert to an authority that issues certificates for this daemon and its clients only.",
};

/// Where systems keep the authorities that everybody trusts.
const PUBLIC_AUTHORITIES: [&str; 6] = [
    "/etc/ssl/*",
    "/etc/pki/tls/*",
    "/etc/pki/ca-trust/*",
    "/usr/share/ca-certificates/*",
    "/usr/share/pki/*",
    "/var/lib/ca-certificates/*",
];

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let document = object.document()?;
    let root = At::root(&document);
    if object.is(&daemon::KIND) {
        check_daemon(&root, parameters, checks);
    } else {
        checks.not_applicable(&CERTIFICATES, "the client's are files in a folder");
        check_client(&root, parameters, checks);
    }
    Ok(())
}

fn check_daemon(root: &At, parameters: &Parameters, checks: &mut Checks) {
    checks.pass(&UNPROTECTED);
    let is_on = |key| root.get(key).boolean() == Some(true);
    let is_default = |path| {
        root.value()
            .is_some_and(|root| Effective::new(root).is_default(path))
    };
    let open: Vec<At> = root
        .get("hosts")
        .items()
        .filter(|host| host.text().is_some_and(is_of_network))
        .collect();
    if open.is_empty() {
        for rule in [&UNVERIFIED, &CERTIFICATES] {
            checks.not_applicable(rule, "the daemon listens on no address of the network");
        }
        if let Some(variable) = root.get("unresolved").items().next() {
            let message = "a variable on the command line may make the daemon listen on the network, and its value is not at hand";
            checks.unknown(&UNPROTECTED, &variable, message);
        }
        return;
    }
    if !is_on("tls") {
        for rule in [&UNVERIFIED, &CERTIFICATES] {
            checks.not_applicable(rule, "there is no TLS");
        }
        for host in &open {
            let written = host.text().unwrap_or_default();
            if !is_accepted(written, parameters) {
                let message = format!(
                    "whoever reaches {} owns the host: the daemon asks for no certificate",
                    shown(written)
                );
                refuse(host, written, message, checks);
            }
        }
        return;
    }
    checks.pass(&UNVERIFIED);
    checks.pass(&CERTIFICATES);
    let verify = root.get("tlsverify");
    if !is_on("tlsverify") {
        let message = "the daemon encrypts and lets every client in: tlsverify is false, which turns TLS on and verification off";
        let patch = json!([{"op": "add", "path": "/tlsverify", "value": true}]);
        let finding = checks.fail(&UNVERIFIED, &verify, message);
        finding.fix("Let in only clients with a certificate", false, &patch);
    } else if is_default("/tlsverify") {
        let message = "tls alone verifies clients since release 20.10 only; set tlsverify as well";
        let patch = json!([{"op": "add", "path": "/tlsverify", "value": true}]);
        let finding = checks.fail(&UNVERIFIED, &root.get("tls"), message);
        finding.severity(Severity::Low);
        finding.fix("Say that clients are verified", false, &patch);
    }
    check_certificates(root, checks);
}

/// Judges the paths of the certificates. Where none is set, the daemon takes all from `~/.docker`
/// of the user that starts it, and does not start without them.
fn check_certificates(root: &At, checks: &mut Checks) {
    let keys = ["tlscacert", "tlscert", "tlskey"];
    let path = |key| root.get(key).text().unwrap_or_default();
    if keys.iter().any(|key| !path(key).is_empty()) {
        for key in keys.into_iter().filter(|key| path(key).is_empty()) {
            let message = format!(
                "{key} is not set, unlike its companions: the daemon looks for it in ~/.docker of the user that starts it"
            );
            checks
                .fail(&CERTIFICATES, &root.get(key), message)
                .severity(Severity::Low);
        }
    }
    let authority = path("tlscacert");
    if PUBLIC_AUTHORITIES
        .iter()
        .any(|pattern| matches_glob(pattern, authority))
    {
        let message = format!(
            "every client with a certificate of a public authority is let in: {authority} is the system's own"
        );
        checks.fail(&CERTIFICATES, &root.get("tlscacert"), message);
    }
}

fn check_client(root: &At, parameters: &Parameters, checks: &mut Checks) {
    checks.pass(&UNPROTECTED);
    checks.pass(&UNVERIFIED);
    let variables = root.get("environment");
    let set = |name| {
        variables
            .get(name)
            .text()
            .is_some_and(|value| !value.is_empty())
    };
    let host = variables.get("DOCKER_HOST");
    let written = host.text().unwrap_or_default();
    if is_of_network(written) && !set("DOCKER_TLS_VERIFY") && !is_accepted(written, parameters) {
        if set("DOCKER_TLS") {
            let message =
                "the client encrypts and believes any daemon: DOCKER_TLS_VERIFY is not set";
            checks.fail(&UNVERIFIED, &variables.get("DOCKER_TLS"), message);
        } else {
            let message = format!(
                "the client speaks to {} in the clear, and believes whoever answers",
                shown(written)
            );
            refuse(&host, written, message, checks);
        }
    }
    for context in root.get("contexts").items() {
        let name = context.get("name").text().unwrap_or_default();
        let host = context.get("host");
        let written = host.text().unwrap_or_default();
        let skip = context.get("skipTLSVerify");
        if !is_of_network(written) || is_accepted(written, parameters) {
            continue;
        }
        if skip.boolean() == Some(true) {
            let message =
                format!("the context {name} believes any daemon: it skips the verification");
            let patch = json!([{"op": "replace", "path": skip.path(), "value": false}]);
            let finding = checks.fail(&UNVERIFIED, &skip, message);
            finding.fix("Verify the daemon", false, &patch);
        } else if written.ends_with(":2375") || written.starts_with("http://") {
            let message = format!(
                "the context {name} speaks to {} in the clear, and believes whoever answers",
                shown(written)
            );
            refuse(&host, written, message, checks);
        } else {
            let message = format!(
                "whether the context {name} has certificates, only the files beside it tell"
            );
            checks.unknown(&UNPROTECTED, &host, message);
        }
    }
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
