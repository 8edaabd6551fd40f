//! Room for many datagrams.

use std::fmt;
use std::io;
use std::os::fd::AsRawFd;

use crate::address::Address;
use crate::read_buffer::ReadBuffer;
use crate::sys;

/// The most datagrams that one system call takes or sends here.
pub const MAX_BATCH: usize = 32;

/// Room for a batch of incoming datagrams, used again and again.
///
/// ```
/// use zloop_net::udp;
///
/// # fn main() -> std::io::Result<()> {
/// let server = udp::bind("127.0.0.1:0".parse().expect("an address"), &Default::default())?;
/// let client = udp::connect(udp::local_address(&server)?, None)?;
/// let outgoing = [b"one", b"two"].map(|bytes| udp::Outgoing { bytes, peer: None });
/// assert_eq!(udp::send_batch(&client, &outgoing)?, 2);
///
/// let mut incoming = udp::ReceiveBatch::new(8, 2048);
/// assert_eq!(incoming.receive(&server)?, 2);
/// let bytes: Vec<&[u8]> = incoming.iter().map(|datagram| datagram.bytes).collect();
/// assert_eq!(bytes, [b"one", b"two"]);
/// # Ok(())
/// # }
/// ```
pub struct ReceiveBatch {
    bytes: ReadBuffer,
    size: usize,
    received: Vec<Received>,
}

pub(crate) struct Received {
    pub(crate) len: usize,
    pub(crate) peer: Address,
    pub(crate) truncated: bool,
}

/// An incoming datagram of a batch.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Incoming<'a> {
    /// What it brought.
    pub bytes: &'a [u8],
    /// Who sent it.
    pub peer: &'a Address,
    /// Whether it was longer than there was room for; the rest is lost.
    pub truncated: bool,
}

/// An outgoing datagram of a batch.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Outgoing<'a> {
    /// What it brings.
    pub bytes: &'a [u8],
    /// Whom to; `None` on a connected socket.
    pub peer: Option<&'a Address>,
}

impl ReceiveBatch {
    /// Room for `count` datagrams of `size` bytes each, both at least one; no more than
    /// [`MAX_BATCH`] come at once.
    #[must_use]
    pub fn new(count: usize, size: usize) -> Self {
        let count = count.clamp(1, MAX_BATCH);
        let size = size.max(1);
        let bytes = ReadBuffer::new(count * size);
        Self {
            bytes,
            size,
            received: Vec::with_capacity(count),
        }
    }

    /// Takes the datagrams that wait, as many as there is room for, with one system call where the
    /// system has such a call. They replace those of the batch before.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](crate::udp::recv_from).
    pub fn receive(&mut self, socket: &impl AsRawFd) -> io::Result<usize> {
        self.receive_up_to(MAX_BATCH, socket)
    }

    /// Takes no more than `count` datagrams, at least one; else as [`receive`](Self::receive). Room
    /// that is not offered costs nothing.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](crate::udp::recv_from).
    pub fn receive_up_to(&mut self, count: usize, socket: &impl AsRawFd) -> io::Result<usize> {
        self.received.clear();
        let count = count.clamp(1, self.bytes.len() / self.size);
        let rooms = self.bytes[..count * self.size].chunks_exact_mut(self.size);
        sys::receive_batch(socket.as_raw_fd(), rooms, &mut self.received)?;
        Ok(self.received.len())
    }

    /// The datagrams of the last batch, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = Incoming<'_>> {
        self.bytes
            .chunks_exact(self.size)
            .zip(&self.received)
            .map(|(room, received)| Incoming {
                bytes: room.get(..received.len).unwrap_or(room),
                peer: &received.peer,
                truncated: received.truncated,
            })
    }
}

impl fmt::Debug for ReceiveBatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

/// Sends datagrams in order, up to [`MAX_BATCH`] of them, with one system call where the system has
/// such a call. Returns how many it sent.
///
/// # Errors
///
/// As [`send_to`](crate::udp::send_to), if not even the first could be sent.
pub fn send_batch(socket: &impl AsRawFd, datagrams: &[Outgoing<'_>]) -> io::Result<usize> {
    let count = datagrams.len().min(MAX_BATCH);
    if count == 0 {
        return Ok(0);
    }
    sys::send_batch(socket.as_raw_fd(), &datagrams[..count])
}
