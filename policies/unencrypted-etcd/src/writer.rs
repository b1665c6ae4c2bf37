//! What writes each resource that has to be encrypted.

use stridegate_policy::prelude::*;

use crate::{OF_PROVIDERS, PLAINTEXT, Parameters, provider, resource};

pub(crate) const WEAK_PROVIDER: Rule = Rule {
    id: "weak-provider",
    title: "What writes is a provider that is accepted",
    severity: Severity::Low,
    controls: OF_PROVIDERS,
    remediation: "Put kms with apiVersion: v2, secretbox or aescbc first. aesgcm needs a new key before every 200000th write, and kms v1 is off by default since Kubernetes 1.29.",
};

pub(crate) const PLAINTEXT_READS: Rule = Rule {
    id: "plaintext-reads",
    title: "What lies in etcd as plain text is no longer accepted",
    severity: Severity::Low,
    controls: &[],
    remediation: "Once every object was written again, remove identity from the list.",
};

/// The provider that writes each resource that has to be encrypted: the first of the first list.
pub(crate) fn check(root: &At, parameters: &Parameters, checks: &mut Checks) {
    let all = root.get("resources");
    let lists: Vec<At> = all.items().collect();
    let mut of_list: Vec<Vec<&str>> = vec![Vec::new(); lists.len()];
    for wanted in &parameters.resources {
        let first = lists.iter().position(|list| names(list, wanted));
        if let Some(resources) = first.and_then(|first| of_list.get_mut(first)) {
            resources.push(wanted);
        } else {
            let message = format!("{wanted} are stored as plain text: no list names them");
            checks.fail(&PLAINTEXT, &all, message);
        }
    }
    for (list, resources) in lists.iter().zip(of_list) {
        if !resources.is_empty() {
            check_writer(list, &resources.join(" and "), parameters, checks);
        }
    }
}

/// Whether a list names a resource, by itself or through a wildcard.
fn names(list: &At, wanted: &str) -> bool {
    let (wanted, group) = resource(wanted);
    list.get("resources").items().any(|entry| {
        let (of, in_group) = resource(entry.text().unwrap_or_default());
        let is_all = of == "*" && in_group == "*";
        is_all || (in_group == group && (of == "*" || of == wanted))
    })
}

/// A provider of a list: its name, which is empty if nobody knows it, and what is set for it.
type Provider<'a> = (&'static str, At<'a>);

fn check_writer(list: &At, resources: &str, parameters: &Parameters, checks: &mut Checks) {
    let items = list.get("providers").items();
    let providers: Vec<Provider> = items
        .map(|item| provider(&item).unwrap_or(("", item)))
        .collect();
    let Some(((name, writer), readers)) = providers.split_first() else {
        return;
    };
    if *name == "identity" {
        report_plaintext(writer, readers, resources, checks);
        return;
    }
    check_strength(name, writer, resources, parameters, checks);
    let identity = readers.iter().find(|(name, _)| *name == "identity");
    if let Some((_, identity)) = identity.filter(|_| !parameters.allow_plaintext_reads) {
        let message = format!("{resources} that lie in etcd as plain text are accepted");
        let item = identity.path().trim_end_matches("/identity");
        let patch = json!([{"op": "remove", "path": item}]);
        checks
            .fail(&PLAINTEXT_READS, identity, message)
            .fix("Remove identity", false, &patch);
    }
}

fn report_plaintext(identity: &At, others: &[Provider], resources: &str, checks: &mut Checks) {
    let mut others = others.iter().map(|(name, _)| *name);
    let Some(other) = others.find(|name| !["", "identity"].contains(name)) else {
        let message = format!("{resources} are stored as plain text: identity encrypts nothing");
        checks.fail(&PLAINTEXT, identity, message);
        return;
    };
    let message = format!(
        "{resources} are stored as plain text: identity comes before {other}, and the first provider writes"
    );
    let from = identity.path().trim_end_matches("/identity");
    let list = from.trim_end_matches(|digit: char| digit.is_ascii_digit());
    let patch = json!([{"op": "move", "from": from, "path": format!("{list}-")}]);
    checks
        .fail(&PLAINTEXT, identity, message)
        .fix("Move identity to the end", false, &patch);
}

fn check_strength(
    name: &str,
    writer: &At,
    resources: &str,
    parameters: &Parameters,
    checks: &mut Checks,
) {
    let version = writer.get("apiVersion");
    let is_old = name == "kms" && version.text().unwrap_or("v1") == "v1";
    let spelled = if is_old { "kms-v1" } else { name };
    let accepted = &parameters.accepted_providers;
    if name.is_empty() || accepted.iter().any(|accepted| accepted == spelled) {
        return;
    }
    let message = format!(
        "{resources} are written by {spelled}, which is not among the accepted: {}",
        accepted.join(", ")
    );
    let at = if is_old { &version } else { writer };
    checks.fail(&WEAK_PROVIDER, at, message);
}
