//! A server of datagrams, which go back to where they came from.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};

use super::selector::{READABLE, Selector};
use super::{Outcome, announce};

pub fn serve() -> Outcome {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_nonblocking(true)?;
    announce(socket.local_addr()?.port())?;
    let mut selector = Selector::new()?;
    selector.add(&socket, READABLE)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        selector.wait()?;
        loop {
            match socket.recv_from(&mut buffer) {
                Ok((count, address)) => socket.send_to(&buffer[..count], address)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            };
        }
    }
}
