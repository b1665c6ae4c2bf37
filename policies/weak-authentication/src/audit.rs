//! What an audit policy leaves out.

use stridegate_policy::prelude::*;

pub(crate) const AUDIT_GAP: Rule = Rule {
    id: "audit-gap",
    title: "The audit log holds what is done to Secrets, roles and nodes",
    severity: Severity::High,
    controls: &[("cis-kubernetes-1.12", "3.2.2")],
    remediation: "Log them at level Metadata before any rule of level None that fits them, or let that rule name the components that it is about.",
};

/// What the audit log has to hold.
struct Watched {
    group: &'static str,
    /// None: every resource of the group.
    resource: Option<&'static str>,
    what: &'static str,
    verbs: &'static [&'static str],
}

const CHANGES: [&str; 5] = ["create", "update", "patch", "delete", "deletecollection"];

const WATCHED: [Watched; 3] = [
    Watched {
        group: "",
        resource: Some("secrets"),
        what: "Secrets",
        verbs: &[
            "get",
            "list",
            "watch",
            "create",
            "update",
            "patch",
            "delete",
            "deletecollection",
        ],
    },
    Watched {
        group: "rbac.authorization.k8s.io",
        resource: None,
        what: "roles and bindings",
        verbs: &CHANGES,
    },
    Watched {
        group: "",
        resource: Some("nodes"),
        what: "nodes",
        verbs: &CHANGES,
    },
];

pub(crate) fn check(policy: &At, checks: &mut Checks) {
    checks.pass(&AUDIT_GAP);
    let rules = policy.get("rules");
    for watched in &WATCHED {
        // What no rule before has logged or left out.
        let mut left: Vec<&str> = watched.verbs.to_vec();
        for rule in rules.items() {
            let fitting: Vec<&str> = left
                .iter()
                .copied()
                .filter(|verb| names(&rule.get("verbs"), verb))
                .collect();
            if fitting.is_empty() || !watched.is_meant(&rule) {
                continue;
            }
            let level = rule.get("level");
            if level.text() == Some("None") && !is_about_components(&rule) {
                let message = format!(
                    "the audit log leaves out what is done to {}: {}",
                    watched.what,
                    fitting.join(", ")
                );
                checks.fail(&AUDIT_GAP, &level, message);
            }
            if !is_narrow(&rule) {
                left.retain(|verb| !fitting.contains(verb));
            }
        }
        if !left.is_empty() {
            let message = format!(
                "no rule logs what is done to {}: {}",
                watched.what,
                left.join(", ")
            );
            checks.fail(&AUDIT_GAP, &rules, message);
        }
    }
}

impl Watched {
    /// Whether a rule is about such objects.
    fn is_meant(&self, rule: &At) -> bool {
        let mut resources = rule.get("resources").items().peekable();
        if resources.peek().is_none() {
            return rule.get("nonResourceURLs").items().next().is_none();
        }
        resources.any(|resource| {
            resource.get("group").text().unwrap_or_default() == self.group
                && self
                    .resource
                    .is_none_or(|name| names(&resource.get("resources"), name))
        })
    }
}

/// Whether a list names a word; an empty one and one with a star name all.
fn names(list: &At, word: &str) -> bool {
    let mut items = list.items().peekable();
    items.peek().is_none()
        || items.any(|item| matches!(item.text(), Some(text) if text == word || text == "*"))
}

/// Whether a rule is about some of the requests only, so that later rules see the others.
fn is_narrow(rule: &At) -> bool {
    let has = |at: &At, key| at.get(key).items().next().is_some();
    let keys = ["users", "userGroups", "namespaces"];
    let mut resources = rule.get("resources").items();
    keys.iter().any(|key| has(rule, key))
        || resources.any(|resource| has(&resource, "resourceNames"))
}

/// Whether a rule is about the cluster's own components, whose doings are many and expected.
fn is_about_components(rule: &At) -> bool {
    const PEOPLE: [&str; 5] = [
        "system:anonymous",
        "system:authenticated",
        "system:masters",
        "system:serviceaccounts",
        "system:unauthenticated",
    ];
    let is_component = |name: &str| {
        name.strip_prefix("system:").is_some_and(|rest| {
            rest.strip_prefix("serviceaccount:")
                .is_none_or(|account| account.starts_with("kube-system:"))
                && !rest.starts_with("serviceaccounts:")
        }) && !PEOPLE.contains(&name)
    };
    let users = ["users", "userGroups"];
    let mut named = users
        .iter()
        .flat_map(|key| rule.get(key).items())
        .peekable();
    named.peek().is_some() && named.all(|name| name.text().is_some_and(is_component))
}
