//! The oldest version of TLS that is accepted.

use stridegate_policy::prelude::*;
use stridegate_policy::secret::shown;

pub(crate) const OLD_VERSION: Rule = Rule {
    id: "old-version",
    title: "No version of TLS before 1.2 is accepted",
    severity: Severity::High,
    controls: &[],
    remediation: "Set the oldest version to VersionTLS12 or VersionTLS13, for etcd to TLS1.2 or TLS1.3; or leave it out, which is 1.2.",
};

/// The names of the versions, the newest first; those from the third on are too old.
pub(crate) const OF_KUBERNETES: &[&str] = &[
    "VersionTLS13",
    "VersionTLS12",
    "VersionTLS11",
    "VersionTLS10",
];
pub(crate) const OF_ETCD: &[&str] = &["TLS1.3", "TLS1.2", "TLS1.1", "TLS1.0"];

pub(crate) fn check(version: &Setting, names: &[&str], checks: &mut Checks) {
    checks.pass(&OLD_VERSION);
    let what = "which version of TLS is the oldest that is accepted";
    if version.is_unknown(&OLD_VERSION, checks, what) {
        return;
    }
    let Some(name) = version.given() else {
        return;
    };
    let message = match names.iter().position(|known| *known == name) {
        Some(0 | 1) => return,
        Some(_) => format!("{name} is accepted, which is broken"),
        None => format!(
            "{} is no version of TLS to the program, and it refuses to start; known: {}",
            shown(name),
            names.join(", ")
        ),
    };
    let patch = json!([{"op": "replace", "path": version.path(), "value": names[1]}]);
    checks
        .fail(&OLD_VERSION, version, message)
        .fix("Accept TLS 1.2 and newer", false, &patch);
}
