//! Accepting connections, and stopping.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::config::ServerConfig;
use crate::connection;

/// After an error of the listener itself, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// False: requests still ran when `shutdown_grace` was over.
    pub drained: bool,
}

/// Serves HTTP/1.1 and HTTP/2 (with prior knowledge) until `shutdown` resolves; then takes no connection any more and waits for
/// the requests that run, at most `shutdown_grace`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    config: &ServerConfig,
    shutdown: impl Future<Output = ()>,
) -> Stopped {
    let builder = connection::builder(config);
    let config = Arc::new(config.clone());
    let places = Arc::new(Semaphore::new(config.max_connections as usize));
    let (close, closing) = watch::channel(false);
    let (server, mut in_flight) = mpsc::channel::<()>(1);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        // A place first: what the server cannot hold waits outside.
        let accepted = async {
            let place = places.clone().acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = shutdown.as_mut() => break,
            Some(_) = connections.join_next() => continue,
            accepted = accepted => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Small responses go out at once.
        let _ = stream.set_nodelay(true);
        let (router, builder, config) = (router.clone(), builder.clone(), config.clone());
        let (closing, server) = (closing.clone(), server.clone());
        connections.spawn(async move {
            connection::run(stream, router, builder, &config, closing, server).await;
            drop(place);
        });
    }
    drop((listener, server));
    let _ = close.send(true);
    // Requests whose client has gone away run without a connection: both must end.
    let drained = tokio::time::timeout(config.shutdown_grace.duration(), async {
        while connections.join_next().await.is_some() {}
        in_flight.recv().await;
    });
    let drained = drained.await.is_ok();
    if !drained {
        tracing::warn!(connections = connections.len(), "requests still ran when the time to stop was over");
        connections.shutdown().await;
    }
    Stopped { drained }
}
