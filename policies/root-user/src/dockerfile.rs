//! The user of the image that a Dockerfile builds.

use stridegate_policy::prelude::*;
use stridegate_policy::shapes::dockerfile::{Dockerfile, Stage, Word};

use crate::{
    NO_USER, Parameters, UID_ZERO, but_dropped_by, dropper, is_non_root_image, user_of_image,
};

pub(crate) fn check(
    file: &Dockerfile,
    images: &Images,
    parameters: &Parameters,
    checks: &mut Checks,
) {
    let Some((path, word)) = file.user(file.target) else {
        return check_base(file, images, parameters, checks);
    };
    match &word.value {
        Some(value) if is_root(value, &parameters.root_names) => {
            let message = format!("the image runs as root: its user is {value}");
            checks.fail(&UID_ZERO, path, message);
        }
        Some(_) => {}
        None => {
            let variables = word.unresolved.join(", ");
            let message =
                format!("only the build knows the user: the file gives {variables} no value");
            checks.unknown(&UID_ZERO, path, message);
        }
    }
}

/// What an image without a USER of its own runs as.
fn check_base(file: &Dockerfile, images: &Images, parameters: &Parameters, checks: &mut Checks) {
    let base = external_base(file, &file.stages[file.target]).text();
    let is_safe = match user_of_image(images, base) {
        Some(user) => !is_root(user, &parameters.root_names),
        None => is_non_root_image(base, parameters),
    };
    if is_safe {
        return;
    }
    let message = match base {
        "scratch" => "the image runs as root: no USER is set, and an empty image has none".into(),
        base => format!("the image runs as root unless {base} sets another user: no USER is set"),
    };
    let place = format!("/stages/{}", file.target);
    if let Some(tool) = privilege_dropper(file) {
        let message = format!("{message}{}", but_dropped_by(tool));
        let finding = checks.fail(&NO_USER, place, message);
        finding.severity(Severity::Medium);
    } else {
        checks.fail(&NO_USER, place, message);
    }
}

/// The image that a stage is based on in the end.
fn external_base<'a>(file: &'a Dockerfile, stage: &'a Stage) -> &'a Word {
    stage
        .base
        .map_or(&stage.from, |base| external_base(file, &file.stages[base]))
}

/// A tool that switches the user and that the final stage installs or starts.
fn privilege_dropper(file: &Dockerfile) -> Option<&'static str> {
    let instructions = &file.stages[file.target].instructions;
    let words = instructions
        .iter()
        .flat_map(|instruction| &instruction.arguments);
    words.map(Word::text).find_map(dropper)
}
