//! Where a daemon listens, and whom it lets in there.

use stridegate_policy::prelude::*;

use crate::{
    CONTROLS, Parameters, UNPROTECTED, UNVERIFIED, is_accepted, is_of_network, refuse, shown,
};

pub(crate) const CERTIFICATES: Rule = Rule {
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

pub(crate) fn check(root: &At, effective: Effective, parameters: &Parameters, checks: &mut Checks) {
    checks.pass(&UNPROTECTED);
    let hosts = root.get("hosts").items();
    let open: Vec<At> = hosts
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
    } else if root.get("tls").boolean() == Some(true) {
        check_verification(root, effective, checks);
        check_certificates(root, checks);
    } else {
        for rule in [&UNVERIFIED, &CERTIFICATES] {
            checks.not_applicable(rule, "there is no TLS");
        }
        check_hosts(&open, parameters, checks);
    }
}

fn check_hosts(open: &[At], parameters: &Parameters, checks: &mut Checks) {
    for host in open {
        let written = host.text().unwrap_or_default();
        if !is_accepted(written, parameters) {
            let message = format!(
                "whoever reaches {} owns the host: the daemon asks for no certificate",
                shown(written)
            );
            refuse(host, written, message, checks);
        }
    }
}

fn check_verification(root: &At, effective: Effective, checks: &mut Checks) {
    checks.pass(&UNVERIFIED);
    let verify = root.get("tlsverify");
    let patch = json!([{"op": "add", "path": "/tlsverify", "value": true}]);
    if verify.boolean() != Some(true) {
        let message = "the daemon encrypts and lets every client in: tlsverify is false, which turns TLS on and verification off";
        let finding = checks.fail(&UNVERIFIED, &verify, message);
        finding.fix("Let in only clients with a certificate", false, &patch);
    } else if effective.is_default("/tlsverify") {
        let message = "tls alone verifies clients since release 20.10 only; set tlsverify as well";
        let finding = checks.fail(&UNVERIFIED, &root.get("tls"), message);
        finding.severity(Severity::Low);
        finding.fix("Say that clients are verified", false, &patch);
    }
}

/// Judges the paths of the certificates. Where none is set, the daemon takes all from `~/.docker`
/// of the user that starts it, and does not start without them.
fn check_certificates(root: &At, checks: &mut Checks) {
    checks.pass(&CERTIFICATES);
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
