//! Whose fault an error of the system is.

use std::io;

use rustix::io::Errno;

/// Who has to do something about an error of a socket.
///
/// ```
/// use std::io;
/// use zloop_net::{Fault, unix};
///
/// let error = unix::connect("/nobody/is/here").expect_err("no such socket");
/// assert_eq!(Fault::of(&error), Fault::Caller);
/// let error = io::Error::from(io::ErrorKind::ConnectionReset);
/// assert_eq!(Fault::of(&error), Fault::Peer);
/// ```
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// The peer left, refused, or does not answer. Only this connection is lost.
    Peer,
    /// No way leads to the peer for now.
    Network,
    /// This machine is out of descriptors, memory or ports. Waiting until something is closed
    /// helps; a listener that goes on accepting only spins.
    Exhausted,
    /// The program asked for what cannot be: a wrong address, a descriptor of another kind, a
    /// permission that it does not have.
    Caller,
}

impl Fault {
    /// Whose fault `error` is, as far as its number or kind tells. Whatever is not known to be
    /// somebody else's is the caller's.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        use io::ErrorKind as Kind;
        if let Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) =
            Errno::from_io_error(error)
        {
            return Self::Exhausted;
        }
        match error.kind() {
            Kind::ConnectionRefused
            | Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::BrokenPipe
            | Kind::NotConnected
            | Kind::UnexpectedEof
            | Kind::TimedOut => Self::Peer,
            Kind::NetworkDown | Kind::NetworkUnreachable | Kind::HostUnreachable => Self::Network,
            Kind::OutOfMemory => Self::Exhausted,
            _ => Self::Caller,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_numbers_are_judged() {
        let fault = |errno: Errno| Fault::of(&errno.into());
        assert_eq!(fault(Errno::MFILE), Fault::Exhausted);
        assert_eq!(fault(Errno::NOBUFS), Fault::Exhausted);
        assert_eq!(fault(Errno::PIPE), Fault::Peer);
        assert_eq!(fault(Errno::HOSTUNREACH), Fault::Network);
        assert_eq!(fault(Errno::ADDRINUSE), Fault::Caller);
        assert_eq!(fault(Errno::NOTSOCK), Fault::Caller);
    }
}
