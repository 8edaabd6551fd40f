//! A driver's connection, and its other end.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use zloop_core::Token;
use zloop_net::{Driver, Handler};

/// Has the driver own one of a pair; the other one blocks.
pub fn adopted<H: Handler>(driver: &mut Driver<H>) -> (Token, UnixStream) {
    let (near, far) = UnixStream::pair().expect("a pair");
    near.set_nonblocking(true).expect("a non-blocking socket");
    let token = driver.adopt(OwnedFd::from(near)).expect("a token");
    (token, far)
}
