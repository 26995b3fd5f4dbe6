//! Where the demo plays: a data directory, a server on loopback, a receiver, two tenants, the addon signed and installed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulla_base::{Clock as _, Entropy, Failure, SystemClock};
use bulla_node::config::{self, Config};
use bulla_node::{Received, Receiver};
use bulla_signing::{Package, PublicKey, PublisherKey};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::client::{Client, Request, Token};
use crate::commands::{block_on, build, compile};
use crate::context::Context;
use crate::error::CliError;
use crate::output::Output;
use crate::private_file;
use crate::project::Project;

/// The tenants: `acme` has the addon, `globex` shows that it has nothing of it.
pub const TENANTS: [&str; 2] = ["acme", "globex"];
/// Above this amount the approval matrix asks.
pub const LIMIT: &str = "10000.00";

/// A package and the key that signed it.
pub struct Signed {
    bytes: Vec<u8>,
    public: PublicKey,
    pub name: String,
    pub version: String,
}

/// Builds the addon where its source is newer, and signs it with a publisher's key of its own.
pub fn package(addon: &Path, context: &Context) -> Result<Signed, CliError> {
    let project = Project::open(addon)?;
    let component = build::fresh(&project, context)?;
    let key = PublisherKey::generate(&Entropy);
    let now = SystemClock::new().now();
    let package = Package::seal(&project.manifest_bytes, &component, &key, now).map_err(CliError::coded)?;
    Ok(Signed {
        bytes: package.into_bytes(),
        public: key.public(),
        name: project.manifest.name().to_string(),
        version: project.manifest.version().to_string(),
    })
}

/// Everything that runs.
pub struct Stage {
    directory: tempfile::TempDir,
    server: JoinHandle<Result<(), Failure>>,
    stop: oneshot::Sender<()>,
    receiver: Receiver,
    pub url: String,
    pub operator: Client,
    pub clerk: Client,
    pub approver: Client,
    pub package: Signed,
    pub installed: Value,
}

impl Stage {
    pub fn build(package: Signed, context: &Context) -> Result<Self, CliError> {
        let directory = tempfile::Builder::new()
            .prefix("bulla-demo-")
            .tempdir()
            .map_err(CliError::file("create", Path::new("a temporary directory")))?;
        let data = directory.path().join("data");
        let config = config_in(&data)?;
        let token = block_on(bulla_node::init(&config))??.operator_token;
        let delivery_token = STANDARD.encode(Entropy.bytes::<24>());
        let running = start(config, delivery_token.clone())?;
        let url = format!("http://{}", running.address);
        let operator = client(&url, &token)?;
        let destination = running.receiver.destination();
        let installed = prepare(&operator, &package, &destination, &delivery_token)?;
        let clerk = client(&url, &new_token(&operator, "carla", &["caller", "approver"])?)?;
        let approver_token = new_token(&operator, "frida", &["approver", "cfo", "auditor"])?;
        private_file::create(&directory.path().join(APPROVER_TOKEN), &approver_token)?;
        let approver = client(&url, &approver_token)?;
        context.output.say(format!("data in {}", data.display()));
        Ok(Self {
            directory,
            server: running.server,
            stop: running.stop,
            receiver: running.receiver,
            url,
            operator,
            clerk,
            approver,
            package,
            installed,
        })
    }

    pub fn deliver_to(&self) -> String {
        format!("{}/invoices", self.receiver.destination())
    }

    pub fn received(&self) -> Vec<Received> {
        self.receiver.received()
    }

    /// The approver's token, for a command line of its own.
    pub fn approver_token_file(&self) -> PathBuf {
        self.directory.path().join(APPROVER_TOKEN)
    }

    /// Leaves the server up until Ctrl-C.
    pub fn stay(&self, output: Output) -> Result<(), CliError> {
        output.say(format!("\nthe server is at {}; Ctrl-C ends the demo", self.url));
        output.say(format!(
            "try: bulla --data {} audit list acme",
            self.directory.path().join("data").display()
        ));
        block_on(tokio::signal::ctrl_c())?
            .map_err(|error| CliError::usage(format!("cannot listen for signals: {error}")))
    }

    /// Stops the server: calls in flight end, and nothing is left of the directory.
    pub fn strike(self, output: Output) -> Result<(), CliError> {
        // An error means that the server has stopped by itself; its result says why.
        let _ = self.stop.send(());
        match self.server.join() {
            Ok(stopped) => stopped.map_err(CliError::from)?,
            Err(_) => return Err(CliError::usage("the server ended in a panic")),
        }
        output.say("the server stopped cleanly");
        Ok(())
    }
}

const APPROVER_TOKEN: &str = "approver.token";

fn config_in(directory: &Path) -> Result<Config, CliError> {
    let environment = [
        ("BULLA_DATA_DIRECTORY".to_owned(), directory.display().to_string()),
        ("BULLA_SERVER_LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
        // The demo's own key, whatever the environment holds.
        ("BULLA_MASTER_KEY_VARIABLE".to_owned(), "BULLA_TEST_NO_MASTER_KEY".to_owned()),
    ];
    config::load(None, &environment.into()).map(|loaded| loaded.config).map_err(CliError::coded)
}

struct Running {
    server: JoinHandle<Result<(), Failure>>,
    stop: oneshot::Sender<()>,
    receiver: Receiver,
    address: SocketAddr,
}

/// Server and receiver on a thread of their own; returns once both take requests.
fn start(config: Config, delivery_token: String) -> Result<Running, CliError> {
    let (ready, hears) = mpsc::channel();
    let (stop, stopping) = oneshot::channel();
    let server = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(|error| internal(&error))?;
        runtime.block_on(async move {
            // The first try of the first delivery is refused, so that a retry is seen.
            let receiver = Receiver::start(&delivery_token, 1).await.map_err(|error| internal(&error))?;
            let told = move |address| drop(ready.send((address, receiver)));
            bulla_node::serve(config, Some(compile::program()), told, async { drop(stopping.await) }).await
        })
    });
    match hears.recv() {
        Ok((address, receiver)) => Ok(Running { server, stop, receiver, address }),
        // The sender is gone: the server did not start, and says why.
        Err(_) => Err(match server.join() {
            Ok(Err(failure)) => failure.into(),
            _ => CliError::usage("the server did not start"),
        }),
    }
}

fn internal(error: &std::io::Error) -> Failure {
    Failure::new(bulla_base::codes::UNAVAILABLE, format!("the demo cannot start: {error}"))
}

fn client(url: &str, token: &str) -> Result<Client, CliError> {
    let url = url.parse().map_err(|_| CliError::usage(format!("`{url}` is not an address")))?;
    Client::new(url, Some(Token::new(token)?))
}

fn new_token(operator: &Client, subject: &str, roles: &[&str]) -> Result<String, CliError> {
    let body = json!({"subject": subject, "roles": roles});
    let reply = operator.post(&["v1", "tenants", "acme", "tokens"], Request::json(&body))?.value();
    Ok(reply["text"].as_str().unwrap_or_default().to_owned())
}

/// What an operator does once: tenants, a sequence, approval rules, a key, a secret, trust, and the addon with its grants.
fn prepare(
    operator: &Client,
    package: &Signed,
    destination: &str,
    delivery_token: &str,
) -> Result<Value, CliError> {
    for tenant in TENANTS {
        let body = json!({"id": tenant, "display-name": tenant});
        operator.post(&["v1", "tenants"], Request::json(&body))?;
    }
    let acme = |rest: &[&'static str]| [&["v1", "tenants", "acme"], rest].concat();
    let sequence = json!({"format": "INV-{YYYY}-{00000}", "reset": "year", "gaps": "gapless"});
    operator.put(&acme(&["sequences", "invoice"]), &sequence)?;
    let rules = json!({
        "scope": "invoice.issue",
        "rule": [{
            "name": "above-limit",
            "when": {"fact": "total", "decimal": {"gt": LIMIT}},
            "approvers": ["role:cfo"],
        }],
    });
    operator.put(&acme(&["approval-rules", "invoice.issue"]), &rules)?;
    operator.post(&acme(&["keys"]), Request::json(&json!({"alias": "einvoice_signing"})))?;
    operator.put(&acme(&["secrets", "receiver_token"]), &json!({"value": delivery_token}))?;
    let key = json!({"public-key": package.public, "owner": "the demo's publisher", "purposes": ["addon"]});
    operator.post(&["v1", "trust"], Request::json(&key))?;
    let grants = json!({
        "sequences": ["invoice"],
        "approvals": ["invoice.issue"],
        "secrets": {"receiver_token": {"purpose": "delivery", "destinations": [destination]}},
        "keys": {"einvoice_signing": {"purpose": "invoice"}},
    });
    let delivery = json!({"package": STANDARD.encode(&package.bytes), "grants": grants});
    Ok(operator.post(&acme(&["addons"]), Request::json(&delivery))?.value())
}
