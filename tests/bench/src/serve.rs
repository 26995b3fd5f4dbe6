//! What the benchmarks measure as a server: `bulla serve` with the runtime and the log of the `bulla` binary, until its standard
//! input closes.

use std::io::Write as _;
use std::path::Path;

use anyhow::Result;
use tokio::io::AsyncReadExt as _;
use tracing_subscriber::EnvFilter;

use crate::house::{Database, config_in, told};

/// What `bulla serve` logs by default.
const LOG: &str = "info,sqlx=warn,wasmtime=warn,cranelift=warn,hyper=warn";

/// Writes its URL as the only line, once it takes requests.
pub async fn run(data: &Path, postgres: Option<String>) -> Result<()> {
    log();
    let config = config_in(data, &postgres.map_or(Database::Sqlite, Database::Postgres))?;
    let ready = |address| {
        let mut stdout = std::io::stdout();
        // Who no longer reads will close the input as well.
        let _unread = writeln!(stdout, "http://{address}").and_then(|()| stdout.flush());
    };
    let closed = async {
        let _bytes = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
    };
    bulla_node::serve(config, None, ready, closed).await.map_err(told)
}

/// As `bulla serve` writes it where no terminal is: JSON lines on stderr.
pub fn log() {
    let builder = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(LOG)).with_writer(std::io::stderr);
    // A second start in one process changes nothing.
    let _started = builder.json().try_init();
}
