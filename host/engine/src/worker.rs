//! Compilation in a process of its own, which can be stopped. What wasmtime takes to compile a component grows faster than the
//! component, in more ways than counting its parts foretells: 250,000 branches, 1.75 MB in the file, take it many minutes.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use bulla_base::Bytes;
use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use crate::compile;
use crate::config::{Allocation, EngineConfig};
use crate::load::LoadError;

/// How the process is started, which does nothing but [`work`], and what it may use. It gets nothing of this one's environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    pub program: PathBuf,
    /// Its address space.
    pub memory: Bytes,
}

/// The one argument of the program, which then does [`work`].
pub const COMPILE: &str = "compile-component";

/// So that its address space is what it uses: mimalloc would take a gigabyte ahead.
const ALLOCATOR: (&str, &str) = ("MIMALLOC_DISALLOW_ARENA_ALLOC", "1");

/// What it says on stderr is read so far.
const MAX_SAID: u64 = 4 << 10;

/// Reads the settings and a component, and writes its code. `Err`: why there is none.
pub fn work(mut input: impl BufRead, mut output: impl Write) -> Result<(), String> {
    let mut settings = String::new();
    input.read_line(&mut settings).map_err(|error| error.to_string())?;
    let settings: Value = serde_json::from_str(&settings).map_err(|error| error.to_string())?;
    let number = |name: &str| settings[name].as_u64().unwrap_or_default();
    confine(number("memory"), number("cpu-seconds")).map_err(|error| error.to_string())?;

    let mut component = Vec::new();
    input.read_to_end(&mut component).map_err(|error| error.to_string())?;
    let config = EngineConfig {
        stack: Bytes(number("stack")),
        debug_info: settings["debug-info"] == true,
        ..EngineConfig::default()
    };
    let threads = usize::try_from(number("threads")).unwrap_or(1);
    let threads = compile::threads(threads).map_err(|error| error.to_string())?;
    let code = threads
        .install(|| {
            wasmtime::Engine::new(&config.wasmtime(Allocation::OnDemand))?.precompile_component(&component)
        })
        .map_err(|error| format!("{error:#}"))?;
    output.write_all(&code).map_err(|error| error.to_string())
}

/// From here on, for good: whoever started it may be gone.
fn confine(memory: u64, cpu_seconds: u64) -> rustix::io::Result<()> {
    let exactly = |most: u64| Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(Resource::Core, exactly(0))?;
    setrlimit(Resource::As, exactly(memory))?;
    setrlimit(Resource::Cpu, exactly(cpu_seconds))
}

impl Worker {
    /// Ends the process where nobody waits for it any more.
    pub(crate) async fn compile(
        &self,
        config: &EngineConfig,
        component: &[u8],
    ) -> Result<Vec<u8>, LoadError> {
        let mut process = Command::new(&self.program)
            .arg(COMPILE)
            .env_clear()
            .envs([ALLOCATOR])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| LoadError::NoCompiler(error.to_string()))?;
        let (stdin, stdout, stderr) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let settings = self.settings(config);
        let ask = async {
            // A process that no longer reads has ended, and says why.
            let Some(mut stdin) = stdin else { return };
            if stdin.write_all(settings.as_bytes()).await.is_ok() {
                drop(stdin.write_all(component).await);
            }
        };
        let ((), code, said, ended) =
            tokio::join!(ask, all(stdout, u64::MAX), all(stderr, MAX_SAID), process.wait());
        let ended = ended.map_err(|error| LoadError::NoCompiler(error.to_string()))?;
        if ended.success() { Ok(code) } else { Err(self.why(ended, &String::from_utf8_lossy(&said), config)) }
    }

    fn settings(&self, config: &EngineConfig) -> String {
        let threads = config.compile_threads.max(1) as u64;
        let settings = json!({
            "memory": self.memory.0,
            "cpu-seconds": config.compile_deadline.as_secs().saturating_add(1).saturating_mul(threads),
            "threads": threads,
            "stack": config.stack.0,
            "debug-info": config.debug_info,
        });
        format!("{settings}\n")
    }

    fn why(&self, ended: ExitStatus, said: &str, config: &EngineConfig) -> LoadError {
        use std::os::unix::process::ExitStatusExt as _;
        let killed = |by: Signal| ended.signal() == Some(by.as_raw());
        if killed(Signal::XCPU) {
            LoadError::CompileTimeout { after: config.compile_deadline }
        } else if said.contains("memory allocation of") || killed(Signal::KILL) {
            LoadError::CompileMemory { limit: self.memory }
        } else if ended.code() == Some(1) {
            LoadError::Compile(said.trim_end().to_owned())
        } else {
            LoadError::Compile(format!("the compiler ended with {ended}: {}", said.trim_end()))
        }
    }
}

/// Up to `most` bytes are kept, and the rest is read all the same.
async fn all(from: Option<impl AsyncRead + Unpin>, most: u64) -> Vec<u8> {
    let mut kept = Vec::new();
    if let Some(mut from) = from {
        // What was cut short is no code: the process that was cut short says so by its end.
        drop((&mut from).take(most).read_to_end(&mut kept).await);
        drop(tokio::io::copy(&mut from, &mut tokio::io::sink()).await);
    }
    kept
}
