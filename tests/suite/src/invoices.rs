//! The e-invoice addon in a tenant, and documents for it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::addons::{all_of, guest, manifest};
use crate::bench::{Bench, Tenant};
use crate::cli::{Cli, repository};
use crate::client::Reply;

/// Above this amount due the invoice waits for somebody with the role `cfo`.
pub const LIMIT: &str = "10000";
pub const SECRET: &str = "receiver-token-4711-0815";

/// One of the addon's sample documents.
pub fn sample(name: &str) -> String {
    let path = repository().join("plugins/einvoice/samples").join(format!("{name}.xml"));
    std::fs::read_to_string(path).unwrap()
}

/// A sample under a number of its own, so that it is a document of its own.
pub fn numbered(name: &str, id: &str) -> String {
    let text = sample(name);
    let (before, rest) = text.split_once("<cbc:ID>").unwrap();
    let (_, after) = rest.split_once("</cbc:ID>").unwrap();
    format!("{before}<cbc:ID>{id}</cbc:ID>{after}")
}

pub fn submission(document: &str, deliver_to: &str) -> Value {
    json!({"document": STANDARD.encode(document), "deliver-to": deliver_to})
}

/// A package made with `bulla build` and `bulla sign`; the publisher's key is trusted with `bulla trust add`.
pub fn signed_package(bench: &Bench) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(file("addon.toml"), manifest("einvoice")).unwrap();
    std::fs::write(file("bare.wasm"), guest("einvoice")).unwrap();
    let project = dir.path().display().to_string();
    Cli::new(["build", &project, "--component", &file("bare.wasm")]).run().succeeds();
    let sign = ["sign", &project, "--new-key", &file("publisher.pem"), "--out", &file("einvoice.bulla")];
    Cli::new(sign).run().succeeds();
    let trust = bench.server.data().cli(["trust", "add", &file("publisher.pem"), "--owner", "acme"]);
    trust.run().succeeds();
    std::fs::read(file("einvoice.bulla")).unwrap()
}

/// Everything that the addon needs, in a new tenant; deliveries may go to `receiver` (an origin).
pub fn tenant(bench: &Bench, id: &str, receiver: &str) -> Tenant {
    let tenant = bench.tenant(id);
    tenant.sequence("invoice", "INV-{YYYY}-{00000}", "gapless");
    tenant.key("einvoice_signing");
    tenant.secret("receiver_token", SECRET);
    tenant.approval_above("invoice.issue", LIMIT, &["role:cfo"]);
    let grants = all_of(&manifest("einvoice"), receiver);
    tenant.install(&signed_package(bench), Some(&grants)).ok();
    tenant
}

/// Submits a document as the clerk.
pub fn submit(tenant: &Tenant, key: &str, document: &str, deliver_to: &str) -> Reply {
    tenant.call_once("einvoice/submit", key, &submission(document, deliver_to))
}
