//! `sendto`, the queue of what cannot be sent yet, and flow control.

use std::io;

use pyo3::exceptions::{PyOSError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use zloop_net::udp;

use super::DatagramTransport;
use super::destination::Destination;
use super::receiving::would_block;
use crate::errors::os_error;
use crate::event_loop::is_fatal;
use crate::imports::imports;
use crate::raw::arguments::Arguments;
use crate::raw::class::ClassBuilder;
use crate::raw::object::{Instance, Object};
use crate::transport::chunk::Chunk;
use crate::transport::endpoint::EndpointTransport;
use crate::transport::stream_transport::not_bytes_like;
use crate::transport::{LOG_THRESHOLD, flow};

/// What a datagram's header counts for in the buffer's size.
const HEADER_SIZE: usize = if cfg!(Py_3_13) { 8 } else { 0 };

const WRITE_FAILED: &str = "Fatal write error on datagram transport";

/// A datagram that waits to be sent.
pub struct Outgoing {
    chunk: Chunk,
    pub(super) destination: Destination,
}

impl Outgoing {
    /// In the form of which many can be sent at once, unless only the socket object can send it.
    fn native(&self) -> Option<udp::Outgoing<'_>> {
        let peer = match &self.destination {
            Destination::Connected => None,
            Destination::Peer(peer) => Some(peer),
            Destination::Python(_) => return None,
        };
        Some(udp::Outgoing {
            bytes: self.chunk.as_ref(),
            peer,
        })
    }
}

pub(super) fn add_methods(
    builder: ClassBuilder<DatagramTransport>,
) -> ClassBuilder<DatagramTransport> {
    builder
        .method(c"sendto", sendto, c"sendto($self, data, addr=None)\n--\n\nSend a datagram; one that cannot be sent yet is buffered.")
        .bare_method(c"get_write_buffer_size", get_write_buffer_size, c"get_write_buffer_size($self)\n--\n\nHow many bytes wait to be sent.")
        .bare_method(c"get_write_buffer_limits", get_write_buffer_limits, c"get_write_buffer_limits($self)\n--\n\nThe low and the high limit of flow control.")
        .method(c"set_write_buffer_limits", set_write_buffer_limits, c"set_write_buffer_limits($self, high=None, low=None)\n--\n\nSet the limits of flow control.")
}

/// What became of an attempt to send.
enum Attempt {
    Sent,
    Blocked,
    Failed(PyErr),
}

impl From<(Python<'_>, io::Result<usize>)> for Attempt {
    fn from((py, result): (Python<'_>, io::Result<usize>)) -> Self {
        match result {
            Ok(_) => Self::Sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Self::Blocked,
            Err(error) => Self::Failed(os_error(py, &error)),
        }
    }
}

impl Instance<DatagramTransport> {
    fn attempt(&self, py: Python<'_>, outgoing: &Outgoing) -> PyResult<Attempt> {
        let bytes = outgoing.chunk.as_ref();
        let attempt = match &outgoing.destination {
            Destination::Connected => (py, udp::send(&self.endpoint.fd, bytes)).into(),
            Destination::Peer(peer) => (py, udp::send_to(&self.endpoint.fd, bytes, peer)).into(),
            Destination::Python(address) => {
                let data = outgoing.chunk.to_python(py);
                self.attempt_by_socket(py, &data, address.as_ref())
            }
        };
        if matches!(attempt, Attempt::Sent) {
            self.endpoint.event_loop.count_sent(bytes.len());
        }
        Ok(attempt)
    }

    /// Sends by the socket object, which knows every kind of address.
    fn attempt_by_socket(
        &self,
        py: Python<'_>,
        data: &Object,
        address: Option<&Object>,
    ) -> Attempt {
        let Some(socket) = self.endpoint.owner() else {
            return Attempt::Sent;
        };
        let address = address.cloned().unwrap_or_else(|| Object::none(py));
        match socket
            .bind(py)
            .call_method1(intern!(py, "sendto"), (data.bind(py), address.bind(py)))
        {
            Ok(_) => Attempt::Sent,
            Err(error) if would_block(py, &error) => Attempt::Blocked,
            Err(error) => Attempt::Failed(error),
        }
    }

    /// The socket takes more: sends what waits.
    pub(super) fn write_ready(&self, py: Python<'_>) -> PyResult<()> {
        while self.has_unsent() {
            match self.send_queued(py) {
                Attempt::Sent => {}
                Attempt::Blocked => break,
                Attempt::Failed(error) => {
                    let failed = self.queue.borrow_mut().pop();
                    drop(failed);
                    if is_fatal(py, &error) {
                        return Err(error);
                    }
                    if !error.is_instance_of::<PyOSError>(py) {
                        return self.fatal_error(py, error, WRITE_FAILED);
                    }
                    self.error_received_in_callback(py, error)?;
                }
            }
        }
        self.update_flow(py)?;
        if !self.has_unsent() && self.endpoint.closing.get() && !self.endpoint.loss_scheduled.get()
        {
            return self.connection_lost(py);
        }
        self.update_interest(py)
    }

    /// Sends the first of what waits, with as many of the next ones as go with it.
    fn send_queued(&self, py: Python<'_>) -> Attempt {
        let result = {
            let queue = self.queue.borrow();
            let batch: Vec<_> = queue
                .iter()
                .take(udp::MAX_BATCH)
                .map_while(Outgoing::native)
                .collect();
            (!batch.is_empty()).then(|| udp::send_batch(&self.endpoint.fd, &batch))
        };
        match result {
            Some(result) => {
                let sent = result.as_ref().map_or(0, |count| *count);
                let sent: Vec<_> = {
                    let mut queue = self.queue.borrow_mut();
                    (0..sent).map_while(|_| queue.pop()).collect()
                };
                let bytes = sent.iter().map(|sent| sent.chunk.as_ref().len()).sum();
                self.endpoint.event_loop.count_sent(bytes);
                drop(sent);
                (py, result).into()
            }
            None => self.send_queued_by_socket(py),
        }
    }

    fn send_queued_by_socket(&self, py: Python<'_>) -> Attempt {
        let first = {
            let queue = self.queue.borrow();
            queue
                .iter()
                .next()
                .map(|outgoing| match &outgoing.destination {
                    Destination::Python(address) => (outgoing.chunk.to_python(py), address.clone()),
                    Destination::Connected | Destination::Peer(_) => {
                        (outgoing.chunk.to_python(py), None)
                    }
                })
        };
        let Some((data, address)) = first else {
            return Attempt::Sent;
        };
        let attempt = self.attempt_by_socket(py, &data, address.as_ref());
        if matches!(attempt, Attempt::Sent) {
            let sent = self.queue.borrow_mut().pop();
            if let Some(sent) = &sent {
                self.endpoint
                    .event_loop
                    .count_sent(sent.chunk.as_ref().len());
            }
            drop(sent);
        }
        attempt
    }

    fn update_flow(&self, py: Python<'_>) -> PyResult<()> {
        let event = self.queue.borrow_mut().flow();
        self.tell_flow(py, event)
    }

    /// Counts what is sent to a lost connection, and says so after a few.
    fn send_lost(&self, py: Python<'_>) -> PyResult<()> {
        let count = self.endpoint.lost_count.get();
        if count >= LOG_THRESHOLD {
            imports(py)?
                .logger
                .bind(py)
                .call_method1("warning", ("socket.send() raised exception.",))?;
        }
        self.endpoint.lost_count.set(count + 1);
        Ok(())
    }

    /// Refuses any address but the one that the caller of `create_datagram_endpoint` named.
    fn check_address(&self, py: Python<'_>, given: Option<&Object>) -> PyResult<()> {
        let (Some(only), Some(given)) = (&self.address, given) else {
            return Ok(());
        };
        if given.is(only.as_ptr()) || given.bind(py).eq(only.bind(py))? {
            return Ok(());
        }
        let message = format!("Invalid address: must be None or {}", only.bind(py).str()?);
        Err(PyValueError::new_err(message))
    }

    fn destination(&self, py: Python<'_>, given: Option<&Object>) -> Destination {
        if self.connected {
            return Destination::Connected;
        }
        let address = self.address.as_ref().or(given);
        let known = self.known_peer.borrow();
        Destination::of(py, address, self.family, known.as_ref())
    }
}

fn sendto(
    transport: &Instance<DatagramTransport>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let [Some(data), address] = arguments.bind(py, "sendto", ["data", "addr"], 1)? else {
        return Err(PyTypeError::new_err(
            "sendto() missing 1 required positional argument: 'data'",
        ));
    };
    let Some(chunk) = Chunk::of(&data)? else {
        return Err(not_bytes_like(&data));
    };
    if cfg!(not(Py_3_13)) && chunk.as_ref().is_empty() {
        return Ok(Object::none(py));
    }
    let given = address
        .filter(|address| !address.is_none())
        .map(|address| Object::from(address.to_owned()));
    transport.check_address(py, given.as_ref())?;
    let endpoint = &transport.endpoint;
    let is_lost = endpoint.lost_count.get() > 0 && transport.address.is_some();
    if is_lost || endpoint.owner().is_none() {
        transport.send_lost(py)?;
        return Ok(Object::none(py));
    }

    let destination = transport.destination(py, given.as_ref());
    let outgoing = Outgoing { chunk, destination };
    if !transport.has_unsent() {
        match transport.attempt(py, &outgoing)? {
            Attempt::Sent => return Ok(Object::none(py)),
            Attempt::Blocked => endpoint.renew_write_context(py)?,
            Attempt::Failed(error) => {
                if error.is_instance_of::<PyOSError>(py) {
                    transport.error_received(py, error)?;
                } else if is_fatal(py, &error) {
                    return Err(error);
                } else {
                    transport.fatal_error(py, error, WRITE_FAILED)?;
                }
                return Ok(Object::none(py));
            }
        }
    }
    let size = outgoing.chunk.as_ref().len() + HEADER_SIZE;
    transport.queue.borrow_mut().push(outgoing, size);
    transport.update_interest(py)?;
    transport.update_flow(py)?;
    Ok(Object::none(py))
}

fn get_write_buffer_size(
    transport: &Instance<DatagramTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    let buffered = transport.queue.borrow().buffered();
    Ok(Object::from(buffered.into_pyobject(py)?))
}

fn get_write_buffer_limits(
    transport: &Instance<DatagramTransport>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    let limits = transport.queue.borrow().write_limits();
    flow::to_python(py, limits)
}

fn set_write_buffer_limits(
    transport: &Instance<DatagramTransport>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let limits = flow::limits_of(py, &arguments)?;
    transport.queue.borrow_mut().set_write_limits(limits);
    transport.update_flow(py)?;
    Ok(Object::none(py))
}
