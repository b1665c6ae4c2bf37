//! A request to an engine that gives a container files of which nobody sees more.

use stridegate_policy::prelude::*;

use crate::{COPIED_FILES, NO_USER, UID_ZERO};

pub(crate) fn check(root: &At, checks: &mut Checks) {
    for rule in [&UID_ZERO, &NO_USER] {
        checks.not_applicable(rule, "the request names no user");
    }
    checks.pass(&COPIED_FILES);
    let endpoint = root.get("endpoint");
    if endpoint.text() == Some("container.put-archive") {
        let message = "files are put into the container, and nobody sees which: one that becomes its /etc/passwd, or a program of root's, makes root of its user";
        checks.fail(&COPIED_FILES, &endpoint, message);
    }
}
