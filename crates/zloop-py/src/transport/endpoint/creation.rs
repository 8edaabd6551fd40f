//! The loop's methods that make datagram and pipe transports.

use pyo3::intern;
use pyo3::prelude::*;

use super::Parts;
use crate::event_loop::EventLoop;
use crate::raw::arguments::Arguments;
use crate::raw::class::ClassBuilder;
use crate::raw::object::{Instance, Object};
use crate::transport::datagram::DatagramTransport;
use crate::transport::pipe::{ReadPipeTransport, WritePipeTransport};

/// Adds them to the loop's class.
pub fn add_loop_methods(builder: ClassBuilder<EventLoop>) -> ClassBuilder<EventLoop> {
    builder
        .method(c"_make_datagram_transport", make_datagram_transport, c"_make_datagram_transport($self, sock, protocol, address=None, waiter=None, extra=None)\n--\n\nMake a transport over a datagram socket, which stays the descriptor's owner.")
        .method(c"_make_read_pipe_transport", make_read_pipe_transport, c"_make_read_pipe_transport($self, pipe, protocol, waiter=None, extra=None)\n--\n\nMake a transport over a file object to read from, which stays the descriptor's owner.")
        .method(c"_make_write_pipe_transport", make_write_pipe_transport, c"_make_write_pipe_transport($self, pipe, protocol, watches_peer, waiter=None, extra=None)\n--\n\nMake a transport over a file object to write to, which stays the descriptor's owner.")
}

fn present(value: Option<Borrowed<'_, '_, PyAny>>) -> Option<Object> {
    value
        .filter(|value| !value.is_none())
        .map(|value| Object::from(value.to_owned()))
}

fn parts(
    event_loop: &Instance<EventLoop>,
    owner: &Bound<'_, PyAny>,
    protocol: &Bound<'_, PyAny>,
    waiter: Option<Borrowed<'_, '_, PyAny>>,
    extra: Option<Borrowed<'_, '_, PyAny>>,
) -> PyResult<Parts> {
    Ok(Parts {
        event_loop: event_loop.clone(),
        owner: Object::from(owner),
        fd: owner
            .call_method0(intern!(owner.py(), "fileno"))?
            .extract()?,
        protocol: Object::from(protocol),
        waiter: present(waiter),
        extra: present(extra),
    })
}

fn make_datagram_transport(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let names = ["sock", "protocol", "address", "waiter", "extra"];
    let [Some(socket), Some(protocol), address, waiter, extra] =
        arguments.bind(py, "_make_datagram_transport", names, 2)?
    else {
        return Ok(Object::none(py));
    };
    let parts = parts(event_loop, &socket, &protocol, waiter, extra)?;
    Ok(DatagramTransport::create(py, parts, present(address))?.into_object())
}

fn make_read_pipe_transport(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let names = ["pipe", "protocol", "waiter", "extra"];
    let [Some(pipe), Some(protocol), waiter, extra] =
        arguments.bind(py, "_make_read_pipe_transport", names, 2)?
    else {
        return Ok(Object::none(py));
    };
    let parts = parts(event_loop, &pipe, &protocol, waiter, extra)?;
    Ok(ReadPipeTransport::create(py, parts)?.into_object())
}

fn make_write_pipe_transport(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let names = ["pipe", "protocol", "watches_peer", "waiter", "extra"];
    let [
        Some(pipe),
        Some(protocol),
        Some(watches_peer),
        waiter,
        extra,
    ] = arguments.bind(py, "_make_write_pipe_transport", names, 3)?
    else {
        return Ok(Object::none(py));
    };
    let parts = parts(event_loop, &pipe, &protocol, waiter, extra)?;
    Ok(WritePipeTransport::create(py, parts, watches_peer.is_truthy()?)?.into_object())
}
