//! Judges objects and decides: the one place in which it is said what is refused.

mod before;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, Hash};
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use aho_corasick::{AhoCorasick, MatchKind};
use rayon::prelude::*;
use serde_json::Value;
use stridegate_shapes::{encryption, pod};

use self::before::Before;
use crate::constraint::{
    Comments, Constraint, Enforcement, Exception, Grant, Rulebook, Status, Subject, Today,
};
use crate::engine::contract::{self, Category, Severity, Verdict};
use crate::engine::{Cache, Engine, Failure};
use crate::object::{
    Content, Facts, Identity, Kind, Node, Object, Place, Position, Span, Text, owner,
};
pub use crate::policy::category;
use crate::policy::{Policy, PolicyError};
use crate::source::{self, Format, Found, Images, InputFault, Reading};

/// What is judged by what.
pub struct Court<'a> {
    /// Runs the policies.
    pub engine: &'a Engine,
    /// Where their compiled code is kept.
    pub cache: Option<&'a Cache>,
    /// What applies, and what is excepted.
    pub rulebook: &'a Rulebook,
    /// What is known of images from outside.
    pub images: &'a Images,
    /// The day on which exceptions are measured.
    pub today: Today,
    /// Whether somebody is to be told how to mend what is found.
    pub repairs: bool,
}

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
    settled: Settled,
}

/// The numbers of what was judged and holds.
#[derive(Debug, Default)]
struct Settled {
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
    fn new(exception: &Exception, today: Today) -> Self {
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
    tree: Option<Box<(Arc<Text>, Node)>>,
    /// What waits until it is known what the others judged: the owner of these may be among it.
    owned: Vec<Object>,
    uids: Vec<String>,
    comments: Comments,
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

impl Court<'_> {
    /// Judges inputs in parallel; `judged` is called after each.
    #[must_use]
    pub fn review(
        &self,
        inputs: Vec<Found>,
        format: Option<Format>,
        judged: &(dyn Fn() + Sync),
    ) -> Review {
        let read = |found: Found| match found {
            Ok(input) => {
                let reading = source::read(&input, format);
                (input.name, reading)
            }
            Err((name, message)) => {
                let fault = InputFault {
                    position: None,
                    message,
                };
                let reading = Reading {
                    faults: vec![fault],
                    ..Reading::default()
                };
                (name, reading)
            }
        };
        let judge = |(name, reading): (String, Reading)| {
            let file = self.read(&name, reading, Order::Any);
            judged();
            file
        };
        let needs_all = self.rulebook.selects_namespaces() || self.rulebook.asks_for("limitRanges");
        let mut files: Vec<FileReview> = if needs_all {
            // A Namespace, and what it limits, may stand in another file than what lies in it.
            let mut readings: Vec<_> = inputs.into_par_iter().map(read).collect();
            place_in_namespaces(&mut readings);
            readings.into_par_iter().map(judge).collect()
        } else {
            inputs.into_par_iter().map(read).map(judge).collect()
        };
        let uids: HashSet<String> = files
            .iter_mut()
            .flat_map(|file| std::mem::take(&mut file.uids))
            .collect();
        files
            .par_iter_mut()
            .for_each(|file| self.finish(file, &uids, Order::Any));
        say_once(&mut files);
        Review {
            files,
            exceptions: self.exceptions(),
            ..Review::default()
        }
    }

    /// What became of the exceptions so far.
    #[must_use]
    pub fn exceptions(&self) -> Vec<ExceptionReport> {
        let exceptions = self.rulebook.exceptions.iter();
        exceptions
            .map(|exception| ExceptionReport::new(exception, self.today))
            .collect()
    }

    /// Judges the objects of one input alone, on the thread that calls.
    #[must_use]
    pub fn judge(&self, name: &str, reading: Reading) -> FileReview {
        self.judge_and_keep(name, reading).0
    }

    /// The same, for a caller who still needs the objects.
    #[must_use]
    pub fn judge_and_keep(&self, name: &str, reading: Reading) -> (FileReview, Vec<Object>) {
        let (mut file, objects) = self.begin(name, reading);
        self.judge_objects(&objects, &mut file, Order::OneByOne);
        self.end(&mut file);
        (file, objects)
    }

    /// Judges the objects of one input, except what one of these owners made,
    /// on the thread that calls.
    #[must_use]
    pub fn judge_unowned(
        &self,
        name: &str,
        reading: Reading,
        owners: &HashSet<String>,
    ) -> FileReview {
        let mut file = self.read(name, reading, Order::OneByOne);
        self.finish(&mut file, owners, Order::OneByOne);
        file
    }

    /// Judges the objects of an input, except those that others own.
    fn read(&self, name: &str, reading: Reading, order: Order) -> FileReview {
        let (mut file, objects) = self.begin(name, reading);
        // Who owns a Pod made it; what else is owned has a content of its own.
        let is_made = |object: &Object| {
            let made = object.kind == pod::KIND || pod::template(&object.kind).is_some();
            made && !object.written.owners.is_empty()
        };
        let (owned, free): (Vec<Object>, Vec<Object>) = objects.into_iter().partition(is_made);
        file.owned = owned;
        self.judge_objects(&free, &mut file, order);
        file
    }

    /// What an input says of itself, and its objects.
    fn begin(&self, name: &str, reading: Reading) -> (FileReview, Vec<Object>) {
        let mut file = FileReview {
            name: name.into(),
            objects: reading.written,
            skipped: reading.skipped,
            comments: reading
                .text
                .as_deref()
                .map(|text| Comments::of(text, self.rulebook.comments))
                .unwrap_or_default(),
            text: reading.text,
            tree: reading.tree,
            ..FileReview::default()
        };
        file.uids = owners(&reading.objects).collect();
        for fault in reading.faults {
            file.input_error(fault.position, fault.message);
        }
        let is_string = |at| {
            reading
                .objects
                .iter()
                .any(|object| is_in_string(&object.document, at))
        };
        file.comments.retain(|at| !is_string(at));
        for (position, message) in std::mem::take(&mut file.comments.problems) {
            file.input_error(Some(position), message);
        }
        (file, reading.objects)
    }

    /// Judges the objects that nobody in the review owns: what an owner makes is judged with it.
    fn finish(&self, file: &mut FileReview, uids: &HashSet<String>, order: Order) {
        let mut owned = std::mem::take(&mut file.owned);
        owned.retain(|object| {
            !object
                .written
                .owners
                .iter()
                .any(|owner| uids.contains(owner))
        });
        self.judge_objects(&owned, file, order);
        self.end(file);
    }

    /// What is only known when all its objects have been judged.
    fn end(&self, file: &mut FileReview) {
        let asked = file
            .comments
            .exceptions
            .iter()
            .map(|(_, exception)| ExceptionReport::new(exception, self.today));
        file.exceptions = asked.collect();
        file.find_secrets();
        file.hide_secrets();
    }

    fn judge_objects(&self, objects: &[Object], file: &mut FileReview, order: Order) {
        let judge = |object| self.judge_object(object, file);
        let verdicts: Vec<Verdicts> = match order {
            Order::Any => objects.par_iter().map(judge).collect(),
            Order::OneByOne => objects.iter().map(judge).collect(),
        };
        for verdict in verdicts {
            file.results.extend(verdict.results);
            file.errors.extend(verdict.errors);
            file.evaluations.extend(verdict.evaluations);
            for secret in &verdict.secrets {
                file.secrets.add(secret);
            }
        }
    }

    fn judge_object(&self, object: &Object, file: &FileReview) -> Verdicts {
        let mut verdicts = Verdicts {
            secrets: Secret::of(object),
            ..Verdicts::default()
        };
        let subject = Subject::new(object);
        let matching: Vec<&Arc<Constraint>> = self
            .rulebook
            .constraints
            .iter()
            .filter(|constraint| {
                constraint.policy.judges(&object.kind) && constraint.matches.matches(subject)
            })
            .collect();
        let broken = self.rulebook.broken.iter();
        let mut broken = broken.filter(|broken| broken.matches(subject)).peekable();
        if matching.is_empty() && broken.peek().is_none() {
            return verdicts;
        }
        let begin = object.place("");
        let position = begin.map_or(Position { line: 1, column: 1 }, |place| {
            place.text.position(place.shown.range().start)
        });
        for broken in broken {
            verdicts.errors.push(ReviewError {
                file: Some(file.name.clone()),
                position: Some(position),
                policy: Some(broken.policy.clone()),
                constraint: Some(broken.name.clone()),
                object: Some(Identity::clone(&object.identity)),
                kind: ErrorKind::Policy,
                enforcement: Some(broken.enforcement),
                message: format!("the constraint cannot be applied: {}", broken.problem),
            });
        }
        if matching.is_empty() {
            return verdicts;
        }
        let mut case = Case {
            object,
            file,
            passed: pass(object),
            facts: facts(object, self.images),
            position,
            previous: OnceCell::new(),
        };
        for group in groups(&matching) {
            self.judge_by(&group, &mut case, &mut verdicts);
        }
        verdicts
    }

    /// Judges an object by one policy with one set of parameters, for all constraints that ask
    /// for that.
    fn judge_by(&self, group: &[&Arc<Constraint>], case: &mut Case, verdicts: &mut Verdicts) {
        let Some(first) = group.first() else { return };
        let begun = Instant::now();
        let answer = self.evaluate(first, case.object, &mut case.passed, &case.facts);
        let evaluation = (Arc::clone(&first.policy), begun.elapsed());
        verdicts.evaluations.push(evaluation);
        match answer {
            Ok(checks) => {
                let mut before = self.before(group, case, &checks);
                for check in checks {
                    self.add(check, group, case, before.as_mut(), verdicts);
                }
            }
            Err(error) => verdicts.errors.push(ReviewError {
                file: Some(case.file.name.clone()),
                position: Some(case.position),
                policy: Some(first.policy.id().to_owned()),
                constraint: first.name.clone(),
                object: Some(Identity::clone(&case.object.identity)),
                kind: ErrorKind::of(&error),
                enforcement: group.iter().map(|constraint| constraint.enforcement).max(),
                message: error.to_string(),
            }),
        }
    }

    fn evaluate(
        &self,
        constraint: &Constraint,
        object: &Object,
        passed: &mut contract::Object,
        facts: &Facts,
    ) -> Result<Vec<contract::Check>, PolicyError> {
        // What a policy does not ask for is none of its business.
        let asked = &constraint.policy.description.context;
        let asked = asked.iter().filter_map(|key| facts.get_key_value(&**key));
        let asked: BTreeMap<_, &Value> = asked.map(|(key, fact)| (*key, &**fact)).collect();
        passed.context = serde_json::to_string(&asked).unwrap_or_default();
        constraint.policy.evaluate(
            self.engine,
            self.cache,
            object,
            passed,
            &constraint.parameters,
        )
    }

    /// What was found in the object before an update, where a constraint lets that pass. A policy
    /// that cannot judge the object as it was says nothing of it.
    fn before<'a>(
        &self,
        group: &[&Arc<Constraint>],
        case: &'a Case,
        checks: &[contract::Check],
    ) -> Option<Before<'a>> {
        let is_found =
            |check: &contract::Check| matches!(check.outcome, contract::Outcome::Found(_));
        if !group.iter().any(|constraint| constraint.only_new) || !checks.iter().any(is_found) {
            return None;
        }
        let previous = case
            .previous
            .get_or_init(|| before::previous(case.object))
            .as_ref()?;
        let facts = facts(previous, self.images);
        let checks = self
            .evaluate(group.first()?, previous, &mut pass(previous), &facts)
            .ok()?;
        Some(Before::new(previous, &checks))
    }

    fn add(
        &self,
        check: contract::Check,
        group: &[&Arc<Constraint>],
        case: &Case,
        mut before: Option<&mut Before>,
        verdicts: &mut Verdicts,
    ) {
        let object = case.object;
        let rules = &group[0].policy.description.rules;
        let Some(rule) = rules.iter().position(|rule| rule.id == check.rule) else {
            return;
        };
        // What was so before, and who lets that pass.
        let strictest = |unknown: bool, existing: Option<&Before>| {
            let lets_pass = |constraint: &Constraint| {
                existing.is_some_and(|before| before.is_let_pass_by(constraint))
            };
            let including = group
                .iter()
                .filter(|constraint| constraint.includes(&check.rule));
            including
                .map(|constraint| {
                    let existing = lets_pass(constraint);
                    let enforcement = constraint.enforcement(unknown).filter(|_| !existing);
                    (enforcement, existing, constraint)
                })
                .max_by_key(|(enforcement, ..)| *enforcement)
        };
        let mut push = |answer: Answer, existing: Option<&Before>, exception| {
            let unknown =
                matches!(&answer, Answer::Found(offence) if offence.verdict == Verdict::Unknown);
            let Some((enforcement, existing, constraint)) = strictest(unknown, existing) else {
                return;
            };
            verdicts.push(RuleResult {
                constraint: Arc::clone(constraint),
                // What does not follow from anything is recorded all the same.
                enforcement: enforcement.unwrap_or(Enforcement::Dryrun),
                existing,
                exception,
                rule,
                identity: Arc::clone(&object.identity),
                position: case.position,
                answer,
            });
        };
        match check.outcome {
            contract::Outcome::Pass => push(Answer::Pass, None, None),
            contract::Outcome::NotApplicable(why) => push(Answer::NotApplicable(why), None, None),
            contract::Outcome::Found(findings) => {
                let mut secrets = Vec::new();
                for finding in findings {
                    let sensitive = finding.sensitive;
                    let value = object
                        .document
                        .at(&finding.path)
                        .and_then(|found| found.node.as_str());
                    let value = value.unwrap_or_default().to_owned();
                    let existing = before.as_deref_mut().is_some_and(|before| {
                        before.accounts_for(&check.rule, &finding, &object.document)
                    });
                    let Some(offence) = Offence::new(finding, object, self.repairs) else {
                        continue;
                    };
                    if sensitive {
                        secrets.push(Secret {
                            place: offence.place.clone(),
                            value,
                        });
                    }
                    let exception = self.exception(&check.rule, group[0], case, &offence);
                    let existing = before.as_deref().filter(|_| existing);
                    push(Answer::Found(Box::new(offence)), existing, exception);
                }
                verdicts.secrets.append(&mut secrets);
            }
        }
    }

    /// What lets a finding through: a comment at its place, or an exception.
    fn exception(
        &self,
        rule: &str,
        constraint: &Constraint,
        case: &Case,
        offence: &Offence,
    ) -> Option<Grant> {
        let (object, file) = (case.object, case.file);
        let policy = constraint.policy.id();
        let here = file
            .text
            .as_ref()
            .is_some_and(|text| Arc::ptr_eq(text, &offence.place.text));
        let comment = here
            .then(|| file.comments.at(offence.position().line, policy, rule))
            .flatten();
        let named = self
            .rulebook
            .exceptions
            .iter()
            .filter(|exception| exception.covers(policy, rule, object));
        comment
            .into_iter()
            .chain(named)
            .find(|exception| exception.holds(self.today))
            .map(Exception::grant)
    }
}

/// What makes Pods among objects, as [`owner`] names it.
pub fn owners(objects: &[Object]) -> impl Iterator<Item = String> {
    objects
        .iter()
        .filter(|object| pod::template(&object.kind).is_some() && !object.written.uid.is_empty())
        .map(|object| owner(&object.kind.name, &object.written.uid))
}

/// An object that is judged.
struct Case<'a> {
    object: &'a Object,
    /// The input that it is in.
    file: &'a FileReview,
    /// The object as it is passed to policies.
    passed: contract::Object,
    /// What is known from outside of it.
    facts: Facts,
    /// Where it begins.
    position: Position,
    /// The object as it was before an update, once that is asked for.
    previous: OnceCell<Option<Object>>,
}

/// Lets every object know the Namespace that it lies in, and the `LimitRange`s there, if these are
/// among them.
fn place_in_namespaces(readings: &mut [(String, Reading)]) {
    let objects = readings.iter().flat_map(|(_, reading)| &reading.objects);
    let namespaces: HashMap<String, Arc<Node>> = objects
        .filter(|object| object.kind == Kind::new("", "Namespace"))
        .map(|object| {
            let document = Arc::new(object.document.clone());
            (object.identity.name.clone(), document)
        })
        .collect();
    let ranges = limit_ranges(readings.iter().flat_map(|(_, reading)| &reading.objects));
    for (_, reading) in readings {
        for object in &mut reading.objects {
            let namespace = namespaces.get(&object.identity.namespace);
            object.written.namespace = namespace.map(Arc::clone);
            limit(object, &ranges);
        }
    }
}

/// The `LimitRange` objects of each namespace, as lists.
pub fn limit_ranges<'a>(objects: impl Iterator<Item = &'a Object>) -> HashMap<String, Arc<Value>> {
    let mut lists: HashMap<String, Vec<Value>> = HashMap::new();
    for object in objects.filter(|object| object.kind == Kind::new("", "LimitRange")) {
        if let Ok(range) = serde_json::to_value(&object.document) {
            let namespace = object.identity.namespace.clone();
            lists.entry(namespace).or_default().push(range);
        }
    }
    lists
        .into_iter()
        .map(|(namespace, list)| (namespace, Arc::new(list.into())))
        .collect()
}

/// The `LimitRange`s by their namespace.
pub type LimitRanges = HashMap<String, Arc<Value>>;

/// Lets an object know the `LimitRange`s of its namespace.
pub fn limit(object: &mut Object, ranges: &LimitRanges) {
    if let Some(ranges) = ranges.get(&object.identity.namespace) {
        object
            .written
            .facts
            .insert("limitRanges", Arc::clone(ranges));
    }
}

/// The order in which objects are judged.
#[derive(Clone, Copy, Debug)]
enum Order {
    /// Several at a time.
    Any,
    /// One after the other.
    OneByOne,
}

/// Leaves out what is found in a file as a part of another object, where an object of the file
/// itself is found guilty of the same, no less strictly: an API server holds the configuration
/// that its flags name.
fn say_once(files: &mut [FileReview]) {
    let key = |result: &RuleResult| {
        let Answer::Found(offence) = &result.answer else {
            return None;
        };
        let policy = result.constraint.policy.id().to_owned();
        let text = offence.place.text.name.clone();
        Some((policy, result.rule, text, offence.place.value.range()))
    };
    let keys = |file: &FileReview, at_home: bool| {
        let results = file.results.iter().filter_map(|result| {
            let key = key(result).filter(|key| (key.2 == file.name) == at_home)?;
            Some((key, result.enforcement))
        });
        results.collect::<Vec<_>>()
    };
    let abroad = files.iter().flat_map(|file| keys(file, false));
    let abroad: HashSet<_> = abroad.map(|(key, _)| key).collect();
    if abroad.is_empty() {
        return;
    }
    let mut said = HashMap::new();
    for (key, enforcement) in files.iter().flat_map(|file| keys(file, true)) {
        if abroad.contains(&key) {
            let strictest = said.entry(key).or_insert(enforcement);
            *strictest = (*strictest).max(enforcement);
        }
    }
    for file in files {
        let name = &file.name;
        file.results.retain(|result| {
            let key = key(result).filter(|key| key.2 != *name);
            let said = key.and_then(|key| said.get(&key));
            said.is_none_or(|said| *said < result.enforcement)
        });
    }
}

/// What the policies say of one object.
#[derive(Default)]
struct Verdicts {
    results: Vec<RuleResult>,
    errors: Vec<ReviewError>,
    evaluations: Vec<(Arc<Policy>, Duration)>,
    secrets: Vec<Secret>,
    /// The places of the first results by the hash of what they say, once there are many.
    said: HashMap<u64, Vec<usize>>,
    /// How many these are.
    indexed: usize,
}

/// Up to this many results, looking at each is faster than hashing.
const FEW: usize = 64;

/// A secret that was found.
struct Secret {
    place: Place,
    /// The value in the document.
    value: String,
}

impl Secret {
    /// What an object holds that is secret whatever a policy says of it: with the keys of an
    /// `EncryptionConfiguration` everybody reads what they encrypt, and they are no mistake.
    fn of(object: &Object) -> Vec<Self> {
        if object.kind != encryption::KIND && object.kind != encryption::LEGACY_KIND {
            return Vec::new();
        }
        let keys = encryption::keys(&object.document).into_iter();
        keys.filter_map(|pointer| {
            let value = object.document.at(&pointer)?.node.as_str();
            Some(Self {
                place: object.place(&pointer)?,
                value: value.unwrap_or_default().to_owned(),
            })
        })
        .collect()
    }
}

impl Verdicts {
    /// Adds a result, unless the same rule said the same of the same place with other parameters;
    /// of two, the stricter stays.
    fn push(&mut self, result: RuleResult) {
        match self.same(&result) {
            Some(known) if self.results[known].enforcement < result.enforcement => {
                self.results[known] = result;
            }
            Some(_) => {}
            None => self.results.push(result),
        }
    }

    /// The place of the result that says the same.
    fn same(&mut self, result: &RuleResult) -> Option<usize> {
        let says = result.says();
        if self.results.len() < FEW {
            return self.results.iter().position(|known| known.says() == says);
        }
        for (place, known) in self.results.iter().enumerate().skip(self.indexed) {
            let hash = self.said.hasher().hash_one(known.says());
            self.said.entry(hash).or_default().push(place);
        }
        self.indexed = self.results.len();
        let places = self.said.get(&self.said.hasher().hash_one(&says))?;
        let mut places = places.iter().copied();
        places.find(|place| self.results[*place].says() == says)
    }
}

/// The constraints that one evaluation serves, together: those of one policy with the same
/// parameters.
fn groups<'a>(constraints: &[&'a Arc<Constraint>]) -> Vec<Vec<&'a Arc<Constraint>>> {
    let mut groups: Vec<Vec<&Arc<Constraint>>> = Vec::new();
    for &constraint in constraints {
        let same = |group: &&mut Vec<&Arc<Constraint>>| {
            Arc::ptr_eq(&group[0].policy, &constraint.policy)
                && group[0].parameters == constraint.parameters
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(constraint),
            None => groups.push(vec![constraint]),
        }
    }
    groups
}

/// Whether a byte of the first text lies in a string that says what a comment would say: there it
/// is none. Other strings may have a place that stands for them, such as that of a whole file.
fn is_in_string(node: &Node, at: usize) -> bool {
    let says = |text: &str, span: Span| {
        text.contains(Comments::MARK) && span.text == 0 && span.range().contains(&at)
    };
    match &node.content {
        Content::String(text) => says(text, node.span),
        Content::List(items) => items.iter().any(|item| is_in_string(item, at)),
        Content::Map(entries) => entries
            .iter()
            .any(|entry| says(&entry.key, entry.key_span) || is_in_string(&entry.value, at)),
        _ => false,
    }
}

/// What is known from outside of an object.
fn facts(object: &Object, images: &Images) -> Facts {
    let mut facts = object.written.facts.clone();
    let images = images.of(object);
    if !images.is_empty() {
        facts.insert("images", Arc::new(images.into()));
    }
    let nodes = [
        ("namespace", &object.written.namespace),
        ("target", &object.written.target),
    ];
    for (key, node) in nodes {
        if let Some(fact) = node
            .as_deref()
            .and_then(|node| serde_json::to_value(node).ok())
        {
            facts.insert(key, Arc::new(fact));
        }
    }
    facts
}

/// The object as it is passed to policies, without the facts that each may ask for.
fn pass(object: &Object) -> contract::Object {
    contract::Object {
        kind: contract::Kind {
            group: object.kind.group.to_string(),
            name: object.kind.name.to_string(),
        },
        version: object.version.clone(),
        name: object.identity.name.clone(),
        namespace: object.identity.namespace.clone(),
        document: json(&object.document),
        context: String::new(),
        request: object
            .written
            .request
            .as_deref()
            .map(|request| contract::Request {
                operation: request.operation.clone(),
                subresource: request.subresource.clone(),
                user: request.user.clone(),
                groups: request.groups.clone(),
                dry_run: request.dry_run,
                previous: request.previous.clone(),
                attributes: serde_json::to_string(&request.attributes).unwrap_or_default(),
            }),
    }
}

/// A document as JSON, which takes about as much room as the text that it was read from.
fn json(document: &Node) -> String {
    let mut json = Vec::with_capacity(document.span.range().len() + 64);
    match serde_json::to_writer(&mut json, document) {
        Ok(()) => String::from_utf8(json).unwrap_or_default(),
        Err(_) => String::new(),
    }
}

impl FileReview {
    /// Finds the secrets in the texts that findings show, whichever policies were asked.
    fn find_secrets(&mut self) {
        let mut shown: Vec<Arc<Text>> = Vec::new();
        for result in &self.results {
            if let Answer::Found(offence) = &result.answer {
                let related = offence.related.iter().map(|(place, _)| place);
                for place in std::iter::once(&offence.place).chain(related) {
                    if !shown.iter().any(|text| Arc::ptr_eq(text, &place.text)) {
                        shown.push(Arc::clone(&place.text));
                    }
                }
            }
        }
        for text in shown {
            let tree = self
                .tree
                .as_deref()
                .filter(|(of, _)| Arc::ptr_eq(of, &text));
            let tree = tree.map(|(_, tree)| tree);
            for secret in source::secrets(&text.content, tree) {
                let span = Span::new(secret.range.start, secret.range.end);
                let place = Place {
                    text: Arc::clone(&text),
                    shown: span,
                    value: span,
                };
                let value = secret.value;
                self.secrets.add(&Secret { place, value });
            }
        }
    }

    /// Takes the secrets out of what is not a part of the text: names, paths and reasons, which
    /// may repeat them.
    fn hide_secrets(&mut self) {
        let secrets = &self.secrets;
        let hide = |text: &mut String| {
            if let std::borrow::Cow::Owned(masked) = secrets.mask(text) {
                *text = masked;
            }
        };
        for result in &mut self.results {
            if let std::borrow::Cow::Owned(name) = secrets.mask(&result.identity.name) {
                result.identity = Arc::new(Identity {
                    name,
                    ..Identity::clone(&result.identity)
                });
            }
            if let Some(grant) = &mut result.exception {
                hide(&mut grant.reason);
            }
            if let Answer::Found(offence) = &mut result.answer {
                hide(&mut offence.path);
            }
        }
        for exception in &mut self.exceptions {
            hide(&mut exception.reason);
        }
    }

    fn input_error(&mut self, position: Option<Position>, message: String) {
        self.errors.push(ReviewError {
            file: Some(self.name.clone()),
            position,
            policy: None,
            constraint: None,
            object: None,
            kind: ErrorKind::Input,
            enforcement: None,
            message,
        });
    }
}

impl Offence {
    fn new(finding: contract::Finding, object: &Object, repairs: bool) -> Option<Self> {
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
    fn says(&self) -> impl Eq + Hash + use<'_> {
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

    fn of(error: &PolicyError) -> Self {
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

/// The secrets of one input, collected from all policies before anything of it is shown.
#[derive(Debug, Default)]
pub struct Secrets {
    places: Vec<(Arc<Text>, Range<usize>)>,
    /// Their lines, or how those begin, which are masked wherever they stand.
    values: BTreeSet<String>,
    /// How many bytes these have.
    bytes: usize,
    /// Whether there are more than are looked for: then nothing of a document is shown.
    too_many: bool,
    /// Finds the values, once all of them are known.
    values_in: OnceLock<Option<AhoCorasick>>,
}

/// So many bytes of a secret are looked for; what begins so is masked to the end of its line.
const BEGINNING: usize = 64;

/// How many places are masked one by one.
const PLACES: usize = 1024;

/// How many bytes are looked for in all. To find more takes time that nothing limits.
const SOUGHT: usize = 64 << 10;

/// The fewest characters that are masked wherever they appear, and not only where they were
/// found: a shorter secret is a common word too often.
const DISTINCT: usize = 6;

impl Secrets {
    /// Adds the secret at a place, and its value, which need not be written there: a variable may
    /// stand for it.
    fn add(&mut self, secret: &Secret) {
        let mut range = secret.place.value.range();
        let Some(written) = secret.place.text.content.get(range.clone()) else {
            return;
        };
        // The sign of a block of text is no part of it.
        if let Some(newline) = written
            .find('\n')
            .filter(|_| written.starts_with(['|', '>']))
        {
            range.start += newline;
        }
        for line in written.lines().chain(secret.value.lines()) {
            let line = line.trim().trim_matches(['"', '\'']);
            if line.chars().take(DISTINCT).count() == DISTINCT {
                self.seek(line);
            }
        }
        if self.places.len() < PLACES {
            self.places.push((Arc::clone(&secret.place.text), range));
        } else {
            self.too_many = true;
        }
        self.values_in = OnceLock::new();
    }

    fn seek(&mut self, line: &str) {
        let beginning = &line[..line.floor_char_boundary(BEGINNING)];
        if self.values.contains(beginning) {
            return;
        }
        if self.bytes + beginning.len() > SOUGHT {
            self.too_many = true;
            return;
        }
        self.bytes += beginning.len();
        self.values.insert(beginning.to_owned());
    }

    /// A text that is about the input, without its secrets.
    #[must_use]
    pub fn mask<'a>(&self, text: &'a str) -> std::borrow::Cow<'a, str> {
        let Some(values) = self.values_in.get_or_init(|| self.matcher()) else {
            return text.into();
        };
        let mut masked = String::new();
        let mut from = 0;
        for found in values.find_iter(text) {
            if found.start() < from {
                continue;
            }
            // Of what is longer only the beginning was looked for.
            let rest = &text[found.end()..];
            let is_cut = found.len() + 4 > BEGINNING;
            let rest = if is_cut {
                rest.find('\n').unwrap_or(rest.len())
            } else {
                0
            };
            let end = found.end() + rest;
            masked += &text[from..found.start()];
            masked += &stars(&text[found.start()..end]);
            from = end;
        }
        if from == 0 {
            text.into()
        } else {
            (masked + &text[from..]).into()
        }
    }

    /// A part of an object's document, with stars for its secrets.
    pub fn hide(&self, node: &mut Node, texts: &[Arc<Text>]) {
        let span = node.span;
        match &mut node.content {
            Content::String(text) => {
                let within = |(of, place): &(Arc<Text>, Range<usize>)| {
                    let here = texts.get(span.text as usize);
                    here.is_some_and(|here| Arc::ptr_eq(here, of))
                        && place.start <= span.range().start
                        && span.range().end <= place.end
                };
                if self.too_many || self.places.iter().any(within) {
                    *text = stars(text);
                } else if let std::borrow::Cow::Owned(masked) = self.mask(text) {
                    *text = masked;
                }
            }
            Content::List(items) => items.iter_mut().for_each(|item| self.hide(item, texts)),
            Content::Map(entries) => {
                for entry in entries {
                    self.hide(&mut entry.value, texts);
                    if let std::borrow::Cow::Owned(masked) = self.mask(&entry.key) {
                        entry.key = masked;
                    }
                }
            }
            Content::Null | Content::Bool(_) | Content::Number(_) => {}
        }
    }

    /// Of two secrets that begin at one place the longer is found: its rest would stay.
    fn matcher(&self) -> Option<AhoCorasick> {
        let builder = || {
            AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(&self.values)
        };
        if self.values.is_empty() {
            None
        } else {
            builder().ok()
        }
    }

    /// A part of a text of the input, without its secrets; every character keeps its column.
    #[must_use]
    pub fn excerpt(&self, text: &Arc<Text>, range: Range<usize>) -> String {
        let content = |range: Range<usize>| text.content.get(range).unwrap_or_default();
        if self.too_many {
            return stars(content(range));
        }
        let here = self.places.iter().filter(|(other, place)| {
            Arc::ptr_eq(other, text) && place.start < range.end && range.start < place.end
        });
        let mut places: Vec<&Range<usize>> = here.map(|(_, place)| place).collect();
        places.sort_by_key(|place| place.start);
        let mut masked = String::new();
        let mut from = range.start;
        for place in places {
            let (start, end) = (
                place.start.clamp(from, range.end),
                place.end.clamp(from, range.end),
            );
            masked += content(from..start);
            masked += &stars(content(start..end));
            from = end.max(from);
        }
        masked += content(from..range.end);
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

    fn secrets(content: &str, secret: &str) -> (Arc<Text>, Secrets) {
        let start = content
            .find(secret)
            .expect("the secret is part of the sample");
        let span = Span::new(start, start + secret.len());
        let text = Arc::new(Text::new("x", content));
        let place = Place {
            text: Arc::clone(&text),
            shown: span,
            value: span,
        };
        let mut secrets = Secrets::default();
        secrets.add(&Secret {
            place,
            value: "the value of a variable".into(),
        });
        (text, secrets)
    }

    #[test]
    fn a_secret_is_masked_wherever_it_stands() {
        let content = "A=\"hunter22\"\nB=hunter22 c";
        let (text, secrets) = secrets(content, "\"hunter22\"");
        assert_eq!(
            secrets.excerpt(&text, 0..content.len()),
            "A=**********\nB=******** c"
        );
        assert_eq!(
            secrets.mask("is the value of a variable"),
            "is ***********************"
        );
    }

    #[test]
    fn a_long_secret_is_masked_to_the_end_of_its_line() {
        let long = "x1".repeat(100);
        let (_, secrets) = secrets(&format!("A={long}"), &long);
        let masked = secrets.mask(&format!("a {long}\nb")).into_owned();
        assert_eq!(masked, format!("a {}\nb", "*".repeat(200)));
    }

    #[test]
    fn of_too_many_secrets_nothing_is_shown() {
        let lines: Vec<String> = (0..10_000).map(|number| format!("line {number}")).collect();
        let content = lines.join("\n");
        let (text, secrets) = secrets(&format!("{content}\nB=plain"), &content);
        assert!(secrets.too_many && secrets.bytes <= SOUGHT);
        let end = text.content.len();
        assert_eq!(secrets.excerpt(&text, end - 5..end), "*****");
        let mut node = Node::string(Span::new(end - 5, end), "plain");
        secrets.hide(&mut node, &[text]);
        assert_eq!(node.as_str(), Some("*****"));
    }

    #[test]
    fn a_short_secret_is_masked_where_it_was_found() {
        let content = "a: app\nb: app";
        let (text, secrets) = secrets(content, "app");
        assert_eq!(secrets.excerpt(&text, 0..content.len()), "a: ***\nb: app");
        let other = Arc::new(Text::new("y", content));
        assert_eq!(
            secrets.excerpt(&other, 0..content.len()),
            content,
            "the place is in another text"
        );
    }

    #[test]
    fn an_excerpt_can_begin_within_a_secret() {
        let content = "key: |\n  first line\n  second line\n";
        let (text, secrets) = secrets(content, "|\n  first line\n  second line");
        assert_eq!(secrets.excerpt(&text, 0..7), "key: |\n");
        assert_eq!(secrets.excerpt(&text, 7..19), "************");
    }
}
