//! The connection over an engine that is not rustls: one that owns what it hands out, has no room
//! of its own, and fails and stalls as told.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::Duration;

use zloop_tls::{
    Connection, Ending, Error, Event, Fault, FlowEvent, Handshake, Negotiated, NotWritable,
    Options, Received, Session,
};

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("script: {0}")]
struct Failure(&'static str);

/// Says what it is told to, and puts down what it is asked.
#[derive(Debug, Default)]
struct Script {
    handshakes: VecDeque<Result<Handshake, Failure>>,
    reads: VecDeque<Result<Received<&'static str>, Failure>>,
    /// How many bytes each write takes, at most; everything if there is no entry.
    writes: VecDeque<Result<usize, Failure>>,
    close: Option<Failure>,
    outgoing: String,
    received: String,
}

impl Session for Script {
    type Error = Failure;
    type Plaintext<'a> = String;
    type Ciphertext = String;

    fn receive(&mut self, ciphertext: &[u8]) -> Result<(), Failure> {
        self.received.push_str(str::from_utf8(ciphertext).unwrap());
        Ok(())
    }

    fn buffered_ciphertext(&self) -> usize {
        self.received.len()
    }

    fn take_ciphertext(&mut self) -> Result<Option<String>, Failure> {
        let outgoing = std::mem::take(&mut self.outgoing);
        Ok(if outgoing.is_empty() {
            None
        } else {
            Some(outgoing)
        })
    }

    fn handshake(&mut self) -> Result<Handshake, Failure> {
        self.handshakes.pop_front().unwrap_or(Ok(Handshake::Done))
    }

    fn write(&mut self, plaintext: &[IoSlice<'_>]) -> Result<usize, Failure> {
        let bytes: Vec<u8> = plaintext
            .iter()
            .flat_map(|part| part.iter().copied())
            .collect();
        let count = self
            .writes
            .pop_front()
            .unwrap_or(Ok(usize::MAX))?
            .min(bytes.len());
        self.outgoing
            .push_str(str::from_utf8(&bytes[..count]).unwrap());
        Ok(count)
    }

    fn read<R>(&mut self, deliver: impl FnOnce(String) -> R) -> Result<Received<R>, Failure> {
        Ok(
            match self.reads.pop_front().unwrap_or(Ok(Received::Nothing))? {
                Received::Data(data) => Received::Data(deliver(data.to_owned())),
                Received::Nothing => Received::Nothing,
                Received::CloseNotify => Received::CloseNotify,
            },
        )
    }

    fn read_into(&mut self, buffer: &mut [u8]) -> Result<Received<usize>, Failure> {
        self.read(|data| {
            buffer[..data.len()].copy_from_slice(data.as_bytes());
            data.len()
        })
    }

    fn close_notify(&mut self) -> Result<(), Failure> {
        self.outgoing.push('!');
        self.close.take().map_or(Ok(()), Err)
    }

    fn negotiated(&self) -> Result<Negotiated, Failure> {
        Ok(Negotiated::default())
    }

    fn fault(_error: &Failure) -> Fault {
        Fault::Local
    }
}

type Scripted = Connection<Script, &'static str>;

const NOW: Duration = Duration::from_secs(5);

fn connected(script: Script) -> Scripted {
    let mut connection = Scripted::new(script, Options::default());
    connection.start(NOW);
    assert!(matches!(
        connection.next_event(),
        Some(Event::HandshakeDone)
    ));
    connection
}

fn failure(connection: &mut Scripted) -> Failure {
    match connection.next_event() {
        Some(Event::Failed(error @ (Error::Handshake(_) | Error::Traffic(_)))) => {
            assert_eq!(error.fault::<Script>(), Fault::Local);
            assert!(connection.is_closed() && !connection.has_event());
            match error {
                Error::Handshake(failure) | Error::Traffic(failure) => failure,
                _ => unreachable!(),
            }
        }
        other => panic!("no failure of the engine: {other:?}"),
    }
}

#[test]
fn the_handshake_goes_on_with_every_byte_until_it_is_done() {
    let wants_more = || Ok(Handshake::WantsMore);
    let handshakes = [wants_more(), wants_more(), Ok(Handshake::Done)].into();
    let mut connection = Scripted::new(
        Script {
            handshakes,
            ..Script::default()
        },
        Options::default(),
    );
    assert!(connection.is_handshaking());
    connection.receive(b"early ");
    connection.start(NOW);
    connection.start(NOW);
    assert_eq!(
        connection.next_deadline(),
        Some(NOW + Duration::from_secs(60))
    );
    connection.receive(b"one ");
    assert!(connection.is_handshaking() && !connection.has_event());
    connection.receive(b"two");
    assert!(matches!(
        connection.next_event(),
        Some(Event::HandshakeDone)
    ));
    assert_eq!(connection.next_deadline(), None);
    assert_eq!(connection.session().received, "early one two");
}

#[test]
fn a_failing_handshake_still_lets_its_alert_out() {
    let handshakes = [Err(Failure("no"))].into();
    let script = Script {
        handshakes,
        outgoing: "alert".into(),
        ..Script::default()
    };
    let mut connection = Scripted::new(script, Options::default());
    connection.start(NOW);
    assert_eq!(failure(&mut connection), Failure("no"));
    assert_eq!(connection.take_ciphertext().as_deref(), Some("alert"));
    assert_eq!(connection.take_ciphertext(), None);
    assert_eq!(connection.write("late"), Err(NotWritable));
}

#[test]
fn an_engine_that_stalls_is_asked_again_and_loses_nothing() {
    let mut connection = connected(Script {
        writes: [Ok(3), Ok(0)].into(),
        ..Script::default()
    });
    connection.write("hello ").unwrap();
    connection.write("world").unwrap();
    assert_eq!(connection.take_ciphertext().as_deref(), Some("hel"));
    assert_eq!(connection.buffered(), 8);
    connection.close(NOW);
    assert_eq!(connection.take_ciphertext().as_deref(), Some("lo world!"));
    assert_eq!(connection.take_ciphertext(), None);
}

#[test]
fn a_failing_writer_fails_the_connection() {
    let mut connection = connected(Script {
        writes: [Ok(2), Err(Failure("full"))].into(),
        ..Script::default()
    });
    connection.write("hello").unwrap();
    assert_eq!(
        connection.take_ciphertext().as_deref(),
        Some("he"),
        "what was made still goes"
    );
    assert_eq!(failure(&mut connection), Failure("full"));
    assert_eq!(connection.buffered(), 0);
    assert_eq!(connection.flow(0), None::<FlowEvent>);
}

#[test]
fn a_failing_close_fails_the_connection() {
    let mut connection = connected(Script {
        close: Some(Failure("shut")),
        ..Script::default()
    });
    connection.close(NOW);
    assert_eq!(connection.take_ciphertext().as_deref(), Some("!"));
    assert_eq!(failure(&mut connection), Failure("shut"));
}

#[test]
fn reads_hand_over_what_the_engine_owns_then_the_end() {
    let reads = [
        Ok(Received::Data("one")),
        Ok(Received::Data("two")),
        Ok(Received::CloseNotify),
    ];
    let mut connection = connected(Script {
        reads: reads.into(),
        ..Script::default()
    });
    let owned: Option<String> = connection.read(|data| data);
    assert_eq!(owned.as_deref(), Some("one"));
    let mut buffer = [0; 8];
    assert_eq!(connection.read_into(&mut buffer), Some(3));
    assert_eq!(&buffer[..3], b"two");
    assert_eq!(connection.read(|data| data), None);
    assert!(matches!(
        connection.next_event(),
        Some(Event::PeerClosed(Ending::CloseNotify))
    ));
    assert_eq!(connection.read(|data| data), None);
    assert!(!connection.has_event(), "an end comes once");
}

#[test]
fn a_failing_reader_fails_the_connection_after_what_was_good() {
    let reads = [Ok(Received::Data("good")), Err(Failure("bad"))].into();
    let mut connection = connected(Script {
        reads,
        ..Script::default()
    });
    assert!(connection.read(|_| ()).is_some());
    assert!(connection.read(|_| ()).is_none());
    assert_eq!(failure(&mut connection), Failure("bad"));
}

#[test]
fn an_engine_without_room_of_its_own_has_none_to_lend() {
    let mut connection = connected(Script::default());
    assert!(connection.receive_buffer().is_none());
}
