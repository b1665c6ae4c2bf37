//! An allocator for calls that are short and end clean.
//!
//! It hands out memory from the end of what is used and takes it back when everything has been
//! freed, which is at the end of each call: an instance that is called for ever does not grow.

#![expect(unsafe_code, reason = "an allocator hands out raw memory")]

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::{memory_grow, memory_size};
use core::cell::Cell;

const PAGE: usize = 65_536;

/// What a growth asks for at the least, so that a large document takes few.
const GROWTH: usize = 4 * PAGE;

struct Bump {
    /// The first free byte; 0 before the first allocation.
    next: Cell<usize>,
    /// The byte after the memory.
    end: Cell<usize>,
    /// How many allocations live.
    live: Cell<usize>,
}

// SAFETY: a component's instance has one thread.
unsafe impl Sync for Bump {}

#[global_allocator]
static ALLOCATOR: Bump = Bump {
    next: Cell::new(0),
    end: Cell::new(0),
    live: Cell::new(0),
};

fn heap_base() -> usize {
    unsafe extern "C" {
        static __heap_base: u8;
    }
    (&raw const __heap_base).addr()
}

impl Bump {
    /// Makes sure that the memory reaches to `end`.
    fn reach(&self, end: usize) -> bool {
        if end <= self.end.get() {
            return true;
        }
        let missing = (end - self.end.get()).max(GROWTH).div_ceil(PAGE);
        let exact = (end - self.end.get()).div_ceil(PAGE);
        if memory_grow(0, missing) == usize::MAX && memory_grow(0, exact) == usize::MAX {
            return false;
        }
        self.end.set(memory_size(0).saturating_mul(PAGE));
        true
    }
}

// SAFETY: an allocation lies between `__heap_base` and the end of memory, and its bytes are handed
// out again only after it was freed: either it was the last, or none lives.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.next.get() == 0 {
            self.next.set(heap_base());
            self.end.set(memory_size(0).saturating_mul(PAGE));
        }
        let start = self.next.get().checked_next_multiple_of(layout.align());
        let range = start.and_then(|start| Some((start, start.checked_add(layout.size())?)));
        let Some((start, end)) = range else {
            return core::ptr::null_mut();
        };
        if !self.reach(end) {
            return core::ptr::null_mut();
        }
        self.next.set(end);
        self.live.set(self.live.get() + 1);
        core::ptr::with_exposed_provenance_mut(start)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let start = pointer.addr();
        self.live.set(self.live.get() - 1);
        if self.live.get() == 0 {
            self.next.set(heap_base());
        } else if start + layout.size() == self.next.get() {
            self.next.set(start);
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let start = pointer.addr();
        if start + layout.size() == self.next.get() {
            let Some(end) = start.checked_add(size) else {
                return core::ptr::null_mut();
            };
            if !self.reach(end) {
                return core::ptr::null_mut();
            }
            self.next.set(end);
            return pointer;
        }
        if size <= layout.size() {
            return pointer;
        }
        // SAFETY: the alignment is that of a valid layout, and the two do not overlap.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                core::ptr::copy_nonoverlapping(pointer, moved, layout.size());
                self.dealloc(pointer, layout);
            }
            moved
        }
    }
}
