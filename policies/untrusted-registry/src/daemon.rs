//! How a daemon reaches registries and mirrors.

use stridegate_policy::prelude::*;
use stridegate_policy::{Url, is_loopback};

use crate::network::{Breadth, NARROW, breadth};
use crate::source::check_name;
use crate::{LOOK_ALIKE, Parameters, UNLISTED_REGISTRY};

const DAEMON: &[(&str, &str)] = &[("cis-docker-1.2", "2.4"), ("cis-docker-1.6", "2.5")];

pub(crate) const INSECURE_REGISTRY: Rule = Rule {
    id: "insecure-registry",
    title: "The daemon checks the certificate of every registry beyond this machine",
    severity: Severity::Critical,
    controls: DAEMON,
    remediation: "Remove the entry from insecure-registries; a registry with a certificate of its own has its CA in /etc/docker/certs.d/HOST:PORT/ca.crt.",
};

pub(crate) const INSECURE_MIRROR: Rule = Rule {
    id: "insecure-mirror",
    title: "Mirrors of Docker Hub are reached over TLS",
    severity: Severity::High,
    controls: DAEMON,
    remediation: "Give the mirror a certificate and write https:// in registry-mirrors.",
};

pub(crate) fn check(root: &At, parameters: &Parameters, checks: &mut Checks) {
    for rule in [
        &UNLISTED_REGISTRY,
        &LOOK_ALIKE,
        &INSECURE_REGISTRY,
        &INSECURE_MIRROR,
    ] {
        checks.pass(rule);
    }
    for entry in root.get("insecure-registries").items() {
        check_insecure(&entry, checks);
    }
    for mirror in root.get("registry-mirrors").items() {
        check_mirror(&mirror, parameters, checks);
    }
    let effective = root.value().map(Effective::new);
    for (key, rule) in [
        ("insecure-registries", &INSECURE_REGISTRY),
        ("registry-mirrors", &INSECURE_MIRROR),
    ] {
        let variable = effective.and_then(|effective| effective.may_be_set_by(&format!("/{key}")));
        if let Some(variable) = variable {
            let message = format!(
                "a variable on the command line may set {key}, and its value is not at hand"
            );
            checks.unknown(rule, &variable, message);
        }
    }
}

fn check_insecure(entry: &At, checks: &mut Checks) {
    // The daemon takes a scheme off.
    let text = entry.text().unwrap_or_default();
    let mut schemes = ["http://", "https://"].iter();
    let bare = schemes.find_map(|scheme| text.strip_prefix(scheme));
    let (severity, whom) = match breadth(bare.unwrap_or(text)) {
        Breadth::Loopback => return,
        Breadth::Host => (Severity::High, "this registry".to_owned()),
        Breadth::Network(0) => (Severity::Critical, "any registry at all".to_owned()),
        Breadth::Network(bits) => {
            let is_narrow = bits >= NARROW;
            let severity = if is_narrow {
                Severity::High
            } else {
                Severity::Critical
            };
            (severity, format!("any registry in a network of /{bits}"))
        }
    };
    let message =
        format!("the daemon takes images from {whom} without TLS or without checking who it is");
    let patch = json!([{"op": "remove", "path": entry.path()}]);
    checks
        .fail(&INSECURE_REGISTRY, entry, message)
        .severity(severity)
        .fix("Check the certificate of the registry", false, &patch);
}

fn check_mirror(mirror: &At, parameters: &Parameters, checks: &mut Checks) {
    let url = mirror.text().unwrap_or_default();
    let Url {
        scheme,
        authority,
        host,
        ..
    } = Url::new(url);
    if scheme.is_empty() || authority.is_empty() || is_loopback(host) {
        return;
    }
    if scheme.eq_ignore_ascii_case("http") {
        let message = format!(
            "the daemon takes the images of Docker Hub from {authority} over HTTP: whoever is on the way can replace them"
        );
        let secure = format!("https{}", url.get(4..).unwrap_or_default());
        let patch = json!([{"op": "replace", "path": mirror.path(), "value": secure}]);
        checks.fail(&INSECURE_MIRROR, mirror, message).fix(
            "Reach the mirror over TLS",
            false,
            &patch,
        );
    }
    check_name(
        authority,
        "",
        (mirror.path(), "the daemon's mirror"),
        parameters,
        checks,
    );
}
