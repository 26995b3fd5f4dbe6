//! `addon.toml`: whatever it says, it is a manifest that keeps its own bounds, or a refusal of one line or a few.

use bulla_base::Coded;
use bulla_signing::Manifest;
use bulla_signing::manifest::{DESCRIPTION_MAX, LIST_MAX, MAX_BYTES, VERSION_MAX};

pub const WORDS: &[&str] = &[
    "[addon]\n",
    "name = ",
    "version = ",
    "description = ",
    "kernel = \"0.1\"\n",
    "[actions.a]\n",
    "[jobs.b]\n",
    "idempotency = \"required\"\n",
    "budget = { fuel = \"5M\", time = \"200ms\", memory = \"16MiB\" }\n",
    "schedule = ",
    "every = \"5m\"\n",
    "\"*/5 * * * *\"",
    "lock-key = ",
    "fairness = \"bulk\"\n",
    "retries = ",
    "backoff = \"1s\"\n",
    "circuit = { failures = 5, pause = \"1m\" }\n",
    "[capabilities]\n",
    "sequences = [",
    "approvals = [",
    "[capabilities.secrets.s]\n",
    "purpose = ",
    "destinations = [\"https://a.example\"]\n",
    "[capabilities.keys.k]\n",
    "[capabilities.wasi]\n",
    "imports = [\"wasi:clocks/wall-clock\"]\n",
    "directory = \"read-write\"\n",
    "[limits]\n",
    "fuel = \"20M\"\n",
    "memory = ",
    "[suggested]\n",
    "rate = \"50/s, burst 100\"\n",
    "GiB",
    "18446744073709551615",
];

/// A refusal is for people: it does not give a whole file back.
const MAX_REFUSAL: usize = 8 << 10;

pub fn run(data: &[u8]) {
    match Manifest::parse_bytes(data) {
        Ok(manifest) => holds(&manifest, data),
        Err(error) => {
            let text = error.public();
            assert!(text.len() <= MAX_REFUSAL, "a refusal of {} bytes: {}", text.len(), error.code().name);
        }
    }
}

fn holds(manifest: &Manifest, data: &[u8]) {
    assert!(data.len() <= MAX_BYTES);
    assert!((1..=DESCRIPTION_MAX).contains(&manifest.description().len()));
    assert!(manifest.version().to_string().len() <= VERSION_MAX);
    assert!(manifest.actions().len() <= LIST_MAX && manifest.jobs().len() <= LIST_MAX);
    for secret in manifest.capabilities().secrets().values() {
        for destination in secret.destinations() {
            let written = destination.to_string();
            let granted = bulla_kernel::secrets::Destination::parse(&written);
            // Names of another alphabet are not decoded in a manifest.
            let named = granted.is_ok() || written.contains("xn--");
            assert!(named, "a manifest asks for `{written}`, which no grant can name");
        }
    }
    // What stands in it can be told.
    serde_json::to_string(manifest).unwrap();
    assert_eq!(Manifest::parse_bytes(data).as_ref(), Ok(manifest));
}
