//! See the documentation of [`UnverifiedImage`].

mod admission;
mod content_trust;
mod identity;
mod kyverno;

use content_trust::{CONTENT_TRUST_OFF, CONTENT_TRUST_SHUTDOWN};
use stridegate_policy::prelude::*;
use stridegate_policy::shapes::{client, request};
use stridegate_policy::{Pulled, pulled};

policy! {
    /// An image whose origin nobody has verified
    ///
    /// A registry hands out what somebody put there; a signature says who. Judged is whether one
    /// was checked for what runs: for every image that a Dockerfile, a container, a service or a
    /// Pod fetches, and for the admission policies that check signatures in a cluster, whether they
    /// do.
    ///
    /// An image passes if it is named by its digest, so that what was verified is what runs, and if
    /// it was verified: the context `verification` says so, or the parameter `verified` says that
    /// an admission policy or whoever pulls sees to it. Without either a pinned image is unknown: it
    /// cannot say itself who signed it.
    ///
    /// Of admission policies these are judged: `ClusterImagePolicy` of sigstore, the `verifyImages`
    /// of a Kyverno `ClusterPolicy` or `Policy`, `ImageValidatingPolicy`, and the
    /// `ImagePolicyWebhook` of an `AdmissionConfiguration`. One that only warns, that lets images
    /// pass when it cannot be asked, or that takes a signature of anyone, verifies nothing.
    ///
    /// Docker Content Trust was the benchmarks' way. Docker's notary is shut down on 2026-12-08:
    /// from then on a pull with `DOCKER_CONTENT_TRUST=1` from Docker Hub fails, and nothing is
    /// verified. It is therefore reported where it is on and has no notary of its own. The parameter
    /// `legacy` asks for it as the benchmarks do, and leaves images and admission policies alone. As
    /// the client reads it, every value is on but those that Go takes for false.
    ///
    /// Facts: `context.verification` holds what a verifier said of images, by the reference as it is
    /// written: `{"nginx@sha256:…": {"verified": true, "by": "cosign"}}`.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: policy.sigstore.dev/v1beta1
    /// kind: ClusterImagePolicy
    /// metadata: {name: signed-by-anyone}
    /// spec:
    ///   images: [{glob: "**"}]
    ///   authorities:
    ///   - keyless:
    ///       url: https://fulcio.sigstore.dev
    ///       identities: [{issuerRegExp: ".*", subjectRegExp: ".*"}]
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// apiVersion: policy.sigstore.dev/v1beta1
    /// kind: ClusterImagePolicy
    /// metadata: {name: signed-by-our-release}
    /// spec:
    ///   images: [{glob: "**"}]
    ///   authorities:
    ///   - keyless:
    ///       url: https://fulcio.sigstore.dev
    ///       identities:
    ///       - issuer: https://token.actions.githubusercontent.com
    ///         subject: https://github.com/example/shop/.github/workflows/release.yaml@refs/heads/main
    /// ```
    ///
    /// ## References
    ///
    /// - <https://docs.docker.com/engine/security/trust/>
    /// - <https://docs.sigstore.dev/policy-controller/overview/>
    /// - <https://kyverno.io/docs/policy-types/cluster-policy/verify-images/>
    UnverifiedImage {
        parameters: Parameters,
        threats: [(DOCKER, Category::Spoofing), (KUBERNETES, Category::Spoofing)],
        kinds: [
            dockerfile::KIND, container::KIND, service::KIND, request::KIND, pod::KIND, client::KIND,
            admission::SIGSTORE, admission::KYVERNO_CLUSTER, admission::KYVERNO, admission::KYVERNO_IMAGES,
            admission::PLUGINS,
        ],
        context: ["verification"],
        rules: [UNVERIFIED, WEAK_VERIFICATION, CONTENT_TRUST_OFF, CONTENT_TRUST_SHUTDOWN],
        check: check,
    }
}

parameters! {
    /// What can be set for `unverified-image`.
    pub struct Parameters {
        /// Judge Docker Content Trust as the benchmarks word it, and nothing else.
        pub legacy: bool = false,
        /// Images whose signatures are checked where they are admitted or pulled: `ghcr.io/shop/*`,
        /// with the registry; `*` stands for any characters.
        pub verified: Vec<String> = Vec::new(),
    }
}

const UNVERIFIED: Rule = Rule {
    id: "unverified",
    title: "The image is named by its digest, and its signature was checked",
    severity: Severity::High,
    controls: &[
        ("cis-docker-1.2", "4.5"),
        ("cis-docker-1.6", "4.5"),
        ("cis-docker-1.6", "4.12"),
        ("cis-kubernetes-1.12", "5.5.1"),
    ],
    remediation: "Name the image by its digest, and have cosign, Notation or an admission policy check who signed it.",
};

pub(crate) const WEAK_VERIFICATION: Rule = Rule {
    id: "weak-verification",
    title: "The admission policy turns away what its signers have not signed",
    severity: Severity::High,
    controls: &[("cis-docker-1.6", "4.12"), ("cis-kubernetes-1.12", "5.5.1")],
    remediation: "Enforce the policy, fail closed, and name the signers: a key, or an issuer with a subject.",
};

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    if object.is(&client::KIND) {
        for rule in [&UNVERIFIED, &WEAK_VERIFICATION] {
            checks.not_applicable(rule, "a client's configuration fetches no image");
        }
        content_trust::check(&At::root(&object.document()?), parameters, checks);
        return Ok(());
    }
    let why = "the legacy mode asks for content trust alone";
    let is_dockerfile = object.is(&dockerfile::KIND);
    if parameters.legacy && is_dockerfile {
        content_trust::check_commands(object, checks)?;
    }
    for rule in [&CONTENT_TRUST_OFF, &CONTENT_TRUST_SHUTDOWN] {
        checks.not_applicable(rule, "content trust is set for a client");
    }
    if parameters.legacy {
        checks.not_applicable(&UNVERIFIED, why);
        checks.not_applicable(&WEAK_VERIFICATION, why);
    } else if admission::judges(object) {
        checks.not_applicable(&UNVERIFIED, "an admission policy fetches no image");
        admission::check(object, &At::root(&object.document()?), checks);
    } else {
        checks.not_applicable(&WEAK_VERIFICATION, "no admission policy");
        check_images(object, parameters, checks)?;
    }
    Ok(())
}

fn check_images(
    object: &Object,
    parameters: &Parameters,
    checks: &mut Checks,
) -> Result<(), Refusal> {
    let images = pulled(object)?;
    if images.is_empty() {
        checks.not_applicable(&UNVERIFIED, "it fetches no image by name");
        return Ok(());
    }
    checks.pass(&UNVERIFIED);
    let verification = object.context("verification")?.unwrap_or_default();
    for image in images {
        let path = &*image.path;
        let evidence = verification.get(&image.text);
        let verified = evidence.and_then(|evidence| evidence.get("verified")?.as_bool());
        let by = &image.by;
        if verified == Some(false) {
            let message =
                format!("{by} names an image whose signature was checked and does not hold");
            checks.fail(&UNVERIFIED, path, message);
        } else if image.is_pinned() {
            if verified != Some(true) && !is_covered(&image, parameters) {
                let message = format!(
                    "{by} names an image by its digest, and whether anybody checked who signed it is not known here"
                );
                checks
                    .unknown(&UNVERIFIED, path, message)
                    .severity(Severity::Low);
            }
        } else if !image.unresolved.is_empty() {
            let message = format!(
                "{by} names an image that depends on {}, which has no value here",
                image.unresolved.join(", ")
            );
            checks
                .unknown(&UNVERIFIED, path, message)
                .severity(Severity::Low);
        } else if matches!(image.reference(), Some(Ok(_))) {
            let message = format!(
                "{by} names an image without its digest: what was verified and what runs need not be the same"
            );
            checks
                .fail(&UNVERIFIED, path, message)
                .severity(Severity::Low);
        }
    }
    Ok(())
}

/// Whether somebody sees to the signature of an image.
fn is_covered(image: &Pulled, parameters: &Parameters) -> bool {
    let Some(Ok(reference)) = image.reference() else {
        return false;
    };
    matches_any(&parameters.verified, &reference.name())
}
