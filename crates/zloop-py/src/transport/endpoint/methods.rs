//! The Python methods that all such transports have.

use pyo3::prelude::*;
use zloop_core::Interest;

use super::{EndpointTransport, Receiver};
use crate::raw::arguments::Arguments;
use crate::raw::class::ClassBuilder;
use crate::raw::object::{Instance, Object};

/// Adds what every transport has.
pub fn add_methods<T: EndpointTransport>(builder: ClassBuilder<T>) -> ClassBuilder<T> {
    builder
        .method(c"set_protocol", set_protocol::<T>, c"set_protocol($self, protocol)\n--\n\nHave another protocol told from now on.")
        .bare_method(c"get_protocol", |transport, py, _| Ok(protocol(transport, py)), c"get_protocol($self)\n--\n\nThe protocol that is told.")
        .bare_method(c"is_closing", is_closing::<T>, c"is_closing($self)\n--\n\nWhether it is closing or closed.")
        .bare_method(c"_state", state::<T>, c"_state($self)\n--\n\nWhether it is open, closing or closed, and what the selector waits for.")
        .getter(c"_loop", |transport, _| Ok(transport.endpoint().event_loop.as_object().clone()))
        .getter(c"_protocol", |transport, py| Ok(protocol(transport, py)))
        .getter(c"_fileno", |transport, py| Ok(Object::from(transport.endpoint().fd.into_pyobject(py)?)))
        .getter(c"_owner", |transport, py| {
            Ok(transport.endpoint().owner().unwrap_or_else(|| Object::none(py)))
        })
        .property(
            c"_extra",
            |transport, _| Ok(transport.endpoint().extra.borrow().clone()),
            |transport, _, value| {
                drop(transport.endpoint().extra.replace(Object::from(value)));
                Ok(())
            },
        )
}

/// Adds what transports have that read.
pub fn add_reading_methods<T: EndpointTransport>(builder: ClassBuilder<T>) -> ClassBuilder<T> {
    builder
        .bare_method(
            c"pause_reading",
            pause_reading::<T>,
            c"pause_reading($self)\n--\n\nStop handing data to the protocol.",
        )
        .bare_method(
            c"resume_reading",
            resume_reading::<T>,
            c"resume_reading($self)\n--\n\nGo on handing data to the protocol.",
        )
        .bare_method(
            c"is_reading",
            is_reading::<T>,
            c"is_reading($self)\n--\n\nWhether data is handed to the protocol.",
        )
}

fn protocol<T: EndpointTransport>(transport: &Instance<T>, py: Python<'_>) -> Object {
    match &*transport.endpoint().protocol.borrow() {
        Some(protocol) => protocol.object().clone(),
        None => Object::none(py),
    }
}

fn set_protocol<T: EndpointTransport>(
    transport: &Instance<T>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let [protocol] = arguments.bind(py, "set_protocol", ["protocol"], 1)?;
    if let Some(protocol) = protocol {
        let receiver = Receiver::new(py, Object::from(protocol.to_owned()), T::RECEIVE);
        drop(transport.endpoint().protocol.replace(Some(receiver)));
    }
    Ok(Object::none(py))
}

fn is_closing<T: EndpointTransport>(
    transport: &Instance<T>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    Ok(Object::boolean(py, transport.endpoint().closing.get()))
}

fn state<T: EndpointTransport>(
    transport: &Instance<T>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    let state = (
        transport.state(),
        transport.waits_for(Interest::READABLE),
        transport.waits_for(Interest::WRITABLE),
    );
    Ok(Object::from(state.into_pyobject(py)?))
}

fn pause_reading<T: EndpointTransport>(
    transport: &Instance<T>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    let endpoint = transport.endpoint();
    if endpoint.is_reading() {
        endpoint.paused.set(true);
        transport.update_interest(py)?;
        transport.log(py, "debug", "%r pauses reading")?;
    }
    Ok(Object::none(py))
}

fn resume_reading<T: EndpointTransport>(
    transport: &Instance<T>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    let endpoint = transport.endpoint();
    if !endpoint.closing.get() && endpoint.paused.get() {
        endpoint.paused.set(false);
        endpoint.renew_read_context(py)?;
        transport.update_interest(py)?;
        T::reading_resumed(transport);
        transport.log(py, "debug", "%r resumes reading")?;
    }
    Ok(Object::none(py))
}

fn is_reading<T: EndpointTransport>(
    transport: &Instance<T>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    Ok(Object::boolean(py, transport.endpoint().is_reading()))
}
