use std::fs::File;
use std::io::{BufReader, Write as _};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::registry::{RegistryArgs, say_notices};
use crate::registry::SCHEME;
use crate::review::Decision;

/// Load artifacts that were saved, to be used here with --offline, or to be pushed
#[derive(Args, Debug)]
pub(super) struct Load {
    /// What stridegate save wrote
    file: PathBuf,

    /// Push them to this registry too, under their own names: oci://REGISTRY, or a path below which
    /// they go
    #[arg(long, value_name = "REGISTRY", value_parser = target)]
    to: Option<(String, String)>,

    /// Overwrite versions that are there
    #[arg(long, requires = "to")]
    force: bool,

    #[command(flatten)]
    registry: RegistryArgs,
}

/// A registry, and a path in it.
fn target(text: &str) -> Result<(String, String), String> {
    let rest = text
        .strip_prefix(SCHEME)
        .ok_or("begins with oci:// as in oci://registry.example.com/mirror")?;
    let (registry, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_matches('/');
    // What a repository below it would be called has to be valid.
    format!("{SCHEME}{registry}/{prefix}/x")
        .replace("//x", "/x")
        .parse::<crate::registry::Reference>()
        .map_err(|error| format!("{error:#}"))?;
    Ok((registry.to_owned(), prefix.to_owned()))
}

impl Load {
    pub(super) fn run(self) -> anyhow::Result<Decision> {
        let registry = self.registry.open(None)?;
        let name = self.file.display().to_string();
        let file = File::open(&self.file).with_context(|| format!("{name} cannot be read"))?;
        let loaded = registry.load(BufReader::new(file)).context(name)?;
        for artifact in &loaded {
            let mut reference = artifact.exact();
            if let Some((host, prefix)) = &self.to {
                reference = registry.push_loaded(artifact, host, prefix, self.force)?;
            }
            if artifact.artifact {
                anstream::stdout().write_all(format!("{reference}\n").as_bytes())?;
            }
        }
        say_notices(&registry);
        Ok(Decision::Clean)
    }
}
