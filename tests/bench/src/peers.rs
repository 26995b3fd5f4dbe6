//! `wasmtime serve`, built by `cargo xtask bench` in the version of wasmtime that the host has.

use anyhow::{Result, ensure};
use tokio::net::TcpStream;

use crate::bench::Bench;
use crate::child::Program;

/// The server of wasmtime's own command line, with a component that answers 200 with a few bytes.
pub struct WasmtimeServe {
    program: Program,
    pub url: String,
}

/// How often it is looked whether the server listens.
const LOOK: std::time::Duration = std::time::Duration::from_millis(50);
const LOOKS: u32 = 200;

impl WasmtimeServe {
    pub async fn start(bench: &Bench) -> Result<Self> {
        let wasmtime = bench.peers.join("bin/wasmtime");
        let component = bench.peers.join("hello-http.wasm");
        for file in [&wasmtime, &component] {
            ensure!(file.is_file(), "`{}` is not there", file.display());
        }
        // It does not tell which port it took, so one is chosen for it.
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let (addr, component) = (format!("--addr={address}"), component.display().to_string());
        let program = Program::start(&wasmtime, ["serve", "-Scli", &addr, &component])?;
        for _ in 0..LOOKS {
            if TcpStream::connect(address).await.is_ok() {
                return Ok(Self { program, url: format!("http://{address}/") });
            }
            tokio::time::sleep(LOOK).await;
        }
        anyhow::bail!("`wasmtime serve` does not listen")
    }

    pub async fn stop(self) -> Result<()> {
        self.program.kill().await
    }
}
