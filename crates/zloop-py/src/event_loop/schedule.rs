//! `call_soon` and its like: the hottest entry points.

use std::ffi::CStr;
use std::sync::atomic::Ordering;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyFloat;
use zloop_core::{Clock, Timestamp};

use super::{EventLoop, Ready};
use crate::handles::{Handle, TimerHandle};
use crate::imports::imports;
use crate::raw::arguments::Arguments;
use crate::raw::call::Call;
use crate::raw::class::ClassBuilder;
use crate::raw::context;
use crate::raw::object::{Instance, Object};

const NANOSECONDS: f64 = 1e9;

const CALL_SOON: &CStr = c"call_soon($self, callback, /, *args, context=None)\n--\n\nCall `callback(*args)` at the next turn.";
const CALL_SOON_THREADSAFE: &CStr = c"call_soon_threadsafe($self, callback, /, *args, context=None)\n--\n\nLike call_soon(), from any thread.";
const CALL_LATER: &CStr = c"call_later($self, delay, callback, /, *args, context=None)\n--\n\nCall `callback(*args)` after `delay` seconds.";
const CALL_AT: &CStr = c"call_at($self, when, callback, /, *args, context=None)\n--\n\nCall `callback(*args)` at the time `when` of the loop's clock.";

pub(super) fn add_methods(builder: ClassBuilder<EventLoop>) -> ClassBuilder<EventLoop> {
    builder
        .method(c"call_soon", call_soon, CALL_SOON)
        .method(
            c"call_soon_threadsafe",
            call_soon_threadsafe,
            CALL_SOON_THREADSAFE,
        )
        .method(c"call_later", call_later, CALL_LATER)
        .method(c"call_at", call_at, CALL_AT)
        .method(
            c"time",
            time,
            c"time($self)\n--\n\nThe loop's clock, in seconds: that of time.monotonic().",
        )
}

impl EventLoop {
    /// The loop's time.
    #[inline]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    #[inline]
    fn seconds(&self) -> f64 {
        self.now().as_nanos() as f64 / NANOSECONDS
    }
}

/// The first moment that is not before `seconds`; saturates, so that infinity never comes.
#[inline]
fn deadline(seconds: f64) -> Timestamp {
    Timestamp::from_nanos((seconds * NANOSECONDS).ceil() as u64)
}

#[inline]
fn required<'a, 'py>(
    arguments: &'a Arguments<'a>,
    py: Python<'py>,
    index: usize,
    method: &str,
    name: &str,
) -> PyResult<Borrowed<'a, 'py, PyAny>> {
    arguments.get(py, index).ok_or_else(|| {
        PyTypeError::new_err(format!(
            "{method}() missing 1 required positional argument: '{name}'"
        ))
    })
}

/// The context that was passed, or a copy of the current one.
#[inline]
fn context_of(py: Python<'_>, arguments: &Arguments<'_>, method: &str) -> PyResult<Object> {
    if arguments.has_names()
        && let Some(context) = arguments.only_keyword(py, method, &imports(py)?.context)?
    {
        return Ok(Object::from(context.to_owned()));
    }
    context::copy_current(py)
}

#[inline]
fn schedule(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: &Arguments<'_>,
    method: &str,
) -> PyResult<Object> {
    let callback = required(arguments, py, 0, method, "callback")?;
    let context = context_of(py, arguments, method)?;
    let call = Call::new(Object::from(callback.to_owned()), arguments, 1);
    let handle = Handle::create(py, call, context, event_loop.is_debug())?;
    event_loop.push_ready(Ready::Handle(handle.clone()));
    Ok(handle.into_object())
}

fn call_soon(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    event_loop.check_open()?;
    if event_loop.is_debug() {
        event_loop.check_thread()?;
        event_loop.check_callback(
            &*required(&arguments, py, 0, "call_soon", "callback")?,
            "call_soon",
        )?;
    }
    schedule(event_loop, py, &arguments, "call_soon")
}

fn call_soon_threadsafe(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    event_loop.check_open()?;
    if event_loop.is_debug() {
        let callback = required(&arguments, py, 0, "call_soon_threadsafe", "callback")?;
        event_loop.check_callback(&callback, "call_soon_threadsafe")?;
    }
    let handle = schedule(event_loop, py, &arguments, "call_soon_threadsafe")?;
    event_loop.called_from_thread.store(true, Ordering::SeqCst);
    if let Some(waker) = &*event_loop.waker.borrow() {
        waker.wake();
    }
    Ok(handle)
}

/// The number that a delay or a time is given as.
#[inline]
fn number(value: &Bound<'_, PyAny>) -> PyResult<f64> {
    value.extract()
}

fn schedule_at(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    when: f64,
    arguments: &Arguments<'_>,
    method: &str,
) -> PyResult<Object> {
    event_loop.check_open()?;
    let callback = required(arguments, py, 1, method, "callback")?;
    if event_loop.is_debug() {
        event_loop.check_thread()?;
        event_loop.check_callback(&callback, method)?;
    }
    let context = context_of(py, arguments, method)?;
    let call = Call::new(Object::from(callback.to_owned()), arguments, 2);
    let handle = TimerHandle::create(py, event_loop, when, call, context, event_loop.is_debug())?;
    let key = event_loop
        .timers
        .borrow_mut()
        .insert(deadline(when), handle.clone());
    handle.set_key(Some(key));
    Ok(handle.into_object())
}

fn call_later(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let delay = required(&arguments, py, 0, "call_later", "delay")?;
    if delay.is_none() {
        return Err(PyTypeError::new_err("delay must not be None"));
    }
    let when = event_loop.seconds() + number(&delay)?;
    schedule_at(event_loop, py, when, &arguments, "call_later")
}

fn call_at(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let when = required(&arguments, py, 0, "call_at", "when")?;
    if when.is_none() {
        return Err(PyTypeError::new_err("when cannot be None"));
    }
    schedule_at(event_loop, py, number(&when)?, &arguments, "call_at")
}

fn time(event_loop: &Instance<EventLoop>, py: Python<'_>, _: Arguments<'_>) -> PyResult<Object> {
    Ok(Object::from(PyFloat::new(py, event_loop.seconds())))
}
