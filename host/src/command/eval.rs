use clap::Args;

use super::judge::JudgeArgs;
use super::output::Output;
use crate::catalog::Bundled;
use crate::review::Decision;

/// Judge files: what Docker and Kubernetes build, run, apply and are set up with
#[derive(Args, Debug)]
pub(super) struct Eval {
    /// Files and folders; - is standard input. In a folder, what .gitignore names is left out
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,

    /// How to write what was found
    #[arg(short, long, default_value = "text")]
    output: Output,

    #[command(flatten)]
    judge: JudgeArgs,
}

impl Eval {
    pub(super) fn run(self, pack: &[Bundled]) -> anyhow::Result<Decision> {
        let judged = self.judge.judge(&self.paths, pack)?;
        self.output.write(&judged.review, &judged.loaded.catalog)?;
        judged.decision(&self.paths)
    }
}
