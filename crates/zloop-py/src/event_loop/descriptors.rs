//! Descriptors: `add_reader` and its like, and waiting for one once.

use std::io;
use std::os::fd::RawFd;

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyInt;
use zloop_core::Token;

use super::EventLoop;
use super::watchers::{Side, Source, Watcher, set_watcher, take_watcher};
use crate::errors::{os_error, reactor_error};
use crate::raw::arguments::Arguments;
use crate::raw::class::ClassBuilder;
use crate::raw::context::{self, CallContext};
use crate::raw::object::{Instance, Object};

pub(super) fn add_methods(builder: ClassBuilder<EventLoop>) -> ClassBuilder<EventLoop> {
    builder
        .method(c"add_reader", add_reader, c"add_reader($self, fd, callback, *args)\n--\n\nCall `callback(*args)` whenever `fd` is readable.")
        .method(c"add_writer", add_writer, c"add_writer($self, fd, callback, *args)\n--\n\nCall `callback(*args)` whenever `fd` is writable.")
        .method(c"remove_reader", remove_reader, c"remove_reader($self, fd)\n--\n\nStop watching `fd` for reading; say whether it was watched.")
        .method(c"remove_writer", remove_writer, c"remove_writer($self, fd)\n--\n\nStop watching `fd` for writing; say whether it was watched.")
        .method(c"_add_reader", add_reader_unchecked, c"_add_reader($self, fd, callback, *args)\n--\n\nadd_reader() for the loop's own use.")
        .method(c"_remove_reader", remove_reader_unchecked, c"_remove_reader($self, fd)\n--\n\nremove_reader() for the loop's own use.")
        .method(c"_wake_when_readable", wake_when_readable, c"_wake_when_readable($self, fd, future)\n--\n\nSet the future's result, which is None, once `fd` is readable.")
        .method(c"_wake_when_writable", wake_when_writable, c"_wake_when_writable($self, fd, future)\n--\n\nSet the future's result, which is None, once `fd` is writable.")
        .method(c"_wake_no_more", wake_no_more, c"_wake_no_more($self, fd, future)\n--\n\nForget a future that waits for `fd`.")
}

/// A number, or what an object's `fileno()` answers: -1 of a closed socket.
fn number(object: &Bound<'_, PyAny>) -> PyResult<RawFd> {
    if object.is_instance_of::<PyInt>() {
        object.extract::<RawFd>()
    } else {
        object
            .call_method0("fileno")
            .and_then(|number| number.extract::<RawFd>())
            .map_err(|error| {
                let py = object.py();
                let told = error.is_instance_of::<pyo3::exceptions::PyAttributeError>(py)
                    || error.is_instance_of::<PyTypeError>(py)
                    || error.is_instance_of::<PyValueError>(py);
                if !told {
                    return error;
                }
                match object.repr() {
                    Ok(repr) => PyValueError::new_err(format!("Invalid file object: {repr}")),
                    Err(error) => error,
                }
            })
    }
}

/// The descriptor of a number or of an object that has `fileno()`.
fn descriptor(object: &Bound<'_, PyAny>) -> PyResult<RawFd> {
    let number = number(object)?;
    if number < 0 {
        return Err(invalid(number));
    }
    Ok(number)
}

fn invalid(number: RawFd) -> PyErr {
    PyValueError::new_err(format!("Invalid file descriptor: {number}"))
}

impl EventLoop {
    /// # Errors
    /// `RuntimeError` if a transport that is not closing uses `fd`.
    fn check_no_transport(&self, py: Python<'_>, fd: RawFd) -> PyResult<()> {
        let transport = self
            .with_reactor(|reactor| match reactor.source(reactor.token_of(fd)?) {
                Some(Source::Stream(transport)) if !transport.is_closing() => {
                    Some(transport.as_object().clone())
                }
                Some(Source::Endpoint(transport)) if transport.is_open_socket() => {
                    Some(transport.as_object().clone())
                }
                _ => None,
            })
            .flatten();
        match transport {
            Some(transport) => Err(PyRuntimeError::new_err(format!(
                "File descriptor {fd} is used by transport {}",
                transport.bind(py).repr()?
            ))),
            None => Ok(()),
        }
    }

    /// Has a transport that is closing, but not done, leave the number to a watcher.
    fn free_number(&self, fd: RawFd) -> io::Result<()> {
        let source = self.with_reactor(|reactor| match reactor.source(reactor.token_of(fd)?) {
            Some(source @ (Source::Stream(_) | Source::Endpoint(_))) => Some(source.clone()),
            _ => None,
        });
        match source.flatten() {
            Some(Source::Stream(transport)) => transport.leave_number(),
            Some(Source::Endpoint(transport)) => transport.leave_number(),
            _ => Ok(()),
        }
    }

    /// The registration of a file object that was closed under its watchers.
    fn token_watched_as(&self, object: &Bound<'_, PyAny>) -> Option<Token> {
        let is_watched = |source: &Source| match source {
            Source::Watchers(watchers) => watchers
                .object
                .as_ref()
                .is_some_and(|watched| watched.is(object.as_ptr())),
            _ => false,
        };
        self.with_reactor(|reactor| {
            let mut sources = reactor.iter();
            sources.find_map(|(token, source)| is_watched(source).then_some(token))
        })
        .flatten()
    }

    fn watch(
        &self,
        py: Python<'_>,
        arguments: &Arguments<'_>,
        side: Side,
        checked: bool,
    ) -> PyResult<Object> {
        let method = match side {
            Side::Reader => "add_reader",
            Side::Writer => "add_writer",
        };
        let [fd, callback] = if arguments.has_names() || arguments.len() < 2 {
            arguments.bind(py, method, ["fd", "callback"], 2)?
        } else {
            [arguments.get(py, 0), arguments.get(py, 1)]
        };
        let (Some(fd), Some(callback)) = (fd, callback) else {
            return Err(PyTypeError::new_err(format!(
                "{method}() takes a file descriptor and a callback"
            )));
        };
        let object = (!fd.is_instance_of::<PyInt>()).then(|| Object::from(fd.to_owned()));
        let fd = descriptor(&fd)?;
        self.check_open()?;
        if checked {
            self.check_no_transport(py, fd)?;
        }
        // One context for all its runs, as asyncio has it, which see what the ones before set.
        let context = CallContext::Own(context::copy_current(py)?);
        let handle = self.create_handle(callback, arguments, 2, context)?;
        self.set_watcher(py, fd, side, Watcher::Callback(handle), object)?;
        Ok(Object::none(py))
    }

    fn set_watcher(
        &self,
        py: Python<'_>,
        fd: RawFd,
        side: Side,
        watcher: Watcher,
        object: Option<Object>,
    ) -> PyResult<()> {
        self.free_number(fd).map_err(|error| os_error(py, &error))?;
        let set = self.with_reactor(|reactor| set_watcher(reactor, fd, side, watcher, object));
        let Some((replaced, registered)) = set else {
            return Ok(());
        };
        replaced.cancel(py);
        registered.map_err(|error| reactor_error(py, error))
    }

    /// Has a future wait for one side of a descriptor.
    fn wait_once(
        &self,
        py: Python<'_>,
        arguments: &Arguments<'_>,
        method: &str,
        side: Side,
    ) -> PyResult<Object> {
        if let [Some(fd), Some(future)] = arguments.bind(py, method, ["fd", "future"], 2)? {
            let fd = descriptor(&fd)?;
            self.check_open()?;
            self.check_no_transport(py, fd)?;
            let future = Watcher::Waiter(Object::from(future.to_owned()));
            self.set_watcher(py, fd, side, future, None)?;
        }
        Ok(Object::none(py))
    }

    fn unwatch(
        &self,
        py: Python<'_>,
        arguments: &Arguments<'_>,
        side: Side,
        checked: bool,
    ) -> PyResult<Object> {
        let method = match side {
            Side::Reader => "remove_reader",
            Side::Writer => "remove_writer",
        };
        let [fd] = arguments.bind(py, method, ["fd"], 1)?;
        let Some(fd) = fd else {
            return Ok(Object::boolean(py, false));
        };
        let number = number(&fd)?;
        let token = if number < 0 {
            match self.token_watched_as(&fd) {
                None if self.check_open().is_ok() => return Err(invalid(number)),
                token => token,
            }
        } else {
            if checked {
                self.check_no_transport(py, number)?;
            }
            self.with_reactor(|reactor| reactor.token_of(number))
                .flatten()
        };
        let removed =
            token.and_then(|token| self.with_reactor(|reactor| take_watcher(reactor, token, side)));
        let (removed, _object) = removed.unwrap_or_default();
        match removed {
            Some(watcher) => {
                watcher.cancel(py);
                Ok(Object::boolean(py, true))
            }
            None => Ok(Object::boolean(py, false)),
        }
    }
}

fn add_reader(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    event_loop.watch(py, &arguments, Side::Reader, true)
}

fn add_writer(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    event_loop.watch(py, &arguments, Side::Writer, true)
}

fn remove_reader(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    event_loop.unwatch(py, &arguments, Side::Reader, true)
}

fn remove_writer(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    event_loop.unwatch(py, &arguments, Side::Writer, true)
}

fn add_reader_unchecked(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    event_loop.watch(py, &arguments, Side::Reader, false)
}

fn remove_reader_unchecked(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    event_loop.unwatch(py, &arguments, Side::Reader, false)
}

fn wake_when_readable(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    event_loop.wait_once(py, &arguments, "_wake_when_readable", Side::Reader)
}

fn wake_when_writable(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    event_loop.wait_once(py, &arguments, "_wake_when_writable", Side::Writer)
}

fn wake_no_more(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    if let [Some(fd), Some(future)] = arguments.bind(py, "_wake_no_more", ["fd", "future"], 2)? {
        let fd = number(&fd)?;
        let taken = event_loop.with_reactor(|reactor| {
            let token = reactor.token_of(fd)?;
            let Source::Watchers(watchers) = reactor.source(token)? else {
                return None;
            };
            let side = watchers.side_of_waiter(future.as_ptr())?;
            Some(take_watcher(reactor, token, side))
        });
        drop(taken);
    }
    Ok(Object::none(py))
}
