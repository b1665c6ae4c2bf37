//! The user of an image that is there.

use stridegate_policy::prelude::*;

use crate::{NO_USER, Parameters, UID_ZERO, but_dropped_by, dropper, set_user};

pub(crate) fn check(image: &At, parameters: &Parameters, checks: &mut Checks) {
    let config = image.get("Config");
    let user = config.get("User");
    if let Some(name) = set_user(&config) {
        if is_root(name, &parameters.root_names) {
            let message = format!("the image runs as root: its user is {name}");
            checks.fail(&UID_ZERO, &user, message);
        }
        return;
    }
    let message = "the image runs as root: it sets no user";
    let lists = ["Entrypoint", "Cmd"].map(|key| config.get(key));
    let mut words = lists.iter().flat_map(At::items);
    if let Some(tool) = words.find_map(|word| dropper(word.text()?)) {
        let message = format!("{message}{}", but_dropped_by(tool));
        let finding = checks.fail(&NO_USER, &user, message);
        finding.severity(Severity::Medium);
    } else {
        checks.fail(&NO_USER, &user, message);
    }
}
