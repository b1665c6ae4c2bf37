use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use serde_json::json;

use super::registry::{Output, RegistryArgs, reference, say_notices, write_file};
use super::say;
use crate::registry::{Artifact, Reference};
use crate::review::Decision;

/// Pull policies from a registry, so that they can be used without it
#[derive(Args, Debug)]
pub(super) struct Pull {
    /// What to pull: oci://REGISTRY/REPOSITORY with :1.2.0, @sha256:… or #^1.2
    #[arg(required = true, value_name = "REFERENCE", value_parser = reference)]
    references: Vec<Reference>,

    /// Write the components, and the files of a bundle, into this folder too
    #[arg(short, long, value_name = "DIR")]
    directory: Option<PathBuf>,

    /// How to write what was pulled
    #[arg(short, long, default_value = "text")]
    output: Output,

    #[command(flatten)]
    registry: RegistryArgs,
}

impl Pull {
    pub(super) fn run(self) -> anyhow::Result<Decision> {
        let registry = self.registry.open(None)?;
        let mut decision = Decision::Clean;
        let mut values = Vec::new();
        for pulled in registry.pull(&self.references) {
            let written = pulled.and_then(|artifact| {
                let files = self.write(&artifact)?;
                Ok((artifact.pinned, files))
            });
            match written {
                Ok((pinned, files)) => {
                    let exact = pinned.exact().to_string();
                    if self.output == Output::Text {
                        anstream::stdout().write_all(format!("{exact}\n").as_bytes())?;
                    }
                    values.push(json!({
                        "asked": pinned.reference.to_string(),
                        "reference": exact,
                        "digest": pinned.digest(),
                        "signers": pinned.signers,
                        "files": files,
                    }));
                }
                Err(error) => {
                    say(&format!("error: {error:#}"));
                    decision = Decision::Failed;
                }
            }
        }
        if self.output == Output::Json {
            let text = serde_json::to_string_pretty(&values)? + "\n";
            anstream::stdout().write_all(text.as_bytes())?;
        }
        Ok(decision.max(say_notices(&registry)))
    }

    /// Writes what an artifact consists of; what is there with other bytes stays.
    fn write(&self, artifact: &Artifact) -> anyhow::Result<Vec<PathBuf>> {
        let Some(folder) = &self.directory else {
            return Ok(Vec::new());
        };
        let components = artifact.components.iter();
        let components =
            components.map(|component| (format!("{}.wasm", component.name), &component.bytes));
        let files = artifact.files.iter().flatten();
        let files = files.map(|(name, bytes)| (name.clone(), bytes));
        let all: Vec<_> = components
            .chain(files)
            .map(|(name, bytes)| (folder.join(name), bytes))
            .collect();
        for (file, bytes) in &all {
            ensure!(
                all.iter().filter(|(other, _)| other == file).count() == 1,
                "{} would be written twice; the bundle names two things alike",
                file.display()
            );
            refuse_links(folder, file)?;
            let there = std::fs::read(file).ok();
            ensure!(
                there.is_none_or(|there| there == **bytes),
                "{} is there with other bytes; remove it, or name another folder",
                file.display()
            );
        }
        for (file, bytes) in &all {
            let parent = file.parent().unwrap_or(folder);
            std::fs::create_dir_all(parent)
                .with_context(|| format!("{} cannot be made", parent.display()))?;
            write_file(file, bytes)?;
        }
        Ok(all.into_iter().map(|(file, _)| file).collect())
    }
}

/// Refuses to write through a link that leads out of the folder.
fn refuse_links(folder: &Path, file: &Path) -> anyhow::Result<()> {
    let inside = file.ancestors().skip(1);
    for parent in inside.take_while(|parent| *parent != folder) {
        let is_link = parent.symlink_metadata().is_ok_and(|it| it.is_symlink());
        ensure!(
            !is_link,
            "{} is a link, and nothing is written through it; remove it, or name another folder",
            parent.display()
        );
    }
    Ok(())
}
