//! What was found in an object before an update.

use std::collections::HashMap;

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
    let mut previous = objects.find(|previous| previous.kind == object.kind)?;
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
    /// How often each was found.
    found: HashMap<Key, usize>,
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
                    *found
                        .entry(key(&check.rule, finding, &object.document))
                        .or_default() += 1;
                }
            }
        }
        Self { object, found }
    }

    /// Whether the same was found before. What was found once accounts for one finding.
    pub(super) fn accounts_for(&mut self, rule: &str, finding: &Finding, document: &Node) -> bool {
        let known = self.found.get_mut(&key(rule, finding, document));
        match known {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
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
        finding.message.clone(),
    )
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
