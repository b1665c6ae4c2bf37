//! Whose signature a policy asks for.

use stridegate_policy::prelude::*;

use crate::admission::weak;

/// Reports a policy that names no signer.
pub(crate) fn report_nobody(at: &At, checks: &mut Checks) {
    let message = "the policy names nobody whose signature is asked for";
    weak(checks, at, message);
}

/// Whether identities say who may have signed: an issuer and a subject, neither of them anyone.
pub(crate) fn check_identities(keyless: &At, identities: &At, checks: &mut Checks) {
    if identities.items().next().is_none() {
        weak(
            checks,
            keyless,
            "the policy takes a keyless signature of anyone: it names no identity",
        );
    }
    for identity in identities.items() {
        if let Some(at) = open_to_anyone(&identity) {
            weak(
                checks,
                &at,
                "the policy takes a keyless signature of anyone: an identity matches every issuer or subject",
            );
        }
    }
}

/// The place that leaves an identity open to anyone; none where both halves of it are set.
pub(crate) fn open_to_anyone<'a>(identity: &At<'a>) -> Option<At<'a>> {
    [("subject", "subjectRegExp"), ("issuer", "issuerRegExp")]
        .into_iter()
        .find_map(|(plain, pattern)| open_half(identity, plain, pattern))
}

/// The place that leaves one half of an identity open; none where it is set.
fn open_half<'a>(identity: &At<'a>, plain: &str, pattern: &str) -> Option<At<'a>> {
    let (exact, expression) = (identity.get(plain), identity.get(pattern));
    match (
        exact.text().unwrap_or_default(),
        expression.text().unwrap_or_default(),
    ) {
        ("", "") => Some(identity.clone()),
        ("", text) => matches_all(text).then_some(expression),
        (text, _) => (text == "*").then_some(exact),
    }
}

/// Whether a regular expression is one of those that people write for "anything".
fn matches_all(expression: &str) -> bool {
    let core = expression.trim_start_matches('^').trim_end_matches('$');
    matches!(
        core,
        "" | ".*" | ".+" | ".*?" | ".+?" | "(.*)" | "(.+)" | "[^ ]*" | "\\S+" | "\\S*" | "*"
    )
}
