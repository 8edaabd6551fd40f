//! Bytes in and out of a stream.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::RawFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, Shutdown};

use super::borrow;
use super::create::NO_SIGNAL;

/// The system calls that a descriptor takes. A descriptor is taken for a socket until a call says
/// that it is none, because only sockets can be written to without a signal when the peer is gone.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Calls {
    Socket,
    File,
}

/// Calls until it is not interrupted; `None` if it would block.
#[inline]
fn complete<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> Result<Option<T>, Errno> {
    loop {
        match call() {
            Ok(value) => return Ok(Some(value)),
            Err(Errno::INTR) => {}
            // The two numbers are the same on most systems.
            #[allow(unreachable_patterns)]
            Err(Errno::AGAIN | Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

/// Calls as for a socket, and from the first time that it is none, as for a file.
#[inline]
fn dispatch<T>(
    calls: &mut Calls,
    mut on_socket: impl FnMut() -> rustix::io::Result<T>,
    on_file: impl FnMut() -> rustix::io::Result<T>,
) -> io::Result<Option<T>> {
    if *calls == Calls::Socket {
        match complete(&mut on_socket) {
            Err(Errno::NOTSOCK) => *calls = Calls::File,
            result => return Ok(result?),
        }
    }
    Ok(complete(on_file)?)
}

/// Receives once; `None` if there is nothing for now.
#[inline]
pub(crate) fn receive(
    fd: RawFd,
    calls: &mut Calls,
    buffer: &mut [u8],
) -> io::Result<Option<usize>> {
    // SAFETY: initialized memory is valid as memory that need not be, and `receive_uninit` writes
    // nothing but bytes received.
    let buffer = unsafe { &mut *(std::ptr::from_mut(buffer) as *mut [MaybeUninit<u8>]) };
    receive_uninit(fd, calls, buffer)
}

/// Receives once; `None` if there is nothing for now. As many bytes as it says are initialized.
#[inline]
pub(crate) fn receive_uninit(
    fd: RawFd,
    calls: &mut Calls,
    buffer: &mut [MaybeUninit<u8>],
) -> io::Result<Option<usize>> {
    if *calls == Calls::Socket {
        let received = complete(|| {
            let ((bytes, _), _) = rustix::net::recv(borrow(fd), &mut *buffer, RecvFlags::empty())?;
            Ok(bytes.len())
        });
        match received {
            Err(Errno::NOTSOCK) => *calls = Calls::File,
            result => return Ok(result?),
        }
    }
    let received = complete(|| {
        let (bytes, _) = rustix::io::read(borrow(fd), &mut *buffer)?;
        Ok(bytes.len())
    });
    Ok(received?)
}

/// Sends once; 0 if the system takes nothing for now.
#[inline]
pub(crate) fn send(fd: RawFd, calls: &mut Calls, bytes: &[u8]) -> io::Result<usize> {
    let sent = dispatch(
        calls,
        || rustix::net::send(borrow(fd), bytes, NO_SIGNAL),
        || rustix::io::write(borrow(fd), bytes),
    )?;
    Ok(sent.unwrap_or(0))
}

/// Sends once from several slices; 0 if the system takes nothing for now.
#[inline]
pub(crate) fn send_vectored(
    fd: RawFd,
    calls: &mut Calls,
    slices: &[IoSlice<'_>],
) -> io::Result<usize> {
    let sent = dispatch(
        calls,
        || {
            let mut control = SendAncillaryBuffer::default();
            rustix::net::sendmsg(borrow(fd), slices, &mut control, NO_SIGNAL)
        },
        || rustix::io::writev(borrow(fd), slices),
    )?;
    Ok(sent.unwrap_or(0))
}

/// Ends the writing direction. A descriptor that has no directions is no error: a pipe ends when it
/// is closed.
pub(crate) fn shutdown_write(fd: RawFd) -> io::Result<()> {
    match rustix::net::shutdown(borrow(fd), Shutdown::Write) {
        Ok(()) | Err(Errno::NOTSOCK) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
