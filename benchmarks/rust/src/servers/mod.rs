//! Servers, the same on each library: read into one shared buffer, send the answer at once, keep what
//! the system does not take until it does.

mod bare;
mod on_calloop;
mod on_mio;
mod on_reactor;
mod on_tokio;
mod on_zloop;
mod tls_tokio;

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use crate::Outcome;
use crate::credentials;
use crate::service::{Echo, Http};

/// How much is read at once.
const READ_SIZE: usize = 64 * 1024;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

pub fn serve(kind: &str, folder: Option<&Path>) -> Outcome {
    let config = || credentials::server(folder.ok_or("this server needs a certificate")?);
    match kind {
        "epoll" => bare::serve::<Echo>(),
        "zloop" => on_zloop::serve_echo(),
        "zloop-reactor" => on_reactor::serve::<Echo>(),
        "mio" => on_mio::serve::<Echo>(),
        "calloop" => on_calloop::serve::<Echo>(),
        "tokio" => on_tokio::serve::<Echo>(),
        "http-epoll" => bare::serve::<Http>(),
        "http-zloop" => on_zloop::serve_http(),
        "http-zloop-reactor" => on_reactor::serve::<Http>(),
        "http-mio" => on_mio::serve::<Http>(),
        "http-calloop" => on_calloop::serve::<Http>(),
        "http-tokio" => on_tokio::serve::<Http>(),
        "tls-zloop" => on_zloop::serve_tls(config()?),
        "tls-tokio" => tls_tokio::serve(config()?),
        _ => Err(format!("no server is called {kind}").into()),
    }
}

fn announce(address: SocketAddr) -> io::Result<()> {
    println!("{address}");
    io::stdout().flush()
}
