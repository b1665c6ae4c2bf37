//! Reads constraints and exceptions from files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::fields::Fields;
use super::matching::{self, Expression, Kinds, Operator, Scope, Selector};
use super::{API_VERSION, Broken, Constraint, Enforcement, Exception, Match, Rulebook};
use crate::catalog::{Catalog, is_reference};
use crate::engine::{Cache, Engine};
use crate::object::{Content, Node, Position, Span, Text};
use crate::policy::Policy;
use crate::source::{MAX_TEXT, nearest, yaml};

/// A file of constraints, and what it may do.
#[derive(Debug)]
pub struct Source {
    /// Its text.
    pub text: Text,
    /// Its path.
    pub path: PathBuf,
    /// Whether a user named it. A file that was found in a judged tree loads no code.
    pub named: bool,
    /// Whether it stands in a bundle, of which nothing leads to a file of this machine.
    pub bundled: bool,
    /// Whether its exceptions count.
    pub granted: bool,
}

/// What is wrong with a file of constraints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The place, if the file could be read.
    pub position: Option<Position>,
    /// What is wrong and what to do.
    pub message: String,
    /// Whether it concerns one constraint or exception, and everything else is known all the same.
    pub contained: bool,
}

impl Problem {
    /// Why what a reference stands for cannot be read. The error may begin with the reference.
    #[cfg(feature = "registry")]
    pub(crate) fn of_reference(reference: &str, error: &anyhow::Error) -> Self {
        let message = format!("{error:#}");
        let rest = message.strip_prefix(reference);
        let rest = rest.map(|rest| rest.trim_start_matches([':', ' ']).to_owned());
        Self {
            file: reference.to_owned(),
            position: None,
            message: rest.unwrap_or(message),
            contained: false,
        }
    }
}

impl Source {
    /// Reads a file.
    pub fn open(path: &Path, named: bool, granted: bool) -> Result<Self, Problem> {
        let name = path.strip_prefix(".").unwrap_or(path).display().to_string();
        let problem = |message: String| Problem {
            file: name.clone(),
            position: None,
            message,
            contained: false,
        };
        let length = std::fs::metadata(path)
            .map_err(|error| problem(format!("cannot be read: {error}")))?
            .len();
        if length > MAX_TEXT {
            return Err(problem(format!(
                "is larger than {} MiB; split it",
                MAX_TEXT >> 20
            )));
        }
        let content = std::fs::read_to_string(path)
            .map_err(|error| problem(format!("cannot be read: {error}")))?;
        Ok(Self {
            text: Text::new(name.clone(), content),
            path: path.into(),
            named,
            bundled: false,
            granted,
        })
    }

    /// A text that is no file: what it names is not loaded from files either.
    #[must_use]
    pub fn fed(name: &str, text: String) -> Self {
        Self {
            text: Text::new(name, text),
            path: PathBuf::new(),
            named: false,
            bundled: false,
            granted: true,
        }
    }

    /// The files that a user named, one by one or by their folder.
    #[must_use]
    pub fn named(paths: &[PathBuf]) -> Vec<Result<Self, Problem>> {
        let files = paths.iter().flat_map(|path| match Self::files(path) {
            Ok(files) => files
                .iter()
                .map(|file| Self::open(file, true, true))
                .collect(),
            Err(problem) => vec![Err(problem)],
        });
        files.collect()
    }

    /// The constraints in the files of a bundle.
    #[cfg(feature = "registry")]
    #[must_use]
    pub fn of_bundle(bundle: &Path, files: &crate::registry::Files) -> Vec<Self> {
        let files = files.iter();
        let constraints = files.filter(|(path, _)| path.starts_with("constraints/"));
        constraints
            .map(|(path, content)| Self::of_bundle_file(bundle, path, content))
            .collect()
    }

    /// A file of a bundle.
    #[cfg(feature = "registry")]
    #[must_use]
    pub fn of_bundle_file(bundle: &Path, path: &str, content: &[u8]) -> Self {
        Self {
            text: Text::new(
                format!("{}!{path}", bundle.display()),
                String::from_utf8_lossy(content),
            ),
            path: PathBuf::from(path),
            named: true,
            bundled: true,
            granted: true,
        }
    }

    /// The references to policies in a registry that it names. What is wrong with them is said
    /// when the file is read.
    #[cfg(feature = "registry")]
    #[must_use]
    pub fn references(&self) -> Vec<crate::registry::Reference> {
        let documents = yaml::read(&self.text.content).documents;
        let policies = documents
            .iter()
            .filter_map(|document| document.get("spec")?.text("policy"));
        let meant = policies.filter(|policy| is_reference(policy));
        meant.filter_map(|policy| policy.parse().ok()).collect()
    }

    /// The files that an argument stands for: itself, or the YAML and JSON files of a folder.
    pub fn files(path: &Path) -> Result<Vec<PathBuf>, Problem> {
        let problem = |message: String| Problem {
            file: path.display().to_string(),
            position: None,
            message,
            contained: false,
        };
        if !path.is_dir() {
            return Ok(vec![path.to_owned()]);
        }
        let entries = path
            .read_dir()
            .map_err(|error| problem(format!("cannot be read: {error}")))?;
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        files.retain(|file| {
            file.extension().is_some_and(|extension| {
                ["yaml", "yml", "json"]
                    .iter()
                    .any(|known| extension == *known)
            })
        });
        files.sort();
        if files.is_empty() {
            return Err(problem(
                "holds no YAML or JSON file with constraints".into(),
            ));
        }
        Ok(files)
    }

    pub(crate) fn problem(&self, span: Span, message: String) -> Problem {
        Problem {
            file: self.text.name.clone(),
            position: Some(self.position(span)),
            message,
            contained: false,
        }
    }

    pub(crate) fn position(&self, span: Span) -> Position {
        self.text.position(span.range().start)
    }
}

/// The constraints that a user named: files, folders of them, and bundles in a registry. What
/// they name in registries is pulled, all at once.
#[must_use]
pub fn sources(
    paths: &[PathBuf],
    catalog: &Catalog,
    engine: &Engine,
    cache: Option<&Cache>,
) -> Vec<Result<Source, Problem>> {
    #[cfg(not(feature = "registry"))]
    let _ = (catalog, engine, cache);
    let mut sources = Vec::new();
    for path in paths {
        match path.to_str().filter(|text| is_reference(text)) {
            None => sources.extend(Source::named(std::slice::from_ref(path))),
            // The catalog says of what it cannot load that it cannot.
            #[cfg(not(feature = "registry"))]
            Some(_) => {}
            #[cfg(feature = "registry")]
            Some(text) => {
                let files = text
                    .parse()
                    .and_then(|reference| catalog.files(engine, cache, &reference));
                match files {
                    Ok(files) => {
                        sources.extend(Source::of_bundle(path, &files).into_iter().map(Ok));
                    }
                    Err(error) => sources.push(Err(Problem::of_reference(text, &error))),
                }
            }
        }
    }
    #[cfg(feature = "registry")]
    {
        let read = sources.iter().filter_map(|source| source.as_ref().ok());
        let references: Vec<_> = read.flat_map(Source::references).collect();
        catalog.prefetch(engine, cache, &references);
    }
    sources
}

/// Reads the constraints and exceptions of a file into a rulebook; what is wrong is noted, and
/// what is not stands.
pub fn read(
    source: &Source,
    catalog: &Catalog,
    engine: &Engine,
    cache: Option<&Cache>,
    rulebook: &mut Rulebook,
    problems: &mut Vec<Problem>,
) {
    let documents = yaml::read(&source.text.content);
    if let Some(fault) = documents.fault {
        problems.push(source.problem(Span::new(fault.at, fault.at), fault.message));
    }
    for document in &documents.documents {
        let mut reader = Reader {
            source,
            catalog,
            engine,
            cache,
            problems,
        };
        let known = ["apiVersion", "kind", "metadata", "spec"];
        let fields = Fields::new(document, source, &known, reader.problems);
        if document.text("apiVersion") != Some(API_VERSION) {
            let place = fields.place("apiVersion");
            reader
                .problems
                .push(source.problem(place, format!("apiVersion is {API_VERSION}")));
            continue;
        }
        match document.text("kind") {
            Some("Constraint") => match reader.constraint(&fields) {
                Ok(constraint) => rulebook.constraints.push(Arc::new(constraint)),
                Err(broken) => rulebook.broken.push(*broken),
            },
            Some("Exception") => {
                let before = reader.problems.len();
                rulebook.exceptions.extend(reader.exception(&fields));
                reader.contain(before);
            }
            _ => reader.problems.push(source.problem(
                fields.place("kind"),
                "kind is Constraint or Exception".into(),
            )),
        }
    }
}

struct Reader<'a> {
    source: &'a Source,
    catalog: &'a Catalog,
    engine: &'a Engine,
    cache: Option<&'a Cache>,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn problem(&mut self, span: Span, message: impl Into<String>) {
        self.problems
            .push(self.source.problem(span, message.into()));
    }

    /// Says of the problems after some that nothing else is wrong because of them.
    fn contain(&mut self, before: usize) {
        for problem in &mut self.problems[before..] {
            problem.contained = true;
        }
    }

    /// A constraint, or what is known of one that cannot be applied.
    fn constraint(&mut self, fields: &Fields) -> Result<Constraint, Box<Broken>> {
        let before = self.problems.len();
        let name = self.name(fields);
        let nothing = Node {
            span: fields.place("kind"),
            content: Content::Null,
        };
        let spec = fields.get("spec").unwrap_or(&nothing);
        let known = [
            "policy",
            "rules",
            "enforcementAction",
            "onUnknown",
            "onlyNew",
            "match",
            "parameters",
        ];
        let spec = Fields::new(spec, self.source, &known, self.problems);
        let policy = self.policy(&spec);
        let actions = [
            ("deny", Enforcement::Deny),
            ("warn", Enforcement::Warn),
            ("dryrun", Enforcement::Dryrun),
        ];
        let enforcement = spec
            .choice("enforcementAction", &actions, self.problems)
            .unwrap_or(Enforcement::Deny);
        let unknowns = [
            ("deny", Some(Enforcement::Deny)),
            ("warn", Some(Enforcement::Warn)),
            ("allow", None),
        ];
        let on_unknown = spec
            .choice("onUnknown", &unknowns, self.problems)
            .unwrap_or(Some(Enforcement::Deny));
        let matches = self.matches(&spec);
        let only_new = spec.flag("onlyNew", self.problems);
        let of_policy = policy.as_ref().map(|policy| {
            let rules = self.rules(&spec, policy);
            (rules, self.parameters(&spec, policy))
        });
        if let (Some(policy), Some((rules, parameters)), true) =
            (&policy, of_policy, self.problems.len() == before)
        {
            return Ok(Constraint {
                name,
                policy: Arc::clone(policy),
                rules,
                enforcement,
                on_unknown,
                only_new,
                matches,
                parameters,
            });
        }
        self.contain(before);
        let wrong = self.problems[before..].iter();
        let wrong: Vec<&str> = wrong.map(|problem| problem.message.as_str()).collect();
        Err(Box::new(Broken {
            name: name.unwrap_or_else(|| "(without name)".into()),
            policy: spec.node().text("policy").unwrap_or_default().to_owned(),
            kinds: policy,
            enforcement,
            matches,
            problem: wrong.join("; "),
        }))
    }

    fn exception(&mut self, fields: &Fields) -> Option<Exception> {
        let before = self.problems.len();
        let name = self.name(fields);
        let spec = fields.get("spec")?;
        let known = ["policy", "rules", "match", "expires", "reason"];
        let spec = Fields::new(spec, self.source, &known, self.problems);
        let policy = self.policy(&spec)?;
        let reason = spec.required("reason", self.problems);
        let expires = spec.required("expires", self.problems);
        let expires = expires.and_then(|(text, span)| {
            let date = text.parse::<jiff::civil::Date>();
            date.map_err(|_| {
                self.problem(
                    span,
                    "expires is a day: 2027-03-31, the last on which it holds",
                );
            })
            .ok()
        });
        let rules = self.rules(&spec, &policy);
        let matches = self.matches(&spec);
        if self.problems.len() > before {
            return None;
        }
        Some(Exception {
            name,
            policy: policy.id().to_owned(),
            rules,
            matches,
            expires: expires?,
            reason: reason?.0.to_owned(),
            file: self.source.text.name.clone(),
            position: self.source.position(fields.place("kind")),
            granted: self.source.granted,
            hidden: AtomicUsize::new(0),
        })
    }

    /// The name, and that there is a `spec`.
    fn name(&mut self, fields: &Fields) -> Option<String> {
        if fields.get("spec").is_none() {
            self.problem(fields.place("kind"), "spec is missing");
        }
        let Some(metadata) = fields.get("metadata") else {
            self.problem(
                fields.place("kind"),
                "metadata.name is missing; findings are shown with it",
            );
            return None;
        };
        // What Kubernetes adds to the same resource is of no concern here.
        let name = metadata
            .text("name")
            .filter(|name| !name.is_empty())
            .map(str::to_owned);
        if name.is_none() {
            self.problem(
                metadata.span,
                "metadata.name is missing; findings are shown with it",
            );
        }
        name
    }

    /// The policy that a reference to a registry stands for.
    fn remote_policy(&mut self, name: &str, span: Span) -> Option<Arc<Policy>> {
        if !self.source.named {
            self.problem(span, "a file that was found beside what is judged reaches no registry; name it with -c, or the policy with -p");
            return None;
        }
        #[cfg(feature = "registry")]
        let followed = name
            .parse()
            .and_then(|reference| self.catalog.follow(self.engine, self.cache, &reference));
        #[cfg(not(feature = "registry"))]
        let followed = Err(anyhow::anyhow!(
            "{name}: this program was built without the feature registry"
        ));
        followed
            .map_err(|error: anyhow::Error| self.problem(span, format!("{error:#}")))
            .ok()
    }

    /// The policy by its name, by a reference, or from a file that is named from the folder of the
    /// constraint.
    fn policy(&mut self, spec: &Fields) -> Option<Arc<Policy>> {
        let (name, span) = spec.required("policy", self.problems)?;
        if let Some(policy) = self.catalog.get(name) {
            return Some(Arc::clone(policy));
        }
        if is_reference(name) {
            return self.remote_policy(name, span);
        }
        if Path::new(name).extension() != Some("wasm".as_ref()) {
            let known: Vec<&str> = self.catalog.policies().map(|policy| policy.id()).collect();
            let advice = match nearest(name, &known) {
                Some(near) => format!("did you mean {near}?"),
                None => "stridegate policies lists them; a file is named by its path, which ends in .wasm, and one in a registry by oci://".into(),
            };
            self.problem(span, format!("there is no policy {name:?}; {advice}"));
            return None;
        }
        if !self.source.named {
            self.problem(
                span,
                "what is not named with -c loads no policy; name it with -c, or the policy with -p",
            );
            return None;
        }
        if self.source.bundled {
            self.problem(
                span,
                "what stands in a bundle names no file; name the policy that is pushed with it, or one in a registry by oci://",
            );
            return None;
        }
        let path = self
            .source
            .path
            .parent()
            .unwrap_or(Path::new(""))
            .join(name);
        match self.catalog.open(self.engine, self.cache, &path) {
            Ok(policy) => Some(policy),
            Err(error) => {
                self.problem(span, format!("the policy {name} {error:#}"));
                None
            }
        }
    }

    fn rules(&mut self, spec: &Fields, policy: &Policy) -> Vec<String> {
        let known: Vec<&str> = policy
            .description
            .rules
            .iter()
            .map(|rule| rule.id.as_str())
            .collect();
        let mut rules = Vec::new();
        for (rule, span) in spec.texts("rules", self.problems) {
            if known.contains(&rule.as_str()) {
                rules.push(rule);
                continue;
            }
            let advice = match nearest(&rule, &known) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("it has {}", known.join(", ")),
            };
            self.problem(
                span,
                format!("{} has no rule {rule:?}; {advice}", policy.id()),
            );
        }
        rules
    }

    /// The parameters, after the policy has looked at them.
    fn parameters(&mut self, spec: &Fields, policy: &Policy) -> String {
        let Some(node) = spec.get("parameters") else {
            return "{}".into();
        };
        let text = serde_json::to_string(node).unwrap_or_default();
        match policy.validate(self.engine, self.cache, &text) {
            Ok(Ok(())) => {}
            Ok(Err(wrong)) => {
                for problem in wrong {
                    let located = node.at(&problem.path);
                    let span = located.map_or(node.span, |located| {
                        located.key.unwrap_or(located.node.span)
                    });
                    let near = unknown_parameter(policy, &problem.path)
                        .map(|near| format!("; did you mean {near}?"));
                    self.problem(
                        span,
                        format!(
                            "{}: {}{}",
                            policy.id(),
                            problem.message,
                            near.unwrap_or_default()
                        ),
                    );
                }
            }
            Err(error) => self.problem(node.span, error.to_string()),
        }
        text
    }

    fn matches(&mut self, spec: &Fields) -> Match {
        let Some(node) = spec.get("match") else {
            return Match::default();
        };
        let known = [
            "source",
            "kinds",
            "scope",
            "namespaces",
            "excludedNamespaces",
            "name",
            "labelSelector",
            "namespaceSelector",
            "operations",
        ];
        let fields = Fields::new(node, self.source, &known, self.problems);
        let texts =
            |list: Vec<(String, Span)>| list.into_iter().map(|(text, _)| text).collect::<Vec<_>>();
        let scopes = [
            ("*", None),
            ("Cluster", Some(Scope::Cluster)),
            ("Namespaced", Some(Scope::Namespaced)),
        ];
        let sources = [
            ("All", matching::Source::All),
            ("Original", matching::Source::Original),
            ("Generated", matching::Source::Generated),
        ];
        Match {
            source: fields
                .choice("source", &sources, self.problems)
                .unwrap_or_default(),
            kinds: self.kinds(&fields),
            scope: fields.choice("scope", &scopes, self.problems).flatten(),
            namespaces: texts(fields.texts("namespaces", self.problems)),
            excluded_namespaces: texts(fields.texts("excludedNamespaces", self.problems)),
            name: fields
                .text("name", self.problems)
                .map(|(name, _)| name.to_owned())
                .filter(|name| !name.is_empty()),
            labels: self.selector(&fields, "labelSelector"),
            namespace_labels: self.selector(&fields, "namespaceSelector"),
            operations: self.operations(&fields),
        }
    }

    fn kinds(&mut self, fields: &Fields) -> Vec<Kinds> {
        let items = fields.get("kinds").map(Node::items).unwrap_or_default();
        let kinds = items.iter().map(|item| {
            let fields = Fields::new(item, self.source, &["apiGroups", "kinds"], self.problems);
            let mut texts = |key| {
                fields
                    .texts(key, self.problems)
                    .into_iter()
                    .map(|(text, _)| text)
                    .collect()
            };
            Kinds {
                groups: texts("apiGroups"),
                kinds: texts("kinds"),
            }
        });
        kinds.collect()
    }

    /// Operations as Kubernetes and the Docker gate name them, whose names have a dot.
    fn operations(&mut self, fields: &Fields) -> Vec<String> {
        const KNOWN: [&str; 5] = ["create", "update", "delete", "connect", "*"];
        let mut operations = Vec::new();
        for (name, span) in fields.texts("operations", self.problems) {
            let name = name.to_ascii_lowercase();
            if KNOWN.contains(&name.as_str()) || name.contains('.') {
                operations.push(name);
                continue;
            }
            let advice = match nearest(&name, &KNOWN) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("known here: {}", KNOWN.join(", ")),
            };
            self.problem(span, format!("there is no operation {name:?}; {advice}"));
        }
        operations
    }

    fn selector(&mut self, fields: &Fields, key: &str) -> Selector {
        let Some(node) = fields.get(key) else {
            return Selector::default();
        };
        let fields = Fields::new(
            node,
            self.source,
            &["matchLabels", "matchExpressions"],
            self.problems,
        );
        let mut selector = Selector::default();
        for entry in fields
            .get("matchLabels")
            .map(Node::entries)
            .unwrap_or_default()
        {
            match entry.value.as_str() {
                Some(value) => selector.labels.push((entry.key.clone(), value.to_owned())),
                None => self.problem(entry.value.span, "the value of a label is a text; quote it"),
            }
        }
        let operators = [
            ("In", Operator::In),
            ("NotIn", Operator::NotIn),
            ("Exists", Operator::Exists),
            ("DoesNotExist", Operator::DoesNotExist),
        ];
        for item in fields
            .get("matchExpressions")
            .map(Node::items)
            .unwrap_or_default()
        {
            let fields = Fields::new(
                item,
                self.source,
                &["key", "operator", "values"],
                self.problems,
            );
            let key = fields.required("key", self.problems);
            let operator = fields.choice("operator", &operators, self.problems);
            let values = fields
                .texts("values", self.problems)
                .into_iter()
                .map(|(text, _)| text)
                .collect();
            match (key, operator) {
                (Some((key, _)), Some(operator)) => {
                    selector.expressions.push(Expression {
                        key: key.into(),
                        operator,
                        values,
                    });
                }
                (_, None) if fields.get("operator").is_none() => {
                    self.problem(item.span, "operator is missing; set it");
                }
                _ => {}
            }
        }
        selector
    }
}

/// The parameter that an unknown one was most likely meant to be.
fn unknown_parameter(policy: &Policy, path: &str) -> Option<String> {
    let name = path.strip_prefix('/')?;
    let schema: serde_json::Value = serde_json::from_str(&policy.description.parameters).ok()?;
    let known = schema.get("properties")?.as_object()?;
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    (!known.contains_key(name))
        .then(|| nearest(name, &names).map(str::to_owned))
        .flatten()
}
