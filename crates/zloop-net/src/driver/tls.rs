//! A connection's TLS.

use std::time::Duration;

use zloop_core::TimerKey;
use zloop_tls::{Connection, Ending, Event, Options, RustlsSession};

use super::Error;
use super::link::{Happening, Link};
use crate::flow::FlowEvent;
use crate::stream::ReadOutcome;

pub(super) struct TlsLayer {
    pub(super) connection: Connection<RustlsSession>,
    /// What the connection waits for in time, and the timer that was set for it.
    pub(super) timer: Option<(Duration, TimerKey)>,
}

impl TlsLayer {
    fn new(session: RustlsSession, options: Options) -> Self {
        Self {
            connection: Connection::new(session, options),
            timer: None,
        }
    }

    pub(super) fn flow(&mut self, in_transport: usize) -> Option<FlowEvent> {
        self.connection.flow(in_transport).map(|event| match event {
            zloop_tls::FlowEvent::PauseWriting => FlowEvent::PauseWriting,
            zloop_tls::FlowEvent::ResumeWriting => FlowEvent::ResumeWriting,
        })
    }
}

impl Link {
    pub(super) fn with_tls(mut self, session: RustlsSession, options: Options) -> Self {
        self.tls = Some(Box::new(TlsLayer::new(session, options)));
        self
    }

    pub(super) fn next_of_tls(
        &mut self,
        buffer: &mut [u8],
        readable: &mut bool,
        now: Duration,
    ) -> Option<Happening> {
        if let Some(tls) = &mut self.tls {
            tls.connection.start(now);
            tls.connection.expire(now);
        }
        if std::mem::take(readable) && self.stream.is_reading() {
            self.receive();
        }
        while self.failure.is_none() {
            let tls = self.tls.as_mut()?;
            let Some(event) = tls.connection.next_event() else {
                if let Some(count) = tls.connection.read_into(buffer) {
                    return Some(Happening::Received(count));
                }
                if tls.connection.has_event() {
                    continue;
                }
                break;
            };
            match event {
                Event::HandshakeDone => return Some(self.announce()),
                Event::PeerClosed(Ending::CloseNotify) => return Some(Happening::Ended),
                Event::PeerClosed(Ending::Truncated) => self.failure = Some(Error::Truncated),
                Event::Closed => {
                    self.send_by_tls();
                    self.stream.close();
                }
                Event::Failed(error) => {
                    self.send_by_tls();
                    self.failure = Some(Error::Tls(error));
                }
            }
        }
        None
    }

    /// Receives once, into TLS's own buffer.
    fn receive(&mut self) {
        let Some(tls) = &mut self.tls else {
            return;
        };
        let mut rest = [0; 1024];
        let own_room = tls.connection.receive_buffer();
        // Without room nobody wants the bytes, and only their end is news.
        let is_wanted = own_room.is_some();
        match self.stream.read(own_room.unwrap_or(&mut rest)) {
            Ok(ReadOutcome::Data(count)) if is_wanted => tls.connection.received(count),
            Ok(ReadOutcome::Data(_) | ReadOutcome::Blocked) => {}
            Ok(ReadOutcome::End) => tls.connection.receive_end(),
            Err(error) => tls.connection.transport_failed(error),
        }
    }

    /// Encrypts and sends for as long as the socket takes it.
    pub(super) fn send_by_tls(&mut self) {
        let Some(tls) = &mut self.tls else {
            return;
        };
        loop {
            match self.stream.flush() {
                Ok(_) if self.stream.is_blocked() => break,
                Ok(_) => {}
                Err(error) => {
                    tls.connection.transport_failed(error);
                    break;
                }
            }
            let Some(ciphertext) = tls.connection.take_ciphertext() else {
                break;
            };
            if let Err(error) = self.stream.write_now(&ciphertext, <[u8]>::to_vec) {
                tls.connection.transport_failed(error);
                break;
            }
            if self.stream.is_blocked() {
                break;
            }
        }
    }
}
