//! What a handler writes to the very connection that it is told of.

use zloop_core::Token;

use super::link::SENT_AT_ONCE;

/// Small writes to the connection that is served, gathered in one place that all connections share, so
/// that an answer costs no allocation.
///
/// Invariant: it is open only to a connection without TLS that is open and has nothing else to send.
/// Whatever else changes that connection closes it first, so that bytes keep the order of the writes.
#[derive(Default)]
pub(super) struct Answer {
    to: Option<Token>,
    bytes: Vec<u8>,
}

impl Answer {
    /// Opens it to a connection, unless it is open: a handler may run the driver in the midst of one.
    #[inline]
    pub(super) fn open(&mut self, connection: Token) {
        if self.to.is_none() {
            self.to = Some(connection);
            self.bytes.clear();
        }
    }

    /// Which connection it is open to.
    #[inline]
    pub(super) const fn connection(&self) -> Option<Token> {
        self.to
    }

    /// Adds bytes, if it is open to that connection and they fit; says whether.
    #[inline]
    pub(super) fn take(&mut self, connection: Token, bytes: &[u8]) -> bool {
        let takes = self.to == Some(connection) && self.bytes.len() + bytes.len() < SENT_AT_ONCE;
        if takes {
            self.bytes.extend_from_slice(bytes);
        }
        takes
    }

    /// How many bytes it holds for a connection.
    #[inline]
    pub(super) fn len_to(&self, connection: Token) -> usize {
        if self.to == Some(connection) {
            self.bytes.len()
        } else {
            0
        }
    }

    /// Closes it, if it is open to that connection, and gives out what it holds until it is opened again.
    #[inline]
    pub(super) fn close(&mut self, connection: Token) -> &[u8] {
        match self.to.take_if(|to| *to == connection) {
            Some(_) => &self.bytes,
            None => &[],
        }
    }
}
