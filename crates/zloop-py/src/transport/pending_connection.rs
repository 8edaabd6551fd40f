//! A connection on its way.

use std::io;
use std::net::{SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use zloop_net::{PeerAddress, tcp};

use crate::errors::os_error;

/// A TCP socket whose connection was begun, and which no socket object owns.
///
/// `_make_socket_transport` takes it over once it is connected; until then it closes the socket
/// when it goes away.
#[pyclass(frozen, module = "zloop._zloop")]
pub struct PendingConnection {
    state: Mutex<State>,
}

enum State {
    ExpectConnection(zloop_net::Connecting),
    Connected(zloop_net::Connecting, PeerAddress),
    Taken,
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
        // A peer that is gone already makes this fail; reading will tell.
        let _ = tcp::set_nodelay(&connecting, true);
        Ok(Some(Self {
            state: Mutex::new(State::ExpectConnection(connecting)),
        }))
    }

    /// The descriptor's number; -1 once it is closed or a transport's.
    fn fileno(&self) -> RawFd {
        match &*self.state() {
            State::ExpectConnection(connecting) | State::Connected(connecting, _) => {
                connecting.as_raw_fd()
            }
            State::Taken => -1,
        }
    }

    /// Tell whether the connection is made by now; raise OSError if it failed.
    fn is_connected(&self, py: Python<'_>) -> PyResult<bool> {
        let mut state = self.state();
        let State::ExpectConnection(connecting) = &*state else {
            return Ok(true);
        };
        match connecting.finish() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(os_error(py, &error)),
            Ok(peer) => {
                if let State::ExpectConnection(connecting) =
                    std::mem::replace(&mut *state, State::Taken)
                {
                    *state = State::Connected(connecting, peer);
                }
                Ok(true)
            }
        }
    }

    /// Close the socket, unless a transport has it.
    fn close(&self) {
        *self.state() = State::Taken;
    }
}

impl PendingConnection {
    /// The connected socket and its peer; `None` if it is not connected, or closed.
    pub fn take(&self) -> Option<(OwnedFd, PeerAddress)> {
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Taken) {
            State::Connected(connecting, peer) => Some((connecting.into_fd(), peer)),
            other => {
                *state = other;
                None
            }
        }
    }

    /// What a panic left behind is as good as what was there before it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
