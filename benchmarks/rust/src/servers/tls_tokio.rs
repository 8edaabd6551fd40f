//! TLS on tokio-rustls.

use std::sync::Arc;

use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{ANY_PORT, BACKLOG, announce};
use crate::Outcome;

const BUFFER: usize = 4 * 1024;

pub fn serve(config: Arc<ServerConfig>) -> Outcome {
    let acceptor = TlsAcceptor::from(config);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(ANY_PORT).await?;
        rustix::net::listen(&listener, BACKLOG)?;
        announce(listener.local_addr()?)?;
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            tokio::spawn(echo(acceptor.clone(), socket));
        }
    })
}

async fn echo(acceptor: TlsAcceptor, socket: TcpStream) {
    let Ok(mut stream) = acceptor.accept(socket).await else {
        return;
    };
    let mut buffer = vec![0; BUFFER];
    while let Ok(count) = stream.read(&mut buffer).await {
        if count == 0 || stream.write_all(&buffer[..count]).await.is_err() {
            break;
        }
        // tokio-rustls keeps what it encrypted until it is flushed.
        if stream.flush().await.is_err() {
            break;
        }
    }
}
