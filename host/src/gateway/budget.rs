//! What requests may take together while they are read and judged.

use std::sync::Arc;

use hyper::http::request::Parts;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many bytes of each body count apart from the rest.
const FIRST: usize = 64 << 10;

/// The bytes of bodies that may be held at a time.
///
/// The first bytes of each body count apart: small requests are answered while large ones are
/// turned away.
#[derive(Clone)]
pub(super) struct Budget {
    first: Arc<Semaphore>,
    rest: Arc<Semaphore>,
}

impl Budget {
    /// A budget of so many bytes, and a quarter as many for the first bytes of bodies.
    pub(super) fn new(bytes: usize) -> Self {
        let semaphore = |bytes: usize| Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        Self {
            first: semaphore(bytes / 4),
            rest: semaphore(bytes),
        }
    }

    /// Takes what the next bytes of a body need, of which so many were taken before; none if too
    /// much is held already.
    pub(super) fn take(&self, before: usize, more: usize, held: &mut Held) -> Option<()> {
        let first = FIRST.saturating_sub(before).min(more);
        for (semaphore, bytes) in [(&self.first, first), (&self.rest, more - first)] {
            if bytes > 0 {
                let bytes = u32::try_from(bytes).ok()?;
                let permit = Arc::clone(semaphore).try_acquire_many_owned(bytes).ok()?;
                held.add(permit);
            }
        }
        Some(())
    }
}

/// What a request has taken, which is given back when this is dropped: a request that is judged
/// although its caller is gone keeps it.
#[derive(Debug, Default)]
pub struct Held(Vec<OwnedSemaphorePermit>);

impl Held {
    /// What the request has taken whose head this is.
    pub(super) fn of(head: &mut Parts) -> Self {
        let taken = head.extensions.remove::<Arc<Self>>();
        taken.and_then(Arc::into_inner).unwrap_or_default()
    }

    /// Takes more.
    pub(super) fn add(&mut self, permit: OwnedSemaphorePermit) {
        let mut known = self.0.iter_mut();
        match known.find(|known| Arc::ptr_eq(known.semaphore(), permit.semaphore())) {
            Some(known) => known.merge(permit),
            None => self.0.push(permit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bodies_leave_room_for_small_ones() {
        let budget = Budget::new(1 << 20);
        let mut large = Held::default();
        assert!(budget.take(0, FIRST, &mut large).is_some());
        assert!(budget.take(FIRST, 1 << 20, &mut large).is_some());
        assert_eq!(large.0.len(), 2);
        let mut other = Held::default();
        assert!(budget.take(FIRST, 1, &mut other).is_none());
        assert!(budget.take(0, 1000, &mut other).is_some());
        assert!(budget.take(0, FIRST + 1, &mut Held::default()).is_none());
        drop(large);
        assert!(budget.take(FIRST, 1 << 20, &mut other).is_some());
    }

    #[test]
    fn what_comes_in_parts_counts_once() {
        let budget = Budget::new(FIRST * 4);
        let mut held = Held::default();
        for part in 0..FIRST * 5 {
            assert!(budget.take(part, 1, &mut held).is_some());
        }
        assert_eq!(held.0.len(), 2);
        assert!(budget.take(FIRST * 5, 1, &mut held).is_none());
    }
}
