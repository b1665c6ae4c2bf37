use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::{Renewal, Ruling, Set};
use crate::policy::Policy;

/// The bounds of the histogram, in seconds: a decision takes less than a millisecond.
const BOUNDS: [f64; 14] = [
    0.000_05, 0.000_1, 0.000_2, 0.000_4, 0.000_8, 0.001_6, 0.003_2, 0.006_4, 0.012_8, 0.025_6,
    0.051_2, 0.1, 0.5, 1.0,
];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Decided {
    endpoint: String,
    decision: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Asked {
    policy: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Found {
    policy: String,
    rule: String,
    outcome: String,
    enforcement: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Failed {
    policy: String,
    kind: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Unusable {
    constraint: String,
    policy: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Renewed {
    result: &'static str,
}

/// What Prometheus is told of a gate.
pub struct Metrics {
    registry: Registry,
    decisions: Family<Decided, Counter>,
    seconds: Histogram,
    evaluations: Family<Asked, Histogram, fn() -> Histogram>,
    findings: Family<Found, Counter>,
    errors: Family<Failed, Counter>,
    renewals: Family<Renewed, Counter>,
    constraints: Gauge,
    broken: Family<Unusable, Gauge>,
    unwritten: Counter,
}

impl Metrics {
    /// The metrics of a gate.
    #[must_use]
    pub fn new(gate: &'static str) -> Self {
        let labels = [("gate".into(), gate.into())];
        let mut registry = Registry::with_prefix_and_labels("stridegate", labels.into_iter());
        let metrics = Self {
            decisions: Family::default(),
            seconds: Histogram::new(BOUNDS),
            evaluations: Family::new_with_constructor(|| Histogram::new(BOUNDS)),
            findings: Family::default(),
            errors: Family::default(),
            renewals: Family::default(),
            constraints: Gauge::default(),
            broken: Family::default(),
            unwritten: Counter::default(),
            registry: Registry::default(),
        };
        registry.register(
            "decisions",
            "Requests that were decided",
            metrics.decisions.clone(),
        );
        registry.register_with_unit(
            "decision",
            "From the arrival of a request to its decision",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        registry.register_with_unit(
            "evaluation",
            "How long a policy was asked for its answer",
            Unit::Seconds,
            metrics.evaluations.clone(),
        );
        registry.register(
            "findings",
            "What policies found, without what is excepted",
            metrics.findings.clone(),
        );
        registry.register("errors", "What could not be judged", metrics.errors.clone());
        registry.register(
            "reloads",
            "Attempts to put a new set in force",
            metrics.renewals.clone(),
        );
        registry.register(
            "constraints",
            "Constraints in force",
            metrics.constraints.clone(),
        );
        registry.register(
            "broken_constraints",
            "Constraints that cannot be applied, and so let nothing pass",
            metrics.broken.clone(),
        );
        registry.register(
            "unlogged_decisions",
            "Decisions that could not be written to the log",
            metrics.unwritten.clone(),
        );
        Self {
            registry,
            ..metrics
        }
    }

    /// Counts a decision.
    pub fn decided(&self, endpoint: &str, ruling: &Ruling, took: Duration) {
        let decision = match (ruling.denials.is_empty(), ruling.dryrun) {
            (true, _) => "allow",
            (false, true) => "dryrun",
            (false, false) => "deny",
        };
        let endpoint = endpoint.to_owned();
        self.decisions
            .get_or_create(&Decided { endpoint, decision })
            .inc();
        self.seconds.observe(took.as_secs_f64());
        for check in ruling
            .checks
            .iter()
            .filter(|check| check.exception.is_none())
        {
            let found = Found {
                policy: check.policy.clone(),
                rule: check.rule.clone(),
                outcome: check.outcome.clone(),
                enforcement: check.enforcement.name(),
            };
            self.findings.get_or_create(&found).inc();
        }
        for error in &ruling.errors {
            let policy = error.policy.clone().unwrap_or_default();
            self.errors
                .get_or_create(&Failed {
                    policy,
                    kind: error.kind.clone(),
                })
                .inc();
        }
    }

    /// Counts the answers of policies.
    pub fn evaluated(&self, evaluations: &[(Arc<Policy>, Duration)]) {
        for (policy, took) in evaluations {
            let policy = policy.id().to_owned();
            self.evaluations
                .get_or_create(&Asked { policy })
                .observe(took.as_secs_f64());
        }
    }

    /// Counts a decision that the log has not.
    pub fn unwritten(&self) {
        self.unwritten.inc();
    }

    /// Says what is in force.
    pub fn in_force(&self, set: &Set) {
        self.constraints
            .set(i64::try_from(set.rulebook.constraints.len()).unwrap_or(i64::MAX));
        self.broken.clear();
        for broken in &set.rulebook.broken {
            let labels = Unusable {
                constraint: broken.name.clone(),
                policy: broken.policy.clone(),
            };
            self.broken.get_or_create(&labels).set(1);
        }
    }

    /// Counts an attempt to renew the set.
    pub fn renewed(&self, renewal: &Renewal) {
        let result = match renewal {
            Renewal::Same => return,
            Renewal::Renewed => "renewed",
            Renewal::Kept(_) => "kept",
        };
        self.renewals.get_or_create(&Renewed { result }).inc();
    }

    /// The media type of the text that is scraped.
    pub const MEDIA: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// The text that is scraped.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
