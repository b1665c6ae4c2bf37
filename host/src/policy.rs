//! A checked component: what it says of itself is sound, and so is each of its answers.

use std::collections::HashSet;
use std::fmt;
use std::sync::OnceLock;

use anyhow::{Context, ensure};
use serde::de::IgnoredAny;

use crate::engine::contract::{self, Category, Check, Description, Outcome, Refusal};
use crate::engine::{self, Cache, Code, Engine, Failure};
use crate::object::{Kind, Object};

/// Where the bytes of a policy come from, for as long as the program runs.
pub type Bytes = std::borrow::Cow<'static, [u8]>;

/// A policy that can be asked.
pub struct Policy {
    /// What it says of itself.
    pub description: Description,
    /// Where it comes from: `bundled`, or the path of its file.
    pub origin: String,
    /// The SHA-256 digest of its component, in hexadecimal.
    pub digest: String,
    bytes: Bytes,
    code: OnceLock<Result<Code, String>>,
}

/// Why a policy gave no answer that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyError {
    /// It did not come to an end.
    Failure(Failure),
    /// It cannot read the object.
    Object(String),
    /// It cannot use its parameters.
    Parameters(String),
    /// Its answer breaks the contract.
    Answer(String),
    /// It cannot be loaded.
    Code(String),
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failure(failure) => write!(f, "the policy {failure}"),
            Self::Object(why) => write!(f, "the policy cannot judge the object: {why}"),
            Self::Parameters(why) => write!(f, "the policy cannot use its parameters: {why}"),
            Self::Answer(why) => write!(f, "the policy's answer breaks the contract: {why}"),
            Self::Code(why) => write!(f, "the policy cannot be loaded: {why}"),
        }
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} ({})",
            self.description.id, self.description.version, self.origin
        )
    }
}

impl Policy {
    /// Takes a component, after it has been checked. Its code is loaded when it is first asked,
    /// unless the cache does not know what it says of itself.
    pub fn load(
        engine: &Engine,
        cache: Option<&Cache>,
        bytes: Bytes,
        origin: &str,
    ) -> anyhow::Result<Self> {
        let digest = engine::digest(&bytes);
        let entry = format!("{digest}-{}.json", engine.digest());
        let known = cache
            .and_then(|cache| cache.read(&entry))
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let code = OnceLock::new();
        let description = if let Some(description) = known {
            description
        } else {
            let compiled = engine.code(&bytes, &digest, cache)?;
            let description = compiled
                .describe(engine)
                .map_err(|failure| anyhow::anyhow!("describe() {failure}"))?;
            check_description(&description)
                .context("does not describe itself as the contract asks")?;
            if let (Some(cache), Ok(json)) = (cache, serde_json::to_vec(&description)) {
                cache.write(&entry, &json);
            }
            let _ = code.set(Ok(compiled));
            description
        };
        Ok(Self {
            description,
            origin: origin.into(),
            digest,
            bytes,
            code,
        })
    }

    /// The name of the policy.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.description.id
    }

    /// Its component.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The names of what its component exports.
    pub fn exports(&self, engine: &Engine, cache: Option<&Cache>) -> anyhow::Result<Vec<String>> {
        let code = self.code(engine, cache);
        Ok(code.map_err(|error| anyhow::anyhow!("{error}"))?.exports())
    }

    /// Whether the policy judges objects of this kind.
    #[must_use]
    pub fn judges(&self, kind: &Kind) -> bool {
        self.description
            .kinds
            .iter()
            .any(|known| known.group == kind.group && known.name == kind.name)
    }

    /// Asks the policy of an object; an answer that breaks the contract is an error.
    ///
    /// The document is passed as text beside its object, so that it is written once for all the
    /// policies that judge it.
    pub fn evaluate(
        &self,
        engine: &Engine,
        cache: Option<&Cache>,
        object: &Object,
        passed: &contract::Object,
        parameters: &str,
    ) -> Result<Vec<Check>, PolicyError> {
        let answer = self
            .code(engine, cache)?
            .evaluate(engine, passed, parameters)
            .map_err(PolicyError::Failure)?;
        let checks = answer.map_err(|refusal| match refusal {
            Refusal::Object(why) => PolicyError::Object(why),
            Refusal::Parameters(why) => PolicyError::Parameters(why),
        })?;
        self.check_answer(&checks, object)
            .map_err(PolicyError::Answer)?;
        Ok(checks)
    }

    /// What the policy says of parameters, as JSON text.
    pub fn validate(
        &self,
        engine: &Engine,
        cache: Option<&Cache>,
        parameters: &str,
    ) -> Result<Result<(), Vec<contract::Problem>>, PolicyError> {
        self.code(engine, cache)?
            .validate(engine, parameters)
            .map_err(PolicyError::Failure)
    }

    fn code(&self, engine: &Engine, cache: Option<&Cache>) -> Result<&Code, PolicyError> {
        let load = || {
            engine
                .code(&self.bytes, &self.digest, cache)
                .map_err(|error| format!("{error:#}"))
        };
        self.code
            .get_or_init(load)
            .as_ref()
            .map_err(|why| PolicyError::Code(why.clone()))
    }

    fn check_answer(&self, checks: &[Check], object: &Object) -> Result<(), String> {
        let mut open: HashSet<&str> = self
            .description
            .rules
            .iter()
            .map(|rule| rule.id.as_str())
            .collect();
        for check in checks {
            if !open.remove(check.rule.as_str()) {
                return Err(format!(
                    "it answers the rule {:?} twice, or does not list it",
                    check.rule
                ));
            }
            let Outcome::Found(findings) = &check.outcome else {
                continue;
            };
            if findings.is_empty() {
                return Err(format!(
                    "it found nothing for the rule {:?} and calls that a finding",
                    check.rule
                ));
            }
            let places = findings.iter().flat_map(|finding| {
                std::iter::once(&finding.path)
                    .chain(finding.related.iter().map(|place| &place.path))
            });
            if let Some(path) = places
                .into_iter()
                .find(|path| object.document.at(path).is_none())
            {
                return Err(format!(
                    "for the rule {:?} it points to {path:?}, which leads nowhere",
                    check.rule
                ));
            }
            let mut patches = findings
                .iter()
                .flat_map(|finding| &finding.fixes)
                .map(|fix| &fix.patch);
            if patches.any(|patch| serde_json::from_str::<Vec<Operation>>(patch).is_err()) {
                return Err(format!(
                    "for the rule {:?} it gives a fix that is no JSON Patch",
                    check.rule
                ));
            }
        }
        match open.into_iter().min() {
            Some(rule) => Err(format!("it does not answer its rule {rule:?}")),
            None => Ok(()),
        }
    }
}

/// An operation of a JSON Patch, as far as each has to have it.
#[derive(serde::Deserialize)]
struct Operation {
    #[serde(rename = "op")]
    _op: IgnoredAny,
    #[serde(rename = "path")]
    _path: IgnoredAny,
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

fn check_description(description: &Description) -> anyhow::Result<()> {
    let id = &description.id;
    let plain = |id: &str| {
        !id.is_empty()
            && id
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    ensure!(
        plain(id),
        "its id {id:?} is not made of small letters, digits and hyphens"
    );
    ensure!(!description.kinds.is_empty(), "it judges no kind");
    ensure!(!description.rules.is_empty(), "it has no rule");
    let mut rules = HashSet::new();
    for rule in &description.rules {
        ensure!(
            plain(&rule.id),
            "the id of its rule {:?} is not made of small letters, digits and hyphens",
            rule.id
        );
        ensure!(
            rules.insert(&rule.id),
            "it lists its rule {} twice",
            rule.id
        );
    }
    serde_json::from_str::<serde_json::Map<_, _>>(&description.parameters)
        .context("its parameters are no JSON Schema")?;
    Ok(())
}
