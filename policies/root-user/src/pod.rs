//! The users of the containers of a Pod.

use stridegate_policy::prelude::*;

use crate::{NO_USER, Parameters, UID_ZERO};

pub(crate) fn check(pod: &At, parameters: &Parameters, checks: &mut Checks) {
    // In a user namespace of its own, the container's root is nobody on the host.
    let severity = if pod.get("spec").get("hostUsers").boolean() == Some(false) {
        Severity::Medium
    } else {
        Severity::High
    };
    let on_windows = runs_on_windows(pod);
    for container in containers(pod) {
        let windows_user = container.security(&["windowsOptions", "runAsUserName"]);
        if let Some(text) = windows_user
            .text()
            .filter(|user| is_root(user, &parameters.root_names))
        {
            let message = format!("container {} runs as {text}", container.name());
            let finding = checks.fail(&UID_ZERO, &windows_user, message);
            finding.severity(severity);
        }
        // On Linux the kubelet does not look at it.
        if !(on_windows && windows_user.exists()) {
            check_container(&container, severity, checks);
        }
    }
}

/// Whether a Pod says that it starts on Windows only.
fn runs_on_windows(pod: &At) -> bool {
    let spec = pod.get("spec");
    let asked = [
        spec.get("os").get("name"),
        spec.get("nodeSelector").get("kubernetes.io/os"),
    ];
    asked.iter().any(|os| os.text() == Some("windows"))
}

fn check_container(container: &Container, severity: Severity, checks: &mut Checks) {
    let name = container.name();
    let user = container.security(&["runAsUser"]);
    let non_root = container.security(&["runAsNonRoot"]);
    if user.exists() {
        match user.integer() {
            Some(0) => {
                let message = format!("container {name} runs as user 0");
                checks.fail(&UID_ZERO, &user, message).severity(severity);
            }
            Some(_) => {}
            None => {
                let message = format!("the user of container {name} is not a whole number");
                checks.fail(&UID_ZERO, &user, message);
            }
        }
    } else if non_root.boolean() != Some(true) {
        let message = format!(
            "container {name} runs as root if its image says so: no user is set, and runAsNonRoot is not true"
        );
        checks
            .fail(&NO_USER, &non_root, message)
            .severity(severity)
            .fix(
                "Refuse to start as root",
                false,
                &require_non_root(&container.at),
            );
    }
}

fn require_non_root(container: &At) -> Value {
    let own = container.get("securityContext");
    let (path, value) = if own.exists() {
        (format!("{}/runAsNonRoot", own.path()), json!(true))
    } else {
        let path = format!("{}/securityContext", container.path());
        (path, json!({"runAsNonRoot": true}))
    };
    json!([{"op": "add", "path": path, "value": value}])
}
