//! Many clients that want little and take long.

use std::fmt;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::wire::{address, head};

/// Connections that are opened at a time.
const AT_ONCE: usize = 200;
/// Between the bytes of a slow client.
const SLOW: Duration = Duration::from_secs(1);

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
}

#[derive(Debug, Default)]
pub struct Ends {
    pub closed: usize,
    pub told: usize,
    pub still_open: usize,
}

impl Crowd {
    /// Two in five say nothing, one sends headers and one a body a byte a second, one has shut its side after half a request. All are
    /// connected when this returns.
    pub fn gather(runtime: &Runtime, url: &str, token: &str, count: usize) -> Self {
        let (address, headers) = (address(url).to_owned(), head("quiet", token));
        runtime.block_on(async {
            let mut clients = JoinSet::new();
            for start in (0..count).step_by(AT_ONCE) {
                let streams =
                    (start..(start + AT_ONCE).min(count)).map(|_| TcpStream::connect(address.clone()));
                for (offset, stream) in connected(streams).await.into_iter().enumerate() {
                    clients.spawn(client(start + offset, stream, headers.clone()));
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
                    }
                }
            })
            .await;
            ends.still_open += self.clients.len();
            ends
        })
    }
}

async fn connected(
    streams: impl Iterator<Item = impl Future<Output = std::io::Result<TcpStream>> + Send + 'static>,
) -> Vec<TcpStream> {
    let mut all = JoinSet::new();
    streams.for_each(|stream| drop(all.spawn(stream)));
    all.join_all().await.into_iter().map(Result::unwrap).collect()
}

async fn client(number: usize, mut stream: TcpStream, headers: String) -> End {
    // A write fails where the server has closed already: then the reading tells how.
    let _sent = match number % 5 {
        0 | 1 => Ok(()),
        2 => stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: ").await,
        3 => stream.write_all(format!("{headers}content-length: 1000\r\n\r\n").as_bytes()).await,
        _ => half(&mut stream).await,
    };
    let (mut reader, mut writer) = stream.into_split();
    let trickle = async {
        if !matches!(number % 5, 2 | 3) {
            std::future::pending::<()>().await;
        }
        loop {
            sleep(SLOW).await;
            if writer.write_all(b" ").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let mut said = Vec::new();
    tokio::select! {
        // A reset is an end as well.
        _ = reader.read_to_end(&mut said) => {}
        () = trickle => {}
    }
    if said.starts_with(b"HTTP/1.1 408") { End::Told } else { End::Closed }
}

/// Half a request, and then nothing will ever come.
async fn half(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"POST /v1/tenants HTTP/1.1\r\nhost: x\r\ncontent-le").await?;
    stream.shutdown().await
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { closed, told, still_open } = self;
        write!(f, "{closed} closed, {told} told `408` first, {still_open} still open")
    }
}
