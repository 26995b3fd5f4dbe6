//! A receiver of deliveries for demonstrations: checks the token, refuses the first tries, remembers what came.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use parking_lot::Mutex;
use tokio::net::TcpListener;

/// One try of a delivery, as the receiver saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub idempotency_key: String,
    /// True when the `Authorization` header held the token.
    pub authorized: bool,
    /// What the receiver answered.
    pub status: u16,
    pub body: Vec<u8>,
}

/// Stands on loopback, on a port that the system picks, until the runtime ends.
#[derive(Clone)]
pub struct Receiver {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

struct Desk {
    token: String,
    refuse_first: usize,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    /// `refuse_first` tries get 503, later ones 202 where the token is right, else 401.
    pub async fn start(token: &str, refuse_first: usize) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let desk = Arc::new(Desk { token: token.to_owned(), refuse_first, received: received.clone() });
        let router = Router::new().route("/invoices", post(receive)).with_state(desk);
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the receiver stopped");
            }
        });
        Ok(Self { address, received })
    }

    /// `http://127.0.0.1:<port>`
    pub fn destination(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().clone()
    }
}

async fn receive(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let text =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let authorized = text("authorization") == format!("Bearer {}", desk.token);
    let mut received = desk.received.lock();
    let status = match (received.len() < desk.refuse_first, authorized) {
        (true, _) => StatusCode::SERVICE_UNAVAILABLE,
        (false, true) => StatusCode::ACCEPTED,
        (false, false) => StatusCode::UNAUTHORIZED,
    };
    received.push(Received {
        idempotency_key: text("idempotency-key"),
        authorized,
        status: status.as_u16(),
        body: body.to_vec(),
    });
    status
}
