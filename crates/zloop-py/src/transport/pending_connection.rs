//! A connection on its way.

use std::io;
use std::net::{SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use zloop_net::{Address, Connecting, tcp};

use crate::errors::os_error;

/// A TCP socket whose connection was begun, and which no socket object owns.
///
/// `_make_socket_transport` takes it over once it is connected; until then it closes the socket
/// when it goes away.
#[pyclass(frozen, module = "zloop._zloop")]
pub struct PendingConnection {
    /// The socket, and its peer once it is connected; `None` when it is closed, or a transport's.
    socket: Mutex<Option<(Connecting, Option<Address>)>>,
}

#[pymethods]
impl PendingConnection {
    /// Begin a connection to the address of an IP socket.
    ///
    /// Nothing is begun, and None answered, where it is no literal.
    #[staticmethod]
    fn begin(py: Python<'_>, address: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        let Some(peer) = literal(address) else {
            return Ok(None);
        };
        let connecting = tcp::connect(peer, None).map_err(|error| os_error(py, &error))?;
        Ok(Some(Self {
            socket: Mutex::new(Some((connecting, None))),
        }))
    }

    /// The descriptor's number; -1 once it is closed or a transport's.
    fn fileno(&self) -> RawFd {
        self.socket()
            .as_ref()
            .map_or(-1, |(connecting, _)| connecting.as_raw_fd())
    }

    /// Tell whether the connection is made by now; raise OSError if it failed.
    fn is_connected(&self, py: Python<'_>) -> PyResult<bool> {
        let mut socket = self.socket();
        let Some((connecting, peer @ None)) = &mut *socket else {
            return Ok(true);
        };
        match connecting.finish() {
            Ok(connected) => *peer = Some(connected),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(os_error(py, &error)),
        }
        Ok(peer.is_some())
    }

    /// Close the socket, unless a transport has it.
    fn close(&self) {
        drop(self.socket().take());
    }
}

impl PendingConnection {
    /// The connected socket and its peer; `None` if it is not connected, or closed.
    pub fn take(&self) -> Option<(OwnedFd, Address)> {
        let (connecting, peer) = self.socket().take_if(|(_, peer)| peer.is_some())?;
        Some((connecting.into_fd(), peer?))
    }

    /// What a panic left behind is as good as what was there before it.
    fn socket(&self) -> MutexGuard<'_, Option<(Connecting, Option<Address>)>> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What Python has as `(host, port)` or `(host, port, flow_label, scope_id)`.
fn literal(address: &Bound<'_, PyAny>) -> Option<SocketAddr> {
    if let Ok((host, port)) = address.extract::<(PyBackedStr, u16)>() {
        return Some(SocketAddr::new(host.parse().ok()?, port));
    }
    let (host, port, flow_label, scope_id) =
        address.extract::<(PyBackedStr, u16, u32, u32)>().ok()?;
    // The standard library keeps it in the network's order.
    let flow_label = flow_label.to_be();
    Some(SocketAddrV6::new(host.parse().ok()?, port, flow_label, scope_id).into())
}
