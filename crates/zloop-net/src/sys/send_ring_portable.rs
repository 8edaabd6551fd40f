//! The same where there is no io_uring.

use std::io;
use std::os::fd::RawFd;

use super::{Refused, Sent};

pub(crate) struct SendRing;

impl SendRing {
    pub(crate) const CAPACITY: usize = 64;

    pub(crate) fn open() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn send<'a>(
        &mut self,
        _sends: impl Iterator<Item = (RawFd, &'a [u8])>,
        _sent: &mut [Sent],
    ) -> Result<(), Refused> {
        Err(Refused)
    }
}
