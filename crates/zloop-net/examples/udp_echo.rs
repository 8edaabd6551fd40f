//! A UDP echo server: batches of datagrams in, batches out.
//!
//! `cargo run --example udp_echo -p zloop-net -- --port 7777`

use std::error::Error;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use zloop_core::{EventLoop, Interest};
use zloop_net::udp;

/// The longest datagram there is over IPv4.
const LONGEST: usize = 65_507;
const BATCH: usize = 16;

/// Sends back what came, as far as the system takes it: who sends by UDP counts on losses.
fn echo(socket: &OwnedFd, batch: &mut udp::ReceiveBatch) -> io::Result<()> {
    batch.receive(socket)?;
    let outgoing: Vec<udp::Outgoing<'_>> = batch
        .iter()
        .map(|datagram| udp::Outgoing {
            bytes: datagram.bytes,
            peer: Some(datagram.peer),
        })
        .collect();
    let mut rest = outgoing.as_slice();
    while !rest.is_empty() {
        let sent = udp::send_batch(socket, rest)?;
        rest = &rest[sent..];
    }
    Ok(())
}

fn port_from_arguments() -> Result<u16, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(0),
        (Some("--port"), Some(port)) => Ok(port.parse()?),
        _ => Err("usage: udp_echo [--port NUMBER]".into()),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port_from_arguments()?));
    let socket = udp::bind(address, &udp::BindOptions::default())?;
    println!("listening on {}", udp::local_address(&socket)?);
    io::stdout().flush()?;

    let mut event_loop = EventLoop::new()?;
    let mut batch = udp::ReceiveBatch::new(BATCH, LONGEST);
    event_loop.watch(
        socket.as_raw_fd(),
        Interest::READABLE,
        move |_, _, _| match echo(&socket, &mut batch) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => eprintln!("{error}"),
            _ => {}
        },
    )?;
    Ok(event_loop.run()?)
}
