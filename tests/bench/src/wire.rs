//! The load generator of every HTTP figure: HTTP/1.1 with keep-alive, one connection for each caller, one request at a time.
//! As light as can be: it runs on the cores that the servers are measured on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::drive::Caller;

/// Requests of one kind to one server.
#[derive(Clone)]
pub struct Http {
    address: SocketAddr,
    /// Up to the headers that change from request to request.
    head: Arc<str>,
    body: Body,
    count: Arc<AtomicU64>,
}

#[derive(Clone)]
enum Body {
    None,
    Same(Arc<str>),
    /// `{"id": n}` under an idempotency key of its own.
    Beat,
}

/// A connection, and the bytes read from it that are not used yet.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    request: Vec<u8>,
}

impl Http {
    /// `url`: `http://127.0.0.1:7411/path`.
    pub fn get(url: &str) -> Result<Self> {
        Self::new("GET", url, "", Body::None)
    }

    /// The same JSON with each request.
    pub fn post(url: &str, token: &str, body: &str) -> Result<Self> {
        Self::new("POST", url, token, Body::Same(body.into()))
    }

    /// Durable calls: each with an idempotency key of its own.
    pub fn beats(url: &str, token: &str) -> Result<Self> {
        Self::new("POST", url, token, Body::Beat)
    }

    fn new(method: &str, url: &str, token: &str, body: Body) -> Result<Self> {
        let rest = url.strip_prefix("http://").context("an http:// URL is wanted")?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let mut head = format!("{method} /{path} HTTP/1.1\r\nhost: {host}\r\n");
        if !token.is_empty() {
            head.push_str(&format!("authorization: Bearer {token}\r\n"));
        }
        let address = host.parse().with_context(|| format!("`{host}` is no address"))?;
        Ok(Self { address, head: head.into(), body, count: Arc::default() })
    }

    fn write(&self, request: &mut Vec<u8>) {
        request.clear();
        request.extend_from_slice(self.head.as_bytes());
        let json = |request: &mut Vec<u8>, body: &str| {
            let length = body.len();
            let head = format!("content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}");
            request.extend_from_slice(head.as_bytes());
        };
        match &self.body {
            Body::None => request.extend_from_slice(b"\r\n"),
            Body::Same(body) => json(request, body),
            Body::Beat => {
                let count = self.count.fetch_add(1, Ordering::Relaxed);
                let key = format!("idempotency-key: beat-{}-{count}\r\n", std::process::id());
                request.extend_from_slice(key.as_bytes());
                json(request, &format!(r#"{{"id":"{count}"}}"#));
            }
        }
    }
}

impl Caller for Http {
    type Session = Connection;

    async fn open(&self) -> Result<Connection> {
        let stream =
            TcpStream::connect(self.address).await.with_context(|| format!("connect to {}", self.address))?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, buffer: Vec::with_capacity(4096), request: Vec::with_capacity(512) })
    }

    async fn call(&self, connection: &mut Connection) -> Result<()> {
        self.write(&mut connection.request);
        connection.stream.write_all(&connection.request).await?;
        connection.answer().await
    }
}

impl Connection {
    /// Reads one response to its end; one that is not 200 is an error.
    async fn answer(&mut self) -> Result<()> {
        self.buffer.clear();
        loop {
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the server closed the connection");
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let mut response = httparse::Response::new(&mut headers);
            let httparse::Status::Complete(head) = response.parse(&self.buffer)? else { continue };
            let status = response.code.unwrap_or_default();
            let end = length(response.headers)?.map(|length| head + length);
            self.rest(head, end).await?;
            if status != 200 {
                bail!("status {status}: {}", String::from_utf8_lossy(&self.buffer[head..]));
            }
            return Ok(());
        }
    }

    /// Reads up to `end`, or to the last chunk of a chunked body.
    async fn rest(&mut self, head: usize, end: Option<usize>) -> Result<()> {
        loop {
            let done = match end {
                Some(end) => self.buffer.len() >= end,
                None => self.buffer[head..].ends_with(b"0\r\n\r\n"),
            };
            if done {
                return Ok(());
            }
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the server closed the connection");
        }
    }
}

/// The length of the body; `None` where it is chunked.
fn length(headers: &[httparse::Header<'_>]) -> Result<Option<usize>> {
    let named = |name: &str| headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
    match named("content-length") {
        Some(header) => Ok(Some(std::str::from_utf8(header.value)?.trim().parse()?)),
        None if named("transfer-encoding").is_some() => Ok(None),
        None => bail!("a response without a length"),
    }
}
