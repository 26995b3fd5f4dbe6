//! One connection: its protocol, its patience, its end.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc, watch};

use crate::config::ServerConfig;

/// How long a connection that was asked to end may take for it when nothing moves any more.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// Larger bodies go out in pieces of this size, so that a client that reads slowly can be told from one that does not read.
const PIECE: usize = 64 << 10;

/// Held by whatever works for a request: the server does not stop while one is held, a connection is not idle.
#[derive(Clone)]
pub(crate) struct InFlight {
    _server: mpsc::Sender<()>,
    _connection: Arc<Busy>,
}

/// What a connection does, for the watch over its idleness.
#[derive(Default)]
struct Activity {
    running: AtomicUsize,
    /// A request has come.
    asked: AtomicBool,
    changed: Notify,
}

struct Busy(Arc<Activity>);

pub(crate) fn builder(config: &ServerConfig) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(config.header_timeout.duration())
        .max_buf_size(config.header_bytes())
        .max_headers(100);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(config.header_bytes()).unwrap_or(u32::MAX))
        .max_concurrent_streams(config.max_streams)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// Serves until the client leaves, nothing happens for `idle_timeout`, or `closing` says so. A connection that is asked to end
/// finishes the requests it has. One that asks for nothing within `header_timeout` is dropped: HTTP's own timeout for headers begins with
/// the first byte that tells which HTTP it is.
pub(crate) async fn run(
    stream: TcpStream,
    router: Router,
    builder: Builder<TokioExecutor>,
    config: &ServerConfig,
    mut closing: watch::Receiver<bool>,
    server: mpsc::Sender<()>,
) {
    let activity = Arc::new(Activity::default());
    let service = service(router, activity.clone(), server);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let idle_timeout = config.idle_timeout.duration();
    let first_timeout = config.header_timeout.duration().min(idle_timeout);
    let mut ending = false;
    loop {
        let patience = |asked| match (ending, asked) {
            (true, _) => CLOSE_GRACE,
            (false, true) => idle_timeout,
            (false, false) => first_timeout,
        };
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke");
                }
                return;
            }
            _ = closing.changed(), if !ending => {}
            () = activity.idle_for(patience) => {
                if ending || !activity.asked.load(Ordering::Acquire) {
                    return;
                }
            }
        }
        connection.as_mut().graceful_shutdown();
        ending = true;
    }
}

fn service(
    router: Router,
    activity: Arc<Activity>,
    server: mpsc::Sender<()>,
) -> impl hyper::service::Service<
    http::Request<Incoming>,
    Response = http::Response<Watched>,
    Error = std::convert::Infallible,
    Future: Send + 'static,
> + Clone {
    let router = TowerToHyperService::new(router);
    hyper::service::service_fn(move |mut request: http::Request<Incoming>| {
        let busy = Arc::new(Busy::start(&activity));
        request.extensions_mut().insert(InFlight { _server: server.clone(), _connection: busy });
        let response = hyper::service::Service::call(&router, request);
        let activity = activity.clone();
        async move { Ok(response.await?.map(|body| Watched { body, rest: Bytes::new(), activity })) }
    })
}

impl Activity {
    /// Returns when no request ran, none came and no piece of a response went out for this long: how long may depend on whether any
    /// request has come.
    async fn idle_for(&self, patience: impl Fn(bool) -> Duration) {
        loop {
            let changed = self.changed.notified();
            let patience = patience(self.asked.load(Ordering::Acquire));
            if self.running.load(Ordering::Acquire) > 0 {
                changed.await;
            } else if tokio::time::timeout(patience, changed).await.is_err() {
                return;
            }
        }
    }
}

impl Busy {
    fn start(activity: &Arc<Activity>) -> Self {
        activity.running.fetch_add(1, Ordering::AcqRel);
        activity.asked.store(true, Ordering::Release);
        activity.changed.notify_one();
        Self(activity.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
        self.0.changed.notify_one();
    }
}

/// A response's body, cut into pieces, each of which counts as progress when it is taken.
struct Watched {
    body: Body,
    rest: Bytes,
    activity: Arc<Activity>,
}

impl hyper::body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.activity.changed.notify_one();
        if self.rest.is_empty() {
            match std::task::ready!(std::pin::Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                other => return Poll::Ready(other),
            }
        }
        let piece = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.rest.len() as u64;
        let body = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + left);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + left);
        }
        hint
    }
}
