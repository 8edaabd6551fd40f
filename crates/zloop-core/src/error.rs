//! Why a registration was not made or changed.

use std::io;

use crate::sys::{self, RawFd};

/// Who has to do something about an [`Error`].
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// The program asked for what cannot be.
    Caller,
    /// The operating system refused: a limit is reached, or it cannot wait for such a descriptor.
    System,
}

/// Why a [`Reactor`](crate::Reactor) did not make or change a registration.
///
/// It becomes an [`io::Error`] by `?`, with the system's own error where there was one.
///
/// ```
/// use std::os::fd::AsRawFd;
/// use zloop_core::{Error, Fault, Interest, Reactor};
///
/// # fn main() -> std::io::Result<()> {
/// let mut reactor = Reactor::new()?;
/// let (near, _far) = std::os::unix::net::UnixStream::pair()?;
/// reactor.register(near.as_raw_fd(), Interest::READABLE, ())?;
///
/// let error = reactor.register(near.as_raw_fd(), Interest::READABLE, ()).expect_err("twice");
/// assert!(matches!(error, Error::AlreadyRegistered(_)));
/// assert_eq!(error.fault(), Fault::Caller);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The number is none that a descriptor can have.
    #[error("{0} is not a descriptor")]
    NotADescriptor(RawFd),

    /// The descriptor has a registration, which has to end first.
    #[error("descriptor {0} is registered already")]
    AlreadyRegistered(RawFd),

    /// The descriptor is not of the kind that was asked for.
    #[error("descriptor {fd} cannot be used: {reason}")]
    Unsuitable {
        /// Which descriptor.
        fd: RawFd,
        /// What it lacks, and what has it.
        reason: &'static str,
    },

    /// The token's registration has ended, or is of something that cannot be asked for this.
    #[error("there is no such registration, or no longer")]
    Ended,

    /// No token is left for another registration.
    #[error("too many registrations")]
    Full,

    /// The system refused: [`io::ErrorKind::PermissionDenied`] for a regular file, for instance.
    #[error("the system refused to watch descriptor {fd}: {source}")]
    System {
        /// Which descriptor.
        fd: RawFd,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// Who has to do something about it.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::NotADescriptor(_)
            | Self::AlreadyRegistered(_)
            | Self::Unsuitable { .. }
            | Self::Ended => Fault::Caller,
            Self::System { source, .. } if sys::is_not_open(source) => Fault::Caller,
            Self::Full | Self::System { .. } => Fault::System,
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error {
            Error::System { source, .. } => return source,
            Error::NotADescriptor(_) | Error::Unsuitable { .. } => io::ErrorKind::InvalidInput,
            Error::AlreadyRegistered(_) => io::ErrorKind::AlreadyExists,
            Error::Ended => io::ErrorKind::NotFound,
            Error::Full => io::ErrorKind::OutOfMemory,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_own_error_survives_the_way_to_io() {
        let source = io::Error::from_raw_os_error(1);
        let error = Error::System { fd: 3, source };
        assert_eq!(error.fault(), Fault::System);
        assert_eq!(io::Error::from(error).raw_os_error(), Some(1));
    }

    #[test]
    fn what_the_caller_did_keeps_its_words() {
        let error = io::Error::from(Error::AlreadyRegistered(7));
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(error.to_string(), "descriptor 7 is registered already");
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no timerfd, and so no poller")]
    fn a_descriptor_that_is_not_open_is_the_callers_fault() {
        let mut reactor = crate::Reactor::new().expect("a reactor");
        // Far above what the system lets a process have.
        let error = reactor.register(1_000_000_007, crate::Interest::READABLE, ());
        assert_eq!(error.expect_err("not open").fault(), Fault::Caller);
    }
}
