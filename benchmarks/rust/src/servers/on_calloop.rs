//! On calloop: a source for each connection, level-triggered.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use calloop::generic::Generic;
use calloop::{EventLoop, Interest, LoopHandle, Mode, PostAction};

use super::{ANY_PORT, BACKLOG, READ_SIZE, announce};
use crate::Outcome;
use crate::service::Service;

/// What all callbacks share: the buffer.
type Shared = Vec<u8>;

pub fn serve<S: Service>() -> Outcome {
    let listener = TcpListener::bind(ANY_PORT)?;
    rustix::net::listen(&listener, BACKLOG)?;
    listener.set_nonblocking(true)?;
    announce(listener.local_addr()?)?;
    let mut event_loop: EventLoop<'_, Shared> = EventLoop::try_new()?;
    let handle = event_loop.handle();
    let source = Generic::new(listener, Interest::READ, Mode::Level);
    let accepting = handle.clone();
    handle.insert_source(source, move |_, listener, _| {
        match listener.accept() {
            Ok((socket, _)) => add(&accepting, socket, S::default())?,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(PostAction::Continue)
    })?;
    let mut buffer = vec![0; READ_SIZE];
    event_loop.run(None, &mut buffer, |_| {})?;
    Ok(())
}

fn add(
    handle: &LoopHandle<'_, Shared>,
    socket: TcpStream,
    mut service: impl Service,
) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    socket.set_nodelay(true)?;
    let mut unsent = Vec::new();
    let source = Generic::new(socket, Interest::READ, Mode::Level);
    let inserted = handle.insert_source(source, move |_, socket, buffer| {
        Ok(advance(socket, &mut service, &mut unsent, buffer).unwrap_or(PostAction::Remove))
    });
    inserted.map_err(|error| io::Error::other(error.to_string()))?;
    Ok(())
}

fn advance(
    mut socket: &TcpStream,
    service: &mut impl Service,
    unsent: &mut Vec<u8>,
    buffer: &mut [u8],
) -> io::Result<PostAction> {
    let count = match socket.read(buffer) {
        Ok(0) => return Ok(PostAction::Remove),
        Ok(count) => count,
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(PostAction::Continue),
        Err(error) => return Err(error),
    };
    unsent.extend_from_slice(service.answer(&buffer[..count]));
    // A message of a closed loop always fits the socket's buffer, so nothing has to wait for room.
    let sent = socket.write(unsent)?;
    unsent.drain(..sent);
    Ok(PostAction::Continue)
}
