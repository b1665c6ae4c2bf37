//! What became of inputs.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;

use super::Secrets;
use crate::constraint::{Comments, Constraint, Enforcement, Exception, Grant, Status, Today};
use crate::engine::Failure;
use crate::engine::contract::{self, Category, Severity, Verdict};
use crate::object::{Identity, Node, Object, Place, Position, Text};
use crate::policy::{Policy, PolicyError};

/// What became of all inputs.
#[derive(Debug, Default)]
pub struct Review {
    /// The inputs in the order in which they were given.
    pub files: Vec<FileReview>,
    /// What went wrong before any input was read.
    pub errors: Vec<ReviewError>,
    /// What was asked to be let through, and what became of that.
    pub exceptions: Vec<ExceptionReport>,
    /// What is kept of inputs of which only the numbers matter.
    pub(super) settled: Settled,
}

/// The numbers of what was judged and holds.
#[derive(Debug, Default)]
pub(super) struct Settled {
    counts: Counts,
    /// How often each rule of a policy held on a platform.
    passed: BTreeMap<Held, usize>,
}

/// What held: the policy, the rule and the platform.
pub type Held = (String, String, &'static str);

/// What became of an exception.
#[derive(Clone, Debug)]
pub struct ExceptionReport {
    /// Its name; none for a comment in a judged file.
    pub name: Option<String>,
    /// The policy.
    pub policy: String,
    /// The rules; all if there are none.
    pub rules: Vec<String>,
    /// Why.
    pub reason: String,
    /// The last day on which it holds.
    pub expires: jiff::civil::Date,
    /// What became of it.
    pub status: Status,
    /// How many findings it hides.
    pub hidden: usize,
    /// The file in which it stands.
    pub file: String,
    /// Where it stands in it.
    pub position: Position,
}

impl ExceptionReport {
    pub(super) fn new(exception: &Exception, today: Today) -> Self {
        Self {
            name: exception.name.clone(),
            policy: exception.policy.clone(),
            rules: exception.rules.clone(),
            reason: exception.reason.clone(),
            expires: exception.expires,
            status: exception.status(today),
            hidden: exception.hidden.load(Ordering::Relaxed),
            file: exception.file.clone(),
            position: exception.position,
        }
    }
}

/// What became of one input.
#[derive(Debug, Default)]
pub struct FileReview {
    /// How it is shown.
    pub name: String,
    /// Its text, if it was read.
    pub text: Option<Arc<Text>>,
    /// How many objects were written in it.
    pub objects: usize,
    /// Why there was nothing to judge in it.
    pub skipped: Option<String>,
    /// What each rule says of each object.
    pub results: Vec<RuleResult>,
    /// What went wrong.
    pub errors: Vec<ReviewError>,
    /// What no output may show.
    pub secrets: Secrets,
    /// What its comments ask for.
    pub exceptions: Vec<ExceptionReport>,
    /// Who was asked, and how long each answer took.
    pub evaluations: Vec<(Arc<Policy>, Duration)>,
    /// One of its texts, as it was read.
    pub(super) tree: Option<Box<(Arc<Text>, Node)>>,
    /// What waits until it is known what the others judged: the owner of these may be among it.
    pub(super) owned: Vec<Object>,
    pub(super) uids: Vec<String>,
    pub(super) comments: Comments,
}

/// What one rule says of one object; one for each offender.
#[derive(Debug)]
pub struct RuleResult {
    /// What was applied, the strictest of those that match.
    pub constraint: Arc<Constraint>,
    /// What follows from it.
    pub enforcement: Enforcement,
    /// Whether it was so before the update, and nothing follows from it for that reason.
    pub existing: bool,
    /// What lets it through.
    pub exception: Option<Grant>,
    /// The index of the rule in the description of the policy.
    pub rule: usize,
    /// The object as written.
    pub identity: Arc<Identity>,
    /// Where the object begins.
    pub position: Position,
    /// The answer.
    pub answer: Answer,
}

/// The answer of a rule.
#[derive(Debug)]
pub enum Answer {
    /// It holds.
    Pass,
    /// It has nothing to say of the object, and why.
    NotApplicable(String),
    /// It does not hold, or the object cannot tell.
    Found(Box<Offence>),
}

/// An offender.
#[derive(Debug)]
pub struct Offence {
    /// Whether the rule does not hold, or cannot tell.
    pub verdict: Verdict,
    /// How bad it is.
    pub severity: Severity,
    /// What is the matter.
    pub message: String,
    /// The place in the object as written, as a JSON Pointer.
    pub path: String,
    /// The place in the text.
    pub place: Place,
    /// Whether the value at the place is a secret.
    pub sensitive: bool,
    /// Other places that explain it.
    pub related: Vec<(Place, String)>,
    /// What makes the rule hold.
    pub fixes: Vec<Repair>,
}

/// A change that makes a rule hold.
#[derive(Debug)]
pub struct Repair {
    /// What it does.
    pub title: String,
    /// Whether it cannot change what a correct system does.
    pub safe: bool,
    /// The operations of a JSON Patch (RFC 6902) for the object as written. None, if the change
    /// cannot be written there: then the title is advice.
    pub patch: Value,
}

/// What went wrong, which is never a pass.
#[derive(Clone, Debug)]
pub struct ReviewError {
    /// The input, if it concerns one.
    pub file: Option<String>,
    /// The line, if it is known.
    pub position: Option<Position>,
    /// The policy, if it concerns one.
    pub policy: Option<String>,
    /// The constraint, if it concerns one.
    pub constraint: Option<String>,
    /// The object, if it concerns one.
    pub object: Option<Identity>,
    /// What kind of error it is.
    pub kind: ErrorKind,
    /// What a finding of the same policy would have come to; none if nothing could be asked.
    pub enforcement: Option<Enforcement>,
    /// What went wrong and what to do.
    pub message: String,
}

/// What kind of error it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// An input cannot be read.
    Input,
    /// A policy is broken.
    Policy,
    /// A policy ran into its deadline.
    Timeout,
    /// A policy needed too much memory.
    Memory,
}

/// What came out of a review, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Inputs that were judged or are in error.
    pub files: usize,
    /// Inputs with nothing to judge.
    pub skipped: usize,
    /// Objects as written.
    pub objects: usize,
    /// Answers of rules.
    pub checks: usize,
    /// Rules that hold.
    pub pass: usize,
    /// Rules that have nothing to say.
    pub not_applicable: usize,
    /// Offenders.
    pub fail: usize,
    /// Offenders of which the object cannot tell.
    pub unknown: usize,
    /// Errors.
    pub errors: usize,
    /// Findings that an exception hides.
    pub excepted: usize,
}

/// What a review means for the caller; the worse wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Decision {
    /// Nothing is refused.
    Clean,
    /// Something is refused.
    Denied,
    /// The job could not be done.
    Failed,
}

impl Decision {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

impl Offence {
    pub(super) fn new(finding: contract::Finding, object: &Object, repairs: bool) -> Option<Self> {
        let fixes = finding.fixes.iter().filter(|_| repairs);
        let related = finding
            .related
            .into_iter()
            .filter_map(|place| Some((object.place(&place.path)?, place.note)));
        Some(Self {
            verdict: finding.verdict,
            severity: finding.severity,
            message: finding.message,
            path: object.written_path(&finding.path),
            place: object.place(&finding.path)?,
            sensitive: finding.sensitive,
            related: related.collect(),
            fixes: fixes.filter_map(|fix| Repair::new(fix, object)).collect(),
        })
    }

    /// Where it is shown.
    #[must_use]
    pub fn position(&self) -> Position {
        self.place.text.position(self.place.shown.range().start)
    }
}

impl Repair {
    fn new(fix: &contract::Fix, object: &Object) -> Option<Self> {
        let patch: Value = serde_json::from_str(&fix.patch).ok()?;
        let patch = object.written_patch(patch.as_array()?);
        Some(Self {
            title: fix.title.clone(),
            safe: fix.safe,
            patch: patch.unwrap_or_default().into(),
        })
    }
}

impl RuleResult {
    /// Whether the object is refused because of this.
    #[must_use]
    pub fn denies(&self) -> bool {
        matches!(self.answer, Answer::Found(_))
            && self.exception.is_none()
            && self.enforcement == Enforcement::Deny
    }

    /// The platform that it speaks of: that of its policy if it has one alone, or else that of its
    /// object.
    #[must_use]
    pub fn platform(&self) -> &'static str {
        let threats = &self.constraint.policy.description.threats;
        let only = |platform| {
            !threats.is_empty() && threats.iter().all(|threat| threat.platform == platform)
        };
        let is_docker = ["docker", "compose"].contains(&self.identity.group.as_str());
        match PLATFORMS.into_iter().find(|platform| only(*platform)) {
            Some(platform) => platform,
            None if is_docker => "docker",
            None => "kubernetes",
        }
    }

    /// What is said, whatever follows from it: the policy, the rule, how it is answered, and of a
    /// finding its verdict, its path and its message.
    pub(super) fn says(&self) -> impl Eq + Hash + use<'_> {
        let offence = match &self.answer {
            Answer::Found(offence) => Some((
                offence.verdict == Verdict::Unknown,
                &offence.path,
                &offence.message,
            )),
            Answer::Pass | Answer::NotApplicable(_) => None,
        };
        let answer = std::mem::discriminant(&self.answer);
        (self.rule, answer, self.constraint.policy.id(), offence)
    }

    /// The rule as its policy describes it.
    #[must_use]
    pub fn rule(&self) -> &contract::Rule {
        &self.constraint.policy.description.rules[self.rule]
    }
}

impl ErrorKind {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Policy => "policy",
            Self::Timeout => "timeout",
            Self::Memory => "memory",
        }
    }

    pub(super) fn of(error: &PolicyError) -> Self {
        match error {
            PolicyError::Failure(Failure::Timeout(_)) => Self::Timeout,
            PolicyError::Failure(Failure::Memory(_)) => Self::Memory,
            _ => Self::Policy,
        }
    }
}

impl From<FileReview> for Review {
    fn from(file: FileReview) -> Self {
        Self {
            files: vec![file],
            ..Self::default()
        }
    }
}

impl Review {
    /// What every rule said, in the order of the inputs.
    pub fn results(&self) -> impl Iterator<Item = &RuleResult> {
        self.files.iter().flat_map(|file| &file.results)
    }

    /// What was asked to be let through, in files of exceptions and in comments.
    pub fn exceptions(&self) -> impl Iterator<Item = &ExceptionReport> {
        self.exceptions
            .iter()
            .chain(self.files.iter().flat_map(|file| &file.exceptions))
    }

    /// Everything that went wrong.
    pub fn errors(&self) -> impl Iterator<Item = &ReviewError> {
        self.errors
            .iter()
            .chain(self.files.iter().flat_map(|file| &file.errors))
    }

    /// What came out, in numbers.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = self.settled.counts;
        counts.errors = self.errors().count();
        for file in &self.files {
            *(if file.skipped.is_some() {
                &mut counts.skipped
            } else {
                &mut counts.files
            }) += 1;
            counts.objects += file.objects;
        }
        for result in self.results() {
            counts.add(result);
        }
        counts
    }

    /// Adds what became of an input, and keeps only the numbers of what holds, so that a review
    /// grows with what was found and not with what was judged.
    pub fn settle(&mut self, mut file: FileReview) {
        let settled = &mut self.settled;
        file.results.retain(|result| {
            let found = matches!(result.answer, Answer::Found(_));
            if !found {
                settled.counts.add(result);
                if matches!(result.answer, Answer::Pass) {
                    let policy = result.constraint.policy.id().to_owned();
                    let held = (policy, result.rule().id.clone(), result.platform());
                    *settled.passed.entry(held).or_default() += 1;
                }
            }
            found
        });
        file.results.shrink_to_fit();
        file.evaluations = Vec::new();
        if file.results.is_empty() && file.errors.is_empty() && file.exceptions.is_empty() {
            settled.counts.files += 1;
            settled.counts.objects += file.objects;
        } else {
            self.files.push(file);
        }
    }

    /// How often each rule held in the inputs of which only the numbers are left.
    pub fn passed(&self) -> impl Iterator<Item = (&Held, usize)> {
        self.settled
            .passed
            .iter()
            .map(|(held, times)| (held, *times))
    }

    /// What it means for the caller. That the job was not done outweighs what was found.
    #[must_use]
    pub fn decision(&self) -> Decision {
        if self.errors().next().is_some() {
            Decision::Failed
        } else if self.results().any(RuleResult::denies) {
            Decision::Denied
        } else {
            Decision::Clean
        }
    }
}

impl Counts {
    fn add(&mut self, result: &RuleResult) {
        self.checks += 1;
        *match &result.answer {
            Answer::Found(_) if result.exception.is_some() => &mut self.excepted,
            Answer::Pass => &mut self.pass,
            Answer::NotApplicable(_) => &mut self.not_applicable,
            Answer::Found(offence) if offence.verdict == Verdict::Fail => &mut self.fail,
            Answer::Found(_) => &mut self.unknown,
        } += 1;
    }
}

/// The platforms that threats are told of.
pub const PLATFORMS: [&str; 2] = ["docker", "kubernetes"];

/// The categories of STRIDE in its order.
pub const CATEGORIES: [Category; 6] = [
    Category::Spoofing,
    Category::Tampering,
    Category::Repudiation,
    Category::InformationDisclosure,
    Category::DenialOfService,
    Category::ElevationOfPrivilege,
];

/// The name of a severity as the contract writes it.
#[must_use]
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}
