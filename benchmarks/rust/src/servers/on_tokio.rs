//! On tokio's current-thread runtime: a task for each connection.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{ANY_PORT, BACKLOG, announce};
use crate::Outcome;
use crate::service::Service;

/// A task keeps its buffer while it waits, so it is smaller than the one that others share.
const BUFFER: usize = 4 * 1024;

pub fn serve<S: Service>() -> Outcome {
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
            tokio::spawn(exchange(socket, S::default()));
        }
    })
}

async fn exchange(mut socket: TcpStream, mut service: impl Service) {
    let mut buffer = vec![0; BUFFER];
    while let Ok(count) = socket.read(&mut buffer).await {
        let answer = service.answer(&buffer[..count]);
        if count == 0 || socket.write_all(answer).await.is_err() {
            break;
        }
    }
}
