//! The policies that references to a registry stand for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::{Context, anyhow, bail, ensure};

use super::{Catalog, LoadError};
use crate::engine::{Cache, Engine};
use crate::policy::{Bytes, Policy};
use crate::registry::{Artifact, Component, Digest, Files, Reference, Registry, Wanted};

/// Opens the registry when it is first needed.
type Open = Arc<dyn Fn() -> anyhow::Result<Registry> + Send + Sync>;

/// What of a registry was used.
#[derive(Default)]
pub(super) struct Remote {
    open: Option<Open>,
    registry: OnceLock<Result<Arc<Registry>, String>>,
    /// By the reference as it is written.
    pulled: Mutex<BTreeMap<String, Pulled>>,
}

type Pulled = Result<Taken, String>;

/// The policies of an artifact, and the files of a bundle.
type Content = (Vec<Arc<Policy>>, Option<Arc<Files>>);

/// The policies of an artifact, and the files of a bundle.
#[derive(Clone)]
struct Taken {
    reference: Reference,
    digest: Digest,
    policies: Vec<Arc<Policy>>,
    files: Option<Arc<Files>>,
}

impl Remote {
    /// The same registry, of which nothing was pulled yet.
    pub(super) fn renew(&self) -> Self {
        Self {
            open: self.open.clone(),
            registry: self.registry.clone(),
            pulled: Mutex::default(),
        }
    }

    fn pulled(&self) -> MutexGuard<'_, BTreeMap<String, Pulled>> {
        self.pulled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Catalog {
    /// Lets references be followed; nothing is opened before there is one.
    pub fn connect(&mut self, open: impl Fn() -> anyhow::Result<Registry> + Send + Sync + 'static) {
        self.remote.open = Some(Arc::new(open));
    }

    /// What follows references.
    pub fn registry(&self) -> anyhow::Result<Arc<Registry>> {
        let open = self.remote.open.as_ref();
        let open = open.context("is in a registry, and none is reached from here")?;
        let opened = self
            .remote
            .registry
            .get_or_init(|| open().map(Arc::new).map_err(|error| format!("{error:#}")));
        opened.clone().map_err(|why| anyhow!(why))
    }

    /// What could not be kept of what was pulled.
    #[must_use]
    pub fn notices(&self) -> Vec<String> {
        let opened = self.remote.registry.get();
        let registry = opened.and_then(|opened| opened.as_ref().ok());
        registry.map_or_else(Vec::new, |registry| registry.notices())
    }

    /// Pulls what references stand for, several at a time, so that they are there when they are
    /// asked for. What fails does so then.
    pub fn prefetch(&self, engine: &Engine, cache: Option<&Cache>, references: &[Reference]) {
        let mut open: Vec<Reference> = Vec::new();
        for reference in references {
            let known = self.remote.pulled().contains_key(&reference.to_string());
            if !known && !open.contains(reference) {
                open.push(reference.clone());
            }
        }
        if open.is_empty() {
            return;
        }
        let registry = match self.registry() {
            Ok(registry) => registry,
            Err(error) => {
                for reference in open {
                    let failed = Err(format!("{error:#}"));
                    self.remote.pulled().insert(reference.to_string(), failed);
                }
                return;
            }
        };
        for (reference, artifact) in open.iter().zip(registry.pull(&open)) {
            let taken = artifact
                .and_then(|artifact| self.take_all(engine, cache, artifact))
                .map_err(|error| format!("{error:#}"));
            self.remote.pulled().insert(reference.to_string(), taken);
        }
    }

    fn taken(
        &self,
        engine: &Engine,
        cache: Option<&Cache>,
        reference: &Reference,
    ) -> anyhow::Result<Taken> {
        self.prefetch(engine, cache, std::slice::from_ref(reference));
        let pulled = self.remote.pulled().get(&reference.to_string()).cloned();
        let pulled = pulled.context("was not pulled")?;
        pulled.map_err(|why| anyhow!(why))
    }

    /// The files of the bundle that a reference stands for.
    pub fn files(
        &self,
        engine: &Engine,
        cache: Option<&Cache>,
        reference: &Reference,
    ) -> anyhow::Result<Arc<Files>> {
        let files = self.taken(engine, cache, reference)?.files;
        files.with_context(|| {
            format!("{reference} is one policy, and no bundle with constraints; name it with -p")
        })
    }

    /// The policies that a reference stands for, and the files of a bundle; none are added.
    pub fn artifact(
        &self,
        engine: &Engine,
        cache: Option<&Cache>,
        reference: &Reference,
    ) -> anyhow::Result<Content> {
        let taken = self.taken(engine, cache, reference)?;
        Ok((taken.policies, taken.files))
    }

    /// The policy that a reference stands for; it is not added.
    pub fn follow(
        &self,
        engine: &Engine,
        cache: Option<&Cache>,
        reference: &Reference,
    ) -> anyhow::Result<Arc<Policy>> {
        let taken = self.taken(engine, cache, reference)?;
        match &taken.policies[..] {
            [policy] if taken.files.is_none() => Ok(Arc::clone(policy)),
            _ => bail!(
                "{reference} is a bundle, and not one policy; name it with -p or -c, and its policies by their names"
            ),
        }
    }

    /// What each reference stood for when it was pulled.
    #[must_use]
    pub fn pulled(&self) -> Vec<(Reference, Digest)> {
        let pulled = self.remote.pulled();
        let taken = pulled.values().filter_map(|taken| taken.as_ref().ok());
        taken
            .map(|taken| (taken.reference.clone(), taken.digest.clone()))
            .collect()
    }

    /// Whether a reference stands for something else than when it was pulled.
    pub fn has_moved(&self) -> anyhow::Result<bool> {
        for (reference, digest) in self.pulled() {
            if matches!(reference.wanted, Wanted::Tag(_) | Wanted::Requirement(_))
                && *self.registry()?.pin(&reference)?.digest() != digest
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Adds the policies that references stand for, as those of files are, and those of bundles.
    pub(super) fn add_references(
        &mut self,
        engine: &Engine,
        cache: Option<&Cache>,
        policies: &[&str],
        bundles: &[&str],
    ) {
        let mut references: Vec<Reference> = Vec::new();
        for text in policies {
            match text.parse() {
                Ok(reference) => references.push(reference),
                Err(error) => self.fail(error),
            }
        }
        let named = references.len();
        references.extend(
            bundles
                .iter()
                .filter_map(|text| text.parse::<Reference>().ok()),
        );
        self.prefetch(engine, cache, &references);
        for (index, reference) in references.iter().enumerate() {
            match self.taken(engine, cache, reference) {
                _ if references[..index].contains(reference) => {}
                Ok(taken) => taken
                    .policies
                    .into_iter()
                    .for_each(|policy| self.add_policy(policy)),
                Err(error) if index < named => self.fail(error),
                Err(_) => {}
            }
        }
    }

    /// Notes why a reference cannot be followed: the error begins with it.
    fn fail(&mut self, error: anyhow::Error) {
        self.errors.push(LoadError {
            origin: String::new(),
            error,
        });
    }

    fn take_all(
        &self,
        engine: &Engine,
        cache: Option<&Cache>,
        artifact: Artifact,
    ) -> anyhow::Result<Taken> {
        let components = artifact.components.into_iter();
        let policies = components.map(|component| self.take(engine, cache, component));
        Ok(Taken {
            digest: artifact.pinned.digest().clone(),
            reference: artifact.pinned.reference,
            policies: policies.collect::<anyhow::Result<_>>()?,
            files: artifact.files.map(Arc::new),
        })
    }

    /// The policy in a component. What its tag promises, it has to say itself.
    fn take(
        &self,
        engine: &Engine,
        cache: Option<&Cache>,
        component: Component,
    ) -> anyhow::Result<Arc<Policy>> {
        let origin = component.origin;
        let policy = self
            .load(engine, cache, Bytes::Owned(component.bytes), &origin)
            .with_context(|| origin.clone())?;
        let own = &policy.description.version;
        if let Some(promised) = component.version {
            ensure!(
                semver::Version::parse(own).is_ok_and(|own| own == promised),
                "{origin}: the policy says of itself that it is the version {own}, and not {promised}"
            );
        }
        Ok(policy)
    }
}
