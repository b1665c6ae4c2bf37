//! What the flags of an API server say of those who ask.

use stridegate_policy::prelude::*;

use crate::{Parameters, anonymous, audit_log};

pub(crate) const STATIC_CREDENTIALS: Rule = Rule {
    id: "static-credentials",
    title: "No tokens or passwords stand in a file of the API server",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "1.2.2"),
        ("cis-kubernetes-1.6", "1.2.2"),
        ("cis-kubernetes-1.6", "1.2.3"),
        ("cis-kubernetes-1.5", "1.2.2"),
        ("cis-kubernetes-1.5", "1.2.3"),
    ],
    remediation: "Remove the flag, and have users log in with an OpenID Connect provider and programs with tokens of their service account.",
};

pub(crate) const NODE_RESTRICTION: Rule = Rule {
    id: "node-restriction",
    title: "A kubelet can change only what belongs to its node",
    severity: Severity::Medium,
    controls: &[
        ("cis-kubernetes-1.12", "1.2.14"),
        ("cis-kubernetes-1.12", "1.2.7"),
        ("cis-kubernetes-1.8", "1.2.15"),
        ("cis-kubernetes-1.6", "1.2.17"),
        ("cis-kubernetes-1.6", "1.2.8"),
        ("cis-kubernetes-1.5", "1.2.17"),
        ("cis-kubernetes-1.5", "1.2.8"),
    ],
    remediation: "Add NodeRestriction to --enable-admission-plugins and Node to the authorizers.",
};

pub(crate) const PROFILING: Rule = Rule {
    id: "profiling",
    title: "The program serves no profiles",
    severity: Severity::Low,
    controls: &[
        ("cis-kubernetes-1.12", "1.2.15"),
        ("cis-kubernetes-1.12", "1.3.2"),
        ("cis-kubernetes-1.12", "1.4.1"),
        ("cis-kubernetes-1.8", "1.2.16"),
        ("cis-kubernetes-1.6", "1.2.21"),
        ("cis-kubernetes-1.5", "1.2.21"),
    ],
    remediation: "Set --profiling=false.",
};

pub(crate) const ELSEWHERE: &str = "stands in a file that is not at hand; judge it too";

pub(crate) fn check(effective: Effective, parameters: &Parameters, checks: &mut Checks) {
    check_static_credentials(effective, checks);
    anonymous::check(effective, parameters, checks);
    check_node_restriction(effective, checks);
    audit_log::check(effective, parameters, checks);
    check_profiling(effective, checks);
}

fn check_static_credentials(effective: Effective, checks: &mut Checks) {
    checks.pass(&STATIC_CREDENTIALS);
    for (flag, what) in [
        ("token-auth-file", "tokens"),
        ("basic-auth-file", "passwords"),
        ("password-file", "passwords"),
    ] {
        let file = effective.flag(flag);
        let question = format!("whether {what} stand in a file of the API server");
        if !file.is_unknown(&STATIC_CREDENTIALS, checks, &question) && file.given().is_some() {
            let message = format!(
                "--{flag} names a file of {what} that do not expire and that whoever reads it can use"
            );
            checks.fail(&STATIC_CREDENTIALS, &file, message);
        }
    }
}

fn check_node_restriction(effective: Effective, checks: &mut Checks) {
    const PLUGIN: &str = "NodeRestriction";
    checks.pass(&NODE_RESTRICTION);
    let enabled = effective.flag("enable-admission-plugins");
    let disabled = effective.flag("disable-admission-plugins");
    if enabled.is_unknown(&NODE_RESTRICTION, checks, "whether kubelets are limited") {
        return;
    }
    if let Some(off) = disabled.last(|plugin| plugin == PLUGIN) {
        let message = format!("a kubelet can change other nodes and their Pods: {PLUGIN} is off");
        checks.fail(&NODE_RESTRICTION, &off, message);
    } else if enabled.last(|plugin| plugin == PLUGIN).is_none() {
        let mut plugins: Vec<_> = enabled.items().filter_map(|item| item.text()).collect();
        plugins.push(PLUGIN);
        let patch = json!([{"op": "replace", "path": enabled.path(), "value": plugins}]);
        let message =
            format!("a kubelet can change other nodes and their Pods: {PLUGIN} is not enabled");
        checks
            .fail(&NODE_RESTRICTION, &enabled, message)
            .fix("Limit kubelets", false, &patch);
    }
    check_node_authorizer(effective, checks);
}

fn check_node_authorizer(effective: Effective, checks: &mut Checks) {
    let modes = effective.flag("authorization-mode");
    let config = effective.flag("authorization-config");
    let file = effective.get("/authorizationConfiguration");
    let named = if config.given().is_none() || !modes.is_default() {
        modes.last(|mode| mode == "Node").is_some()
    } else if file.exists() {
        let mut authorizers = file.get("authorizers").items();
        authorizers.any(|authorizer| authorizer.get("type").text() == Some("Node"))
    } else {
        let message = format!("whether Node is an authorizer {ELSEWHERE}");
        checks.unknown(&NODE_RESTRICTION, &config, message);
        return;
    };
    if !named && !modes.is_unknown(&NODE_RESTRICTION, checks, "whether kubelets are limited") {
        let at = if file.exists() { &file } else { &modes };
        let message = "a kubelet is not held to what its node needs: Node is no authorizer";
        checks.fail(&NODE_RESTRICTION, at, message);
    }
}

pub(crate) fn check_profiling(effective: Effective, checks: &mut Checks) {
    checks.pass(&PROFILING);
    let profiling = effective.flag("profiling");
    let what = "whether the program serves profiles";
    if !profiling.is_unknown(&PROFILING, checks, what) && profiling.boolean() != Some(false) {
        let patch = json!([{"op": "replace", "path": profiling.path(), "value": false}]);
        let message = format!(
            "the program serves profiles of itself{}, which tell what it does",
            profiling.by_default()
        );
        checks
            .fail(&PROFILING, &profiling, message)
            .fix("Serve none", true, &patch);
    }
}
