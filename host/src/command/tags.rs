use std::io::Write as _;

use anyhow::ensure;
use clap::Args;

use super::registry::{Output, RegistryArgs, reference};
use crate::registry::{Reference, SCHEME, Wanted};
use crate::report::plain;
use crate::review::Decision;

/// List the tags of a repository, the highest version first
#[derive(Args, Debug)]
pub(super) struct Tags {
    /// The repository: oci://REGISTRY/REPOSITORY
    #[arg(value_parser = reference)]
    repository: Reference,

    /// List what belongs to signatures too
    #[arg(long)]
    all: bool,

    /// How to write the list
    #[arg(short, long, default_value = "text")]
    output: Output,

    #[command(flatten)]
    registry: RegistryArgs,
}

impl Tags {
    pub(super) fn run(self) -> anyhow::Result<Decision> {
        let repository = &self.repository.repository;
        ensure!(
            self.repository.wanted == Wanted::Any,
            "{}: all tags of a repository are listed; ask for {SCHEME}{repository}, or see one with stridegate inspect",
            self.repository
        );
        let mut tags = self.registry.open(None)?.tags(repository)?;
        tags.retain(|tag| self.all || !tag.starts_with("sha256-"));
        let text = match self.output {
            Output::Text => tags
                .iter()
                .map(|tag| plain(tag).into_owned() + "\n")
                .collect(),
            Output::Json => serde_json::to_string_pretty(&tags)? + "\n",
        };
        anstream::stdout().write_all(text.as_bytes())?;
        Ok(Decision::Clean)
    }
}
