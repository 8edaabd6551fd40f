//! A queue that threads share.

use std::sync::PoisonError;

use crate::sync::{AtomicUsize, Mutex, MutexGuard, Ordering};

/// What many threads push and one takes out. Whether it is empty can be asked without its lock.
pub(crate) struct Queue<T> {
    /// `None` once it is closed.
    items: Mutex<Option<Vec<T>>>,
    /// How many items there are, written under the lock and read without.
    len: AtomicUsize,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Self {
            items: Mutex::new(Some(Vec::new())),
            len: AtomicUsize::new(0),
        }
    }

    /// Gives the item back if the queue is closed: it is not to be dropped under the lock.
    pub(crate) fn push(&self, item: T) -> Result<(), T> {
        let mut items = self.lock();
        let Some(items) = &mut *items else {
            return Err(item);
        };
        items.push(item);
        self.len.store(items.len(), Ordering::SeqCst);
        Ok(())
    }

    /// Drops what is queued, and takes nothing any more.
    pub(crate) fn close(&self) {
        let mut items = self.lock();
        self.len.store(0, Ordering::SeqCst);
        let dropped = items.take();
        drop(items);
        drop(dropped);
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::SeqCst)
    }

    /// Moves everything to the end of `destination`.
    #[inline]
    pub(crate) fn drain_into(&self, destination: &mut impl Extend<T>) {
        if self.len() == 0 {
            return;
        }
        let mut items = self.lock();
        if let Some(items) = &mut *items {
            self.len.store(0, Ordering::SeqCst);
            destination.extend(items.drain(..));
        }
    }

    /// Exchanges the items for those of `other`.
    #[inline]
    pub(crate) fn swap(&self, other: &mut Vec<T>) {
        let mut items = self.lock();
        if let Some(items) = &mut *items {
            std::mem::swap(items, other);
            self.len.store(items.len(), Ordering::SeqCst);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<T>>> {
        // A panic under the lock can only come from the allocator or the caller's iterator, and
        // leaves a whole queue behind.
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
