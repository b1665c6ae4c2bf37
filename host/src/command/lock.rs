use std::io::Write as _;

use anyhow::{Context, anyhow, ensure};
use clap::Args;

use super::registry::{LockFile, RegistryArgs, lines, reference, say_notices};
use super::{ConstraintPaths, say};
use crate::catalog::is_reference;
use crate::constraint::Source;
use crate::registry::{self, Locked, Pinned, Reference, Registry};
use crate::review::Decision;

/// Write down what the references to registries stand for, so that --locked refuses what differs
#[derive(Args, Debug)]
pub(super) struct Lock {
    /// References beside those that the constraints name
    #[arg(value_name = "REFERENCE", value_parser = reference)]
    references: Vec<Reference>,

    #[command(flatten)]
    constraints: ConstraintPaths,

    #[command(flatten)]
    target: LockFile,

    #[command(flatten)]
    registry: RegistryArgs,
}

impl Lock {
    pub(super) fn run(self) -> anyhow::Result<Decision> {
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
        // What is locked stays so; update moves it. A changed signer is settled here.
        let pin = |reference: &Reference| {
            let mut kept = former.iter();
            match kept.find(|kept| kept.reference == reference.to_string()) {
                Some(kept) => registry.pin_locked(reference, kept),
                None => registry.pin(reference),
            }
        };
        let references = self.references(&registry, pin)?;
        ensure!(
            !references.is_empty(),
            "there is no reference to lock: name some, or constraints that do with -c"
        );
        for reference in references {
            let pinned = pin(&reference)?;
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

    /// All references, each once: also those that the constraints of bundles name.
    fn references(
        &self,
        registry: &Registry,
        pin: impl Fn(&Reference) -> anyhow::Result<Pinned>,
    ) -> anyhow::Result<Vec<Reference>> {
        let mut all = self.references.clone();
        for path in &self.constraints.constraints {
            let Some(text) = path.to_str().filter(|text| is_reference(text)) else {
                for source in Source::named(std::slice::from_ref(path)) {
                    let source = source.map_err(|problem| anyhow!(lines(vec![problem])))?;
                    all.extend(source.references());
                }
                continue;
            };
            let reference: Reference = text.parse()?;
            let exact = pin(&reference)?.exact();
            let artifact = registry.pull(&[exact]).remove(0)?;
            let files = artifact.files.with_context(|| {
                format!(
                    "{reference} is one policy, and no bundle with constraints; name it without -c"
                )
            })?;
            all.push(reference);
            let sources = Source::of_bundle(path, &files);
            all.extend(sources.iter().flat_map(Source::references));
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
