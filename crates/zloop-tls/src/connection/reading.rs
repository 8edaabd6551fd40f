//! The way in: ciphertext to plaintext.

use tracing::debug;

use super::state::{Ending, Receiving, State};
use super::{Connection, Limits};
use crate::{Error, Received, Session};

impl<S: Session, C: AsRef<[u8]>> Connection<S, C> {
    /// Takes in bytes from the transport. Failures show as events.
    pub fn receive(&mut self, ciphertext: &[u8]) {
        if !self.takes_ciphertext() {
            return;
        }
        match self.session.receive(ciphertext) {
            Ok(()) => self.advance_incoming(),
            Err(error) if self.is_handshaking() => self.fail(Error::Handshake(error)),
            Err(error) => self.fail(Error::Traffic(error)),
        }
    }

    /// The engine's own room to receive into, if it has such; [`received`](Self::received) says
    /// how much of it was filled. Saves the copy that [`receive`](Self::receive) makes.
    pub fn receive_buffer(&mut self) -> Option<&mut [u8]> {
        if self.takes_ciphertext() {
            self.session.receive_buffer()
        } else {
            None
        }
    }

    /// Says that the first `count` bytes of [`receive_buffer`](Self::receive_buffer) were filled.
    pub fn received(&mut self, count: usize) {
        if count > 0 && self.takes_ciphertext() {
            self.session.received(count);
            self.advance_incoming();
        }
    }

    /// Says that the transport's end came: no byte will follow.
    ///
    /// Data that came before it can still be read; then, if there was no close_notify, comes
    /// [`PeerClosed`](super::Event::PeerClosed) with [`Ending::Truncated`].
    pub fn receive_end(&mut self) {
        self.transport_ended = true;
        match self.state {
            State::ExpectStart | State::ExpectHandshake { .. } => self.fail(Error::HandshakeEnd),
            State::ExpectFlush { .. } | State::ExpectCloseNotify { .. } => self.discard_incoming(),
            State::ExpectTraffic | State::Closed => {}
        }
    }

    /// Passes the next data from the peer to `deliver` and returns what that made of it. `None`
    /// if there is none now, reading is paused, or the connection is not open; events say why.
    pub fn read<R>(&mut self, deliver: impl FnOnce(S::Plaintext<'_>) -> R) -> Option<R> {
        if !self.is_readable() {
            return None;
        }
        let result = self.session.read(deliver);
        self.take_received(result)
    }

    /// Reads the next data from the peer into `buffer`, and says how many bytes: never 0. `None`
    /// as [`read`](Self::read) has it, and for an empty buffer.
    pub fn read_into(&mut self, buffer: &mut [u8]) -> Option<usize> {
        if buffer.is_empty() || !self.is_readable() {
            return None;
        }
        let result = self.session.read_into(buffer);
        self.take_received(result)
    }

    /// Makes [`read`](Self::read) deliver nothing, and receiving stop once enough waits.
    pub fn pause_reading(&mut self) {
        self.reading_paused = true;
    }

    /// Undoes [`pause_reading`](Self::pause_reading). What waits can be read at once.
    pub fn resume_reading(&mut self) {
        self.reading_paused = false;
    }

    /// Whether reading is not paused.
    pub fn is_reading(&self) -> bool {
        !self.reading_paused
    }

    /// Changes how much ciphertext may wait while reading is paused.
    pub fn set_read_limits(&mut self, limits: Limits) {
        self.options.read_limits = limits;
    }

    /// Whether the transport should go on receiving. To be asked after each call that could have
    /// changed it.
    pub fn wants_ciphertext(&mut self) -> bool {
        let holds_back = self.reading_paused && self.is_readable_state();
        self.intake_paused = holds_back
            && self
                .options
                .read_limits
                .pauses(self.intake_paused, self.session.buffered_ciphertext());
        self.state != State::Closed && !self.transport_ended && !self.intake_paused
    }

    /// Whether bytes from the peer still mean anything.
    fn takes_ciphertext(&self) -> bool {
        self.receiving == Receiving::Open && !self.transport_ended && self.state != State::Closed
    }

    fn is_readable_state(&self) -> bool {
        self.state == State::ExpectTraffic && self.receiving == Receiving::Open
    }

    fn is_readable(&self) -> bool {
        self.is_readable_state() && !self.reading_paused
    }

    fn advance_incoming(&mut self) {
        match self.state {
            State::ExpectHandshake { .. } => self.advance_handshake(),
            State::ExpectFlush { .. } | State::ExpectCloseNotify { .. } => self.discard_incoming(),
            State::ExpectStart | State::ExpectTraffic | State::Closed => {}
        }
    }

    fn take_received<R>(&mut self, result: Result<Received<R>, S::Error>) -> Option<R> {
        match result {
            Ok(Received::Data(data)) => return Some(data),
            Ok(Received::Nothing) if self.transport_ended => {
                self.end_receiving(Ending::Truncated);
            }
            Ok(Received::Nothing) => {}
            Ok(Received::CloseNotify) => self.end_receiving(Ending::CloseNotify),
            Err(error) => self.fail(Error::Traffic(error)),
        }
        None
    }

    fn end_receiving(&mut self, ending: Ending) {
        debug!(target: "zloop_tls", ?ending, "the peer ended");
        self.receiving = Receiving::Ended(ending);
        if self.state == State::ExpectTraffic {
            self.unseen.peer_closed = Some(ending);
        }
        self.advance_shutdown();
    }

    /// Looks for the peer's close_notify behind data that nobody wants any more.
    pub(super) fn discard_incoming(&mut self) {
        while self.state.is_closing() && self.receiving == Receiving::Open {
            let result = self.session.read(|plaintext| plaintext.as_ref().len());
            let Some(discarded) = self.take_received(result) else {
                break;
            };
            if let State::ExpectCloseNotify { .. } = self.state {
                self.late_data += discarded;
                if self.late_data > self.options.late_data_limit {
                    self.fail(Error::LateData);
                }
            }
        }
    }
}
