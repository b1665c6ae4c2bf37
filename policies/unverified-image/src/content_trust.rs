//! Docker's content trust, as a client or a command has it.

use stridegate_policy::prelude::*;

use crate::Parameters;

pub(crate) const CONTENT_TRUST_OFF: Rule = Rule {
    id: "content-trust-off",
    title: "Content trust is on for the client (legacy mode)",
    severity: Severity::Medium,
    controls: &[("cis-docker-1.2", "4.5"), ("cis-docker-1.6", "4.5")],
    remediation: "Set DOCKER_CONTENT_TRUST=1, with DOCKER_CONTENT_TRUST_SERVER for a notary of your own; better, check signatures with cosign or Notation.",
};

pub(crate) const CONTENT_TRUST_SHUTDOWN: Rule = Rule {
    id: "content-trust-shutdown",
    title: "Nothing relies on the notary of Docker Hub, which ends on 2026-12-08",
    severity: Severity::Low,
    controls: &[],
    remediation: "Unset DOCKER_CONTENT_TRUST, name images by digest, and check their signatures with cosign or Notation; or set DOCKER_CONTENT_TRUST_SERVER to a notary of your own.",
};

/// The flag that turns content trust off for one command.
const DISABLE: &str = "--disable-content-trust";

pub(crate) fn check(root: &At, parameters: &Parameters, checks: &mut Checks) {
    let variables = root.get("environment");
    if root.get("source").text() != Some("environment") {
        for rule in [&CONTENT_TRUST_OFF, &CONTENT_TRUST_SHUTDOWN] {
            checks.not_applicable(
                rule,
                "no file of a client holds DOCKER_CONTENT_TRUST; the environment of its user does",
            );
        }
        return;
    }
    let variable = variables.get("DOCKER_CONTENT_TRUST");
    let value = variable.text().unwrap_or_default();
    if parameters.legacy {
        checks.not_applicable(
            &CONTENT_TRUST_SHUTDOWN,
            "the legacy mode asks for content trust; from 2026-12-08 on Docker Hub has no notary",
        );
        checks.pass(&CONTENT_TRUST_OFF);
        if !is_on(value) {
            let message = if variable.exists() {
                "content trust is off: DOCKER_CONTENT_TRUST has a value that means false"
            } else {
                "content trust is off: DOCKER_CONTENT_TRUST is not set for everyone who logs in"
            };
            checks.fail(&CONTENT_TRUST_OFF, &variable, message);
        }
        return;
    }
    checks.not_applicable(
        &CONTENT_TRUST_OFF,
        "images are judged by their digests and signatures, unless the parameter legacy is set",
    );
    checks.pass(&CONTENT_TRUST_SHUTDOWN);
    let server = variables
        .get("DOCKER_CONTENT_TRUST_SERVER")
        .text()
        .unwrap_or_default();
    if is_on(value) && (server.is_empty() || server.contains("//notary.docker.io")) {
        let message = "content trust relies on the notary of Docker Hub: until 2026-12-07 it verifies what is signed there, from 2026-12-08 on every pull from Docker Hub fails and nothing is verified";
        checks.fail(&CONTENT_TRUST_SHUTDOWN, &variable, message);
    }
}

/// Whether the client takes a value for on: all but nothing and what Go reads as false.
fn is_on(value: &str) -> bool {
    !matches!(value, "" | "0" | "f" | "F" | "false" | "False" | "FALSE")
}

/// The commands of a Dockerfile that turn content trust off for themselves.
pub(crate) fn check_commands(object: &Object, checks: &mut Checks) -> Result<(), Refusal> {
    let file = object.dockerfile()?;
    checks.pass(&CONTENT_TRUST_OFF);
    for (stage, built) in file.stages.iter().enumerate() {
        for (step, instruction) in built.instructions.iter().enumerate() {
            for (index, word) in instruction.arguments.iter().enumerate() {
                let rest = word.text().strip_prefix(DISABLE);
                let value = rest.and_then(|rest| {
                    if rest.is_empty() {
                        Some("true")
                    } else {
                        rest.strip_prefix('=')
                    }
                });
                if value.is_some_and(is_on) {
                    let path = format!("/stages/{stage}/instructions/{step}/arguments/{index}");
                    let message =
                        format!("the command has {DISABLE}, so that it takes what nobody signed");
                    checks.fail(&CONTENT_TRUST_OFF, path, message);
                }
            }
        }
    }
    Ok(())
}
