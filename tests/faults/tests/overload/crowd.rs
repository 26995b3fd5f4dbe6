//! Many clients that want little and take long.

use std::fmt;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::wire::address;

/// Connections that are opened at a time.
const AT_ONCE: usize = 200;
/// Between the bytes of a slow client.
const SLOW: Duration = Duration::from_secs(1);
/// Half of a large body.
pub const LARGE: usize = 1 << 20;
/// What the system of a client that reads nothing holds for it, of answers and of requests: most of both is the server's to hold.
const ROOM: u32 = 4 << 10;
/// Its request: small, without a token, and its answer is the largest that anybody gets.
const GREEDY: &str = "GET /openapi.json HTTP/1.1\r\nhost: bulla\r\n\r\n";

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Says nothing.
    Silent,
    /// Sends headers, a byte a second.
    Headers,
    /// Sends a body, a byte a second.
    Body,
    /// Sends half of a large body, and then a byte a second.
    Large,
    /// Has shut its side after half a request: the server may be rid of it at once.
    Half,
    /// Sends whole requests, one after the other, and reads no answer.
    Deaf,
}

pub struct Crowd {
    clients: JoinSet<End>,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The server closed it.
    Closed,
    /// The server said `408` first.
    Told,
    /// The server said `429` first, and when to come again.
    Refused,
    /// The server closed it, after so many requests whose answers nobody read.
    Unheard(usize),
}

#[derive(Debug, Default)]
pub struct Ends {
    pub closed: usize,
    pub told: usize,
    pub refused: usize,
    /// Requests of those who read no answer.
    pub unheard: usize,
    pub still_open: usize,
}

impl Crowd {
    /// All are connected when this returns.
    pub fn gather(runtime: &Runtime, url: &str, headers: &str, kinds: &[Kind]) -> Self {
        let address = address(url).to_owned();
        runtime.block_on(async {
            let mut clients = JoinSet::new();
            for group in kinds.chunks(AT_ONCE) {
                let mut connected = JoinSet::new();
                for kind in group {
                    connected.spawn(connect(address.clone(), *kind));
                }
                for (kind, stream) in connected.join_all().await {
                    clients.spawn(client(kind, stream, headers.to_owned()));
                }
            }
            Self { clients }
        })
    }

    /// Waits for the server to close them all, at most this long.
    pub fn disperse(mut self, runtime: &Runtime, patience: Duration) -> Ends {
        runtime.block_on(async {
            let mut ends = Ends::default();
            let _over = timeout(patience, async {
                while let Some(end) = self.clients.join_next().await {
                    match end.unwrap() {
                        End::Closed => ends.closed += 1,
                        End::Told => ends.told += 1,
                        End::Refused => ends.refused += 1,
                        End::Unheard(requests) => {
                            ends.closed += 1;
                            ends.unheard += requests;
                        }
                    }
                }
            })
            .await;
            ends.still_open += self.clients.len();
            ends
        })
    }
}

async fn connect(address: String, kind: Kind) -> (Kind, TcpStream) {
    let socket = TcpSocket::new_v4().unwrap();
    if kind == Kind::Deaf {
        socket.set_recv_buffer_size(ROOM).unwrap();
        socket.set_send_buffer_size(ROOM).unwrap();
    }
    (kind, socket.connect(address.parse().unwrap()).await.unwrap())
}

async fn client(kind: Kind, mut stream: TcpStream, headers: String) -> End {
    let said = match kind {
        Kind::Silent => String::new(),
        Kind::Headers => "GET /healthz HTTP/1.1\r\nhost: x\r\nx: ".to_owned(),
        Kind::Body => format!("{headers}content-length: 1000\r\n\r\n"),
        Kind::Large => format!("{headers}content-length: {}\r\n\r\n{}", 2 * LARGE, " ".repeat(LARGE)),
        Kind::Half => {
            // A write fails where the server has closed already: then the reading tells how.
            let _sent = half(&mut stream).await;
            String::new()
        }
        Kind::Deaf => return deaf(stream).await,
    };
    let (mut reader, mut writer) = stream.into_split();
    let speaking = async {
        let mut open = writer.write_all(said.as_bytes()).await.is_ok();
        while open && matches!(kind, Kind::Headers | Kind::Body | Kind::Large) {
            sleep(SLOW).await;
            open = writer.write_all(b" ").await.is_ok();
        }
        std::future::pending::<()>().await;
    };
    let mut heard = Vec::new();
    tokio::select! {
        // A reset is an end as well.
        _ = reader.read_to_end(&mut heard) => {}
        () = speaking => {}
    }
    let heard = String::from_utf8_lossy(&heard).to_ascii_lowercase();
    if heard.starts_with("http/1.1 408") {
        End::Told
    } else if heard.starts_with("http/1.1 429") && heard.contains("retry-after: ") {
        End::Refused
    } else {
        End::Closed
    }
}

/// Half a request, and then nothing will ever come.
async fn half(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"POST /v1/tenants HTTP/1.1\r\nhost: x\r\ncontent-le").await?;
    stream.shutdown().await
}

/// Until all that can hold answers and requests between the two is full, and then until the server has enough.
async fn deaf(mut stream: TcpStream) -> End {
    let mut requests = 0;
    while stream.write_all(GREEDY.as_bytes()).await.is_ok() {
        requests += 1;
    }
    End::Unheard(requests)
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { closed, told, refused, unheard, still_open } = self;
        write!(
            f,
            "{closed} closed, {told} told `408` first, {refused} `429`, {still_open} still open; {unheard} requests of the deaf"
        )
    }
}
