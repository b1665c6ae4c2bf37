//! Kyverno's policies that check signatures.

use stridegate_policy::prelude::*;

use crate::WEAK_VERIFICATION;
use crate::admission::weak;
use crate::identity::{check_identities, open_to_anyone, report_nobody};

/// Judges a policy whose rules may verify images.
pub(crate) fn check(spec: &At, checks: &mut Checks) {
    let rules = spec.get("rules").items();
    let all: Vec<At> = rules
        .flat_map(|rule| rule.get("verifyImages").items().collect::<Vec<_>>())
        .collect();
    if all.is_empty() {
        checks.not_applicable(&WEAK_VERIFICATION, "the policy verifies no images");
        return;
    }
    checks.pass(&WEAK_VERIFICATION);
    for verify in &all {
        check_verify_images(spec, verify, checks);
    }
    check_failure(spec, checks);
}

/// Judges a policy that is for images alone.
pub(crate) fn check_images(spec: &At, checks: &mut Checks) {
    let actions = spec.get("validationActions");
    if actions.exists() && !actions.items().any(|action| action.text() == Some("Deny")) {
        let message =
            "images that nobody signed are reported and let in: Deny is not among the actions";
        weak(checks, &actions, message);
    }
    check_failure(spec, checks);
    let attestors = spec.get("attestors");
    if attestors.items().next().is_none() {
        report_nobody(&attestors, checks);
    }
    let validations = spec.get("validations");
    if validations.items().next().is_none() {
        let message = "the policy asks for nothing: it has no validations";
        weak(checks, &validations, message);
    }
    for attestor in attestors.items() {
        let keyless = attestor.get("cosign").get("keyless");
        if keyless.exists() {
            check_identities(&keyless, &keyless.get("identities"), checks);
        }
    }
    check_digests(&spec.get("validationConfigurations"), checks);
}

fn check_verify_images(spec: &At, verify: &At, checks: &mut Checks) {
    let own = ["failureAction", "validationFailureAction"].map(|key| verify.get(key));
    let action = own.into_iter().find(At::exists);
    let action = action.unwrap_or_else(|| spec.get("validationFailureAction"));
    let text = action.text().unwrap_or_default();
    if !text.eq_ignore_ascii_case("enforce") {
        let message =
            "images that nobody signed are reported and let in: the action is not Enforce";
        weak(checks, &action, message);
    }
    check_digests(verify, checks);
    let entries = entries(verify);
    let is_named = ["key", "issuer", "subject", "roots"]
        .iter()
        .any(|key| verify.get(key).exists());
    if entries.is_empty() && !is_named {
        report_nobody(verify, checks);
    }
    for entry in &entries {
        let keyless = entry.get("keyless");
        if let Some(at) = open_to_anyone(&keyless).filter(|_| keyless.exists()) {
            let message =
                "the policy takes a keyless signature of anyone: every issuer or subject will do";
            weak(checks, &at, message);
        }
    }
}

/// The entries that name who may have signed an image, or what is attested of it.
fn entries<'a>(verify: &At<'a>) -> Vec<At<'a>> {
    let attested = verify.get("attestations").items();
    let attested = attested.flat_map(|one| one.get("attestors").items().collect::<Vec<_>>());
    let sets = verify.get("attestors").items().chain(attested);
    sets.flat_map(|set| set.get("entries").items().collect::<Vec<_>>())
        .collect()
}

fn check_failure(spec: &At, checks: &mut Checks) {
    let failure = spec.get("failurePolicy");
    if failure.text() == Some("Ignore") {
        let message = "images are let in when Kyverno does not answer";
        weak(checks, &failure, message);
    }
}

fn check_digests(settings: &At, checks: &mut Checks) {
    for (key, message) in [
        (
            "required",
            "images are let in that were never verified: required is false",
        ),
        (
            "verifyDigest",
            "what was verified need not be what runs: verifyDigest is false",
        ),
    ] {
        let at = settings.get(key);
        if at.boolean() == Some(false) {
            weak(checks, &at, message);
        }
    }
}
