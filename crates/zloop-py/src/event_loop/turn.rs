//! `_run`: one turn after another until the loop is stopped.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pyo3::prelude::*;
use zloop_core::{Clock, Poll};
use zloop_net::FlushBatch;

use super::metrics::count;
use super::observe::run_observed;
use super::watchers::tell;
use super::{EventLoop, Ready};
use crate::errors::os_error;
use crate::logging::{self, TARGET};
use crate::raw::arguments::Arguments;
use crate::raw::class::ClassBuilder;
use crate::raw::object::{Instance, Object};
use crate::raw::threads::current_ident;
use crate::transport::send_gathered_together;

pub(super) fn add_methods(builder: ClassBuilder<EventLoop>) -> ClassBuilder<EventLoop> {
    builder.bare_method(
        c"_run",
        run,
        c"_run($self)\n--\n\nRun turns until stop() is called.",
    )
}

/// For how long at most what callbacks write is held back while others run. To send once for many
/// of them wakes a peer on another core once, where each time costs more than the send itself; and
/// no answer should wait for a whole batch of slow callbacks.
const MAX_HELD: Duration = Duration::from_millis(5);

fn run(event_loop: &Instance<EventLoop>, _: Python<'_>, _: Arguments<'_>) -> PyResult<Object> {
    // Attached through PyO3 as well, so that what it drops while turns run is released at once.
    Python::attach(|py| {
        event_loop.check_open()?;
        event_loop.thread.set(current_ident());
        tracing::debug!(target: TARGET, "running");
        let running = Running { event_loop, py };
        let result = run_turns(event_loop, py);
        tracing::debug!(target: TARGET, failed = result.is_err(), "stopped running");
        drop(running);
        result.and(logging::deliver(py)).map(|()| Object::none(py))
    })
}

/// Ends a run, even one that panics.
struct Running<'a, 'py> {
    event_loop: &'a EventLoop,
    py: Python<'py>,
}

impl Drop for Running<'_, '_> {
    fn drop(&mut self) {
        self.event_loop.contexts.leave(self.py);
        self.event_loop.stopping.set(false);
        self.event_loop.in_callback.set(false);
        self.event_loop.thread.set(0);
        self.event_loop.contexts.clear();
    }
}

fn run_turns(event_loop: &Instance<EventLoop>, py: Python<'_>) -> PyResult<()> {
    event_loop.pacer.borrow_mut().restart();
    loop {
        turn(event_loop, py)?;
        if logging::is_waiting() {
            event_loop.contexts.leave(py);
            logging::deliver(py)?;
        }
        if event_loop.stopping.get() {
            return Ok(());
        }
    }
}

fn turn(event_loop: &Instance<EventLoop>, py: Python<'_>) -> PyResult<()> {
    count(&event_loop.counters.turns, 1);
    let next_deadline = event_loop.timers.borrow().next_deadline();
    let ready = !event_loop.ready.borrow().is_empty();
    let stopping = event_loop.stopping.get();
    let plan = event_loop
        .pacer
        .borrow_mut()
        .plan(ready, stopping, next_deadline, || {
            event_loop.now_for_timers()
        });
    if plan != Poll::Skip {
        event_loop.contexts.leave(py);
    }
    match plan {
        Poll::Skip => {}
        Poll::Now => poll_now(event_loop, py)?,
        Poll::Wait(timeout) => wait(event_loop, py, timeout)?,
    }
    queue_due_timers(event_loop);
    run_batch(event_loop, py)
}

fn queue_due_timers(event_loop: &EventLoop) {
    let mut timers = event_loop.timers.borrow_mut();
    if timers.is_empty() {
        return;
    }
    let now = event_loop.now_for_timers();
    let mut ready = event_loop.ready.borrow_mut();
    timers.pop_all_due(now, |_, handle| {
        handle.set_key(None);
        ready.push_back(Ready::Timer(handle));
    });
}

/// Looks for events without waiting, and without letting other threads run.
fn poll_now(event_loop: &EventLoop, py: Python<'_>) -> PyResult<()> {
    let Some(selector) = event_loop.with_reactor(|reactor| reactor.selector().clone()) else {
        return Ok(());
    };
    let mut events = event_loop.events.borrow_mut();
    let started = event_loop.timing.start();
    let result = selector.wait(&mut events, Some(Duration::ZERO));
    event_loop.timing.polled(started);
    drop(events);
    finish_poll(event_loop, py, result)
}

/// Waits for events while other threads run; returns at once if destructors ran before.
fn wait(event_loop: &EventLoop, py: Python<'_>, timeout: Option<Duration>) -> PyResult<()> {
    let Some(selector) = event_loop.with_reactor(|reactor| reactor.selector().clone()) else {
        return Ok(());
    };
    if event_loop.contexts.forget_what_ended(py) {
        return Ok(());
    }
    event_loop.spare_handles.shrink();
    event_loop.spare_timers.shrink();
    let called = event_loop.called_from_thread.clone();
    called.store(false, Ordering::Relaxed);
    let mut events = event_loop.events.take();
    let started = event_loop.timing.start();
    let result =
        py.detach(|| selector.wait_unless(&mut events, timeout, || called.load(Ordering::Acquire)));
    event_loop.timing.polled(started);
    event_loop.events.replace(events);
    finish_poll(event_loop, py, result)
}

fn finish_poll(event_loop: &EventLoop, py: Python<'_>, result: io::Result<()>) -> PyResult<()> {
    count(&event_loop.counters.polls, 1);
    match result {
        Ok(()) => {
            queue_events(event_loop);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => py.check_signals(),
        Err(error) => Err(os_error(py, &error)),
    }
}

/// Puts what became ready behind what is ready.
fn queue_events(event_loop: &EventLoop) {
    let events = event_loop.events.borrow();
    if events.is_empty() {
        return;
    }
    let mut ready = event_loop.ready.borrow_mut();
    let mut unwatched = Vec::new();
    event_loop.with_reactor(|reactor| {
        for (token, readiness) in events.iter() {
            unwatched.extend(tell(reactor, token, readiness, |item| {
                ready.push_back(item)
            }));
        }
    });
    drop((events, ready));
    // What is dropped now may run Python code.
    drop(unwatched);
}

/// Runs as many callbacks as are ready now, never what they add, and sends what they wrote.
fn run_batch(event_loop: &Instance<EventLoop>, py: Python<'_>) -> PyResult<()> {
    let ready = event_loop.ready.borrow().len();
    event_loop.in_callback.set(true);
    let mut result = Ok(());
    let mut ran = 0;
    let mut held_since = None;
    for _ in 0..ready {
        let Some(item) = event_loop.ready.borrow_mut().pop_front() else {
            break;
        };
        ran += 1;
        result = if event_loop.observed.get() {
            run_observed(event_loop, py, &item)
        } else {
            item.run(event_loop, py)
        };
        item.finish(event_loop, py);
        if result.is_ok() && ran < ready && !event_loop.unsent.borrow().is_empty() {
            let now = event_loop.clock.now();
            let since = *held_since.get_or_insert(now);
            if now.saturating_duration_since(since) >= MAX_HELD {
                held_since = None;
                result = send_gathered(event_loop, py);
            }
        }
        if result.is_err() {
            break;
        }
    }
    if !event_loop.unsent.borrow().is_empty() {
        let sent = send_gathered(event_loop, py);
        result = result.and(sent);
    }
    event_loop.in_callback.set(false);
    count(&event_loop.counters.callbacks, ran as u64);
    result
}

/// Sends what callbacks wrote, in the order of their first writes, all of it whatever a protocol
/// raises.
#[inline(always)]
pub(super) fn send_gathered(event_loop: &EventLoop, py: Python<'_>) -> PyResult<()> {
    event_loop.contexts.leave(py);
    let mut result = Ok(());
    loop {
        if event_loop.unsent.borrow().len() >= FlushBatch::LEAST {
            let transports: Vec<_> = event_loop.unsent.borrow_mut().drain(..).collect();
            result = result.and(send_gathered_together(event_loop, py, &transports));
            continue;
        }
        let Some(transport) = event_loop.unsent.borrow_mut().pop_front() else {
            return result;
        };
        result = result.and(transport.send_gathered(py));
    }
}
