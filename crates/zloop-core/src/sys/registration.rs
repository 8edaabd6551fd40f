//! Registering descriptors, through `polling`.

use std::io;

use polling::{Event, PollMode, Poller};

use super::wait;
use crate::interest::Interest;

/// The number by which the system knows a descriptor.
#[cfg(unix)]
pub type RawFd = std::os::fd::RawFd;
/// The number by which the system knows a socket.
#[cfg(windows)]
pub type RawFd = std::os::windows::io::RawSocket;

/// Whether adding a descriptor that is registered already fails, so that the system can be asked
/// if a registration is alive.
pub(crate) const REPORTS_EXISTING: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Where a table indexed by descriptors keeps `fd`; `None` for what is no descriptor.
#[inline]
pub(crate) fn table_index(fd: RawFd) -> Option<usize> {
    usize::try_from(fd).ok()
}

/// Whether the system says that a number is no open descriptor.
#[cfg(unix)]
pub(crate) fn is_not_open(error: &io::Error) -> bool {
    rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::BADF)
}

/// Whether the system says that a number is no open socket: `WSAENOTSOCK`.
#[cfg(windows)]
pub(crate) fn is_not_open(error: &io::Error) -> bool {
    error.raw_os_error() == Some(10038)
}

fn event(key: usize, interest: Interest) -> Event {
    Event::new(
        key,
        interest.contains(Interest::READABLE),
        interest.contains(Interest::WRITABLE),
    )
}

pub(crate) fn add(poller: &Poller, fd: RawFd, key: usize, interest: Interest) -> io::Result<()> {
    if interest.contains(Interest::EDGE) {
        wait::add_at_edges(poller, fd, key, interest)
    } else {
        add_level(poller, fd, key, interest)
    }
}

pub(crate) fn add_level(
    poller: &Poller,
    fd: RawFd,
    key: usize,
    interest: Interest,
) -> io::Result<()> {
    // SAFETY: `polling` asks that the descriptor be deleted before it is closed, for the back ends
    // that keep a list of descriptors of their own. epoll and kqueue forget a closed descriptor,
    // and use the number for nothing but the system call, which reports a bad one.
    unsafe { poller.add_with_mode(fd, event(key, interest), PollMode::Level) }
}

#[cfg(unix)]
pub(super) fn borrow(fd: RawFd) -> std::os::fd::BorrowedFd<'static> {
    debug_assert!(fd >= 0);
    // SAFETY: the number is not -1. The value lives for one system call, which reports a
    // number that is not, or is no longer, an open descriptor.
    unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) }
}

#[cfg(windows)]
pub(super) fn borrow(fd: RawFd) -> std::os::windows::io::BorrowedSocket<'static> {
    // SAFETY: as on Unix, the value lives for one call, which reports a bad socket.
    unsafe { std::os::windows::io::BorrowedSocket::borrow_raw(fd) }
}

pub(crate) fn modify(poller: &Poller, fd: RawFd, key: usize, interest: Interest) -> io::Result<()> {
    if interest.contains(Interest::EDGE) {
        wait::modify_at_edges(poller, fd, key, interest)
    } else {
        modify_level(poller, fd, key, interest)
    }
}

pub(crate) fn modify_level(
    poller: &Poller,
    fd: RawFd,
    key: usize,
    interest: Interest,
) -> io::Result<()> {
    poller.modify_with_mode(borrow(fd), event(key, interest), PollMode::Level)
}

pub(crate) fn delete(poller: &Poller, fd: RawFd) -> io::Result<()> {
    poller.delete(borrow(fd))
}
