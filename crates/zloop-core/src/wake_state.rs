//! Who has to tell the system of a wake-up.

use std::fmt;

use crate::sync::{AtomicU8, Ordering};

/// The loop is not in a wait, and nobody woke it since it last looked.
const RUNNING: u8 = 0;
/// The loop is in a wait or about to be: the first wake-up has to reach the system.
const WAITING: u8 = 1;
/// Somebody woke the loop, and it has not looked yet.
const NOTIFIED: u8 = 2;

/// Makes many wake-ups one.
///
/// All changes are sequentially consistent. Of "work was queued, then the state was swapped" and
/// "the state was swapped, then the queue was looked at", at least one side sees the other.
pub(crate) struct WakeState(AtomicU8);

impl WakeState {
    pub(crate) fn new() -> Self {
        Self(AtomicU8::new(RUNNING))
    }

    /// Wakes; returns whether the system has to be told.
    #[inline]
    pub(crate) fn notify(&self) -> bool {
        self.0.swap(NOTIFIED, Ordering::SeqCst) == WAITING
    }

    /// Waits by `wait`, which is told whether it may block: not when a wake-up came before, nor
    /// when there is work. Wake-ups until the end of the wait are seen.
    #[inline]
    pub(crate) fn around_wait<R>(
        &self,
        has_work: impl FnOnce() -> bool,
        wait: impl FnOnce(bool) -> R,
    ) -> R {
        let must_not_block = self.start_waiting() || has_work();
        let result = wait(!must_not_block);
        self.stop_waiting();
        result
    }

    /// Begins a wait; returns whether it must not block, because of a wake-up before.
    #[inline]
    fn start_waiting(&self) -> bool {
        self.0.swap(WAITING, Ordering::SeqCst) == NOTIFIED
    }

    /// Ends a wait: wake-ups until now are seen.
    #[inline]
    fn stop_waiting(&self) {
        self.0.swap(RUNNING, Ordering::SeqCst);
    }

    /// Says that wake-ups until now are seen, where there was no wait.
    #[inline]
    pub(crate) fn acknowledge(&self) {
        if self.0.load(Ordering::Relaxed) != RUNNING {
            self.stop_waiting();
        }
    }
}

impl fmt::Debug for WakeState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.0.load(Ordering::Relaxed) {
            RUNNING => "running",
            WAITING => "waiting",
            _ => "notified",
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_running_loop_is_not_told_by_the_system() {
        let state = WakeState::new();
        assert!(!state.notify());
        assert!(!state.notify());
        assert!(state.start_waiting(), "the next wait must not block");
    }

    #[test]
    fn only_the_first_wake_up_of_a_wait_is_told() {
        let state = WakeState::new();
        for _ in 0..3 {
            assert!(!state.start_waiting());
            assert!(state.notify());
            assert!(!state.notify());
            state.stop_waiting();
        }
    }

    #[test]
    fn a_wake_up_that_was_seen_does_not_end_the_next_wait() {
        let state = WakeState::new();
        state.notify();
        state.acknowledge();
        assert!(!state.start_waiting());
    }
}
