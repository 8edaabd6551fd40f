//! rustls by itself, through its buffered interface, to test against.

use std::io::{Read, Write};
use std::time::Duration;

use super::{Endpoint, Link};

/// A rustls connection that has nothing of ours in it.
pub struct Reference {
    pub tls: rustls::Connection,
    pub received: Vec<u8>,
    pub peer_closed: bool,
    pub saw_end: bool,
    pub error: Option<rustls::Error>,
    /// Ends the transport too when it has sent what there is.
    pub hangs_up: bool,
}

impl Reference {
    pub fn new(tls: impl Into<rustls::Connection>) -> Self {
        Self {
            tls: tls.into(),
            received: Vec::new(),
            peer_closed: false,
            saw_end: false,
            error: None,
            hangs_up: false,
        }
    }

    pub fn write(&mut self, data: &[u8]) {
        self.tls.set_buffer_limit(None);
        self.tls
            .writer()
            .write_all(data)
            .expect("writing to memory works");
    }

    pub fn close_notify(&mut self) {
        self.tls.send_close_notify();
    }

    fn process(&mut self) {
        match self.tls.process_new_packets() {
            Ok(state) => {
                let mut data = vec![0; state.plaintext_bytes_to_read()];
                self.tls
                    .reader()
                    .read_exact(&mut data)
                    .expect("rustls has what it says");
                self.received.extend(data);
                self.peer_closed |= state.peer_has_closed();
            }
            Err(error) => self.error = Some(error),
        }
    }
}

impl Endpoint for Reference {
    fn advance(
        &mut self,
        _now: Duration,
        segment: usize,
        inward: &mut Link,
        outward: &mut Link,
    ) -> bool {
        let bytes = inward.take(segment);
        let mut moved = !bytes.is_empty();
        let mut left = bytes.as_slice();
        while !left.is_empty() && self.error.is_none() && !self.peer_closed {
            self.tls
                .read_tls(&mut left)
                .expect("reading from memory works");
            self.process();
        }
        if inward.at_end() && !self.saw_end {
            self.saw_end = true;
            moved = true;
        }
        let mut bytes = Vec::new();
        while self.tls.wants_write() {
            self.tls
                .write_tls(&mut bytes)
                .expect("writing to memory works");
        }
        moved |= !bytes.is_empty();
        outward.send(&bytes);
        if self.hangs_up {
            outward.end();
        }
        moved
    }
}
