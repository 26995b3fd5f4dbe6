//! A tenant that asks for a hundred times what it may.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::wire::{address, call};

/// Calls a second that the tenant may make, and how many times that it asks for.
pub const RATE: u32 = 5;
const TIMES: u32 = 100;
/// How many times that must really have been asked: the rest is what a loaded machine may take.
const ASKED: f64 = 50.0;
const CONNECTIONS: u32 = 20;

/// Answers by status, and of the refusals those that say when to come again.
#[derive(Debug, Default)]
pub struct Answers {
    by_status: BTreeMap<u16, u64>,
    told_when: u64,
}

impl Answers {
    pub fn add(&mut self, other: Self) {
        for (status, count) in other.by_status {
            *self.by_status.entry(status).or_default() += count;
        }
        self.told_when += other.told_when;
    }

    /// What it may was served, the rest was refused with a time, and it really asked for far too much.
    pub fn are_right(&self, rounds: usize, window: Duration) {
        let count = |status| self.by_status.get(&status).copied().unwrap_or(0);
        let (served, refused) = (count(200), count(429));
        assert_eq!(self.by_status.keys().copied().collect::<Vec<_>>(), [200, 429], "{self}");
        assert_eq!(self.told_when, refused, "a refusal without `retry-after`");
        let may = f64::from(RATE) * (window.as_secs_f64() * 2.0 + 2.0) * rounds as f64;
        assert!((1.0..=may).contains(&(served as f64)), "{served} were served, {may} at most may be");
        let asked = f64::from(RATE) * window.as_secs_f64() * rounds as f64 * ASKED;
        assert!((served + refused) as f64 >= asked, "{self}: fewer than {asked} were asked");
    }
}

impl fmt::Display for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the loud tenant: {:?}, {} with `retry-after`", self.by_status, self.told_when)
    }
}

pub struct Shouting {
    stop: Arc<AtomicBool>,
    clients: JoinSet<Answers>,
}

impl Shouting {
    pub fn start(runtime: &Runtime, url: &str, token: &str) -> Self {
        let (stop, request) = (Arc::new(AtomicBool::new(false)), call("loud", token));
        let mut clients = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let client = shout(address(url).to_owned(), request.clone(), stop.clone());
            clients.spawn_on(client, runtime.handle());
        }
        Self { stop, clients }
    }

    pub fn stop(self, runtime: &Runtime) -> Answers {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Answers::default();
        runtime.block_on(self.clients.join_all()).into_iter().for_each(|answers| all.add(answers));
        all
    }
}

async fn shout(address: String, request: String, stop: Arc<AtomicBool>) -> Answers {
    let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
    let mut pace = interval(Duration::from_secs(1) * CONNECTIONS / (RATE * TIMES));
    pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut answers = Answers::default();
    while !stop.load(Ordering::Relaxed) {
        pace.tick().await;
        stream.get_mut().write_all(request.as_bytes()).await.unwrap();
        let (mut length, mut line) = (0, String::new());
        stream.read_line(&mut line).await.unwrap();
        let status: u16 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        *answers.by_status.entry(status).or_default() += 1;
        loop {
            line.clear();
            stream.read_line(&mut line).await.unwrap();
            let (name, value) = line.trim_end().split_once(':').unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "" => break,
                "content-length" => length = value.trim().parse().unwrap(),
                "retry-after" => {
                    answers.told_when += u64::from(value.trim().parse::<u64>().is_ok_and(|wait| wait > 0))
                }
                _ => {}
            }
        }
        stream.read_exact(&mut vec![0; length]).await.unwrap();
    }
    answers
}
