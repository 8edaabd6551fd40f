//! Many datagrams, one by one, where the system has no call for them.

use std::io;
use std::os::fd::RawFd;
use std::slice::ChunksExactMut;

use super::datagram::{receive_from, send_datagram, send_to};
use crate::batch::{Outgoing, Received};

pub(crate) fn receive_batch(
    fd: RawFd,
    rooms: ChunksExactMut<'_, u8>,
    received: &mut Vec<Received>,
) -> io::Result<()> {
    for room in rooms {
        match receive_from(fd, room) {
            // What was cut off cannot be told from what just fitted.
            Ok((len, peer)) => received.push(Received {
                len,
                peer,
                truncated: false,
            }),
            // The error stays with the socket, or comes again.
            Err(_) if !received.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

pub(crate) fn send_batch(fd: RawFd, datagrams: &[Outgoing<'_>]) -> io::Result<usize> {
    for (sent, datagram) in datagrams.iter().enumerate() {
        let result = match datagram.peer {
            Some(peer) => send_to(fd, datagram.bytes, peer),
            None => send_datagram(fd, datagram.bytes),
        };
        match result {
            Ok(_) => {}
            Err(_) if sent > 0 => return Ok(sent),
            Err(error) => return Err(error),
        }
    }
    Ok(datagrams.len())
}
