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

/// What applies, and what is excepted from it.
#[derive(Debug, Default)]
pub struct Rulebook {
    /// What applies. They add up: where several match, the strictest counts.
    pub constraints: Vec<Arc<Constraint>>,
    /// What is excepted.
    pub exceptions: Vec<Exception>,
    /// Whether comments in the judged files except what they stand at.
    pub comments: bool,
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
            matches: Match::default(),
            parameters: "{}".into(),
        })
    };
    catalog.policies().map(constraint).collect()
}
