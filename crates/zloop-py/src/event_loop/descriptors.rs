//! Descriptors: `add_reader` and its like, and what the registry knows of each one.

use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyInt;
use zloop_core::{Interest, Reactor, Token};

use super::EventLoop;
use crate::errors::{os_error, reactor_error};
use crate::handles::Handle;
use crate::raw::arguments::Arguments;
use crate::raw::class::{Class, ClassBuilder, Visit};
use crate::raw::context::{self, CallContext};
use crate::raw::object::{Instance, Object};
use crate::transport::{AnyEndpoint, Listener, StreamTransport};

/// Who is told when a descriptor is ready.
#[derive(Clone)]
pub enum Source {
    /// Callbacks of `add_reader` and `add_writer`.
    Watchers(Watchers),
    /// A stream transport.
    Stream(Instance<StreamTransport>),
    /// A datagram or pipe transport.
    Endpoint(AnyEndpoint),
    /// A listening socket.
    Listener(Rc<Listener>),
}

/// The callbacks of one descriptor.
#[derive(Clone, Default)]
pub struct Watchers {
    /// What the caller watched, where that is no number: it may be closed when it is unwatched.
    pub object: Option<Object>,
    /// Called when it is readable.
    pub reader: Option<Instance<Handle>>,
    /// Called when it is writable.
    pub writer: Option<Instance<Handle>>,
}

impl Watchers {
    fn interest(&self) -> Interest {
        let mut interest = Interest::NONE;
        if self.reader.is_some() {
            interest = interest | Interest::READABLE;
        }
        if self.writer.is_some() {
            interest = interest | Interest::WRITABLE;
        }
        interest
    }

    fn place(&mut self, side: Side) -> &mut Option<Instance<Handle>> {
        match side {
            Side::Reader => &mut self.reader,
            Side::Writer => &mut self.writer,
        }
    }
}

#[derive(Clone, Copy)]
enum Side {
    Reader,
    Writer,
}

impl Side {
    const fn interest(self) -> Interest {
        match self {
            Self::Reader => Interest::READABLE,
            Self::Writer => Interest::WRITABLE,
        }
    }
}

impl Source {
    /// The Python object it stands for, if there is one.
    pub fn object(&self) -> Option<Object> {
        match self {
            Self::Stream(transport) => Some(transport.as_object().clone()),
            Self::Endpoint(transport) => Some(transport.as_object().clone()),
            Self::Listener(listener) => Some(listener.socket().clone()),
            Self::Watchers(_) => None,
        }
    }

    /// Drops what handles hold, even if somebody keeps them: their loop closes.
    pub fn release(&self) {
        if let Self::Watchers(watchers) = self {
            for handle in [&watchers.reader, &watchers.writer].into_iter().flatten() {
                handle.scheduled().release();
            }
        }
    }

    /// Shows the collector what it holds, a handle's references as the loop's own.
    pub fn traverse(&self, visit: &mut Visit) {
        match self {
            Self::Watchers(watchers) => {
                if let Some(object) = &watchers.object {
                    visit.object(object);
                }
                for handle in [&watchers.reader, &watchers.writer].into_iter().flatten() {
                    handle.traverse(visit);
                }
            }
            Self::Stream(transport) => visit.object(transport.as_object()),
            Self::Endpoint(transport) => visit.object(transport.as_object()),
            Self::Listener(listener) => listener.traverse(visit),
        }
    }
}

pub(super) fn add_methods(builder: ClassBuilder<EventLoop>) -> ClassBuilder<EventLoop> {
    builder
        .method(c"add_reader", add_reader, c"add_reader($self, fd, callback, *args)\n--\n\nCall `callback(*args)` whenever `fd` is readable.")
        .method(c"add_writer", add_writer, c"add_writer($self, fd, callback, *args)\n--\n\nCall `callback(*args)` whenever `fd` is writable.")
        .method(c"remove_reader", remove_reader, c"remove_reader($self, fd)\n--\n\nStop watching `fd` for reading; say whether it was watched.")
        .method(c"remove_writer", remove_writer, c"remove_writer($self, fd)\n--\n\nStop watching `fd` for writing; say whether it was watched.")
        .method(c"_add_reader", add_reader_unchecked, c"_add_reader($self, fd, callback, *args)\n--\n\nadd_reader() for the loop's own use.")
        .method(c"_add_writer", add_writer_unchecked, c"_add_writer($self, fd, callback, *args)\n--\n\nadd_writer() for the loop's own use.")
        .method(c"_remove_reader", remove_reader_unchecked, c"_remove_reader($self, fd)\n--\n\nremove_reader() for the loop's own use.")
        .method(c"_remove_writer", remove_writer_unchecked, c"_remove_writer($self, fd)\n--\n\nremove_writer() for the loop's own use.")
        .method(c"_ensure_fd_no_transport", ensure_no_transport, c"_ensure_fd_no_transport($self, fd)\n--\n\nRaise RuntimeError if a transport uses `fd`.")
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
        self.free_number(fd).map_err(|error| os_error(py, &error))?;
        // One context for all its runs, as asyncio has it, which see what the ones before set.
        let context = CallContext::Own(context::copy_current(py)?);
        let handle = self.create_handle(callback, arguments, 2, context)?;
        let set =
            self.with_reactor(|reactor| set_watcher(reactor, fd, side, handle.clone(), object));
        let Some((replaced, registered)) = set else {
            return Ok(handle.into_object());
        };
        replaced.cancel(py);
        match registered {
            Ok(()) => Ok(handle.into_object()),
            Err(error) => Err(reactor_error(py, error)),
        }
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
            Some(handle) => {
                Handle::cancel(&handle, py);
                Ok(Object::boolean(py, true))
            }
            None => Ok(Object::boolean(py, false)),
        }
    }
}

/// What a new watcher took the place of; dropped when the reactor is no longer borrowed.
enum Replaced {
    Nothing,
    Watcher(Instance<Handle>),
    /// A transport that is done, or the watchers of a descriptor that was closed; the caller took
    /// the number over.
    Source(Source),
}

impl Replaced {
    fn cancel(self, py: Python<'_>) {
        match self {
            Self::Watcher(handle) => Handle::cancel(&handle, py),
            Self::Source(Source::Watchers(watchers)) => {
                for handle in [watchers.reader, watchers.writer].into_iter().flatten() {
                    Handle::cancel(&handle, py);
                }
            }
            Self::Source(_) | Self::Nothing => {}
        }
    }
}

/// Whether the system knows the registration still, brought to `interest` meanwhile.
fn renew(reactor: &mut Reactor<Source>, token: Token, interest: Interest) -> bool {
    // The same interest alone asks the system nothing.
    let known = reactor.interest(token) != Some(interest)
        || reactor.set_interest(token, Interest::NONE).is_ok();
    known && reactor.set_interest(token, interest).is_ok()
}

fn set_watcher(
    reactor: &mut Reactor<Source>,
    fd: RawFd,
    side: Side,
    handle: Instance<Handle>,
    object: Option<Object>,
) -> (Replaced, Result<(), zloop_core::Error>) {
    let known = reactor.token_of(fd);
    if let Some(token) = known
        && let Some(Source::Watchers(watchers)) = reactor.source(token)
    {
        let interest = watchers.interest() | side.interest();
        if renew(reactor, token, interest)
            && let Some(Source::Watchers(watchers)) = reactor.source_mut(token)
        {
            let replaced = watchers.place(side).replace(handle);
            return (
                replaced.map_or(Replaced::Nothing, Replaced::Watcher),
                Ok(()),
            );
        }
        // The descriptor was closed under its watchers, and its number belongs to another now.
    }
    let replaced = known.and_then(|token| reactor.deregister(token));
    let mut watchers = Watchers {
        object,
        ..Watchers::default()
    };
    *watchers.place(side) = Some(handle);
    let registered = reactor.register(fd, side.interest(), Source::Watchers(watchers));
    (
        replaced.map_or(Replaced::Nothing, Replaced::Source),
        registered.map(drop),
    )
}

/// Takes a watcher out, and the registration with the last one; the object that was watched is to be
/// dropped when the reactor is no longer borrowed.
fn take_watcher(
    reactor: &mut Reactor<Source>,
    token: Token,
    side: Side,
) -> (Option<Instance<Handle>>, Option<Object>) {
    let Some(Source::Watchers(watchers)) = reactor.source_mut(token) else {
        return (None, None);
    };
    let removed = watchers.place(side).take();
    let interest = watchers.interest();
    if interest.is_empty() {
        let object = watchers.object.take();
        // The source that comes out holds nothing any more.
        reactor.deregister(token);
        return (removed, object);
    }
    // A descriptor that was closed under its watchers is gone from the selector already.
    let _ = reactor.set_interest(token, interest);
    (removed, None)
}

fn add_reader(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    event_loop
        .watch(py, &arguments, Side::Reader, true)
        .map(|_| Object::none(py))
}

fn add_writer(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    event_loop
        .watch(py, &arguments, Side::Writer, true)
        .map(|_| Object::none(py))
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

fn add_writer_unchecked(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    event_loop.watch(py, &arguments, Side::Writer, false)
}

fn remove_reader_unchecked(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    event_loop.unwatch(py, &arguments, Side::Reader, false)
}

fn remove_writer_unchecked(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    event_loop.unwatch(py, &arguments, Side::Writer, false)
}

fn ensure_no_transport(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let [fd] = arguments.bind(py, "_ensure_fd_no_transport", ["fd"], 1)?;
    if let Some(fd) = fd {
        event_loop.check_no_transport(py, descriptor(&fd)?)?;
    }
    Ok(Object::none(py))
}
