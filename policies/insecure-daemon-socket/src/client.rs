//! What a client believes of the daemon that answers.

use stridegate_policy::prelude::*;

use crate::{Parameters, UNPROTECTED, UNVERIFIED, is_accepted, is_of_network, refuse, shown};

pub(crate) fn check(root: &At, parameters: &Parameters, checks: &mut Checks) {
    checks.pass(&UNPROTECTED);
    checks.pass(&UNVERIFIED);
    check_variables(&root.get("environment"), parameters, checks);
    for context in root.get("contexts").items() {
        check_context(&context, parameters, checks);
    }
}

fn check_variables(variables: &At, parameters: &Parameters, checks: &mut Checks) {
    let set = |name| !variables.get(name).text().unwrap_or_default().is_empty();
    let host = variables.get("DOCKER_HOST");
    let written = host.text().unwrap_or_default();
    if is_of_network(written) && !set("DOCKER_TLS_VERIFY") && !is_accepted(written, parameters) {
        if set("DOCKER_TLS") {
            let message =
                "the client encrypts and believes any daemon: DOCKER_TLS_VERIFY is not set";
            checks.fail(&UNVERIFIED, &variables.get("DOCKER_TLS"), message);
        } else {
            let message = format!(
                "the client speaks to {} in the clear, and believes whoever answers",
                shown(written)
            );
            refuse(&host, written, message, checks);
        }
    }
}

fn check_context(context: &At, parameters: &Parameters, checks: &mut Checks) {
    let name = context.get("name").text().unwrap_or_default();
    let host = context.get("host");
    let written = host.text().unwrap_or_default();
    let skip = context.get("skipTLSVerify");
    if !is_of_network(written) || is_accepted(written, parameters) {
        return;
    }
    if skip.boolean() == Some(true) {
        let message = format!("the context {name} believes any daemon: it skips the verification");
        let patch = json!([{"op": "replace", "path": skip.path(), "value": false}]);
        let finding = checks.fail(&UNVERIFIED, &skip, message);
        finding.fix("Verify the daemon", false, &patch);
    } else if written.ends_with(":2375") || written.starts_with("http://") {
        let message = format!(
            "the context {name} speaks to {} in the clear, and believes whoever answers",
            shown(written)
        );
        refuse(&host, written, message, checks);
    } else {
        let message =
            format!("whether the context {name} has certificates, only the files beside it tell");
        checks.unknown(&UNPROTECTED, &host, message);
    }
}
