//! `bulla inspect`: a package's own claims.

use std::fs;
use std::path::PathBuf;

use bulla_signing::{Contract, Inspection};
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::CliError;
use crate::{grants, table};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The package.
    file: PathBuf,
}

pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    let bytes = fs::read(&args.file).map_err(CliError::file("read", &args.file))?;
    let seen = bulla_signing::inspect(&bytes).map_err(CliError::coded)?;
    context.output.either(&as_json(&seen)?, &as_text(&seen)?)?;
    context
        .output
        .say("nothing here was verified: only a host with a trust store says whether the signature holds");
    Ok(())
}

fn as_json(seen: &Inspection) -> Result<Value, CliError> {
    let asked = match &seen.manifest {
        Ok(manifest) => grants::asked(manifest)?,
        Err(_) => Value::Null,
    };
    Ok(json!({
        "verified": false,
        "name": seen.name,
        "version": seen.version,
        "key": seen.key,
        "signed-at": seen.signed_at,
        "package": seen.package,
        "manifest-file": seen.manifest_file,
        "component-file": seen.component_file,
        "files-match": seen.files_match,
        "manifest": seen.manifest.as_ref().map_or_else(|error| json!({"error": error.to_string()}), |manifest| json!(manifest)),
        "asked": asked,
        "contract": seen.contract.as_ref().map_or_else(|error| json!({"error": error.to_string()}), |contract| json!(contract)),
    }))
}

fn as_text(seen: &Inspection) -> Result<String, CliError> {
    let mut text = table::record(&json!({
        "name": seen.name,
        "version": seen.version,
        "description": seen.manifest.as_ref().ok().map(|manifest| manifest.description()),
        "signed-at": seen.signed_at,
        "key": seen.key,
        "package": format!("{} bytes, sha256 {}", seen.package.size, seen.package.sha256),
        "component": format!("{} bytes, sha256 {}", seen.component_file.size, seen.component_file.sha256),
        "files-match": seen.files_match,
    }));
    match &seen.manifest {
        Ok(manifest) => {
            let asked = grants::lines(&grants::asked(manifest)?);
            text.push_str(&section("asks for", &asked));
        }
        Err(error) => text.push_str(&format!("\nmanifest: {}\n", table::visible(&error.to_string()))),
    }
    match &seen.contract {
        Ok(contract) => text.push_str(&entries(contract)),
        Err(error) => text.push_str(&format!("\ncontract: {}\n", table::visible(&error.to_string()))),
    }
    Ok(text)
}

fn entries(contract: &Contract) -> String {
    let line = |entry: &bulla_signing::EntryContract| {
        let doc = entry.doc.lines().next().unwrap_or_default();
        table::visible(format!("{}  {doc}", entry.name).trim_end())
    };
    let actions: Vec<_> = contract.actions.iter().map(line).collect();
    let jobs: Vec<_> = contract.jobs.iter().map(line).collect();
    section("actions", &actions) + &section("jobs", &jobs)
}

fn section(title: &str, lines: &[String]) -> String {
    match lines {
        [] => String::new(),
        lines => {
            format!("\n{title}:\n{}", lines.iter().map(|line| format!("  {line}\n")).collect::<String>())
        }
    }
}
