//! The user of a container of Docker's, or that of its image.

use stridegate_policy::Finding;
use stridegate_policy::prelude::*;

use crate::{NO_USER, Parameters, UID_ZERO, is_non_root_image, set_user, user_of_image};

pub(crate) fn check(
    root: &At,
    daemon: &At,
    images: &Images,
    parameters: &Parameters,
    checks: &mut Checks,
) {
    let config = root.get("Config");
    let user = config.get("User");
    let host = root.get("HostConfig");
    let but = if is_privileged(&host) {
        ", and privileged: it has the whole host"
    } else {
        ""
    };
    let found = if is_unresolved(root, &user) {
        let message = "the user is a variable that has no value here";
        Some(checks.unknown(&UID_ZERO, &user, message))
    } else if let Some(name) = set_user(&config) {
        is_root(name, &parameters.root_names).then(|| {
            let message = format!("the container runs as root{but}: its user is {name}");
            checks.fail(&UID_ZERO, &user, message)
        })
    } else if root.get("Id").exists() {
        // The engine gives a container the user of its image when it makes it.
        let message =
            format!("the container runs as root{but}: neither it nor its image sets a user");
        Some(checks.fail(&NO_USER, &user, message))
    } else {
        let reference = config.get("Image").text().unwrap_or_default();
        check_image(&user, reference, but, images, parameters, checks)
    };
    if let Some(finding) = found.filter(|_| is_remapped(&host, daemon)) {
        finding.severity(Severity::Medium);
    }
}

/// Judges a container that leaves the user to its image.
fn check_image<'c>(
    user: &At,
    reference: &str,
    but: &str,
    images: &Images,
    parameters: &Parameters,
    checks: &'c mut Checks,
) -> Option<&'c mut Finding> {
    match user_of_image(images, reference) {
        Some(name) if is_root(name, &parameters.root_names) => {
            let message = format!(
                "the container runs as root{but}: it sets no user, and {reference} runs as root"
            );
            Some(checks.fail(&NO_USER, user, message))
        }
        None if !is_non_root_image(reference, parameters) => {
            let message = format!(
                "the container sets no user, and that of its image {reference} is not known here"
            );
            Some(checks.unknown(&NO_USER, user, message))
        }
        _ => None,
    }
}

fn is_unresolved(root: &At, user: &At) -> bool {
    let effective = root.value().map(Effective::new);
    effective.is_some_and(|effective| effective.is_unresolved(user.path()))
}

fn is_privileged(host: &At) -> bool {
    host.get("Privileged").boolean() == Some(true)
}

/// Whether the container's root is somebody else on the host. A privileged container is not in a
/// user namespace of its own.
fn is_remapped(host: &At, daemon: &At) -> bool {
    let mode = host.get("UsernsMode").text().unwrap_or_default();
    let remap = daemon.get("userns-remap").text().unwrap_or_default();
    !is_privileged(host) && mode != "host" && !(mode.is_empty() && remap.is_empty())
}
