//! `bulla trust`.

use std::path::Path;

use bulla_base::{Millis, Purpose, Timestamp};
use bulla_signing::{KeyId, PublicKey};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{done, sign};
use crate::client::Request;
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Trust a publisher's key.
    Add(Entry),
    /// The trusted keys, the revoked ones among them.
    List,
    /// Forget a key. To keep the knowledge that it was bad, revoke it instead.
    Remove { key: KeyId },
    /// Withdraw a key for good: its addons stop at once.
    Revoke {
        key: KeyId,
        /// For people and the audit log.
        #[arg(long)]
        reason: String,
    },
    /// Put a new key beside an old one; after the overlap only the new one is good.
    Rotate {
        old: KeyId,
        #[command(flatten)]
        entry: Entry,
        /// How long both are good.
        #[arg(long, default_value = "7d", value_name = "TIME")]
        overlap: Millis,
    },
}

#[derive(Debug, Args)]
pub struct Entry {
    /// The public key (`ed25519:…`, as `bulla sign` prints it), or the file of a private one, of which only the public half is sent.
    #[arg(value_name = "KEY|FILE")]
    key: String,
    /// Whose key it is, for people.
    #[arg(long, value_name = "NAME")]
    owner: String,
    /// What it may sign; may be given again.
    #[arg(long = "purpose", value_name = "PURPOSE", default_value = "addon")]
    purposes: Vec<Purpose>,
    /// An addon it may publish (`einvoice`, `acme-*`); may be given again. Unset: any.
    #[arg(long = "name", value_name = "PATTERN")]
    names: Vec<String>,
    /// Good from then on, such as `2026-01-01T00:00:00Z`.
    #[arg(long, value_name = "TIME")]
    not_before: Option<Timestamp>,
    /// No longer good from then on.
    #[arg(long, value_name = "TIME")]
    not_after: Option<Timestamp>,
}

pub fn run(verb: &Verb, context: &Context) -> Result<(), CliError> {
    match verb {
        Verb::Add(entry) => {
            let body = entry.body()?;
            context.output.record(&context.client()?.post(&["v1", "trust"], Request::json(&body))?.value())
        }
        Verb::List => {
            let keys = context.client()?.get(&["v1", "trust"])?.value()["keys"].take();
            context.output.rows(
                &keys,
                &["id", "owner", "purposes", "names", "not-after-ms", "revoked-ms", "rotated-by"],
            )
        }
        Verb::Remove { key } => {
            let reply = context.client()?.delete(&["v1", "trust", key.as_str()])?;
            done(context, &reply, format!("removed `{key}`"))
        }
        Verb::Revoke { key, reason } => {
            let request = Request::json(&json!({"reason": reason}));
            let reply = context.client()?.post(&["v1", "trust", key.as_str(), "revoke"], request)?;
            done(context, &reply, format!("revoked `{key}`"))
        }
        Verb::Rotate { old, entry, overlap } => {
            let body = json!({"key": entry.body()?, "overlap": overlap});
            let path = ["v1", "trust", old.as_str(), "rotate"];
            context.output.record(&context.client()?.post(&path, Request::json(&body))?.value())
        }
    }
}

impl Entry {
    fn body(&self) -> Result<Value, CliError> {
        let key = match self.key.parse::<PublicKey>() {
            Ok(key) => key,
            Err(_) if Path::new(&self.key).is_file() => sign::read(Path::new(&self.key))?.public(),
            Err(error) => return Err(CliError::coded(error)),
        };
        let mut body =
            json!({"public-key": key, "owner": self.owner, "purposes": self.purposes, "names": self.names});
        for (name, time) in [("not-before-ms", self.not_before), ("not-after-ms", self.not_after)] {
            if let Some(time) = time {
                body[name] = json!(time.as_millisecond());
            }
        }
        Ok(body)
    }
}
