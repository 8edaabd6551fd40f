//! Transports over the ends of pipes, FIFOs, sockets and terminals, by zloop-net's streams.

mod read_pipe;
mod write_pipe;

pub use read_pipe::ReadPipeTransport;
pub use write_pipe::WritePipeTransport;
