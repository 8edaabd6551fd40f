//! Waiting by `polling` alone, for every system that it knows.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use polling::Poller;

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

pub(crate) struct EventBuffer {
    found: polling::Events,
    list: Vec<(usize, Readiness)>,
}

// SAFETY: `found`, which alone is not `Sync`, is only reached through an exclusive reference.
unsafe impl Sync for EventBuffer {}

fn events_of(capacity: usize) -> polling::Events {
    polling::Events::with_capacity(NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN))
}

impl Default for EventBuffer {
    fn default() -> Self {
        Self {
            found: events_of(INITIAL_EVENTS),
            list: Vec::with_capacity(INITIAL_EVENTS),
        }
    }
}

impl EventBuffer {
    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, Readiness)> + '_ {
        self.list.iter().copied()
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

    fn prepare(&mut self) {
        let filled = self.list.len();
        let capacity = self.found.capacity().get();
        self.list.clear();
        if filled == capacity && filled < MAX_EVENTS {
            self.found = events_of((filled * 2).clamp(INITIAL_EVENTS, MAX_EVENTS));
        }
        self.found.clear();
    }
}

/// Waits, and replaces what is in `events` by what is ready.
pub(crate) fn wait(
    poller: &Poller,
    events: &mut EventBuffer,
    timeout: Option<Duration>,
) -> io::Result<()> {
    events.prepare();
    poller.wait(&mut events.found, timeout)?;
    let list = &mut events.list;
    for event in events.found.iter() {
        list.push((event.key, Readiness::new(event.readable, event.writable)));
    }
    Ok(())
}
