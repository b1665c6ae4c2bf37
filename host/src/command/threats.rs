use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::judge::JudgeArgs;
use super::{Loaded, say_error};
use crate::catalog::{Bundled, is_reference};
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

    /// A threat model in place of the one that is built in: a file, or a bundle in a registry as
    /// oci://registry/repository:1.2.0, whose policies are loaded too
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
        let bundle = self
            .model
            .clone()
            .into_iter()
            .filter(|path| is_bundle(path));
        let bundle: Vec<PathBuf> = bundle.collect();
        let (review, loaded, mut decision) = if self.paths.is_empty() {
            let loaded = self.judge.policies.load_with(pack, &bundle)?;
            let decision = loaded.say_errors();
            (Review::default(), loaded, decision)
        } else {
            let judged = self.judge.judge_with(&self.paths, pack, bundle)?;
            judged.review.errors().for_each(say_error);
            let decision = judged.decision(&self.paths)?;
            (judged.review, judged.loaded, decision)
        };
        let (model, mut problems) = match self.read_model(&loaded) {
            Ok(read) => read,
            Err(problem) => {
                say_problem(problem);
                return Ok(Decision::Failed);
            }
        };
        if !model.threats.is_empty() {
            problems.extend(model.problems(&loaded.catalog));
        }
        for problem in problems {
            say_problem(problem);
            decision = Decision::Failed;
        }
        if model.threats.is_empty() {
            return Ok(Decision::Failed);
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

    /// The threat model, and what is wrong with parts of it.
    fn read_model(&self, loaded: &Loaded) -> Result<(Model, Vec<Problem>), Problem> {
        #[cfg(not(feature = "registry"))]
        let _ = loaded;
        match self.model.as_deref() {
            None => Ok(Model::built_in()),
            #[cfg(feature = "registry")]
            Some(path) if is_bundle(path) => {
                Model::of_bundle(path, &loaded.catalog, &loaded.engine, loaded.cache.as_ref())
            }
            Some(path) => Model::open(path),
        }
    }
}

fn is_bundle(path: &Path) -> bool {
    path.to_str().is_some_and(is_reference)
}

fn say_problem(problem: Problem) {
    say_error(&problem.into());
}
