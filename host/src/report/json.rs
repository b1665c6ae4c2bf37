//! The JSON report, a public interface: keys are added and never change.

use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};
use serde_json::{Value, json};

use crate::constraint::Enforcement;
use crate::engine::contract::Verdict;
use crate::object::Identity;
use crate::review::{
    Answer, ExceptionReport, FileReview, Review, ReviewError, RuleResult, category, severity,
};

/// The version of the report.
const VERSION: u32 = 1;

/// Writes a review as one JSON object and a final newline.
pub fn write(review: &Review, writer: &mut impl std::io::Write) -> std::io::Result<()> {
    serde_json::to_writer_pretty(
        &mut *writer,
        &Report {
            version: VERSION,
            decision: review.decision().name(),
            results: Results(review),
            errors: Errors(review),
            exceptions: review.exceptions().map(exception).collect(),
            skipped: review.files.iter().filter_map(skipped).collect(),
            summary: Summary::of(review),
        },
    )?;
    writeln!(writer)
}

#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    decision: &'static str,
    results: Results<'a>,
    errors: Errors<'a>,
    exceptions: Vec<Value>,
    skipped: Vec<Value>,
    summary: Summary,
}

struct Results<'a>(&'a Review);

impl Serialize for Results<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for file in &self.0.files {
            for result in &file.results {
                list.serialize_element(&Entry::new(result, file))?;
            }
        }
        list.end()
    }
}

struct Errors<'a>(&'a Review);

impl Serialize for Errors<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.errors().map(error))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    policy: &'a str,
    policy_version: &'a str,
    rule: &'a str,
    title: &'a str,
    outcome: &'static str,
    severity: &'static str,
    constraint: Option<&'a str>,
    enforcement: Enforcement,
    existing: bool,
    exception: Option<&'a str>,
    object: &'a Identity,
    file: &'a str,
    message: String,
    path: &'a str,
    line: usize,
    column: usize,
    threats: Vec<Value>,
    controls: Vec<Value>,
    fixes: Vec<Value>,
}

impl<'a> Entry<'a> {
    fn new(result: &'a RuleResult, file: &'a FileReview) -> Self {
        let description = &result.constraint.policy.description;
        let rule = result.rule();
        let mut entry = Self {
            policy: &description.id,
            policy_version: &description.version,
            rule: &rule.id,
            title: &rule.title,
            outcome: "pass",
            severity: severity(rule.severity),
            constraint: result.constraint.name.as_deref(),
            enforcement: result.enforcement,
            existing: result.existing,
            exception: result.exception.as_ref().map(|grant| grant.name.as_str()),
            object: &result.identity,
            file: &file.name,
            message: String::new(),
            path: "",
            line: result.position.line,
            column: result.position.column,
            threats: description
                .threats
                .iter()
                .map(|threat| json!({"platform": threat.platform, "category": category(threat.category)}))
                .collect(),
            controls: rule
                .controls
                .iter()
                .map(|control| json!({"benchmark": control.benchmark, "id": control.id}))
                .collect(),
            fixes: Vec::new(),
        };
        match &result.answer {
            Answer::Pass => {}
            Answer::NotApplicable(why) => {
                entry.outcome = "not-applicable";
                entry.message = file.secrets.mask(why).into_owned();
            }
            Answer::Found(offence) => {
                let position = offence.position();
                entry.outcome = if offence.verdict == Verdict::Fail {
                    "fail"
                } else {
                    "unknown"
                };
                entry.severity = severity(offence.severity);
                entry.message = file.secrets.mask(&offence.message).into_owned();
                entry.file = &offence.place.text.name;
                entry.path = &offence.path;
                entry.line = position.line;
                entry.column = position.column;
                entry.fixes = offence
                    .fixes
                    .iter()
                    .map(|fix| json!({"title": fix.title, "safe": fix.safe, "patch": masked(&fix.patch, file)}))
                    .collect();
            }
        }
        entry
    }
}

/// A value without the secrets of its file.
fn masked(value: &Value, file: &FileReview) -> Value {
    match value {
        Value::String(text) => file.secrets.mask(text).into(),
        Value::Array(items) => items.iter().map(|item| masked(item, file)).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| (key.clone(), masked(value, file)))
            .collect(),
        other => other.clone(),
    }
}

fn skipped(file: &FileReview) -> Option<Value> {
    Some(json!({"file": file.name, "reason": file.skipped.as_ref()?}))
}

fn exception(exception: &ExceptionReport) -> Value {
    json!({
        "name": exception.name.as_deref().unwrap_or("inline"),
        "policy": exception.policy,
        "rules": exception.rules,
        "reason": exception.reason,
        "expires": exception.expires.to_string(),
        "status": exception.status.name(),
        "hidden": exception.hidden,
        "file": exception.file,
        "line": exception.position.line,
        "column": exception.position.column,
    })
}

fn error(error: &ReviewError) -> Value {
    json!({
        "file": error.file,
        "line": error.position.map(|position| position.line),
        "column": error.position.map(|position| position.column),
        "policy": error.policy,
        "constraint": error.constraint,
        "object": error.object,
        "kind": error.kind.name(),
        "message": error.message,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    files: usize,
    skipped_files: usize,
    objects: usize,
    checks: usize,
    pass: usize,
    not_applicable: usize,
    fail: usize,
    unknown: usize,
    errors: usize,
    excepted: usize,
}

impl Summary {
    fn of(review: &Review) -> Self {
        let counts = review.counts();
        Self {
            files: counts.files,
            skipped_files: counts.skipped,
            objects: counts.objects,
            checks: counts.checks,
            pass: counts.pass,
            not_applicable: counts.not_applicable,
            fail: counts.fail,
            unknown: counts.unknown,
            errors: counts.errors,
            excepted: counts.excepted,
        }
    }
}
