//! Ending a wait from elsewhere.

use std::fmt;
use std::sync::Arc;

use crate::sys::Notifier;
use crate::wake_state::WakeState;

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
    state: WakeState,
    notifier: Notifier,
}

impl Waker {
    pub(crate) fn new(notifier: Notifier) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: WakeState::new(),
                notifier,
            }),
        }
    }

    /// Ends the wait.
    #[inline]
    pub fn wake(&self) {
        if self.shared.state.notify() {
            self.shared.notifier.notify();
        }
    }

    #[inline]
    pub(crate) fn state(&self) -> &WakeState {
        &self.shared.state
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Waker")
            .field("state", &self.shared.state)
            .finish_non_exhaustive()
    }
}
