use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::registry::{RegistryArgs, reference, say_notices, write_file};
use crate::registry::Reference;
use crate::review::Decision;

/// Save artifacts and their signatures as one file, for machines without a registry
#[derive(Args, Debug)]
pub(super) struct Save {
    /// What to save: oci://REGISTRY/REPOSITORY with :1.2.0, @sha256:… or #^1.2
    #[arg(required = true, value_name = "REFERENCE", value_parser = reference)]
    references: Vec<Reference>,

    /// The file: an OCI image layout in a tar archive
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    #[command(flatten)]
    registry: RegistryArgs,
}

impl Save {
    pub(super) fn run(self) -> anyhow::Result<Decision> {
        let registry = self.registry.open(None)?;
        let mut archive = Vec::new();
        let saved = registry.save(&self.references, &mut archive)?;
        write_file(&self.output, &archive)?;
        for pinned in &saved {
            anstream::stdout().write_all(format!("{}\n", pinned.exact()).as_bytes())?;
        }
        say_notices(&registry);
        Ok(Decision::Clean)
    }
}
