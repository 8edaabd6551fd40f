//! Every order of the steps of threads that push and wake, and of a loop that waits and takes.
//! `RUSTFLAGS="--cfg loom" cargo test -p zloop-core --lib loom`

use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use crate::queue::Queue;
use crate::wake_state::WakeState;

/// An inbox and its loop, with a counter that stands for the system's event.
struct Model {
    queue: Queue<usize>,
    state: WakeState,
    told: Mutex<usize>,
    condition: Condvar,
}

impl Model {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            queue: Queue::new(),
            state: WakeState::new(),
            told: Mutex::new(0),
            condition: Condvar::new(),
        })
    }

    /// As `Inbox::push`.
    fn push(&self, item: usize) {
        if self.queue.push(item).is_ok() && self.state.notify() {
            *self.told.lock().unwrap() += 1;
            self.condition.notify_one();
        }
    }

    /// As `Selector::wait_unless` without a timeout: it blocks for ever if a wake-up is lost, which
    /// loom reports as a deadlock.
    fn wait(&self) {
        self.state.around_wait(
            || self.queue.len() > 0,
            |may_block| {
                let mut told = self.told.lock().unwrap();
                while may_block && *told == 0 {
                    told = self.condition.wait(told).unwrap();
                }
                *told = 0;
            },
        );
    }

    /// As `Selector::wait_unless` with no time: it looks, and says that wake-ups are seen.
    fn look(&self) {
        self.state.acknowledge();
        *self.told.lock().unwrap() = 0;
    }
}

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    // Without a bound there are so many orders that they take minutes.
    builder.preemption_bound = Some(3);
    builder.check(model);
}

#[test]
fn nothing_that_was_pushed_is_slept_on() {
    check(|| {
        let model = Model::new();
        let threads: Vec<_> = (0..2)
            .map(|item| {
                let model = Arc::clone(&model);
                thread::spawn(move || model.push(item))
            })
            .collect();
        let mut received = Vec::new();
        while received.len() < 2 {
            model.wait();
            model.queue.drain_into(&mut received);
        }
        received.sort_unstable();
        assert_eq!(received, [0, 1]);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_look_in_between_loses_no_wake_up() {
    check(|| {
        let model = Model::new();
        let pusher = Arc::clone(&model);
        let thread = thread::spawn(move || {
            pusher.push(0);
            pusher.push(1);
        });
        let mut received = Vec::new();
        let mut taken = Vec::new();
        while received.len() < 2 {
            model.look();
            model.queue.swap(&mut taken);
            received.append(&mut taken);
            if received.len() < 2 {
                model.wait();
                model.queue.swap(&mut taken);
                received.append(&mut taken);
            }
        }
        assert_eq!(received, [0, 1], "in the order of pushing");
        thread.join().unwrap();
    });
}

#[test]
fn what_is_pushed_while_the_queue_is_closed_is_dropped() {
    check(|| {
        let queue = Arc::new(Queue::new());
        let item = Arc::new(());
        let pusher = (Arc::clone(&queue), Arc::clone(&item));
        let thread = thread::spawn(move || {
            let (queue, item) = pusher;
            drop(queue.push(item));
        });
        queue.close();
        thread.join().unwrap();
        assert_eq!((queue.len(), Arc::strong_count(&item)), (0, 1));
    });
}
