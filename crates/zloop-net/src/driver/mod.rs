//! A loop that owns connections, and tells a handler what happens to them.

mod answer;
mod error;
mod handler;
mod link;
mod listener;
mod running;
#[cfg(feature = "tls")]
mod tls;

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use zloop_core::{
    Clock, Inbox, Interest, MonotonicClock, RawFd, Reactor, Readiness, Schedule, TimerKey,
    Timestamp, Token,
};

pub use self::error::Error;
pub use self::handler::Handler;

use self::answer::Answer;
use self::link::Link;
use self::listener::Listener;
use crate::address::Address;
use crate::connect::Connecting;
use crate::flow::WriteLimits;
use crate::read_buffer::ReadBuffer;
use crate::stream::NotWritable;
use crate::{pipe, tcp};

/// How much is read at once.
const READ_SIZE: usize = 64 * 1024;

type Task<H> = Box<dyn FnOnce(&mut H, &mut Driver<H>)>;
type RemoteTask<H> = Box<dyn FnOnce(&mut H, &mut Driver<H>) + Send>;
type Watcher<H> = Box<dyn FnMut(&mut H, &mut Driver<H>, Token, Readiness)>;

/// What is registered, timed and queued.
type Connections<H> = Schedule<Source<H>, Task<H>, RemoteTask<H>, Box<dyn Clock>>;

enum Source<H> {
    Listener(Box<Listener>),
    Link(Box<Link>),
    /// Out of its place while it runs.
    Watcher(Option<Watcher<H>>),
}

/// A loop of one thread that owns connections: it accepts, connects, reads, sends, and tells a
/// [`Handler`] what happens.
///
/// It is made of [`Stream`](crate::Stream)s over a [`Schedule`], and does for each of them what its
/// page says has to be done. A token names something of the driver that gave it, and must not be used with another one,
/// where it may name a stranger. What a connection's methods answer changes when [`Handler::closed`] was told, not
/// before. What a handler writes is gathered and sent once, when its method
/// returns; only many bytes are sent sooner, to save a copy of them.
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::{Shutdown, TcpStream};
///
/// use zloop_core::Token;
/// use zloop_net::{Driver, Error, Handler, tcp};
///
/// struct Echo;
///
/// impl Handler for Echo {
///     fn received(&mut self, driver: &mut Driver<Self>, connection: Token, bytes: &[u8]) {
///         let _ = driver.write(connection, bytes); // It fails only for one that is closing.
///     }
///
///     fn closed(&mut self, driver: &mut Driver<Self>, _: Token, _: Option<Error>) {
///         driver.stop();
///     }
/// }
///
/// # fn main() -> std::io::Result<()> {
/// let listener = tcp::listen(([127, 0, 0, 1], 0).into(), &tcp::ListenOptions::default())?;
/// let address = tcp::local_address(&listener)?;
/// let mut driver = Driver::new()?;
/// driver.listen(listener)?;
///
/// let client = std::thread::spawn(move || -> std::io::Result<String> {
///     let mut stream = TcpStream::connect(address)?;
///     stream.write_all(b"hello")?;
///     stream.shutdown(Shutdown::Write)?;
///     let mut echo = String::new();
///     stream.read_to_string(&mut echo)?;
///     Ok(echo)
/// });
/// driver.run(&mut Echo)?;
/// assert_eq!(client.join().expect("the client's thread")?, "hello");
/// # Ok(())
/// # }
/// ```
pub struct Driver<H> {
    schedule: Connections<H>,
    /// Connections that have something to do before the turn goes on.
    queued: Vec<Token>,
    /// Where connections are read into; `None` while a handler looks at it, and until the first read.
    buffer: Option<Box<ReadBuffer>>,
    answer: Answer,
    /// The time at which the present turn first asked for it.
    turn_time: Option<Timestamp>,
    stopping: bool,
}

impl<H: Handler> Driver<H> {
    /// A driver on the system's monotonic clock.
    ///
    /// # Errors
    ///
    /// When the system is out of descriptors.
    pub fn new() -> io::Result<Self> {
        Self::with_clock(MonotonicClock)
    }

    /// A driver on a clock of the caller's.
    ///
    /// # Errors
    ///
    /// When the system is out of descriptors.
    pub fn with_clock(clock: impl Clock + 'static) -> io::Result<Self> {
        Ok(Self {
            schedule: Schedule::new(Box::new(clock) as Box<dyn Clock>)?,
            queued: Vec::new(),
            buffer: None,
            answer: Answer::default(),
            turn_time: None,
            stopping: false,
        })
    }

    /// Owns a connection that [`tcp::connect`](crate::tcp::connect) or
    /// [`unix::connect`](crate::unix::connect) began. It can be written to at once, and is announced
    /// when it is made.
    ///
    /// # Errors
    ///
    /// As [`Reactor::register`](zloop_core::Reactor::register). That the connection cannot be made
    /// is told by [`Handler::closed`].
    pub fn connect(&mut self, connecting: Connecting) -> Result<Token, zloop_core::Error> {
        self.add_link(Link::connecting(connecting))
    }

    /// As [`connect`](Self::connect), with TLS. Its write limits are those of `options`.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    #[cfg(feature = "tls")]
    pub fn connect_tls(
        &mut self,
        connecting: Connecting,
        session: zloop_tls::RustlsSession,
        options: zloop_tls::Options,
    ) -> Result<Token, zloop_core::Error> {
        self.add_link(Link::connecting(connecting).with_tls(session, options))
    }

    /// Owns a stream that is connected already: one of a pair, or the reading end of a pipe. It is made
    /// non-blocking, and announced.
    ///
    /// # Errors
    ///
    /// As [`Reactor::register`](zloop_core::Reactor::register).
    pub fn adopt(&mut self, fd: OwnedFd) -> Result<Token, zloop_core::Error> {
        set_nonblocking(&fd)?;
        self.add_link(Link::connected(fd))
    }

    /// As [`adopt`](Self::adopt), with TLS, as the side that the session is of. It is announced when the handshake is
    /// done. Its write limits are those of `options`.
    ///
    /// # Errors
    ///
    /// As [`adopt`](Self::adopt).
    #[cfg(feature = "tls")]
    pub fn adopt_tls(
        &mut self,
        fd: OwnedFd,
        session: zloop_tls::RustlsSession,
        options: zloop_tls::Options,
    ) -> Result<Token, zloop_core::Error> {
        set_nonblocking(&fd)?;
        self.add_link(Link::connected(fd).with_tls(session, options))
    }

    /// Calls `watcher` at every turn that finds `fd` ready for what `interest` names, with
    /// [`Interest::EDGE`] once for each time that more is: for what is no stream, such as datagrams. The
    /// descriptor stays the caller's, who [closes](Self::close) the token before it.
    ///
    /// # Errors
    ///
    /// As [`Reactor::register`](zloop_core::Reactor::register).
    pub fn watch(
        &mut self,
        fd: RawFd,
        interest: Interest,
        watcher: impl FnMut(&mut H, &mut Self, Token, Readiness) + 'static,
    ) -> Result<Token, zloop_core::Error> {
        let source = Source::Watcher(Some(Box::new(watcher)));
        self.schedule.reactor_mut().register(fd, interest, source)
    }

    /// Changes what a watcher is called for. What a connection or a listener waits for stays the driver's
    /// to decide.
    ///
    /// # Errors
    ///
    /// [`Ended`](zloop_core::Error::Ended) if the token is not that of a watch, else as
    /// [`Reactor::set_interest`](zloop_core::Reactor::set_interest).
    pub fn set_interest(
        &mut self,
        watch: Token,
        interest: Interest,
    ) -> Result<(), zloop_core::Error> {
        self.reactor_of(watch)?.set_interest(watch, interest)
    }

    /// Has what is ready told anew to a watcher at [edges](Interest::EDGE) that left something.
    ///
    /// # Errors
    ///
    /// [`Ended`](zloop_core::Error::Ended) if the token is not that of a watch, else as
    /// [`Reactor::look_again`](zloop_core::Reactor::look_again).
    pub fn look_again(&mut self, watch: Token) -> Result<(), zloop_core::Error> {
        self.reactor_of(watch)?.look_again(watch)
    }

    /// Sends `bytes` when the running method of the handler returns, and as the peer takes them.
    /// Many bytes, on a connection without TLS where nothing waits, are sent at once; only what the
    /// system does not take is copied.
    ///
    /// # Errors
    ///
    /// [`NotWritable`] if the connection is gone, is closing, or its end was written: the bytes are
    /// lost.
    pub fn write(
        &mut self,
        connection: Token,
        bytes: impl AsRef<[u8]> + Into<Vec<u8>>,
    ) -> Result<(), NotWritable> {
        if self.answer.take(connection, bytes.as_ref()) {
            return Ok(());
        }
        self.change(connection, |link| link.write(bytes))
            .unwrap_or(Err(NotWritable))
    }

    /// Ends this direction when what was written is sent; the peer's stays open, and the connection
    /// is closed when that has ended too. False if the connection is gone.
    pub fn write_eof(&mut self, connection: Token) -> bool {
        self.change(connection, |link| link.write_eof()).is_some()
    }

    /// Closes a connection when what was written is sent; a listener and a watch at once. Data that
    /// comes meanwhile is not delivered. False if there is no such thing any more.
    ///
    /// With TLS, the peer has `Options::shutdown_timeout` to answer the end; before the handshake is done, closing is to
    /// [abort](Self::abort). While the peer still sends, the system may reset the connection, and what it
    /// has not taken by then is lost to it: [`write_eof`](Self::write_eof) waits for its end.
    pub fn close(&mut self, token: Token) -> bool {
        let now = since_epoch(self.time());
        if self.change(token, |link| link.close(now)).is_some() {
            return true;
        }
        self.schedule.reactor_mut().deregister(token).is_some()
    }

    /// Closes a connection at once; what was not sent is lost. [`Handler::closed`] comes as usual.
    /// False if the connection is gone.
    pub fn abort(&mut self, connection: Token) -> bool {
        self.change(connection, |link| link.abort()).is_some()
    }

    /// Stops reading, so that the peer has to wait. False if the connection is gone.
    pub fn pause_reading(&mut self, connection: Token) -> bool {
        self.change(connection, |link| link.pause_reading())
            .is_some()
    }

    /// Goes on reading. False if the connection is gone.
    pub fn resume_reading(&mut self, connection: Token) -> bool {
        self.change(connection, |link| link.resume_reading())
            .is_some()
    }

    /// How many bytes were written and not sent; 0 if the connection is gone.
    #[must_use]
    pub fn buffered(&self, connection: Token) -> usize {
        let answered = self.answer.len_to(connection);
        self.link(connection)
            .map_or(0, |link| link.buffered() + answered)
    }

    /// Sets when [`Handler::flow`] is told to pause and to go on. False if the connection is gone.
    pub fn set_write_limits(&mut self, connection: Token, limits: WriteLimits) -> bool {
        self.change(connection, |link| {
            link.stream.set_write_limits(limits);
            #[cfg(feature = "tls")]
            if let Some(tls) = &mut link.tls {
                let WriteLimits { high, low } = limits;
                let limits = zloop_tls::Limits { high, low };
                tls.connection.set_write_limits(limits);
            }
        })
        .is_some()
    }

    /// Where a connection's own end is, or where a listener listens. `None` if the system does not know, and
    /// if there is no such thing any more.
    #[must_use]
    pub fn local_address(&self, token: Token) -> Option<Address> {
        match self.schedule.reactor().source(token)? {
            Source::Listener(listener) => Address::local(&listener.socket).ok(),
            Source::Link(link) => Address::local(&link.stream).ok(),
            Source::Watcher(_) => None,
        }
    }

    /// Who is at the other end: for an accepted connection as `accept` told it, else as the system
    /// knows it now. `None` if that is not known or the connection is gone.
    #[must_use]
    pub fn peer_address(&self, connection: Token) -> Option<Address> {
        let link = self.link(connection)?;
        link.peer.clone().or_else(|| {
            let address = tcp::peer_address(&link.stream).ok()?;
            Some(Address::Ip(address))
        })
    }

    /// What the TLS handshake settled. `None` without TLS, before the handshake is done, and if the
    /// connection is gone.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn negotiated(&self, connection: Token) -> Option<zloop_tls::Negotiated> {
        let tls = self.link(connection)?.tls.as_ref()?;
        tls.connection.negotiated().ok().flatten()
    }

    /// The time of the driver's clock.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.schedule.time()
    }

    /// Runs `task` in the next turn.
    pub fn call_soon(&mut self, task: impl FnOnce(&mut H, &mut Self) + 'static) {
        self.schedule.push(Box::new(task));
    }

    /// Runs `task` when `delay` has passed.
    pub fn call_later(
        &mut self,
        delay: Duration,
        task: impl FnOnce(&mut H, &mut Self) + 'static,
    ) -> TimerKey {
        self.call_at(self.time().saturating_add(delay), task)
    }

    /// Runs `task` at `deadline`, never before it.
    pub fn call_at(
        &mut self,
        deadline: Timestamp,
        task: impl FnOnce(&mut H, &mut Self) + 'static,
    ) -> TimerKey {
        self.schedule.insert(deadline, Box::new(task))
    }

    /// Cancels a timer, also one that is due in this turn; false if it ran or was cancelled before.
    pub fn cancel(&mut self, timer: TimerKey) -> bool {
        self.schedule.remove(timer).is_some()
    }

    /// A handle for other threads. It may outlive the driver, whose selector's descriptors stay open for as long.
    #[must_use]
    pub fn remote(&self) -> Remote<H> {
        Remote {
            inbox: self.schedule.inbox().clone(),
        }
    }

    /// Ends [`run`](Self::run) after the present turn, and with it a run that a handler began within it. Called before
    /// there is a run, it ends the next one after its first turn. What was written is sent as far as the
    /// system takes it; connections stay open until the driver is dropped.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// The reactor, to change what a watch is told of; connections and listeners are the driver's own.
    fn reactor_of(&mut self, watch: Token) -> Result<&mut Reactor<Source<H>>, zloop_core::Error> {
        let reactor = self.schedule.reactor_mut();
        match reactor.source(watch) {
            Some(Source::Watcher(_)) => Ok(reactor),
            _ => Err(zloop_core::Error::Ended),
        }
    }

    fn add_link(&mut self, link: Link) -> Result<Token, zloop_core::Error> {
        let fd = link.stream.as_raw_fd();
        let mut link = Box::new(link);
        let interest = link.interest();
        let reactor = self.schedule.reactor_mut();
        let token = reactor.register(fd, interest, Source::Link(link))?;
        self.change(token, |_| ());
        Ok(token)
    }

    fn link(&self, token: Token) -> Option<&Link> {
        match self.schedule.reactor().source(token)? {
            Source::Link(link) => Some(link),
            Source::Listener(_) | Source::Watcher(_) => None,
        }
    }

    #[inline]
    fn link_mut(&mut self, token: Token) -> Option<&mut Link> {
        link_of(&mut self.schedule, token)
    }

    /// Changes a connection, which then is served before the turn goes on.
    fn change<T>(&mut self, token: Token, change: impl FnOnce(&mut Link) -> T) -> Option<T> {
        let answered = self.answer.close(token);
        let link = link_of(&mut self.schedule, token)?;
        if !answered.is_empty() {
            link.keep_answer(answered.to_vec());
        }
        let result = change(link);
        if !std::mem::replace(&mut link.is_queued, true) {
            self.queued.push(token);
        }
        Some(result)
    }
}

fn set_nonblocking(fd: &OwnedFd) -> Result<(), zloop_core::Error> {
    pipe::set_nonblocking(fd, true).map_err(|source| zloop_core::Error::System {
        fd: fd.as_raw_fd(),
        source,
    })
}

/// The connection of a token, for those who hold other parts of the driver too.
#[inline]
fn link_of<H>(schedule: &mut Connections<H>, token: Token) -> Option<&mut Link> {
    match schedule.reactor_mut().source_mut(token)? {
        Source::Link(link) => Some(link),
        Source::Listener(_) | Source::Watcher(_) => None,
    }
}

impl<H> fmt::Debug for Driver<H> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Driver")
            .field("schedule", &self.schedule)
            .finish_non_exhaustive()
    }
}

/// A handle to a [`Driver`] for other threads.
pub struct Remote<H> {
    inbox: Inbox<RemoteTask<H>>,
}

impl<H> Remote<H> {
    /// Runs `task` on the driver's thread, soon; wakes the driver if it waits. Once the driver is gone, the
    /// task is dropped.
    pub fn call_soon(&self, task: impl FnOnce(&mut H, &mut Driver<H>) + Send + 'static) {
        self.inbox.push(Box::new(task));
    }
}

impl<H> Clone for Remote<H> {
    fn clone(&self) -> Self {
        Self {
            inbox: self.inbox.clone(),
        }
    }
}

impl<H> fmt::Debug for Remote<H> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Remote")
            .field("queued", &self.inbox.len())
            .finish_non_exhaustive()
    }
}

fn since_epoch(now: Timestamp) -> Duration {
    Duration::from_nanos(now.as_nanos())
}
