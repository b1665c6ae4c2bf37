//! A command that a kubelet is asked to run through the API server.

use stridegate_policy::prelude::*;

pub(crate) const THROUGH_NODE: Rule = Rule {
    id: "through-node",
    title: "No command is run through the API of a node",
    severity: Severity::High,
    controls: &[],
    remediation: "Use kubectl exec, which names its Pod to whoever judges it, and take nodes/proxy out of the role.",
};

/// What a kubelet lets read, by the first part of the path.
#[rustfmt::skip]
const READING: [&str; 11] = [
    "configz", "containerLogs", "flagz", "healthz", "logs", "metrics", "pods", "runningpods", "spec", "stats", "statusz",
];

pub(crate) fn check(root: &At, checks: &mut Checks) {
    checks.pass(&THROUGH_NODE);
    let path = root.get("path");
    let asked = path.text().unwrap_or_default().trim_start_matches('/');
    let asked = asked.strip_suffix('/').unwrap_or(asked);
    let first = asked.split('/').next().unwrap_or_default();
    // What a server makes of such a path is not what it says.
    let is_plain = |part: &str| !["", ".", ".."].contains(&part) && !part.contains(['%', '\\']);
    if !READING.contains(&first) || !asked.split('/').all(is_plain) {
        let message = "the kubelet is asked for more than to be read: it runs commands in every container of its node, and nobody sees with what rights";
        checks.fail(&THROUGH_NODE, &path, message);
    }
}
