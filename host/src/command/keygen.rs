use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::registry::PasswordArgs;
use crate::registry::PrivateKey;
use crate::review::Decision;

/// Make a pair of keys to sign with, in the files of cosign: PREFIX.key and PREFIX.pub
#[derive(Args, Debug)]
pub(super) struct Keygen {
    /// What the files are called, without .key and .pub
    #[arg(default_value = "stridegate")]
    prefix: PathBuf,

    #[command(flatten)]
    password: PasswordArgs,
}

impl Keygen {
    pub(super) fn run(self) -> anyhow::Result<Decision> {
        let password = self.password.read()?.context(
            "the private key needs a password: set COSIGN_PASSWORD, or name a file that holds it with --password-file; an empty one leaves the key unprotected",
        )?;
        let key = PrivateKey::generate();
        let private = with_extension(&self.prefix, "key");
        let public = with_extension(&self.prefix, "pub");
        write(&public, 0o644, &key.public()?.to_pem()?)?;
        if let Err(error) = write(&private, 0o600, &key.to_pem(&password)?) {
            let _ = std::fs::remove_file(&public);
            return Err(error);
        }
        let line = format!("{} {}\n", private.display(), public.display());
        anstream::stdout().write_all(line.as_bytes())?;
        Ok(Decision::Clean)
    }
}

fn with_extension(prefix: &Path, extension: &str) -> PathBuf {
    let mut name = prefix.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

/// Writes a file that is not there yet; a key that is lost cannot be made again.
fn write(path: &Path, mode: u32, text: &str) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let mut file = options
        .open(path)
        .with_context(|| format!("{} cannot be made", path.display()))?;
    let written = file.write_all(text.as_bytes());
    written.with_context(|| format!("{} cannot be written", path.display()))
}
