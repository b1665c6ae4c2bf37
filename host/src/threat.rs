//! The threat model: which threats there are, which policies answer each, and where each threat
//! stands after a review.
//!
//! A status belongs to a threat and never to a cell of the matrix: that one threat of a cell is
//! answered says nothing of another.

use std::collections::BTreeMap;
use std::path::Path;

#[cfg(feature = "registry")]
use anyhow::Context;

use crate::catalog::Catalog;
use crate::constraint::{API_VERSION, Fields, Problem, Source};
use crate::engine::contract::{Category, Verdict};
#[cfg(feature = "registry")]
use crate::engine::{Cache, Engine};
use crate::object::{Node, Position, Span, Text};
use crate::review::{Answer, CATEGORIES, FileReview, PLATFORMS, Review, RuleResult, category};
use crate::source::{nearest, yaml};

/// The threat model that is part of the program.
const BUILT_IN: &str = include_str!("../threat-model.yaml");

/// How the built-in threat model is shown where a place in it is named.
const BUILT_IN_NAME: &str = "threat-model.yaml (built in)";

/// The threat model among the files of a bundle.
#[cfg(feature = "registry")]
pub const MODEL_IN_BUNDLE: &str = "threat-model.yaml";

/// A threat model.
#[derive(Debug)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// Its threats, in the order in which they were written.
    pub threats: Vec<Threat>,
    /// Whether it is the one that is part of the program, which names policies that a user may
    /// have left out.
    built_in: bool,
    file: String,
}

/// A threat.
#[derive(Debug)]
pub struct Threat {
    /// Its name within the model.
    pub id: String,
    /// What happens, in one line.
    pub title: String,
    /// One of [`PLATFORMS`].
    pub platform: &'static str,
    /// Its category of STRIDE.
    pub category: Category,
    /// What answers it; nothing is a gap of the model.
    pub answers: Vec<Countermeasure>,
    /// Where it stands in its file.
    pub position: Position,
}

/// What answers a threat: a policy, with all its rules or with one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Countermeasure {
    /// The policy.
    pub policy: String,
    /// The rule; all if there is none.
    pub rule: Option<String>,
    /// Where it is named.
    pub position: Position,
}

/// What a threat model leaves open, whatever is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// The threats that no loaded policy answers, by their ids.
    pub unanswered: Vec<String>,
    /// The loaded policies that answer no threat.
    pub idle: Vec<String>,
}

/// Where a threat stands after a review, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Each of its policies was asked, and all that they checked holds.
    Mitigated,
    /// All that was checked holds, but not each of its policies had something to check.
    PartlyMitigated,
    /// None of its policies had something to check.
    NotLookedAt,
    /// What was found is let through by an exception.
    Accepted,
    /// The objects cannot tell, or a check could not be made.
    Unknown,
    /// Something does not hold.
    Open,
    /// No loaded policy answers it.
    Unanswered,
}

/// A threat after a review.
#[derive(Debug)]
pub struct Standing<'a> {
    /// The threat.
    pub threat: &'a Threat,
    /// Where it stands.
    pub status: Status,
    /// Offenders.
    pub fail: usize,
    /// Offenders of which the object cannot tell.
    pub unknown: usize,
    /// Rules that hold.
    pub pass: usize,
    /// Offenders that an exception hides.
    pub excepted: usize,
    /// Checks that could not be made.
    pub errors: usize,
    /// Its policies that had nothing to check.
    pub idle: Vec<&'a str>,
    /// The worst of what was found; of several the first.
    pub worst: Option<(&'a FileReview, &'a RuleResult)>,
}

impl Status {
    /// The name of the status, as a user reads it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mitigated => "mitigated",
            Self::PartlyMitigated => "partly mitigated",
            Self::NotLookedAt => "not looked at",
            Self::Accepted => "accepted",
            Self::Unknown => "unknown",
            Self::Open => "open",
            Self::Unanswered => "unanswered",
        }
    }
}

impl Model {
    /// The threat model that is part of the program, and what is wrong with it.
    #[must_use]
    pub fn built_in() -> (Self, Vec<Problem>) {
        let source = Source {
            text: Text::new(BUILT_IN_NAME, BUILT_IN),
            path: BUILT_IN_NAME.into(),
            named: false,
            bundled: false,
            granted: false,
        };
        Self::read(&source, true)
    }

    /// Reads the threat model of a file. What is wrong is noted, and what is not stands.
    pub fn open(path: &Path) -> Result<(Self, Vec<Problem>), Problem> {
        Ok(Self::read(&Source::open(path, true, true)?, false))
    }

    /// Reads the threat model of a bundle in a registry.
    #[cfg(feature = "registry")]
    pub fn of_bundle(
        bundle: &Path,
        catalog: &Catalog,
        engine: &Engine,
        cache: Option<&Cache>,
    ) -> Result<(Self, Vec<Problem>), Problem> {
        let shown = bundle.display().to_string();
        let files = shown
            .parse()
            .and_then(|reference| catalog.files(engine, cache, &reference));
        let text = files.and_then(|files| {
            let text = files.get(MODEL_IN_BUNDLE).cloned();
            text.with_context(|| {
                format!("{shown} is a bundle without a threat model; push it with --threat-model")
            })
        });
        match text {
            Ok(text) => Ok(Self::read(
                &Source::of_bundle_file(bundle, MODEL_IN_BUNDLE, &text),
                false,
            )),
            Err(error) => Err(Problem::of_reference(&shown, &error)),
        }
    }

    fn read(source: &Source, built_in: bool) -> (Self, Vec<Problem>) {
        let mut model = Self {
            name: String::new(),
            threats: Vec::new(),
            built_in,
            file: source.text.name.clone(),
        };
        let mut problems = Vec::new();
        let documents = yaml::read(&source.text.content);
        if let Some(fault) = documents.fault {
            problems.push(source.problem(Span::new(fault.at, fault.at), fault.message));
        }
        for document in &documents.documents {
            model.add(document, source, &mut problems);
        }
        if model.threats.is_empty() && problems.is_empty() {
            let message = "holds no threat; list some in spec.threats";
            problems.push(source.problem(Span::new(0, 0), message.into()));
        }
        (model, problems)
    }

    fn add(&mut self, document: &Node, source: &Source, problems: &mut Vec<Problem>) {
        let known = ["apiVersion", "kind", "metadata", "spec"];
        let fields = Fields::new(document, source, &known, problems);
        let is_model = document.text("apiVersion") == Some(API_VERSION)
            && document.text("kind") == Some("ThreatModel");
        if !is_model {
            let message =
                format!("a threat model has apiVersion {API_VERSION} and kind ThreatModel");
            problems.push(source.problem(fields.place("kind"), message));
            return;
        }
        if let Some(metadata) = fields.get("metadata") {
            metadata
                .text("name")
                .unwrap_or_default()
                .clone_into(&mut self.name);
        }
        let Some(spec) = fields.get("spec") else {
            problems.push(source.problem(fields.place("kind"), "spec is missing".into()));
            return;
        };
        let spec = Fields::new(spec, source, &["threats"], problems);
        for item in spec.get("threats").map(Node::items).unwrap_or_default() {
            let Some(threat) = threat(item, source, problems) else {
                continue;
            };
            if self.threats.iter().any(|known| known.id == threat.id) {
                let message = format!("there are two threats {:?}; rename one", threat.id);
                problems.push(source.problem(item.span, message));
            }
            self.threats.push(threat);
        }
    }

    /// What a model names that there is not; of the built-in model a policy may be left out.
    #[must_use]
    pub fn problems(&self, catalog: &Catalog) -> Vec<Problem> {
        let mut problems = Vec::new();
        let known: Vec<&str> = catalog.policies().map(|policy| policy.id()).collect();
        let answers = self.threats.iter().flat_map(|threat| &threat.answers);
        for answer in answers {
            let advice = |name: &str, known: &[&str]| match nearest(name, known) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("there are {}", known.join(", ")),
            };
            let message = match (catalog.get(&answer.policy), &answer.rule) {
                (None, _) if self.built_in => continue,
                (None, _) => format!(
                    "there is no policy {:?}; {}",
                    answer.policy,
                    advice(&answer.policy, &known)
                ),
                (Some(policy), Some(rule)) => {
                    let rules = policy.description.rules.iter();
                    let rules: Vec<&str> = rules.map(|rule| rule.id.as_str()).collect();
                    if rules.contains(&rule.as_str()) {
                        continue;
                    }
                    format!(
                        "{} has no rule {rule:?}; {}",
                        answer.policy,
                        advice(rule, &rules)
                    )
                }
                (Some(_), None) => continue,
            };
            problems.push(Problem {
                file: self.file.clone(),
                position: Some(answer.position),
                message,
                contained: false,
            });
        }
        problems
    }

    /// What the model leaves open.
    #[must_use]
    pub fn gaps(&self, catalog: &Catalog) -> Gaps {
        let is_answered = |threat: &&Threat| {
            let mut answers = threat.answers.iter();
            answers.any(|answer| catalog.get(&answer.policy).is_some())
        };
        let unanswered = self.threats.iter().filter(|threat| !is_answered(threat));
        let answers = |id: &str| {
            let mut answers = self.threats.iter().flat_map(|threat| &threat.answers);
            answers.any(|answer| answer.policy == id)
        };
        let ids = catalog.policies().map(|policy| policy.id());
        Gaps {
            unanswered: unanswered.map(|threat| threat.id.clone()).collect(),
            idle: ids.filter(|id| !answers(id)).map(str::to_owned).collect(),
        }
    }

    /// Where each threat stands after a review by the policies of a catalog.
    #[must_use]
    pub fn standings<'a>(&'a self, catalog: &Catalog, review: &'a Review) -> Vec<Standing<'a>> {
        let threats = self.threats.iter();
        threats
            .map(|threat| threat.standing(catalog, review))
            .collect()
    }
}

fn threat(item: &Node, source: &Source, problems: &mut Vec<Problem>) -> Option<Threat> {
    let known = ["id", "platform", "category", "title", "policies"];
    let fields = Fields::new(item, source, &known, problems);
    let id = fields.required("id", problems);
    let title = fields.required("title", problems);
    let platform = fields
        .required("platform", problems)
        .and_then(|_| fields.choice("platform", &PLATFORMS.map(|name| (name, name)), problems));
    let categories = CATEGORIES.map(|item| (category(item), item));
    let category = fields
        .required("category", problems)
        .and_then(|_| fields.choice("category", &categories, problems));
    let answers = fields.texts("policies", problems).into_iter();
    let answers = answers.map(|(text, span)| {
        let (policy, rule) = match text.split_once('/') {
            Some((policy, rule)) => (policy, Some(rule.to_owned())),
            None => (text.as_str(), None),
        };
        Countermeasure {
            policy: policy.to_owned(),
            rule,
            position: source.position(span),
        }
    });
    Some(Threat {
        id: id?.0.to_owned(),
        title: title?.0.to_owned(),
        platform: platform?,
        category: category?,
        answers: answers.collect(),
        position: source.position(item.span),
    })
}

impl Threat {
    fn standing<'a>(&'a self, catalog: &Catalog, review: &'a Review) -> Standing<'a> {
        let mut standing = Standing {
            threat: self,
            status: Status::NotLookedAt,
            fail: 0,
            unknown: 0,
            pass: 0,
            excepted: 0,
            errors: 0,
            idle: Vec::new(),
            worst: None,
        };
        let mut asked: BTreeMap<&str, bool> = self
            .answers
            .iter()
            .filter(|answer| catalog.get(&answer.policy).is_some())
            .map(|answer| (answer.policy.as_str(), false))
            .collect();
        for file in &review.files {
            let results = file.results.iter();
            for result in results.filter(|result| self.is_answered_by(result)) {
                if !matches!(result.answer, Answer::NotApplicable(_)) {
                    asked.insert(result.constraint.policy.id(), true);
                }
                standing.add(file, result);
            }
        }
        for ((policy, rule, platform), times) in review.passed() {
            if let Some(answer) = self.answered_by(policy, rule, platform) {
                asked.insert(&answer.policy, true);
                standing.pass += times;
            }
        }
        let errors = review.errors();
        standing.errors = errors
            .filter(|error| {
                let policy = error.policy.as_deref();
                policy.is_some_and(|policy| asked.contains_key(policy))
            })
            .count();
        standing.status = standing.status(&asked);
        standing.idle = self
            .answers
            .iter()
            .map(|answer| answer.policy.as_str())
            .filter(|policy| asked.get(policy) != Some(&true))
            .collect();
        standing.idle.dedup();
        standing
    }

    /// Whether a result is one of a policy and rule that answer this threat, and of an object of
    /// its platform.
    fn is_answered_by(&self, result: &RuleResult) -> bool {
        self.answered_by(
            result.constraint.policy.id(),
            &result.rule().id,
            result.platform(),
        )
        .is_some()
    }

    fn answered_by(&self, policy: &str, rule: &str, platform: &str) -> Option<&Countermeasure> {
        let mut answers = self.answers.iter();
        let answer = answers.find(|answer| {
            let of_rule = answer.rule.as_deref().is_none_or(|named| named == rule);
            answer.policy == policy && of_rule
        });
        answer.filter(|_| platform == self.platform)
    }
}

impl<'a> Standing<'a> {
    fn add(&mut self, file: &'a FileReview, result: &'a RuleResult) {
        let offence = match &result.answer {
            Answer::NotApplicable(_) => return,
            Answer::Pass => {
                self.pass += 1;
                return;
            }
            Answer::Found(_) if result.exception.is_some() => {
                self.excepted += 1;
                return;
            }
            Answer::Found(offence) => offence,
        };
        *(match offence.verdict {
            Verdict::Fail => &mut self.fail,
            Verdict::Unknown => &mut self.unknown,
        }) += 1;
        if self
            .worst
            .is_none_or(|(_, worst)| rank(worst) < rank(result))
        {
            self.worst = Some((file, result));
        }
    }

    fn status(&self, asked: &BTreeMap<&str, bool>) -> Status {
        if asked.is_empty() {
            Status::Unanswered
        } else if self.fail > 0 {
            Status::Open
        } else if self.unknown > 0 || self.errors > 0 {
            Status::Unknown
        } else if self.excepted > 0 {
            Status::Accepted
        } else if self.pass == 0 {
            Status::NotLookedAt
        } else if asked.values().all(|asked| *asked) {
            Status::Mitigated
        } else {
            Status::PartlyMitigated
        }
    }
}

/// How bad a finding is: what is certain outweighs what is not.
fn rank(result: &RuleResult) -> Option<(bool, u8)> {
    match &result.answer {
        Answer::Found(offence) => Some((offence.verdict == Verdict::Fail, offence.severity as u8)),
        _ => None,
    }
}
