//! The authorizers of an API server, one behind the other.

use stridegate_policy::prelude::*;

use crate::{ALWAYS_ALLOW, OPEN, Parameters, UNKNOWN_MODE, report_unknown};

pub(crate) const MISSING_AUTHORIZER: Rule = Rule {
    id: "missing-authorizer",
    title: "The API server limits nodes to what is theirs and users to their roles",
    severity: Severity::Medium,
    controls: &[
        ("cis-kubernetes-1.12", "1.2.7"),
        ("cis-kubernetes-1.12", "1.2.8"),
    ],
    remediation: "Have both Node and RBAC in the chain of authorizers.",
};

const MODES: [&str; 6] = [OPEN, "AlwaysDeny", "ABAC", "Webhook", "RBAC", "Node"];

/// The authorizers, each with its place.
pub(crate) type Chain<'a> = Vec<(At<'a>, &'a str)>;

/// The chain of an `AuthorizationConfiguration`.
pub(crate) fn check_configuration(
    configuration: &At,
    parameters: &Parameters,
    checks: &mut Checks,
) {
    let authorizers = configuration.get("authorizers");
    let kinds = authorizers.items().map(|authorizer| authorizer.get("type"));
    let chain: Chain = kinds
        .map(|kind| (kind.clone(), kind.text().unwrap_or_default()))
        .collect();
    let has_other = chain.iter().any(|(_, kind)| *kind != OPEN);
    for (at, kind) in chain.iter().filter(|(_, kind)| *kind == OPEN) {
        let message =
            format!("the API server lets every request pass: {kind} is one of its authorizers");
        let finding = checks.fail(&ALWAYS_ALLOW, at, message);
        if has_other {
            let authorizer = at.path().trim_end_matches("/type");
            let patch = json!([{"op": "remove", "path": authorizer}]);
            finding.fix("Take it out of the chain", false, &patch);
        } else {
            let patch = json!([{"op": "replace", "path": at.path(), "value": "RBAC"}]);
            finding.fix("Decide by roles", false, &patch);
        }
    }
    let empty = "no authorizer is named, which the API server refuses";
    check(&chain, &authorizers, empty, parameters, checks);
}

/// Whether a chain is one that the API server takes, and holds what it has to; `empty` is what is
/// said of one without authorizers.
pub(crate) fn check(
    chain: &Chain,
    at: &At,
    empty: &str,
    parameters: &Parameters,
    checks: &mut Checks,
) {
    if chain.is_empty() {
        checks.fail(&UNKNOWN_MODE, at, empty);
    }
    for (index, (at, mode)) in chain.iter().enumerate() {
        let mut earlier = chain.iter().take(index);
        if !MODES.contains(mode) {
            report_unknown(at, mode, &MODES, checks);
        } else if *mode != "Webhook" && earlier.any(|(_, earlier)| earlier == mode) {
            let message = format!("{mode} stands twice, which the API server refuses");
            checks.fail(&UNKNOWN_MODE, at, message);
        }
    }
    check_missing(chain, at, parameters, checks);
}

fn check_missing(chain: &Chain, at: &At, parameters: &Parameters, checks: &mut Checks) {
    checks.pass(&MISSING_AUTHORIZER);
    let missing: Vec<&str> = parameters
        .required_modes
        .iter()
        .map(String::as_str)
        .filter(|required| !chain.iter().any(|(_, mode)| mode == required))
        .collect();
    if !missing.is_empty() {
        let message = format!("the API server runs without {}", missing.join(" and "));
        checks.fail(&MISSING_AUTHORIZER, at, message);
    }
}
