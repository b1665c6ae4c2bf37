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
    found: HashMap<Key, Known>,
}

/// The rule, the place by names, whether it is certain, and what is the matter.
type Key = (String, String, bool, String);

impl<'a> Before<'a> {
    /// What a policy says of the object as it was.
    pub(super) fn new(object: &'a Object, checks: &[Check]) -> Self {
        let mut found: HashMap<Key, Known> = HashMap::new();
        for check in checks {
            if let Outcome::Found(findings) = &check.outcome {
                for finding in findings {
                    found
                        .entry(key(&check.rule, finding, &object.document))
                        .or_default()
                        .add(secrets(finding, &object.document));
                }
            }
        }
        Self { object, found }
    }

    /// Whether the same was found before, with no other secret. What was found once accounts for
    /// one finding.
    pub(super) fn accounts_for(&mut self, rule: &str, finding: &Finding, document: &Node) -> bool {
        let known = self.found.get_mut(&key(rule, finding, document));
        known.is_some_and(|known| known.take(&secrets(finding, document)))
    }

    /// Whether a constraint lets pass what was so before: it has to have applied then too.
    pub(super) fn is_let_pass_by(&self, constraint: &Constraint) -> bool {
        constraint.only_new && constraint.matches.matches(Subject::new(self.object))
    }
}

/// What was found of one key, by the secrets there.
#[derive(Default)]
struct Known {
    /// None for one that is accounted for.
    secrets: Vec<Option<BTreeSet<String>>>,
    /// The places of those that hold a secret.
    with: HashMap<String, Vec<usize>>,
}

impl Known {
    fn add(&mut self, secrets: BTreeSet<String>) {
        for secret in &secrets {
            let with = self.with.entry(secret.clone()).or_default();
            with.push(self.secrets.len());
        }
        self.secrets.push(Some(secrets));
    }

    /// Takes one that holds all of some secrets; whether there is one. Only those are looked at
    /// that hold the rarest, so that many findings of one name take no time that grows with their
    /// square.
    fn take(&mut self, wanted: &BTreeSet<String>) -> bool {
        let count = |secret: &&String| self.with.get(*secret).map_or(0, Vec::len);
        let Some(rarest) = wanted.iter().min_by_key(count) else {
            let left = self.secrets.iter_mut().rev().find(|one| one.is_some());
            return left.and_then(Option::take).is_some();
        };
        let Some(with) = self.with.get_mut(rarest) else {
            return false;
        };
        let mut index = 0;
        while let Some(one) = with.get(index).map(|place| &mut self.secrets[*place]) {
            match one {
                Some(secrets) if !wanted.is_subset(secrets) => index += 1,
                left => {
                    with.swap_remove(index);
                    if left.take().is_some() {
                        return true;
                    }
                }
            }
        }
        false
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
        let secrets = source::secrets(text, None).into_iter();
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
    fn what_was_found_once_accounts_for_one_finding() {
        let set = |secrets: &[&str]| secrets.iter().map(|secret| (*secret).to_owned()).collect();
        let mut known = Known::default();
        for secrets in [&["a"][..], &["a"], &["a", "b"], &[]] {
            known.add(set(secrets));
        }
        for (wanted, is_known) in [
            (&["c"][..], false),
            (&["b", "c"], false),
            (&["b"], true),
            (&["b"], false),
            (&["a"], true),
            (&["a"], true),
            (&["a"], false),
            (&[], true),
            (&[], false),
        ] {
            assert_eq!(known.take(&set(wanted)), is_known, "{wanted:?}");
        }
    }

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
