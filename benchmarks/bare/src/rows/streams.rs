//! Servers of stream sockets.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use rustix::event::epoll::EventFlags;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{SocketFlags, accept_with};
use zloop_net::ReadBuffer;

use super::selector::{NEWLY_READABLE, NEWLY_WRITABLE, READABLE, Selector};
use super::{Outcome, announce};

const BACKLOG: i32 = 1024;
const ACCEPTED: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);

/// What is done with connections.
pub trait Service {
    /// What it waits for.
    const INTEREST: EventFlags = NEWLY_READABLE;
    /// What it reads or writes at a time, at most.
    const AT_ONCE: usize = 256 * 1024;

    /// Says whether a connection that just came, or that is ready, stays open.
    fn advance(socket: &mut (impl Read + Write + AsFd), buffer: &mut [u8]) -> io::Result<bool>;
}

/// What came goes back.
pub struct Return;

impl Service for Return {
    fn advance(socket: &mut (impl Read + Write + AsFd), buffer: &mut [u8]) -> io::Result<bool> {
        loop {
            let Some(count) = unless_blocked(socket.read(buffer))? else {
                return Ok(true);
            };
            write_all(socket, &buffer[..count])?;
            if count < buffer.len() {
                return Ok(count > 0);
            }
        }
    }
}

/// What came is dropped.
pub struct Receive;

impl Service for Receive {
    /// So much stays in the processor's caches.
    const AT_ONCE: usize = 64 * 1024;

    fn advance(socket: &mut (impl Read + Write + AsFd), buffer: &mut [u8]) -> io::Result<bool> {
        loop {
            match unless_blocked(socket.read(buffer))? {
                Some(count) if count == buffer.len() => {}
                Some(0) => return Ok(false),
                _ => return Ok(true),
            }
        }
    }
}

/// As much is sent as goes.
pub struct Send;

impl Service for Send {
    const INTEREST: EventFlags = NEWLY_WRITABLE;
    const AT_ONCE: usize = 1024 * 1024;

    fn advance(socket: &mut (impl Read + Write + AsFd), buffer: &mut [u8]) -> io::Result<bool> {
        // What takes less is full.
        while unless_blocked(socket.write(buffer))? == Some(buffer.len()) {}
        Ok(true)
    }
}

/// A word is said, and that is all.
pub struct Greet;

impl Service for Greet {
    fn advance(socket: &mut (impl Read + Write + AsFd), _: &mut [u8]) -> io::Result<bool> {
        write_all(socket, b"hello")?;
        Ok(false)
    }
}

pub fn serve_tcp<S: Service>() -> Outcome {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    rustix::net::listen(&listener, BACKLOG)?;
    announce(listener.local_addr()?.port())?;
    serve::<S, TcpStream>(&listener, || {
        let socket = TcpStream::from(accept_with(&listener, ACCEPTED)?);
        socket.set_nodelay(true)?;
        Ok(socket)
    })
}

pub fn serve_unix<S: Service>() -> Outcome {
    let name = format!("bare-{}", std::process::id());
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
    listener.set_nonblocking(true)?;
    announce(format_args!("@{name}"))?;
    serve::<S, UnixStream>(&listener, || {
        Ok(UnixStream::from(accept_with(&listener, ACCEPTED)?))
    })
}

fn serve<S: Service, Socket: Read + Write + AsFd>(
    listener: &impl AsFd,
    accept: impl Fn() -> io::Result<Socket>,
) -> Outcome {
    let accepts = listener.as_fd().as_raw_fd();
    let mut selector = Selector::new()?;
    selector.add(listener, READABLE)?;
    // By the numbers of their descriptors.
    let mut sockets: Vec<Option<Socket>> = Vec::new();
    let mut buffer = ReadBuffer::new(S::AT_ONCE);
    loop {
        selector.wait()?;
        for descriptor in selector.ready() {
            if descriptor == accepts {
                while let Some(mut socket) = unless_blocked(accept())? {
                    // A client that is gone ends its own connection only.
                    if S::advance(&mut socket, &mut buffer).unwrap_or(false) {
                        selector.add(&socket, S::INTEREST)?;
                        keep(&mut sockets, socket);
                    }
                }
            } else if let Some(place) = sockets.get_mut(descriptor as usize)
                && let Some(socket) = place
                && !S::advance(socket, &mut buffer).unwrap_or(false)
            {
                *place = None;
            }
        }
    }
}

fn keep<Socket: AsFd>(sockets: &mut Vec<Option<Socket>>, socket: Socket) {
    let number = socket.as_fd().as_raw_fd() as usize;
    if sockets.len() <= number {
        sockets.resize_with(number + 1, || None);
    }
    sockets[number] = Some(socket);
}

/// Writes all, and waits where it has to: for one connection, while the others wait too.
fn write_all(socket: &mut (impl Write + AsFd), mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match unless_blocked(socket.write(bytes))? {
            Some(count) => bytes = &bytes[count..],
            None => {
                poll(&mut [PollFd::new(socket, PollFlags::OUT)], None)?;
            }
        }
    }
    Ok(())
}

fn unless_blocked<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
