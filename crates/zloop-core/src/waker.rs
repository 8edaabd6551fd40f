//! Ending a wait from elsewhere.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::sys::Notifier;

/// The loop is not in a wait, and nobody woke it since it last looked.
const RUNNING: u8 = 0;
/// The loop is in a wait or about to be: the first wake-up has to reach the system.
const WAITING: u8 = 1;
/// Somebody woke the loop, and it has not looked yet.
const NOTIFIED: u8 = 2;

/// Ends the present wait of a [`Selector`](crate::Selector), or the next one, from any thread.
///
/// Wake-ups are coalesced: only the first one of a wait costs a system call, and one that comes
/// while the loop is running costs none.
///
/// ```
/// use std::time::Duration;
/// use zloop_core::{Events, Reactor};
///
/// # fn main() -> std::io::Result<()> {
/// let reactor = Reactor::<()>::new()?;
/// let waker = reactor.waker();
/// let other = std::thread::spawn(move || waker.wake());
/// let mut events = Events::new();
/// reactor.selector().wait(&mut events, Some(Duration::from_secs(60)))?;
/// assert!(events.is_empty(), "a wake-up is no event");
/// other.join().expect("the other thread");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Waker {
    shared: Arc<Shared>,
}

struct Shared {
    state: AtomicU8,
    notifier: Notifier,
}

impl Waker {
    pub(crate) fn new(notifier: Notifier) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: AtomicU8::new(RUNNING),
                notifier,
            }),
        }
    }

    /// Ends the wait.
    #[inline]
    pub fn wake(&self) {
        // Sequentially consistent, as `start_waiting` is: of "work was put in the queue, then the
        // state was swapped" and "the state was swapped, then the queue was looked at", at least
        // one side sees the other.
        if self.shared.state.swap(NOTIFIED, Ordering::SeqCst) == WAITING {
            self.shared.notifier.notify();
        }
    }

    /// Says that a wait begins. Returns whether it must not block, because of a wake-up before.
    #[inline]
    pub(crate) fn start_waiting(&self) -> bool {
        self.shared.state.swap(WAITING, Ordering::SeqCst) == NOTIFIED
    }

    /// Says that the wait is over, and that wake-ups until now are seen.
    #[inline]
    pub(crate) fn stop_waiting(&self) {
        self.shared.state.swap(RUNNING, Ordering::SeqCst);
    }

    /// Says that wake-ups until now are seen, where there was no wait.
    #[inline]
    pub(crate) fn acknowledge(&self) {
        if self.shared.state.load(Ordering::Relaxed) != RUNNING {
            self.stop_waiting();
        }
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.shared.state.load(Ordering::Relaxed) {
            RUNNING => "running",
            WAITING => "waiting",
            _ => "notified",
        };
        formatter
            .debug_struct("Waker")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
