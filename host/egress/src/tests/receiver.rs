//! A receiver on loopback that keeps what it was sent and answers what the test wants.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_rustls::TlsAcceptor;

#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    pub async fn all(&self) -> Vec<String> {
        self.0.lock().await.clone()
    }
}

pub struct Receiver {
    pub address: SocketAddr,
    pub seen: Seen,
}

/// Answers each request with the bytes that `answer` makes of it.
pub async fn plain<F, A>(answer: F) -> Receiver
where
    F: Fn(String) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Vec<u8>> + Send,
{
    listen(answer, None).await
}

pub async fn tls<F, A>(answer: F, acceptor: TlsAcceptor) -> Receiver
where
    F: Fn(String) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Vec<u8>> + Send,
{
    listen(answer, Some(acceptor)).await
}

async fn listen<F, A>(answer: F, acceptor: Option<TlsAcceptor>) -> Receiver
where
    F: Fn(String) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Vec<u8>> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let receiver = Receiver { address: listener.local_addr().unwrap(), seen: Seen::default() };
    let seen = receiver.seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (answer, seen, acceptor) = (answer.clone(), seen.clone(), acceptor.clone());
            tokio::spawn(async move {
                match acceptor {
                    None => serve(stream, answer, seen).await,
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            serve(stream, answer, seen).await;
                        }
                    }
                }
            });
        }
    });
    receiver
}

/// One request, one answer, and the connection ends.
async fn serve<S, F, A>(mut stream: S, answer: F, seen: Seen)
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Fn(String) -> A,
    A: Future<Output = Vec<u8>>,
{
    let mut text = Vec::new();
    let mut buffer = [0; 4_096];
    while !is_whole(&text) {
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => text.extend_from_slice(&buffer[..read]),
            _ => return,
        }
    }
    let text = String::from_utf8(text).unwrap();
    seen.0.lock().await.push(text.clone());
    let _ = stream.write_all(&answer(text).await).await;
    let _ = stream.shutdown().await;
}

fn is_whole(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

pub fn response(status: u16, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
}
