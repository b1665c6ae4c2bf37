use crate::mitigation::{Check, Finding, Fix, Outcome, Place, Refusal, Severity, Verdict};
use crate::{At, Rule};

/// Takes what a policy says of its rules.
///
/// Every rule has to be touched: one that is not is an error of the policy and never a pass, so
/// that a rule whose code was not reached cannot look as if it held. What is said last does not
/// win; a finding outweighs a pass, and a pass outweighs "not applicable".
#[derive(Debug)]
pub struct Checks {
    rules: &'static [&'static Rule],
    outcomes: Vec<Option<Outcome>>,
    unlisted: Option<&'static str>,
}

/// What can stand for a place in the document: an [`At`], or a JSON Pointer.
pub trait IntoPath {
    /// The JSON Pointer.
    fn into_path(self) -> String;
}

impl IntoPath for String {
    fn into_path(self) -> String {
        self
    }
}

impl IntoPath for &str {
    fn into_path(self) -> String {
        self.to_owned()
    }
}

impl IntoPath for &At<'_> {
    fn into_path(self) -> String {
        self.path().to_owned()
    }
}

impl Checks {
    pub(crate) fn new(rules: &'static [&'static Rule]) -> Self {
        Self {
            rules,
            outcomes: vec![None; rules.len()],
            unlisted: None,
        }
    }

    /// The rule was looked at; unless an offender is found, it holds.
    pub fn pass(&mut self, rule: &'static Rule) {
        if let Some(outcome @ (None | Some(Outcome::NotApplicable(_)))) = self.outcome(rule) {
            *outcome = Some(Outcome::Pass);
        }
    }

    /// The rule has nothing to say of this object, and why.
    pub fn not_applicable(&mut self, rule: &'static Rule, reason: impl Into<String>) {
        if let Some(outcome @ None) = self.outcome(rule) {
            *outcome = Some(Outcome::NotApplicable(reason.into()));
        }
    }

    /// The rule does not hold at a place; of something absent, the nearest place that is there.
    pub fn fail(
        &mut self,
        rule: &'static Rule,
        path: impl IntoPath,
        message: impl Into<String>,
    ) -> &mut Finding {
        self.find(rule, Verdict::Fail, path.into_path(), message.into())
    }

    /// The object cannot tell whether the rule holds.
    pub fn unknown(
        &mut self,
        rule: &'static Rule,
        path: impl IntoPath,
        message: impl Into<String>,
    ) -> &mut Finding {
        self.find(rule, Verdict::Unknown, path.into_path(), message.into())
    }

    fn find(
        &mut self,
        rule: &'static Rule,
        verdict: Verdict,
        path: String,
        message: String,
    ) -> &mut Finding {
        let finding = Finding {
            verdict,
            severity: rule.severity,
            path,
            message,
            sensitive: false,
            related: Vec::new(),
            fixes: Vec::new(),
        };
        let index = self.index(rule);
        let outcome = &mut self.outcomes[index];
        if !matches!(outcome, Some(Outcome::Found(_))) {
            *outcome = Some(Outcome::Found(Vec::new()));
        }
        let Some(Outcome::Found(findings)) = outcome else {
            unreachable!("it was made so")
        };
        findings.push(finding);
        let last = findings.len() - 1;
        &mut findings[last]
    }

    fn outcome(&mut self, rule: &'static Rule) -> Option<&mut Option<Outcome>> {
        let index = self.index(rule);
        self.outcomes.get_mut(index)
    }

    /// The place of a rule. One that the policy did not list gets a place behind those that it
    /// did, so that what is said of it is not mixed with theirs; [`Self::finish`] refuses it.
    fn index(&mut self, rule: &'static Rule) -> usize {
        let listed = self.rules.iter().position(|known| known.id == rule.id);
        listed.unwrap_or_else(|| {
            self.unlisted = Some(rule.id);
            self.outcomes.resize(self.rules.len() + 1, None);
            self.rules.len()
        })
    }

    pub(crate) fn finish(self) -> Result<Vec<Check>, Refusal> {
        if let Some(rule) = self.unlisted {
            return Err(Refusal::Object(format!(
                "the policy answers the rule {rule}, which it does not list"
            )));
        }
        let answers = self.rules.iter().zip(self.outcomes);
        answers
            .map(|(rule, outcome)| match outcome {
                Some(outcome) => Ok(Check {
                    rule: rule.id.into(),
                    outcome,
                }),
                None => Err(Refusal::Object(format!(
                    "the policy did not look at its rule {}",
                    rule.id
                ))),
            })
            .collect()
    }
}

impl Finding {
    /// Less severe than the rule's highest.
    pub fn severity(&mut self, severity: Severity) -> &mut Self {
        self.severity = severity;
        self
    }

    /// The value at the finding's path is a secret.
    pub fn sensitive(&mut self) -> &mut Self {
        self.sensitive = true;
        self
    }

    /// Another place that explains the finding.
    pub fn related(&mut self, path: impl IntoPath, note: impl Into<String>) -> &mut Self {
        self.related.push(Place {
            path: path.into_path(),
            note: note.into(),
        });
        self
    }

    /// A JSON Patch that makes the rule hold.
    pub fn fix(
        &mut self,
        title: impl Into<String>,
        safe: bool,
        patch: &serde_json::Value,
    ) -> &mut Self {
        self.fixes.push(Fix {
            title: title.into(),
            safe,
            patch: patch.to_string(),
        });
        self
    }
}
