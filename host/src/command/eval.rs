use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use clap::{Args, ValueEnum};

use super::{ConstraintArgs, PolicyArgs, input_error};
use crate::catalog::Bundled;
use crate::constraint::Today;
use crate::report::{json, junit, sarif, text};
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
        let loaded = self.policies.load_with(pack, &self.constraints.constraints)?;
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
        let progress = Progress::new(inputs.len());
        let mut review = court.review(inputs, self.kind, &|| progress.step());
        progress.finish();
        review.errors = loaded.errors();
        review.errors.extend(problems);
        review.errors.extend(faults);
        self.write(&review)?;
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

    fn write(&self, review: &Review) -> anyhow::Result<()> {
        let mut output = anstream::stdout().lock();
        match self.output {
            Output::Text => output.write_all(text::render(review).as_bytes()),
            Output::Json => json::write(review, &mut BufWriter::new(&mut output)),
            Output::Sarif => sarif::write(review, &mut BufWriter::new(&mut output)),
            Output::Junit => output.write_all(junit::render(review).as_bytes()),
        }
        .and_then(|()| output.flush())
        .context("cannot write the report")
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

/// Says on a terminal how far long work has come.
struct Progress {
    total: usize,
    done: AtomicUsize,
    started: Instant,
    shown: AtomicUsize,
    terminal: bool,
}

/// Work that takes less than this says nothing.
const PATIENCE: Duration = Duration::from_millis(700);

impl Progress {
    fn new(total: usize) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self {
            total,
            done: AtomicUsize::new(0),
            started: Instant::now(),
            shown: AtomicUsize::new(0),
            terminal,
        }
    }

    fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if !self.terminal || self.started.elapsed() < PATIENCE {
            return;
        }
        let percent = done * 100 / self.total.max(1);
        if self.shown.fetch_max(percent, Ordering::Relaxed) < percent {
            let _ = write!(
                std::io::stderr(),
                "\r{done} of {} files judged ({percent} %)",
                self.total
            );
        }
    }

    fn finish(&self) {
        if self.shown.load(Ordering::Relaxed) > 0 {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}
