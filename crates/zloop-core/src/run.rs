//! A small event loop over the parts, for programs that want callbacks and nothing else.

use std::io;
use std::time::Duration;

use crate::clock::{Clock, MonotonicClock, Timestamp};
use crate::error::Error;
use crate::inbox::Inbox;
use crate::interest::{Interest, Readiness};
use crate::schedule::{Ready, Schedule};
use crate::sys::RawFd;
use crate::timers::TimerKey;
use crate::token::Token;
use crate::waker::Waker;

type Callback<C> = Box<dyn FnOnce(&mut EventLoop<C>)>;
type RemoteCallback<C> = Box<dyn FnOnce(&mut EventLoop<C>) + Send>;
type Watcher<C> = Box<dyn FnMut(&mut EventLoop<C>, Token, Readiness)>;

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
    /// A watcher is out of its place while it runs.
    schedule: Schedule<Option<Watcher<C>>, Callback<C>, RemoteCallback<C>, C>,
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
        Ok(Self {
            schedule: Schedule::new(clock)?,
            stopping: false,
        })
    }

    /// The loop's time.
    pub fn time(&self) -> Timestamp {
        self.schedule.time()
    }

    /// Runs `callback` in the next turn, behind what is ready.
    pub fn call_soon(&mut self, callback: impl FnOnce(&mut Self) + 'static) {
        self.schedule.push(Box::new(callback));
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
        self.schedule.insert(deadline, Box::new(callback))
    }

    /// Cancels a timer, also one that is due in this turn; false if it ran or was cancelled before.
    pub fn cancel(&mut self, timer: TimerKey) -> bool {
        self.schedule.remove(timer).is_some()
    }

    /// Calls `watcher` at every turn that finds `fd` ready for what `interest` names; with
    /// [`Interest::EDGE`] once for each time that more is. The descriptor stays the caller's, who
    /// unwatches it before closing it.
    ///
    /// # Errors
    ///
    /// As [`Reactor::register`](crate::Reactor::register).
    pub fn watch(
        &mut self,
        fd: RawFd,
        interest: Interest,
        watcher: impl FnMut(&mut Self, Token, Readiness) + 'static,
    ) -> Result<Token, Error> {
        let reactor = self.schedule.reactor_mut();
        reactor.register(fd, interest, Some(Box::new(watcher)))
    }

    /// Changes what a watcher is called for.
    ///
    /// # Errors
    ///
    /// As [`Reactor::set_interest`](crate::Reactor::set_interest).
    pub fn set_interest(&mut self, token: Token, interest: Interest) -> Result<(), Error> {
        self.schedule.reactor_mut().set_interest(token, interest)
    }

    /// Has what is ready told anew to a watcher at [edges](Interest::EDGE) that left something.
    ///
    /// # Errors
    ///
    /// As [`Reactor::look_again`](crate::Reactor::look_again).
    pub fn look_again(&mut self, token: Token) -> Result<(), Error> {
        self.schedule.reactor_mut().look_again(token)
    }

    /// Ends a watch; false if it had ended. A watcher may end its own.
    pub fn unwatch(&mut self, token: Token) -> bool {
        self.schedule.reactor_mut().deregister(token).is_some()
    }

    /// A handle for other threads. It may outlive the loop, whose selector's descriptors stay open for as long.
    pub fn remote(&self) -> Remote<C> {
        Remote {
            inbox: self.schedule.inbox().clone(),
        }
    }

    /// Ends [`run`](Self::run) after the present turn, and with it a run that a callback began within it. Called
    /// before there is a run, it ends the next one after its first turn.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// Runs turns until [`stop`](Self::stop) is called.
    ///
    /// # Errors
    ///
    /// What the system says of a wait. A wait that a signal interrupts goes on.
    pub fn run(&mut self) -> io::Result<()> {
        let run = self.schedule.begin_run();
        loop {
            self.turn(None)?;
            if self.stopping {
                // The run around this one is to end as well.
                self.stopping = !run.is_outermost();
                return Ok(());
            }
        }
    }

    /// Runs turns without blocking, until nothing is ready and no timer is due: with a
    /// [`ManualClock`](crate::ManualClock), time stands still in between. A callback may call it too; a
    /// watcher that does so is not called again before it returns.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_pending(&mut self) -> io::Result<()> {
        let run = self.schedule.begin_run();
        loop {
            let ran = self.turn(Some(Duration::ZERO))?;
            if self.stopping || ran == 0 {
                // As above.
                self.stopping &= !run.is_outermost();
                return Ok(());
            }
        }
    }

    /// One turn; returns how many callbacks ran.
    fn turn(&mut self, longest: Option<Duration>) -> io::Result<usize> {
        self.schedule.start_turn(longest, self.stopping)?;
        let mut ran = 0;
        while let Some(ready) = self.schedule.pop() {
            match ready {
                Ready::Task(callback) => callback(self),
                Ready::Remote(callback) => callback(self),
                Ready::Event(token, readiness) => {
                    if !self.call_watcher(token, readiness) {
                        continue;
                    }
                }
            }
            ran += 1;
        }
        Ok(ran)
    }

    /// Says whether there was one to call: it may have ended, or be running.
    fn call_watcher(&mut self, token: Token, readiness: Readiness) -> bool {
        let Some(watcher) = self
            .schedule
            .reactor_mut()
            .source_mut(token)
            .and_then(Option::take)
        else {
            return false;
        };
        let mut calling = Calling {
            event_loop: self,
            token,
            watcher,
            has_returned: false,
        };
        (calling.watcher)(calling.event_loop, token, readiness);
        calling.has_returned = true;
        true
    }
}

/// A watcher that is out of its place while it runs, and comes back even if it panics.
struct Calling<'a, C: Clock> {
    event_loop: &'a mut EventLoop<C>,
    token: Token,
    watcher: Watcher<C>,
    has_returned: bool,
}

impl<C: Clock> Drop for Calling<'_, C> {
    fn drop(&mut self) {
        let reactor = self.event_loop.schedule.reactor_mut();
        let Some(place) = reactor.source_mut(self.token) else {
            return;
        };
        *place = Some(std::mem::replace(&mut self.watcher, Box::new(|_, _, _| ())));
        if !self.has_returned {
            // At edges, what it did not get to would not be told of again.
            let _ = reactor.look_again(self.token);
        }
    }
}

impl<C: Clock> std::fmt::Debug for EventLoop<C> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("EventLoop")
            .field("ready", &self.schedule.ready_count())
            .field("timers", &self.schedule.timers().len())
            .field("watched", &self.schedule.reactor().len())
            .finish_non_exhaustive()
    }
}

/// A handle to an [`EventLoop`] for other threads.
pub struct Remote<C: Clock = MonotonicClock> {
    inbox: Inbox<RemoteCallback<C>>,
}

impl<C: Clock> Remote<C> {
    /// Runs `callback` on the loop's thread, soon; wakes the loop if it waits. Once the loop is gone, the
    /// callback is dropped.
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
