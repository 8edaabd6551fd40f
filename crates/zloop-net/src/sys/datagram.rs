//! Datagrams, one by one.

use std::io;
use std::os::fd::RawFd;

use rustix::io::retry_on_intr;
use rustix::net::RecvFlags;

use super::borrow;
use super::create::NO_SIGNAL;
use super::name::{decode, encode};
use crate::address::Address;

pub(crate) fn receive_from(fd: RawFd, buffer: &mut [u8]) -> io::Result<(usize, Address)> {
    let (count, _, address) =
        retry_on_intr(|| rustix::net::recvfrom(borrow(fd), &mut *buffer, RecvFlags::empty()))?;
    // A Unix socket without a name sends none.
    Ok((
        count,
        address
            .as_ref()
            .map_or_else(|| Address::Unix(Vec::new()), decode),
    ))
}

pub(crate) fn send_to(fd: RawFd, bytes: &[u8], peer: &Address) -> io::Result<usize> {
    let address = encode(peer)?;
    Ok(retry_on_intr(|| {
        rustix::net::sendto(borrow(fd), bytes, NO_SIGNAL, &address)
    })?)
}

pub(crate) fn send_datagram(fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
    Ok(retry_on_intr(|| {
        rustix::net::send(borrow(fd), bytes, NO_SIGNAL)
    })?)
}
