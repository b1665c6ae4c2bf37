use std::io::{BufWriter, Write};

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::judge::{JudgeArgs, Judged};
use crate::catalog::Bundled;
use crate::report::{json, junit, sarif, text};
use crate::review::Decision;
use crate::threat::Model;

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

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// Findings in their source, for people
    Text,
    /// One JSON object, for programs
    Json,
    /// SARIF 2.1.0, for code hosts
    Sarif,
    /// JUnit XML, for build servers
    Junit,
}

impl Eval {
    pub(super) fn run(self, pack: &[Bundled]) -> anyhow::Result<Decision> {
        let judged = self.judge.judge(&self.paths, pack)?;
        self.write(&judged)?;
        judged.decision(&self.paths)
    }

    fn write(&self, judged: &Judged) -> anyhow::Result<()> {
        let review = &judged.review;
        let mut output = anstream::stdout().lock();
        match self.output {
            Output::Text => {
                let (model, _) = Model::built_in();
                let standings = model.standings(&judged.loaded.catalog, review);
                output.write_all(text::render(review, &standings).as_bytes())
            }
            Output::Json => json::write(review, &mut BufWriter::new(&mut output)),
            Output::Sarif => sarif::write(review, &mut BufWriter::new(&mut output)),
            Output::Junit => output.write_all(junit::render(review).as_bytes()),
        }
        .and_then(|()| output.flush())
        .context("cannot write the report")
    }
}
