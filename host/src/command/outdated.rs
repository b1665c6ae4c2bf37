use std::fmt::Write as _;
use std::io::Write as _;

use clap::Args;
use serde_json::json;

use super::registry::{LockFile, Output, RegistryArgs, say_notices};
use crate::registry::{Lock, Reference, Registry, version_of_tag};
use crate::report::plain;
use crate::review::Decision;

/// Show which locked artifacts have newer versions
#[derive(Args, Debug)]
pub(super) struct Outdated {
    /// How to write them
    #[arg(short, long, default_value = "text")]
    output: Output,

    #[command(flatten)]
    lock: LockFile,

    #[command(flatten)]
    registry: RegistryArgs,
}

impl Outdated {
    pub(super) fn run(self) -> anyhow::Result<Decision> {
        let lock = Lock::read(&self.lock.lock_file)?;
        let registry = self.registry.open(None)?;
        let mut text = String::new();
        let mut values = Vec::new();
        for locked in &lock.entries {
            let reference: Reference = locked.reference.parse()?;
            let now = registry.pin(&reference)?;
            let newest = newest(&registry, &reference)?;
            let version = locked.version.as_deref().unwrap_or("(digest)");
            let allowed = now.tag.as_deref().unwrap_or("(digest)");
            let moved = *now.digest() != locked.digest;
            let is_newer = newest.as_deref().is_some_and(|newest| newest != version);
            if moved || is_newer {
                let note = if moved && allowed == version {
                    "the tag stands for other bytes now".to_owned()
                } else if moved {
                    format!("{allowed} meets it, stridegate update takes it")
                } else {
                    "nothing newer meets it".to_owned()
                };
                let newest = newest.as_deref().unwrap_or("(none)");
                let _ = writeln!(
                    text,
                    "{reference}: {version} is locked, {newest} is the newest; {note}"
                );
            }
            values.push(json!({
                "reference": locked.reference,
                "locked": locked.version,
                "digest": locked.digest,
                "allowed": now.tag,
                "allowedDigest": now.digest(),
                "newest": newest,
            }));
        }
        let text = match self.output {
            Output::Text => plain(&text).into_owned(),
            Output::Json => serde_json::to_string_pretty(&values)? + "\n",
        };
        anstream::stdout().write_all(text.as_bytes())?;
        say_notices(&registry);
        Ok(Decision::Clean)
    }
}

/// The tag of the highest version that is no preview.
fn newest(registry: &Registry, reference: &Reference) -> anyhow::Result<Option<String>> {
    let tags = registry.tags(&reference.repository)?;
    let stable = |tag: &&String| version_of_tag(tag).is_some_and(|version| version.pre.is_empty());
    Ok(tags.iter().find(stable).cloned())
}
