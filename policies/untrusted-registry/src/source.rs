//! The registry that an image is taken from.

use stridegate_policy::Pulled;
use stridegate_policy::prelude::*;
use stridegate_policy::reference::DOCKER_HUB;

use crate::spelling::{imitated, is_like_library};
use crate::{LOOK_ALIKE, Parameters, UNLISTED_REGISTRY, is_listed};

pub(crate) fn check(image: &Pulled, parameters: &Parameters, checks: &mut Checks) {
    if image.is_id {
        return;
    }
    let Some(registry) = image.registry() else {
        report_nameless(image, checks);
        return;
    };
    let repository = match image.reference() {
        Some(Ok(reference)) => reference.repository.into_owned(),
        _ => String::new(),
    };
    check_name(
        registry,
        &repository,
        (&image.path, &image.by),
        parameters,
        checks,
    );
}

/// Judges an image whose registry is not known. What is no reference at all is fetched from
/// nowhere, unless letters hide in it.
fn report_nameless(image: &Pulled, checks: &mut Checks) {
    let by = &image.by;
    let host = image.text.split('/').next().unwrap_or_default();
    if host.contains('.') && !host.is_ascii() {
        let message = format!("{by} names a registry in letters that only look like others");
        checks.fail(&LOOK_ALIKE, &*image.path, message);
    } else if !image.unresolved.is_empty() {
        let message = format!(
            "{by} takes its image from a registry that {} says, which has no value here",
            image.unresolved.join(", ")
        );
        checks.unknown(&UNLISTED_REGISTRY, &*image.path, message);
    }
}

/// Judges a registry and what is taken from it, which is empty for all of it.
pub(crate) fn check_name(
    registry: &str,
    repository: &str,
    (path, by): (&str, &str),
    parameters: &Parameters,
    checks: &mut Checks,
) {
    if is_listed(registry, repository, parameters) {
        let publisher = repository.split_once('/').map(|(first, _)| first);
        if registry == DOCKER_HUB && publisher.is_some_and(is_like_library) {
            let message = format!(
                "{by} takes {repository} from Docker Hub: somebody's account that reads like library, where the official images are"
            );
            checks.fail(&LOOK_ALIKE, path, message);
        }
    } else if let Some(known) = imitated(registry, &parameters.registries) {
        let message =
            format!("{by} takes its image from {registry}, which reads like {known} and is not");
        checks.fail(&LOOK_ALIKE, path, message);
    } else if parameters.registries == Parameters::default().registries {
        let message =
            format!("{by} takes its image from {registry}, and nobody said whether that is yours");
        checks.unknown(&UNLISTED_REGISTRY, path, message);
    } else {
        let message = format!(
            "{by} takes its image from {registry}, which is not among the listed registries"
        );
        checks.fail(&UNLISTED_REGISTRY, path, message);
    }
}
