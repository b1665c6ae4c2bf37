//! The verbs of the command line: one file each, arguments and what they set in motion.

#![allow(
    clippy::doc_markdown,
    reason = "what documents an argument is also its help, which knows no markup"
)]

#[cfg(all(target_os = "linux", feature = "cluster"))]
mod access;
#[cfg(feature = "gateway")]
mod certs;
#[cfg(feature = "registry")]
mod copy;
mod eval;
mod explain;
#[cfg(target_os = "linux")]
mod facts;
#[cfg(feature = "registry")]
mod inspect;
mod judge;
#[cfg(feature = "registry")]
mod keygen;
#[cfg(feature = "registry")]
mod load;
#[cfg(feature = "registry")]
mod lock;
#[cfg(feature = "registry")]
mod outdated;
mod output;
mod policies;
#[cfg(feature = "registry")]
mod pull;
#[cfg(feature = "registry")]
mod push;
#[cfg(feature = "registry")]
mod registry;
#[cfg(all(target_os = "linux", feature = "gateway"))]
mod replay;
#[cfg(feature = "registry")]
mod save;
#[cfg(target_os = "linux")]
mod scan;
#[cfg(all(target_os = "linux", feature = "gateway"))]
mod serve;
#[cfg(feature = "registry")]
mod sign;
#[cfg(feature = "registry")]
mod tags;
mod threats;
#[cfg(feature = "registry")]
mod update;
#[cfg(feature = "registry")]
mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::{Args, Parser, Subcommand};

use crate::catalog::{Bundled, Catalog};
use crate::constraint::{self, Enforcement, FOUND_FILE, Problem, Rulebook, Source};
use crate::engine::{Cache, Engine, Limits};
use crate::object::Position;
use crate::report::plain;
use crate::review::{Decision, ErrorKind, ReviewError};
use crate::source::nearest;

/// Judges Docker and Kubernetes objects with the mitigations of a STRIDE threat model.
#[derive(Debug, Parser)]
#[command(name = "stridegate", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

const EXIT_CODES: &str = "Exit codes: 0 clean, 1 findings that deny, 2 the job could not be done.";

#[derive(Debug, Subcommand)]
enum Verb {
    Eval(eval::Eval),
    Policies(policies::Policies),
    Explain(explain::Explain),
    Threats(threats::Threats),
    #[cfg(target_os = "linux")]
    Facts(facts::Facts),
    #[cfg(feature = "registry")]
    Push(push::Push),
    #[cfg(feature = "registry")]
    Pull(pull::Pull),
    #[cfg(feature = "registry")]
    Tags(tags::Tags),
    #[cfg(feature = "registry")]
    Inspect(inspect::Inspect),
    #[cfg(feature = "registry")]
    Copy(copy::Copy),
    #[cfg(feature = "registry")]
    Save(save::Save),
    #[cfg(feature = "registry")]
    Load(load::Load),
    #[cfg(feature = "registry")]
    Keygen(keygen::Keygen),
    #[cfg(feature = "registry")]
    Sign(sign::Sign),
    #[cfg(feature = "registry")]
    Verify(verify::Verify),
    #[cfg(feature = "registry")]
    Lock(lock::Lock),
    #[cfg(feature = "registry")]
    Outdated(outdated::Outdated),
    #[cfg(feature = "registry")]
    Update(update::Update),
    #[cfg(target_os = "linux")]
    Scan(scan::Scan),
    #[cfg(feature = "gateway")]
    Certs(certs::Certs),
    #[cfg(all(target_os = "linux", feature = "gateway"))]
    Serve(serve::Serve),
    #[cfg(all(target_os = "linux", feature = "gateway"))]
    Replay(replay::Replay),
}

/// Runs the program with its arguments and the policies that are part of it.
#[must_use]
pub fn run(pack: &[Bundled]) -> ExitCode {
    let result = match Cli::parse().verb {
        Verb::Eval(verb) => verb.run(pack),
        Verb::Policies(verb) => verb.run(pack),
        Verb::Explain(verb) => verb.run(pack),
        Verb::Threats(verb) => verb.run(pack),
        #[cfg(target_os = "linux")]
        Verb::Facts(_) => facts::Facts::run(),
        #[cfg(feature = "registry")]
        Verb::Push(verb) => verb.run(pack),
        #[cfg(feature = "registry")]
        Verb::Pull(verb) => verb.run(),
        #[cfg(feature = "registry")]
        Verb::Tags(verb) => verb.run(),
        #[cfg(feature = "registry")]
        Verb::Inspect(verb) => verb.run(),
        #[cfg(feature = "registry")]
        Verb::Copy(verb) => verb.run(),
        #[cfg(feature = "registry")]
        Verb::Save(verb) => verb.run(),
        #[cfg(feature = "registry")]
        Verb::Load(verb) => verb.run(),
        #[cfg(feature = "registry")]
        Verb::Keygen(verb) => verb.run(),
        #[cfg(feature = "registry")]
        Verb::Sign(verb) => verb.run(),
        #[cfg(feature = "registry")]
        Verb::Verify(verb) => verb.run(),
        #[cfg(feature = "registry")]
        Verb::Lock(verb) => verb.run(),
        #[cfg(feature = "registry")]
        Verb::Outdated(verb) => verb.run(),
        #[cfg(feature = "registry")]
        Verb::Update(verb) => verb.run(),
        #[cfg(target_os = "linux")]
        Verb::Scan(verb) => verb.run(pack),
        #[cfg(feature = "gateway")]
        Verb::Certs(verb) => verb.run(),
        #[cfg(all(target_os = "linux", feature = "gateway"))]
        Verb::Serve(verb) => verb.run(pack),
        #[cfg(all(target_os = "linux", feature = "gateway"))]
        Verb::Replay(verb) => verb.run(pack),
    };
    match result {
        Ok(Decision::Clean) => ExitCode::SUCCESS,
        Ok(Decision::Denied) => ExitCode::from(1),
        Ok(Decision::Failed) => ExitCode::from(2),
        // Whoever reads the output has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// The table of policies in the README: what `stridegate policies -o markdown` writes.
#[must_use]
pub fn policy_table(catalog: &Catalog) -> String {
    policies::markdown(catalog)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.into_iter()
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Writes a line for the user beside the output.
fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(anstream::stderr(), "{}", plain(line));
}

/// Where policies come from and what they may use.
#[derive(Args, Debug)]
struct PolicyArgs {
    /// A policy to load: a .wasm file, a folder of them, or a reference to a registry as
    /// oci://registry/repository:1.2.0; can be given several times. The bundled policies stay,
    /// unless --only is given
    #[arg(short, long = "policy", value_name = "PATH")]
    policies: Vec<PathBuf>,

    /// Leave the bundled policies out
    #[arg(long, requires = "policies")]
    only: bool,

    /// How long one policy may take for one object, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    timeout: u64,

    /// How much memory one policy may use for one object, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=2048))]
    memory: u64,

    /// Compile all policies anew, and keep nothing
    #[arg(long)]
    no_cache: bool,

    #[cfg(feature = "registry")]
    #[command(flatten)]
    lock: registry::LockArgs,

    #[cfg(feature = "registry")]
    #[command(flatten)]
    registry: registry::RegistryArgs,
}

/// What applies to what.
#[derive(Args, Debug)]
struct ConstraintArgs {
    /// Constraints and exceptions: a YAML or JSON file, a folder of them, or a bundle in a registry
    /// as oci://registry/repository:1.2.0, whose policies are loaded too; can be given several
    /// times. Only what they name is applied, and what stands beside the judged files does not count
    #[arg(short, long = "constraints", value_name = "PATH")]
    constraints: Vec<PathBuf>,

    /// Let nothing that stands in the judged files or beside them count: no comment, no stridegate.yaml
    #[arg(long)]
    isolated: bool,

    /// Count what an object cannot tell as a finding
    #[arg(long)]
    strict: bool,
}

impl ConstraintArgs {
    /// What applies, and what is wrong with the files that say so.
    fn rulebook<'a>(
        &self,
        loaded: &Loaded,
        folders: impl Iterator<Item = &'a Path>,
    ) -> (Rulebook, Vec<ReviewError>) {
        self.rulebook_of(loaded, Vec::new(), folders)
    }

    /// What applies, if constraints and exceptions are named by more than arguments.
    #[cfg(all(target_os = "linux", feature = "cluster"))]
    fn rulebook_with(&self, loaded: &Loaded, sources: Vec<Source>) -> (Rulebook, Vec<ReviewError>) {
        self.rulebook_of(loaded, sources, std::iter::empty())
    }

    fn rulebook_of<'a>(
        &self,
        loaded: &Loaded,
        sources: Vec<Source>,
        folders: impl Iterator<Item = &'a Path>,
    ) -> (Rulebook, Vec<ReviewError>) {
        let named = !self.constraints.is_empty() || !sources.is_empty();
        let found_counts = !named && !self.isolated;
        let mut rulebook = Rulebook {
            comments: found_counts,
            ..Rulebook::default()
        };
        let mut problems = Vec::new();
        let mut read = |source: Result<Source, Problem>, rulebook: &mut Rulebook| match source {
            Ok(source) => {
                let cache = loaded.cache.as_ref();
                constraint::read(
                    &source,
                    &loaded.catalog,
                    &loaded.engine,
                    cache,
                    rulebook,
                    &mut problems,
                );
            }
            Err(problem) => problems.push(problem),
        };
        for source in sources {
            read(Ok(source), &mut rulebook);
        }
        let cache = loaded.cache.as_ref();
        let named = constraint::sources(&self.constraints, &loaded.catalog, &loaded.engine, cache);
        #[cfg(feature = "registry")]
        for notice in loaded.catalog.notices() {
            say(&format!("warning: {notice}"));
        }
        for source in named {
            read(source, &mut rulebook);
        }
        for file in folders
            .map(|folder| folder.join(FOUND_FILE))
            .filter(|file| file.is_file())
        {
            let mut found = Rulebook::default();
            read(Source::open(&file, false, found_counts), &mut found);
            rulebook.exceptions.append(&mut found.exceptions);
            if found_counts {
                let (file, number) = (file.display(), found.constraints.len());
                if number > 0 {
                    say(&format!(
                        "{file}: its constraints ({number}) apply in place of the defaults"
                    ));
                }
                rulebook.constraints.append(&mut found.constraints);
            } else if !found.constraints.is_empty() {
                say(&format!(
                    "{}: its constraints are asked for, not granted",
                    file.display()
                ));
            }
        }
        // What is wrong with them keeps the whole job from being done.
        rulebook.broken.clear();
        if rulebook.constraints.is_empty() && problems.is_empty() {
            rulebook.constraints = constraint::defaults(&loaded.catalog, self.strict);
        } else if self.strict {
            for constraint in &mut rulebook.constraints {
                Arc::make_mut(constraint).on_unknown = Some(Enforcement::Deny);
            }
        }
        (
            rulebook,
            problems
                .into_iter()
                .map(|problem| input_error(problem.file, problem.position, problem.message))
                .collect(),
        )
    }
}

/// Says what went wrong, with its place.
fn say_error(error: &ReviewError) {
    let file = error.file.clone().unwrap_or_default();
    let place = match error.position {
        Some(position) => format!("{file}:{}:{}", position.line, position.column),
        None => file,
    };
    let parts = [
        Some(place),
        error.policy.clone(),
        Some(error.message.clone()),
    ];
    let parts = parts.into_iter().flatten().filter(|part| !part.is_empty());
    say(&format!("error: {}", parts.collect::<Vec<_>>().join(": ")));
}

fn input_error(file: String, position: Option<Position>, message: String) -> ReviewError {
    ReviewError {
        file: Some(file),
        position,
        policy: None,
        constraint: None,
        object: None,
        kind: ErrorKind::Input,
        enforcement: None,
        message,
    }
}

/// The policies and what runs them.
struct Loaded {
    engine: Engine,
    cache: Option<Cache>,
    catalog: Catalog,
}

impl PolicyArgs {
    fn load(&self, pack: &[Bundled]) -> anyhow::Result<Loaded> {
        self.load_with(pack, &[])
    }

    /// Loads the policies, with those of the bundles among some paths of constraints.
    fn load_with(&self, pack: &[Bundled], constraints: &[PathBuf]) -> anyhow::Result<Loaded> {
        let memory =
            usize::try_from(self.memory << 20).context("--memory is too large for this machine")?;
        let limits = Limits {
            memory,
            deadline: Duration::from_millis(self.timeout),
            until: None,
        };
        let parallel = u32::try_from(rayon::current_num_threads()).unwrap_or(1);
        let engine = Engine::new(parallel, limits)?;
        let cache = (!self.no_cache).then(Cache::of_user).flatten();
        let mut catalog = Catalog::default();
        if !self.only {
            catalog.add_bundled(&engine, cache.as_ref(), pack);
        }
        #[cfg(feature = "registry")]
        {
            let (access, lock) = (self.registry.clone(), self.lock.clone());
            catalog.connect(move || access.open(lock.read()?));
        }
        catalog.add_named(&engine, cache.as_ref(), &self.policies, constraints);
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

impl Loaded {
    /// What kept policies from being loaded, as errors of a review.
    fn errors(&self) -> Vec<ReviewError> {
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

    fn say_errors(&self) -> Decision {
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

    fn policy(&self, id: &str) -> anyhow::Result<&Arc<crate::policy::Policy>> {
        self.catalog.get(id).ok_or_else(|| {
            let known: Vec<&str> = self.catalog.policies().map(|policy| policy.id()).collect();
            let nearest = nearest(id, &known)
                .map(|near| format!(" (did you mean {near}?)"))
                .unwrap_or_default();
            anyhow!("there is no policy {id}{nearest}; stridegate policies lists them")
        })
    }
}
