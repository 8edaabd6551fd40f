//! Running a callback under observation: debug mode's reports of slow ones, and timing.

use std::time::Instant;

use pyo3::intern;
use pyo3::prelude::*;

use super::metrics::name_of;
use super::turn::send_gathered;
use super::{EventLoop, Ready, is_fatal};
use crate::imports::imports;
use crate::raw::object::{Instance, Object};

impl EventLoop {
    /// Keeps in one place whether callbacks are run under observation.
    pub(super) fn update_observed(&self) {
        self.observed.set(self.is_debug() || self.timing.is_on());
    }
}

/// Runs one callback, and sends what it wrote, which counts as its time.
#[cold]
pub(super) fn run_observed(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    item: &Ready,
) -> PyResult<()> {
    // What a handle calls is gone after it ran.
    let callback = event_loop
        .timing
        .is_on()
        .then(|| item.callback(event_loop, py));
    let start = Instant::now();
    let result = if event_loop.is_debug() {
        run_in_debug_mode(event_loop, py, item)
    } else {
        item.run(event_loop, py)
    };
    let result = result.and(send_gathered(event_loop, py));
    let elapsed = start.elapsed();
    if let Some(callback) = callback {
        let timed = event_loop.timing.ran(elapsed, || name_of(py, &callback));
        match timed {
            Err(error) if is_fatal(py, &error) => return result.and(Err(error)),
            Err(error) => error.write_unraisable(py, None),
            Ok(()) => {}
        }
    }
    result
}

/// Runs one callback as debug mode does, which reports the slow ones.
fn run_in_debug_mode(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    item: &Ready,
) -> PyResult<()> {
    let subject = item.subject(event_loop, py);
    let start = Instant::now();
    // Reports made meanwhile tell where the callback was scheduled.
    let current = intern!(py, "_current_handle");
    event_loop.bind(py).setattr(current, subject.bind(py))?;
    let result = item.run(event_loop, py);
    event_loop.bind(py).setattr(current, py.None())?;
    result?;
    let seconds = start.elapsed().as_secs_f64();
    if seconds >= event_loop.slow_callback_duration.get() {
        imports(py)?
            .report_slow
            .bind(py)
            .call1((subject.bind(py), seconds))?;
    }
    item.forget();
    Ok(())
}

impl Ready {
    /// What it calls: a handle's callback, or a transport, a listening socket or a future.
    fn callback(&self, event_loop: &EventLoop, py: Python<'_>) -> Object {
        match self {
            Self::Handle(handle) | Self::ThreadsafeHandle(handle) | Self::Watcher(handle) => {
                handle.scheduled().callback(py)
            }
            Self::Timer(handle) => handle.scheduled().callback(py),
            Self::Waiter(_) | Self::Step(..) | Self::Endpoint(..) | Self::Event(..) => {
                self.subject(event_loop, py)
            }
        }
    }
}
