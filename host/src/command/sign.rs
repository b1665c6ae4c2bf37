use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::registry::{PasswordArgs, RegistryArgs, reference, say_notices};
use crate::registry::{Layout, PrivateKey, Reference};
use crate::review::Decision;

/// Sign an artifact in a registry with a key, as cosign does
#[derive(Args, Debug)]
pub(super) struct Sign {
    /// What to sign: oci://REGISTRY/REPOSITORY with @sha256:… or a tag; what the tag stands for now
    /// is signed
    #[arg(required = true, value_name = "REFERENCE", value_parser = reference)]
    references: Vec<Reference>,

    /// The private key, from stridegate keygen or cosign generate-key-pair
    #[arg(long, value_name = "FILE")]
    key: PathBuf,

    /// How the signature is kept
    #[arg(long, default_value = "both")]
    layout: Chosen,

    #[command(flatten)]
    password: PasswordArgs,

    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Chosen {
    /// In both ways
    Both,
    /// As a sigstore bundle that refers to the artifact, which cosign 3 looks for
    Bundle,
    /// At the tag sha256-….sig, which older versions of cosign look for
    Tag,
}

impl Sign {
    pub(super) fn run(self) -> anyhow::Result<Decision> {
        let password = self.password.read()?;
        let key = PrivateKey::open(&self.key, password.as_deref())?;
        let registry = self.registry.open(None)?;
        let layouts = match self.layout {
            Chosen::Both => &[Layout::Simple, Layout::Bundle][..],
            Chosen::Bundle => &[Layout::Bundle],
            Chosen::Tag => &[Layout::Simple],
        };
        for reference in &self.references {
            let pinned = registry.sign(reference, &key, layouts)?;
            anstream::stdout().write_all(format!("{}\n", pinned.exact()).as_bytes())?;
        }
        say_notices(&registry);
        Ok(Decision::Clean)
    }
}
