//! One of two connections, its driver, and what has to hold of it at all times.

use std::io;
use std::time::Duration;

use zloop_tls::{Connection, Ending, Error, Event, FlowEvent, Limits, Options};

use super::engine::{Nonsense, Toy};
use super::wire::Wire;

/// What the driver was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    HandshakeDone,
    PeerClosed(Ending),
    Closed,
    /// Whether it was the peer that said too much.
    Failed {
        late_data: bool,
    },
}

pub struct Side {
    pub connection: Connection<Toy, Vec<u8>>,
    /// What the connection took from the application.
    pub written: Vec<u8>,
    pub received: Vec<u8>,
    /// Reads so many bytes at a time, instead of what comes.
    pub read_size: Option<usize>,
    told: Vec<Told>,
    writing_paused: bool,
    saw_end: bool,
    is_over: bool,
}

impl Side {
    pub fn new(is_server: bool) -> Self {
        let options = Options {
            write_limits: Limits {
                high: 2000,
                low: 500,
            },
            read_limits: Limits {
                high: 1000,
                low: 200,
            },
            encrypt_ahead: 600,
            late_data_limit: 1500,
            ..Options::default()
        };
        Self {
            connection: Connection::new(Toy::new(is_server), options),
            written: Vec::new(),
            received: Vec::new(),
            read_size: None,
            told: Vec::new(),
            writing_paused: false,
            saw_end: false,
            is_over: false,
        }
    }

    /// Each byte tells where it belongs, so that a lost or doubled one shows.
    pub fn write(&mut self, len: usize) {
        let start = self.written.len();
        let chunk: Vec<u8> = (start..start + len)
            .map(|place| (place % 251) as u8)
            .collect();
        if self.connection.write(chunk.clone()).is_ok() {
            assert!(!self.connection.is_closing());
            self.written.extend(chunk);
        }
    }

    /// Takes up to `limit` bytes from the wire, or its end.
    pub fn receive(&mut self, inward: &mut Wire, limit: usize) {
        if !self.connection.wants_ciphertext() {
            return;
        }
        let bytes = inward.take(limit);
        if !bytes.is_empty() {
            self.connection.receive(&bytes);
        } else if inward.at_end() && !self.saw_end {
            self.saw_end = true;
            self.connection.receive_end();
            assert!(!self.connection.wants_ciphertext(), "no byte will follow");
        }
    }

    pub fn fail_transport(&mut self) {
        let error = io::Error::from(io::ErrorKind::ConnectionReset);
        self.connection.transport_failed(error);
    }

    /// Lets time come to `now`. Nothing is given up before its deadline, and nothing is kept after.
    pub fn expire(&mut self, now: Duration) {
        let deadline = self.connection.next_deadline();
        let was_closed = self.connection.is_closed();
        self.connection.expire(now);
        let expired = deadline.is_some_and(|deadline| deadline <= now);
        assert_eq!(self.connection.is_closed(), was_closed || expired);
    }

    /// Does what a driver does after each call, with as much room as the wire has.
    pub fn drive(&mut self, outward: &mut Wire) {
        loop {
            self.deliver();
            while outward.has_room() {
                let Some(bytes) = self.connection.take_ciphertext() else {
                    break;
                };
                assert!(!bytes.is_empty());
                outward.put(&bytes);
            }
            self.note_flow(outward.len());
            if !self.connection.has_event() {
                break;
            }
        }
        if self.connection.is_closed() && !self.is_over {
            self.is_over = true;
            // The last word may be an alert, which goes out whether there is room or not.
            while let Some(bytes) = self.connection.take_ciphertext() {
                outward.put(&bytes);
            }
            outward.end();
        }
        self.check();
    }

    pub fn heard_the_end(&self) -> bool {
        self.told.contains(&Told::PeerClosed(Ending::CloseNotify))
    }

    /// Whether the connection ended as it should.
    pub fn closed_well(&self) -> bool {
        self.told.contains(&Told::Closed)
    }

    /// Whether a peer that went on writing was given up.
    pub fn gave_up(&self) -> bool {
        self.told.contains(&Told::Failed { late_data: true })
    }

    fn deliver(&mut self) {
        loop {
            while let Some(event) = self.connection.next_event() {
                self.note(&event);
            }
            while let Some(data) = self.read() {
                assert!(self.connection.is_reading() && !data.is_empty());
                let data_flows = [Told::HandshakeDone];
                assert_eq!(self.told, data_flows, "data comes between the two");
                self.received.extend(data);
            }
            if !self.connection.has_event() {
                break;
            }
        }
    }

    fn read(&mut self) -> Option<Vec<u8>> {
        let Some(size) = self.read_size else {
            return self.connection.read(|data| data);
        };
        let mut buffer = vec![0; size];
        let count = self.connection.read_into(&mut buffer)?;
        buffer.truncate(count);
        Some(buffer)
    }

    /// Each event comes once, in their order, and the last is the last.
    fn note(&mut self, event: &Event<Nonsense>) {
        let told = match event {
            Event::HandshakeDone => Told::HandshakeDone,
            Event::PeerClosed(ending) => Told::PeerClosed(*ending),
            Event::Closed => Told::Closed,
            Event::Failed(error) => Told::Failed {
                late_data: matches!(error, Error::LateData),
            },
        };
        let allowed = match (self.told.last(), told) {
            (None, Told::HandshakeDone | Told::Closed | Told::Failed { .. })
            | (
                Some(Told::HandshakeDone),
                Told::PeerClosed(_) | Told::Closed | Told::Failed { .. },
            )
            | (Some(Told::PeerClosed(_)), Told::Closed | Told::Failed { .. }) => true,
            (_, _) => false,
        };
        assert!(allowed, "{told:?} after {:?}", self.told);
        self.told.push(told);
    }

    fn note_flow(&mut self, in_transport: usize) {
        match self.connection.flow(in_transport) {
            Some(FlowEvent::PauseWriting) => assert!(!self.writing_paused),
            Some(FlowEvent::ResumeWriting) => assert!(self.writing_paused),
            None => {}
        }
        self.writing_paused = self.connection.is_writing_paused();
        let limits = self.connection.options().write_limits;
        let waiting = self.connection.buffered() + in_transport;
        if self.writing_paused {
            assert!(waiting > limits.low);
        } else {
            assert!(waiting < limits.high);
        }
        assert_eq!(
            self.connection.flow(in_transport),
            None,
            "each event comes once"
        );
    }

    fn check(&mut self) {
        let connection = &mut self.connection;
        assert!(!connection.has_event());
        let ended = matches!(self.told.last(), Some(Told::Closed | Told::Failed { .. }));
        assert_eq!(connection.is_closed(), ended);
        if ended {
            assert!(connection.is_closing() && !connection.is_handshaking());
            assert!(!connection.wants_ciphertext());
            assert_eq!(connection.next_deadline(), None);
            assert_eq!(connection.buffered(), 0);
            assert!(connection.write(vec![0]).is_err());
            assert_eq!(connection.read(|data| data), None);
            assert_eq!(connection.take_ciphertext(), None);
        } else {
            let waits = connection.is_handshaking() || connection.is_closing();
            assert_eq!(connection.next_deadline().is_some(), waits);
        }
    }
}
