//! What a constraint or exception applies to, with the semantics of Gatekeeper's `match`.

use crate::object::{Kind, Node, Object};

/// Conditions that all have to hold; without any, everything matches.
#[derive(Clone, Debug, Default)]
pub struct Match {
    /// Whether objects as written count, what they become, or both.
    pub source: Source,
    /// One of these has to name the group and the kind; `*` names all.
    pub kinds: Vec<Kinds>,
    /// Whether the object has a namespace.
    pub scope: Option<Scope>,
    /// Patterns of which one fits the namespace; an object without one is not judged by it.
    pub namespaces: Vec<String>,
    /// Patterns of which none fits the namespace.
    pub excluded_namespaces: Vec<String>,
    /// A pattern that fits the name.
    pub name: Option<String>,
    /// What the labels have to say.
    pub labels: Selector,
    /// What the labels of its Namespace have to say; a Namespace lies in itself, and what lies in
    /// none has no such labels.
    pub namespace_labels: Selector,
    /// The operations of which the request is one; `*` names all. An object at rest counts as one
    /// that is created. Without any, a constraint applies to all but `delete`: what goes is not
    /// refused for what it is.
    pub operations: Vec<String>,
}

/// Which of an object and what it becomes is looked at: a Deployment, and its Pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Both.
    #[default]
    All,
    /// The object as written.
    Original,
    /// What an object becomes.
    Generated,
}

/// Groups and kinds.
#[derive(Clone, Debug, Default)]
pub struct Kinds {
    /// The groups; all if there are none.
    pub groups: Vec<String>,
    /// The kinds; all if there are none.
    pub kinds: Vec<String>,
}

/// Whether an object has a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// It has none.
    Cluster,
    /// It has one.
    Namespaced,
}

/// A label selector.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    /// Labels that have a value.
    pub labels: Vec<(String, String)>,
    /// Conditions on a label.
    pub expressions: Vec<Expression>,
}

/// A condition on a label.
#[derive(Clone, Debug)]
pub struct Expression {
    /// The label.
    pub key: String,
    /// The condition.
    pub operator: Operator,
    /// The values of `In` and `NotIn`.
    pub values: Vec<String>,
}

/// The condition of an [`Expression`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// The label has one of the values.
    In,
    /// The label has none of the values, or is absent.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

/// What a match looks at: the object as written, and what it became.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    object: &'a Object,
    labels: [Option<&'a Node>; 2],
}

impl<'a> Subject<'a> {
    /// An object.
    #[must_use]
    pub fn new(object: &'a Object) -> Self {
        let judged = object
            .document
            .get("metadata")
            .and_then(|metadata| metadata.get("labels"));
        Self {
            object,
            labels: [object.written.labels.as_ref(), judged],
        }
    }

    /// The kind in which it is judged.
    pub(super) fn kind(&self) -> &'a Kind {
        &self.object.kind
    }

    fn operation(&self) -> &'a str {
        let request = self.object.written.request.as_deref();
        request.map_or("create", |request| &request.operation)
    }

    fn label(&self, key: &str) -> Option<&'a str> {
        self.labels
            .into_iter()
            .flatten()
            .find_map(|labels| labels.text(key))
    }

    /// The object that has the labels of its Namespace; none if it lies in none, and an error if
    /// that is not known.
    fn namespace(&self) -> Result<Option<&'a Node>, ()> {
        let identity = &self.object.identity;
        if identity.group.is_empty() && identity.kind == "Namespace" {
            return Ok(Some(&self.object.document));
        }
        if identity.namespace.is_empty() {
            return Ok(None);
        }
        let known = self.object.written.namespace.as_deref();
        known.map(Some).ok_or(())
    }
}

impl Match {
    /// Whether it applies to an object, or may: the labels of its Namespace can be unknown.
    #[must_use]
    pub fn matches(&self, subject: Subject) -> bool {
        let operation = subject.operation();
        let operations = if self.operations.is_empty() {
            operation != "delete"
        } else {
            self.names_operation(operation)
        };
        operations && self.fits(subject) && self.namespace_fits(subject).unwrap_or(true)
    }

    /// Whether it certainly applies to an object, in whatever operation if it names none.
    #[must_use]
    pub fn surely_matches(&self, subject: Subject) -> bool {
        (self.operations.is_empty() || self.names_operation(subject.operation()))
            && self.fits(subject)
            && self.namespace_fits(subject).unwrap_or(false)
    }

    fn names_operation(&self, operation: &str) -> bool {
        self.operations
            .iter()
            .any(|named| named == "*" || named == operation)
    }

    /// Whether the labels of the Namespace fit; none if they are not known.
    fn namespace_fits(&self, subject: Subject) -> Option<bool> {
        if self.namespace_labels.is_empty() {
            return Some(true);
        }
        let namespace = subject.namespace().ok()?;
        let labels = namespace.and_then(|namespace| namespace.get("metadata")?.get("labels"));
        Some(
            self.namespace_labels
                .selects(&|key| labels.and_then(|labels| labels.text(key))),
        )
    }

    /// Whether the object itself fits.
    fn fits(&self, subject: Subject) -> bool {
        let identity = &subject.object.identity;
        let namespace = identity.namespace.as_str();
        let judged = &subject.object.kind;
        let fits = |pattern: &String| fits(pattern, namespace);
        let written = (identity.group.as_str(), identity.kind.as_str());
        let judged = (&*judged.group, &*judged.name);
        let include = |(group, kind)| {
            self.kinds.is_empty() || self.kinds.iter().any(|kinds| kinds.include(group, kind))
        };
        let kinds = match self.source {
            Source::All => include(written) || include(judged),
            Source::Original => include(written),
            Source::Generated => written != judged && include(judged),
        };
        kinds
            && self
                .scope
                .is_none_or(|scope| (scope == Scope::Namespaced) != namespace.is_empty())
            && (self.namespaces.is_empty() || self.namespaces.iter().any(fits))
            && (namespace.is_empty() || !self.excluded_namespaces.iter().any(fits))
            && self
                .name
                .as_ref()
                .is_none_or(|name| self::fits(name, &identity.name))
            && self.labels.selects(&|key| subject.label(key))
    }
}

impl Kinds {
    fn include(&self, group: &str, kind: &str) -> bool {
        let names = |list: &[String], name: &str| {
            list.is_empty() || list.iter().any(|known| known == "*" || known == name)
        };
        names(&self.groups, group) && names(&self.kinds, kind)
    }
}

impl Selector {
    /// Whether it selects everything.
    pub(super) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.expressions.is_empty()
    }

    fn selects<'a>(&self, label: &dyn Fn(&str) -> Option<&'a str>) -> bool {
        let has = |(key, value): &(String, String)| label(key) == Some(value);
        self.labels.iter().all(has)
            && self
                .expressions
                .iter()
                .all(|expression| expression.holds(label(&expression.key)))
    }
}

impl Expression {
    fn holds(&self, label: Option<&str>) -> bool {
        let listed = label.is_some_and(|label| self.values.iter().any(|value| value == label));
        match self.operator {
            Operator::In => listed,
            Operator::NotIn => !listed,
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
        }
    }
}

/// Whether a name fits a pattern that may begin or end with `*`.
fn fits(pattern: &str, name: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        _ if pattern == "*" => true,
        (Some(rest), Some(_)) => name.contains(rest.strip_suffix('*').unwrap_or(rest)),
        (Some(end), None) => name.ends_with(end),
        (None, Some(start)) => name.starts_with(start),
        (None, None) => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::object::Text;
    use crate::source::{Format, read_text};

    const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: prod-eu, labels: {team: shop}}\n\
        spec: {template: {metadata: {labels: {tier: front}}, spec: {containers: [{name: a}]}}}\n";

    /// Whether a match applies to the Pod of a Deployment.
    fn applies(matches: &Match) -> bool {
        let reading = read_text(
            &Arc::new(Text::new("x", DEPLOYMENT)),
            "x",
            Some(Format::Manifest),
        );
        let pod = reading
            .objects
            .iter()
            .find(|object| &*object.kind.name == "Pod")
            .unwrap();
        matches.matches(Subject::new(pod))
    }

    fn strings(items: &[&str]) -> Vec<String> {
        items.iter().map(ToString::to_string).collect()
    }

    fn of_kind(group: &str, kind: &str) -> Match {
        Match {
            kinds: vec![Kinds {
                groups: strings(&[group]),
                kinds: strings(&[kind]),
            }],
            ..Match::default()
        }
    }

    #[test]
    fn kinds_are_those_written_and_those_judged() {
        assert!(applies(&Match::default()));
        assert!(
            applies(&of_kind("apps", "Deployment"))
                && applies(&of_kind("", "Pod"))
                && applies(&of_kind("*", "*"))
        );
        assert!(!applies(&of_kind("apps", "Pod")) && !applies(&of_kind("", "Service")));
    }

    #[test]
    fn the_source_says_which_of_the_two_counts() {
        let of = |source, group: &str, kind: &str| Match {
            source,
            ..of_kind(group, kind)
        };
        assert!(
            applies(&of(Source::Original, "apps", "Deployment"))
                && applies(&of(Source::Generated, "", "Pod"))
        );
        assert!(
            !applies(&of(Source::Original, "", "Pod"))
                && !applies(&of(Source::Generated, "apps", "Deployment"))
        );
    }

    #[test]
    fn namespaces_are_patterns() {
        let among = |names: &[&str]| Match {
            namespaces: strings(names),
            ..Match::default()
        };
        let without = |names: &[&str]| Match {
            excluded_namespaces: strings(names),
            ..Match::default()
        };
        assert!(
            applies(&among(&["prod-*"]))
                && applies(&among(&["x", "*-eu"]))
                && applies(&among(&["*od*"]))
        );
        assert!(!applies(&among(&["prod"])));
        assert!(!applies(&without(&["prod-*"])) && applies(&without(&["kube-*"])));
        assert!(!applies(&Match {
            scope: Some(Scope::Cluster),
            ..Match::default()
        }));
    }

    #[test]
    fn labels_of_the_object_and_of_its_pod_count() {
        let label = |key: &str, value: &str| Match {
            labels: Selector {
                labels: vec![(key.into(), value.into())],
                expressions: vec![],
            },
            ..Match::default()
        };
        assert!(applies(&label("team", "shop")) && applies(&label("tier", "front")));
        assert!(!applies(&label("team", "bank")));
        let expression = |operator, values: &[&str]| Match {
            labels: Selector {
                labels: vec![],
                expressions: vec![Expression {
                    key: "tier".into(),
                    operator,
                    values: strings(values),
                }],
            },
            kinds: of_kind("", "Pod").kinds,
            ..Match::default()
        };
        assert!(
            applies(&expression(Operator::In, &["back", "front"]))
                && applies(&expression(Operator::Exists, &[]))
        );
        assert!(!applies(&expression(Operator::NotIn, &["front"])));
    }
}
