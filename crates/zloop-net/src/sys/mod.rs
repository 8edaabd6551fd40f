//! System calls on descriptors known by number, and the crate's only unsafe code.

#![allow(unsafe_code)]

mod accept;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod batch;
#[cfg(any(test, not(any(target_os = "linux", target_os = "android"))))]
mod batch_portable;
mod connect;
mod create;
mod datagram;
mod name;
#[cfg(target_os = "linux")]
mod send_ring;
#[cfg(not(target_os = "linux"))]
mod send_ring_portable;
mod transfer;

use std::io;
use std::os::fd::{BorrowedFd, RawFd};

pub(crate) use accept::{accept, may_listen};
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use batch::{receive_batch, send_batch};
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) use batch_portable::{receive_batch, send_batch};
pub(crate) use connect::{connect, connect_result};
pub(crate) use create::{pipe, socket, socket_pair};
pub(crate) use datagram::{receive_from, send_datagram, send_to};
pub(crate) use name::local_name;
#[cfg(target_os = "linux")]
pub(crate) use send_ring::SendRing;
#[cfg(not(target_os = "linux"))]
pub(crate) use send_ring_portable::SendRing;
pub(crate) use transfer::{Calls, receive, receive_uninit, send, send_vectored, shutdown_write};

/// What became of a send of many: how many bytes the system took. `None` if it has to be made by itself.
pub(crate) type Sent = Option<io::Result<usize>>;

/// The system makes no more sends at once: what makes them is of no use any more.
#[derive(Debug)]
pub(crate) struct Refused;

#[inline]
pub(crate) fn borrow<'a>(fd: RawFd) -> BorrowedFd<'a> {
    debug_assert!(fd >= 0);
    // SAFETY: the number is not -1, and whoever passed it keeps the descriptor open for the one
    // system call that the value lives for: `Descriptor` and `AsRawFd` hold it.
    unsafe { BorrowedFd::borrow_raw(fd) }
}
