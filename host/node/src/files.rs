//! How many files the process may open. Each connection is one, and a server that used them all up could not even read its database.

use bulla_base::{Failure, codes};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// For what is not counted one by one: the runtimes, the log, policy files, compiled code, outbound requests.
const OTHERS: u64 = 128;
/// SQLite opens the database, its log and the log's index for a connection.
const OF_A_READER: u64 = 3;
/// Fewer connections than this make no server.
const LEAST: u64 = 16;

/// Raises the process's limit as far as the system lets it, and says how many connections there is room for: at most what is
/// configured.
pub fn connections(config: &Config) -> Result<u32, Failure> {
    let allowed = raised();
    let kept =
        OTHERS + OF_A_READER * (u64::from(config.store.connections) + 1) + u64::from(config.jobs.parallel);
    let room = allowed.saturating_sub(kept);
    if room < LEAST {
        let text =
            format!("the process may open {allowed} files, and the server needs {} at least", kept + LEAST);
        return Err(Failure::new(codes::UNAVAILABLE, text)
            .hint("raise the limit: `ulimit -n`, or `LimitNOFILE=` of a systemd unit"));
    }
    let wanted = config.server.connections;
    let connections = u32::try_from(room).unwrap_or(u32::MAX).min(wanted);
    if connections < wanted {
        tracing::warn!(
            allowed,
            connections,
            wanted,
            "fewer connections than configured: the process may open too few files"
        );
    }
    Ok(connections)
}

fn raised() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // Where it may not be raised, what is there has to do.
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum.unwrap_or(u64::MAX),
        Err(_) => current.unwrap_or(u64::MAX),
    }
}
