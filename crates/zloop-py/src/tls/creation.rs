//! The loop's method that makes TLS transports.

use std::time::Duration;

use pyo3::prelude::*;
use zloop_tls::Options;

use super::TlsTransport;
use super::engine::{Engine, Peer};
use super::rustls_context::RustlsContext;
use super::ssl_session::SslSession;
use super::transport::{Parts, Timeouts};
use crate::event_loop::EventLoop;
use crate::raw::arguments::Arguments;
use crate::raw::class::ClassBuilder;
use crate::raw::object::{Instance, Object};

/// Adds it to the loop's class.
pub fn add_loop_methods(builder: ClassBuilder<EventLoop>) -> ClassBuilder<EventLoop> {
    builder.method(
        c"_make_tls_transport",
        make_tls_transport,
        c"_make_tls_transport($self, protocol, sslcontext, server_side, server_hostname, handshake_timeout, shutdown_timeout, waiter=None, is_made=False, rustls=None)\n--\n\nMake a TLS transport, to be the protocol of a connected transport.",
    )
}

fn make_tls_transport(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let names = [
        "protocol",
        "sslcontext",
        "server_side",
        "server_hostname",
        "handshake_timeout",
        "shutdown_timeout",
        "waiter",
        "is_made",
        "rustls",
    ];
    let [
        Some(protocol),
        Some(context),
        Some(server_side),
        Some(server_hostname),
        Some(handshake_timeout),
        Some(shutdown_timeout),
        waiter,
        is_made,
        rustls,
    ] = arguments.bind(py, "_make_tls_transport", names, 6)?
    else {
        return Ok(Object::none(py));
    };
    event_loop.check_open()?;
    let options = Options {
        handshake_timeout: duration(&handshake_timeout)?,
        shutdown_timeout: duration(&shutdown_timeout)?,
        ..Options::default()
    };
    let server_side = server_side.is_truthy()?;
    let server_hostname = (!server_hostname.is_none()).then_some(&*server_hostname);
    let engine = match rustls.filter(|rustls| !rustls.is_none()) {
        Some(rustls) => {
            let server_hostname: Option<String> =
                server_hostname.map(|name| name.extract()).transpose()?;
            let rustls = rustls.cast::<RustlsContext>()?;
            let session = rustls.get().session(server_hostname.as_deref())?;
            let peer = Peer {
                context: Object::from(context.to_owned()),
                rustls: rustls.to_owned().unbind(),
                server_side,
                server_hostname,
            };
            Engine::over_rustls(session, options, peer)
        }
        None => {
            let session = SslSession::new(py, &context, server_side, server_hostname)?;
            Engine::over_ssl(session, options)
        }
    };
    let is_made = is_made.map_or(Ok(false), |is_made| is_made.is_truthy())?;
    let transport = TlsTransport::create(
        py,
        event_loop,
        Parts {
            engine,
            context: &context,
            protocol: &protocol,
            waiter: waiter
                .filter(|waiter| !waiter.is_none())
                .map(|waiter| Object::from(waiter.to_owned())),
            timeouts: Timeouts {
                handshake: Object::from(handshake_timeout.to_owned()),
                shutdown: Object::from(shutdown_timeout.to_owned()),
            },
            is_made,
        },
    )?;
    Ok(transport.into_object())
}

/// A time in seconds; one that is too long for the clock never comes.
fn duration(seconds: &Bound<'_, PyAny>) -> PyResult<Duration> {
    Ok(Duration::try_from_secs_f64(seconds.extract()?).unwrap_or(Duration::MAX))
}
