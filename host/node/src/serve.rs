//! `bulla serve`: the host behind HTTP, from its first to its last request.
//!
//! HTTP has a runtime of its own: connections are accepted and health is answered also while every worker runs a guest.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bulla_base::{Coded, Failure, codes};
use bulla_server::{ServerConfig, Services, router};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{oneshot, watch};

use crate::background::{Background, stopped};
use crate::config::Config;
use crate::files;
use crate::host::{Host, internal};
use crate::initialise::{refused, write_private};
use crate::operator::Operator;

/// `server.json` in the data directory, while a server runs: how the CLI finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerFile {
    pub url: String,
    pub pid: u32,
}

impl ServerFile {
    pub const NAME: &'static str = "server.json";

    fn write(config: &Config, address: SocketAddr) -> Result<PathBuf, Failure> {
        let path = config.data.directory.join(Self::NAME);
        let file = Self { url: format!("http://{address}"), pid: std::process::id() };
        let text = serde_json::to_vec(&file).map_err(|error| internal(&error.to_string()))?;
        write_private(&path, &text)?;
        Ok(path)
    }
}

/// Connections that wait to be accepted, or as many as the system allows (`net.core.somaxconn`).
const BACKLOG: u32 = 4_096;

/// Serves until `shutdown` resolves: then no new requests, calls in flight end or are rolled back, and all that was counted
/// is written. `ready` hears the address once requests are taken.
pub async fn serve(
    config: Config,
    compiler: Option<PathBuf>,
    ready: impl FnOnce(SocketAddr),
    shutdown: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let settings = ServerConfig { max_connections: files::connections(&config)?, ..server_config(&config)? };
    let host = Arc::new(Host::start(config, compiler).await?);
    let listen = host.config.server.listen;
    let listener = listen_on(listen).map_err(|error| {
        Failure::new(codes::UNAVAILABLE, format!("cannot listen on `{listen}`: {}", error.kind()))
    })?;
    let address = listener.local_addr().map_err(|error| internal(&error.to_string()))?;
    let http = Http::start(services(&host), settings, listener)?;
    let (stop, stopping) = watch::channel(false);
    let mut background = Background::start(&host, &stopping);
    let file = ServerFile::write(&host.config, address)?;
    ready(address);
    // What cannot be written or swept any more is not served either: whoever watches the process starts it anew.
    let broken = tokio::select! {
        () = shutdown => None,
        () = host.core.committer.stopped() => Some("the committer has stopped"),
        () = background.broken() => Some("a background loop has stopped"),
    };
    tracing::info!(broken, "stopping: calls in flight end, new ones are refused");
    http.stop().await;
    // An error means that nobody listens any more: then all have stopped.
    let _ = stop.send(true);
    background.finish(host.clone()).await;
    host.core.db.close().await;
    std::fs::remove_file(&file).map_err(|error| refused(&file, &error))?;
    broken.map_or(Ok(()), |what| Err(internal(what)))
}

/// Beyond the backlog the system drops connections that their clients believe in; one that says nothing then waits for ever.
fn listen_on(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// The HTTP side on its own thread and runtime.
struct Http {
    stop: watch::Sender<bool>,
    ended: oneshot::Receiver<()>,
}

impl Http {
    fn start(
        services: Services,
        settings: ServerConfig,
        listener: std::net::TcpListener,
    ) -> Result<Self, Failure> {
        let (stop, stopping) = watch::channel(false);
        let (ending, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("bulla-http")
            .enable_all()
            .build()
            .map_err(|error| internal(&error.to_string()))?;
        std::thread::Builder::new()
            .name("bulla-http-main".into())
            .spawn(move || {
                runtime.block_on(async move {
                    match TcpListener::from_std(listener) {
                        Ok(listener) => {
                            let router = router(Arc::new(services), settings.clone());
                            bulla_server::serve(listener, router, &settings, stopped(stopping)).await;
                        }
                        Err(error) => tracing::error!(%error, "the listener could not be used"),
                    }
                });
                // Nobody may wait any more.
                let _ = ending.send(());
            })
            .map_err(|error| internal(&error.to_string()))?;
        Ok(Self { stop, ended })
    }

    async fn stop(self) {
        // Errors mean that the thread has ended already.
        let _ = self.stop.send(true);
        let _ = self.ended.await;
    }
}

fn server_config(config: &Config) -> Result<ServerConfig, Failure> {
    let server = &config.server;
    let settings = ServerConfig {
        max_header: server.headers,
        header_timeout: server.header_timeout,
        max_body: server.body,
        max_package_body: server.package_body,
        body_memory: server.body_memory,
        body_timeout: server.body_timeout,
        package_timeout: server.package_timeout,
        idle_timeout: server.idle_timeout,
        shutdown_grace: server.drain,
        ..ServerConfig::default()
    };
    settings.check().map_err(|error| error.failure())?;
    Ok(settings)
}

fn services(host: &Arc<Host>) -> Services {
    let operator = Arc::new(Operator::new(host.clone()));
    Services {
        addons: host.addons.clone(),
        approvals: host.rooms.approvals.as_ref().clone(),
        audit: host.audit.clone(),
        jobs: host.rooms.jobs.as_ref().clone(),
        keys: host.rooms.keys.clone(),
        secrets: host.rooms.secrets.clone(),
        sequences: host.rooms.sequences.clone(),
        tenants: host.tenants.clone(),
        tokens: host.tokens.clone(),
        trust: host.trust.clone(),
        usage: host.usage.clone(),
        dispatch: Arc::new(host.dispatcher.clone()),
        authorize: host.policies.clone(),
        quotas: host.policies.clone(),
        installer: operator.clone(),
        manifests: operator.clone(),
        policy: operator.clone(),
        diagnostics: operator.clone(),
        audit_sink: operator,
        metrics: host.metrics.clone(),
        workers: host.dispatcher.workers.clone(),
        clock: host.core.clock.clone(),
        rng: host.core.rng.clone(),
    }
}
