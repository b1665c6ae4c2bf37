use anyhow::bail;
use clap::Args;

use super::push;
use super::registry::{Output, RegistryArgs, reference, say_notices};
use crate::registry::{Reference, Wanted};
use crate::review::Decision;

/// Copy an artifact and its signatures to another repository
#[derive(Args, Debug)]
pub(super) struct Copy {
    /// What to copy: oci://REGISTRY/REPOSITORY with :1.2.0, @sha256:… or #^1.2
    #[arg(value_parser = reference)]
    from: Reference,

    /// Where to: oci://REGISTRY/REPOSITORY, with a tag if that is another
    #[arg(value_parser = reference)]
    to: Reference,

    /// Move the shorter tags too: 1.4 and 1 with 1.4.2, where no higher version has them
    #[arg(long)]
    moving: bool,

    /// Overwrite a version that is there
    #[arg(long)]
    force: bool,

    /// How to write what was copied
    #[arg(short, long, default_value = "text")]
    output: Output,

    #[command(flatten)]
    registry: RegistryArgs,
}

impl Copy {
    pub(super) fn run(self) -> anyhow::Result<Decision> {
        let registry = self.registry.open(None)?;
        let tag = match &self.to.wanted {
            Wanted::Any => None,
            Wanted::Tag(tag) => Some(tag.as_str()),
            Wanted::Digest(..) | Wanted::Requirement(_) => bail!(
                "{}: a copy goes to a tag, as :1.2.0; without one it keeps that of what is copied",
                self.to
            ),
        };
        let to = &self.to.repository;
        let pushed = registry.copy(&self.from, to, tag, self.moving, self.force)?;
        push::write(&self.to, &pushed, self.output)?;
        say_notices(&registry);
        Ok(Decision::Clean)
    }
}
