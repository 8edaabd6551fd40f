//! Who is told of a descriptor's readiness, and how a watcher comes and goes.

use std::os::fd::RawFd;
use std::rc::Rc;

use pyo3::prelude::*;
use pyo3::{ffi, intern};
use zloop_core::{Interest, Reactor, Readiness, Token};

use super::Ready;
use crate::handles::Handle;
use crate::raw::class::{Class, Visit};
use crate::raw::object::{Instance, Object};
use crate::transport::{AnyEndpoint, Listener, StreamTransport};

/// Who is told when a descriptor is ready.
#[derive(Clone)]
pub enum Source {
    /// Who watches it: callbacks of `add_reader` and `add_writer`, and operations that wait.
    Watchers(Watchers),
    /// A stream transport.
    Stream(Instance<StreamTransport>),
    /// A datagram or pipe transport.
    Endpoint(AnyEndpoint),
    /// A listening socket.
    Listener(Rc<Listener>),
}

/// Who watches one descriptor.
#[derive(Clone, Default)]
pub struct Watchers {
    /// What the caller watched, where that is no number: it may be closed when it is unwatched.
    pub object: Option<Object>,
    /// Told when it is readable.
    pub reader: Option<Watcher>,
    /// Told when it is writable.
    pub writer: Option<Watcher>,
}

/// One who is told.
#[derive(Clone)]
pub enum Watcher {
    /// A callback, each time.
    Callback(Instance<Handle>),
    /// A future, once: its operation looks by itself what there is.
    Waiter(Object),
}

impl Watcher {
    /// Has it hear nothing any more.
    pub fn cancel(&self, py: Python<'_>) {
        if let Self::Callback(handle) = self {
            Handle::cancel(handle, py);
        }
    }

    fn traverse(&self, visit: &mut Visit) {
        match self {
            Self::Callback(handle) => handle.traverse(visit),
            Self::Waiter(future) => visit.object(future),
        }
    }
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

    fn place(&mut self, side: Side) -> &mut Option<Watcher> {
        match side {
            Side::Reader => &mut self.reader,
            Side::Writer => &mut self.writer,
        }
    }

    /// Where a future waits, unless it was woken, or another watcher took its place.
    pub fn side_of_waiter(&self, future: *mut ffi::PyObject) -> Option<Side> {
        let waits = |watcher: &Option<Watcher>| match watcher {
            Some(Watcher::Waiter(waiting)) => waiting.is(future),
            _ => false,
        };
        if waits(&self.reader) {
            return Some(Side::Reader);
        }
        waits(&self.writer).then_some(Side::Writer)
    }
}

/// What a watcher waits for.
#[derive(Clone, Copy)]
pub enum Side {
    /// Something to read.
    Reader,
    /// Room to write.
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
            for watcher in [&watchers.reader, &watchers.writer].into_iter().flatten() {
                if let Watcher::Callback(handle) = watcher {
                    handle.scheduled().release();
                }
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
                for watcher in [&watchers.reader, &watchers.writer].into_iter().flatten() {
                    watcher.traverse(visit);
                }
            }
            Self::Stream(transport) => visit.object(transport.as_object()),
            Self::Endpoint(transport) => visit.object(transport.as_object()),
            Self::Listener(listener) => listener.traverse(visit),
        }
    }
}

/// What a new watcher took the place of; dropped when the reactor is no longer borrowed.
pub enum Replaced {
    /// Nobody watched.
    Nothing,
    /// The watcher of that side.
    Watcher(Watcher),
    /// A transport that is done, or the watchers of a descriptor that was closed; the caller took
    /// the number over.
    Source(Source),
}

impl Replaced {
    /// Has it hear nothing any more.
    pub fn cancel(self, py: Python<'_>) {
        match self {
            Self::Watcher(watcher) => watcher.cancel(py),
            Self::Source(Source::Watchers(watchers)) => {
                for watcher in [watchers.reader, watchers.writer].into_iter().flatten() {
                    watcher.cancel(py);
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

/// Has `watcher` be told of one side of a descriptor.
pub fn set_watcher(
    reactor: &mut Reactor<Source>,
    fd: RawFd,
    side: Side,
    watcher: Watcher,
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
            let replaced = watchers.place(side).replace(watcher);
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
    *watchers.place(side) = Some(watcher);
    let registered = reactor.register(fd, side.interest(), Source::Watchers(watchers));
    (
        replaced.map_or(Replaced::Nothing, Replaced::Source),
        registered.map(drop),
    )
}

/// Takes a watcher out, and the registration with the last one; the object that was watched is to be
/// dropped when the reactor is no longer borrowed.
pub fn take_watcher(
    reactor: &mut Reactor<Source>,
    token: Token,
    side: Side,
) -> (Option<Watcher>, Option<Object>) {
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

/// Hands on who is told of a readiness: whoever watches the descriptor, or what the source stands for. Waiters are taken
/// out. An object that nobody watches any more comes back, to be dropped when the reactor is no longer borrowed.
pub fn tell(
    reactor: &mut Reactor<Source>,
    token: Token,
    readiness: Readiness,
    mut push: impl FnMut(Ready),
) -> Option<Object> {
    let Source::Watchers(watchers) = reactor.source(token)? else {
        push(Ready::Event(token, readiness));
        return None;
    };
    let mut woken = [None; 2];
    let sides = [
        (readiness.is_readable(), Side::Reader, &watchers.reader),
        (readiness.is_writable(), Side::Writer, &watchers.writer),
    ];
    for (woken, (is_ready, side, watcher)) in woken.iter_mut().zip(sides) {
        match watcher {
            Some(Watcher::Callback(handle)) if is_ready => push(Ready::Watcher(handle.clone())),
            Some(Watcher::Waiter(future)) if is_ready => {
                push(Ready::Waiter(future.clone()));
                *woken = Some(side);
            }
            _ => {}
        }
    }
    let mut unwatched = None;
    for side in woken.into_iter().flatten() {
        (_, unwatched) = take_watcher(reactor, token, side);
    }
    unwatched
}

/// Ends what a future waits for, unless it was cancelled.
///
/// # Errors
/// What a future of another class than asyncio's raises.
pub fn wake(py: Python<'_>, future: &Object) -> PyResult<()> {
    let future = future.bind(py);
    if !future.call_method0(intern!(py, "done"))?.is_truthy()? {
        future.call_method1(intern!(py, "set_result"), (py.None(),))?;
    }
    Ok(())
}
