use std::io::Write as _;
use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use serde_json::json;

use super::registry::{Output, RegistryArgs, reference, say_notices};
use super::say;
use crate::registry::{PublicKey, Reference};
use crate::report::plain;
use crate::review::Decision;

/// Check who signed an artifact in a registry
#[derive(Args, Debug)]
pub(super) struct Verify {
    /// What to check: oci://REGISTRY/REPOSITORY with :1.2.0, @sha256:… or #^1.2
    #[arg(required = true, value_name = "REFERENCE", value_parser = reference)]
    references: Vec<Reference>,

    /// A public key that has to have signed it; can be given several times. Without any, the trust
    /// file says which
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,

    /// How many of the keys have to have signed it; without this, all
    #[arg(long, value_name = "NUMBER", requires = "key")]
    threshold: Option<usize>,

    /// How to write who signed
    #[arg(short, long, default_value = "text")]
    output: Output,

    #[command(flatten)]
    registry: RegistryArgs,
}

impl Verify {
    pub(super) fn run(self) -> anyhow::Result<Decision> {
        let registry = self.registry.open(None)?;
        ensure!(
            !self.key.is_empty() || registry.has_trust(),
            "no key is named; name one with --key, or a trust file with --trust"
        );
        let mut keys = Vec::new();
        for file in &self.key {
            keys.push((file.display().to_string(), PublicKey::open(file)?));
        }
        let threshold = self.threshold.unwrap_or(keys.len());
        ensure!(
            keys.is_empty() || (1..=keys.len()).contains(&threshold),
            "--threshold is between 1 and the number of keys, {}",
            keys.len()
        );
        let mut decision = Decision::Clean;
        let mut values = Vec::new();
        for reference in &self.references {
            let pinned = match registry.verify(reference, &keys, threshold) {
                Ok(pinned) => pinned,
                Err(error) => {
                    say(&format!("error: {error:#}"));
                    decision = Decision::Failed;
                    continue;
                }
            };
            let exact = pinned.exact().to_string();
            let names = pinned.signers.iter().map(|signer| signer.name.as_str());
            let names: Vec<&str> = names.collect();
            let by = if names.is_empty() {
                "needs no signature".to_owned()
            } else {
                format!("signed by {}", names.join(", "))
            };
            if self.output == Output::Text {
                let line = format!("{exact} {by}\n");
                anstream::stdout().write_all(plain(&line).as_bytes())?;
            }
            values.push(
                json!({"reference": exact, "digest": pinned.digest(), "signers": pinned.signers}),
            );
        }
        if self.output == Output::Json {
            let text = serde_json::to_string_pretty(&values)? + "\n";
            anstream::stdout().write_all(text.as_bytes())?;
        }
        say_notices(&registry);
        Ok(decision)
    }
}
