use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

use serde_json::json;

use super::*;
use crate::exit_codes::Exit;

/// A server that answers one request with these bytes, and gives back the request.
fn serve(status: &str, content_type: &str, body: &str) -> (Url, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let response = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut request, mut part) = (Vec::new(), [0u8; 4096]);
        loop {
            let read = stream.read(&mut part).unwrap();
            request.extend_from_slice(&part[..read]);
            let text = String::from_utf8_lossy(&request).to_lowercase();
            let length = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            match text.find("\r\n\r\n") {
                Some(end) if request.len() >= end + 4 + length => break,
                _ if read == 0 => break,
                _ => {}
            }
        }
        stream.write_all(response.as_bytes()).unwrap();
        String::from_utf8(request).unwrap()
    });
    (url, thread)
}

fn client(url: Url) -> Client {
    Client::new(url, Some(Token::new("bulla_secret\n").unwrap())).unwrap()
}

#[test]
fn a_request_carries_token_key_query_and_body() {
    let (url, thread) = serve("200 OK", "application/json", r#"{"data": {"amount": 1.10}, "trace": "t"}"#);
    let request = Request { idempotency_key: Some("k-1"), ..Request::json(&json!({"a": 1})) };
    let request = request.query("status", Some("waiting")).query("after", None::<String>);
    let reply = client(url).post(&["v1", "tokens", "a/../b c"], request).unwrap();
    assert_eq!((reply.data.get(), reply.trace.as_str()), (r#"{"amount": 1.10}"#, "t"));
    let sent = thread.join().unwrap();
    assert!(sent.starts_with("POST /v1/tokens/a%2F..%2Fb%20c?status=waiting HTTP/1.1\r\n"), "{sent}");
    assert!(sent.contains("authorization: Bearer bulla_secret\r\n"), "{sent}");
    assert!(sent.contains("idempotency-key: k-1\r\n") && sent.contains("content-type: application/json\r\n"));
    assert!(sent.ends_with(r#"{"a":1}"#), "{sent}");
}

#[test]
fn a_problem_is_told_with_its_code() {
    let body = r#"{"type": "x", "title": "busy", "status": 429, "code": "busy", "detail": "wait a little",
        "trace": "4bf92f3577b34da6a3ce929d0e0e4736", "retry-after-ms": 1500}"#;
    let (url, _thread) = serve("429 Too Many Requests", "application/problem+json", body);
    let error = client(url).get(&["v1", "tenants"]).unwrap_err();
    assert_eq!((error.exit(), error.code()), (Exit::TryAgain, "busy"));
    assert_eq!(error.to_string(), "wait a little");
    assert_eq!(error.trace(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
    assert_eq!(error.hint().unwrap(), "try again in 1500ms");
}

#[test]
fn each_problem_has_its_exit_code() {
    for (code, exit) in [
        ("denied", Exit::Refused),
        ("unauthenticated", Exit::NotAllowed),
        ("forbidden", Exit::NotAllowed),
        ("audit-tampered", Exit::AuditTampered),
        ("policy-invalid", Exit::ConfigInvalid),
        ("a-code-of-a-later-server", Exit::Refused),
    ] {
        let body = json!({"status": 400, "code": code, "title": "the title"}).to_string();
        let (url, _thread) = serve("400 Bad Request", "application/problem+json", &body);
        let error = client(url).delete(&["v1", "trust", "x"]).unwrap_err();
        assert_eq!((error.exit(), error.code()), (exit, code));
        assert_eq!(error.to_string(), "the title");
    }
}

#[test]
fn what_is_no_bulla_server_is_told_apart() {
    for (status, body) in [("200 OK", "<html>"), ("502 Bad Gateway", "<html>"), ("302 Found", "")] {
        let (url, _thread) = serve(status, "text/html", body);
        let error = client(url).get(&["v1", "tenants"]).unwrap_err();
        assert!(matches!(error, CliError::Strange { .. }), "{error:?}");
        assert_eq!(error.exit(), Exit::ServerUnreachable);
    }
}

#[test]
fn a_closed_port_is_unreachable() {
    // The near port of a connection: it is taken, and nobody listens.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = client(format!("http://127.0.0.1:{port}").parse().unwrap()).get(&["healthz"]).unwrap_err();
    assert!(matches!(error, CliError::Unreachable { .. }), "{error:?}");
    assert_eq!(error.exit(), Exit::ServerUnreachable);
}

#[test]
fn an_address_that_is_none_is_refused() {
    for url in ["file:///etc/passwd", "mailto:a@b.example"] {
        assert!(Client::new(url.parse().unwrap(), None).is_err(), "{url}");
    }
    assert!(Token::new("two\nlines").is_err());
}
