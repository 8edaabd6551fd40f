//! Where a datagram goes, and addresses that are met again and again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyString, PyTuple};
use zloop_net::Address;

use crate::raw::object::Object;
use crate::transport::address;

const AF_INET: i32 = 2;
const AF_INET6: i32 = 10;

/// The families whose addresses are read and written here; the rest is the socket object's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum AddressFamily {
    V4,
    V6,
    Other,
}

impl AddressFamily {
    /// The family of a socket object.
    ///
    /// # Errors
    /// What the attribute raises.
    pub fn of(socket: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(
            match socket
                .getattr(intern!(socket.py(), "family"))?
                .extract::<i32>()?
            {
                AF_INET => Self::V4,
                AF_INET6 => Self::V6,
                _ => Self::Other,
            },
        )
    }

    /// Reads an address of this family that needs no looking up; `None` for any other, which the
    /// socket object then judges.
    fn literal(self, address: &Bound<'_, PyAny>) -> Option<SocketAddr> {
        let address = address.cast_exact::<PyTuple>().ok()?;
        let host = address.get_item(0).ok()?;
        let host = host.cast_exact::<PyString>().ok()?.to_str().ok()?;
        let port: u16 = number(address, 1)?;
        let ip = match (self, address.len()) {
            (Self::V4, 2) => IpAddr::V4(host.parse::<Ipv4Addr>().ok()?),
            (Self::V6, 2) => IpAddr::V6(host.parse::<Ipv6Addr>().ok()?),
            (Self::V6, 4) if number::<u32>(address, 2)? == 0 => {
                let ip = host.parse::<Ipv6Addr>().ok()?;
                return Some(SocketAddrV6::new(ip, port, 0, number(address, 3)?).into());
            }
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    }
}

fn number<'py, N>(address: &Bound<'py, PyTuple>, index: usize) -> Option<N>
where
    N: for<'a> FromPyObject<'a, 'py>,
{
    let item = address.get_item(index).ok()?;
    if !item.is_exact_instance_of::<PyInt>() {
        return None;
    }
    item.extract().ok()
}

/// Where a datagram goes.
pub enum Destination {
    /// Where the socket is connected to.
    Connected,
    /// To an address.
    Peer(Address),
    /// To whatever the socket object makes of this.
    Python(Option<Object>),
}

impl Destination {
    /// What an unconnected socket makes of the `addr` of `sendto`.
    pub fn of(
        py: Python<'_>,
        address: Option<&Object>,
        family: AddressFamily,
        known: Option<&KnownPeer>,
    ) -> Self {
        let Some(address) = address else {
            return Self::Python(None);
        };
        if let Some(known) = known
            && known.object.is(address.as_ptr())
        {
            return Self::Peer(known.address.clone());
        }
        match family.literal(address.bind(py)) {
            Some(literal) => Self::Peer(Address::Ip(literal)),
            None => Self::Python(Some(address.clone())),
        }
    }
}

/// A peer's address in both forms. The Python one is a tuple, which cannot change.
pub struct KnownPeer {
    address: Address,
    object: Object,
}

impl KnownPeer {
    /// Makes the Python form.
    ///
    /// # Errors
    /// `MemoryError`.
    pub fn new(py: Python<'_>, address: &Address) -> PyResult<Self> {
        Ok(Self {
            address: address.clone(),
            object: address::to_python(py, address)?,
        })
    }

    /// The Python form.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// Whether this is the peer at `address`.
    pub fn is_at(&self, address: &Address) -> bool {
        self.address == *address
    }
}
