//! How a verb shows how far it has come, and what came out.

use std::io::{BufWriter, IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::ValueEnum;

use crate::catalog::Catalog;
use crate::report::{json, junit, sarif, text};
use crate::review::Review;
use crate::threat::Model;

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Output {
    /// Findings in their source, for people
    Text,
    /// One JSON object, for programs
    Json,
    /// SARIF 2.1.0, for code hosts
    Sarif,
    /// JUnit XML, for build servers
    Junit,
}

impl Output {
    /// Writes a review by the policies of a catalog to standard output.
    pub(super) fn write(self, review: &Review, catalog: &Catalog) -> anyhow::Result<()> {
        let mut output = anstream::stdout().lock();
        match self {
            Self::Text => {
                let (model, _) = Model::built_in();
                let standings = model.standings(catalog, review);
                output.write_all(text::render(review, &standings).as_bytes())
            }
            Self::Json => json::write(review, &mut BufWriter::new(&mut output)),
            Self::Sarif => sarif::write(review, &mut BufWriter::new(&mut output)),
            Self::Junit => output.write_all(junit::render(review).as_bytes()),
        }
        .and_then(|()| output.flush())
        .context("cannot write the report")
    }
}

/// Says on a terminal how far long work has come.
pub(super) struct Progress {
    total: AtomicUsize,
    /// What is counted, and what is done with it.
    what: &'static str,
    done: AtomicUsize,
    started: Instant,
    shown: AtomicUsize,
    terminal: bool,
}

/// Work that takes less than this says nothing.
const PATIENCE: Duration = Duration::from_millis(700);

impl Progress {
    pub(super) fn new(total: usize, what: &'static str) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self {
            total: AtomicUsize::new(total),
            what,
            done: AtomicUsize::new(0),
            started: Instant::now(),
            shown: AtomicUsize::new(0),
            terminal,
        }
    }

    pub(super) fn step(&self) {
        self.advance(1);
    }

    /// That so many more have been found.
    #[cfg(feature = "gateway")]
    pub(super) fn expect(&self, more: usize) {
        self.total.fetch_add(more, Ordering::Relaxed);
    }

    /// That so many more are done.
    pub(super) fn advance(&self, by: usize) {
        let done = self.done.fetch_add(by, Ordering::Relaxed) + by;
        if !self.terminal || self.started.elapsed() < PATIENCE {
            return;
        }
        let total = self.total.load(Ordering::Relaxed).max(done).max(1);
        let percent = done * 100 / total;
        if self.shown.fetch_max(percent, Ordering::Relaxed) < percent {
            let _ = write!(
                std::io::stderr(),
                "\r{done} of {total} {} ({percent} %)",
                self.what
            );
        }
    }

    pub(super) fn finish(&self) {
        if self.shown.load(Ordering::Relaxed) > 0 {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}
