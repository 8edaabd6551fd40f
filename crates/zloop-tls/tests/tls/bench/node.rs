//! A [`Connection`] and the driver that an event loop would be.

use std::time::Duration;

use zloop_tls::{
    Connection, Ending, Error, Event, Fault, FlowEvent, Negotiated, Options, RustlsError,
    RustlsSession, Session,
};

use super::{Endpoint, Link};

/// What happened to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    HandshakeDone,
    PeerClosed(Ending),
    Closed,
    Failed(Fault, String),
    PauseWriting,
    ResumeWriting,
}

/// One of our connections, with its driver.
pub struct Node {
    pub connection: Connection<RustlsSession, Vec<u8>>,
    pub received: Vec<u8>,
    pub notes: Vec<Note>,
    pub error: Option<Error<RustlsError>>,
    /// Closes when the peer has, as asyncio does.
    pub follows: bool,
    /// Reads into a buffer of that size, instead of taking what comes.
    pub read_size: Option<usize>,
    /// Receives into the engine's own buffer.
    pub receives_directly: bool,
    started: bool,
    saw_end: bool,
    stopped: bool,
}

impl Node {
    pub fn new(session: RustlsSession) -> Self {
        Self::with_options(session, Options::default())
    }

    pub fn with_options(session: RustlsSession, options: Options) -> Self {
        Self {
            connection: Connection::new(session, options),
            received: Vec::new(),
            notes: Vec::new(),
            error: None,
            follows: true,
            read_size: None,
            receives_directly: false,
            started: false,
            saw_end: false,
            stopped: false,
        }
    }

    pub fn write(&mut self, data: &[u8]) {
        self.connection
            .write(data.to_vec())
            .expect("the connection takes data");
    }

    pub fn negotiated(&self) -> Negotiated {
        self.connection
            .session()
            .negotiated()
            .expect("rustls can always be asked")
    }

    pub fn is_connected(&self) -> bool {
        self.notes.contains(&Note::HandshakeDone) && !self.connection.is_closed()
    }

    /// The note that the connection ended with.
    pub fn outcome(&self) -> Option<&Note> {
        self.notes
            .iter()
            .find(|note| matches!(note, Note::Closed | Note::Failed(..)))
    }

    /// The engine's error that the connection ended with.
    pub fn engine_error(&self) -> &RustlsError {
        match &self.error {
            Some(Error::Handshake(error) | Error::Traffic(error)) => error,
            other => panic!("the engine did not fail: {other:?}"),
        }
    }

    fn deliver(&mut self) -> bool {
        let Some(size) = self.read_size else {
            let received = &mut self.received;
            return self
                .connection
                .read(|data| received.extend_from_slice(data))
                .is_some();
        };
        let mut buffer = vec![0; size];
        let Some(count) = self.connection.read_into(&mut buffer) else {
            return false;
        };
        assert!((1..=size).contains(&count));
        self.received.extend_from_slice(&buffer[..count]);
        true
    }

    fn note_events(&mut self, now: Duration) -> bool {
        let mut moved = false;
        while let Some(event) = self.connection.next_event() {
            moved = true;
            let note = match event {
                Event::HandshakeDone => Note::HandshakeDone,
                Event::PeerClosed(ending) => {
                    if self.follows {
                        self.connection.close(now);
                    }
                    Note::PeerClosed(ending)
                }
                Event::Closed => Note::Closed,
                Event::Failed(error) => {
                    let note = Note::Failed(error.fault::<RustlsSession>(), error.to_string());
                    self.error = Some(error);
                    note
                }
            };
            self.notes.push(note);
        }
        moved
    }

    fn receive(&mut self, bytes: &[u8]) {
        if !self.receives_directly {
            self.connection.receive(bytes);
            return;
        }
        let mut left = bytes;
        while !left.is_empty() {
            let Some(room) = self.connection.receive_buffer() else {
                break;
            };
            let count = room.len().min(left.len());
            room[..count].copy_from_slice(&left[..count]);
            self.connection.received(count);
            left = &left[count..];
        }
    }

    /// Reads all there is, and notes all that happened.
    fn drain(&mut self, now: Duration) -> bool {
        let mut moved = false;
        loop {
            moved |= self.note_events(now);
            while self.deliver() {
                moved = true;
            }
            if !self.connection.has_event() {
                return moved;
            }
        }
    }

    fn send(&mut self, outward: &mut Link) -> bool {
        let mut moved = false;
        while outward.has_room() {
            let Some(ciphertext) = self.connection.take_ciphertext() else {
                break;
            };
            assert!(!ciphertext.is_empty());
            outward.send(&ciphertext);
            moved = true;
        }
        match self.connection.flow(0) {
            Some(FlowEvent::PauseWriting) => self.notes.push(Note::PauseWriting),
            Some(FlowEvent::ResumeWriting) => self.notes.push(Note::ResumeWriting),
            None => {}
        }
        moved
    }
}

impl Endpoint for Node {
    fn advance(
        &mut self,
        now: Duration,
        segment: usize,
        inward: &mut Link,
        outward: &mut Link,
    ) -> bool {
        if self.stopped {
            return false;
        }
        let mut moved = !self.started;
        if !self.started {
            self.started = true;
            self.connection.start(now);
        }
        if self.connection.wants_ciphertext() && !inward.is_empty() {
            let bytes = inward.take(segment);
            self.receive(&bytes);
            moved = true;
        }
        if self.connection.wants_ciphertext() && inward.at_end() && !self.saw_end {
            self.saw_end = true;
            self.connection.receive_end();
            moved = true;
        }
        moved |= self.drain(now);
        moved |= self.send(outward);
        moved |= self.drain(now);
        if self.connection.is_closed() {
            self.send(outward);
            outward.end();
            self.stopped = true;
            let ends = self
                .notes
                .iter()
                .filter(|note| matches!(note, Note::Closed | Note::Failed(..)))
                .count();
            assert_eq!(ends, 1, "an end comes once: {:?}", self.notes);
            moved = true;
        }
        moved
    }

    fn expire(&mut self, now: Duration) {
        if self
            .connection
            .next_deadline()
            .is_some_and(|deadline| deadline <= now)
        {
            self.connection.expire(now);
        }
    }
}
