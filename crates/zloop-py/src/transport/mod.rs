//! Transports over zloop-net, and the accepting of connections.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `stream_transport` | the transport's state, and its Python class |
//! | `reading` | from readiness to `data_received` or `buffer_updated` |
//! | `writing` | `write` and its like, gathering, flow control |
//! | `lifecycle` | from `connection_made` to `connection_lost` |
//! | `chunk`, `flow` | what waits to be sent, and the limits of flow control |
//! | `protocol` | the protocol's methods, looked up once |
//! | `pending_connection` | a connection on its way |
//! | `listener` | accepting connections |
//! | `address` | socket addresses as Python has them |
//! | `endpoint` | what datagram and pipe transports share |
//! | `datagram` | transports over datagram sockets |
//! | `pipe` | transports over the ends of pipes |
//! | `creation` | the loop's methods that make transports and listeners |

mod address;
mod chunk;
mod creation;
mod datagram;
mod endpoint;
mod flow;
mod lifecycle;
mod listener;
mod pending_connection;
mod pipe;
mod protocol;
mod reading;
mod stream_transport;
mod writing;

pub use chunk::Chunk;
pub use datagram::DatagramTransport;
pub use endpoint::{AnyEndpoint, Step as EndpointStep};
pub use flow::{limits_with_default, to_python as limits_to_python};
pub use lifecycle::Step;
pub use listener::Listener;
pub use pending_connection::PendingConnection;
pub use pipe::{ReadPipeTransport, WritePipeTransport};
pub use protocol::{Protocol, Receiver};
pub use stream_transport::StreamTransport;
pub use writing::send_gathered_together;

use crate::event_loop::EventLoop;
use crate::raw::class::ClassBuilder;

/// After this many writes to a lost connection, each one is logged.
pub const LOG_THRESHOLD: u32 = 5;

/// Adds the methods that make transports and listeners to the loop's class.
pub fn add_loop_methods(builder: ClassBuilder<EventLoop>) -> ClassBuilder<EventLoop> {
    crate::tls::add_loop_methods(endpoint::add_loop_methods(creation::add_loop_methods(
        builder,
    )))
}
