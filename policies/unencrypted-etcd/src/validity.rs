//! What the API server refuses.

use std::collections::BTreeSet;

use stridegate_policy::prelude::*;
use stridegate_policy::shapes::encryption;

use crate::{OF_PROVIDERS, PROVIDERS, key, provider, resource};

pub(crate) const INVALID: Rule = Rule {
    id: "invalid-configuration",
    title: "The API server accepts the configuration",
    severity: Severity::Medium,
    controls: OF_PROVIDERS,
    remediation: "Correct it: with this file the API server does not start, or keeps the configuration that it has.",
};

pub(crate) fn check(root: &At, checks: &mut Checks) {
    let all = root.get("resources");
    if all.items().next().is_none() {
        let message = "no resources are listed, which the API server refuses";
        checks.fail(&INVALID, &all, message);
    }
    let mut kms_names = BTreeSet::new();
    for list in all.items() {
        check_resources(&list, checks);
        let providers = list.get("providers");
        if providers.items().next().is_none() {
            checks.fail(&INVALID, &providers, "a list without providers is refused");
        }
        for item in providers.items() {
            check_provider(&item, &mut kms_names, checks);
        }
    }
}

fn check_provider<'a>(item: &At<'a>, kms_names: &mut BTreeSet<&'a str>, checks: &mut Checks) {
    let Some((name, at)) = provider(item) else {
        let known = PROVIDERS.join(", ");
        let message = format!("this is no provider that the API server knows: {known}");
        checks.fail(&INVALID, item, message);
        return;
    };
    let several = PROVIDERS.iter().filter(|name| item.get(name).exists());
    if several.count() > 1 {
        let message = "one item holds several providers, which is refused; split it";
        checks.fail(&INVALID, item, message);
    }
    if name == "kms" {
        check_kms(&at, kms_names, checks);
    } else if encryption::LOCAL_PROVIDERS.contains(&name) {
        key::check(name, &at, checks);
    }
}

fn check_resources(list: &At, checks: &mut Checks) {
    let resources = list.get("resources");
    let mut earlier: Vec<&str> = Vec::new();
    for entry in resources.items() {
        let name = entry.text().unwrap_or_default();
        if let Some(wrong) = fault(name, &earlier) {
            checks.fail(&INVALID, &entry, wrong);
        }
        earlier.push(name);
    }
    if earlier.is_empty() {
        let message = "a list that names no resources is refused";
        checks.fail(&INVALID, &resources, message);
    }
}

/// Why a name of a resource is refused behind others of its list.
fn fault(name: &str, earlier: &[&str]) -> Option<&'static str> {
    let (of, group) = resource(name);
    if name == "*" {
        Some("* alone is refused: write *. for the core group, *.* for everything")
    } else if name.is_empty() || name.to_lowercase() != name {
        Some("the name of a resource is a text in small letters")
    } else if group == "*" && of != "*" {
        Some("one resource of all groups is refused")
    } else if group == "events.k8s.io" {
        Some("events are stored in the core group: write events")
    } else if group == "extensions" {
        Some("the group extensions is gone, and refused")
    } else if earlier.iter().any(|other| overlap(name, other)) {
        Some("it overlaps with another of the same list, which is refused")
    } else {
        None
    }
}

fn overlap(name: &str, other: &str) -> bool {
    let ((one, group), (two, other_group)) = (resource(name), resource(other));
    let same_group = group == other_group && (one == "*" || two == "*");
    name == other || name == "*.*" || other == "*.*" || same_group
}

fn check_kms<'a>(kms: &At<'a>, names: &mut BTreeSet<&'a str>, checks: &mut Checks) {
    let version = kms.get("apiVersion");
    let is_new = match version.text().unwrap_or("v1") {
        "v1" => false,
        "v2" => true,
        _ => {
            checks.fail(&INVALID, &version, "the versions of kms are v1 and v2");
            return;
        }
    };
    let name = kms.get("name");
    let wrong = match name.text().filter(|name| !name.is_empty()) {
        None => Some("a kms without a name is refused"),
        Some(text) if is_new && text.contains(':') => Some("the name of a kms v2 holds no colon"),
        Some(text) if !names.insert(text) && is_new => {
            Some("another kms has this name, which is refused")
        }
        Some(_) => None,
    };
    if let Some(wrong) = wrong {
        checks.fail(&INVALID, &name, wrong);
    }
    let endpoint = kms.get("endpoint");
    let socket = endpoint.text().unwrap_or_default();
    if !socket.starts_with("unix://") {
        let message = "the endpoint of a kms is a socket: unix:///…";
        checks.fail(&INVALID, &endpoint, message);
    }
    let cache = kms.get("cachesize");
    if is_new && cache.exists() {
        checks.fail(&INVALID, &cache, "kms v2 has no cachesize");
    }
}
