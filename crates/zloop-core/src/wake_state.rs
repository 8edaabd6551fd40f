//! Who has to tell the system of a wake-up.

use std::fmt;

#[cfg(loom)]
use loom::sync::atomic::{AtomicU8, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU8, Ordering};

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

    /// Begins a wait; returns whether it must not block, because of a wake-up before.
    #[inline]
    pub(crate) fn start_waiting(&self) -> bool {
        self.0.swap(WAITING, Ordering::SeqCst) == NOTIFIED
    }

    /// Ends a wait: wake-ups until now are seen.
    #[inline]
    pub(crate) fn stop_waiting(&self) {
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

/// Every order of the steps of a waker and a waiting loop.
/// `RUSTFLAGS="--cfg loom" cargo test --release -p zloop-core --lib loom`
#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::sync::{Arc, Condvar, Mutex};
    use loom::thread;

    use super::*;

    /// A loop with a queue's length, and a counter that stands for the eventfd.
    struct Model {
        state: WakeState,
        queued: AtomicUsize,
        told: Mutex<usize>,
        condition: Condvar,
    }

    impl Model {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                state: WakeState::new(),
                queued: AtomicUsize::new(0),
                told: Mutex::new(0),
                condition: Condvar::new(),
            })
        }

        fn push(&self) {
            self.queued.fetch_add(1, Ordering::SeqCst);
            if self.state.notify() {
                *self.told.lock().unwrap() += 1;
                self.condition.notify_one();
            }
        }

        /// As `Selector::wait_unless` without a timeout: it blocks for ever if a wake-up is lost,
        /// which loom reports as a deadlock.
        fn wait(&self) {
            if !self.state.start_waiting() && self.queued.load(Ordering::SeqCst) == 0 {
                let mut told = self.told.lock().unwrap();
                while *told == 0 {
                    told = self.condition.wait(told).unwrap();
                }
                *told = 0;
            }
            self.state.stop_waiting();
        }
    }

    #[test]
    fn no_wake_up_is_lost() {
        let mut builder = loom::model::Builder::new();
        // Without a bound there are so many orders that they take minutes.
        builder.preemption_bound = Some(3);
        builder.check(|| {
            let model = Model::new();
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let model = Arc::clone(&model);
                    thread::spawn(move || model.push())
                })
                .collect();
            let mut received = 0;
            while received < 2 {
                model.wait();
                received += model.queued.swap(0, Ordering::SeqCst);
            }
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }
}
