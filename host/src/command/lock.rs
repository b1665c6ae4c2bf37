use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{anyhow, ensure};
use clap::Args;

use super::registry::{LockFile, RegistryArgs, reference, say_notices};
use super::say;
use crate::constraint::Source;
use crate::registry::{self, Locked, Reference};
use crate::review::Decision;

/// Write down what the references to registries stand for, so that --locked refuses what differs
#[derive(Args, Debug)]
pub(super) struct Lock {
    /// References beside those that the constraints name
    #[arg(value_name = "REFERENCE", value_parser = reference)]
    references: Vec<Reference>,

    /// Constraints and exceptions that name policies: a YAML or JSON file, or a folder of them; can
    /// be given several times
    #[arg(short, long = "constraints", value_name = "PATH")]
    constraints: Vec<PathBuf>,

    #[command(flatten)]
    target: LockFile,

    #[command(flatten)]
    registry: RegistryArgs,
}

impl Lock {
    pub(super) fn run(self) -> anyhow::Result<Decision> {
        let references = self.references()?;
        ensure!(
            !references.is_empty(),
            "there is no reference to lock: name some, or constraints that do with -c"
        );
        let registry = self.registry.open(None)?;
        let file = self.target.lock_file.clone();
        let former = if file.exists() {
            registry::Lock::read(&file)?.entries
        } else {
            Vec::new()
        };
        let mut lock = registry::Lock {
            file,
            entries: Vec::new(),
        };
        for reference in references {
            // What is locked stays so; update moves it. A changed signer is settled here.
            let pinned = match former
                .iter()
                .find(|kept| kept.reference == reference.to_string())
            {
                Some(kept) => registry.pin_locked(&reference, kept)?,
                None => registry.pin(&reference)?,
            };
            let line = format!("{reference} is {}\n", pinned.digest());
            anstream::stdout().write_all(line.as_bytes())?;
            lock.set(Locked::new(&pinned));
        }
        for gone in former {
            if !lock
                .entries
                .iter()
                .any(|kept| kept.reference == gone.reference)
            {
                say(&format!("{} is not asked for any more", gone.reference));
            }
        }
        lock.write()?;
        say_notices(&registry);
        Ok(Decision::Clean)
    }

    /// All references, each once.
    fn references(&self) -> anyhow::Result<Vec<Reference>> {
        let mut all = self.references.clone();
        for source in Source::named(&self.constraints) {
            let source =
                source.map_err(|problem| anyhow!("{} {}", problem.file, problem.message))?;
            all.extend(source.references());
        }
        let mut once = Vec::new();
        for reference in all {
            if !once.contains(&reference) {
                once.push(reference);
            }
        }
        Ok(once)
    }
}
