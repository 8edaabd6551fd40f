//! What a loop goes round with: the parts, put together, for callbacks of any type.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use crate::clock::{Clock, MonotonicClock, Timestamp};
use crate::inbox::Inbox;
use crate::interest::Readiness;
use crate::reactor::Reactor;
use crate::selector::Events;
use crate::timers::{TimerHeap, TimerKey};
use crate::token::Token;
use crate::turn::{Pacer, Poll};

/// Something that is ready to run.
#[derive(Debug)]
pub enum Ready<T, R> {
    /// A task of the loop's own thread: one that was queued, or whose time has come.
    Task(T),
    /// A task that came through the inbox.
    Remote(R),
    /// A descriptor is ready. Its registration may have ended since: then nothing has to be done.
    Event(Token, Readiness),
}

/// The turns of a loop, without an opinion of what a task is.
///
/// [`EventLoop`](crate::EventLoop) is one whose tasks are closures. Whoever wants others, such as
/// the coroutines of a language or messages of an enum, builds a loop on this: sources `S` belong
/// to descriptors, tasks `T` to this thread, tasks `R` come from others.
///
/// ```
/// use std::time::Duration;
/// use zloop_core::{MonotonicClock, Ready, Schedule};
///
/// # fn main() -> std::io::Result<()> {
/// let mut schedule: Schedule<(), &str, String> = Schedule::new(MonotonicClock)?;
/// schedule.push("at once");
/// schedule.insert(schedule.time().saturating_add(Duration::from_millis(1)), "later");
/// let inbox = schedule.inbox().clone();
/// std::thread::spawn(move || inbox.push("from elsewhere".to_owned()));
///
/// let mut ran = Vec::new();
/// while ran.len() < 3 {
///     for _ in 0..schedule.start_turn(None, false)? {
///         match schedule.pop() {
///             Some(Ready::Task(task)) => ran.push(task.to_owned()),
///             Some(Ready::Remote(task)) => ran.push(task),
///             Some(Ready::Event(..)) | None => unreachable!("nothing is registered"),
///         }
///     }
/// }
/// assert_eq!(ran[0], "at once");
/// # Ok(())
/// # }
/// ```
pub struct Schedule<S, T, R, C: Clock = MonotonicClock> {
    clock: C,
    reactor: Reactor<S>,
    timers: TimerHeap<T>,
    ready: VecDeque<Ready<T, R>>,
    inbox: Inbox<R>,
    arrived: Vec<R>,
    events: Events,
    pacer: Pacer,
}

impl<S, T, R, C: Clock> Schedule<S, T, R, C> {
    /// A schedule with nothing on it.
    ///
    /// # Errors
    ///
    /// When the system is out of descriptors.
    pub fn new(clock: C) -> io::Result<Self> {
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
        })
    }

    /// The clock's time.
    #[inline]
    pub fn time(&self) -> Timestamp {
        self.clock.now()
    }

    /// The descriptors.
    #[inline]
    #[must_use]
    pub const fn reactor(&self) -> &Reactor<S> {
        &self.reactor
    }

    /// The descriptors, to register and to change.
    #[inline]
    pub const fn reactor_mut(&mut self) -> &mut Reactor<S> {
        &mut self.reactor
    }

    /// The timers that are not due yet.
    #[inline]
    #[must_use]
    pub const fn timers(&self) -> &TimerHeap<T> {
        &self.timers
    }

    /// The way in for other threads.
    #[inline]
    #[must_use]
    pub const fn inbox(&self) -> &Inbox<R> {
        &self.inbox
    }

    /// Queues a task for the next turn, behind what is ready.
    #[inline]
    pub fn push(&mut self, task: T) {
        self.ready.push_back(Ready::Task(task));
    }

    /// Queues a task for the first turn that begins at `deadline` or after it.
    #[inline]
    pub fn insert(&mut self, deadline: Timestamp, task: T) -> TimerKey {
        self.timers.insert(deadline, task)
    }

    /// Takes a task back; `None` if its time came before.
    #[inline]
    pub fn remove(&mut self, timer: TimerKey) -> Option<T> {
        self.timers.remove(timer)
    }

    /// Makes the next turn poll, as the first one of a run should.
    pub fn restart(&mut self) {
        self.pacer.restart();
    }

    /// How many are ready now.
    #[inline]
    #[must_use]
    pub fn ready_count(&self) -> usize {
        self.ready.len()
    }

    /// Begins a turn: polls if it is time to, and queues what became ready, what other threads sent,
    /// and the timers that are due. Says how many are ready: so many to [`pop`](Self::pop), and
    /// none that these add.
    ///
    /// With nothing to do it waits, until the next timer and no longer than `longest`; `None` has no
    /// limit. The last turn of a run is `stopping`: it does not wait.
    ///
    /// # Errors
    ///
    /// What the system says of a wait. One that a signal interrupts is a turn without events.
    pub fn start_turn(&mut self, longest: Option<Duration>, stopping: bool) -> io::Result<usize> {
        self.poll(longest, stopping)?;
        if !self.inbox.is_empty() {
            self.inbox.swap(&mut self.arrived);
            self.ready.extend(self.arrived.drain(..).map(Ready::Remote));
        }
        if self.timers.next_deadline().is_some() {
            let now = self.clock.now();
            let ready = &mut self.ready;
            self.timers
                .pop_all_due(now, |task| ready.push_back(Ready::Task(task)));
        }
        Ok(self.ready.len())
    }

    /// The next that is ready.
    #[inline]
    pub fn pop(&mut self) -> Option<Ready<T, R>> {
        self.ready.pop_front()
    }

    fn poll(&mut self, longest: Option<Duration>, stopping: bool) -> io::Result<()> {
        let ready = !self.ready.is_empty() || !self.inbox.is_empty();
        let deadline = self.timers.next_deadline();
        let clock = &self.clock;
        let timeout = match self.pacer.plan(ready, stopping, deadline, || clock.now()) {
            Poll::Skip => return Ok(()),
            Poll::Now => Some(Duration::ZERO),
            Poll::Wait(timeout) => match (timeout, longest) {
                (Some(timeout), Some(longest)) => Some(timeout.min(longest)),
                (timeout, longest) => timeout.or(longest),
            },
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
            .extend(events.map(|(token, readiness)| Ready::Event(token, readiness)));
        Ok(())
    }
}

impl<S, T, R, C: Clock> std::fmt::Debug for Schedule<S, T, R, C> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Schedule")
            .field("ready", &self.ready.len())
            .field("timers", &self.timers.len())
            .field("registered", &self.reactor.len())
            .finish_non_exhaustive()
    }
}
