//! What differs in meaning from a configuration that was approved. Names are said, values never.

use std::collections::BTreeMap;

use stridegate_policy::prelude::*;
use stridegate_policy::shapes::{self, Node, Span};

use crate::{NOT_APPROVED, Parameters};

/// The lists whose order means nothing.
const SETS: [&str; 6] = [
    "hosts",
    "labels",
    "insecure-registries",
    "allow-nondistributable-artifacts",
    "exec-opts",
    "storage-opts",
];

/// What a shape says of itself, and is no setting.
const NO_SETTINGS: [&str; 8] = [
    "defaults",
    "conflicts",
    "unknownKeys",
    "ignoredKeys",
    "unresolved",
    "source",
    "contexts",
    "environment",
];

pub(crate) fn check_daemon(
    root: &At,
    parameters: &Parameters,
    checks: &mut Checks,
) -> Result<(), Refusal> {
    let (whole, part) = (&parameters.daemon_baseline, &parameters.required_settings);
    if whole.is_empty() && part.is_empty() {
        checks.not_applicable(&NOT_APPROVED, "no approved configuration is given");
        return Ok(());
    }
    checks.pass(&NOT_APPROVED);
    if let Some(variable) = root.get("unresolved").items().next() {
        let message =
            "a variable on the command line may set anything, and its value is not at hand";
        checks.unknown(&NOT_APPROVED, &variable, message);
    }
    if !whole.is_empty() {
        compare(root, &effective("daemonBaseline", whole)?, |_| true, checks);
    }
    let required = effective("requiredSettings", part)?;
    compare(root, &required, |key| part.contains_key(key), checks);
    Ok(())
}

/// An approved daemon.json with every default, as the daemon reads it.
fn effective(parameter: &str, file: &BTreeMap<String, Value>) -> Result<Value, Refusal> {
    let file = Node::from(&json!(file));
    let effective =
        shapes::daemon::effective(&shapes::daemon::flags(&[]), Some(&file), Span::default());
    let problem = |reason: &str| Refusal::Parameters(format!("/{parameter}: {reason}"));
    let effective = effective.map_err(|problems| {
        let reasons: Vec<String> = problems
            .into_iter()
            .map(|problem| problem.message)
            .collect();
        problem(&reasons.join("; "))
    })?;
    let unknown = effective.get("unknownKeys").map_or(&[][..], Node::items);
    match unknown.first().and_then(Node::as_str) {
        Some(key) => Err(problem(&format!("dockerd knows no key {key}"))),
        None => Ok(json!(effective)),
    }
}

pub(crate) fn check_client(
    root: &At,
    parameters: &Parameters,
    checks: &mut Checks,
) -> Result<(), Refusal> {
    if parameters.client_baseline.is_empty() || root.get("source").text() != Some("config.json") {
        checks.not_applicable(&NOT_APPROVED, "no approved configuration is given for it");
        return Ok(());
    }
    checks.pass(&NOT_APPROVED);
    let file = Node::from(&json!(parameters.client_baseline));
    let approved = shapes::client::from_config(&file, Span::default()).map_err(|mismatch| {
        Refusal::Parameters(format!("/clientBaseline: {}", mismatch.message))
    })?;
    compare(root, &json!(approved), |_| true, checks);
    Ok(())
}

fn compare(root: &At, approved: &Value, concerns: impl Fn(&str) -> bool, checks: &mut Checks) {
    let approved = At::root(approved);
    for (key, approved) in approved.members() {
        if concerns(key) && !NO_SETTINGS.contains(&key) {
            differences(key, &root.get(key), &approved, checks);
        }
    }
}

/// Finds where a value means something else than what was approved, as deep as both are maps.
fn differences(name: &str, found: &At, approved: &At, checks: &mut Checks) {
    let is_map = |at: &At| at.value().is_some_and(Value::is_object);
    let is_list = |at: &At| at.value().is_some_and(Value::is_array);
    if name.starts_with("auths.") {
        login(name, found, approved, checks);
    } else if is_empty(found) && is_empty(approved) {
        // An empty value is as good as none.
    } else if is_map(found) && (is_map(approved) || is_empty(approved)) {
        for (key, member) in found.members() {
            let name = format!("{name}.{key}");
            differences(&name, &member, &approved.get(key), checks);
        }
        for (key, member) in approved.members() {
            if !found.get(key).exists() {
                let name = format!("{name}.{key}");
                differences(&name, &found.get(key), &member, checks);
            }
        }
    } else if is_list(found) && SETS.contains(&name) {
        let is_in = |item: &At, all: &At| all.items().any(|other| other.value() == item.value());
        for item in found.items().filter(|item| !is_in(item, approved)) {
            let message = format!("{name} holds an item that was not approved");
            checks.fail(&NOT_APPROVED, &item, message);
        }
        if approved.items().any(|item| !is_in(&item, found)) {
            let message = format!("{name} lacks an item that was approved");
            checks.fail(&NOT_APPROVED, found, message);
        }
    } else if found.value() != approved.value() && !are_same_word(name, found, approved) {
        let message = if is_empty(approved) {
            format!("{name} is set, and approved is that it is not")
        } else if is_empty(found) {
            format!("{name} is not set, and approved is that it is")
        } else {
            format!("{name} differs from what was approved")
        };
        let finding = checks.fail(&NOT_APPROVED, found, message);
        let mut secrets = ["HttpHeaders", "proxies", "log-opts"].iter();
        if secrets.any(|secret| name.starts_with(secret)) {
            finding.sensitive();
        }
    }
}

/// Of logins only the registries are compared, for what is in one changes with each login. An
/// empty one counts, too: a helper keeps what belongs in it.
fn login(name: &str, found: &At, approved: &At, checks: &mut Checks) {
    if found.exists() && !approved.exists() {
        let message = format!("{name} is a login that was not approved");
        checks
            .fail(&NOT_APPROVED, &found.get("auth"), message)
            .sensitive();
    } else if approved.exists() && !found.exists() {
        let message = format!("{name} was approved, and there is no such login");
        checks.fail(&NOT_APPROVED, found, message);
    }
}

/// Whether a value means the same as none.
fn is_empty(at: &At) -> bool {
    match at.value() {
        None => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(members)) => members.is_empty(),
        Some(_) => false,
    }
}

/// The daemon reads the level without regard to case.
fn are_same_word(name: &str, found: &At, approved: &At) -> bool {
    let words = found.text().zip(approved.text());
    name == "log-level"
        && words.is_some_and(|(found, approved)| found.eq_ignore_ascii_case(approved))
}
