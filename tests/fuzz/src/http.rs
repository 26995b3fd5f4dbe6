//! Raw bytes to the server: hyper, the router, every handler, on a host of its own with nothing left out.
//!
//! In the input `%T` stands for the operator's token. Several requests may follow each other. A law for the answers: HTTP, and
//! never the code `internal`, which stands for a mistake of the host's.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::LazyLock;
use std::sync::mpsc;
use std::time::Duration;

use bulla_node::config::load;

use crate::panics;

pub const WORDS: &[&str] = &[
    "GET ",
    "POST ",
    "PUT ",
    "DELETE ",
    " HTTP/1.1\r\nhost: a\r\n",
    "authorization: Bearer %T\r\n",
    "content-type: application/json\r\n",
    "content-length: ",
    "transfer-encoding: chunked\r\n",
    "expect: 100-continue\r\n",
    "idempotency-key: k\r\n",
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n",
    "connection: close\r\n",
    "\r\n\r\n",
    "/v1/tenants",
    "/acme",
    "/addons",
    "/sequences/a",
    "/keys",
    "/secrets/a",
    "/jobs?state=dead&limit=5",
    "/approvals",
    "/tokens",
    "/audit?event=a",
    "/audit/verify",
    "/audit/export",
    "/usage",
    "/actions/a/b",
    "/approval-rules/a",
    "/v1/trust",
    "/v1/policy/reload",
    "/openapi.json",
    "/metrics",
    "/healthz",
    "/readyz",
    "/diagz",
    "%2e%2e",
    "%00",
    "{\"id\":\"acme\",\"display-name\":\"a\"}",
    "null",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "\u{0}\u{0}\u{0}\u{4}\u{0}\u{0}\u{0}\u{0}\u{0}",
];

/// The longest that one input may take: the server's own patience with a request that does not come to its end.
const PATIENCE: Duration = Duration::from_secs(20);

struct Served {
    address: SocketAddr,
    token: String,
    _dir: tempfile::TempDir,
}

static SERVED: LazyLock<Served> = LazyLock::new(serve);

pub fn run(data: &[u8]) {
    let caught = panics::seen();
    let answers = exchange(data);
    assert_eq!(panics::seen(), caught, "the server caught a panic");
    let text = String::from_utf8_lossy(&answers);
    let http = answers.is_empty() || text.starts_with("HTTP/1.") || speaks_http2(data);
    assert!(http, "no answer of HTTP: {text}");
    for broken in ["\"code\":\"internal\"", "\"code\":\"store-corrupt\""] {
        assert!(!text.contains(broken), "{text}");
    }
    assert!(alive(), "the server does not answer any more");
}

fn exchange(data: &[u8]) -> Vec<u8> {
    let text = replaced(data, b"%T", SERVED.token.as_bytes());
    let mut stream = connect();
    // A server that has heard enough closes: what was not sent is not wanted.
    let _closed = stream.write_all(&text).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answers = Vec::new();
    let mut piece = [0; 16 << 10];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return answers,
            Ok(read) => answers.extend_from_slice(&piece[..read]),
            Err(error)
                if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
            {
                panic!("no end after {} s", PATIENCE.as_secs())
            }
            Err(_) => return answers,
        }
    }
}

fn speaks_http2(data: &[u8]) -> bool {
    data.starts_with(b"PRI")
}

fn alive() -> bool {
    let mut stream = connect();
    let sent = stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    let mut answer = String::new();
    sent.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
}

fn connect() -> TcpStream {
    let stream = TcpStream::connect(SERVED.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn replaced(data: &[u8], mark: &[u8], by: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(data.len());
    let mut rest = data;
    while let Some(at) = rest.windows(mark.len()).position(|window| window == mark) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(by);
        rest = &rest[at + mark.len()..];
    }
    replaced.extend_from_slice(rest);
    replaced
}

/// A host on a directory of its own, for as long as the process lives, with a tenant `acme`.
fn serve() -> Served {
    panics::watch();
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let settings: BTreeMap<String, String> = [
        ("BULLA_DATA_DIRECTORY", data.to_str().unwrap()),
        ("BULLA_SERVER_LISTEN", "127.0.0.1:0"),
        ("BULLA_STORE_DURABILITY", "relaxed"),
        ("BULLA_SERVER_HEADER_TIMEOUT", "2s"),
        ("BULLA_SERVER_BODY_TIMEOUT", "2s"),
        ("BULLA_ENGINE_POOLING", "false"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let config = load(None, &settings).unwrap().config;
    let (ready, address) = mpsc::channel();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let token = runtime.block_on(bulla_node::init(&config)).unwrap().operator_token;
    std::thread::spawn(move || {
        let told = move |address| ready.send(address).unwrap();
        runtime.block_on(bulla_node::serve(config, None, told, std::future::pending())).unwrap();
    });
    let served = Served { address: address.recv().unwrap(), token, _dir: dir };
    furnish(&served);
    served
}

fn furnish(served: &Served) {
    let body = "{\"id\":\"acme\",\"display-name\":\"Acme\"}";
    let mut stream = TcpStream::connect(served.address).unwrap();
    let request = format!(
        "POST /v1/tenants HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        served.token,
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
}
