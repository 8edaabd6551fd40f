//! Who closes a descriptor.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// A descriptor that has exactly one owner: this value, or somebody else.
#[derive(Debug)]
pub enum Descriptor {
    /// Closed when this value is dropped.
    Owned(OwnedFd),
    /// Closed by somebody else, who keeps it open for as long as this value lives.
    Borrowed(RawFd),
}

impl AsRawFd for Descriptor {
    #[inline]
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Self::Owned(fd) => fd.as_raw_fd(),
            Self::Borrowed(fd) => *fd,
        }
    }
}

impl From<OwnedFd> for Descriptor {
    fn from(fd: OwnedFd) -> Self {
        Self::Owned(fd)
    }
}
