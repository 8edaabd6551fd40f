//! TLS connections in memory: against each other and against rustls's own, over a simulated
//! network in simulated time.

mod authentication;
mod bench;
mod certificates;
mod closing;
mod conversations;
mod flow;
mod handshake;
mod hostile;
mod model;
mod negotiation;
mod network;
mod paths;
mod settings;
mod splits;
