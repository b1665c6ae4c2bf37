//! How far downloads have come.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How far downloads have come.
#[derive(Default)]
pub struct Meter {
    /// The artifacts that were asked for.
    pub artifacts: AtomicUsize,
    /// Those that are there.
    pub complete: AtomicUsize,
    /// The bytes that came.
    pub bytes: AtomicU64,
    /// Is called whenever one of them changes.
    pub show: Option<Show>,
}

/// Shows how far downloads have come.
pub(in super::super) type Show = Box<dyn Fn(&Meter) + Send + Sync>;

impl Meter {
    pub(in super::super) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.changed();
    }

    /// That nothing more of what was asked for comes.
    pub(in super::super) fn settle(&self) {
        let artifacts = self.artifacts.load(Ordering::Relaxed);
        self.complete.store(artifacts, Ordering::Relaxed);
        self.changed();
    }

    pub(in super::super) fn changed(&self) {
        if let Some(show) = &self.show {
            show(self);
        }
    }
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter")
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
