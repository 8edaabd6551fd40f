//! Stopping and closing, debug mode, and the checks that asyncio makes.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyFloat;

use super::{EventLoop, new_flush_batch};
use crate::errors::os_error;
use crate::imports::imports;
use crate::logging::{self, TARGET};
use crate::raw::arguments::Arguments;
use crate::raw::class::ClassBuilder;
use crate::raw::object::{Instance, Object};
use crate::raw::threads::current_ident;

pub(super) fn add_methods(builder: ClassBuilder<EventLoop>) -> ClassBuilder<EventLoop> {
    builder
        .bare_method(
            c"stop",
            stop,
            c"stop($self)\n--\n\nStop running, once what is ready now was run.",
        )
        .bare_method(
            c"is_running",
            is_running,
            c"is_running($self)\n--\n\nWhether the loop is running.",
        )
        .bare_method(
            c"is_closed",
            is_closed,
            c"is_closed($self)\n--\n\nWhether the loop was closed.",
        )
        .bare_method(
            c"get_debug",
            get_debug,
            c"get_debug($self)\n--\n\nWhether debug mode is on.",
        )
        .method(
            c"set_debug",
            set_debug,
            c"set_debug($self, enabled)\n--\n\nTurn debug mode on or off.",
        )
        .bare_method(
            c"_check_closed",
            check_closed,
            c"_check_closed($self)\n--\n\nRaise RuntimeError if the loop is closed.",
        )
        .bare_method(
            c"_check_running",
            check_running,
            c"_check_running($self)\n--\n\nRaise RuntimeError if this loop or another one is running.",
        )
        .bare_method(
            c"_check_thread",
            check_thread,
            c"_check_thread($self)\n--\n\nRaise RuntimeError on a foreign thread.",
        )
        .bare_method(
            c"_close_native",
            close_native,
            c"_close_native($self)\n--\n\nDrop all callbacks, timers and registrations.",
        )
        .bare_method(
            c"_renew_selector",
            renew_selector,
            c"_renew_selector($self)\n--\n\nIn a forked child: part from the selector that the parent waits on.",
        )
        .property(
            c"slow_callback_duration",
            |event_loop, py| {
                Ok(Object::from(PyFloat::new(
                    py,
                    event_loop.slow_callback_duration.get(),
                )))
            },
            |event_loop, _, value| {
                event_loop.slow_callback_duration.set(value.extract()?);
                Ok(())
            },
        )
        .property(
            c"_copies_bulk",
            |event_loop, py| Ok(Object::boolean(py, event_loop.copies_bulk())),
            |event_loop, _, value| {
                event_loop.copies_bulk.set(value.is_truthy()?);
                Ok(())
            },
        )
        .getter(c"_thread_id", thread_id)
}

impl EventLoop {
    /// # Errors
    /// `RuntimeError` if the loop is closed.
    #[inline]
    pub fn check_open(&self) -> PyResult<()> {
        if self.reactor.borrow().is_none() {
            return Err(PyRuntimeError::new_err("Event loop is closed"));
        }
        Ok(())
    }

    /// # Errors
    /// `RuntimeError` if another thread than this one runs the loop.
    pub fn check_thread(&self) -> PyResult<()> {
        let thread = self.thread.get();
        if thread != 0 && thread != current_ident() {
            return Err(PyRuntimeError::new_err(
                "Non-thread-safe operation invoked on an event loop other than the current one",
            ));
        }
        Ok(())
    }

    /// # Errors
    /// In debug mode, `RuntimeError` if another thread than this one runs the loop.
    #[inline]
    pub fn check_thread_in_debug_mode(&self) -> PyResult<()> {
        if self.is_debug() {
            self.check_thread()?;
        }
        Ok(())
    }

    /// What debug mode checks of a callback.
    ///
    /// # Errors
    /// `TypeError` for a coroutine or something that cannot be called.
    #[cold]
    pub fn check_callback(&self, callback: &Bound<'_, PyAny>, method: &str) -> PyResult<()> {
        imports(callback.py())?
            .check_callback
            .bind(callback.py())
            .call1((callback, method))?;
        Ok(())
    }

    /// Drops all that the loop holds.
    pub(super) fn release(&self) {
        let ready = self.ready.take();
        let timers: Vec<_> = self.timers.borrow_mut().drain().collect();
        let reactor = self.reactor.take();
        let waker = self.waker.take();
        let unsent = self.unsent.take();
        drop(self.flush_batch.take());
        let factory = self.task_factory.take();
        for handle in &timers {
            handle.release();
        }
        for item in &ready {
            item.release();
        }
        if let Some(reactor) = &reactor {
            reactor.iter().for_each(|(_, source)| source.release());
        }
        drop((ready, timers, reactor, waker, unsent, factory));
        self.spare_handles.clear();
        self.spare_timers.clear();
        self.contexts.clear();
    }
}

fn stop(event_loop: &Instance<EventLoop>, py: Python<'_>, _: Arguments<'_>) -> PyResult<Object> {
    event_loop.stopping.set(true);
    Ok(Object::none(py))
}

fn is_running(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    Ok(Object::boolean(py, event_loop.thread.get() != 0))
}

fn is_closed(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    Ok(Object::boolean(py, event_loop.reactor.borrow().is_none()))
}

fn get_debug(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    Ok(Object::boolean(py, event_loop.debug.get()))
}

fn set_debug(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let enabled = arguments.flag(py, "set_debug", "enabled")?;
    event_loop.debug.set(enabled);
    event_loop.update_observed();
    if event_loop.thread.get() != 0 {
        let update = event_loop
            .bind(py)
            .getattr("_set_coroutine_origin_tracking")?;
        event_loop
            .bind(py)
            .call_method1("call_soon_threadsafe", (update, enabled))?;
    }
    Ok(Object::none(py))
}

fn check_closed(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    event_loop.check_open()?;
    Ok(Object::none(py))
}

fn check_running(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    if event_loop.thread.get() != 0 {
        return Err(PyRuntimeError::new_err(
            "This event loop is already running",
        ));
    }
    if !imports(py)?.get_running_loop.bind(py).call0()?.is_none() {
        return Err(PyRuntimeError::new_err(
            "Cannot run the event loop while another loop is running",
        ));
    }
    Ok(Object::none(py))
}

fn check_thread(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    event_loop.check_thread()?;
    Ok(Object::none(py))
}

fn close_native(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    tracing::debug!(target: TARGET, "closing");
    event_loop.release();
    logging::deliver(py)?;
    Ok(Object::none(py))
}

fn renew_selector(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    let renewed = event_loop.with_reactor(|reactor| {
        reactor.renew_selector()?;
        Ok::<_, std::io::Error>(reactor.waker())
    });
    drop(event_loop.flush_batch.replace(Some(new_flush_batch())));
    if let Some(waker) = renewed.transpose().map_err(|error| os_error(py, &error))? {
        let inherited = event_loop.waker.replace(Some(waker));
        drop(inherited);
    }
    Ok(Object::none(py))
}

fn thread_id(event_loop: &Instance<EventLoop>, py: Python<'_>) -> PyResult<Object> {
    match event_loop.thread.get() {
        0 => Ok(Object::none(py)),
        thread => Ok(Object::from(thread.into_pyobject(py)?)),
    }
}
