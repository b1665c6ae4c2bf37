//! How etcd proves who it is, and asks its clients and peers who they are.

use stridegate_policy::prelude::*;

use crate::{Parameters, SHARED_CA, are_known};

pub(crate) const NO_CERTIFICATE: Rule = Rule {
    id: "no-certificate",
    title: "etcd has a certificate for its clients",
    severity: Severity::High,
    controls: &[("cis-kubernetes-1.12", "2.1")],
    remediation: "Set --cert-file and --key-file.",
};

pub(crate) const NO_CLIENT_AUTHENTICATION: Rule = Rule {
    id: "no-client-authentication",
    title: "etcd asks its clients for a certificate of its own authority",
    severity: Severity::High,
    controls: &[("cis-kubernetes-1.12", "2.2")],
    remediation: "Set --client-cert-auth and --trusted-ca-file, to an authority that signs nothing else.",
};

pub(crate) const AUTO_TLS: Rule = Rule {
    id: "auto-tls",
    title: "etcd does not sign its own certificate for clients",
    severity: Severity::Medium,
    controls: &[("cis-kubernetes-1.12", "2.3")],
    remediation: "Remove --auto-tls, and set --cert-file and --key-file: nobody can verify what signs itself.",
};

pub(crate) const NO_PEER_CERTIFICATE: Rule = Rule {
    id: "no-peer-certificate",
    title: "etcd has a certificate for its peers",
    severity: Severity::High,
    controls: &[("cis-kubernetes-1.12", "2.4")],
    remediation: "Set --peer-cert-file and --peer-key-file.",
};

pub(crate) const NO_PEER_AUTHENTICATION: Rule = Rule {
    id: "no-peer-authentication",
    title: "etcd asks its peers for a certificate of its own authority",
    severity: Severity::High,
    controls: &[("cis-kubernetes-1.12", "2.5")],
    remediation: "Set --peer-client-cert-auth and --peer-trusted-ca-file.",
};

pub(crate) const PEER_AUTO_TLS: Rule = Rule {
    id: "peer-auto-tls",
    title: "etcd does not sign its own certificate for peers",
    severity: Severity::Medium,
    controls: &[("cis-kubernetes-1.12", "2.6")],
    remediation: "Remove --peer-auto-tls, and set --peer-cert-file and --peer-key-file.",
};

/// One side of etcd: the names of the flags for it, and the rules about them.
struct Side {
    whom: &'static str,
    certificate: [&'static str; 2],
    authentication: &'static str,
    authority: &'static str,
    automatic: &'static str,
    no_certificate: &'static Rule,
    no_authentication: &'static Rule,
    auto_tls: &'static Rule,
}

const CLIENTS: Side = Side {
    whom: "clients",
    certificate: ["cert-file", "key-file"],
    authentication: "client-cert-auth",
    authority: "trusted-ca-file",
    automatic: "auto-tls",
    no_certificate: &NO_CERTIFICATE,
    no_authentication: &NO_CLIENT_AUTHENTICATION,
    auto_tls: &AUTO_TLS,
};

const PEERS: Side = Side {
    whom: "peers",
    certificate: ["peer-cert-file", "peer-key-file"],
    authentication: "peer-client-cert-auth",
    authority: "peer-trusted-ca-file",
    automatic: "peer-auto-tls",
    no_certificate: &NO_PEER_CERTIFICATE,
    no_authentication: &NO_PEER_AUTHENTICATION,
    auto_tls: &PEER_AUTO_TLS,
};

pub(crate) fn check(effective: Effective, parameters: &Parameters, checks: &mut Checks) {
    CLIENTS.check(effective, checks);
    if is_single(effective) && PEERS.is_unset(effective) {
        for rule in PEERS.rules() {
            checks.not_applicable(rule, "etcd has no peers: its cluster has one member");
        }
    } else {
        PEERS.check(effective, checks);
    }
    check_authorities(effective, parameters, checks);
}

/// Whether etcd is the only member of its cluster, and so has no peers.
pub(crate) fn is_single(effective: Effective) -> bool {
    let [members, discovery, by_dns, state] = [
        "initial-cluster",
        "discovery",
        "discovery-srv",
        "initial-cluster-state",
    ]
    .map(|name| effective.flag(name));
    [&members, &discovery, &by_dns, &state]
        .iter()
        .all(|setting| setting.unknown().is_none())
        && !members.text().is_some_and(|members| members.contains(','))
        && discovery.given().is_none()
        && by_dns.given().is_none()
        && state.text() != Some("existing")
}

impl Side {
    fn rules(&self) -> [&'static Rule; 3] {
        [self.no_certificate, self.no_authentication, self.auto_tls]
    }

    /// Whether nobody set anything for this side, nor is there a certificate by default.
    fn is_unset(&self, effective: Effective) -> bool {
        let [certificate, key] = self.certificate;
        let flags = [
            certificate,
            key,
            self.authority,
            self.authentication,
            self.automatic,
        ];
        self.missing(effective).is_some()
            && flags.iter().all(|name| effective.flag(name).is_default())
    }

    /// The flag that is not given of the two that name a certificate.
    fn missing(&self, effective: Effective) -> Option<&'static str> {
        let mut flags = self.certificate.into_iter();
        flags.find(|name| effective.flag(name).given().is_none())
    }

    fn check(&self, effective: Effective, checks: &mut Checks) {
        self.check_certificate(effective, checks);
        self.check_authentication(effective, checks);
        self.check_automatic(effective, checks);
    }

    fn check_certificate(&self, effective: Effective, checks: &mut Checks) {
        if are_known(&self.certificate, effective, self.no_certificate, checks)
            && let Some(name) = self.missing(effective)
        {
            let whom = self.whom;
            let message = format!("etcd has no certificate for its {whom}: --{name} is not given");
            checks.fail(self.no_certificate, &effective.flag(name), message);
        }
    }

    fn check_authentication(&self, effective: Effective, checks: &mut Checks) {
        let Self {
            whom,
            authentication,
            authority,
            ..
        } = self;
        if !are_known(
            &[authentication, authority],
            effective,
            self.no_authentication,
            checks,
        ) {
            return;
        }
        let at = effective.flag(authentication);
        let asks = at.boolean() == Some(true);
        let trusts = effective.flag(authority).given().is_some();
        let message = match (asks, trusts) {
            (true, true) => return,
            (true, false) => format!(
                "etcd lets in {whom} with a certificate of any authority that its system trusts: --{authority} is not given"
            ),
            (false, true) => format!(
                "etcd asks its {whom} for certificates only because --{authority} is given: --{authentication} is not true"
            ),
            (false, false) => {
                format!("etcd lets in {whom} without a certificate: --{authentication} is not true")
            }
        };
        let finding = checks.fail(self.no_authentication, &at, message);
        if trusts {
            let patch = json!([{"op": "replace", "path": at.path(), "value": true}]);
            finding
                .severity(Severity::Low)
                .fix("Ask for certificates", true, &patch);
        }
    }

    fn check_automatic(&self, effective: Effective, checks: &mut Checks) {
        let Self {
            whom, automatic, ..
        } = self;
        let at = effective.flag(automatic);
        if !are_known(&[automatic], effective, self.auto_tls, checks) || at.boolean() != Some(true)
        {
            return;
        }
        let is_ignored = self.missing(effective).is_none();
        let message = if is_ignored {
            format!("--{automatic} is given, and ignored only because there is a certificate")
        } else {
            format!("etcd signs its own certificate for {whom}, which nobody can verify")
        };
        let patch = json!([{"op": "replace", "path": at.path(), "value": false}]);
        let finding = checks.fail(self.auto_tls, &at, message);
        finding.fix("Turn it off", is_ignored, &patch);
        if is_ignored {
            finding.severity(Severity::Low);
        }
    }
}

/// Whether an authority of etcd signs others, too.
fn check_authorities(effective: Effective, parameters: &Parameters, checks: &mut Checks) {
    let names = [CLIENTS.authority, PEERS.authority];
    if !are_known(&names, effective, &SHARED_CA, checks) {
        return;
    }
    for name in names {
        let flag = effective.flag(name);
        let file = flag.text().unwrap_or_default();
        if matches_any(&parameters.cluster_authorities, file) {
            let message = format!("--{name} is {file}, which signs others than etcd's clients");
            checks.fail(&SHARED_CA, &flag, message);
        }
    }
}
