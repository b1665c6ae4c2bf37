//! Says which past decisions another set would change.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::{CheckRecord, Record, Ruling, Set};
use crate::constraint::Today;
use crate::engine::Engine;
use crate::object::{Identity, Kind, Object, Text, Written};
use crate::review::Court;
use crate::source::{Images, Reading, json, labels};

/// What a set makes of a past decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// It decides the same.
    Same,
    /// It decides otherwise: `allow` or `deny`, and why.
    Other(&'static str, Option<String>),
    /// That cannot be told from the log, and why.
    Untold(&'static str),
}

/// Replays a decision with a set.
///
/// The log has the objects without their secrets, and nothing of what was known of their images,
/// so that a decision that rests on either cannot be told.
#[must_use]
pub fn replay(record: &Record, set: &Set, engine: &Engine) -> Replayed {
    // What was decided without a policy is decided so by every set.
    if record.objects.is_empty() {
        return Replayed::Same;
    }
    let mut objects = Vec::new();
    for object in &record.objects {
        let Some(document) = &object.document else {
            return Replayed::Untold(
                "its log has no document, because no policy looked for secrets in it",
            );
        };
        let text = Arc::new(Text::new("log", document.get()));
        let Ok(document) = json::read(&text.content) else {
            return Replayed::Untold("its document cannot be read");
        };
        let of_kubernetes = document.at("/metadata/labels");
        let of_kubernetes = of_kubernetes.map(|found| found.node.clone());
        let labels = of_kubernetes.or_else(|| labels(&document));
        objects.push(Object {
            kind: Kind::new(&*object.group, &*object.kind),
            version: object.version.clone(),
            identity: Arc::new(Identity {
                group: object.identity.group.clone(),
                kind: object.identity.kind.clone(),
                name: object.identity.name.clone(),
                namespace: object.identity.namespace.clone(),
            }),
            written: Written {
                labels,
                request: Some(Arc::new(crate::object::Request {
                    operation: record.endpoint.clone(),
                    user: record.user.clone(),
                    groups: record.groups.clone(),
                    ..Default::default()
                })),
                ..Written::default()
            },
            document,
            moves: Vec::new(),
            origin: None,
            texts: vec![text],
        });
    }
    let engine = engine.until(Instant::now() + std::time::Duration::from_mins(1));
    let court = Court {
        engine: &engine,
        cache: None,
        rulebook: &set.rulebook,
        images: &Images::default(),
        today: Today::now(),
        repairs: false,
    };
    let reading = Reading {
        objects,
        written: record.objects.len(),
        ..Reading::default()
    };
    let review = court.judge(&record.endpoint, reading);
    let mut ruling = Ruling::of(&review);
    if record.pending {
        ruling.wait();
    }
    let decision = if ruling.denials.is_empty() {
        "allow"
    } else {
        "deny"
    };
    if decision == record.decision {
        return Replayed::Same;
    }
    if record.checks.iter().any(|check| check.sensitive) {
        return Replayed::Untold("it rests on secrets, which the log has not");
    }
    // A policy that asks for facts from outside has to say of the object alone what it said then.
    let asked = review
        .results
        .iter()
        .map(|result| &result.constraint.policy);
    let outside = |check: &&CheckRecord| {
        asked
            .clone()
            .any(|policy| policy.id() == check.policy && !policy.description.context.is_empty())
    };
    let then = record.checks.iter().filter(outside).map(CheckRecord::said);
    let now = ruling.checks.iter().filter(outside).map(CheckRecord::said);
    if then.collect::<BTreeSet<_>>() != now.collect::<BTreeSet<_>>() {
        return Replayed::Untold("it rests on what was known of images, which the log has not");
    }
    Replayed::Other(decision, ruling.reason())
}
