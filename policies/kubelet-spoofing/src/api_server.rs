//! How an API server knows kubelets, and what lets others around it.

use stridegate_policy::prelude::*;

use crate::{NO_CLIENT_AUTHORITY, NO_SERVING_CERTIFICATE};

pub(crate) const UNVERIFIED_KUBELET: Rule = Rule {
    id: "unverified-kubelet",
    title: "The API server verifies who answers as a kubelet",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "1.2.5"),
        ("cis-kubernetes-1.6", "1.2.6"),
        ("cis-kubernetes-1.5", "1.2.6"),
    ],
    remediation: "Have the kubelets' serving certificates signed by an authority, and name it in --kubelet-certificate-authority.",
};

pub(crate) const PLAIN_CONNECTION: Rule = Rule {
    id: "plain-connection",
    title: "The API server speaks TLS with kubelets",
    severity: Severity::Critical,
    controls: &[
        ("cis-kubernetes-1.6", "1.2.4"),
        ("cis-kubernetes-1.5", "1.2.4"),
    ],
    remediation: "Remove --kubelet-https=false.",
};

pub(crate) const NO_CLIENT_CERTIFICATE: Rule = Rule {
    id: "no-client-certificate",
    title: "The API server proves to kubelets who it is",
    severity: Severity::Medium,
    controls: &[
        ("cis-kubernetes-1.12", "1.2.4"),
        ("cis-kubernetes-1.6", "1.2.5"),
        ("cis-kubernetes-1.5", "1.2.5"),
    ],
    remediation: "Set --kubelet-client-certificate and --kubelet-client-key.",
};

pub(crate) const INSECURE_PORT: Rule = Rule {
    id: "insecure-port",
    title: "The API server has no port without TLS and authentication",
    severity: Severity::Critical,
    controls: &[
        ("cis-kubernetes-1.6", "1.2.18"),
        ("cis-kubernetes-1.6", "1.2.19"),
        ("cis-kubernetes-1.5", "1.2.18"),
        ("cis-kubernetes-1.5", "1.2.19"),
    ],
    remediation: "Set --insecure-port=0 and remove --insecure-bind-address; from 1.24 on, remove both.",
};

pub(crate) const EXTERNAL_IPS: Rule = Rule {
    id: "external-ips",
    title: "No Service takes over the traffic to an address that is not its own",
    severity: Severity::Low,
    controls: &[("cis-kubernetes-1.12", "1.2.3")],
    remediation: "Add DenyServiceExternalIPs to --enable-admission-plugins.",
};

/// The plugin that keeps Services from naming addresses.
const PLUGIN: &str = "DenyServiceExternalIPs";

pub(crate) fn check(effective: Effective, checks: &mut Checks) {
    check_files(effective, checks);
    check_connection(effective, checks);
    check_insecure_port(effective, checks);
    check_external_ips(effective, checks);
}

/// The files that an API server has to be given, and what is so where one is not.
const FILES: [(&Rule, &str, &str); 6] = [
    (
        &UNVERIFIED_KUBELET,
        "kubelet-certificate-authority",
        "the API server takes whoever answers for the kubelet",
    ),
    (
        &NO_CLIENT_CERTIFICATE,
        "kubelet-client-certificate",
        "the API server does not prove to kubelets who it is",
    ),
    (
        &NO_CLIENT_CERTIFICATE,
        "kubelet-client-key",
        "the API server does not prove to kubelets who it is",
    ),
    (
        &NO_SERVING_CERTIFICATE,
        "tls-cert-file",
        "the API server signs its own certificate, which nobody can verify",
    ),
    (
        &NO_SERVING_CERTIFICATE,
        "tls-private-key-file",
        "the API server signs its own certificate, which nobody can verify",
    ),
    (
        &NO_CLIENT_AUTHORITY,
        "client-ca-file",
        "the API server does not know who signs the certificates of kubelets",
    ),
];

fn check_files(effective: Effective, checks: &mut Checks) {
    for (rule, flag, consequence) in FILES {
        checks.pass(rule);
        let file = effective.flag(flag);
        let what = format!("whether --{flag} is set");
        if !file.is_unknown(rule, checks, &what) && file.given().is_none() {
            let so = if file.is_default() {
                "not set"
            } else {
                "empty"
            };
            checks.fail(rule, &file, format!("{consequence}: --{flag} is {so}"));
        }
    }
}

fn check_connection(effective: Effective, checks: &mut Checks) {
    checks.pass(&PLAIN_CONNECTION);
    let https = effective.flag("kubelet-https");
    let what = "whether the API server speaks TLS with kubelets";
    if !https.is_unknown(&PLAIN_CONNECTION, checks, what) && https.boolean() != Some(true) {
        let patch = json!([{"op": "replace", "path": https.path(), "value": true}]);
        let message = "the API server speaks plain HTTP with kubelets";
        checks
            .fail(&PLAIN_CONNECTION, &https, message)
            .fix("Speak TLS", false, &patch);
    }
}

fn check_insecure_port(effective: Effective, checks: &mut Checks) {
    checks.pass(&INSECURE_PORT);
    let port = effective.flag("insecure-port");
    let address = effective.flag("insecure-bind-address");
    let what = "whether the API server has a port without authentication";
    if port.is_unknown(&INSECURE_PORT, checks, what) {
        return;
    }
    if port.integer() != Some(0) {
        let message =
            "the API server lets everyone do everything on a port without TLS and authentication";
        let patch = json!([{"op": "replace", "path": port.path(), "value": 0}]);
        checks
            .fail(&INSECURE_PORT, &port, message)
            .fix("Close the port", false, &patch);
    } else if port.is_default() && address.given().is_some() {
        let message = "--insecure-bind-address is given and --insecure-port=0 is not: before 1.20 port 8080 is then open";
        checks.fail(&INSECURE_PORT, &address, message);
    }
}

fn check_external_ips(effective: Effective, checks: &mut Checks) {
    checks.pass(&EXTERNAL_IPS);
    let enabled = effective.flag("enable-admission-plugins");
    let disabled = effective.flag("disable-admission-plugins");
    let what = format!("whether {PLUGIN} is enabled");
    if enabled.is_unknown(&EXTERNAL_IPS, checks, &what) {
        return;
    }
    let message =
        "a Service may name any external address and take over the traffic to it from the nodes";
    if let Some(off) = disabled.last(|plugin| plugin == PLUGIN) {
        checks.fail(&EXTERNAL_IPS, &off, format!("{message}: {PLUGIN} is off"));
    } else if enabled.last(|plugin| plugin == PLUGIN).is_none() {
        let mut plugins: Vec<_> = enabled.items().filter_map(|item| item.text()).collect();
        plugins.push(PLUGIN);
        let patch = json!([{"op": "replace", "path": enabled.path(), "value": plugins}]);
        let message = format!("{message}: {PLUGIN} is not enabled");
        checks.fail(&EXTERNAL_IPS, &enabled, message).fix(
            "Refuse external addresses",
            false,
            &patch,
        );
    }
}
