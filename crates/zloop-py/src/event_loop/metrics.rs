//! What the loop counts always, and what it times while that is asked for.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use super::EventLoop;
use crate::imports::imports;
use crate::raw::arguments::Arguments;
use crate::raw::class::ClassBuilder;
use crate::raw::object::{Instance, Object};

/// Adds them to the loop's class.
pub(super) fn add_methods(builder: ClassBuilder<EventLoop>) -> ClassBuilder<EventLoop> {
    builder
        .bare_method(
            c"_metrics",
            metrics,
            c"_metrics($self)\n--\n\nThe values of zloop.Metrics, in its fields' order.",
        )
        .method(
            c"_set_timing",
            set_timing,
            c"_set_timing($self, enabled)\n--\n\nTime polls and callbacks, from nothing on; or stop that.",
        )
        .method(
            c"_count_sent",
            count_sent,
            c"_count_sent($self, count)\n--\n\nCount bytes that left past the transport's buffer.",
        )
}

/// Counters that cost an addition each.
#[derive(Default)]
pub struct Counters {
    /// Turns begun.
    pub turns: Cell<u64>,
    /// How often the selector was asked.
    pub polls: Cell<u64>,
    /// What was taken from the ready queue.
    pub callbacks: Cell<u64>,
    /// Stream transports ever made.
    pub connections_made: Cell<u64>,
    /// Those of them whose descriptor is closed.
    pub connections_closed: Cell<u64>,
    /// What transports read.
    pub bytes_received: Cell<u64>,
    /// What transports sent.
    pub bytes_sent: Cell<u64>,
}

/// Adds to one of the counters.
#[inline]
pub fn count(counter: &Cell<u64>, amount: u64) {
    counter.set(counter.get().wrapping_add(amount));
}

/// Where the time goes. Nothing is measured unless it is on.
#[derive(Default)]
pub struct Timing {
    is_on: Cell<bool>,
    polling: Cell<Duration>,
    running: Cell<Duration>,
    longest: Cell<Duration>,
    longest_name: RefCell<Option<String>>,
}

impl Timing {
    /// Whether polls and callbacks are timed.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.is_on.get()
    }

    /// The beginning of a poll, if polls are timed.
    #[inline]
    pub fn start(&self) -> Option<Instant> {
        self.is_on.get().then(Instant::now)
    }

    /// The end of a poll.
    #[inline]
    pub fn polled(&self, started: Option<Instant>) {
        if let Some(started) = started {
            self.polling.set(self.polling.get() + started.elapsed());
        }
    }

    /// The end of a callback; `name` is asked only when none took longer.
    ///
    /// # Errors
    /// `SystemExit` and `KeyboardInterrupt`, should a signal's handler raise them meanwhile.
    pub fn ran(&self, elapsed: Duration, name: impl FnOnce() -> PyResult<String>) -> PyResult<()> {
        self.running.set(self.running.get() + elapsed);
        if elapsed > self.longest.get() {
            self.longest.set(elapsed);
            let name = name()?;
            self.longest_name.replace(Some(name));
        }
        Ok(())
    }
}

impl EventLoop {
    /// Counts what a transport read.
    #[inline]
    pub fn count_received(&self, bytes: usize) {
        count(&self.counters.bytes_received, bytes as u64);
    }

    /// Counts what a transport sent.
    #[inline]
    pub fn count_sent(&self, bytes: usize) {
        count(&self.counters.bytes_sent, bytes as u64);
    }

    /// Counts a stream transport that begins.
    pub fn count_connection(&self) {
        count(&self.counters.connections_made, 1);
    }

    /// Counts a stream transport whose descriptor is closed.
    pub fn count_closed_connection(&self) {
        count(&self.counters.connections_closed, 1);
    }
}

fn metrics(event_loop: &Instance<EventLoop>, py: Python<'_>, _: Arguments<'_>) -> PyResult<Object> {
    let counters = &event_loop.counters;
    let counted = (
        counters.turns.get(),
        counters.polls.get(),
        counters.callbacks.get(),
        event_loop.ready.borrow().len(),
        event_loop.timers.borrow().len(),
        event_loop
            .with_reactor(|reactor| reactor.len())
            .unwrap_or(0),
        counters.connections_made.get() - counters.connections_closed.get(),
        counters.connections_made.get(),
        counters.bytes_received.get(),
        counters.bytes_sent.get(),
    );
    let timing = &event_loop.timing;
    let seconds = |duration: &Cell<Duration>| timing.is_on().then(|| duration.get().as_secs_f64());
    let longest_name = timing.longest_name.borrow().clone();
    let timed = (
        seconds(&timing.polling),
        seconds(&timing.running),
        seconds(&timing.longest),
        longest_name,
    );
    let counted = counted.into_pyobject(py)?;
    let all = counted
        .as_sequence()
        .concat(timed.into_pyobject(py)?.as_sequence())?;
    Ok(Object::from(all.into_any()))
}

fn set_timing(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let enabled = arguments.flag(py, "_set_timing", "enabled")?;
    let timing = &event_loop.timing;
    timing.is_on.set(enabled);
    for duration in [&timing.polling, &timing.running, &timing.longest] {
        duration.set(Duration::ZERO);
    }
    timing.longest_name.replace(None);
    event_loop.update_observed();
    Ok(Object::none(py))
}

fn count_sent(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let [count] = arguments.bind(py, "_count_sent", ["count"], 1)?;
    if let Some(count) = count {
        event_loop.count_sent(count.extract()?);
    }
    Ok(Object::none(py))
}

/// The name of a callback, or of a transport's protocol.
///
/// # Errors
/// `SystemExit` and `KeyboardInterrupt` only: what has no name is called by its type.
pub(super) fn name_of(py: Python<'_>, subject: &Object) -> PyResult<String> {
    imports(py)?
        .callback_name
        .bind(py)
        .call1((subject.bind(py),))?
        .extract()
}
