//! A receiver of deliveries on loopback: an HTTP/1.1 server in the test's own process, which does what the test wants.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::patience::until;

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Request {
    /// Counted from 1.
    pub number: usize,
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// The first header with this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Everything that came in, headers and body, as the body.
    pub fn echo(request: &Request) -> Self {
        let headers: String =
            request.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        let body = [headers.as_bytes(), b"\n", &request.body].concat();
        let answer = Self::status(200).body(body);
        request
            .headers
            .iter()
            .fold(answer, |answer, (name, value)| answer.header(&format!("x-saw-{name}"), value))
    }
}

/// Holds answers back until it is opened.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Waits for the gate, at most a minute.
    pub fn pass(&self) {
        let closed = self.0.0.lock().unwrap();
        let waited = self.0.1.wait_timeout_while(closed, Duration::from_secs(60), |open| !*open);
        drop(waited.unwrap());
    }
}

/// The receiver. It stops with its value.
pub struct Receiver {
    address: std::net::SocketAddr,
    arrived: Arc<Mutex<Vec<Request>>>,
    stopped: Arc<AtomicBool>,
    keeps: Arc<AtomicBool>,
}

impl Receiver {
    /// `answer` runs on a thread of each connection, so it may wait.
    pub fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let keeps = Arc::new(AtomicBool::new(true));
        let receiver = Self { address, arrived: Arc::default(), stopped: Arc::default(), keeps };
        let (arrived, stopped, answer) =
            (receiver.arrived.clone(), receiver.stopped.clone(), Arc::new(answer));
        let keeps = receiver.keeps.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (arrived, answer) = (arrived.clone(), answer.clone());
                let keeps = keeps.load(Ordering::Relaxed);
                std::thread::spawn(move || serve(stream, keeps.then_some(&*arrived), answer.as_ref()));
            }
        });
        receiver
    }

    /// Answers 200 to everything.
    pub fn willing() -> Self {
        Self::start(|_| Answer::status(200).body("{}"))
    }

    /// Answers 200 to everything and keeps nothing of it: for what runs for long.
    pub fn discarding() -> Self {
        let receiver = Self::willing();
        receiver.keeps.store(false, Ordering::Relaxed);
        receiver
    }

    /// Refuses the first so many requests with 503.
    pub fn refusing_first(count: usize) -> Self {
        Self::start(move |request| Answer::status(if request.number <= count { 503 } else { 200 }).body("{}"))
    }

    /// As a grant names it: `http://127.0.0.1:<port>`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin())
    }

    /// What has arrived so far.
    pub fn requests(&self) -> Vec<Request> {
        self.arrived.lock().unwrap().clone()
    }

    /// Waits until so many have arrived.
    pub fn wait_for(&self, count: usize) -> Vec<Request> {
        until(&format!("{count} requests at the receiver"), || {
            Some(self.requests()).filter(|requests| requests.len() >= count)
        })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
    }
}

fn serve(
    mut stream: TcpStream,
    arrived: Option<&Mutex<Vec<Request>>>,
    answer: &(dyn Fn(&Request) -> Answer + Send + Sync),
) {
    let Some(mut request) = read(&stream) else { return };
    if let Some(arrived) = arrived {
        let mut all = arrived.lock().unwrap();
        request.number = all.len() + 1;
        all.push(request.clone());
    }
    let Answer { status, headers, body } = answer(&request);
    let mut head =
        format!("HTTP/1.1 {status} Status\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    // Who was killed while it waited reads no answer.
    let _gone = stream.write_all(format!("{head}\r\n").as_bytes()).and_then(|()| stream.write_all(&body));
    let _gone = stream.shutdown(Shutdown::Write);
}

/// `None` when the connection ends before the request does.
fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut request = Request { number: 0, method, path, headers, body: Vec::new() };
    let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    request.body = vec![0; length];
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}
