//! `bulla config show`: every key in force and where its value came from.

use clap::Subcommand;
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Every key, its value, and where the value comes from: default, file or environment.
    Show,
}

pub fn run(Verb::Show: &Verb, context: &Context) -> Result<(), CliError> {
    let settings = context.config()?.settings;
    let rows: Vec<Value> = settings
        .iter()
        .map(|setting| {
            json!({"key": setting.key, "value": setting.value, "source": setting.source, "doc": setting.doc})
        })
        .collect();
    context.output.rows(&Value::from(rows), &["key", "value", "source"])
}
