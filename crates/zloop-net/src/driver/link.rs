//! One connection, with or without TLS.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use zloop_core::{Interest, Token};

use super::Error;
#[cfg(feature = "tls")]
use super::tls::TlsLayer;
use crate::address::Address;
use crate::connect::Connecting;
use crate::descriptor::Descriptor;
use crate::flow::FlowEvent;
use crate::stream::{NotWritable, ReadOutcome, Stream};
use crate::{sys, tcp};

/// From what size on copying a write costs more than a system call of its own.
pub(super) const SENT_AT_ONCE: usize = 8 * 1024;

/// What happened to a connection that its handler has to hear of.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Happening {
    Connected,
    /// So many bytes are at the start of the buffer.
    Received(usize),
    Ended,
}

/// How far a connection got.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Phase {
    Connecting,
    /// Connected, and with TLS, not through its handshake.
    Made,
    Announced,
}

pub(super) struct Link {
    pub(super) stream: Stream<Vec<u8>>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Box<TlsLayer>>,
    phase: Phase,
    /// Whether it is known to be TCP: a read that comes short then found all there was.
    pub(super) is_tcp: bool,
    /// Whether it stands in the driver's list of those that have something to do.
    pub(super) is_queued: bool,
    /// The listener that accepted it.
    pub(super) listener: Option<Token>,
    pub(super) peer: Option<Address>,
    /// Whether the peer sends no more.
    has_ended: bool,
    /// Why it is lost.
    pub(super) failure: Option<Error>,
}

impl Link {
    pub(super) fn connected(fd: OwnedFd) -> Self {
        Self::new(fd, Phase::Made)
    }

    pub(super) fn connecting(connecting: Connecting) -> Self {
        // It fails for what is not TCP.
        let is_tcp = tcp::set_nodelay(&connecting, true).is_ok();
        let phase = if connecting.is_connected() {
            Phase::Made
        } else {
            Phase::Connecting
        };
        Self {
            is_tcp,
            ..Self::new(connecting.into_fd(), phase)
        }
    }

    fn new(fd: OwnedFd, phase: Phase) -> Self {
        Self {
            stream: Stream::new(Descriptor::Owned(fd)),
            #[cfg(feature = "tls")]
            tls: None,
            phase,
            is_tcp: false,
            is_queued: false,
            listener: None,
            peer: None,
            has_ended: false,
            failure: None,
        }
    }

    /// Whether the handler knows of it: announced, or begun by the program itself.
    pub(super) fn is_known(&self) -> bool {
        self.listener.is_none() || self.phase == Phase::Announced
    }

    /// Whether it has to be told the time.
    #[inline]
    pub(super) fn has_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// What happens next; reads once, if `readable`. Data is put into `buffer`. Without TLS, `now`
    /// is nothing to it.
    #[inline]
    pub(super) fn next(
        &mut self,
        buffer: &mut [u8],
        readable: &mut bool,
        now: Duration,
    ) -> Option<Happening> {
        if self.phase != Phase::Announced || self.has_tls() {
            return self.next_of_others(buffer, readable, now);
        }
        if !std::mem::take(readable) || !self.stream.is_reading() {
            return None;
        }
        match self.stream.read(buffer) {
            Ok(ReadOutcome::Data(count)) => Some(Happening::Received(count)),
            Ok(ReadOutcome::End) => {
                self.has_ended = true;
                Some(Happening::Ended)
            }
            Ok(ReadOutcome::Blocked) => None,
            Err(error) => {
                self.failure = Some(Error::Transport(error));
                None
            }
        }
    }

    /// What happens next to one that is not announced yet, or has TLS.
    #[inline(never)]
    fn next_of_others(
        &mut self,
        buffer: &mut [u8],
        readable: &mut bool,
        now: Duration,
    ) -> Option<Happening> {
        if self.phase == Phase::Connecting && !self.finish_connecting() {
            return None;
        }
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return self.next_of_tls(buffer, readable, now);
        }
        let _ = (buffer, readable, now);
        if self.stream.is_closing() {
            return None;
        }
        Some(self.announce())
    }

    pub(super) fn announce(&mut self) -> Happening {
        self.phase = Phase::Announced;
        Happening::Connected
    }

    /// Whether the connection is made.
    fn finish_connecting(&mut self) -> bool {
        match sys::connect_result(&sys::borrow(self.stream.as_raw_fd())) {
            Ok(_) => self.phase = Phase::Made,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(error) => self.failure = Some(Error::Connect(error)),
        }
        self.failure.is_none()
    }

    /// Sends what can be sent; nothing while the system takes nothing, until it is `writable`.
    pub(super) fn send(&mut self, writable: bool) {
        let is_refused = self.stream.is_blocked() && !writable;
        if self.phase == Phase::Connecting || self.failure.is_some() || is_refused {
            return;
        }
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            self.send_by_tls();
            return;
        }
        if let Err(error) = self.stream.flush() {
            self.failure = Some(Error::Transport(error));
        }
    }

    /// Sends what waits for room, before the handler is told of anything: of room at an edge nobody is told
    /// again, whatever the handler does.
    #[inline]
    pub(super) fn use_room(&mut self) {
        if self.stream.is_blocked() && !self.has_tls() {
            self.send(true);
        }
    }

    /// Whether what its handler writes can be [sent](Self::send_answer) from anywhere.
    #[inline]
    pub(super) fn takes_answer(&self) -> bool {
        !self.has_tls()
            && self.phase != Phase::Connecting
            && self.failure.is_none()
            && self.stream.buffered() == 0
            && !self.stream.is_closing()
            && !self.stream.is_eof_requested()
    }

    /// Sends what was written since it [took an answer](Self::takes_answer), and nothing else was done.
    #[inline]
    pub(super) fn send_answer(&mut self, bytes: &[u8]) {
        if self.failure.is_none()
            && let Err(error) = self.stream.write_now(bytes, <[u8]>::to_vec)
        {
            self.failure = Some(Error::Transport(error));
        }
    }

    /// Whether an [answer](Self::send_answer) was all there was to do. What took one had nothing to send and
    /// was not closing, so what is not blocked now has told of its flow, and what is still reading waits for
    /// nothing else.
    #[inline]
    pub(super) fn is_quiet(&self) -> bool {
        let is_quiet =
            self.failure.is_none() && self.stream.is_reading() && !self.stream.is_blocked();
        debug_assert!(!is_quiet || (self.stream.buffered() == 0 && !self.is_over()));
        is_quiet
    }

    /// Keeps what was written since then, to be sent before what is written next.
    pub(super) fn keep_answer(&mut self, bytes: Vec<u8>) {
        // The stream was open when the answer was, and nothing else was done to it.
        let _ = self.stream.write(bytes);
    }

    pub(super) fn write(
        &mut self,
        bytes: impl AsRef<[u8]> + Into<Vec<u8>>,
    ) -> Result<(), NotWritable> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            return tls.connection.write(bytes.into()).map_err(|_| NotWritable);
        }
        if self.failure.is_some() || self.stream.is_closing() {
            return Err(NotWritable);
        }
        let is_sent_at_once = bytes.as_ref().len() >= SENT_AT_ONCE
            && self.stream.buffered() == 0
            && self.phase != Phase::Connecting;
        if !is_sent_at_once || self.stream.is_eof_requested() {
            return self.stream.write(bytes.into());
        }
        if let Err(error) = self.stream.write_now(bytes.as_ref(), <[u8]>::to_vec) {
            self.failure = Some(Error::Transport(error));
        }
        Ok(())
    }

    pub(super) fn write_eof(&mut self) {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            tls.connection.write_eof();
            return;
        }
        self.stream.write_eof();
    }

    pub(super) fn close(&mut self, now: Duration) {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            tls.connection.close(now);
            return;
        }
        let _ = now;
        self.stream.close();
    }

    pub(super) fn abort(&mut self) {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            tls.connection.abort();
        }
        self.stream.abort();
    }

    pub(super) fn pause_reading(&mut self) {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            tls.connection.pause_reading();
            return;
        }
        self.stream.pause_reading();
    }

    pub(super) fn resume_reading(&mut self) {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            tls.connection.resume_reading();
            return;
        }
        self.stream.resume_reading();
    }

    pub(super) fn flow(&mut self) -> Option<FlowEvent> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            return tls.flow(self.stream.buffered());
        }
        self.stream.flow()
    }

    pub(super) fn buffered(&self) -> usize {
        let waiting = self.stream.buffered();
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return waiting + tls.connection.buffered();
        }
        waiting
    }

    /// Whether [`next`](Self::next) has something to tell without reading.
    pub(super) fn has_news(&self) -> bool {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return self.failure.is_none() && tls.connection.has_event();
        }
        false
    }

    /// Whether nothing is left to do for it.
    pub(super) fn is_over(&self) -> bool {
        let has_ended = self.has_ended && self.stream.is_eof_requested();
        self.failure.is_some()
            || (self.stream.is_drained() && (self.stream.is_closing() || has_ended))
    }

    /// What to wait for: of TCP at edges, but with TLS, which says itself whether to receive.
    pub(super) fn interest(&mut self) -> Interest {
        if self.phase == Phase::Connecting {
            return Interest::WRITABLE;
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            if tls.connection.wants_ciphertext() {
                self.stream.resume_reading();
            } else {
                self.stream.pause_reading();
            }
            return self.stream.interest();
        }
        let interest = self.stream.interest();
        if self.is_tcp {
            interest | Interest::EDGE
        } else {
            interest
        }
    }
}
