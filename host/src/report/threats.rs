//! Where the threats of the model stand: as a STRIDE matrix with what is open in it for people, and
//! in JSON for programs.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use super::{count, line};
use crate::review::{
    Answer, CATEGORIES, Counts, FileReview, PLATFORMS, RuleResult, category, severity,
};
use crate::threat::{Gaps, Model, Standing, Status};

/// The version of the JSON.
const VERSION: u32 = 1;

/// The matrix, the threats of each of its cells, and what the model leaves open.
#[must_use]
pub fn render(standings: &[Standing], gaps: &Gaps, reviewed: bool) -> String {
    let mut text = String::new();
    let [first, second] = PLATFORMS;
    let _ = writeln!(text, "{:<24}{first:<34}{second}", "");
    for item in CATEGORIES {
        let cells = PLATFORMS.map(|platform| cell(standings, platform, category(item)));
        let name = category(item).replace('-', " ");
        let row = format!("{name:<24}{:<34}{}", cells[0], cells[1]);
        let _ = writeln!(text, "{}", row.trim_end());
    }
    text.push('\n');
    for standing in standings {
        if reviewed {
            told(standing, &mut text);
        } else {
            named(standing, &mut text);
        }
    }
    for id in &gaps.unanswered {
        let _ = writeln!(
            text,
            "gap: no loaded policy answers the threat {}",
            line(id)
        );
    }
    for id in &gaps.idle {
        let _ = writeln!(
            text,
            "gap: the policy {} answers no threat of the model",
            line(id)
        );
    }
    text
}

/// How many threats of a cell stand where, the worst first.
fn cell(standings: &[Standing], platform: &str, of: &str) -> String {
    let mut statuses: BTreeMap<Status, usize> = BTreeMap::new();
    for standing in of_cell(standings, platform, of) {
        *statuses.entry(standing.status).or_default() += 1;
    }
    let statuses = statuses.iter().rev();
    let parts: Vec<String> = statuses
        .map(|(status, number)| format!("{number} {}", status.name()))
        .collect();
    parts.join(", ")
}

fn of_cell<'a, 'b>(
    standings: &'b [Standing<'a>],
    platform: &'b str,
    of: &'b str,
) -> impl Iterator<Item = &'b Standing<'a>> {
    standings.iter().filter(move |standing| {
        standing.threat.platform == platform && category(standing.threat.category) == of
    })
}

/// A threat and the policies that answer it.
fn named(standing: &Standing, text: &mut String) {
    let threat = standing.threat;
    let _ = writeln!(text, "{}", heading(standing));
    let policies: Vec<&str> = threat
        .answers
        .iter()
        .map(|answer| answer.policy.as_str())
        .collect();
    let answered = if policies.is_empty() {
        "nothing".to_owned()
    } else {
        policies.join(", ")
    };
    let _ = writeln!(text, "  answered by {}", line(&answered));
}

fn heading(standing: &Standing) -> String {
    let threat = standing.threat;
    let of = category(threat.category).replace('-', " ");
    let title = line(&threat.title);
    format!("{} ({}, {of}): {title}", line(&threat.id), threat.platform)
}

/// A threat, where it stands and why.
fn told(standing: &Standing, text: &mut String) {
    let _ = writeln!(text, "{}", heading(standing));
    let _ = writeln!(text, "  {}", summary(standing));
    if let Some((file, result)) = standing.worst
        && let Answer::Found(offence) = &result.answer
    {
        let position = offence.position();
        let _ = writeln!(
            text,
            "  worst: {}/{} ({}) {}:{}:{}: {}",
            result.constraint.policy.id(),
            result.rule().id,
            severity(offence.severity),
            line(&offence.place.text.name),
            position.line,
            position.column,
            line(&file.secrets.mask(&offence.message)),
        );
    }
}

/// Where a threat stands, in one line.
#[must_use]
pub fn summary(standing: &Standing) -> String {
    let mut parts = Vec::new();
    if standing.fail > 0 {
        parts.push(count(standing.fail, "finding"));
    }
    for (number, what) in [
        (standing.unknown, "unknown"),
        (standing.excepted, "excepted"),
        (standing.pass, "passed"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    if standing.errors > 0 {
        parts.push(count(standing.errors, "error"));
    }
    let looked_at = !matches!(standing.status, Status::NotLookedAt | Status::Unanswered);
    if looked_at && !standing.idle.is_empty() {
        parts.push(format!("not looked at: {}", standing.idle.join(", ")));
    }
    if parts.is_empty() {
        standing.status.name().into()
    } else {
        format!("{}: {}", standing.status.name(), line(&parts.join(", ")))
    }
}

/// The same for programs. `counts` are those of the review, if there was one.
#[must_use]
pub fn json(model: &Model, standings: &[Standing], gaps: &Gaps, counts: Option<Counts>) -> Value {
    let matrix: BTreeMap<&str, BTreeMap<&str, Option<&str>>> = PLATFORMS
        .into_iter()
        .map(|platform| {
            let cells = CATEGORIES.into_iter().map(|item| {
                let statuses = of_cell(standings, platform, category(item));
                let worst = statuses.map(|standing| standing.status).max();
                (category(item), worst.map(Status::name))
            });
            (platform, cells.collect())
        })
        .collect();
    json!({
        "version": VERSION,
        "model": model.name,
        "matrix": matrix,
        "threats": standings.iter().map(entry).collect::<Vec<_>>(),
        "gaps": {"unanswered": gaps.unanswered, "idle": gaps.idle},
        "errors": counts.map(|counts| counts.errors),
    })
}

fn entry(standing: &Standing) -> Value {
    let threat = standing.threat;
    let policies = threat.answers.iter().map(|answer| match &answer.rule {
        Some(rule) => format!("{}/{rule}", answer.policy),
        None => answer.policy.clone(),
    });
    json!({
        "id": threat.id,
        "title": threat.title,
        "platform": threat.platform,
        "category": category(threat.category),
        "policies": policies.collect::<Vec<_>>(),
        "status": standing.status.name(),
        "fail": standing.fail,
        "unknown": standing.unknown,
        "excepted": standing.excepted,
        "pass": standing.pass,
        "errors": standing.errors,
        "notLookedAt": standing.idle,
        "worst": standing.worst.and_then(|(file, result)| worst(file, result)),
    })
}

fn worst(file: &FileReview, result: &RuleResult) -> Option<Value> {
    let Answer::Found(offence) = &result.answer else {
        return None;
    };
    let position = offence.position();
    Some(json!({
        "policy": result.constraint.policy.id(),
        "rule": result.rule().id,
        "severity": severity(offence.severity),
        "object": &*result.identity,
        "file": offence.place.text.name,
        "line": position.line,
        "column": position.column,
        "message": file.secrets.mask(&offence.message),
    }))
}
