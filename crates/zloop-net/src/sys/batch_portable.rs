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

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixDatagram;

    use super::*;
    use crate::address::Address;

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no datagrams")]
    fn one_by_one_is_as_good_as_at_once() {
        let (near, far) = UnixDatagram::pair().expect("a pair");
        far.set_nonblocking(true).expect("a non-blocking socket");
        let outgoing = [&b"one"[..], b"", b"three"].map(|bytes| Outgoing { bytes, peer: None });
        assert_eq!(send_batch(near.as_raw_fd(), &outgoing).expect("a batch"), 3);

        let mut rooms = [0; 32];
        let mut received = Vec::new();
        let mut receive = |room_size| {
            received.clear();
            let rooms = rooms.chunks_exact_mut(room_size);
            receive_batch(far.as_raw_fd(), rooms, &mut received)?;
            Ok(received
                .iter()
                .map(|datagram| datagram.len)
                .collect::<Vec<_>>())
        };
        assert_eq!(receive(16).expect("a batch"), [3, 0]);
        assert_eq!(receive(16).expect("a batch"), [5]);
        let error: io::Error = receive(16).expect_err("nothing is left");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no datagrams")]
    fn what_cannot_be_sent_ends_a_batch() {
        let (near, _far) = UnixDatagram::pair().expect("a pair");
        let outgoing = [None, Some(&Address::Unknown)].map(|peer| Outgoing { bytes: b"x", peer });
        assert_eq!(send_batch(near.as_raw_fd(), &outgoing).expect("a batch"), 1);
        assert!(send_batch(near.as_raw_fd(), &outgoing[1..]).is_err());
    }
}
