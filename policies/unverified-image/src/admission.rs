//! Admission policies that check signatures, and whether they do.

use stridegate_policy::prelude::*;

use crate::WEAK_VERIFICATION;

/// Sigstore's policy-controller.
pub(crate) const SIGSTORE: Kind = Kind::known("policy.sigstore.dev", "ClusterImagePolicy");
/// Kyverno, for the cluster.
pub(crate) const KYVERNO_CLUSTER: Kind = Kind::known("kyverno.io", "ClusterPolicy");
/// Kyverno, for a namespace.
pub(crate) const KYVERNO: Kind = Kind::known("kyverno.io", "Policy");
/// Kyverno's policies that are for images alone.
pub(crate) const KYVERNO_IMAGES: Kind = Kind::known("policies.kyverno.io", "ImageValidatingPolicy");
/// The API server's own plugins, `ImagePolicyWebhook` among them.
pub(crate) const PLUGINS: Kind = Kind::known("apiserver.config.k8s.io", "AdmissionConfiguration");

/// Whether an object is one of them.
pub(crate) fn judges(object: &Object) -> bool {
    let kinds = [SIGSTORE, KYVERNO_CLUSTER, KYVERNO, KYVERNO_IMAGES, PLUGINS];
    kinds.iter().any(|kind| object.is(kind))
}

/// Judges one of them.
pub(crate) fn check(object: &Object, root: &At, checks: &mut Checks) {
    let spec = root.get("spec");
    if object.is(&SIGSTORE) {
        checks.pass(&WEAK_VERIFICATION);
        check_sigstore(&spec, checks);
    } else if object.is(&KYVERNO_IMAGES) {
        checks.pass(&WEAK_VERIFICATION);
        check_kyverno_images(&spec, checks);
    } else if object.is(&PLUGINS) {
        check_plugins(root, checks);
    } else {
        check_kyverno(&spec, checks);
    }
}

fn weak(checks: &mut Checks, at: &At, message: &str) {
    checks.fail(&WEAK_VERIFICATION, at, message);
}

fn check_sigstore(spec: &At, checks: &mut Checks) {
    let mode = spec.get("mode");
    if mode.text() == Some("warn") {
        weak(
            checks,
            &mode,
            "the policy warns of images that nobody signed, and lets them in",
        );
    }
    let authorities = spec.get("authorities");
    if authorities.items().next().is_none() {
        weak(
            checks,
            &authorities,
            "the policy names nobody whose signature is asked for",
        );
    }
    // One authority that is content is enough.
    for authority in authorities.items() {
        let action = authority.get("static").get("action");
        if action.text() == Some("pass") {
            weak(
                checks,
                &action,
                "the policy lets these images in whoever signed them, or nobody",
            );
        }
        let keyless = authority.get("keyless");
        if keyless.exists() {
            check_identities(&keyless, &keyless.get("identities"), checks);
        }
        let ignore = keyless.get("insecureIgnoreSCT");
        if ignore.boolean() == Some(true) {
            weak(
                checks,
                &ignore,
                "the policy takes certificates that are in no transparency log",
            );
        }
    }
}

/// Whether identities say who may have signed: an issuer and a subject, neither of them anyone.
fn check_identities(keyless: &At, identities: &At, checks: &mut Checks) {
    if identities.items().next().is_none() {
        weak(
            checks,
            keyless,
            "the policy takes a keyless signature of anyone: it names no identity",
        );
    }
    for identity in identities.items() {
        let open = [("subject", "subjectRegExp"), ("issuer", "issuerRegExp")]
            .into_iter()
            .find_map(|(plain, pattern)| open_to_anyone(&identity, plain, pattern));
        if let Some(at) = open {
            weak(
                checks,
                &at,
                "the policy takes a keyless signature of anyone: an identity matches every issuer or subject",
            );
        }
    }
}

/// The place that leaves one half of an identity open; none where it is set.
fn open_to_anyone<'a>(identity: &At<'a>, plain: &str, pattern: &str) -> Option<At<'a>> {
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

fn check_kyverno(spec: &At, checks: &mut Checks) {
    let mut verifies = false;
    for rule in spec.get("rules").items() {
        for verify in rule.get("verifyImages").items() {
            verifies = true;
            checks.pass(&WEAK_VERIFICATION);
            check_verify_images(spec, &verify, checks);
        }
    }
    if !verifies {
        checks.not_applicable(&WEAK_VERIFICATION, "the policy verifies no images");
        return;
    }
    let failure = spec.get("failurePolicy");
    if failure.text() == Some("Ignore") {
        weak(
            checks,
            &failure,
            "images are let in when Kyverno does not answer",
        );
    }
}

fn check_verify_images(spec: &At, verify: &At, checks: &mut Checks) {
    let own = ["failureAction", "validationFailureAction"].map(|key| verify.get(key));
    let action = own
        .into_iter()
        .find(At::exists)
        .unwrap_or_else(|| spec.get("validationFailureAction"));
    if !action
        .text()
        .is_some_and(|text| text.eq_ignore_ascii_case("enforce"))
    {
        weak(
            checks,
            &action,
            "images that nobody signed are reported and let in: the action is not Enforce",
        );
    }
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
        let at = verify.get(key);
        if at.boolean() == Some(false) {
            weak(checks, &at, message);
        }
    }
    let named = ["key", "issuer", "subject", "roots"]
        .iter()
        .any(|key| verify.get(key).exists());
    let attestations = verify.get("attestations");
    let sets = verify.get("attestors").items().chain(
        attestations
            .items()
            .flat_map(|one| one.get("attestors").items().collect::<Vec<_>>()),
    );
    let entries: Vec<At> = sets
        .flat_map(|set| set.get("entries").items().collect::<Vec<_>>())
        .collect();
    if entries.is_empty() && !named {
        weak(
            checks,
            verify,
            "the policy names nobody whose signature is asked for",
        );
    }
    for entry in &entries {
        let keyless = entry.get("keyless");
        if keyless.exists() {
            for (plain, pattern) in [("subject", "subjectRegExp"), ("issuer", "issuerRegExp")] {
                if let Some(at) = open_to_anyone(&keyless, plain, pattern) {
                    weak(
                        checks,
                        &at,
                        "the policy takes a keyless signature of anyone: every issuer or subject will do",
                    );
                    break;
                }
            }
        }
    }
}

fn check_kyverno_images(spec: &At, checks: &mut Checks) {
    let actions = spec.get("validationActions");
    if actions.exists() && !actions.items().any(|action| action.text() == Some("Deny")) {
        weak(
            checks,
            &actions,
            "images that nobody signed are reported and let in: Deny is not among the actions",
        );
    }
    let failure = spec.get("failurePolicy");
    if failure.text() == Some("Ignore") {
        weak(
            checks,
            &failure,
            "images are let in when Kyverno does not answer",
        );
    }
    let attestors = spec.get("attestors");
    if attestors.items().next().is_none() {
        weak(
            checks,
            &attestors,
            "the policy names nobody whose signature is asked for",
        );
    }
    if spec.get("validations").items().next().is_none() {
        weak(
            checks,
            &spec.get("validations"),
            "the policy asks for nothing: it has no validations",
        );
    }
    for attestor in attestors.items() {
        let keyless = attestor.get("cosign").get("keyless");
        if keyless.exists() {
            check_identities(&keyless, &keyless.get("identities"), checks);
        }
    }
    let settings = spec.get("validationConfigurations");
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

fn check_plugins(root: &At, checks: &mut Checks) {
    let mut plugins = root.get("plugins").items();
    let Some(plugin) =
        plugins.find(|plugin| plugin.get("name").text() == Some("ImagePolicyWebhook"))
    else {
        checks.not_applicable(
            &WEAK_VERIFICATION,
            "the API server asks nobody about images here",
        );
        return;
    };
    let configuration = plugin.get("configuration");
    if !configuration.exists() {
        checks.not_applicable(
            &WEAK_VERIFICATION,
            "what the plugin does stands in another file",
        );
        return;
    }
    checks.pass(&WEAK_VERIFICATION);
    let allow = configuration.get("imagePolicy").get("defaultAllow");
    if allow.boolean() == Some(true) {
        weak(
            checks,
            &allow,
            "images are let in when the webhook does not answer: defaultAllow is true",
        );
    }
}
