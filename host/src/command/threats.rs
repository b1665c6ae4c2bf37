use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::judge::JudgeArgs;
use super::{input_error, say_error};
use crate::catalog::Bundled;
use crate::constraint::Problem;
use crate::report::threats;
use crate::review::{Decision, Review};
use crate::threat::{Gaps, Model};

/// Show the threat model, and where each of its threats stands
#[derive(Args, Debug)]
pub(super) struct Threats {
    /// Files and folders to judge first; - is standard input. Without any, the model itself is
    /// shown
    #[arg(value_name = "PATH")]
    paths: Vec<String>,

    /// A threat model in place of the one that is built in
    #[arg(short, long, value_name = "FILE")]
    model: Option<PathBuf>,

    /// How to write it
    #[arg(short, long, default_value = "text")]
    output: Output,

    #[command(flatten)]
    judge: JudgeArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// A STRIDE matrix and what is open in it, for people
    Text,
    /// One JSON object, for programs
    Json,
}

impl Threats {
    pub(super) fn run(self, pack: &[Bundled]) -> anyhow::Result<Decision> {
        let read = self
            .model
            .as_deref()
            .map_or_else(|| Ok(Model::built_in()), Model::open);
        let (model, mut problems) = match read {
            Ok(read) => read,
            Err(problem) => {
                say_problem(problem);
                return Ok(Decision::Failed);
            }
        };
        if model.threats.is_empty() {
            problems.into_iter().for_each(say_problem);
            return Ok(Decision::Failed);
        }
        let (review, loaded, judged) = if self.paths.is_empty() {
            let loaded = self.judge.policies.load(pack)?;
            let decision = loaded.say_errors();
            (Review::default(), loaded, decision)
        } else {
            let judged = self.judge.judge(&self.paths, pack)?;
            judged.review.errors().for_each(say_error);
            let decision = judged.decision(&self.paths)?;
            (judged.review, judged.loaded, decision)
        };
        problems.extend(model.problems(&loaded.catalog));
        let mut decision = judged;
        for problem in problems {
            say_problem(problem);
            decision = Decision::Failed;
        }
        let gaps = model.gaps(&loaded.catalog);
        let standings = model.standings(&loaded.catalog, &review);
        let reviewed = !self.paths.is_empty();
        let text = match self.output {
            Output::Text => threats::render(&standings, &gaps, reviewed),
            Output::Json => {
                let counts = reviewed.then(|| review.counts());
                serde_json::to_string_pretty(&threats::json(&model, &standings, &gaps, counts))?
                    + "\n"
            }
        };
        let mut output = anstream::stdout().lock();
        output
            .write_all(text.as_bytes())
            .and_then(|()| output.flush())
            .context("cannot write the threats")?;
        let complete = gaps == Gaps::default();
        Ok(match decision {
            Decision::Clean if !complete => Decision::Denied,
            decision => decision,
        })
    }
}

fn say_problem(problem: Problem) {
    say_error(&input_error(
        problem.file,
        problem.position,
        problem.message,
    ));
}
