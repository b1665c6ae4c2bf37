//! How an API server tells who asks, and where it writes that down.

use stridegate_policy::prelude::*;

use crate::{
    ANONYMOUS, AUDIT_RETENTION, NO_AUDIT_LOG, NO_AUDIT_POLICY, NODE_RESTRICTION, PROFILING,
    Parameters, RESERVED_NAMES, STATIC_CREDENTIALS,
};

const ELSEWHERE: &str = "stands in a file that is not at hand; judge it too";

pub(crate) fn check(effective: Effective, parameters: &Parameters, checks: &mut Checks) {
    check_static_credentials(effective, checks);
    let file = effective.get("/authenticationConfiguration");
    let config = effective.flag("authentication-config");
    let what = "which issuers of tokens are trusted";
    if file.exists() {
        check_issuers(&file, checks);
    } else if config.given().is_some() {
        checks.unknown(&RESERVED_NAMES, &config, format!("{what} {ELSEWHERE}"));
    } else if !config.is_unknown(&RESERVED_NAMES, checks, what) {
        checks.not_applicable(&RESERVED_NAMES, "no AuthenticationConfiguration is named");
    }
    if file.get("anonymous").exists() {
        check_anonymous(&file.get("anonymous"), parameters, checks);
    } else {
        check_anonymous_flag(effective, checks);
    }
    check_node_restriction(effective, checks);
    check_audit(effective, checks);
    check_retention(effective, parameters, checks);
    check_profiling(effective, checks);
}

/// The file that `--authentication-config` names.
pub(crate) fn check_authentication(root: &At, parameters: &Parameters, checks: &mut Checks) {
    check_issuers(root, checks);
    let anonymous = root.get("anonymous");
    if anonymous.exists() {
        check_anonymous(&anonymous, parameters, checks);
    } else {
        checks.not_applicable(&ANONYMOUS, "the file leaves it to --anonymous-auth");
    }
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

fn check_anonymous_flag(effective: Effective, checks: &mut Checks) {
    let anonymous = effective.flag("anonymous-auth");
    let modes = effective.flag("authorization-mode");
    let config = effective.flag("authentication-config");
    let file = effective.get("/authenticationConfiguration");
    checks.pass(&ANONYMOUS);
    let what = "whether anonymous requests are let in";
    if anonymous.is_default() && config.given().is_some() && !file.exists() {
        checks.unknown(&ANONYMOUS, &config, format!("{what} {ELSEWHERE}"));
        return;
    }
    if anonymous.is_unknown(&ANONYMOUS, checks, what) || anonymous.boolean() == Some(false) {
        return;
    }
    // With AlwaysAllow the API server turns them off and says so in its log.
    let is_open = modes.last(|mode| mode == "AlwaysAllow").is_some();
    if is_open && modes.unknown().is_none() && anonymous.boolean().is_some() {
        return;
    }
    let message = if anonymous.boolean().is_some() {
        format!(
            "the API server lets anonymous requests in{}, whatever path they ask for",
            anonymous.by_default()
        )
    } else {
        "the API server refuses to start: anonymous-auth is neither true nor false".into()
    };
    let patch = json!([{"op": "replace", "path": anonymous.path(), "value": false}]);
    checks
        .fail(&ANONYMOUS, &anonymous, message)
        .fix("Refuse anonymous requests", false, &patch);
}

/// The `anonymous` of an `AuthenticationConfiguration`.
fn check_anonymous(anonymous: &At, parameters: &Parameters, checks: &mut Checks) {
    checks.pass(&ANONYMOUS);
    let enabled = anonymous.get("enabled");
    if enabled.boolean() != Some(true) {
        return;
    }
    let conditions = anonymous.get("conditions");
    if conditions.items().next().is_none() {
        let paths = parameters.anonymous_paths.iter();
        let paths: Vec<Value> = paths.map(|path| json!({"path": path})).collect();
        let to = format!("{}/conditions", anonymous.path());
        let patch = json!([{"op": "add", "path": to, "value": paths}]);
        let message = "anonymous requests are let in, whatever path they ask for";
        checks.fail(&ANONYMOUS, &enabled, message).fix(
            "Let them ask for health only",
            false,
            &patch,
        );
    }
    for condition in conditions.items() {
        let asked = condition.get("path");
        let is_public = |public: &String| asked.text() == Some(public);
        if !parameters.anonymous_paths.iter().any(is_public) {
            let patch = json!([{"op": "remove", "path": condition.path()}]);
            let message = "anonymous requests are let in for a path that is no health check";
            checks
                .fail(&ANONYMOUS, &asked, message)
                .fix("Leave it out", false, &patch);
        }
    }
}

/// The issuers of an `AuthenticationConfiguration`.
fn check_issuers(configuration: &At, checks: &mut Checks) {
    checks.pass(&RESERVED_NAMES);
    for issuer in configuration.get("jwt").items() {
        let mut rules = issuer.get("userValidationRules").items();
        let refuses = rules.any(|rule| {
            let expression = rule.get("expression");
            expression
                .text()
                .is_some_and(|text| text.contains("system:"))
        });
        let mappings = issuer.get("claimMappings");
        for (key, what) in [("username", "user"), ("groups", "group")] {
            let mapping = mappings.get(key);
            let (prefix, expression) = (mapping.get("prefix"), mapping.get("expression"));
            let takes_any = match (prefix.text(), expression.text()) {
                (Some(prefix), _) => prefix.is_empty() || prefix.starts_with("system:"),
                (None, Some(text)) => !text.trim_start().starts_with(['\'', '"']),
                (None, None) => false,
            };
            if takes_any && !refuses {
                let at = if prefix.exists() { prefix } else { expression };
                let message = format!(
                    "a token of this issuer can name any {what}, also one of the system such as system:masters"
                );
                checks.fail(&RESERVED_NAMES, &at, message);
            }
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

fn check_audit(effective: Effective, checks: &mut Checks) {
    checks.pass(&NO_AUDIT_LOG);
    let path = effective.flag("audit-log-path");
    let webhook = effective.flag("audit-webhook-config-file");
    let is_set = |setting: &Setting| setting.given().is_some() && setting.unknown().is_none();
    if !is_set(&path) && !is_set(&webhook) {
        let what = "whether an audit log is written";
        if !path.is_unknown(&NO_AUDIT_LOG, checks, what)
            && !webhook.is_unknown(&NO_AUDIT_LOG, checks, what)
        {
            let message = "no audit log is written, neither to a file nor to a webhook";
            checks.fail(&NO_AUDIT_LOG, &path, message);
        }
    }
    checks.pass(&NO_AUDIT_POLICY);
    let policy = effective.flag("audit-policy-file");
    let what = "whether a policy says what is logged";
    if !policy.is_unknown(&NO_AUDIT_POLICY, checks, what) && policy.given().is_none() {
        let message = "nothing is logged: --audit-policy-file is not set";
        checks.fail(&NO_AUDIT_POLICY, &policy, message);
    }
}

fn check_retention(effective: Effective, parameters: &Parameters, checks: &mut Checks) {
    let log = effective.flag("audit-log-path");
    if log.unknown().is_none() && log.given().is_none_or(|file| file == "-") {
        checks.not_applicable(&AUDIT_RETENTION, "the API server keeps no file of its own");
        return;
    }
    checks.pass(&AUDIT_RETENTION);
    for (name, unit, least) in [
        ("audit-log-maxage", "days", parameters.min_age),
        ("audit-log-maxbackup", "old files", parameters.min_backups),
        ("audit-log-maxsize", "megabytes", parameters.min_size),
    ] {
        let setting = effective.flag(name);
        let what = "how long the audit log is kept";
        if setting.is_unknown(&AUDIT_RETENTION, checks, what) {
            continue;
        }
        let size = |number| {
            if number == 0 && unit == "megabytes" {
                100
            } else {
                number
            }
        };
        let (message, severity) = match setting.integer().map(size) {
            None => (
                format!("the API server refuses to start: {name} is no number"),
                Severity::Medium,
            ),
            Some(0) => (
                format!("the audit log grows until the disk is full: {name} sets no limit"),
                Severity::Low,
            ),
            Some(number) if u64::try_from(number).unwrap_or_default() < least => (
                format!("{name} is {number} {unit}, fewer than {least}"),
                Severity::Medium,
            ),
            Some(_) => continue,
        };
        let patch = json!([{"op": "replace", "path": setting.path(), "value": least}]);
        checks
            .fail(&AUDIT_RETENTION, &setting, message)
            .severity(severity)
            .fix(format!("Keep {least} {unit}"), true, &patch);
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
