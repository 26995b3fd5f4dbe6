//! Slow, large, silent and impatient clients, over real sockets.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bulla_base::{Bytes, Millis};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::bench::Bench;
use crate::{ServerConfig, Stopped, serve};

/// Long beside every limit that these tests set.
const LONG: Duration = Duration::from_secs(5);
const SUBMIT: &str = "/v1/tenants/acme/actions/einvoice/submit";

struct Server {
    bench: Bench,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    stopped: JoinHandle<Stopped>,
}

impl Server {
    async fn start(config: ServerConfig) -> Self {
        let bench = Bench::with(config.clone()).await;
        *bench.script.answer.lock() = Some(Ok(b"null".to_vec()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopping) = oneshot::channel::<()>();
        let router = bench.router.clone();
        let stopped = tokio::spawn(async move {
            serve(listener, router, &config, async move { drop(stopping.await) }).await
        });
        Self { bench, address, stop, stopped }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Waits until so many calls have come to the script.
    async fn called(&self, calls: usize) {
        let come = async {
            while self.bench.script.asked.lock().len() < calls {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LONG, come).await.expect("the call runs");
    }

    /// A POST to the action, whose body is still to come.
    fn call_head(&self, length: usize) -> String {
        let token = &self.bench.ada;
        head(SUBMIT, token, length)
    }

    /// A whole call with a body of so many bytes, on a connection of its own.
    async fn whole(&self, head: &str, length: usize) -> String {
        let mut stream = self.connect().await;
        stream.write_all(format!("{head}{:>length$}", "{}").as_bytes()).await.unwrap();
        first(&mut stream).await
    }
}

fn head(path: &str, token: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// What comes until the server closes, within `LONG`.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is an end as well.
    let _ = timeout(LONG, stream.read_to_end(&mut bytes)).await.expect("the server closes");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What comes first.
async fn first(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; 65_536];
    let read = timeout(LONG, stream.read(&mut bytes)).await.expect("an answer").unwrap();
    String::from_utf8_lossy(&bytes[..read]).into_owned()
}

#[tokio::test]
async fn headers_that_trickle_in_are_given_up() {
    let server = Server::start(ServerConfig { header_timeout: Millis(300), ..Default::default() }).await;
    let mut slow = server.connect().await;
    slow.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
    let started = clock();
    let mut open = true;
    while open && started.elapsed() < LONG {
        open = slow.write_all(b"x: y\r\n").await.is_ok();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(started.elapsed() < LONG / 2, "the server waited for ever");
    // Others were served all the time.
    let mut other = server.connect().await;
    other.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(first(&mut other).await.starts_with("HTTP/1.1 200"));
}

#[expect(clippy::disallowed_methods, reason = "the tests measure real sockets")]
fn clock() -> std::time::Instant {
    std::time::Instant::now()
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let server = Server::start(ServerConfig { idle_timeout: Millis(200), ..Default::default() }).await;
    for said in [b"".as_slice(), b"P", b"PRI * HTTP/2.0\r\n"] {
        let mut silent = server.connect().await;
        silent.write_all(said).await.unwrap();
        assert_eq!(rest(&mut silent).await, "", "{said:?}");
    }
}

#[tokio::test]
async fn a_kept_connection_is_closed_when_nothing_comes() {
    let server = Server::start(ServerConfig { idle_timeout: Millis(2_000), ..Default::default() }).await;
    let mut kept = server.connect().await;
    for _ in 0..3 {
        kept.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert!(first(&mut kept).await.starts_with("HTTP/1.1 200"));
        tokio::time::sleep(Duration::from_millis(900)).await;
    }
    assert_eq!(rest(&mut kept).await, "");
}

#[tokio::test]
async fn a_long_call_is_not_an_idle_connection() {
    let config =
        ServerConfig { idle_timeout: Millis(700), header_timeout: Millis(700), ..Default::default() };
    let server = Server::start(config).await;
    *server.bench.script.takes.lock() = Duration::from_secs(2);
    let mut patient = server.connect().await;
    patient.write_all(format!("{}{{}}", server.call_head(2)).as_bytes()).await.unwrap();
    assert!(first(&mut patient).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn headers_have_a_size() {
    let server = Server::start(ServerConfig { max_header: Bytes(8 << 10), ..Default::default() }).await;
    let mut large = server.connect().await;
    let head = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(16 << 10));
    large.write_all(head.as_bytes()).await.unwrap();
    assert!(rest(&mut large).await.starts_with("HTTP/1.1 431"));
    let mut many = server.connect().await;
    let head = format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(200));
    many.write_all(head.as_bytes()).await.unwrap();
    assert!(rest(&mut many).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn a_body_that_does_not_come_is_a_timeout() {
    let server = Server::start(ServerConfig { body_timeout: Millis(200), ..Default::default() }).await;
    let mut slow = server.connect().await;
    slow.write_all(format!("{}{{", server.call_head(100)).as_bytes()).await.unwrap();
    let answer = first(&mut slow).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("request-timeout"), "{answer}");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_read() {
    let server = Server::start(ServerConfig { max_body: Bytes(1_000), ..Default::default() }).await;
    let mut large = server.connect().await;
    large.write_all(server.call_head(1_001).as_bytes()).await.unwrap();
    let answer = first(&mut large).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("too-large"), "{answer}");
    assert!(server.bench.script.asked.lock().is_empty());
}

/// Room for one large body of a tenant and not for two.
const TIGHT: ServerConfig = ServerConfig {
    max_body: Bytes(1_000),
    max_package_body: Bytes(1_000),
    body_memory: Bytes(2_000),
    max_connections: 100,
    max_streams: 10,
    max_header: Bytes(8 << 10),
    header_timeout: Millis(30_000),
    idle_timeout: Millis(30_000),
    body_timeout: Millis(30_000),
    package_timeout: Millis(30_000),
    shutdown_grace: Millis(1_000),
};

#[tokio::test]
async fn bodies_that_are_still_coming_hold_so_much_and_another_tenant_finds_room() {
    let server = Server::start(TIGHT).await;
    let mut slow = server.connect().await;
    slow.write_all(format!("{}{:>899}", server.call_head(900), "{").as_bytes()).await.unwrap();
    let refused = async {
        loop {
            let answer = server.whole(&server.call_head(900), 900).await;
            if !answer.starts_with("HTTP/1.1 200") {
                return answer;
            }
        }
    };
    let refused = timeout(LONG, refused).await.expect("there is no room any more");
    assert!(refused.starts_with("HTTP/1.1 429") && refused.contains("\"busy\""), "{refused}");
    assert!(refused.contains("retry-after: 1") && refused.contains("\"retry-after-ms\":1000"), "{refused}");

    let metrics = String::from_utf8(server.bench.services.metrics.text().unwrap()).unwrap();
    assert!(metrics.contains(r#"bulla_calls_throttled_total{reason="body-memory"} 1"#), "{metrics}");

    let other = head("/v1/tenants/globex/actions/einvoice/submit", &server.bench.bob, 500);
    assert!(server.whole(&other, 500).await.starts_with("HTTP/1.1 200"));
    assert!(server.whole(&server.call_head(90), 90).await.starts_with("HTTP/1.1 200"));

    slow.write_all(b"}").await.unwrap();
    assert!(first(&mut slow).await.starts_with("HTTP/1.1 200"));
    assert!(server.whole(&server.call_head(900), 900).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_body_is_held_until_its_call_has_ended_whoever_is_there() {
    let server = Server::start(TIGHT).await;
    *server.bench.script.takes.lock() = LONG;
    let mut gone = server.connect().await;
    gone.write_all(format!("{}{:>900}", server.call_head(900), "{}").as_bytes()).await.unwrap();
    server.called(1).await;
    drop(gone);
    tokio::time::sleep(Duration::from_millis(100)).await;
    *server.bench.script.takes.lock() = Duration::ZERO;
    assert!(server.whole(&server.call_head(900), 900).await.starts_with("HTTP/1.1 429"));
    let ended = async {
        while server.bench.script.ended.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(2 * LONG, ended).await.expect("the call ends");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(server.whole(&server.call_head(900), 900).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn half_a_request_is_no_request() {
    let server = Server::start(ServerConfig::default()).await;
    let mut half = server.connect().await;
    half.write_all(format!("{}{{", server.call_head(2)).as_bytes()).await.unwrap();
    half.shutdown().await.unwrap();
    rest(&mut half).await;
    assert!(server.bench.script.asked.lock().is_empty());
}

#[tokio::test]
async fn a_client_that_does_not_read_is_let_go() {
    let (idle_timeout, header_timeout) = (Millis(10_000), Millis(10_000));
    let server = Server::start(ServerConfig { idle_timeout, header_timeout, ..Default::default() }).await;
    let large = format!("\"{}\"", "x".repeat(64 << 20));
    *server.bench.script.answer.lock() = Some(Ok(large.into_bytes()));
    // A buffer of a fixed size: one that the system makes larger as it sees fit takes more after seconds, and that is progress.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let mut deaf = socket.connect(server.address).await.unwrap();
    deaf.write_all(format!("{}{{}}", server.call_head(2)).as_bytes()).await.unwrap();
    first(&mut deaf).await;
    // Idle for one of the two times, not for both, asked to end, and after the grace for that gone: the server stops at once with
    // nobody to wait for.
    tokio::time::sleep(Duration::from_secs(17)).await;
    let Server { stop, stopped, .. } = server;
    stop.send(()).unwrap();
    assert!(timeout(Duration::from_secs(6), stopped).await.unwrap().unwrap().drained);
}

#[tokio::test]
async fn further_connections_wait_outside() {
    let server = Server::start(ServerConfig { max_connections: 1, ..Default::default() }).await;
    let get = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut inside = server.connect().await;
    inside.write_all(get).await.unwrap();
    first(&mut inside).await;
    let mut outside = server.connect().await;
    outside.write_all(get).await.unwrap();
    let mut byte = [0];
    assert!(timeout(Duration::from_millis(300), outside.peek(&mut byte)).await.is_err());
    drop(inside);
    assert!(first(&mut outside).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn http_2_is_served_beside_http_1() {
    let server = Server::start(ServerConfig::default()).await;
    let io = TokioIo::new(server.connect().await);
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let get = || {
        let uri = format!("http://{}/healthz", server.address);
        http::Request::get(uri).body(Empty::<axum::body::Bytes>::new()).unwrap()
    };
    let both = futures::future::join(client.send_request(get()), client.clone().send_request(get())).await;
    for response in [both.0.unwrap(), both.1.unwrap()] {
        assert_eq!((response.status().as_u16(), response.version()), (200, http::Version::HTTP_2));
        assert!(!response.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
}

#[tokio::test]
async fn stopping_waits_for_what_runs() {
    let server = Server::start(ServerConfig::default()).await;
    *server.bench.script.takes.lock() = Duration::from_millis(1_500);
    let mut running = server.connect().await;
    running.write_all(format!("{}{{}}", server.call_head(2)).as_bytes()).await.unwrap();
    server.called(1).await;
    // One that ends later, whose client goes away, and one connection without a request.
    *server.bench.script.takes.lock() = Duration::from_millis(2_000);
    let mut leaving = server.connect().await;
    leaving.write_all(format!("{}{{}}", server.call_head(2)).as_bytes()).await.unwrap();
    let mut idle = server.connect().await;
    server.called(2).await;
    drop(leaving);
    let Server { bench, address, stop, stopped } = server;
    stop.send(()).unwrap();
    assert_eq!(rest(&mut idle).await, "");
    assert!(TcpStream::connect(address).await.is_err(), "no connection is taken any more");
    assert!(rest(&mut running).await.starts_with("HTTP/1.1 200"));
    assert!(timeout(LONG, stopped).await.unwrap().unwrap().drained);
    assert_eq!(bench.script.ended.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn stopping_does_not_wait_for_ever() {
    let server = Server::start(ServerConfig { shutdown_grace: Millis(200), ..Default::default() }).await;
    *server.bench.script.takes.lock() = Duration::from_secs(60);
    let mut running = server.connect().await;
    running.write_all(format!("{}{{}}", server.call_head(2)).as_bytes()).await.unwrap();
    server.called(1).await;
    let Server { stop, stopped, .. } = server;
    stop.send(()).unwrap();
    assert!(!timeout(LONG, stopped).await.unwrap().unwrap().drained);
}
