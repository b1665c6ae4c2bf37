//! Grants that undo what authentication and the audit log are for.

use stridegate_policy::prelude::*;

use crate::Parameters;

pub(crate) const ANONYMOUS_GRANT: Rule = Rule {
    id: "anonymous-grant",
    title: "Nobody without a name is given a role",
    severity: Severity::Critical,
    controls: &[],
    remediation: "Remove system:anonymous and system:unauthenticated from the subjects.",
};

pub(crate) const MASTERS_GRANT: Rule = Rule {
    id: "masters-grant",
    title: "Nobody is reached through system:masters",
    severity: Severity::Low,
    controls: &[("cis-kubernetes-1.12", "5.1.7")],
    remediation: "Bind a group of your own: who is in system:masters can do everything, and no binding can be taken away.",
};

pub(crate) const KUBELET_GRANT: Rule = Rule {
    id: "kubelet-grant",
    title: "Nobody is let through to kubelets or approves certificates",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "5.1.10"),
        ("cis-kubernetes-1.12", "5.1.11"),
    ],
    remediation: "Name what is needed: nodes/metrics and nodes/stats instead of nodes/proxy; leave approval to the controller manager.",
};

const NAMELESS: [&str; 2] = ["system:anonymous", "system:unauthenticated"];
const MASTERS: &str = "system:masters";

pub(crate) fn check_binding(binding: &At, parameters: &Parameters, checks: &mut Checks) {
    checks.pass(&ANONYMOUS_GRANT);
    checks.pass(&MASTERS_GRANT);
    let role = binding
        .get("roleRef")
        .get("name")
        .text()
        .unwrap_or_default();
    let name = binding.get("metadata").get("name").text();
    for subject in binding.get("subjects").items() {
        let who = subject.get("name");
        let text = who.text().unwrap_or_default();
        let is_account = subject.get("kind").text() == Some("ServiceAccount");
        if is_account {
            continue;
        }
        let patch = json!([{"op": "remove", "path": subject.path()}]);
        if NAMELESS.contains(&text) && !parameters.public_roles.iter().any(|known| known == role) {
            let message = format!("{text} is given a role: whoever reaches the API server has it");
            checks
                .fail(&ANONYMOUS_GRANT, &who, message)
                .fix("Take it away", false, &patch);
        }
        // The API server itself makes this one.
        let is_built_in = name == Some("cluster-admin") && role == "cluster-admin";
        if text == MASTERS && !is_built_in {
            let message =
                format!("{MASTERS} is bound, whose members need no binding and cannot lose one");
            checks
                .fail(&MASTERS_GRANT, &who, message)
                .fix("Take it away", false, &patch);
        }
    }
}

/// What lets someone act in the name of others: the API group, the resource with its subresource,
/// the verbs that matter (all, if none is named) and what they allow.
const GRANTS: [(&str, &str, &[&str], &str); 2] = [
    (
        "",
        "nodes/proxy",
        &[],
        "lets who has it reach kubelets past the audit log",
    ),
    (
        "certificates.k8s.io",
        "certificatesigningrequests/approval",
        &["update", "patch"],
        "lets who has it sign certificates in any name",
    ),
];

/// The roles of the API server that hold such grants: those of its `bootstrappolicy` in 1.20, and
/// the migrator of storage versions, which came later. Anybody who may make roles can begin a name
/// with `system:`.
const BUILT_IN: [&str; 8] = [
    "cluster-admin",
    "system:kubelet-api-admin",
    "system:kube-controller-manager",
    "system:controller:certificate-controller",
    "system:controller:generic-garbage-collector",
    "system:controller:namespace-controller",
    "system:controller:resourcequota-controller",
    "system:controller:storage-version-migrator-controller",
];

pub(crate) fn check_role(role: &At, checks: &mut Checks) {
    let name = role.get("metadata").get("name").text().unwrap_or_default();
    if BUILT_IN.contains(&name) {
        checks.not_applicable(
            &KUBELET_GRANT,
            "it is a role that the API server brings along",
        );
        return;
    }
    checks.pass(&KUBELET_GRANT);
    for rule in role.get("rules").items() {
        for (group, resource, verbs, consequence) in GRANTS {
            let has_verb = rule.get("verbs").items().any(|verb| {
                let verb = verb.text().unwrap_or_default();
                verb == "*" || verbs.is_empty() || verbs.contains(&verb)
            });
            let has_group =
                |item: At| matches!(item.text(), Some(text) if text == "*" || text == group);
            if !has_verb || !rule.get("apiGroups").items().any(has_group) {
                continue;
            }
            for item in rule.get("resources").items() {
                if item.text().is_some_and(|text| covers(text, resource)) {
                    let message = format!("{resource} {consequence}");
                    checks.fail(&KUBELET_GRANT, &item, message);
                }
            }
        }
    }
}

/// Whether a resource of a role is, or includes, one with a subresource. RBAC knows `*` and
/// `*/subresource`.
fn covers(text: &str, resource: &str) -> bool {
    let subresource = resource.split_once('/').map(|(_, subresource)| subresource);
    text == "*" || text == resource || text.strip_prefix("*/") == subresource
}
