use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use stridegate_shapes::request;

use crate::constraint::Enforcement;
use crate::engine::contract::Verdict;
use crate::object::{Identity, Object};
use crate::report::line;
use crate::review::{Answer, FileReview, Offence, RuleResult, severity};

/// What a gate says of a request.
#[derive(Clone, Debug, Default)]
pub struct Ruling {
    /// Why it is denied: a line for each reason; none if it is allowed.
    pub denials: Vec<String>,
    /// What is said to its user although it is allowed: a line each.
    pub warnings: Vec<String>,
    /// The findings, with those that an exception hides.
    pub checks: Vec<CheckRecord>,
    /// What could not be judged.
    pub errors: Vec<ErrorRecord>,
    /// Rules that hold.
    pub passed: usize,
    /// Rules that have nothing to say.
    pub not_applicable: usize,
    /// How long the answers of policies took together.
    pub evaluation: Duration,
    /// Whether it is only recorded, so that nothing is denied.
    pub dryrun: bool,
    /// Whether what is not known yet was no reason to deny it.
    pub pending: bool,
}

/// A finding in the log of decisions. The keys are those of the report.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CheckRecord {
    /// The policy.
    pub policy: String,
    /// Its version.
    pub policy_version: String,
    /// The rule.
    pub rule: String,
    /// `fail` or `unknown`.
    pub outcome: String,
    /// `info`, `low`, `medium`, `high` or `critical`.
    pub severity: String,
    /// The constraint.
    pub constraint: Option<String>,
    /// What follows from it.
    pub enforcement: Enforcement,
    /// Whether it was so before the update, and nothing follows from it for that reason.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub existing: bool,
    /// The exception that hides it.
    pub exception: Option<String>,
    /// The place in the object as written, as a JSON Pointer.
    pub path: String,
    /// What is the matter.
    pub message: String,
    /// Whether the value at the place is a secret, which the log has not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sensitive: bool,
    /// What to do instead; the log has it under the name of the rule.
    #[serde(skip)]
    pub remedy: String,
}

impl CheckRecord {
    /// What was said of what, whatever follows from it.
    pub(super) fn said(&self) -> (&str, &str, &str) {
        (&self.policy, &self.rule, &self.outcome)
    }
}

/// What could not be judged, in the log of decisions.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct ErrorRecord {
    /// The policy, if it concerns one.
    pub policy: Option<String>,
    /// The constraint, if it concerns one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraint: Option<String>,
    /// What follows from it; without a constraint, the request is denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<Enforcement>,
    /// `input`, `policy`, `timeout` or `memory`.
    pub kind: String,
    /// What went wrong.
    pub message: String,
}

/// An object in the log of decisions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ObjectRecord {
    /// The group of the shape in which it was judged.
    pub group: String,
    /// The kind of that shape.
    pub kind: String,
    /// Its version.
    pub version: String,
    /// The object as written.
    pub identity: IdentityRecord,
    /// The document with stars for its secrets; absent if nobody looked for secrets in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Box<RawValue>>,
}

/// The name of an object as written.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct IdentityRecord {
    /// The group of its kind.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace; empty if it has none.
    pub namespace: String,
}

impl From<&Identity> for IdentityRecord {
    fn from(identity: &Identity) -> Self {
        Self {
            group: identity.group.clone(),
            kind: identity.kind.clone(),
            name: identity.name.clone(),
            namespace: identity.namespace.clone(),
        }
    }
}

/// The policy whose look at an object keeps its secrets out of the log.
pub(super) const SECRETS: &str = "hardcoded-secret";

impl Ruling {
    /// What follows from a review of the objects of one request.
    #[must_use]
    pub fn of(review: &FileReview) -> Self {
        let mut ruling = Self {
            evaluation: review.evaluations.iter().map(|(_, took)| *took).sum(),
            ..Self::default()
        };
        for error in &review.errors {
            let message = line(&review.secrets.mask(&error.message));
            let of = error
                .policy
                .as_ref()
                .map(|policy| format!("{policy}: "))
                .unwrap_or_default();
            let said = format!("{of}{message}");
            match error.enforcement {
                None | Some(Enforcement::Deny) => ruling.denials.push(said),
                Some(Enforcement::Warn) => ruling.warnings.push(said),
                Some(Enforcement::Dryrun) => {}
            }
            ruling.errors.push(ErrorRecord {
                policy: error.policy.clone(),
                constraint: error.constraint.as_deref().map(line),
                enforcement: error.enforcement,
                kind: error.kind.name().into(),
                message,
            });
        }
        for result in &review.results {
            match &result.answer {
                Answer::Pass => ruling.passed += 1,
                Answer::NotApplicable(_) => ruling.not_applicable += 1,
                Answer::Found(offence) => ruling.found(result, offence, review),
            }
        }
        ruling
    }

    /// Denies a request without asking a policy.
    #[must_use]
    pub fn denial(message: impl Into<String>) -> Self {
        Self {
            denials: vec![line(&message.into())],
            ..Self::default()
        }
    }

    /// Whether the request may be made.
    #[must_use]
    pub fn allowed(&self) -> bool {
        self.dryrun || self.denials.is_empty()
    }

    /// Takes back what denies it only because something is not known yet.
    pub fn wait(&mut self) {
        self.pending = true;
        let unknown = self
            .checks
            .iter()
            .filter(|check| check.exception.is_none() && check.enforcement == Enforcement::Deny);
        if self.denials.len() == unknown.filter(|check| check.outcome == "unknown").count() {
            self.denials.clear();
        }
    }

    /// What speaks against it in one line; none if nothing does.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        let first = self.denials.first()?;
        Some(match self.denials.len() - 1 {
            0 => first.clone(),
            more => format!("{first} (and {more} more)"),
        })
    }

    fn found(&mut self, result: &RuleResult, offence: &Offence, review: &FileReview) {
        let rule = result.rule();
        let policy = &result.constraint.policy;
        let message = line(&review.secrets.mask(&offence.message));
        let name = result.constraint.name.as_deref();
        let by = name
            .map(|name| format!(" (constraint {name})"))
            .unwrap_or_default();
        let said = format!(
            "{}/{}: {message}{by}. Instead: {}",
            policy.id(),
            rule.id,
            line(&rule.remediation)
        );
        match (result.enforcement, &result.exception) {
            (_, Some(_)) | (Enforcement::Dryrun, None) => {}
            (Enforcement::Deny, None) => self.denials.push(said),
            (Enforcement::Warn, None) => self.warnings.push(said),
        }
        self.checks.push(CheckRecord {
            policy: policy.id().into(),
            policy_version: policy.description.version.clone(),
            rule: rule.id.clone(),
            outcome: if offence.verdict == Verdict::Fail {
                "fail"
            } else {
                "unknown"
            }
            .into(),
            severity: severity(offence.severity).into(),
            constraint: result.constraint.name.clone(),
            enforcement: result.enforcement,
            existing: result.existing,
            exception: result.exception.as_ref().map(|grant| grant.name.clone()),
            path: line(&offence.path),
            message,
            sensitive: offence.sensitive,
            remedy: line(&rule.remediation),
        });
    }
}

/// The objects of a request as the log has them. A document is there only if somebody looked for
/// secrets in it.
pub(super) fn records(objects: Vec<Object>, review: &FileReview) -> Vec<ObjectRecord> {
    let looked = |object: &Object| {
        review.results.iter().any(|result| {
            result.constraint.policy.id() == SECRETS && result.identity.name == object.identity.name
        }) && review
            .errors
            .iter()
            .all(|error| error.policy.as_deref() != Some(SECRETS))
    };
    let record = |object: Object| {
        let is_request = object.kind == request::KIND;
        let document = (is_request || looked(&object)).then(|| {
            let mut document = if is_request {
                request::public(&object.document)
            } else {
                object.document
            };
            review.secrets.hide(&mut document, &object.texts);
            to_raw_value(&document).ok()
        });
        let mut identity = IdentityRecord::from(&*object.identity);
        identity.name = review.secrets.mask(&identity.name).into_owned();
        ObjectRecord {
            group: object.kind.group.into_owned(),
            kind: object.kind.name.into_owned(),
            version: object.version,
            identity,
            document: document.flatten(),
        }
    };
    objects.into_iter().map(record).collect()
}
