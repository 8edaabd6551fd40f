//! From readiness to `datagram_received`.

use std::io;

use pyo3::exceptions::{PyBlockingIOError, PyInterruptedError, PyOSError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use zloop_net::{Address, udp};

use super::destination::{AddressFamily, KnownPeer};
use super::{DatagramTransport, Incoming};
use crate::errors::os_error;
use crate::event_loop::{READ_SIZE, is_fatal};
use crate::raw::call;
use crate::raw::object::{Instance, Object};

pub(super) const DATAGRAM_RECEIVED: &str = "datagram_received";

const READ_FAILED: &str = "Fatal read error on datagram transport";

/// The longest datagram of a family that is not received here.
const MAX_SIZE: usize = 256 * 1024;

impl Instance<DatagramTransport> {
    /// Takes what waits and hands it to the protocol.
    ///
    /// One receive for one datagram is what a ping-pong needs, and costs less than a batch of one.
    /// While datagrams come faster, they are received in batches as long as the burst before.
    pub(super) fn read_ready(&self, py: Python<'_>) -> PyResult<()> {
        if self.endpoint.lost_count.get() > 0 {
            return Ok(());
        }
        if !self.kept.borrow().is_empty() {
            return self.deliver_kept(py);
        }
        if self.family == AddressFamily::Other {
            return self.receive_by_socket(py);
        }
        match self.expected.get() {
            1 => self.receive_one(py),
            expected => self.receive_batch(py, expected),
        }
    }

    fn receive_one(&self, py: Python<'_>) -> PyResult<()> {
        let received = self
            .endpoint
            .event_loop
            .with_read_buffer(READ_SIZE, |buffer| {
                let (length, peer) = udp::recv_from(&self.endpoint.fd, buffer)?;
                self.endpoint.event_loop.count_received(length);
                Ok((Object::from(PyBytes::new(py, &buffer[..length])), peer))
            });
        match received {
            Ok((data, peer)) => {
                self.expected.set(2);
                let address = self.known_address(py, &peer)?;
                self.deliver(py, &data, &address)
            }
            Err(error) => self.receive_failed(py, &error),
        }
    }

    fn receive_batch(&self, py: Python<'_>, expected: usize) -> PyResult<()> {
        let mut batch = self.endpoint.event_loop.take_datagram_batch();
        let result = self.receive_burst(py, expected, &mut batch);
        self.endpoint.event_loop.return_datagram_batch(batch);
        result
    }

    /// Receives batches as long as a burst lasts, up to a limit: while one batch is handled the
    /// next comes, and to look costs less than to wait, which a sender that has to wake us pays too.
    fn receive_burst(
        &self,
        py: Python<'_>,
        mut expected: usize,
        batch: &mut udp::ReceiveBatch,
    ) -> PyResult<()> {
        self.expected.set(1);
        let mut total = 0;
        loop {
            match batch.receive_up_to(expected, &self.endpoint.fd) {
                Ok(count) => total += count,
                Err(error) => return self.receive_failed(py, &error),
            }
            self.expected.set(total);
            self.deliver_batch(py, batch)?;
            let lasts = (2..udp::MAX_BATCH).contains(&total);
            if !lasts || !self.endpoint.is_reading() {
                return Ok(());
            }
            expected = (udp::MAX_BATCH - total).min(2 * expected);
        }
    }

    fn deliver_batch(&self, py: Python<'_>, batch: &udp::ReceiveBatch) -> PyResult<()> {
        let mut result = Ok(());
        for incoming in batch.iter() {
            self.endpoint
                .event_loop
                .count_received(incoming.bytes.len());
            let data = Object::from(PyBytes::new(py, incoming.bytes));
            let address = self.known_address(py, incoming.peer)?;
            if result.is_ok() && self.endpoint.is_reading() {
                result = self.deliver(py, &data, &address);
            } else if !self.endpoint.closing.get() {
                self.kept.borrow_mut().push_back(Incoming { data, address });
            }
        }
        self.put_off_kept(&result);
        result
    }

    /// Where the loop stops at an exception, what is left comes first when it runs again.
    fn put_off_kept(&self, result: &PyResult<()>) {
        if result.is_err() && !self.kept.borrow().is_empty() {
            self.put_off(super::Step::Proceed);
        }
    }

    /// Hands on what was kept, as far as the protocol wants it.
    pub(super) fn deliver_kept(&self, py: Python<'_>) -> PyResult<()> {
        while self.endpoint.is_reading() {
            let Some(Incoming { data, address }) = self.kept.borrow_mut().pop_front() else {
                break;
            };
            let delivered = self.deliver(py, &data, &address);
            self.put_off_kept(&delivered);
            delivered?;
        }
        Ok(())
    }

    fn deliver(&self, py: Python<'_>, data: &Object, address: &Object) -> PyResult<()> {
        let Some(protocol) = self.endpoint.protocol() else {
            return Ok(());
        };
        let told = protocol
            .method(py, DATAGRAM_RECEIVED)
            .and_then(|method| call::call2(py, &method, data, address).map(drop));
        match told {
            Ok(()) => Ok(()),
            failed => self.check_callback(py, protocol.object(), DATAGRAM_RECEIVED, data, failed),
        }
    }

    /// Receives one datagram by the socket object, which knows every family.
    fn receive_by_socket(&self, py: Python<'_>) -> PyResult<()> {
        let Some(socket) = self.endpoint.owner() else {
            return Ok(());
        };
        let received = socket
            .bind(py)
            .call_method1(intern!(py, "recvfrom"), (MAX_SIZE,))
            .and_then(|received| received.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>());
        match received {
            Ok((data, address)) => {
                self.endpoint.event_loop.count_received(data.len()?);
                self.deliver(py, &data.into(), &address.into())
            }
            Err(error) if would_block(py, &error) => Ok(()),
            Err(error) if error.is_instance_of::<PyOSError>(py) => {
                self.error_received_in_callback(py, error)
            }
            Err(error) if is_fatal(py, &error) => Err(error),
            Err(error) => self.fatal_error(py, error, READ_FAILED),
        }
    }

    fn receive_failed(&self, py: Python<'_>, error: &io::Error) -> PyResult<()> {
        if error.kind() == io::ErrorKind::WouldBlock {
            return Ok(());
        }
        self.error_received_in_callback(py, os_error(py, error))
    }

    /// Tells the protocol of an error, and the loop of what the protocol raises.
    pub(super) fn error_received_in_callback(&self, py: Python<'_>, error: PyErr) -> PyResult<()> {
        let Some(protocol) = self.endpoint.protocol() else {
            return Ok(());
        };
        let argument = Object::from(error.clone_ref(py).into_value(py));
        let told = self.error_received(py, error);
        self.check_callback(py, protocol.object(), "error_received", &argument, told)
    }

    /// Tells the protocol of an error.
    ///
    /// # Errors
    /// What the protocol raises.
    pub(super) fn error_received(&self, py: Python<'_>, error: PyErr) -> PyResult<()> {
        let Some(protocol) = self.endpoint.protocol() else {
            return Ok(());
        };
        protocol
            .object()
            .bind(py)
            .call_method1(intern!(py, "error_received"), (error.into_value(py),))?;
        Ok(())
    }

    /// The address as Python has it: the same object, while the same peer sends.
    fn known_address(&self, py: Python<'_>, peer: &Address) -> PyResult<Object> {
        if let Some(known) = &*self.known_peer.borrow()
            && known.is_at(peer)
        {
            return Ok(known.object().clone());
        }
        let known = KnownPeer::new(py, peer)?;
        let object = known.object().clone();
        drop(self.known_peer.replace(Some(known)));
        Ok(object)
    }
}

/// Whether the socket object says: not now.
pub(super) fn would_block(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PyBlockingIOError>(py) || error.is_instance_of::<PyInterruptedError>(py)
}
