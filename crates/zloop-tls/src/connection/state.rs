//! The states of a connection, and what it tells its driver.

use std::error::Error as StdError;
use std::time::Duration;

use crate::Error;

/// What a connection waits for. The drawing is in the crate's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing has happened yet.
    ExpectStart,
    /// The two sides agree on how to talk.
    ExpectHandshake { deadline: Duration },
    /// Application data flows, in those directions that are open.
    ExpectTraffic,
    /// Closing: what was written has to be taken by the transport.
    ExpectFlush { deadline: Duration },
    /// Closing: our close_notify is out, the peer's is to come.
    ExpectCloseNotify { deadline: Duration },
    /// Nothing will happen any more.
    Closed,
}

impl State {
    pub(super) fn deadline(self) -> Option<Duration> {
        match self {
            Self::ExpectHandshake { deadline }
            | Self::ExpectFlush { deadline }
            | Self::ExpectCloseNotify { deadline } => Some(deadline),
            Self::ExpectStart | Self::ExpectTraffic | Self::Closed => None,
        }
    }

    pub(super) fn is_closing(self) -> bool {
        matches!(
            self,
            Self::ExpectFlush { .. } | Self::ExpectCloseNotify { .. }
        )
    }
}

/// Our direction of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    /// The application may write.
    Open,
    /// It wrote its last; close_notify follows what waits.
    Ending,
    /// close_notify was made.
    Ended,
}

/// The peer's direction of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receiving {
    /// Data may come, or has come and waits.
    Open,
    /// There will be no more.
    Ended(Ending),
}

/// How the peer's data ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// By its close_notify: everything it sent has been read.
    CloseNotify,
    /// By the transport's end alone. Somebody may have cut the data short.
    Truncated,
}

/// What happened to a connection. Each comes at most once, and in this order; of the last two,
/// exactly one comes.
#[derive(Debug)]
pub enum Event<E: StdError + 'static> {
    /// The handshake is done: data flows, and
    /// [`Session::negotiated`](crate::Session::negotiated) has answers.
    HandshakeDone,
    /// The peer will send no more. Our direction stays open until
    /// [`close`](crate::Connection::close) is called, which a driver that does not want a
    /// half-closed connection does now.
    PeerClosed(Ending),
    /// The end, as it should be: take the ciphertext that is left, send it, and close the
    /// transport.
    Closed,
    /// The end, by a failure: take the ciphertext that is left, which may be an alert for the
    /// peer, send what can be sent at once, and abort the transport.
    Failed(Error<E>),
}

/// What an application that writes should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlowEvent {
    /// Too much waits: stop for now.
    PauseWriting,
    /// Little enough waits: go on.
    ResumeWriting,
}

/// Events that the driver did not fetch yet.
#[derive(Debug)]
pub(super) struct Unseen<E: StdError + 'static> {
    pub(super) handshake_done: bool,
    pub(super) peer_closed: Option<Ending>,
    pub(super) outcome: Option<Result<(), Error<E>>>,
}

impl<E: StdError + 'static> Unseen<E> {
    pub(super) const fn new() -> Self {
        Self {
            handshake_done: false,
            peer_closed: None,
            outcome: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.handshake_done && self.peer_closed.is_none() && self.outcome.is_none()
    }

    pub(super) fn next(&mut self) -> Option<Event<E>> {
        if std::mem::take(&mut self.handshake_done) {
            return Some(Event::HandshakeDone);
        }
        if let Some(ending) = self.peer_closed.take() {
            return Some(Event::PeerClosed(ending));
        }
        self.outcome.take().map(|outcome| match outcome {
            Ok(()) => Event::Closed,
            Err(error) => Event::Failed(error),
        })
    }
}
