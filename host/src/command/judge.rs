//! What the verbs share that judge files.

use std::path::{Path, PathBuf};

use anyhow::{anyhow, ensure};
use clap::Args;

use super::desk::Beside;
use super::output::Progress;
use super::{ConstraintArgs, Desk, Loaded, PolicyArgs, input_error};
use crate::catalog::Bundled;
use crate::review::{Decision, Review, ReviewError};
use crate::source::{self, Format, Images};

/// How files are judged.
#[derive(Args, Debug)]
pub(super) struct JudgeArgs {
    /// What the inputs are, where that cannot be told from their names or contents
    #[arg(short, long, value_name = "KIND", value_parser = kind)]
    kind: Option<Format>,

    /// What is known of the images that the inputs name: a file with what docker image inspect
    /// prints; can be given several times
    #[arg(long, value_name = "FILE")]
    images: Vec<PathBuf>,

    #[command(flatten)]
    constraints: ConstraintArgs,

    #[command(flatten)]
    pub(super) policies: PolicyArgs,
}

/// What became of the files, and what judged them.
pub(super) struct Judged {
    pub(super) review: Review,
    pub(super) loaded: Loaded,
}

fn kind(name: &str) -> Result<Format, String> {
    let known: Vec<&str> = Format::NAMES.iter().map(|(name, _)| *name).collect();
    let format = Format::NAMES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, format)| *format);
    format.ok_or_else(|| format!("known kinds: {}", known.join(", ")))
}

impl JudgeArgs {
    /// Judges files and folders.
    pub(super) fn judge(&self, paths: &[String], pack: &[Bundled]) -> anyhow::Result<Judged> {
        self.judge_with(paths, pack, Vec::new())
    }

    /// Judges files and folders with the policies of some bundles beside the others.
    pub(super) fn judge_with(
        &self,
        paths: &[String],
        pack: &[Bundled],
        bundles: Vec<PathBuf>,
    ) -> anyhow::Result<Judged> {
        ensure!(
            paths.iter().filter(|path| *path == "-").count() <= 1,
            "standard input (-) is given more than once; name it once"
        );
        let found = paths.iter().flat_map(|path| source::walk(path)).collect();
        let inputs = source::group(found);
        let folders = paths.iter().map(Path::new).filter(|path| path.is_dir());
        let beside = Beside {
            folders: folders.collect(),
            bundles,
            ..Beside::default()
        };
        let Desk {
            loaded,
            rulebook,
            errors,
        } = self.constraints.load(&self.policies, pack, beside)?;
        let (images, faults) = self.images();
        let court = loaded.court(&rulebook, &images);
        let progress = Progress::new(inputs.len(), "files judged");
        let mut review = court.review(inputs, self.kind, &|| progress.step());
        progress.finish();
        review.errors = errors;
        review.errors.extend(faults);
        Ok(Judged { review, loaded })
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

impl Judged {
    /// What the review means for the caller; that nothing was judged is no clean review.
    pub(super) fn decision(&self, paths: &[String]) -> anyhow::Result<Decision> {
        let mut files = self.review.files.iter();
        let judged = files.any(|file| file.skipped.is_none());
        let decision = self.review.decision();
        if !judged && decision != Decision::Failed {
            return Err(nothing(&self.review, paths));
        }
        Ok(decision)
    }
}

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
