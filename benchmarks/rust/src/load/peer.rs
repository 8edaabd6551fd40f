//! One connection of the client.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection};

use crate::Outcome;
use crate::credentials::HOST;

pub struct Peer {
    pub socket: TcpStream,
    tls: Option<ClientConnection>,
    buffer: Box<[u8]>,
    received: usize,
}

impl Peer {
    /// A connection whose handshake is done.
    pub fn new(socket: TcpStream, tls: Option<&Arc<ClientConfig>>) -> Outcome<Self> {
        let mut peer = Self {
            socket,
            tls: None,
            buffer: vec![0; 16 * 1024].into(),
            received: 0,
        };
        if let Some(config) = tls {
            let mut tls = ClientConnection::new(Arc::clone(config), HOST.try_into()?)?;
            while tls.is_handshaking() || tls.wants_write() {
                tls.complete_io(&mut peer.socket)?;
            }
            peer.tls = Some(tls);
        }
        Ok(peer)
    }

    pub fn set_nonblocking(&self) -> io::Result<()> {
        self.socket.set_nonblocking(true)
    }

    pub fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            return self.socket.write_all(message);
        };
        tls.writer().write_all(message)?;
        while tls.wants_write() {
            tls.write_tls(&mut self.socket)?;
        }
        Ok(())
    }

    /// Takes what is there; says whether that completes an answer of `size` bytes.
    pub fn receive(&mut self, size: usize) -> io::Result<bool> {
        let Some(count) = self.read()? else {
            return Ok(false);
        };
        self.received += count;
        if self.received < size {
            return Ok(false);
        }
        assert_eq!(self.received, size, "more came back than was sent");
        self.received = 0;
        Ok(true)
    }

    fn read(&mut self) -> io::Result<Option<usize>> {
        let result = match &mut self.tls {
            None => self.socket.read(&mut self.buffer),
            Some(tls) => tls.read_tls(&mut self.socket),
        };
        match result {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => match &mut self.tls {
                None => Ok(Some(count)),
                Some(tls) => decrypted(tls, &mut self.buffer).map(Some),
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn decrypted(tls: &mut ClientConnection, buffer: &mut [u8]) -> io::Result<usize> {
    let state = tls.process_new_packets().map_err(io::Error::other)?;
    let mut left = state.plaintext_bytes_to_read();
    let mut total = 0;
    while left > 0 {
        let count = tls.reader().read(buffer)?;
        left -= count;
        total += count;
    }
    Ok(total)
}
