//! Sockets and pipes for the zloop event loop.
//!
//! - [`Driver`] owns connections and tells a [`Handler`] what happens to them: the short way to a
//!   server, a client or a proxy, with TLS by the feature `tls`.
//! - Below it, for those who have a loop: [`Stream`] is what has to be done when a connection is
//!   ready, and nothing about who waits for that. [`tcp`], [`unix`], [`udp`] and [`pipe`] make
//!   descriptors, [`accept`] takes connections, [`WriteBuffer`] and [`DatagramQueue`] hold what waits,
//!   [`FlushBatch`] flushes many streams with one system call.
//!
//! # A stream's states
//!
//! A [`Stream`] is two directions and a life. None of them ever goes back:
//!
//! ```text
//!   reading    Active <-------> Paused          writing    Open
//!                 |                |                         |  write_eof()
//!                 | end of file    |                         v
//!                 v                |                    EofRequested
//!               Ended <------------+                         |  flush() drained the buffer
//!                      close(), abort()                      v  and shut the direction down
//!                                                         EofSent
//!
//!   life       Open ---- close() ----> Closing ---- flush() drained the buffer ----> Closed
//!                |                        |                                             ^
//!                +-----------------------abort()----------------------------------------+
//! ```
//!
//! `write` only puts a chunk into the [`WriteBuffer`]; `flush` sends. `write_now` sends many bytes from
//! where they are, if nothing waits, and keeps only the rest. When the system takes less than it was
//! given, the stream is *blocked*, and [`Stream::interest`] asks for
//! [`Interest::WRITABLE`](zloop_core::Interest::WRITABLE) until a later `flush` gets through.
//! [`Stream::flow`] says, each time once, when a producer should pause and when it may go on.
//!
//! # Errors
//!
//! What the system refuses comes as the [`io::Error`](std::io::Error) that the system gave, from the
//! functions that are one system call or two. [`Fault::of`] says whose fault it is; a driver's
//! [`Error`] says besides what was being done. [`NotWritable`] is a mistake of the program's.
//!
//! # Features
//!
//! `tls`, off by default: `Driver::listen_tls` and `Driver::connect_tls`, by `zloop-tls` and rustls.
//!
//! # Systems
//!
//! Linux is what it is built for and tested on. There is code for other Unix systems in the `sys`
//! module, which is compiled for macOS in the tests and run nowhere. Windows is not supported.
//!
//! # Example
//!
//! ```
//! use std::os::unix::net::UnixStream;
//! use zloop_net::{Descriptor, FlushOutcome, ReadOutcome, Stream};
//!
//! # fn main() -> std::io::Result<()> {
//! let (near, far) = UnixStream::pair()?;
//! near.set_nonblocking(true)?;
//! far.set_nonblocking(true)?;
//! let mut near = Stream::new(Descriptor::Owned(near.into()));
//! let mut far = Stream::<Vec<u8>>::new(Descriptor::Owned(far.into()));
//!
//! near.write(b"hello, ".to_vec())?;
//! near.write(b"world".to_vec())?;
//! assert_eq!(near.flush()?, FlushOutcome::Flushed);
//!
//! let mut buffer = [0; 64];
//! assert_eq!(far.read(&mut buffer)?, ReadOutcome::Data(12));
//! assert_eq!(&buffer[..12], b"hello, world");
//! assert_eq!(far.read(&mut buffer)?, ReadOutcome::Blocked);
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

#[cfg(not(unix))]
compile_error!("zloop-net supports Unix systems only");

mod accept;
mod address;
mod batch;
mod buffer;
mod connect;
mod datagram_queue;
mod descriptor;
mod driver;
mod fault;
mod flow;
mod flush_batch;
pub mod pipe;
mod read_buffer;
mod stream;
mod sys;
pub mod tcp;
pub mod udp;
pub mod unix;

pub use accept::{Accepted, accept};
pub use address::Address;
pub use buffer::WriteBuffer;
pub use connect::Connecting;
pub use datagram_queue::DatagramQueue;
pub use descriptor::Descriptor;
pub use driver::{Driver, Error, Handler, Remote};
pub use fault::Fault;
pub use flow::{FlowEvent, WriteLimits};
pub use flush_batch::FlushBatch;
pub use read_buffer::ReadBuffer;
pub use stream::{FlushOutcome, NotWritable, ReadOutcome, Stream};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The guide's programs are compiled, and run where they end.
#[cfg(all(doctest, feature = "tls"))]
#[doc = include_str!("../embedding.md")]
struct Guide;
