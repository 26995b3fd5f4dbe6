//! HTTP/1.1 by hand, on one connection that is kept.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

pub struct Wire(BufReader<TcpStream>);

impl Wire {
    pub fn connect(url: &str) -> Self {
        let stream = TcpStream::connect(address(url)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self(BufReader::new(stream))
    }

    /// The status and the body of the answer.
    pub fn ask(&mut self, request: &str) -> (u16, String) {
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the server closed the connection");
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest[..3].parse().unwrap();
            }
            if let Some(text) = line.strip_prefix("content-length:") {
                length = text.trim().parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        (status, String::from_utf8(body).unwrap())
    }
}

/// `host:port` of a server.
pub fn address(url: &str) -> &str {
    url.trim_start_matches("http://")
}

/// A call of the addon that does nothing.
pub fn call(tenant: &str, token: &str) -> String {
    format!("{}content-length: 2\r\n\r\n{{}}", head(tenant, token))
}

/// Its headers, but for the length of the body and the end.
pub fn head(tenant: &str, token: &str) -> String {
    format!(
        "POST /v1/tenants/{tenant}/actions/raw/go HTTP/1.1\r\nhost: bulla\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n"
    )
}
