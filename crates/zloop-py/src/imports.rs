//! What the engine needs from Python, looked up once.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyModule, PyString, PyTuple, PyType};

use crate::event_loop::EventLoop;
use crate::handles::{Handle, TimerHandle};
use crate::raw::class::NativeClass;
use crate::raw::object::Object;
use crate::tls::TlsTransport;
use crate::transport::{DatagramTransport, ReadPipeTransport, StreamTransport, WritePipeTransport};

/// Classes and functions that the engine calls, and names that it passes.
pub struct Imports {
    /// `zloop.Handle`.
    pub handle: NativeClass<Handle>,
    /// `zloop.TimerHandle`.
    pub timer_handle: NativeClass<TimerHandle>,
    /// `zloop._transport.StreamTransport`, the Python subclass of the native one.
    pub stream_transport: NativeClass<StreamTransport>,
    /// `zloop._datagram_transport.DatagramTransport`.
    pub datagram_transport: NativeClass<DatagramTransport>,
    /// `zloop._pipe_transports.ReadPipeTransport`.
    pub read_pipe_transport: NativeClass<ReadPipeTransport>,
    /// `zloop._pipe_transports.WritePipeTransport`.
    pub write_pipe_transport: NativeClass<WritePipeTransport>,
    /// `zloop._ssl_transport.SSLTransport`.
    pub tls_transport: NativeClass<TlsTransport>,
    /// `asyncio.Future`.
    pub future: Object,
    /// `asyncio.Task`.
    pub task: Object,
    /// `asyncio.BufferedProtocol`.
    pub buffered_protocol: Py<PyType>,
    /// `socket.socket`.
    pub socket: Object,
    /// `asyncio.trsock.TransportSocket`.
    pub transport_socket: Object,
    /// `asyncio.format_helpers.extract_stack`.
    pub extract_stack: Object,
    /// `asyncio.log.logger`.
    pub logger: Object,
    /// `zloop._handles.describe`.
    pub describe_handle: Object,
    /// `zloop._handles.report_error`.
    pub report_error: Object,
    /// `zloop._handles.report_waiter_error`.
    pub report_waiter_error: Object,
    /// `zloop._handles.report_slow`.
    pub report_slow: Object,
    /// `zloop._metrics.callback_name`.
    pub callback_name: Object,
    /// `zloop._handles.check_callback`.
    pub check_callback: Object,
    /// `asyncio._get_running_loop`.
    pub get_running_loop: Object,
    /// `zloop._handles.report_protocol_error`.
    pub report_protocol_error: Object,
    /// The string `context`.
    pub context: Object,
    /// The tuple `("loop",)`.
    pub event_loop_names: Py<PyTuple>,
}

static IMPORTS: PyOnceLock<Imports> = PyOnceLock::new();
static CLASSES: PyOnceLock<Classes> = PyOnceLock::new();

/// The native classes, made when the module is imported.
pub struct Classes {
    handle: NativeClass<Handle>,
    timer_handle: NativeClass<TimerHandle>,
    stream_transport: NativeClass<StreamTransport>,
    datagram_transport: NativeClass<DatagramTransport>,
    read_pipe_transport: NativeClass<ReadPipeTransport>,
    write_pipe_transport: NativeClass<WritePipeTransport>,
    tls_transport: NativeClass<TlsTransport>,
}

impl Classes {
    /// Makes the native classes and adds them to the module.
    ///
    /// # Errors
    /// What CPython raises when a class cannot be made.
    pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let py = module.py();
        let event_loop = EventLoop::class(module)?;
        let classes = Self {
            handle: Handle::class(module)?,
            timer_handle: TimerHandle::class(module)?,
            stream_transport: StreamTransport::class(module)?,
            datagram_transport: DatagramTransport::class(module)?,
            read_pipe_transport: ReadPipeTransport::class(module)?,
            write_pipe_transport: WritePipeTransport::class(module)?,
            tls_transport: TlsTransport::class(module)?,
        };
        module.add("EventLoop", event_loop.bind(py))?;
        module.add("Handle", classes.handle.bind(py))?;
        module.add("TimerHandle", classes.timer_handle.bind(py))?;
        module.add("StreamTransport", classes.stream_transport.bind(py))?;
        module.add("DatagramTransport", classes.datagram_transport.bind(py))?;
        module.add("ReadPipeTransport", classes.read_pipe_transport.bind(py))?;
        module.add("WritePipeTransport", classes.write_pipe_transport.bind(py))?;
        module.add("TlsTransport", classes.tls_transport.bind(py))?;
        // Set already if the module was imported before; those classes stay the ones in use.
        let _ = CLASSES.set(py, classes);
        Ok(())
    }
}

/// The one set of imports.
///
/// # Errors
/// What importing raises, the first time.
#[inline]
pub fn imports(py: Python<'_>) -> PyResult<&'static Imports> {
    match IMPORTS.get(py) {
        Some(imports) => Ok(imports),
        None => IMPORTS.get_or_try_init(py, || load(py)),
    }
}

#[cold]
fn load(py: Python<'_>) -> PyResult<Imports> {
    let Some(classes) = CLASSES.get(py) else {
        return Err(pyo3::exceptions::PyImportError::new_err(
            "zloop._zloop is not imported",
        ));
    };
    let asyncio = py.import("asyncio")?;
    let handles = py.import("zloop._handles")?;
    let class = |module: &str, name: &str| -> PyResult<Bound<'_, PyType>> {
        Ok(py.import(module)?.getattr(name)?.cast_into::<PyType>()?)
    };
    let stream_transport = class("zloop._transport", "StreamTransport")?;
    let datagram_transport = class("zloop._datagram_transport", "DatagramTransport")?;
    let read_pipe_transport = class("zloop._pipe_transports", "ReadPipeTransport")?;
    let write_pipe_transport = class("zloop._pipe_transports", "WritePipeTransport")?;
    let tls_transport = class("zloop._ssl_transport", "SSLTransport")?;
    Ok(Imports {
        handle: classes.handle.subclass(classes.handle.bind(py))?,
        timer_handle: classes
            .timer_handle
            .subclass(classes.timer_handle.bind(py))?,
        stream_transport: classes.stream_transport.subclass(&stream_transport)?,
        datagram_transport: classes.datagram_transport.subclass(&datagram_transport)?,
        read_pipe_transport: classes.read_pipe_transport.subclass(&read_pipe_transport)?,
        write_pipe_transport: classes
            .write_pipe_transport
            .subclass(&write_pipe_transport)?,
        tls_transport: classes.tls_transport.subclass(&tls_transport)?,
        future: Object::from(asyncio.getattr("Future")?),
        task: Object::from(asyncio.getattr("Task")?),
        buffered_protocol: asyncio
            .getattr("BufferedProtocol")?
            .cast_into::<PyType>()?
            .unbind(),
        socket: Object::from(py.import("socket")?.getattr("socket")?),
        transport_socket: Object::from(py.import("asyncio.trsock")?.getattr("TransportSocket")?),
        extract_stack: Object::from(
            py.import("asyncio.format_helpers")?
                .getattr("extract_stack")?,
        ),
        logger: Object::from(py.import("asyncio.log")?.getattr("logger")?),
        describe_handle: Object::from(handles.getattr("describe")?),
        report_error: Object::from(handles.getattr("report_error")?),
        report_waiter_error: Object::from(handles.getattr("report_waiter_error")?),
        report_slow: Object::from(handles.getattr("report_slow")?),
        callback_name: Object::from(py.import("zloop._metrics")?.getattr("callback_name")?),
        check_callback: Object::from(handles.getattr("check_callback")?),
        get_running_loop: Object::from(asyncio.getattr("_get_running_loop")?),
        report_protocol_error: Object::from(handles.getattr("report_protocol_error")?),
        context: Object::from(PyString::intern(py, "context")),
        event_loop_names: PyTuple::new(py, [PyString::intern(py, "loop")])?.unbind(),
    })
}
