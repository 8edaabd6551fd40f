//! TLS transports over zloop-tls.
//!
//! A TLS transport is the native protocol of the transport below it: ciphertext goes from the
//! socket into the engine and back without becoming a Python object. What is below is a stream
//! transport, or another TLS transport.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `transport` | the transport's state, and its Python class |
//! | `advance` | the way of bytes and events, after anything happened |
//! | `lifecycle` | from the handshake to `connection_lost` |
//! | `writing`, `reading` | what the protocol's side may ask for |
//! | `lower` | the transport below |
//! | `engine` | the connection's state machine over either engine |
//! | `ssl_session` | Python's `ssl` as an engine |
//! | `rustls_context` | rustls as Python configures it |
//! | `certificate` | certificates as `getpeercert()` has them |
//! | `errors` | rustls's failures as `ssl`'s exceptions |
//! | `creation` | the loop's method that makes TLS transports |

mod advance;
pub mod certificate;
mod creation;
mod engine;
mod errors;
mod lifecycle;
mod lower;
mod reading;
mod rustls_context;
mod ssl_session;
mod transport;
mod writing;

pub use creation::add_loop_methods;
pub use rustls_context::RustlsContext;
pub use transport::TlsTransport;
