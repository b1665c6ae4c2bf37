//! Who is let in without a name, and whom an issuer of tokens can name.

use stridegate_policy::prelude::*;

use crate::Parameters;
use crate::api_server::ELSEWHERE;

pub(crate) const ANONYMOUS: Rule = Rule {
    id: "anonymous",
    title: "Anonymous requests are refused, or may ask for health only",
    severity: Severity::Medium,
    controls: &[("cis-kubernetes-1.12", "1.2.1")],
    remediation: "Set --anonymous-auth=false, or list the paths of health checks in anonymous.conditions of an AuthenticationConfiguration.",
};

pub(crate) const RESERVED_NAMES: Rule = Rule {
    id: "reserved-names",
    title: "No token of an issuer can name a user or a group of the system",
    severity: Severity::High,
    controls: &[],
    remediation: "Give the names of the issuer a prefix, or refuse those that begin with system: in userValidationRules.",
};

/// Judges an API server with the file that its `--authentication-config` names, if that is at hand.
pub(crate) fn check(effective: Effective, parameters: &Parameters, checks: &mut Checks) {
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
}

/// The file that `--authentication-config` names.
pub(crate) fn check_file(root: &At, parameters: &Parameters, checks: &mut Checks) {
    check_issuers(root, checks);
    let anonymous = root.get("anonymous");
    if anonymous.exists() {
        check_anonymous(&anonymous, parameters, checks);
    } else {
        checks.not_applicable(&ANONYMOUS, "the file leaves it to --anonymous-auth");
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
