//! A queue into the loop from any thread.

use std::fmt;
use std::sync::Arc;

use crate::queue::Queue;
use crate::waker::Waker;

/// A queue that any thread may push to, and that wakes the loop which drains it.
///
/// Clones are handles of the same queue. What one thread pushes comes out in that order.
///
/// ```
/// use zloop_core::{Inbox, Reactor};
///
/// # fn main() -> std::io::Result<()> {
/// let reactor = Reactor::<()>::new()?;
/// let inbox = Inbox::new(reactor.waker());
/// let remote = inbox.clone();
/// std::thread::spawn(move || remote.push(42)).join().expect("the other thread");
/// let mut received = Vec::new();
/// inbox.drain_into(&mut received);
/// assert_eq!(received, [42]);
/// # Ok(())
/// # }
/// ```
pub struct Inbox<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    queue: Queue<T>,
    waker: Waker,
}

impl<T> Inbox<T> {
    /// An empty queue, whose pushes wake by `waker`.
    #[must_use]
    pub fn new(waker: Waker) -> Self {
        let queue = Queue::new();
        Self {
            shared: Arc::new(Shared { queue, waker }),
        }
    }

    /// Adds `item` and wakes the loop. Once the queue is [closed](Self::close), the item is dropped.
    pub fn push(&self, item: T) {
        if self.shared.queue.push(item).is_ok() {
            self.shared.waker.wake();
        }
    }

    /// Drops what is queued, and whatever is pushed from now on. A [`Schedule`](crate::Schedule) that is dropped closes
    /// its inbox, so that what other threads hold does not keep tasks that nobody will run.
    pub fn close(&self) {
        self.shared.queue.close();
    }

    /// Whether nothing is queued. This takes no lock, and is what
    /// [`Selector::wait_unless`](crate::Selector::wait_unless) wants to know.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items are queued.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.queue.len()
    }

    /// Moves everything queued to the end of `destination`.
    #[inline]
    pub fn drain_into(&self, destination: &mut impl Extend<T>) {
        self.shared.queue.drain_into(destination);
    }

    /// Exchanges the queue for `other`, which should be empty: nothing is copied or allocated, and
    /// the lock is held for an instant. What `other` had is queued. A closed queue leaves `other` as it is.
    #[inline]
    pub fn swap(&self, other: &mut Vec<T>) {
        self.shared.queue.swap(other);
    }

    /// The waker of the loop that drains this queue.
    #[must_use]
    pub fn waker(&self) -> &Waker {
        &self.shared.waker
    }
}

impl<T> Clone for Inbox<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T> fmt::Debug for Inbox<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Inbox")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::VecDeque;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::{Events, Reactor};

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no timerfd, and so no poller")]
    fn swapping_keeps_what_the_other_had() {
        let reactor = Reactor::<()>::new().expect("a reactor");
        let inbox = Inbox::new(reactor.waker());
        inbox.shared.queue.push(1).expect("an open queue");
        let mut other = vec![2, 3];
        inbox.swap(&mut other);
        assert_eq!((other.as_slice(), inbox.len()), ([1].as_slice(), 2));
        let mut rest = VecDeque::from([0]);
        inbox.drain_into(&mut rest);
        assert_eq!(rest, [0, 2, 3]);
        assert!(inbox.is_empty());
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no timerfd, and so no poller")]
    fn a_closed_queue_drops_what_it_has_and_what_comes() {
        let reactor = Reactor::<()>::new().expect("a reactor");
        let inbox = Inbox::new(reactor.waker());
        let item = Arc::new(());
        inbox.push(Arc::clone(&item));
        inbox.close();
        inbox.push(Arc::clone(&item));
        assert_eq!((inbox.len(), Arc::strong_count(&item)), (0, 1));
        let mut taken = Vec::new();
        inbox.swap(&mut taken);
        inbox.drain_into(&mut taken);
        assert!(taken.is_empty());
    }

    /// Each wait could last a minute, so a single lost wake-up shows.
    #[test]
    #[cfg_attr(miri, ignore = "Miri has no timerfd, and so no poller")]
    fn no_push_is_slept_on() {
        const THREADS: usize = 4;
        const PUSHES: usize = 5_000;

        let started = Instant::now();
        let reactor = Reactor::<()>::new().expect("a reactor");
        let inbox = Inbox::new(reactor.waker());
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let inbox = inbox.clone();
                thread::spawn(move || (0..PUSHES).for_each(|push| inbox.push((thread, push))))
            })
            .collect();
        let mut events = Events::new();
        let mut received = Vec::new();
        while received.len() < THREADS * PUSHES {
            reactor
                .selector()
                .wait_unless(&mut events, Some(Duration::from_secs(60)), || {
                    !inbox.is_empty()
                })
                .expect("a wait");
            assert!(events.is_empty());
            inbox.drain_into(&mut received);
        }
        for thread in threads {
            thread.join().expect("a thread");
        }
        for thread in 0..THREADS {
            let of_one = received.iter().filter(|(from, _)| *from == thread);
            assert!(
                of_one.map(|(_, push)| *push).eq(0..PUSHES),
                "in the order of pushing"
            );
        }
        assert!(started.elapsed() < Duration::from_secs(50));
    }
}
