//! The protocol's methods, looked up once per `set_protocol`.

use pyo3::intern;
use pyo3::prelude::*;

use crate::imports::imports;
use crate::raw::call;
use crate::raw::class::Visit;
use crate::raw::object::{Instance, Object};
use crate::tls::TlsTransport;

/// A protocol and how it takes data.
#[derive(Clone)]
pub struct Protocol {
    object: Object,
    receiver: Receiver,
}

/// How a protocol takes data.
#[derive(Clone)]
pub enum Receiver {
    /// `data_received`, of an `asyncio.Protocol`.
    Streaming(Object),
    /// `get_buffer` and `buffer_updated`, of an `asyncio.BufferedProtocol`.
    Buffered {
        /// Gives the buffer to read into.
        get_buffer: Object,
        /// Takes the number of bytes read.
        buffer_updated: Object,
    },
    /// TLS in between: ciphertext goes to it without becoming a Python object.
    Tls(Instance<TlsTransport>),
    /// The protocol has neither; looking the method up again, when data is there, tells.
    Missing(&'static str),
}

impl Protocol {
    /// Looks the methods up.
    ///
    /// # Errors
    /// What `isinstance` raises.
    pub fn new(protocol: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = protocol.py();
        let receiver = if let Some(layer) = imports(py)?.tls_transport.cast(protocol)? {
            Receiver::Tls(layer)
        } else if protocol.is_instance(imports(py)?.buffered_protocol.bind(py))? {
            let get_buffer = protocol.getattr(intern!(py, "get_buffer"));
            let buffer_updated = protocol.getattr(intern!(py, "buffer_updated"));
            match (get_buffer, buffer_updated) {
                (Ok(get_buffer), Ok(buffer_updated)) => Receiver::Buffered {
                    get_buffer: get_buffer.into(),
                    buffer_updated: buffer_updated.into(),
                },
                _ => Receiver::Missing("get_buffer"),
            }
        } else {
            match protocol.getattr(intern!(py, "data_received")) {
                Ok(data_received) => Receiver::Streaming(data_received.into()),
                Err(_) => Receiver::Missing("data_received"),
            }
        };
        Ok(Self {
            object: Object::from(protocol),
            receiver,
        })
    }

    /// The protocol itself.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// How it takes data.
    #[inline]
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// TLS, if it is in between.
    #[inline]
    pub fn tls(&self) -> Option<&Instance<TlsTransport>> {
        match &self.receiver {
            Receiver::Tls(layer) => Some(layer),
            _ => None,
        }
    }

    /// Calls one of its methods without arguments.
    ///
    /// # Errors
    /// What the method raises.
    pub fn notify(&self, py: Python<'_>, method: &str) -> PyResult<Object> {
        if let Receiver::Tls(layer) = &self.receiver {
            return layer.on_lower(py, method, None);
        }
        let method = Object::from(self.object.bind(py).getattr(method)?);
        call::call0(py, &method)
    }

    /// Calls one of its methods with one argument.
    ///
    /// # Errors
    /// What the method raises.
    pub fn tell(&self, py: Python<'_>, method: &str, argument: &Object) -> PyResult<Object> {
        if let Receiver::Tls(layer) = &self.receiver {
            return layer.on_lower(py, method, Some(argument));
        }
        let method = Object::from(self.object.bind(py).getattr(method)?);
        call::call1(py, &method, argument)
    }

    /// Shows the collector what it holds.
    pub fn traverse(&self, visit: &mut Visit) {
        visit.object(&self.object);
        match &self.receiver {
            Receiver::Streaming(data_received) => visit.object(data_received),
            Receiver::Buffered {
                get_buffer,
                buffer_updated,
            } => {
                visit.object(get_buffer);
                visit.object(buffer_updated);
            }
            Receiver::Tls(layer) => visit.object(layer.as_object()),
            Receiver::Missing(_) => {}
        }
    }
}
