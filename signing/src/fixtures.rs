//! A small package for the tests of this crate.

use bulla_base::{Entropy, Timestamp};

use crate::contract::{Contract, EntryContract};
use crate::key::PublisherKey;
use crate::package::Package;
use crate::trust::{TrustEntry, TrustStore};

pub(crate) const MANIFEST: &str = r#"
[addon]
name = "hello"
version = "0.1.0"
description = "Says hello."
kernel = "0.1"
[actions.greet]
"#;

/// The smallest component: the preamble (magic, version 13, layer 1).
pub(crate) const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

pub(crate) fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH + std::time::Duration::from_secs(1_767_225_600)
}

pub(crate) fn key() -> PublisherKey {
    PublisherKey::generate(&Entropy)
}

pub(crate) fn trust(key: &PublisherKey) -> TrustStore {
    TrustStore::from_entries([TrustEntry::for_addons(key.public(), "ACME")]).unwrap()
}

pub(crate) fn entry(name: &str) -> EntryContract {
    EntryContract {
        name: name.parse().unwrap(),
        doc: String::new(),
        input: true.into(),
        output: serde_json::json!({}),
    }
}

pub(crate) fn contract() -> Contract {
    Contract { actions: vec![entry("greet")], jobs: vec![] }
}

pub(crate) fn component() -> Vec<u8> {
    contract().write(EMPTY_COMPONENT).unwrap()
}

pub(crate) fn package(key: &PublisherKey) -> Package {
    Package::seal(MANIFEST.as_bytes(), &component(), key, now()).unwrap()
}
