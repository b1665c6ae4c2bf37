//! Judges objects and decides: the one place in which it is said what is refused.

mod before;
mod outcome;
mod secrets;

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use serde_json::Value;
use stridegate_shapes::pod;

use self::before::Before;
pub use self::outcome::{
    Answer, CATEGORIES, Counts, Decision, ErrorKind, ExceptionReport, FileReview, Held, Offence,
    PLATFORMS, Repair, Review, ReviewError, RuleResult, severity,
};
use self::secrets::Secret;
pub use self::secrets::Secrets;
use crate::constraint::{
    Comments, Constraint, Enforcement, Exception, Grant, Rulebook, Subject, Today,
};
use crate::engine::contract::{self, Verdict};
use crate::engine::{Cache, Engine};
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
