//! Waiting by `polling` alone, for every system that it knows.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use polling::Poller;

// Not every system that `polling` knows has edges: it tells of what is ready again and again.
pub(crate) use super::registration::{add_level as add_at_edges, modify_level as modify_at_edges};
use super::{INITIAL_EVENTS, MAX_EVENTS};
use crate::interest::Readiness;

/// Ends a wait by the poller's own notification.
pub(crate) struct Notifier {
    poller: Arc<Poller>,
}

impl Notifier {
    pub(crate) fn new(poller: &Arc<Poller>) -> io::Result<Self> {
        Ok(Self {
            poller: Arc::clone(poller),
        })
    }

    pub(crate) fn notify(&self) {
        if let Err(error) = self.poller.notify() {
            tracing::debug!(%error, "a wake-up failed");
        }
    }
}

/// It allocates when it is first waited with, so that one can be taken from its place for a wait.
#[derive(Default)]
pub(crate) struct EventBuffer {
    found: Option<polling::Events>,
    list: Vec<(usize, Readiness)>,
}

// SAFETY: `found`, which alone is not `Sync`, is only reached through an exclusive reference.
unsafe impl Sync for EventBuffer {}

impl EventBuffer {
    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, Readiness)> + '_ {
        self.list.iter().copied()
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<(usize, Readiness)> {
        self.list.get(index).copied()
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        self.list.retain(|&(key, _)| keep(key));
    }

    /// Empties it, and gives it room where it was filled.
    fn prepare(&mut self) -> &mut polling::Events {
        let filled = self.list.len();
        self.list.clear();
        let capacity = self
            .found
            .as_ref()
            .map_or(0, |found| found.capacity().get());
        if filled == capacity && capacity < MAX_EVENTS {
            self.found = None;
        }
        let found = self.found.get_or_insert_with(|| {
            let capacity = (capacity * 2).clamp(INITIAL_EVENTS, MAX_EVENTS);
            polling::Events::with_capacity(NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN))
        });
        found.clear();
        found
    }
}

/// Waits, and replaces what is in `events` by what is ready.
pub(crate) fn wait(
    poller: &Poller,
    events: &mut EventBuffer,
    timeout: Option<Duration>,
) -> io::Result<()> {
    poller.wait(events.prepare(), timeout)?;
    let found = events.found.iter().flat_map(polling::Events::iter);
    let found = found.map(|event| {
        let readiness = Readiness::new(event.readable, event.writable);
        (event.key, readiness.with_end(event.is_interrupt()))
    });
    events.list.extend(found);
    Ok(())
}
