use stridegate_shapes::Kind;

use crate::mitigation::{
    self, Category, Check, Control, Description, Guest, Problem, Refusal, Severity, Threat,
};
use crate::{Checks, Object, Parameters};

/// What a policy says of itself, known at compile time.
#[derive(Debug)]
pub struct Facts {
    /// The name of the smell that it finds, which is the name of its crate.
    pub id: &'static str,
    /// The version of its crate.
    pub version: &'static str,
    /// `CommonMark`; the first line is the title.
    pub documentation: &'static str,
    /// The cells of the threat model that it answers.
    pub threats: &'static [(&'static str, Category)],
    /// The kinds that it judges.
    pub kinds: &'static [Kind],
    /// The keys of an object's context that it uses.
    pub context: &'static [&'static str],
    /// What it decides.
    pub rules: &'static [&'static Rule],
}

/// One question that a policy answers of every object.
#[derive(Debug)]
pub struct Rule {
    /// The name of the rule within its policy.
    pub id: &'static str,
    /// What holds where the rule passes, as a sentence without a full stop.
    pub title: &'static str,
    /// The highest severity that a finding of this rule has.
    pub severity: Severity,
    /// The controls of published benchmarks that it decides: benchmark and id.
    pub controls: &'static [(&'static str, &'static str)],
    /// What to do instead.
    pub remediation: &'static str,
}

/// A policy; [`policy!`](crate::policy!) implements it.
pub trait Policy {
    /// What can be set.
    type Parameters: Parameters;

    /// What the policy says of itself.
    const FACTS: Facts;

    /// Judges one object, whose kind is one of the policy's.
    fn check(
        object: &Object,
        parameters: &Self::Parameters,
        checks: &mut Checks,
    ) -> Result<(), Refusal>;

    /// Judges one object as a host does, with parameters as JSON text.
    fn judge(object: &Object, parameters: &str) -> Result<Vec<Check>, Refusal> {
        let facts = &Self::FACTS;
        if !facts.kinds.iter().any(|kind| object.is(kind)) {
            let kind = Kind::new(&*object.kind.group, &*object.kind.name);
            return Err(Refusal::Object(format!(
                "{} does not judge a {kind}",
                facts.id
            )));
        }
        let parameters = Self::Parameters::parse(parameters)
            .map_err(|problems| Refusal::Parameters(join(&problems)))?;
        let mut checks = Checks::new(facts.rules);
        Self::check(object, &parameters, &mut checks)?;
        checks.finish()
    }
}

fn join(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| format!("{}: {}", problem.path, problem.message))
        .collect();
    lines.join("; ")
}

/// Declares a policy: its documentation, its facts and the function that judges.
///
/// The name and the version are those of the crate. The first line of the documentation is the
/// title. On `WebAssembly` the crate exports the contract.
#[macro_export]
macro_rules! policy {
    (
        $(#[doc = $line:literal])+
        $name:ident {
            parameters: $parameters:ty,
            threats: $threats:expr,
            kinds: $kinds:expr,
            context: $context:expr,
            rules: [$($rule:ident),+ $(,)?],
            check: $check:path $(,)?
        }
    ) => {
        $(#[doc = $line])+
        #[derive(Debug)]
        pub struct $name;

        impl $crate::Policy for $name {
            type Parameters = $parameters;

            const FACTS: $crate::Facts = $crate::Facts {
                id: env!("CARGO_PKG_NAME"),
                version: env!("CARGO_PKG_VERSION"),
                documentation: concat!($($line, "\n"),+),
                threats: &$threats,
                kinds: &$kinds,
                context: &$context,
                rules: &[$(&$rule),+],
            };

            fn check(
                object: &$crate::Object,
                parameters: &$parameters,
                checks: &mut $crate::Checks,
            ) -> Result<(), $crate::Refusal> {
                $check(object, parameters, checks)
            }
        }

        // A native binary can hold many policies, but only one of them could export the contract.
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::export_policy!($name with_types_in $crate::bindings);
    };
}

impl<P: Policy> Guest for P {
    fn describe() -> Description {
        let facts = &P::FACTS;
        let documentation = unindent(facts.documentation);
        let (title, body) = documentation
            .split_once('\n')
            .unwrap_or((&documentation, ""));
        Description {
            id: facts.id.into(),
            version: facts.version.into(),
            title: title.into(),
            documentation: body.trim_matches('\n').into(),
            threats: facts
                .threats
                .iter()
                .map(|&(platform, category)| Threat {
                    platform: platform.into(),
                    category,
                })
                .collect(),
            kinds: facts.kinds.iter().map(kind).collect(),
            context: facts.context.iter().map(|&key| key.into()).collect(),
            rules: facts.rules.iter().map(|rule| rule.describe()).collect(),
            parameters: P::Parameters::schema().to_string(),
        }
    }

    fn validate(parameters: String) -> Result<(), Vec<Problem>> {
        P::Parameters::parse(&parameters).map(drop)
    }

    fn evaluate(object: mitigation::Object, parameters: String) -> Result<Vec<Check>, Refusal> {
        P::judge(&Object(object), &parameters)
    }
}

/// Takes from each line the blank that separates it from the slashes of its comment.
fn unindent(documentation: &str) -> String {
    let lines: Vec<&str> = documentation
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    lines.join("\n")
}

fn kind(kind: &Kind) -> mitigation::Kind {
    mitigation::Kind {
        group: kind.group.to_string(),
        name: kind.name.to_string(),
    }
}

impl Rule {
    fn describe(&self) -> mitigation::Rule {
        let control = |&(benchmark, id): &(&str, &str)| Control {
            benchmark: benchmark.into(),
            id: id.into(),
        };
        mitigation::Rule {
            id: self.id.into(),
            title: self.title.into(),
            severity: self.severity,
            controls: self.controls.iter().map(control).collect(),
            remediation: self.remediation.into(),
        }
    }
}
