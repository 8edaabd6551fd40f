//! Listeners, and the connections that they accept.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use zloop_core::{Interest, Token};

use super::link::Link;
use super::{Driver, Error, Handler, Source, set_nonblocking};
use crate::accept::{Accepted, accept};
use crate::address::Address;
use crate::fault::Fault;
use crate::{sys, tcp};

/// The most connections that are accepted before others are served.
const MAX_ACCEPTED: usize = 64;
/// How long a listener is left alone when the system is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Listener {
    pub(super) socket: OwnedFd,
    held: Held,
    #[cfg(feature = "tls")]
    tls: Option<(zloop_tls::Acceptor, zloop_tls::Options)>,
}

/// Why a listener accepts nothing now.
#[derive(Clone, Copy, Default)]
struct Held {
    /// The handler wants no connections.
    by_handler: bool,
    /// Accepting failed a moment ago.
    by_failure: bool,
}

impl Held {
    fn interest(self) -> Interest {
        if self.by_handler || self.by_failure {
            Interest::NONE
        } else {
            Interest::READABLE
        }
    }
}

impl Listener {
    fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            held: Held::default(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl<H: Handler> Driver<H> {
    /// Accepts connections from a socket that listens, as [`tcp::listen`](crate::tcp::listen) and
    /// [`unix::listen`](crate::unix::listen) make one, until the token is [closed](Self::close). It is made
    /// non-blocking.
    ///
    /// When that fails and the peer is not to blame, as when the system is out of descriptors, it
    /// tries again ten times a second. On TCP connections small writes are sent at once.
    ///
    /// # Errors
    ///
    /// As [`Reactor::register`](zloop_core::Reactor::register), and
    /// [`Unsuitable`](zloop_core::Error::Unsuitable) of what does not listen, where the system can be asked (on Linux).
    pub fn listen(&mut self, socket: OwnedFd) -> Result<Token, zloop_core::Error> {
        self.add_listener(Listener::new(socket))
    }

    /// As [`listen`](Self::listen), with TLS. A connection is announced when its handshake is done.
    /// Its write limits are those of `options`.
    ///
    /// # Errors
    ///
    /// As [`listen`](Self::listen).
    #[cfg(feature = "tls")]
    pub fn listen_tls(
        &mut self,
        socket: OwnedFd,
        acceptor: zloop_tls::Acceptor,
        options: zloop_tls::Options,
    ) -> Result<Token, zloop_core::Error> {
        let mut listener = Listener::new(socket);
        listener.tls = Some((acceptor, options));
        self.add_listener(listener)
    }

    /// Accepts no more connections; those that come wait in the system's queue. With TLS, those that were
    /// accepted and are in their handshake are still announced.
    ///
    /// # Errors
    ///
    /// [`Ended`](zloop_core::Error::Ended) if the token is not that of a listener, else as
    /// [`Reactor::set_interest`](zloop_core::Reactor::set_interest); then nothing has changed.
    pub fn pause_accepting(&mut self, listener: Token) -> Result<(), zloop_core::Error> {
        self.hold(listener, |held| held.by_handler = true)
    }

    /// Goes on accepting connections.
    ///
    /// # Errors
    ///
    /// As [`pause_accepting`](Self::pause_accepting).
    pub fn resume_accepting(&mut self, listener: Token) -> Result<(), zloop_core::Error> {
        self.hold(listener, |held| held.by_handler = false)
    }

    fn add_listener(&mut self, listener: Listener) -> Result<Token, zloop_core::Error> {
        let fd = listener.socket.as_raw_fd();
        if !sys::may_listen(&listener.socket) {
            let reason = "it does not listen; tcp::listen and unix::listen make a socket that does";
            return Err(zloop_core::Error::Unsuitable { fd, reason });
        }
        set_nonblocking(&listener.socket)?;
        let source = Source::Listener(Box::new(listener));
        let reactor = self.schedule.reactor_mut();
        reactor.register(fd, Interest::READABLE, source)
    }

    /// Changes what keeps a listener from accepting.
    fn hold(
        &mut self,
        token: Token,
        change: impl FnOnce(&mut Held),
    ) -> Result<(), zloop_core::Error> {
        let mut held = self.listener_mut(token)?.held;
        change(&mut held);
        let reactor = self.schedule.reactor_mut();
        reactor.set_interest(token, held.interest())?;
        self.listener_mut(token)?.held = held;
        Ok(())
    }

    fn listener_mut(&mut self, token: Token) -> Result<&mut Listener, zloop_core::Error> {
        match self.schedule.reactor_mut().source_mut(token) {
            Some(Source::Listener(listener)) => Ok(listener),
            _ => Err(zloop_core::Error::Ended),
        }
    }

    /// Accepts what has come.
    pub(super) fn accept(&mut self, handler: &mut H, token: Token) {
        for _ in 0..MAX_ACCEPTED {
            let Some(Source::Listener(listener)) = self.schedule.reactor().source(token) else {
                return;
            };
            if listener.held.by_handler {
                return;
            }
            let added = match accept(&listener.socket) {
                Ok(accepted) => self.add_accepted(token, accepted),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => Err(error),
            };
            if let Err(error) = added {
                // What is not one peer's fault comes again at once, and the loop would spin.
                if Fault::of(&error) != Fault::Peer {
                    self.leave_alone(token);
                }
                handler.accept_failed(self, token, Error::Accept(error));
                return;
            }
            self.serve_queued(handler);
        }
    }

    fn add_accepted(&mut self, listener: Token, accepted: Accepted) -> io::Result<()> {
        let Accepted { fd, peer } = accepted;
        if matches!(peer, Address::Ip(_)) {
            // It fails for a peer that has gone, which reading shows.
            let _ = tcp::set_nodelay(&fd, true);
        }
        let mut link = Link::connected(fd);
        link.is_tcp = matches!(peer, Address::Ip(_));
        link.listener = Some(listener);
        link.peer = Some(peer);
        #[cfg(feature = "tls")]
        if let Some(Source::Listener(source)) = self.schedule.reactor().source(listener)
            && let Some((acceptor, options)) = &source.tls
        {
            let session = acceptor.accept().map_err(io::Error::other)?;
            link = link.with_tls(session, options.clone());
        }
        self.add_link(link)?;
        Ok(())
    }

    /// Accepts nothing for a while.
    fn leave_alone(&mut self, token: Token) {
        if self.hold(token, |held| held.by_failure = true).is_ok() {
            self.try_again_later(token);
        }
    }

    fn try_again_later(&mut self, token: Token) {
        self.call_later(ACCEPT_PAUSE, move |_, driver| {
            match driver.hold(token, |held| held.by_failure = false) {
                // It may have been closed meanwhile.
                Ok(()) | Err(zloop_core::Error::Ended) => {}
                // What the system is short of may be what watching takes.
                Err(_) => driver.try_again_later(token),
            }
        });
    }
}
