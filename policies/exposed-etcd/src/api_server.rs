//! How an API server speaks to etcd.

use stridegate_policy::Url;
use stridegate_policy::prelude::*;

use crate::{PLAIN_URL, SHARED_CA, are_known, is_encrypted};

pub(crate) const UNVERIFIED_ETCD: Rule = Rule {
    id: "unverified-etcd",
    title: "The API server verifies etcd",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "1.2.26"),
        ("cis-kubernetes-1.8", "1.2.27"),
        ("cis-kubernetes-1.6", "1.2.32"),
        ("cis-kubernetes-1.5", "1.2.32"),
    ],
    remediation: "Set --etcd-cafile to the authority that signed etcd's certificate.",
};

pub(crate) const NO_CREDENTIALS: Rule = Rule {
    id: "no-credentials",
    title: "The API server shows etcd a certificate",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "1.2.23"),
        ("cis-kubernetes-1.8", "1.2.24"),
        ("cis-kubernetes-1.6", "1.2.29"),
        ("cis-kubernetes-1.5", "1.2.29"),
    ],
    remediation: "Set --etcd-certfile and --etcd-keyfile.",
};

pub(crate) fn check(effective: Effective, checks: &mut Checks) {
    const SERVERS: [&str; 2] = ["etcd-servers", "etcd-servers-overrides"];
    if are_known(&SERVERS, effective, &PLAIN_URL, checks) {
        if effective.flag("etcd-servers").items().next().is_none() {
            for rule in [&UNVERIFIED_ETCD, &NO_CREDENTIALS, &SHARED_CA] {
                checks.not_applicable(rule, "the API server names no etcd");
            }
            return;
        }
        for at in SERVERS.iter().flat_map(|name| effective.flag(name).items()) {
            check_server(&at, checks);
        }
    }
    check_verification(effective, checks);
    check_credentials(effective, checks);
    check_authority(effective, checks);
}

/// What is stored elsewhere is written `GROUP/RESOURCE#URL;URL`.
fn check_server(at: &At, checks: &mut Checks) {
    let text = at.text().unwrap_or_default();
    let urls = text.split_once('#').map_or(text, |(_, urls)| urls);
    let urls = urls.split(';').map(Url::new);
    for url in urls.filter(|url| !is_encrypted(url)) {
        let message = format!("the API server speaks to etcd without TLS at {}", url.shown);
        let finding = checks.fail(&PLAIN_URL, at, message);
        if url.is_loopback() {
            finding.severity(Severity::Medium);
        }
    }
}

fn check_verification(effective: Effective, checks: &mut Checks) {
    const FLAG: &str = "etcd-cafile";
    let authority = effective.flag(FLAG);
    if are_known(&[FLAG], effective, &UNVERIFIED_ETCD, checks) && authority.given().is_none() {
        let message = "the API server takes whatever a public authority signed for etcd: no --etcd-cafile is given";
        checks.fail(&UNVERIFIED_ETCD, &authority, message);
    }
}

fn check_credentials(effective: Effective, checks: &mut Checks) {
    const FLAGS: [&str; 2] = ["etcd-certfile", "etcd-keyfile"];
    if are_known(&FLAGS, effective, &NO_CREDENTIALS, checks)
        && let Some(name) = FLAGS
            .iter()
            .find(|name| effective.flag(name).given().is_none())
    {
        let message = format!("the API server shows etcd no certificate: no --{name} is given");
        checks.fail(&NO_CREDENTIALS, &effective.flag(name), message);
    }
}

fn check_authority(effective: Effective, checks: &mut Checks) {
    const FLAGS: [&str; 2] = ["etcd-cafile", "client-ca-file"];
    if !are_known(&FLAGS, effective, &SHARED_CA, checks) {
        return;
    }
    let [of_etcd, of_clients] = FLAGS.map(|name| effective.flag(name));
    if of_etcd.given().is_some() && of_etcd.text() == of_clients.text() {
        let message = "the authority for etcd is that for the clients of the API server, so that each of them may open etcd";
        checks
            .fail(&SHARED_CA, &of_etcd, message)
            .related(&of_clients, "the authority for clients");
    }
}
