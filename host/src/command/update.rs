use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow, ensure};
use clap::Args;

use super::registry::{LockFile, RegistryArgs, reference, say_notices};
use crate::catalog::Catalog;
use crate::constraint::{Rulebook, Today, defaults};
use crate::difference;
use crate::engine::{Cache, Engine, Limits};
use crate::policy::Policy;
use crate::registry::{Lock, Locked, Reference, Wanted};
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

    #[command(flatten)]
    lock: LockFile,

    #[command(flatten)]
    registry: RegistryArgs,
}

impl Update {
    pub(super) fn run(self) -> anyhow::Result<Decision> {
        let mut lock = Lock::read(&self.lock.lock_file)?;
        for path in &self.against {
            ensure!(path.exists(), "{} is not there", path.display());
        }
        let engine = Engine::new(
            u32::try_from(rayon::current_num_threads()).unwrap_or(1),
            Limits::default(),
        )?;
        let access = self.registry.clone();
        let mut catalog = Catalog::default();
        catalog.connect(move || access.open(None));
        let registry = catalog.registry()?;
        let desk = Desk {
            catalog: &catalog,
            engine: &engine,
            cache: Cache::of_user(),
            against: &self.against,
        };
        let mut text = String::new();
        for reference in self.chosen(&lock)? {
            let former = lock
                .get(&reference)
                .context("it was chosen from the lock")?;
            let now = registry.pin(&reference)?;
            if *now.digest() == former.digest {
                let _ = writeln!(text, "{reference} is up to date");
                continue;
            }
            let before = former.version.as_deref().unwrap_or("(digest)");
            let after = now.tag.as_deref().unwrap_or("(digest)");
            let _ = writeln!(text, "{reference}: {before} becomes {after}");
            let old = Reference {
                repository: reference.repository.clone(),
                wanted: Wanted::Digest(former.version.clone(), former.digest.clone()),
            };
            for change in desk.changes(&old, &now.exact())? {
                let _ = writeln!(text, "  {change}");
            }
            lock.set(Locked::new(&now));
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
    catalog: &'a Catalog,
    engine: &'a Engine,
    cache: Option<Cache>,
    against: &'a [PathBuf],
}

impl Desk<'_> {
    fn changes(&self, old: &Reference, new: &Reference) -> anyhow::Result<Vec<String>> {
        let follow = |reference: &Reference| {
            self.catalog
                .follow(self.engine, self.cache.as_ref(), reference)
        };
        let (old, new) = (follow(old)?, follow(new)?);
        let mut changes = difference::descriptions(&old.description, &new.description);
        if !self.against.is_empty() {
            changes.extend(difference::verdicts(&self.review(&old), &self.review(&new)));
        }
        if changes.is_empty() {
            changes.push("says the same of itself".into());
        }
        Ok(changes)
    }

    /// What a policy with its defaults says of the files.
    fn review(&self, policy: &Arc<Policy>) -> Review {
        let mut catalog = Catalog::default();
        catalog.add_policy(Arc::clone(policy));
        let rulebook = Rulebook {
            constraints: defaults(&catalog, false),
            ..Rulebook::default()
        };
        let court = Court {
            images: &Images::default(),
            engine: self.engine,
            cache: self.cache.as_ref(),
            rulebook: &rulebook,
            today: Today::now(),
        };
        let paths = self.against.iter();
        let found = paths.flat_map(|path| source::walk(&path.to_string_lossy()));
        court.review(source::group(found.collect()), None, &|| {})
    }
}
