//! What a loop goes round with: the parts, put together, for callbacks of any type.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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

/// A run of turns that [`Schedule::begin_run`] began.
#[derive(Debug)]
#[must_use = "dropping it ends the run"]
pub struct Run {
    depth: usize,
    runs: Arc<AtomicUsize>,
}

impl Run {
    /// Whether it was not begun within another one.
    #[must_use]
    pub const fn is_outermost(&self) -> bool {
        self.depth == 0
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.runs.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A place in the queue.
struct Entry<T, R> {
    /// Which timer it was.
    timer: Option<TimerKey>,
    /// `None` once it was taken back.
    ready: Option<Ready<T, R>>,
}

impl<T, R> Entry<T, R> {
    #[inline]
    const fn of(ready: Ready<T, R>) -> Self {
        Self {
            timer: None,
            ready: Some(ready),
        }
    }
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
///     schedule.start_turn(None, false)?;
///     while let Some(ready) = schedule.pop() {
///         match ready {
///             Ready::Task(task) => ran.push(task.to_owned()),
///             Ready::Remote(task) => ran.push(task),
///             Ready::Event(..) => unreachable!("nothing is registered"),
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
    /// What is ready but for events, which are given out from where the selector put them.
    ready: VecDeque<Entry<T, R>>,
    /// How many of them are left of the present turn.
    left: usize,
    /// How many of those come before the events that are left.
    before_events: usize,
    /// How many in the queue are timers, which can be taken back until they run.
    due: usize,
    inbox: Inbox<R>,
    arrived: Vec<R>,
    /// What the last poll found.
    events: Events,
    /// The first of them that was not given out.
    next_event: usize,
    pacer: Pacer,
    /// How many runs go on, one within the other.
    runs: Arc<AtomicUsize>,
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
            left: 0,
            before_events: 0,
            due: 0,
            inbox,
            arrived: Vec::new(),
            events: Events::new(),
            next_event: 0,
            pacer: Pacer::default(),
            runs: Arc::default(),
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

    /// The way in for other threads, [closed](Inbox::close) when the schedule is dropped.
    #[inline]
    #[must_use]
    pub const fn inbox(&self) -> &Inbox<R> {
        &self.inbox
    }

    /// Queues a task for the next turn, behind what is ready.
    #[inline]
    pub fn push(&mut self, task: T) {
        self.ready.push_back(Entry::of(Ready::Task(task)));
    }

    /// Queues a task for the first turn that begins at `deadline` or after it.
    #[inline]
    pub fn insert(&mut self, deadline: Timestamp, task: T) -> TimerKey {
        self.timers.insert(deadline, task)
    }

    /// Takes a task back, also one that is due and was not [popped](Self::pop) yet; `None` if it was.
    #[inline]
    pub fn remove(&mut self, timer: TimerKey) -> Option<T> {
        let waiting = self.timers.remove(timer);
        if waiting.is_some() || self.due == 0 {
            return waiting;
        }
        self.remove_due(timer)
    }

    fn remove_due(&mut self, timer: TimerKey) -> Option<T> {
        let entry = self
            .ready
            .iter_mut()
            .find(|entry| entry.timer == Some(timer))?;
        entry.timer = None;
        self.due -= 1;
        match entry.ready.take() {
            Some(Ready::Task(task)) => Some(task),
            _ => None,
        }
    }

    /// Begins a run of turns, which lasts until what it returns is dropped; its first turn polls. A task may
    /// begin another one within it.
    pub fn begin_run(&mut self) -> Run {
        self.pacer.restart();
        Run {
            depth: self.runs.fetch_add(1, Ordering::Relaxed),
            runs: Arc::clone(&self.runs),
        }
    }

    /// How many are ready now.
    #[inline]
    #[must_use]
    pub fn ready_count(&self) -> usize {
        self.ready.len() + self.events_left()
    }

    /// Begins a turn: polls if it is time to, and queues what became ready, what other threads sent,
    /// and the timers that are due. What is ready then is to be [popped](Self::pop), and nothing that it adds.
    ///
    /// With nothing to do it waits, until the next timer and no longer than `longest`; `None` has no
    /// limit. The last turn of a run is `stopping`: it does not wait.
    ///
    /// # Errors
    ///
    /// What the system says of a wait. One that a signal interrupts is a turn without events.
    pub fn start_turn(&mut self, longest: Option<Duration>, stopping: bool) -> io::Result<()> {
        self.keep_events();
        self.poll(longest, stopping)?;
        if !self.inbox.is_empty() {
            self.inbox.swap(&mut self.arrived);
            let arrived = self.arrived.drain(..).map(Ready::Remote);
            self.ready.extend(arrived.map(Entry::of));
        }
        if self.timers.next_deadline().is_some() {
            let now = self.clock.now();
            let (ready, due) = (&mut self.ready, &mut self.due);
            self.timers.pop_all_due(now, |timer, task| {
                *due += 1;
                ready.push_back(Entry {
                    timer: Some(timer),
                    ready: Some(Ready::Task(task)),
                });
            });
        }
        self.left = self.ready.len();
        Ok(())
    }

    /// The next that is ready in this turn; `None` when it is over.
    #[inline]
    pub fn pop(&mut self) -> Option<Ready<T, R>> {
        loop {
            if self.before_events == 0
                && let Some((token, readiness)) = self.take_event()
            {
                return Some(Ready::Event(token, readiness));
            }
            self.left = self.left.checked_sub(1)?;
            self.before_events = self.before_events.saturating_sub(1);
            let Entry { timer, ready } = self.ready.pop_front()?;
            self.due -= usize::from(timer.is_some());
            // It was taken back otherwise.
            if ready.is_some() {
                return ready;
            }
        }
    }

    fn events_left(&self) -> usize {
        self.events.len() - self.next_event
    }

    #[inline]
    fn take_event(&mut self) -> Option<(Token, Readiness)> {
        let event = self.events.get(self.next_event)?;
        self.next_event += 1;
        Some(event)
    }

    /// Queues the events that a turn left, since another one began within it or it was not gone through, at
    /// their place.
    fn keep_events(&mut self) {
        if self.events_left() == 0 {
            return;
        }
        self.left += self.events_left();
        let behind = self.ready.split_off(self.before_events);
        while let Some((token, readiness)) = self.take_event() {
            let event = Ready::Event(token, readiness);
            self.ready.push_back(Entry::of(event));
        }
        self.ready.extend(behind);
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
        self.next_event = 0;
        match selector.wait_unless(&mut self.events, timeout, || !inbox.is_empty()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        self.before_events = self.ready.len();
        Ok(())
    }
}

impl<S, T, R, C: Clock> Drop for Schedule<S, T, R, C> {
    fn drop(&mut self) {
        self.inbox.close();
    }
}

impl<S, T, R, C: Clock> std::fmt::Debug for Schedule<S, T, R, C> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Schedule")
            .field("ready", &self.ready_count())
            .field("timers", &self.timers.len())
            .field("registered", &self.reactor.len())
            .finish_non_exhaustive()
    }
}
