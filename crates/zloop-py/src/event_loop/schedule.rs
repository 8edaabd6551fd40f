//! `call_soon` and its like: the hottest entry points.

use std::ffi::CStr;
use std::sync::atomic::Ordering;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyInt, PyTuple};
use zloop_core::{Clock, Timestamp};

use super::{EventLoop, Ready};
use crate::handles::{Handle, TimerHandle, When};
use crate::imports::imports;
use crate::raw::arguments::Arguments;
use crate::raw::class::ClassBuilder;
use crate::raw::context::CallContext;
use crate::raw::object::{Instance, Object};

const NANOSECONDS: f64 = 1e9;

/// From 3.14 on, threads may wait for such a callback's end.
#[cfg(Py_3_14)]
const THREADSAFE: fn(Instance<Handle>) -> Ready = Ready::ThreadsafeHandle;
#[cfg(not(Py_3_14))]
const THREADSAFE: fn(Instance<Handle>) -> Ready = Ready::Handle;

const CALL_SOON: &CStr = c"call_soon($self, callback, *args, context=None)\n--\n\nCall `callback(*args)` at the next turn.";
const CALL_SOON_THREADSAFE: &CStr = c"call_soon_threadsafe($self, callback, *args, context=None)\n--\n\nLike call_soon(), from any thread.";
const CALL_LATER: &CStr = c"call_later($self, delay, callback, *args, context=None)\n--\n\nCall `callback(*args)` after `delay` seconds.";
const CALL_AT: &CStr = c"call_at($self, when, callback, *args, context=None)\n--\n\nCall `callback(*args)` at the time `when` of the loop's clock.";

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
        .bare_method(
            c"time",
            time,
            c"time($self)\n--\n\nThe loop's clock, in seconds: that of time.monotonic().",
        )
}

impl EventLoop {
    /// The present moment on the clock.
    #[inline]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The present moment among the deadlines of timers.
    #[inline]
    pub(super) fn now_for_timers(&self) -> Timestamp {
        loop_time(self.now().as_nanos().cast_signed())
    }

    #[inline]
    fn seconds(&self) -> f64 {
        self.now().as_nanos() as f64 / NANOSECONDS
    }
}

/// The first moment that is not before `seconds`; saturates, so that infinity never comes.
#[inline]
fn deadline(seconds: f64) -> Timestamp {
    loop_time((seconds * NANOSECONDS).ceil() as i64)
}

/// The loop's timers are ordered by times that begin long before the clock does, because a deadline
/// may be negative.
#[inline]
fn loop_time(nanos: i64) -> Timestamp {
    Timestamp::from_nanos(nanos.cast_unsigned() ^ 1 << 63)
}

#[inline]
fn required<'a, 'py>(
    arguments: &'a Arguments<'a>,
    py: Python<'py>,
    index: usize,
    method: &str,
    name: &str,
) -> PyResult<Borrowed<'a, 'py, PyAny>> {
    arguments
        .get(py, index)
        .ok_or_else(|| missing(method, name))
}

/// The context that was passed, or a copy of the current one.
#[inline(always)]
fn context_of(
    event_loop: &EventLoop,
    py: Python<'_>,
    arguments: &Arguments<'_>,
    method: &str,
) -> PyResult<CallContext> {
    if arguments.has_names()
        && let Some(context) = arguments.only_keyword(py, method, &imports(py)?.context)?
    {
        return Ok(CallContext::Own(Object::from(context.to_owned())));
    }
    event_loop.contexts.current(py)
}

/// Calls `method` again with what was passed by name put in its place.
#[cold]
fn by_name(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: &Arguments<'_>,
    method: &str,
    parameters: &[&str],
) -> PyResult<Object> {
    let keywords = PyDict::new(py);
    for (name, value) in arguments.named(py) {
        keywords.set_item(name, value)?;
    }
    let mut positional = vec![event_loop.bind(py).clone()];
    for (index, parameter) in parameters.iter().enumerate() {
        if let Some(value) = arguments.get(py, index) {
            positional.push(value.to_owned());
            continue;
        }
        let Some(value) = keywords.get_item(parameter)? else {
            return Err(missing(method, parameter));
        };
        keywords.del_item(parameter)?;
        positional.push(value);
    }
    // The native method itself: a subclass's may have called this one.
    let class = py.import("zloop._zloop")?.getattr("EventLoop")?;
    let answer = class.call_method(method, PyTuple::new(py, positional)?, Some(&keywords))?;
    Ok(Object::from(answer))
}

#[cold]
fn missing(method: &str, parameter: &str) -> PyErr {
    PyTypeError::new_err(format!(
        "{method}() missing 1 required positional argument: '{parameter}'"
    ))
}

#[inline(always)]
fn schedule(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: &Arguments<'_>,
    method: &str,
    ready: impl FnOnce(Instance<Handle>) -> Ready,
) -> PyResult<Object> {
    let callback = required(arguments, py, 0, method, "callback")?;
    let context = context_of(event_loop, py, arguments, method)?;
    let handle = event_loop.create_handle(callback, arguments, 1, context)?;
    event_loop.push_ready(ready(handle.clone()));
    Ok(handle.into_object())
}

fn call_soon(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    if arguments.len() == 0 && arguments.has_names() {
        return by_name(event_loop, py, &arguments, "call_soon", &["callback"]);
    }
    event_loop.check_open()?;
    if event_loop.is_debug() {
        event_loop.check_thread()?;
        event_loop.check_callback(
            &*required(&arguments, py, 0, "call_soon", "callback")?,
            "call_soon",
        )?;
    }
    schedule(event_loop, py, &arguments, "call_soon", Ready::Handle)
}

fn call_soon_threadsafe(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    if arguments.len() == 0 && arguments.has_names() {
        let method = "call_soon_threadsafe";
        return by_name(event_loop, py, &arguments, method, &["callback"]);
    }
    event_loop.check_open()?;
    if event_loop.is_debug() {
        let callback = required(&arguments, py, 0, "call_soon_threadsafe", "callback")?;
        event_loop.check_callback(&callback, "call_soon_threadsafe")?;
    }
    let handle = schedule(
        event_loop,
        py,
        &arguments,
        "call_soon_threadsafe",
        THREADSAFE,
    )?;
    // No fence of its own: both sides swap the waker's state, this one after the store and the loop
    // before its load, so either the loop sees the store or this side sees that the loop waits.
    event_loop.called_from_thread.store(true, Ordering::Release);
    if let Some(waker) = &*event_loop.waker.borrow() {
        waker.wake();
    }
    Ok(handle)
}

/// The time after `delay`, which may be anything that can be added to a float.
#[inline]
fn time_after(event_loop: &EventLoop, delay: &Bound<'_, PyAny>) -> PyResult<f64> {
    let now = event_loop.seconds();
    if delay.is_exact_instance_of::<PyFloat>() || delay.is_exact_instance_of::<PyInt>() {
        Ok(now + delay.extract::<f64>()?)
    } else {
        PyFloat::new(delay.py(), now).add(delay)?.extract()
    }
}

fn schedule_at(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    seconds: f64,
    when: When,
    arguments: &Arguments<'_>,
    method: &str,
) -> PyResult<Object> {
    event_loop.check_open()?;
    let callback = required(arguments, py, 1, method, "callback")?;
    if event_loop.is_debug() {
        event_loop.check_thread()?;
        // asyncio's call_later() leaves this check, and so its name, to call_at().
        event_loop.check_callback(&callback, "call_at")?;
    }
    let context = context_of(event_loop, py, arguments, method)?;
    let handle = TimerHandle::create(py, &event_loop.spare_timers, event_loop, when)?;
    handle.scheduled().begin(callback, arguments, 2, context)?;
    let key = event_loop
        .timers
        .borrow_mut()
        .insert(deadline(seconds), handle.clone());
    handle.set_key(Some(key));
    Ok(handle.into_object())
}

fn call_later(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    if arguments.len() < 2 && arguments.has_names() {
        let parameters = ["delay", "callback"];
        return by_name(event_loop, py, &arguments, "call_later", &parameters);
    }
    let delay = required(&arguments, py, 0, "call_later", "delay")?;
    if delay.is_none() {
        return Err(PyTypeError::new_err("delay must not be None"));
    }
    let when = time_after(event_loop, &delay)?;
    let given = When::Seconds(when);
    schedule_at(event_loop, py, when, given, &arguments, "call_later")
}

fn call_at(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    if arguments.len() < 2 && arguments.has_names() {
        let parameters = ["when", "callback"];
        return by_name(event_loop, py, &arguments, "call_at", &parameters);
    }
    let when = required(&arguments, py, 0, "call_at", "when")?;
    if when.is_none() {
        return Err(PyTypeError::new_err("when cannot be None"));
    }
    let seconds = when.extract()?;
    let given = if when.is_exact_instance_of::<PyFloat>() {
        When::Seconds(seconds)
    } else {
        When::Given(Object::from(when.to_owned()))
    };
    schedule_at(event_loop, py, seconds, given, &arguments, "call_at")
}

fn time(event_loop: &Instance<EventLoop>, py: Python<'_>, _: Arguments<'_>) -> PyResult<Object> {
    Ok(Object::from(PyFloat::new(py, event_loop.seconds())))
}
