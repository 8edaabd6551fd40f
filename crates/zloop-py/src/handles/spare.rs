//! Handles that are used again.

use std::cell::RefCell;

use crate::raw::class::Class;
use crate::raw::object::Instance;

/// So many are kept at most; a loop that had a burst of callbacks may have the next one soon.
const MOST: usize = 32 * 1024;
/// So many are kept by a loop that had no burst for long,
const MOST_IDLE: usize = 256;
/// and so many of the others are freed each time the loop waits.
const FREED_AT_ONCE: usize = 256;

/// Handles whose callbacks ran and that nobody else has: to make a new one out of one of these takes a
/// fraction of what an object takes that is made and freed.
///
/// Invariant: each has one reference, this one, and holds nothing.
pub struct Spare<T: Class>(RefCell<Vec<Instance<T>>>);

impl<T: Class> Default for Spare<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T: Class> Spare<T> {
    /// One of them, if there is any.
    #[inline]
    pub fn take(&self) -> Option<Instance<T>> {
        self.0.borrow_mut().pop()
    }

    /// Keeps a handle that has run, and which `empty` makes let go of its loop if it refers to that; gives it
    /// back if somebody else has it.
    #[inline]
    pub fn keep(&self, handle: Instance<T>, empty: impl FnOnce(&T)) -> Result<(), Instance<T>> {
        let mut kept = self.0.borrow_mut();
        if !handle.is_unshared() || kept.len() >= MOST {
            return Err(handle);
        }
        // The loop runs, so that nothing ends with this reference to it.
        empty(&handle);
        kept.push(handle);
        Ok(())
    }

    /// Frees some, if there are many: the loop is about to wait.
    #[inline]
    pub fn shrink(&self) {
        let mut kept = self.0.borrow_mut();
        if kept.len() > MOST_IDLE {
            let left = kept.len().saturating_sub(FREED_AT_ONCE).max(MOST_IDLE);
            let freed = kept.split_off(left);
            drop(kept);
            drop(freed);
        }
    }

    /// Frees all: the loop closes.
    pub fn clear(&self) {
        self.0.take();
    }
}
