//! The way out: plaintext to ciphertext.

use std::io::IoSlice;

use super::state::{FlowEvent, Sending, State};
use super::{Connection, Limits};
use crate::{Error, Session};

/// How many chunks are handed to the engine at a time.
const PARTS: usize = 16;

/// What was written is lost: the connection is closing, or its end was written already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the TLS connection takes no more data")]
pub struct NotWritable;

impl<S: Session, C: AsRef<[u8]>> Connection<S, C> {
    /// Takes in data for the peer. It is encrypted when the transport asks for ciphertext, and
    /// not before the handshake is done.
    ///
    /// # Errors
    ///
    /// [`NotWritable`] after [`close`](Self::close), [`write_eof`](Self::write_eof) or the end.
    pub fn write(&mut self, chunk: C) -> Result<(), NotWritable> {
        if self.sending != Sending::Open || self.state == State::Closed {
            return Err(NotWritable);
        }
        self.backlog.push(chunk);
        Ok(())
    }

    /// The next bytes for the peer. The transport asks whenever it could send some, until there
    /// are none; what it does not ask for stays plaintext.
    ///
    /// Failures show as events.
    pub fn take_ciphertext(&mut self) -> Option<S::Ciphertext> {
        self.encrypt();
        match self.session.take_ciphertext() {
            Ok(ciphertext) => ciphertext,
            Err(error) => {
                let error = if self.is_handshaking() {
                    Error::Handshake(error)
                } else {
                    Error::Traffic(error)
                };
                self.fail(error);
                None
            }
        }
    }

    /// How many bytes were written and wait to be encrypted.
    pub fn buffered(&self) -> usize {
        self.backlog.len()
    }

    /// Whether the application should pause or resume writing, counting what waits here and the
    /// `in_transport` bytes that the transport has yet to send. To be asked when the transport
    /// has taken what it wants.
    pub fn flow(&mut self, in_transport: usize) -> Option<FlowEvent> {
        let size = self.backlog.len().saturating_add(in_transport);
        let paused = self.options.write_limits.pauses(self.writing_paused, size);
        if paused == self.writing_paused {
            return None;
        }
        self.writing_paused = paused;
        Some(if paused {
            FlowEvent::PauseWriting
        } else {
            FlowEvent::ResumeWriting
        })
    }

    /// Whether the application was told to pause writing and not yet to resume.
    pub fn is_writing_paused(&self) -> bool {
        self.writing_paused
    }

    /// Changes when [`flow`](Self::flow) pauses and resumes.
    pub fn set_write_limits(&mut self, limits: Limits) {
        self.options.write_limits = limits;
    }

    /// Encrypts the next of what waits, and the end after the last of it.
    fn encrypt(&mut self) {
        if self.is_handshaking() || self.state == State::Closed || self.sending == Sending::Ended {
            return;
        }
        if let Err(error) = self.encrypt_backlog() {
            self.fail(Error::Traffic(error));
        } else if self.sending == Sending::Ending && self.backlog.is_empty() {
            match self.session.close_notify() {
                Ok(()) => {
                    self.sending = Sending::Ended;
                    self.advance_shutdown();
                    self.discard_incoming();
                }
                Err(error) => self.fail(Error::Traffic(error)),
            }
        }
    }

    fn encrypt_backlog(&mut self) -> Result<(), S::Error> {
        let mut budget = self.options.encrypt_ahead.max(1);
        while budget > 0 && !self.backlog.is_empty() {
            let mut parts = [IoSlice::new(&[]); PARTS];
            let count = self.backlog.gather(&mut parts, budget);
            let used = self.session.write(&parts[..count])?;
            if used == 0 {
                break;
            }
            self.backlog.advance(used);
            budget = budget.saturating_sub(used);
        }
        Ok(())
    }
}
