use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail, ensure};
use clap::Args;

use super::Loaded;
use super::desk::Reader;
use super::registry::{LockFile, RegistryArgs, lines, reference, say_notices};
use crate::catalog::{Bundled, Catalog};
use crate::constraint::{Rulebook, defaults};
use crate::difference;
use crate::engine::{Cache, Engine, Limits};
use crate::policy::Policy;
use crate::registry::{Files, Lock, Locked, Reference, Wanted};
use crate::report::plain;
use crate::review::{Court, Decision, Review};
use crate::source::{self, Images};

/// Take the newest versions that the references allow into the lock, and say what they change
#[derive(Args, Debug)]
pub(super) struct Update {
    /// The references to update; without any, all that are locked
    #[arg(value_name = "REFERENCE", value_parser = reference)]
    references: Vec<Reference>,

    /// Files and folders to judge with the old and the new versions, to say which verdicts change;
    /// can be given several times
    #[arg(long, value_name = "PATH")]
    against: Vec<PathBuf>,

    /// Say what would change, and leave the lock as it is
    #[arg(long)]
    dry_run: bool,

    /// The constraints with which they are judged: files, folders of them, or bundles in a
    /// registry; without any, each policy is, with its defaults
    #[arg(short, long = "constraints", value_name = "PATH", requires = "against")]
    constraints: Vec<PathBuf>,

    #[command(flatten)]
    lock: LockFile,

    #[command(flatten)]
    registry: RegistryArgs,
}

impl Update {
    pub(super) fn run(self, pack: &[Bundled]) -> anyhow::Result<Decision> {
        let former = Lock::read(&self.lock.lock_file)?;
        let mut lock = former.clone();
        for path in &self.against {
            ensure!(path.exists(), "{} is not there", path.display());
        }
        let desk = Desk {
            update: &self,
            pack,
            loaded: Loaded {
                engine: Engine::new(
                    u32::try_from(rayon::current_num_threads()).unwrap_or(1),
                    Limits::default(),
                )?,
                cache: Cache::of_user(),
                catalog: self.registry.catalog(|| Ok(None)),
            },
        };
        let registry = desk.loaded.catalog.registry()?;
        let mut text = String::new();
        for reference in self.chosen(&lock)? {
            let locked = lock
                .get(&reference)
                .context("it was chosen from the lock")?;
            let now = registry.pin(&reference)?;
            if *now.digest() == locked.digest {
                let _ = writeln!(text, "{reference} is up to date");
                continue;
            }
            let before = locked.version.as_deref().unwrap_or("(digest)");
            let after = now.tag.as_deref().unwrap_or("(digest)");
            let _ = writeln!(text, "{reference}: {before} becomes {after}");
            let old = Reference {
                repository: reference.repository.clone(),
                wanted: Wanted::Digest(locked.version.clone(), locked.digest.clone()),
            };
            for change in desk.changes(&old, &now.exact())? {
                let _ = writeln!(text, "  {change}");
            }
            lock.set(Locked::new(&now));
        }
        if !self.constraints.is_empty() {
            let (old, new) = (desk.judge(&former)?, desk.judge(&lock)?);
            let changes = difference::verdicts(&old, &new);
            if changes.is_empty() {
                let _ = writeln!(text, "the constraints decide as before");
            }
            for change in changes {
                let _ = writeln!(text, "{change}");
            }
        }
        if !self.dry_run {
            lock.write()?;
        }
        anstream::stdout().write_all(plain(&text).as_bytes())?;
        say_notices(&registry);
        Ok(Decision::Clean)
    }

    fn chosen(&self, lock: &Lock) -> anyhow::Result<Vec<Reference>> {
        if self.references.is_empty() {
            let locked = lock.entries.iter();
            return locked.map(|locked| locked.reference.parse()).collect();
        }
        for reference in &self.references {
            lock.get(reference).ok_or_else(|| {
                let locked = lock.entries.iter();
                let names: Vec<&str> = locked.map(|locked| locked.reference.as_str()).collect();
                anyhow!(
                    "{reference} is not in {}; it holds {}",
                    lock.file.display(),
                    names.join(", ")
                )
            })?;
        }
        Ok(self.references.clone())
    }
}

/// What compares two versions.
struct Desk<'a> {
    update: &'a Update,
    pack: &'a [Bundled],
    loaded: Loaded,
}

impl Desk<'_> {
    fn changes(&self, old: &Reference, new: &Reference) -> anyhow::Result<Vec<String>> {
        let Loaded {
            engine,
            cache,
            catalog,
        } = &self.loaded;
        let artifact = |reference| catalog.artifact(engine, cache.as_ref(), reference);
        let (old, new) = (artifact(old)?, artifact(new)?);
        let mut changes = match (&old, &new) {
            ((old, None), (new, None)) if old.len() == 1 && new.len() == 1 => {
                difference::descriptions(&old[0].description, &new[0].description)
            }
            ((old, old_files), (new, new_files)) => {
                let mut changes = policies(old, new);
                changes.extend(files(old_files.as_deref(), new_files.as_deref()));
                changes
            }
        };
        if self.update.constraints.is_empty() && !self.update.against.is_empty() {
            let (old, new) = (self.judge_alone(old.0), self.judge_alone(new.0));
            changes.extend(difference::verdicts(&old, &new));
        }
        if changes.is_empty() {
            changes.push("says the same of itself".into());
        }
        Ok(changes)
    }

    /// What policies with their defaults say of the files.
    fn judge_alone(&self, policies: Vec<Arc<Policy>>) -> Review {
        let mut catalog = Catalog::default();
        for policy in policies {
            catalog.add_policy(policy);
        }
        self.review(&Rulebook {
            constraints: defaults(&catalog, false),
            ..Rulebook::default()
        })
    }

    /// What the constraints say of the files, with the policies that a lock names.
    fn judge(&self, lock: &Lock) -> anyhow::Result<Review> {
        let (update, lock) = (self.update, lock.clone());
        let engine = self.loaded.engine.clone();
        let cache = Cache::of_user();
        let mut catalog = update.registry.catalog(move || Ok(Some(lock.clone())));
        catalog.add_bundled(&engine, cache.as_ref(), self.pack);
        catalog.add_named(&engine, cache.as_ref(), &[], &update.constraints);
        let loaded = Loaded {
            engine,
            cache,
            catalog,
        };
        let mut reader = Reader::new(&loaded);
        reader.read_named(&update.constraints);
        if let Some(failed) = loaded.catalog.errors.first() {
            bail!("{}{:#}", failed.origin, failed.error);
        }
        if !reader.problems.is_empty() {
            bail!(lines(reader.problems));
        }
        Ok(self.review(&reader.rulebook))
    }

    fn review(&self, rulebook: &Rulebook) -> Review {
        let images = Images::default();
        let court = Court {
            repairs: false,
            ..self.loaded.court(rulebook, &images)
        };
        let paths = self.update.against.iter();
        let found = paths.flat_map(|path| source::walk(&path.to_string_lossy()));
        court.review(source::group(found.collect()), None, &|| {})
    }
}

/// What changes of the policies of a bundle.
fn policies(old: &[Arc<Policy>], new: &[Arc<Policy>]) -> Vec<String> {
    fn by_id(policies: &[Arc<Policy>]) -> BTreeMap<&str, &Policy> {
        let policies = policies.iter();
        policies
            .map(|policy| (policy.id(), policy.as_ref()))
            .collect()
    }
    let (old, new) = (by_id(old), by_id(new));
    let mut changes = Vec::new();
    for (id, policy) in &new {
        let Some(former) = old.get(id) else {
            changes.push(format!(
                "the policy {id} is new ({})",
                policy.description.version
            ));
            continue;
        };
        let own = difference::descriptions(&former.description, &policy.description);
        changes.extend(own.into_iter().map(|change| format!("{id}: {change}")));
    }
    let gone = old.keys().filter(|id| !new.contains_key(*id));
    changes.extend(gone.map(|id| format!("the policy {id} is gone")));
    changes
}

/// What changes of the files of a bundle.
fn files(old: Option<&Files>, new: Option<&Files>) -> Vec<String> {
    let none = Files::new();
    let (old, new) = (old.unwrap_or(&none), new.unwrap_or(&none));
    let mut changes = Vec::new();
    for (path, content) in new {
        match old.get(path) {
            None => changes.push(format!("the file {path} is new")),
            Some(former) if former != content => changes.push(format!("the file {path} changes")),
            Some(_) => {}
        }
    }
    let gone = old.keys().filter(|path| !new.contains_key(*path));
    changes.extend(gone.map(|path| format!("the file {path} is gone")));
    changes
}
