//! `bulla serve`.

use std::io::IsTerminal as _;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::{block_on, compile};
use crate::context::Context;
use crate::error::CliError;

/// Which events are logged, as `tracing-subscriber`'s `EnvFilter` reads it.
const LOG_VARIABLE: &str = "BULLA_LOG";
const LOG_DEFAULT: &str = "info,sqlx=warn,wasmtime=warn,cranelift=warn,hyper=warn";

/// The exit code of a program that a second Ctrl-C ended (128 + SIGINT).
const INTERRUPTED: i32 = 130;

/// Runs until Ctrl-C or SIGTERM. A second one does not wait for calls in flight: they are rolled back.
pub fn run(context: &Context) -> Result<(), CliError> {
    let config = context.config()?.config;
    start_log()?;
    #[cfg(feature = "failpoints")]
    let _until_the_end = crate::failpoints::listen();
    let output = context.output;
    let ready = move |address: std::net::SocketAddr| {
        let url = format!("http://{address}");
        // Who no longer reads stdout still wants the server.
        drop(output.either(&json!({"url": url, "pid": std::process::id()}), &format!("{url}\n")));
        output.say("ready; Ctrl-C stops it");
    };
    block_on(async move {
        let stop =
            Stop::listen().map_err(|error| CliError::usage(format!("cannot listen for signals: {error}")))?;
        bulla_node::serve(config, Some(compile::program()), ready, stop.wait()).await.map_err(CliError::from)
    })?
}

/// The signals that end the server.
struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn wait(mut self) {
        self.next().await;
        tokio::spawn(async move {
            self.next().await;
            std::process::exit(INTERRUPTED);
        });
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// On stderr: for people on a terminal, JSON lines elsewhere.
fn start_log() -> Result<(), CliError> {
    let directives = std::env::var(LOG_VARIABLE).unwrap_or_else(|_| LOG_DEFAULT.into());
    let filter = EnvFilter::try_new(&directives)
        .map_err(|error| CliError::usage(format!("`{LOG_VARIABLE}` cannot be `{directives}`: {error}")))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match std::io::stderr().is_terminal() {
        true => builder.try_init(),
        false => builder.json().try_init(),
    };
    started.map_err(|error| CliError::usage(format!("the log cannot be started: {error}")))
}
