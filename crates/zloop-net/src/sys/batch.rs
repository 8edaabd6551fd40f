//! Many datagrams with one system call: `recvmmsg` and `sendmmsg`.

use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::RawFd;
use std::slice::ChunksExactMut;

use rustix::net::SocketAddrAny;
use rustix::net::addr::SocketAddrStorage;

use super::name::{decode, encode};
use crate::address::Address;
use crate::batch::{MAX_BATCH, Outgoing, Received};

const NAME_SIZE: libc::socklen_t = size_of::<SocketAddrStorage>() as libc::socklen_t;
const NO_BYTES: libc::iovec = libc::iovec {
    iov_base: std::ptr::null_mut(),
    iov_len: 0,
};

fn no_message() -> libc::mmsghdr {
    // SAFETY: the type is made of integers and of pointers that may be null.
    unsafe { mem::zeroed() }
}

/// Calls until it is not interrupted.
fn complete(mut call: impl FnMut() -> libc::c_int) -> io::Result<usize> {
    loop {
        if let Ok(count) = usize::try_from(call()) {
            return Ok(count);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

pub(crate) fn receive_batch(
    fd: RawFd,
    rooms: ChunksExactMut<'_, u8>,
    received: &mut Vec<Received>,
) -> io::Result<()> {
    let mut names = [const { MaybeUninit::<SocketAddrStorage>::uninit() }; MAX_BATCH];
    let mut slices = [NO_BYTES; MAX_BATCH];
    let mut messages = [no_message(); MAX_BATCH];
    let mut room_count = 0;
    for (((room, name), slice), message) in
        rooms.zip(&mut names).zip(&mut slices).zip(&mut messages)
    {
        *slice = libc::iovec {
            iov_base: room.as_mut_ptr().cast(),
            iov_len: room.len(),
        };
        message.msg_hdr.msg_iov = slice;
        message.msg_hdr.msg_iovlen = 1;
        message.msg_hdr.msg_name = name.as_mut_ptr().cast();
        message.msg_hdr.msg_namelen = NAME_SIZE;
        room_count += 1;
    }
    let count = complete(|| {
        // SAFETY: each of the first `room_count` messages points to one slice and one name of the
        // arrays above, and each slice to a room of its own, all alive and not otherwise borrowed.
        unsafe {
            libc::recvmmsg(
                fd,
                messages.as_mut_ptr(),
                room_count,
                0,
                std::ptr::null_mut(),
            )
        }
    })?;
    received.extend(
        messages
            .iter()
            .zip(names)
            .take(count)
            .map(|(message, name)| Received {
                len: message.msg_len as usize,
                peer: read_name(name, message.msg_hdr.msg_namelen),
                truncated: message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            }),
    );
    Ok(())
}

fn read_name(name: MaybeUninit<SocketAddrStorage>, len: libc::socklen_t) -> Address {
    let has_family = len as usize >= size_of::<libc::sa_family_t>();
    if !has_family || len > NAME_SIZE {
        // A Unix socket without a name sends none.
        return Address::Unix(Vec::new());
    }
    // SAFETY: the system wrote `len` bytes of an address, family first.
    decode(&unsafe { SocketAddrAny::new(name, len) })
}

pub(crate) fn send_batch(fd: RawFd, datagrams: &[Outgoing<'_>]) -> io::Result<usize> {
    let mut names = [const { None::<SocketAddrAny> }; MAX_BATCH];
    let mut slices = [NO_BYTES; MAX_BATCH];
    let mut messages = [no_message(); MAX_BATCH];
    let mut message_count = 0;
    let places = names.iter_mut().zip(&mut slices).zip(&mut messages);
    for (datagram, ((name, slice), message)) in datagrams.iter().zip(places) {
        let bytes = datagram.bytes;
        *slice = libc::iovec {
            iov_base: bytes.as_ptr().cast_mut().cast(),
            iov_len: bytes.len(),
        };
        message.msg_hdr.msg_iov = slice;
        message.msg_hdr.msg_iovlen = 1;
        if let Some(peer) = datagram.peer {
            match encode(peer) {
                Ok(address) => {
                    let address = name.insert(address);
                    message.msg_hdr.msg_name = address.as_ptr().cast_mut().cast();
                    message.msg_hdr.msg_namelen = address.addr_len();
                }
                // The ones before are sent, and the next call is told.
                Err(_) if message_count > 0 => break,
                Err(error) => return Err(error),
            }
        }
        message_count += 1;
    }
    complete(|| {
        // SAFETY: each of the first `message_count` messages points to one slice and one name of
        // the arrays above, and each slice to a datagram's bytes, which the system only reads.
        unsafe { libc::sendmmsg(fd, messages.as_mut_ptr(), message_count, libc::MSG_NOSIGNAL) }
    })
}
