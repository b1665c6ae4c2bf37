//! What another version of a policy changes: what it says of itself, and what it says of objects.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::engine::contract::{Description, Rule, Verdict};
use crate::object::Identity;
use crate::review::{Answer, Review, severity};

/// What a newer version says of itself that the older did not, one change a line.
#[must_use]
pub fn descriptions(old: &Description, new: &Description) -> Vec<String> {
    let mut changes = Vec::new();
    if old.id != new.id {
        changes.push(format!("the policy {} becomes {}", old.id, new.id));
    }
    let rules = |description: &Description| -> BTreeMap<String, Rule> {
        let rules = description.rules.iter();
        rules.map(|rule| (rule.id.clone(), rule.clone())).collect()
    };
    let (before, after) = (rules(old), rules(new));
    for (id, rule) in &after {
        match before.get(id) {
            None => changes.push(format!(
                "rule {id} is new ({}): {}",
                severity(rule.severity),
                rule.title
            )),
            Some(former) => {
                if former.severity != rule.severity {
                    changes.push(format!(
                        "rule {id} is {} instead of {}",
                        severity(rule.severity),
                        severity(former.severity)
                    ));
                }
                if former.title != rule.title {
                    changes.push(format!("rule {id} asks: {}", rule.title));
                }
            }
        }
    }
    for id in before.keys().filter(|id| !after.contains_key(*id)) {
        changes.push(format!("rule {id} is gone"));
    }
    sets(&mut changes, "judges", &kinds(old), &kinds(new));
    let context = |description: &Description| description.context.iter().cloned().collect();
    sets(
        &mut changes,
        "uses the context",
        &context(old),
        &context(new),
    );
    parameters(&mut changes, &old.parameters, &new.parameters);
    changes
}

fn kinds(description: &Description) -> BTreeSet<String> {
    let kinds = description.kinds.iter();
    kinds
        .map(|kind| {
            stridegate_shapes::Kind::new(kind.group.as_str(), kind.name.as_str()).to_string()
        })
        .collect()
}

fn sets(changes: &mut Vec<String>, verb: &str, old: &BTreeSet<String>, new: &BTreeSet<String>) {
    for added in new.difference(old) {
        changes.push(format!("{verb} {added}"));
    }
    for removed in old.difference(new) {
        changes.push(format!("{verb} {removed} no more"));
    }
}

fn parameters(changes: &mut Vec<String>, old: &str, new: &str) {
    let properties = |schema: &str| -> BTreeMap<String, Value> {
        let schema: Value = serde_json::from_str(schema).unwrap_or_default();
        let properties = schema.get("properties").and_then(Value::as_object);
        let properties = properties.into_iter().flatten();
        properties
            .map(|(name, property)| (name.clone(), property.clone()))
            .collect()
    };
    let (before, after) = (properties(old), properties(new));
    for (name, property) in &after {
        let Some(former) = before.get(name) else {
            changes.push(format!("parameter {name} is new"));
            continue;
        };
        let default = |property: &Value| property.get("default").cloned().unwrap_or_default();
        if default(former) != default(property) {
            changes.push(format!(
                "parameter {name} has the default {} instead of {}",
                default(property),
                default(former)
            ));
        }
        if former.get("type") != property.get("type") {
            changes.push(format!("parameter {name} has another type"));
        }
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        changes.push(format!("parameter {name} is gone"));
    }
}

/// What a review with a newer version finds that one with the older did not, and the other way
/// round, one verdict a line. Both are of the same inputs.
#[must_use]
pub fn verdicts(old: &Review, new: &Review) -> Vec<String> {
    let (before, after) = (answers(old), answers(new));
    let mut changes = Vec::new();
    for (place, verdict) in &after {
        match before.get(place) {
            Some(former) if former == verdict => {}
            Some(former) => changes.push(format!("{place}: {verdict} instead of {former}")),
            None => changes.push(format!("{place}: {verdict}")),
        }
    }
    for (place, former) in &before {
        if !after.contains_key(place) {
            changes.push(format!("{place}: {former} no more"));
        }
    }
    changes
}

/// Each offender with its verdict.
fn answers(review: &Review) -> BTreeMap<String, &'static str> {
    let mut answers = BTreeMap::new();
    for file in &review.files {
        for result in &file.results {
            let Answer::Found(offence) = &result.answer else {
                continue;
            };
            let policy = &result.constraint.policy.description;
            let rule = &policy.rules[result.rule].id;
            let place = format!(
                "{}:{} {}/{rule} {}{}",
                file.name,
                offence
                    .place
                    .text
                    .position(offence.place.shown.range().start)
                    .line,
                policy.id,
                name(&result.identity),
                offence.path,
            );
            let verdict = match offence.verdict {
                Verdict::Fail => "fails",
                Verdict::Unknown => "is unknown",
            };
            answers.insert(place, verdict);
        }
        for error in &file.errors {
            answers.insert(format!("{}: {}", file.name, error.message), "is an error");
        }
    }
    answers
}

fn name(identity: &Identity) -> String {
    if identity.namespace.is_empty() {
        format!("{} {}", identity.kind, identity.name)
    } else {
        format!("{} {}/{}", identity.kind, identity.namespace, identity.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::contract::{Kind, Severity};

    fn rule(id: &str, severity: Severity) -> Rule {
        Rule {
            id: id.into(),
            title: "t".into(),
            severity,
            controls: Vec::new(),
            remediation: String::new(),
        }
    }

    fn description(rules: Vec<Rule>, parameters: &str) -> Description {
        Description {
            id: "a".into(),
            version: "1.0.0".into(),
            title: String::new(),
            documentation: String::new(),
            threats: Vec::new(),
            kinds: vec![Kind {
                group: String::new(),
                name: "Pod".into(),
            }],
            context: Vec::new(),
            rules,
            parameters: parameters.into(),
        }
    }

    #[test]
    fn each_change_is_a_line() {
        let old = description(
            vec![rule("a", Severity::Low), rule("b", Severity::Low)],
            r#"{"properties": {"x": {"default": 1}, "y": {}}}"#,
        );
        let mut new = description(
            vec![rule("a", Severity::High), rule("c", Severity::Info)],
            r#"{"properties": {"x": {"default": 2}, "z": {}}}"#,
        );
        new.kinds.clear();
        assert_eq!(
            descriptions(&old, &new),
            [
                "rule a is high instead of low",
                "rule c is new (info): t",
                "rule b is gone",
                "judges Pod no more",
                "parameter x has the default 2 instead of 1",
                "parameter z is new",
                "parameter y is gone",
            ]
        );
        assert_eq!(descriptions(&old, &old), Vec::<String>::new());
    }
}
