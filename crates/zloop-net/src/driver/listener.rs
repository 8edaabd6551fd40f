//! Listeners, and the connections that they accept.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use zloop_core::{Interest, Token};

use super::link::Link;
#[cfg(feature = "tls")]
use super::tls::TlsLayer;
use super::{Driver, Error, Handler, Source};
use crate::accept::{Accepted, accept};
use crate::address::Address;
use crate::fault::Fault;
use crate::tcp;

/// The most connections that are accepted before others are served.
const MAX_ACCEPTED: usize = 64;
/// How long a listener is left alone when the system is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Listener {
    pub(super) socket: OwnedFd,
    /// Whether the handler wants no connections now.
    is_paused: bool,
    /// Whether accepting failed a moment ago.
    is_left_alone: bool,
    #[cfg(feature = "tls")]
    tls: Option<(zloop_tls::Acceptor, zloop_tls::Options)>,
}

impl Listener {
    fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            is_paused: false,
            is_left_alone: false,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl<H: Handler> Driver<H> {
    /// Accepts connections from a socket that [`tcp::listen`](crate::tcp::listen) or
    /// [`unix::listen`](crate::unix::listen) made, until the token is [closed](Self::close).
    ///
    /// When that fails and the peer is not to blame, as when the system is out of descriptors, it
    /// tries again ten times a second. On TCP connections small writes are sent at once.
    ///
    /// # Errors
    ///
    /// As [`Reactor::register`](zloop_core::Reactor::register).
    pub fn listen(&mut self, socket: OwnedFd) -> Result<Token, zloop_core::Error> {
        self.add_listener(Listener::new(socket))
    }

    /// As [`listen`](Self::listen), with TLS. A connection is announced when its handshake is done.
    /// Its write limits are those of `options`.
    ///
    /// # Errors
    ///
    /// As [`Reactor::register`](zloop_core::Reactor::register).
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

    /// Accepts no more connections; those that come wait in the system's queue. False if `listener` is not
    /// that of a listener.
    pub fn pause_accepting(&mut self, listener: Token) -> bool {
        self.change_listener(listener, |listener| listener.is_paused = true)
    }

    /// Goes on accepting connections. False if `listener` is not that of a listener.
    pub fn resume_accepting(&mut self, listener: Token) -> bool {
        self.change_listener(listener, |listener| listener.is_paused = false)
    }

    fn add_listener(&mut self, listener: Listener) -> Result<Token, zloop_core::Error> {
        let fd = listener.socket.as_raw_fd();
        let source = Source::Listener(Box::new(listener));
        let reactor = self.schedule.reactor_mut();
        reactor.register(fd, Interest::READABLE, source)
    }

    /// Changes a listener, which then accepts connections or does not. False if there is no such listener.
    fn change_listener(&mut self, token: Token, change: impl FnOnce(&mut Listener)) -> bool {
        let reactor = self.schedule.reactor_mut();
        let Some(Source::Listener(listener)) = reactor.source_mut(token) else {
            return false;
        };
        change(listener);
        let interest = if listener.is_paused || listener.is_left_alone {
            Interest::NONE
        } else {
            Interest::READABLE
        };
        reactor.set_interest(token, interest).is_ok()
    }

    /// Accepts what has come.
    pub(super) fn accept(&mut self, handler: &mut H, token: Token) {
        for _ in 0..MAX_ACCEPTED {
            let Some(Source::Listener(listener)) = self.schedule.reactor().source(token) else {
                return;
            };
            if listener.is_paused {
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
        link.listener = Some(listener);
        link.peer = Some(peer);
        #[cfg(feature = "tls")]
        if let Some(Source::Listener(source)) = self.schedule.reactor().source(listener)
            && let Some((acceptor, options)) = &source.tls
        {
            let session = acceptor.accept().map_err(io::Error::other)?;
            let layer = TlsLayer::new(session, options.clone());
            link.tls = Some(Box::new(layer));
        }
        self.add_link(link)?;
        Ok(())
    }

    /// Accepts nothing for a while.
    fn leave_alone(&mut self, token: Token) {
        if self.change_listener(token, |listener| listener.is_left_alone = true) {
            self.call_later(ACCEPT_PAUSE, move |_, driver| {
                // It may have been closed meanwhile.
                driver.change_listener(token, |listener| listener.is_left_alone = false);
            });
        }
    }
}
