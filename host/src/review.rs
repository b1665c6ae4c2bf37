//! Judges objects and decides: the one place in which it is said what is refused.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;
use serde_json::Value;

use crate::constraint::{Constraint, Enforcement};
use crate::engine::contract::{self, Category, Severity, Verdict};
use crate::engine::{Cache, Engine, Failure};
use crate::object::{Identity, Object, Place, Position, Span, Text};
use crate::policy::PolicyError;
use crate::source::{self, Format, Found, Reading};

/// What is judged by what.
pub struct Court<'a> {
    /// Runs the policies.
    pub engine: &'a Engine,
    /// Where their compiled code is kept.
    pub cache: Option<&'a Cache>,
    /// What applies.
    pub constraints: &'a [Arc<Constraint>],
}

/// What became of all inputs.
#[derive(Debug, Default)]
pub struct Review {
    /// The inputs in the order in which they were given.
    pub files: Vec<FileReview>,
    /// What went wrong before any input was read.
    pub errors: Vec<ReviewError>,
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
}

/// What one rule says of one object; one for each offender.
#[derive(Debug)]
pub struct RuleResult {
    /// What was applied.
    pub constraint: Arc<Constraint>,
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
    /// The operations of a JSON Patch (RFC 6902) for the object as written.
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

/// What a review means for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing is refused.
    Clean,
    /// Something is refused.
    Denied,
    /// The job could not be done.
    Failed,
}

/// The status of a cell of the threat model after a review.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Offenders.
    pub fail: usize,
    /// Offenders of which the object cannot tell.
    pub unknown: usize,
    /// Rules that hold.
    pub pass: usize,
}

impl Court<'_> {
    /// Judges inputs in parallel; `judged` is called after each.
    #[must_use]
    pub fn review(
        &self,
        inputs: Vec<Found>,
        format: Option<Format>,
        judged: &(dyn Fn() + Sync),
    ) -> Review {
        let files = inputs.into_par_iter().map(|found| {
            let file = match found {
                Ok(input) => self.judge(&input.name, source::read(&input, format)),
                Err((name, message)) => {
                    let mut file = FileReview {
                        name,
                        ..FileReview::default()
                    };
                    file.input_error(None, message);
                    file
                }
            };
            judged();
            file
        });
        Review {
            files: files.collect(),
            errors: Vec::new(),
        }
    }

    /// Judges the objects of one input.
    #[must_use]
    pub fn judge(&self, name: &str, reading: Reading) -> FileReview {
        let mut file = FileReview {
            name: name.into(),
            text: reading.text,
            objects: reading.written,
            skipped: reading.skipped,
            ..FileReview::default()
        };
        for fault in reading.faults {
            file.input_error(fault.position, fault.message);
        }
        for object in &reading.objects {
            self.judge_object(object, &mut file);
        }
        file
    }

    fn judge_object(&self, object: &Object, file: &mut FileReview) {
        let mut passed = None;
        let begin = object
            .place("")
            .map_or(Position { line: 1, column: 1 }, |place| {
                place.text.position(place.shown.range().start)
            });
        for constraint in self
            .constraints
            .iter()
            .filter(|constraint| constraint.policy.judges(&object.kind))
        {
            let passed = passed.get_or_insert_with(|| pass(object));
            match constraint.policy.evaluate(
                self.engine,
                self.cache,
                object,
                passed,
                &constraint.parameters,
            ) {
                Ok(checks) => {
                    for check in checks {
                        file.add(constraint, object, begin, check);
                    }
                }
                Err(error) => file.errors.push(ReviewError {
                    file: Some(file.name.clone()),
                    position: Some(begin),
                    policy: Some(constraint.policy.id().to_owned()),
                    constraint: constraint.name.clone(),
                    object: Some(Identity::clone(&object.identity)),
                    kind: ErrorKind::of(&error),
                    message: error.to_string(),
                }),
            }
        }
    }
}

/// The object as it is passed to policies.
fn pass(object: &Object) -> contract::Object {
    contract::Object {
        kind: contract::Kind {
            group: object.kind.group.to_string(),
            name: object.kind.name.to_string(),
        },
        version: object.version.clone(),
        name: object.identity.name.clone(),
        namespace: object.identity.namespace.clone(),
        document: serde_json::to_string(&object.document).unwrap_or_default(),
        context: "{}".into(),
        request: None,
    }
}

impl FileReview {
    fn input_error(&mut self, position: Option<Position>, message: String) {
        self.errors.push(ReviewError {
            file: Some(self.name.clone()),
            position,
            policy: None,
            constraint: None,
            object: None,
            kind: ErrorKind::Input,
            message,
        });
    }

    fn add(
        &mut self,
        constraint: &Arc<Constraint>,
        object: &Object,
        position: Position,
        check: contract::Check,
    ) {
        let rules = &constraint.policy.description.rules;
        let Some(rule) = rules.iter().position(|rule| rule.id == check.rule) else {
            return;
        };
        let result = |answer| RuleResult {
            constraint: Arc::clone(constraint),
            rule,
            identity: Arc::clone(&object.identity),
            position,
            answer,
        };
        match check.outcome {
            contract::Outcome::Pass => self.results.push(result(Answer::Pass)),
            contract::Outcome::NotApplicable(why) => {
                self.results.push(result(Answer::NotApplicable(why)));
            }
            contract::Outcome::Found(findings) => {
                for finding in findings {
                    let sensitive = finding.sensitive;
                    let Some(offence) = Offence::new(finding, object) else {
                        continue;
                    };
                    if sensitive {
                        self.secrets.add(&offence.place);
                    }
                    self.results.push(result(Answer::Found(Box::new(offence))));
                }
            }
        }
    }
}

impl Offence {
    fn new(finding: contract::Finding, object: &Object) -> Option<Self> {
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
            related: related.collect(),
            fixes: finding
                .fixes
                .iter()
                .filter_map(|fix| Repair::new(fix, object))
                .collect(),
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
        let mut patch: Value = serde_json::from_str(&fix.patch).ok()?;
        for operation in patch.as_array_mut()? {
            for key in ["path", "from"] {
                if let Some(Value::String(pointer)) = operation.get_mut(key) {
                    *pointer = object.written_path(pointer);
                }
            }
        }
        Some(Self {
            title: fix.title.clone(),
            safe: fix.safe,
            patch,
        })
    }
}

impl RuleResult {
    /// Whether the object is refused because of this.
    #[must_use]
    pub fn denies(&self) -> bool {
        let counts = match &self.answer {
            Answer::Found(offence) => offence.verdict == Verdict::Fail || self.constraint.strict,
            Answer::Pass | Answer::NotApplicable(_) => false,
        };
        counts && self.constraint.enforcement == Enforcement::Deny
    }

    /// The rule as its policy describes it.
    #[must_use]
    pub fn rule(&self) -> &contract::Rule {
        &self.constraint.policy.description.rules[self.rule]
    }
}

impl ErrorKind {
    fn of(error: &PolicyError) -> Self {
        match error {
            PolicyError::Failure(Failure::Timeout(_)) => Self::Timeout,
            PolicyError::Failure(Failure::Memory(_)) => Self::Memory,
            _ => Self::Policy,
        }
    }
}

impl Review {
    /// What every rule said, in the order of the inputs.
    pub fn results(&self) -> impl Iterator<Item = &RuleResult> {
        self.files.iter().flat_map(|file| &file.results)
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
        let mut counts = Counts {
            errors: self.errors().count(),
            ..Counts::default()
        };
        for file in &self.files {
            *(if file.skipped.is_some() {
                &mut counts.skipped
            } else {
                &mut counts.files
            }) += 1;
            counts.objects += file.objects;
        }
        for result in self.results() {
            counts.checks += 1;
            *match &result.answer {
                Answer::Pass => &mut counts.pass,
                Answer::NotApplicable(_) => &mut counts.not_applicable,
                Answer::Found(offence) if offence.verdict == Verdict::Fail => &mut counts.fail,
                Answer::Found(_) => &mut counts.unknown,
            } += 1;
        }
        counts
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

    /// The cells of the threat model that were looked at, by platform and category. A cell counts
    /// only what concerns its platform: the object's group tells which that is.
    #[must_use]
    pub fn cells(&self) -> BTreeMap<(String, &'static str), Cell> {
        let mut cells = BTreeMap::new();
        for result in self.results() {
            let platform = if result.identity.group == "docker" {
                "docker"
            } else {
                "kubernetes"
            };
            for threat in result
                .constraint
                .policy
                .description
                .threats
                .iter()
                .filter(|threat| threat.platform == platform)
            {
                let cell: &mut Cell = cells
                    .entry((threat.platform.clone(), category(threat.category)))
                    .or_default();
                match &result.answer {
                    Answer::Pass => cell.pass += 1,
                    Answer::NotApplicable(_) => {}
                    Answer::Found(offence) if offence.verdict == Verdict::Fail => cell.fail += 1,
                    Answer::Found(_) => cell.unknown += 1,
                }
            }
        }
        cells
    }
}

/// The name of a category of STRIDE as the contract writes it.
#[must_use]
pub fn category(category: Category) -> &'static str {
    match category {
        Category::Spoofing => "spoofing",
        Category::Tampering => "tampering",
        Category::Repudiation => "repudiation",
        Category::InformationDisclosure => "information-disclosure",
        Category::DenialOfService => "denial-of-service",
        Category::ElevationOfPrivilege => "elevation-of-privilege",
    }
}

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

/// The secrets of one input, collected from all policies before anything of it is shown.
#[derive(Debug, Default)]
pub struct Secrets {
    places: Vec<Range<usize>>,
    values: Vec<String>,
}

/// The fewest characters that are masked wherever they appear, and not only where they were
/// found: a shorter secret is a common word too often.
const DISTINCT: usize = 6;

impl Secrets {
    fn add(&mut self, place: &Place) {
        let Span { text: 0, .. } = place.value else {
            return;
        };
        let mut range = place.value.range();
        let Some(written) = place.text.content.get(range.clone()) else {
            return;
        };
        // The sign of a block of text is no part of it.
        if let Some(newline) = written
            .find('\n')
            .filter(|_| written.starts_with(['|', '>']))
        {
            range.start += newline;
        }
        for line in written.lines() {
            let line = line.trim().trim_matches(['"', '\'']);
            if line.chars().count() >= DISTINCT && !self.values.iter().any(|value| value == line) {
                self.values.push(line.to_owned());
            }
        }
        self.places.push(range);
        // A secret that holds another has to go first, or its rest would stay.
        self.values
            .sort_by_key(|value| std::cmp::Reverse(value.len()));
    }

    /// A text that is about the input, without its secrets.
    #[must_use]
    pub fn mask<'a>(&self, text: &'a str) -> std::borrow::Cow<'a, str> {
        let mut masked = std::borrow::Cow::Borrowed(text);
        for value in &self.values {
            if masked.contains(value.as_str()) {
                masked = masked.replace(value.as_str(), &stars(value)).into();
            }
        }
        masked
    }

    /// A part of the input itself, without its secrets; every character keeps its column.
    #[must_use]
    pub fn excerpt(&self, content: &str, range: Range<usize>) -> String {
        let mut masked = String::new();
        let mut from = range.start;
        let mut places: Vec<&Range<usize>> = self.places.iter().collect();
        places.sort_by_key(|place| place.start);
        for place in places {
            let (start, end) = (
                place.start.clamp(from, range.end),
                place.end.clamp(from, range.end),
            );
            masked += content.get(from..start).unwrap_or_default();
            masked += &stars(content.get(start..end).unwrap_or_default());
            from = end.max(from);
        }
        masked += content.get(from..range.end).unwrap_or_default();
        self.mask(&masked).into_owned()
    }
}

/// As many stars as characters; the ends of lines stay.
fn stars(secret: &str) -> String {
    secret
        .chars()
        .map(|c| if c == '\n' || c == '\r' { c } else { '*' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(content: &str, secret: &str) -> Secrets {
        let start = content
            .find(secret)
            .expect("the secret is part of the sample");
        let value = Span::new(start, start + secret.len());
        let text = Arc::new(Text::new("x", content));
        let mut secrets = Secrets::default();
        secrets.add(&Place {
            text,
            shown: value,
            value,
        });
        secrets
    }

    #[test]
    fn a_secret_is_masked_wherever_it_stands() {
        let content = "A=\"hunter22\"\nB=hunter22 c";
        let masked = secrets(content, "\"hunter22\"").excerpt(content, 0..content.len());
        assert_eq!(masked, "A=**********\nB=******** c");
    }

    #[test]
    fn a_short_secret_is_masked_where_it_was_found() {
        let content = "a: app\nb: app";
        assert_eq!(
            secrets(content, "app").excerpt(content, 0..content.len()),
            "a: ***\nb: app"
        );
    }

    #[test]
    fn an_excerpt_can_begin_within_a_secret() {
        let content = "key: |\n  first line\n  second line\n";
        let secrets = secrets(content, "|\n  first line\n  second line");
        assert_eq!(secrets.excerpt(content, 0..7), "key: |\n");
        assert_eq!(secrets.excerpt(content, 7..19), "************");
    }
}
