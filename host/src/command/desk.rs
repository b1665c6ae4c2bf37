//! Which policies there are and what applies them: the arguments, and the one place that loads
//! what they name.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;

use super::output::Progress;
#[cfg(feature = "registry")]
use super::registry::{LockArgs, RegistryArgs};
use super::{input_error, say};
use crate::catalog::{Bundled, Catalog};
use crate::constraint::{self, Enforcement, FOUND_FILE, Problem, Rulebook, Source, Today};
use crate::engine::{Cache, Engine, Limits};
#[cfg(all(target_os = "linux", feature = "gateway"))]
use crate::gateway::Recipe;
use crate::review::{Court, Decision, ErrorKind, ReviewError};
use crate::source::{Images, nearest};

/// Where policies come from.
#[derive(Args, Clone, Debug)]
pub(super) struct PolicyPaths {
    /// A policy to load: a .wasm file, a folder of them, or a reference to a registry as
    /// oci://registry/repository:1.2.0; can be given several times. The bundled policies stay,
    /// unless --only is given
    #[arg(short, long = "policy", value_name = "PATH")]
    policies: Vec<PathBuf>,

    /// Leave the bundled policies out
    #[arg(long, requires = "policies")]
    only: bool,

    #[cfg(feature = "registry")]
    #[command(flatten)]
    lock: LockArgs,

    #[cfg(feature = "registry")]
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Where constraints come from.
#[derive(Args, Clone, Debug)]
pub(super) struct ConstraintPaths {
    /// Constraints and exceptions: a YAML or JSON file, a folder of them, or a bundle in a registry
    /// as oci://registry/repository:1.2.0, whose policies are loaded too; can be given several
    /// times. Only what they name is applied
    #[arg(short, long = "constraints", value_name = "PATH")]
    pub(super) constraints: Vec<PathBuf>,
}

/// Where policies come from and what they may use.
#[derive(Args, Debug)]
pub(super) struct PolicyArgs {
    #[command(flatten)]
    paths: PolicyPaths,

    /// How long one policy may take for one object, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    timeout: u64,

    /// How much memory one policy may use for one object, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=2048))]
    memory: u64,

    /// Compile all policies anew, and keep nothing
    #[arg(long)]
    no_cache: bool,
}

/// What applies to what.
#[derive(Args, Debug)]
pub(super) struct ConstraintArgs {
    #[command(flatten)]
    paths: ConstraintPaths,

    /// Let nothing that stands in the judged files or beside them count: no comment, no
    /// stridegate.yaml. With constraints it does not either
    #[arg(long)]
    isolated: bool,

    /// Count what an object cannot tell as a finding
    #[arg(long)]
    strict: bool,
}

/// The policies and what runs them.
pub(super) struct Loaded {
    pub(super) engine: Engine,
    pub(super) cache: Option<Cache>,
    pub(super) catalog: Catalog,
}

/// What a review needs: the policies, what applies them, and what is wrong with either.
pub(super) struct Desk {
    pub(super) loaded: Loaded,
    pub(super) rulebook: Rulebook,
    pub(super) errors: Vec<ReviewError>,
}

impl Loaded {
    /// What judges by a rulebook today, and says how what it finds is mended.
    pub(super) fn court<'a>(&'a self, rulebook: &'a Rulebook, images: &'a Images) -> Court<'a> {
        Court {
            engine: &self.engine,
            cache: self.cache.as_ref(),
            rulebook,
            images,
            today: Today::now(),
            repairs: true,
        }
    }
}

impl PolicyPaths {
    /// A catalog without policies, which follows references.
    #[cfg_attr(
        not(feature = "registry"),
        expect(
            clippy::unused_self,
            reason = "without registries nothing is set for them"
        )
    )]
    fn catalog(&self) -> Catalog {
        #[cfg(feature = "registry")]
        {
            let lock = self.lock.clone();
            self.registry.catalog(move || lock.read())
        }
        #[cfg(not(feature = "registry"))]
        Catalog::default()
    }

    /// What a gate makes its set of.
    #[cfg(all(target_os = "linux", feature = "gateway"))]
    pub(super) fn recipe(
        &self,
        pack: &[Bundled],
        constraints: &ConstraintPaths,
        more: Recipe,
    ) -> Recipe {
        Recipe {
            base: Some(Arc::new(self.catalog())),
            bundled: if self.only { Vec::new() } else { pack.to_vec() },
            policies: self.policies.clone(),
            constraints: constraints.constraints.clone(),
            ..more
        }
    }
}

/// What one call of a policy may use, from `--memory` in MiB and `--timeout` in milliseconds.
pub(super) fn limits(memory: u64, timeout: u64) -> anyhow::Result<Limits> {
    let memory = usize::try_from(memory << 20).context("--memory is too large for this machine")?;
    Ok(Limits {
        memory,
        deadline: Duration::from_millis(timeout),
        until: None,
    })
}

impl PolicyArgs {
    /// Loads the policies.
    pub(super) fn load(&self, pack: &[Bundled]) -> anyhow::Result<Loaded> {
        self.load_with(pack, &[])
    }

    /// Loads the policies, with those of the bundles among some paths.
    pub(super) fn load_with(
        &self,
        pack: &[Bundled],
        bundles: &[PathBuf],
    ) -> anyhow::Result<Loaded> {
        let limits = limits(self.memory, self.timeout)?;
        let parallel = u32::try_from(rayon::current_num_threads()).unwrap_or(1);
        let engine = Engine::new(parallel, limits)?;
        let cache = (!self.no_cache).then(Cache::of_user).flatten();
        let mut catalog = self.paths.catalog();
        if !self.paths.only {
            // Without a cache that takes seconds.
            let progress = Progress::new(pack.len(), "policies loaded");
            for policy in pack {
                catalog.add_bundled(&engine, cache.as_ref(), std::slice::from_ref(policy));
                progress.step();
            }
            progress.finish();
        }
        catalog.add_named(&engine, cache.as_ref(), &self.paths.policies, bundles);
        if catalog.policies().next().is_none() && catalog.errors.is_empty() {
            return Err(anyhow!(
                "there are no policies: this program was built without any; build it with make, or name some with --policy"
            ));
        }
        Ok(Loaded {
            engine,
            cache,
            catalog,
        })
    }
}

/// What constraints are read beside those that arguments name.
#[derive(Default)]
pub(super) struct Beside<'a> {
    /// Folders that are judged: what is found there may count.
    pub(super) folders: Vec<&'a Path>,
    /// Texts that are no files; none if there can be none.
    pub(super) texts: Option<Vec<Source>>,
    /// Bundles whose policies are loaded, and whose constraints are not.
    pub(super) bundles: Vec<PathBuf>,
}

impl ConstraintArgs {
    /// Loads the policies and what applies them.
    pub(super) fn load(
        &self,
        policies: &PolicyArgs,
        pack: &[Bundled],
        beside: Beside,
    ) -> anyhow::Result<Desk> {
        let constraints = &self.paths.constraints;
        let bundles = [&constraints[..], &beside.bundles].concat();
        let loaded = policies.load_with(pack, &bundles)?;
        let mut reader = Reader::new(&loaded);
        let named = !constraints.is_empty() || beside.texts.is_some();
        let found_counts = !named && !self.isolated;
        reader.rulebook.comments = found_counts;
        for source in beside.texts.into_iter().flatten() {
            reader.read(Ok(source));
        }
        reader.read_named(constraints);
        for folder in beside.folders {
            let file = folder.join(FOUND_FILE);
            if file.is_file() {
                reader.read_found(&file, found_counts);
            }
        }
        let (mut rulebook, problems) = (reader.rulebook, reader.problems);
        // What is wrong with them keeps the whole job from being done.
        rulebook.broken.clear();
        if rulebook.constraints.is_empty() && problems.is_empty() {
            rulebook.constraints = constraint::defaults(&loaded.catalog, self.strict);
        } else if self.strict {
            for constraint in &mut rulebook.constraints {
                Arc::make_mut(constraint).on_unknown = Some(Enforcement::Deny);
            }
        }
        let mut errors = loaded.errors();
        errors.extend(problems.into_iter().map(ReviewError::from));
        Ok(Desk {
            loaded,
            rulebook,
            errors,
        })
    }
}

/// Reads constraints one after the other.
pub(super) struct Reader<'a> {
    loaded: &'a Loaded,
    pub(super) rulebook: Rulebook,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(loaded: &'a Loaded) -> Self {
        Self {
            loaded,
            rulebook: Rulebook::default(),
            problems: Vec::new(),
        }
    }

    fn read(&mut self, source: Result<Source, Problem>) {
        let Loaded {
            engine,
            cache,
            catalog,
        } = self.loaded;
        match source {
            Ok(source) => constraint::read(
                &source,
                catalog,
                engine,
                cache.as_ref(),
                &mut self.rulebook,
                &mut self.problems,
            ),
            Err(problem) => self.problems.push(problem),
        }
    }

    /// Reads what a user named.
    pub(super) fn read_named(&mut self, paths: &[PathBuf]) {
        let loaded = self.loaded;
        let cache = loaded.cache.as_ref();
        let sources = constraint::sources(paths, &loaded.catalog, &loaded.engine, cache);
        #[cfg(feature = "registry")]
        for notice in loaded.catalog.notices() {
            say(&format!("warning: {notice}"));
        }
        for source in sources {
            self.read(source);
        }
    }

    /// Reads a file that was found beside what is judged.
    fn read_found(&mut self, file: &Path, counts: bool) {
        let mut found = Self::new(self.loaded);
        found.read(Source::open(file, false, counts));
        self.problems.append(&mut found.problems);
        self.rulebook
            .exceptions
            .append(&mut found.rulebook.exceptions);
        let constraints = &mut found.rulebook.constraints;
        let file = file.display();
        if counts {
            let number = constraints.len();
            if number > 0 {
                say(&format!(
                    "{file}: its constraints ({number}) apply in place of the defaults"
                ));
            }
            self.rulebook.constraints.append(constraints);
        } else if !constraints.is_empty() {
            say(&format!(
                "{file}: its constraints are asked for, not granted"
            ));
        }
    }
}

impl From<Problem> for ReviewError {
    fn from(problem: Problem) -> Self {
        input_error(problem.file, problem.position, problem.message)
    }
}

impl Loaded {
    /// What kept policies from being loaded, as errors of a review.
    pub(super) fn errors(&self) -> Vec<ReviewError> {
        let errors = self.catalog.errors.iter().map(|failed| ReviewError {
            file: Some(failed.origin.clone()).filter(|origin| !origin.is_empty()),
            position: None,
            policy: None,
            constraint: None,
            object: None,
            kind: ErrorKind::Policy,
            enforcement: None,
            message: format!("{:#}", failed.error),
        });
        errors.collect()
    }

    pub(super) fn say_errors(&self) -> Decision {
        for failed in &self.catalog.errors {
            let text = format!("{} {:#}", failed.origin, failed.error);
            say(&format!("error: {}", text.trim_start()));
        }
        if self.catalog.errors.is_empty() {
            Decision::Clean
        } else {
            Decision::Failed
        }
    }

    pub(super) fn policy(&self, id: &str) -> anyhow::Result<&Arc<crate::policy::Policy>> {
        self.catalog.get(id).ok_or_else(|| {
            let known: Vec<&str> = self.catalog.policies().map(|policy| policy.id()).collect();
            let nearest = nearest(id, &known)
                .map(|near| format!(" (did you mean {near}?)"))
                .unwrap_or_default();
            anyhow!("there is no policy {id}{nearest}; stridegate policies lists them")
        })
    }
}
