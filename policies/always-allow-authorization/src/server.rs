//! The modes of an API server, which its flags or a file name.

use stridegate_policy::prelude::*;

use crate::chain::{self, Chain, MISSING_AUTHORIZER};
use crate::{ALWAYS_ALLOW, OPEN, Parameters};

pub(crate) const CONFLICT: Rule = Rule {
    id: "conflict",
    title: "The authorization of the API server is set in one way",
    severity: Severity::Medium,
    controls: &[],
    remediation: "Give either --authorization-config or the other --authorization flags; the API server refuses both.",
};

pub(crate) fn check(effective: Effective, parameters: &Parameters, checks: &mut Checks) {
    let modes = effective.flag("authorization-mode");
    let config = effective.flag("authorization-config");
    let has_config = config.given().is_some();
    checks.pass(&CONFLICT);
    if has_config {
        check_conflict(effective, &config, checks);
    }
    let file = effective.get("/authorizationConfiguration");
    if modes.is_default() && file.exists() {
        chain::check_configuration(&file, parameters, checks);
        return;
    }
    if let Some(reason) = modes.unknown() {
        let is_in_file = has_config && modes.is_default();
        let at = if is_in_file { &config } else { &modes };
        let message = format!("the authorizers are not known: {reason}");
        checks.unknown(&ALWAYS_ALLOW, at, message.clone());
        checks.unknown(&MISSING_AUTHORIZER, at, message);
        return;
    }
    let chain: Chain = modes
        .items()
        .map(|mode| (mode.clone(), mode.text().unwrap_or_default()))
        .collect();
    if modes.is_default() && chain.iter().any(|(_, mode)| *mode == OPEN) {
        report_default(&modes, parameters, checks);
        return;
    }
    let message = format!("the API server lets every request pass: {OPEN} is one of its modes");
    let patch =
        json!([{"op": "replace", "path": modes.path(), "value": repaired(&chain, parameters)}]);
    for (mode, _) in chain.iter().filter(|(_, mode)| *mode == OPEN) {
        checks
            .fail(&ALWAYS_ALLOW, mode, &*message)
            .fix("Take it out of the chain", false, &patch);
    }
    let message = "no authorization mode is named, which the API server refuses";
    chain::check(&chain, &modes, message, parameters, checks);
}

fn report_default(modes: &Setting, parameters: &Parameters, checks: &mut Checks) {
    let message = format!(
        "the API server lets every request pass: no --authorization-mode is given, and the default is {OPEN}"
    );
    let patch =
        json!([{"op": "replace", "path": modes.path(), "value": parameters.required_modes}]);
    checks
        .fail(&ALWAYS_ALLOW, modes, message)
        .fix("Name the authorizers", false, &patch);
    checks.not_applicable(&MISSING_AUTHORIZER, "no authorizer is named at all");
}

/// The chain without its open end, and with what it has to hold.
fn repaired<'a>(chain: &Chain<'a>, parameters: &'a Parameters) -> Vec<&'a str> {
    let modes = chain.iter().map(|(_, mode)| *mode);
    let mut modes: Vec<&str> = modes.filter(|mode| *mode != OPEN).collect();
    for required in &parameters.required_modes {
        if !modes.contains(&required.as_str()) {
            modes.push(required);
        }
    }
    modes
}

fn check_conflict(effective: Effective, config: &Setting, checks: &mut Checks) {
    for (name, flag) in effective.get("/flags").members() {
        let is_other = name == "authorization-mode" || name.starts_with("authorization-webhook-");
        if is_other && !effective.is_default(flag.path()) {
            let message = format!(
                "the API server refuses to start with both --authorization-config and --{name}"
            );
            checks
                .fail(&CONFLICT, &flag, message)
                .related(config, "the file that is given too");
        }
    }
}
