//! Which policy applies to what, how strictly and with which parameters; and what is excepted.

mod exception;
mod fields;
mod inline;
mod matching;
mod read;
#[cfg(feature = "registry")]
mod trust;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use exception::{Exception, Grant, Status, Today};
pub(crate) use fields::Fields;
pub use inline::Comments;
pub use matching::{Match, Subject};
pub use read::{Problem, Source, read, sources};
#[cfg(feature = "registry")]
pub use trust::read_trust;

use crate::catalog::Catalog;
use crate::policy::Policy;

/// The API version of constraints and exceptions.
pub const API_VERSION: &str = "stridegate.dev/v1";

/// The name of the file in a judged folder whose constraints and exceptions count at the desk.
pub const FOUND_FILE: &str = "stridegate.yaml";

/// What follows from a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Enforcement {
    /// It is recorded.
    Dryrun,
    /// It is shown.
    Warn,
    /// The object is refused.
    Deny,
}

impl Enforcement {
    /// Its name, as constraints write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dryrun => "dryrun",
            Self::Warn => "warn",
            Self::Deny => "deny",
        }
    }
}

/// A policy that is applied.
#[derive(Clone, Debug)]
pub struct Constraint {
    /// The name of the constraint; none for a policy that applies because nothing else was said.
    pub name: Option<String>,
    /// The policy.
    pub policy: Arc<Policy>,
    /// The rules that count; all if there are none.
    pub rules: Vec<String>,
    /// What follows from a finding.
    pub enforcement: Enforcement,
    /// What follows if the object cannot tell; none if that is only shown.
    pub on_unknown: Option<Enforcement>,
    /// Whether an update is only judged by what it brings: what was found in the object before is
    /// recorded, and nothing follows from it.
    pub only_new: bool,
    /// What it applies to.
    pub matches: Match,
    /// The parameters as JSON text.
    pub parameters: String,
}

impl Constraint {
    /// Whether a rule counts.
    #[must_use]
    pub fn includes(&self, rule: &str) -> bool {
        self.rules.is_empty() || self.rules.iter().any(|name| name == rule)
    }

    /// What follows from a finding, or from an answer that is unknown; nothing that follows from
    /// the latter is stricter than what follows from the former.
    #[must_use]
    pub fn enforcement(&self, unknown: bool) -> Option<Enforcement> {
        if unknown {
            self.on_unknown.map(|action| action.min(self.enforcement))
        } else {
            Some(self.enforcement)
        }
    }
}

/// A constraint that cannot be applied.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Its name.
    pub name: String,
    /// The name of its policy, as far as it says one.
    pub policy: String,
    /// The kinds that the policy judges; all if it is not known.
    pub kinds: Option<Arc<Policy>>,
    /// What would follow from a finding.
    pub enforcement: Enforcement,
    /// What it would apply to, as far as it says so.
    pub matches: Match,
    /// What is wrong with it, and what to do.
    pub problem: String,
}

impl Broken {
    /// Whether it would apply to an object.
    #[must_use]
    pub fn matches(&self, subject: Subject) -> bool {
        let judges = |policy: &Arc<Policy>| policy.judges(subject.kind());
        self.kinds.as_ref().is_none_or(judges) && self.matches.matches(subject)
    }
}

/// What applies, and what is excepted from it.
#[derive(Debug, Default)]
pub struct Rulebook {
    /// What applies. They add up: where several match, the strictest counts.
    pub constraints: Vec<Arc<Constraint>>,
    /// What should apply and cannot. Where such a constraint would count, a gate lets nothing pass
    /// that it is there to refuse.
    pub broken: Vec<Broken>,
    /// What is excepted.
    pub exceptions: Vec<Exception>,
    /// Whether comments in the judged files except what they stand at.
    pub comments: bool,
}

impl Rulebook {
    /// Whether it matters what the labels of a Namespace are.
    #[must_use]
    pub fn selects_namespaces(&self) -> bool {
        let constraints = self
            .constraints
            .iter()
            .map(|constraint| &constraint.matches);
        let exceptions = self.exceptions.iter().map(|exception| &exception.matches);
        constraints
            .chain(exceptions)
            .any(|matches| !matches.namespace_labels.is_empty())
    }

    /// Whether a policy that applies asks for a fact from outside, by its key.
    #[must_use]
    pub fn asks_for(&self, key: &str) -> bool {
        let policies = self.constraints.iter();
        policies
            .flat_map(|constraint| &constraint.policy.description.context)
            .any(|asked| asked == key)
    }
}

/// What applies where nothing else is said: every policy, with its defaults, at `deny`.
#[must_use]
pub fn defaults(catalog: &Catalog, strict: bool) -> Vec<Arc<Constraint>> {
    let constraint = |policy: &Arc<Policy>| {
        Arc::new(Constraint {
            name: None,
            policy: Arc::clone(policy),
            rules: Vec::new(),
            enforcement: Enforcement::Deny,
            on_unknown: strict.then_some(Enforcement::Deny),
            only_new: false,
            // At the desk, what goes is judged as well.
            matches: Match {
                operations: vec!["*".into()],
                ..Match::default()
            },
            parameters: "{}".into(),
        })
    };
    catalog.policies().map(constraint).collect()
}
