//! One process of a comparison: a server on some library, or the client that loads it with echoes.
//! `scripts/bench_rust.py` starts them.

mod credentials;
mod load;
mod servers;
mod service;

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::load::Load;

const USAGE: &str = "usage: zloop-bench credentials FOLDER
       zloop-bench serve KIND [FOLDER]
       zloop-bench load ADDRESS CONNECTIONS SIZE SECONDS [FOLDER]
       zloop-bench idle ADDRESS CONNECTIONS [FOLDER]";

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["credentials", folder] => credentials::make(Path::new(folder)),
        ["serve", kind] => servers::serve(kind, None),
        ["serve", kind, folder] => servers::serve(kind, Some(Path::new(folder))),
        ["load", address, connections, size, seconds, rest @ ..] => {
            let load = load(address, connections, size, rest)?;
            load.run(Duration::from_secs_f64(seconds.parse()?))
        }
        ["idle", address, connections, rest @ ..] => load(address, connections, "1", rest)?.idle(),
        _ => Err(USAGE.into()),
    }
}

fn load(address: &str, connections: &str, size: &str, rest: &[&str]) -> Outcome<Load> {
    let address: SocketAddr = address.parse()?;
    let tls = match rest {
        [] => None,
        [folder] => Some(credentials::client(Path::new(folder))?),
        _ => return Err(USAGE.into()),
    };
    Ok(Load {
        address,
        connections: connections.parse()?,
        message: vec![b'x'; size.parse()?],
        tls,
    })
}
