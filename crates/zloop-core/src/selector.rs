//! Waiting for readiness.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use polling::Poller;

use crate::interest::{Interest, Readiness};
use crate::sys::{self, RawFd};
use crate::token::Token;
use crate::waker::Waker;

/// A reusable buffer of what a wait found.
///
/// It allocates room for 256 events when it is first used. When one wait fills it, it grows, up to 4096; what did not fit is
/// found by the next wait.
#[derive(Default)]
pub struct Events {
    buffer: sys::EventBuffer,
}

impl Events {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What is ready, in the order in which the system gave it.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (Token, Readiness)> + '_ {
        self.buffer
            .iter()
            .map(|(key, readiness)| (Token::from_key(key), readiness))
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<(Token, Readiness)> {
        let (key, readiness) = self.buffer.get(index)?;
        Some((Token::from_key(key), readiness))
    }

    /// How many events there are.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.buffer.clear();
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(Token) -> bool) {
        self.buffer.retain(|key| keep(Token::from_key(key)));
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

/// Waits for descriptors that a [`Reactor`](crate::Reactor) registered.
///
/// Shared between threads, it can be waited on while the reactor is borrowed elsewhere; one thread
/// waits at a time. Wake-ups are consumed here and never show as events.
#[derive(Debug)]
pub struct Selector {
    poller: Arc<Poller>,
    waker: Waker,
}

impl Selector {
    pub(crate) fn new() -> io::Result<Self> {
        let poller = Arc::new(Poller::new()?);
        let waker = Waker::new(sys::Notifier::new(&poller)?);
        Ok(Self { poller, waker })
    }

    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Waits until something is ready, a wake-up comes, or `timeout` has passed; `None` waits
    /// without end. What is ready replaces what was in `events`.
    ///
    /// It can return early with no events: a wake-up does that.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Interrupted`] when a signal ended the wait, else what the system says.
    #[inline]
    pub fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        self.wait_unless(events, timeout, || false)
    }

    /// Like [`wait`](Self::wait), but does not block if `has_work` returns true. It is asked once
    /// wake-ups reach the system, so that work queued before that is never slept on:
    /// whoever queues first and then wakes is either seen by `has_work` or ends the wait. It is
    /// not asked if the wait would not block anyway.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn wait_unless(
        &self,
        events: &mut Events,
        timeout: Option<Duration>,
        has_work: impl FnOnce() -> bool,
    ) -> io::Result<()> {
        if timeout == Some(Duration::ZERO) {
            self.waker.state().acknowledge();
            return self.look(events, timeout);
        }
        self.waker.state().around_wait(has_work, |may_block| {
            let timeout = if may_block {
                timeout
            } else {
                Some(Duration::ZERO)
            };
            self.look(events, timeout)
        })
    }

    #[inline]
    fn look(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        let result = sys::wait(&self.poller, &mut events.buffer, timeout);
        match &result {
            Ok(()) => tracing::trace!(?timeout, events = events.len(), "polled"),
            Err(error) => tracing::debug!(?timeout, %error, "the wait ended early"),
        }
        result
    }

    pub(crate) fn add(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        tracing::trace!(?fd, ?token, ?interest, "add");
        sys::add(&self.poller, fd, token.into_key(), interest)
    }

    pub(crate) fn modify(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        tracing::trace!(?fd, ?token, ?interest, "modify");
        sys::modify(&self.poller, fd, token.into_key(), interest)
    }

    pub(crate) fn delete(&self, fd: RawFd) -> io::Result<()> {
        tracing::trace!(?fd, "delete");
        sys::delete(&self.poller, fd)
    }
}

const _: () = {
    const fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Events>();
    is_send_and_sync::<Selector>();
    is_send_and_sync::<Waker>();
};
