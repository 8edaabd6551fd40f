//! A small event loop over the parts, for programs that want callbacks and nothing else.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use crate::clock::{Clock, MonotonicClock, Timestamp};
use crate::inbox::Inbox;
use crate::interest::{Interest, Readiness};
use crate::reactor::Reactor;
use crate::selector::Events;
use crate::sys::RawFd;
use crate::timers::{TimerHeap, TimerKey};
use crate::token::Token;
use crate::turn::{Pacer, Poll};
use crate::waker::Waker;

type Callback<C> = Box<dyn FnOnce(&mut EventLoop<C>)>;
type RemoteCallback<C> = Box<dyn FnOnce(&mut EventLoop<C>) + Send>;
type Watcher<C> = Box<dyn FnMut(&mut EventLoop<C>, Token, Readiness)>;

enum Ready<C: Clock> {
    Callback(Callback<C>),
    Readiness(Token, Readiness),
}

/// An event loop of one thread: callbacks, timers, and watched descriptors.
///
/// ```
/// use std::time::Duration;
/// use zloop_core::EventLoop;
///
/// # fn main() -> std::io::Result<()> {
/// let mut event_loop = EventLoop::new()?;
/// event_loop.call_later(Duration::from_millis(1), |event_loop| event_loop.stop());
/// event_loop.run()?;
/// # Ok(())
/// # }
/// ```
pub struct EventLoop<C: Clock = MonotonicClock> {
    clock: C,
    /// A watcher is out of its place while it runs.
    reactor: Reactor<Option<Watcher<C>>>,
    timers: TimerHeap<Callback<C>>,
    ready: VecDeque<Ready<C>>,
    inbox: Inbox<RemoteCallback<C>>,
    arrived: Vec<RemoteCallback<C>>,
    events: Events,
    pacer: Pacer,
    stopping: bool,
}

impl EventLoop {
    /// A loop on the system's monotonic clock.
    ///
    /// # Errors
    ///
    /// When the system is out of descriptors.
    pub fn new() -> io::Result<Self> {
        Self::with_clock(MonotonicClock)
    }
}

impl<C: Clock> EventLoop<C> {
    /// A loop on a clock of the caller's.
    ///
    /// # Errors
    ///
    /// When the system is out of descriptors.
    pub fn with_clock(clock: C) -> io::Result<Self> {
        let reactor = Reactor::new()?;
        let inbox = Inbox::new(reactor.waker());
        Ok(Self {
            clock,
            reactor,
            timers: TimerHeap::new(),
            ready: VecDeque::new(),
            inbox,
            arrived: Vec::new(),
            events: Events::new(),
            pacer: Pacer::default(),
            stopping: false,
        })
    }

    /// The loop's time.
    pub fn time(&self) -> Timestamp {
        self.clock.now()
    }

    /// Runs `callback` in the next turn, behind what is ready.
    pub fn call_soon(&mut self, callback: impl FnOnce(&mut Self) + 'static) {
        self.ready.push_back(Ready::Callback(Box::new(callback)));
    }

    /// Runs `callback` when `delay` has passed.
    pub fn call_later(
        &mut self,
        delay: Duration,
        callback: impl FnOnce(&mut Self) + 'static,
    ) -> TimerKey {
        self.call_at(self.time().saturating_add(delay), callback)
    }

    /// Runs `callback` at `deadline`, never before it.
    pub fn call_at(
        &mut self,
        deadline: Timestamp,
        callback: impl FnOnce(&mut Self) + 'static,
    ) -> TimerKey {
        self.timers.insert(deadline, Box::new(callback))
    }

    /// Cancels a timer; false if it ran or was cancelled before.
    pub fn cancel(&mut self, timer: TimerKey) -> bool {
        self.timers.remove(timer).is_some()
    }

    /// Calls `watcher` at every turn that finds `fd` ready for what `interest` names. The
    /// descriptor stays the caller's, who unwatches it before closing it.
    ///
    /// # Errors
    ///
    /// As [`Reactor::register`].
    pub fn watch(
        &mut self,
        fd: RawFd,
        interest: Interest,
        watcher: impl FnMut(&mut Self, Token, Readiness) + 'static,
    ) -> io::Result<Token> {
        self.reactor.register(fd, interest, Some(Box::new(watcher)))
    }

    /// Changes what a watcher is called for.
    ///
    /// # Errors
    ///
    /// As [`Reactor::set_interest`].
    pub fn set_interest(&mut self, token: Token, interest: Interest) -> io::Result<()> {
        self.reactor.set_interest(token, interest)
    }

    /// Ends a watch; false if it had ended. A watcher may end its own.
    pub fn unwatch(&mut self, token: Token) -> bool {
        self.reactor.deregister(token).is_some()
    }

    /// A handle for other threads.
    pub fn remote(&self) -> Remote<C> {
        Remote {
            inbox: self.inbox.clone(),
        }
    }

    /// Ends [`run`](Self::run) after the present turn.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// Runs turns until [`stop`](Self::stop) is called.
    ///
    /// # Errors
    ///
    /// What the system says of a wait. A wait that a signal interrupts goes on.
    pub fn run(&mut self) -> io::Result<()> {
        self.pacer.restart();
        loop {
            self.turn(true)?;
            if std::mem::take(&mut self.stopping) {
                return Ok(());
            }
        }
    }

    /// Runs turns without blocking, until nothing is ready and no timer is due: with a
    /// [`ManualClock`](crate::ManualClock), time stands still in between.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_pending(&mut self) -> io::Result<()> {
        self.pacer.restart();
        loop {
            let ran = self.turn(false)?;
            if std::mem::take(&mut self.stopping) || ran == 0 {
                return Ok(());
            }
        }
    }

    /// One turn; returns how many callbacks ran.
    fn turn(&mut self, may_block: bool) -> io::Result<usize> {
        self.poll(may_block)?;
        self.inbox.swap(&mut self.arrived);
        let arrived = self
            .arrived
            .drain(..)
            .map(|callback| Ready::Callback(callback));
        self.ready.extend(arrived);
        let now = self.clock.now();
        while let Some(callback) = self.timers.pop_due(now) {
            self.ready.push_back(Ready::Callback(callback));
        }
        let batch = self.ready.len();
        for _ in 0..batch {
            match self.ready.pop_front() {
                Some(Ready::Callback(callback)) => callback(self),
                Some(Ready::Readiness(token, readiness)) => self.call_watcher(token, readiness),
                None => break,
            }
        }
        Ok(batch)
    }

    fn poll(&mut self, may_block: bool) -> io::Result<()> {
        let ready = !self.ready.is_empty() || !self.inbox.is_empty();
        let deadline = self.timers.next_deadline();
        let timeout = match self
            .pacer
            .plan(ready, self.stopping, deadline, self.clock.now())
        {
            Poll::Skip => return Ok(()),
            Poll::Wait(timeout) if may_block => timeout,
            Poll::Now | Poll::Wait(_) => Some(Duration::ZERO),
        };
        let inbox = &self.inbox;
        let selector = self.reactor.selector();
        match selector.wait_unless(&mut self.events, timeout, || !inbox.is_empty()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        let events = self.events.iter();
        self.ready
            .extend(events.map(|(token, readiness)| Ready::Readiness(token, readiness)));
        Ok(())
    }

    fn call_watcher(&mut self, token: Token, readiness: Readiness) {
        let Some(mut watcher) = self.reactor.source_mut(token).and_then(Option::take) else {
            return;
        };
        watcher(self, token, readiness);
        if let Some(place) = self.reactor.source_mut(token) {
            *place = Some(watcher);
        }
    }
}

impl<C: Clock> std::fmt::Debug for EventLoop<C> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("EventLoop")
            .field("ready", &self.ready.len())
            .field("timers", &self.timers.len())
            .field("watched", &self.reactor.len())
            .finish_non_exhaustive()
    }
}

/// A handle to an [`EventLoop`] for other threads.
pub struct Remote<C: Clock = MonotonicClock> {
    inbox: Inbox<RemoteCallback<C>>,
}

impl<C: Clock> Remote<C> {
    /// Runs `callback` on the loop's thread, soon; wakes the loop if it waits.
    pub fn call_soon(&self, callback: impl FnOnce(&mut EventLoop<C>) + Send + 'static) {
        self.inbox.push(Box::new(callback));
    }

    /// The loop's waker.
    #[must_use]
    pub fn waker(&self) -> &Waker {
        self.inbox.waker()
    }
}

impl<C: Clock> Clone for Remote<C> {
    fn clone(&self) -> Self {
        Self {
            inbox: self.inbox.clone(),
        }
    }
}

impl<C: Clock> std::fmt::Debug for Remote<C> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Remote")
            .field("queued", &self.inbox.len())
            .finish_non_exhaustive()
    }
}
