use std::io::Write as _;
use std::path::Path;

use clap::Args;

use crate::collect::facts::capture;
use crate::review::Decision;

/// Capture the facts about this machine that policies need, without secrets, for eval elsewhere
#[derive(Args, Debug)]
pub(super) struct Facts {}

impl Facts {
    pub(super) fn run() -> anyhow::Result<Decision> {
        let text = serde_json::to_string_pretty(&capture(Path::new("/")))? + "\n";
        anstream::stdout().write_all(text.as_bytes())?;
        Ok(Decision::Clean)
    }
}
