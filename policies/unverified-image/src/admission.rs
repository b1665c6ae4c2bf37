//! Admission policies that check signatures, and whether they do.

use stridegate_policy::prelude::*;

use crate::identity::{check_identities, report_nobody};
use crate::{WEAK_VERIFICATION, kyverno};

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
        kyverno::check_images(&spec, checks);
    } else if object.is(&PLUGINS) {
        check_plugins(root, checks);
    } else {
        kyverno::check(&spec, checks);
    }
}

/// Reports a place that lets in what nobody signed.
pub(crate) fn weak(checks: &mut Checks, at: &At, message: &str) {
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
        report_nobody(&authorities, checks);
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
