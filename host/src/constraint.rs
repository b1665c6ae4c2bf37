//! Which policy applies, how strictly and with which parameters.

use std::sync::Arc;

use serde::Serialize;

use crate::catalog::Catalog;
use crate::policy::Policy;

/// What follows from a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Enforcement {
    /// It is recorded.
    Dryrun,
    /// It is shown.
    Warn,
    /// The object is refused.
    Deny,
}

/// A policy that is applied.
#[derive(Clone, Debug)]
pub struct Constraint {
    /// The name of the constraint; none for a policy that applies because nothing else was said.
    pub name: Option<String>,
    /// The policy.
    pub policy: Arc<Policy>,
    /// What follows from a finding.
    pub enforcement: Enforcement,
    /// Whether an `unknown` counts as a finding.
    pub strict: bool,
    /// The parameters as JSON text.
    pub parameters: String,
}

/// What applies at the desk where nothing else is said: every policy, with its defaults, at
/// `deny`.
#[must_use]
pub fn defaults(catalog: &Catalog, strict: bool) -> Vec<Arc<Constraint>> {
    let constraint = |policy: &Arc<Policy>| {
        Arc::new(Constraint {
            name: None,
            policy: Arc::clone(policy),
            enforcement: Enforcement::Deny,
            strict,
            parameters: "{}".into(),
        })
    };
    catalog.policies().map(constraint).collect()
}
