//! SARIF 2.1.0, which code hosts show beside the lines of a change.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::constraint::Enforcement;
use crate::engine::contract::{Severity, Verdict};
use crate::review::{Answer, FileReview, Offence, Review, ReviewError, RuleResult, category};

/// Writes a review as one SARIF log and a final newline.
pub fn write(review: &Review, writer: &mut impl std::io::Write) -> std::io::Result<()> {
    let rules = rules(review);
    let results = review.files.iter().flat_map(|file| {
        file.results
            .iter()
            .filter_map(|result| match &result.answer {
                Answer::Found(offence) => Some(entry(result, offence, file)),
                Answer::Pass | Answer::NotApplicable(_) => None,
            })
    });
    let errors: Vec<Value> = review.errors().map(notification).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "Stridegate",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.into_values().collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
            "invocations": [{
                "executionSuccessful": errors.is_empty(),
                "toolExecutionNotifications": errors,
            }],
        }],
    });
    serde_json::to_writer_pretty(&mut *writer, &log)?;
    writeln!(writer)
}

/// Every rule that was applied, by its name.
fn rules(review: &Review) -> BTreeMap<String, Value> {
    let mut rules = BTreeMap::new();
    for result in review.results() {
        rules.entry(id(result)).or_insert_with(|| {
            let rule = result.rule();
            let description = &result.constraint.policy.description;
            let threats = description.threats.iter();
            let tags = threats.map(|threat| format!("{}/{}", threat.platform, category(threat.category)));
            let controls = rule.controls.iter().map(|control| format!("{} {}", control.benchmark, control.id));
            json!({
                "id": id(result),
                "shortDescription": {"text": rule.title},
                "fullDescription": {"text": description.title},
                "help": {"text": rule.remediation, "markdown": rule.remediation},
                "properties": {
                    "tags": std::iter::once("security".to_owned()).chain(tags).chain(controls).collect::<Vec<_>>(),
                    "security-severity": score(rule.severity),
                },
            })
        });
    }
    rules
}

fn id(result: &RuleResult) -> String {
    format!("{}/{}", result.constraint.policy.id(), result.rule().id)
}

/// A severity on the scale from 0 to 10 by which code hosts sort.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "0.0",
        Severity::Low => "3.0",
        Severity::Medium => "5.5",
        Severity::High => "8.0",
        Severity::Critical => "9.5",
    }
}

fn entry(result: &RuleResult, offence: &Offence, file: &FileReview) -> Value {
    let level = match (offence.verdict, result.enforcement) {
        (Verdict::Unknown, _) => "none",
        (_, Enforcement::Deny) => "error",
        (_, Enforcement::Warn) => "warning",
        (_, Enforcement::Dryrun) => "note",
    };
    let range = offence.place.shown.range();
    let end = offence.place.text.position(range.end);
    let start = offence.position();
    let suppressions = result.exception.iter().map(|grant| {
        let kind = if grant.name == "inline" {
            "inSource"
        } else {
            "external"
        };
        json!({"kind": kind, "justification": grant.reason})
    });
    json!({
        "ruleId": id(result),
        "kind": if offence.verdict == Verdict::Fail { "fail" } else { "review" },
        "level": level,
        "message": {"text": file.secrets.mask(&offence.message)},
        "locations": [{
            "physicalLocation": {
                "artifactLocation": {"uri": offence.place.text.name},
                "region": {
                    "startLine": start.line,
                    "startColumn": start.column,
                    "endLine": end.line,
                    "endColumn": end.column,
                },
            },
            "logicalLocations": [{"fullyQualifiedName": format!("{}{}", result.identity, offence.path)}],
        }],
        "suppressions": suppressions.collect::<Vec<_>>(),
    })
}

fn notification(error: &ReviewError) -> Value {
    let mut notification = json!({"level": "error", "message": {"text": error.message}});
    if let Some(file) = &error.file {
        let mut place = json!({"artifactLocation": {"uri": file}});
        if let Some(position) = error.position {
            place["region"] = json!({"startLine": position.line, "startColumn": position.column});
        }
        notification["locations"] = json!([{"physicalLocation": place}]);
    }
    notification
}
