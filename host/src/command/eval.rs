use std::path::{Path, PathBuf};

use anyhow::{anyhow, ensure};
use clap::Args;

use super::output::{Output, Progress};
use super::{ConstraintArgs, PolicyArgs, input_error};
use crate::catalog::Bundled;
use crate::constraint::Today;
use crate::review::{Court, Decision, Review, ReviewError};
use crate::source::{self, Format, Images};

/// Judge files: what Docker and Kubernetes build, run, apply and are set up with
#[derive(Args, Debug)]
pub(super) struct Eval {
    /// Files and folders; - is standard input. In a folder, what .gitignore names is left out
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,

    /// What the inputs are, where that cannot be told from their names or contents
    #[arg(short, long, value_name = "KIND", value_parser = kind)]
    kind: Option<Format>,

    /// What is known of the images that the inputs name: a file with what docker image inspect
    /// prints; can be given several times
    #[arg(long, value_name = "FILE")]
    images: Vec<PathBuf>,

    /// How to write what was found
    #[arg(short, long, default_value = "text")]
    output: Output,

    #[command(flatten)]
    constraints: ConstraintArgs,

    #[command(flatten)]
    policies: PolicyArgs,
}

fn kind(name: &str) -> Result<Format, String> {
    let known: Vec<&str> = Format::NAMES.iter().map(|(name, _)| *name).collect();
    let format = Format::NAMES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, format)| *format);
    format.ok_or_else(|| format!("known kinds: {}", known.join(", ")))
}

impl Eval {
    pub(super) fn run(self, pack: &[Bundled]) -> anyhow::Result<Decision> {
        ensure!(
            self.paths.iter().filter(|path| *path == "-").count() <= 1,
            "standard input (-) is given more than once; name it once"
        );
        let loaded = self.policies.load(pack)?;
        let found = self
            .paths
            .iter()
            .flat_map(|path| source::walk(path))
            .collect();
        let inputs = source::group(found);
        let folders = self
            .paths
            .iter()
            .map(Path::new)
            .filter(|path| path.is_dir());
        let (rulebook, problems) = self.constraints.rulebook(&loaded, folders);
        let (images, faults) = self.images();
        let court = Court {
            images: &images,
            engine: &loaded.engine,
            cache: loaded.cache.as_ref(),
            rulebook: &rulebook,
            today: Today::now(),
        };
        let progress = Progress::new(inputs.len(), "files");
        let mut review = court.review(inputs, self.kind, &|| progress.step());
        progress.finish();
        review.errors = loaded.errors();
        review.errors.extend(problems);
        review.errors.extend(faults);
        self.output.write(&review)?;
        let judged = review.files.iter().any(|file| file.skipped.is_none());
        let decision = review.decision();
        if !judged && decision != Decision::Failed {
            return Err(nothing(&review, &self.paths));
        }
        Ok(decision)
    }

    /// What is known of images, and what is wrong with the files that say so.
    fn images(&self) -> (Images, Vec<ReviewError>) {
        let mut images = Images::default();
        let mut faults = Vec::new();
        for path in &self.images {
            if let Err(fault) = images.add_file(path) {
                faults.push(input_error(
                    path.display().to_string(),
                    fault.position,
                    fault.message,
                ));
            }
        }
        (images, faults)
    }
}

/// That nothing was judged is no clean review.
fn nothing(review: &Review, paths: &[String]) -> anyhow::Error {
    let reasons = review
        .files
        .iter()
        .filter_map(|file| Some(format!("{} {}", file.name, file.skipped.as_ref()?)));
    let reasons: Vec<String> = reasons.take(5).collect();
    let why = if reasons.is_empty() {
        "there is no Dockerfile and no YAML or JSON file".to_owned()
    } else {
        reasons.join("; ")
    };
    anyhow!("nothing to judge in {}: {why}", paths.join(" "))
}
