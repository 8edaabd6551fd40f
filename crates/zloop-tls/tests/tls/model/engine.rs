//! An engine whose records anybody can read: it has the shape of TLS and no cryptography, so that
//! millions of conversations can be tried. It fails the test when the connection breaks the rules
//! of [`Session`].

use std::collections::VecDeque;
use std::io::IoSlice;

use zloop_tls::{Fault, Handshake, Negotiated, Received, Session};

const HELLO: u8 = 1;
const DATA: u8 = 2;
const CLOSE: u8 = 3;

/// The most that a record holds.
const RECORD: usize = 200;

/// What came was no record, or not one that may come now.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not what a peer may say")]
pub struct Nonsense;

/// A record is its kind, the length of its body, and its body.
#[derive(Debug)]
pub struct Toy {
    inbound: VecDeque<u8>,
    outbound: Vec<u8>,
    /// What was read and did not fit the reader's buffer.
    rest: Vec<u8>,
    is_server: bool,
    is_done: bool,
    said_close: bool,
    heard_close: bool,
    is_broken: bool,
}

impl Toy {
    pub fn new(is_server: bool) -> Self {
        let mut toy = Self {
            inbound: VecDeque::new(),
            outbound: Vec::new(),
            rest: Vec::new(),
            is_server,
            is_done: false,
            said_close: false,
            heard_close: false,
            is_broken: false,
        };
        if !is_server {
            toy.say(HELLO, &[]);
        }
        toy
    }

    fn say(&mut self, kind: u8, body: &[u8]) {
        self.outbound.extend([kind, body.len() as u8]);
        self.outbound.extend(body);
    }

    /// The next whole record, if it is there.
    fn hear(&mut self) -> Result<Option<(u8, Vec<u8>)>, Nonsense> {
        let Some(&kind) = self.inbound.front() else {
            return Ok(None);
        };
        if !(HELLO..=CLOSE).contains(&kind) {
            return Err(self.fail());
        }
        let Some(&len) = self.inbound.get(1) else {
            return Ok(None);
        };
        let end = 2 + usize::from(len);
        if self.inbound.len() < end {
            return Ok(None);
        }
        let body = self.inbound.drain(..end).skip(2).collect();
        Ok(Some((kind, body)))
    }

    fn fail(&mut self) -> Nonsense {
        self.is_broken = true;
        self.outbound.push(u8::MAX);
        Nonsense
    }

    fn check_alive(&self) {
        assert!(
            !self.is_broken,
            "nothing but ciphertext is asked of a broken engine"
        );
    }
}

impl Session for Toy {
    type Error = Nonsense;
    type Plaintext<'a> = Vec<u8>;
    type Ciphertext = Vec<u8>;

    fn receive(&mut self, ciphertext: &[u8]) -> Result<(), Nonsense> {
        self.check_alive();
        self.inbound.extend(ciphertext);
        Ok(())
    }

    fn buffered_ciphertext(&self) -> usize {
        self.check_alive();
        self.inbound.len() + self.rest.len()
    }

    fn take_ciphertext(&mut self) -> Result<Option<Vec<u8>>, Nonsense> {
        let outbound = std::mem::take(&mut self.outbound);
        Ok(Some(outbound).filter(|bytes| !bytes.is_empty()))
    }

    fn handshake(&mut self) -> Result<Handshake, Nonsense> {
        self.check_alive();
        assert!(!self.is_done, "the handshake is done once");
        match self.hear()? {
            None => return Ok(Handshake::WantsMore),
            Some((HELLO, _)) => self.is_done = true,
            Some(_) => return Err(self.fail()),
        }
        if self.is_server {
            self.say(HELLO, &[]);
        }
        Ok(Handshake::Done)
    }

    fn write(&mut self, plaintext: &[IoSlice<'_>]) -> Result<usize, Nonsense> {
        self.check_alive();
        assert!(self.is_done, "nothing is written before the handshake");
        assert!(!self.said_close, "nothing is written after close_notify");
        let bytes = plaintext.iter().flat_map(|part| part.iter().copied());
        let body: Vec<u8> = bytes.take(RECORD).collect();
        assert!(!body.is_empty(), "there is something to write");
        self.say(DATA, &body);
        Ok(body.len())
    }

    fn read<R>(&mut self, deliver: impl FnOnce(Vec<u8>) -> R) -> Result<Received<R>, Nonsense> {
        self.check_alive();
        assert!(self.is_done, "nothing is read before the handshake");
        if !self.rest.is_empty() {
            return Ok(Received::Data(deliver(std::mem::take(&mut self.rest))));
        }
        if self.heard_close {
            return Ok(Received::CloseNotify);
        }
        loop {
            match self.hear()? {
                None => return Ok(Received::Nothing),
                Some((DATA, body)) if body.is_empty() => {}
                Some((DATA, body)) => return Ok(Received::Data(deliver(body))),
                Some((CLOSE, _)) => {
                    self.heard_close = true;
                    return Ok(Received::CloseNotify);
                }
                Some(_) => return Err(self.fail()),
            }
        }
    }

    fn read_into(&mut self, buffer: &mut [u8]) -> Result<Received<usize>, Nonsense> {
        assert!(!buffer.is_empty(), "there is room to read into");
        let mut rest = Vec::new();
        let received = self.read(|body| {
            let fits = body.len().min(buffer.len());
            buffer[..fits].copy_from_slice(&body[..fits]);
            rest.extend_from_slice(&body[fits..]);
            fits
        });
        self.rest.extend(rest);
        received
    }

    fn close_notify(&mut self) -> Result<(), Nonsense> {
        self.check_alive();
        assert!(!self.said_close, "close_notify is made once");
        self.said_close = true;
        self.say(CLOSE, &[]);
        Ok(())
    }

    fn negotiated(&self) -> Result<Negotiated, Nonsense> {
        Ok(Negotiated::default())
    }

    fn fault(_error: &Nonsense) -> Fault {
        Fault::Peer
    }
}
