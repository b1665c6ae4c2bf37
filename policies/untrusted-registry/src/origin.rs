//! Whether an image came from the registry that its name says.

use stridegate_policy::prelude::*;
use stridegate_policy::reference::DOCKER_HUB;
use stridegate_policy::{Pulled, Reference, host, is_loopback};

use crate::{IMAGES, Parameters, is_listed};

pub(crate) const LOCAL_IMAGE: Rule = Rule {
    id: "local-image",
    title: "An image that bears a registry's name came from that registry",
    severity: Severity::Medium,
    controls: IMAGES,
    remediation: "Pull the image by its digest, and give what is built on the machine a name that is nobody else's.",
};

/// Whether an image that the engine has came from the registry that its name says.
pub(crate) fn check(image: &Pulled, known: &Images, parameters: &Parameters, checks: &mut Checks) {
    let (Some(facts), Some(Ok(reference))) = (known.get(&image.text), image.reference()) else {
        return;
    };
    let digests = At::root(facts).get("RepoDigests");
    // An image of which only the config is known says nothing of digests.
    if image.is_id || !digests.exists() {
        return;
    }
    checks.pass(&LOCAL_IMAGE);
    if has_digest(&digests, &reference) {
        return;
    }
    let name = reference.familiar();
    if is_trusted_name(&reference, parameters) {
        let message = format!(
            "{} runs an image that is called {name} and never came from {}: it was made, loaded or tagged on the machine",
            image.by, reference.registry
        );
        checks.fail(&LOCAL_IMAGE, &*image.path, message);
    } else {
        let message = format!(
            "{} runs {name}, which has no digest of any registry: it was made or loaded on the machine, and only who did that knows what it is",
            image.by
        );
        checks
            .unknown(&LOCAL_IMAGE, &*image.path, message)
            .severity(Severity::Low);
    }
}

/// Whether the tags of an image are of repositories that it came from.
pub(crate) fn check_names(root: &At, parameters: &Parameters, checks: &mut Checks) {
    let digests = root.get("RepoDigests");
    if !digests.exists() {
        return;
    }
    checks.pass(&LOCAL_IMAGE);
    for tag in root.get("RepoTags").items() {
        let Some(Ok(reference)) = tag.text().map(Reference::parse) else {
            continue;
        };
        if !has_digest(&digests, &reference) && is_trusted_name(&reference, parameters) {
            let message = format!(
                "the image is called {} and never came from {}: it was made, loaded or tagged on the machine",
                reference.familiar(),
                reference.registry
            );
            checks.fail(&LOCAL_IMAGE, &tag, message);
        }
    }
}

/// Whether one of the digests of an image is of a repository.
fn has_digest(digests: &At, reference: &Reference) -> bool {
    let parsed = digests
        .items()
        .filter_map(|at| Reference::parse(at.text()?).ok());
    parsed
        .into_iter()
        .any(|digest| digest.name() == reference.name())
}

/// Whether people take an image of this name for that of a publisher: one of a listed registry by
/// its full name, or an official image. A short name is what everyone calls builds of their own.
fn is_trusted_name(reference: &Reference, parameters: &Parameters) -> bool {
    if reference.registry == DOCKER_HUB {
        let official = reference.repository.strip_prefix("library/");
        return official
            .is_some_and(|name| parameters.official_images.iter().any(|known| known == name));
    }
    !is_loopback(host(reference.registry))
        && is_listed(reference.registry, &reference.repository, parameters)
}
