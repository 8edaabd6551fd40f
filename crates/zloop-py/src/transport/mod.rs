//! Stream transports over zloop-net, and the accepting of connections.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `stream_transport` | the transport's state, and its Python class |
//! | `reading` | from readiness to `data_received` or `buffer_updated` |
//! | `writing` | `write` and its like, gathering, flow control |
//! | `lifecycle` | from `connection_made` to `connection_lost` |
//! | `chunk`, `flow` | what waits to be sent, and the limits of flow control |
//! | `protocol` | the protocol's methods, looked up once |
//! | `listener` | accepting connections |
//! | `address` | socket addresses as Python has them |
//! | `creation` | the loop's methods that make transports and listeners |

mod address;
mod chunk;
mod creation;
mod flow;
mod lifecycle;
mod listener;
mod protocol;
mod reading;
mod stream_transport;
mod writing;

pub use creation::add_loop_methods;
pub use lifecycle::Step;
pub use listener::Listener;
pub use stream_transport::StreamTransport;
