//! What was found in an object before an update.

use std::collections::{BTreeSet, HashMap};

use crate::constraint::{Constraint, Subject};
use crate::engine::contract::{Check, Finding, Outcome, Verdict};
use crate::object::{Content, Node, Object, Text, Written};
use crate::source;

/// An object as it was before the update that it is part of, in the shape that policies judge.
pub(super) fn previous(object: &Object) -> Option<Object> {
    let request = object.written.request.as_deref()?;
    if request.operation != "update" {
        return None;
    }
    let text = Text::new(&object.identity.name, request.previous.as_deref()?);
    let reading = source::read_text(&text.into(), &object.identity.name, None);
    let mut objects = reading.objects.into_iter();
    let same = |previous: &Object| {
        let (one, other) = (&previous.identity, &object.identity);
        previous.kind == object.kind && one.group == other.group && one.kind == other.kind
    };
    let mut previous = objects.find(same)?;
    previous.identity = std::sync::Arc::clone(&object.identity);
    previous.written = Written {
        namespace: object.written.namespace.clone(),
        facts: object.written.facts.clone(),
        ..previous.written
    };
    Some(previous)
}

/// What a policy found in an object before an update.
pub(super) struct Before<'a> {
    object: &'a Object,
    /// For each that was found, the secrets there.
    found: HashMap<Key, Vec<BTreeSet<String>>>,
}

/// The rule, the place by names, whether it is certain, and what is the matter.
type Key = (String, String, bool, String);

impl<'a> Before<'a> {
    /// What a policy says of the object as it was.
    pub(super) fn new(object: &'a Object, checks: &[Check]) -> Self {
        let mut found = HashMap::new();
        for check in checks {
            if let Outcome::Found(findings) = &check.outcome {
                for finding in findings {
                    found
                        .entry(key(&check.rule, finding, &object.document))
                        .or_insert_with(Vec::new)
                        .push(secrets(finding, &object.document));
                }
            }
        }
        Self { object, found }
    }

    /// Whether the same was found before, with no other secret. What was found once accounts for
    /// one finding.
    pub(super) fn accounts_for(&mut self, rule: &str, finding: &Finding, document: &Node) -> bool {
        let Some(known) = self.found.get_mut(&key(rule, finding, document)) else {
            return false;
        };
        let now = secrets(finding, document);
        let at = known.iter().position(|before| now.is_subset(before));
        at.map(|at| known.swap_remove(at)).is_some()
    }

    /// Whether a constraint lets pass what was so before: it has to have applied then too.
    pub(super) fn is_let_pass_by(&self, constraint: &Constraint) -> bool {
        constraint.only_new && constraint.matches.matches(Subject::new(self.object))
    }
}

fn key(rule: &str, finding: &Finding, document: &Node) -> Key {
    (
        rule.to_owned(),
        by_name(&finding.path, document),
        finding.verdict == Verdict::Fail,
        message(finding),
    )
}

/// What is said of a finding. Of a secret, the line and the length are left out: the secret itself
/// is compared.
fn message(finding: &Finding) -> String {
    let mut message = finding.message.clone();
    if finding.sensitive {
        message.retain(|c| !c.is_ascii_digit());
    }
    message
}

/// The secrets at the place of a finding: the value, or of a text with lines what looks like one.
fn secrets(finding: &Finding, document: &Node) -> BTreeSet<String> {
    let found = document.at(&finding.path).filter(|_| finding.sensitive);
    let text = found.as_ref().and_then(|found| found.node.as_str());
    let text = text.unwrap_or_default().trim();
    if text.contains('\n') {
        let secrets = source::secrets(text).into_iter();
        secrets.map(|secret| secret.value).collect()
    } else {
        [text.to_owned()].into()
    }
}

/// A JSON Pointer with the names of named items in place of their indices, which shift when an
/// item before them goes.
fn by_name(pointer: &str, document: &Node) -> String {
    let mut path = String::new();
    let mut prefix = 0;
    for token in pointer.split('/').skip(1) {
        let parent = document.at(&pointer[..prefix]).map(|found| found.node);
        prefix += token.len() + 1;
        let name = parent
            .filter(|parent| matches!(parent.content, Content::List(_)))
            .and_then(|_| document.at(&pointer[..prefix])?.node.text("name"));
        path.push('/');
        match name {
            Some(name) => path.extend(["[", name, "]"]),
            None => path.push_str(token),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::yaml;

    #[test]
    fn a_named_item_keeps_its_path_when_it_moves() {
        let document = |text: &str| yaml::read(text).documents.remove(0);
        let one = document("spec: {containers: [{name: a}, {name: b, args: [x]}]}");
        let two = document("spec: {containers: [{name: b, args: [x]}]}");
        let before = by_name("/spec/containers/1/args/0", &one);
        assert_eq!(before, "/spec/containers/[b]/args/0");
        assert_eq!(by_name("/spec/containers/0/args/0", &two), before);
        assert_ne!(by_name("/spec/containers/0", &one), "/spec/containers/[b]");
    }
}
