//! Grants on the command line: all that a manifest asks for, those of a file, and where secrets may go.

use std::path::Path;
use std::str::FromStr;

use bulla_base::{Alias, codes};
use bulla_signing::manifest::{Destination, Manifest};
use serde_json::{Value, json};

use crate::error::CliError;

/// `alias=scheme://host[:port]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub alias: Alias,
    pub destination: Destination,
}

impl FromStr for Route {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (alias, destination) =
            text.split_once('=').ok_or("it is written `alias=scheme://host[:port]`")?;
        Ok(Self {
            alias: alias.parse().map_err(|error: bulla_base::ids::InvalidId| error.to_string())?,
            destination: destination
                .parse()
                .map_err(|error: bulla_signing::manifest::InvalidDestination| error.to_string())?,
        })
    }
}

/// All that the manifest asks for. The directory has no path yet: only the operator knows one.
pub fn asked(manifest: &Manifest) -> Result<Value, CliError> {
    serde_json::to_value(bulla_node::grants_asked(manifest))
        .map_err(|error| bulla_base::Failure::new(codes::INTERNAL, error.to_string()).into())
}

/// Puts the operator's own choices in: a secret that is named goes to the destinations named for it and nowhere else.
pub fn choose(grants: &mut Value, routes: &[Route], directory: Option<&Path>) -> Result<(), CliError> {
    let mut named: Vec<&Alias> = Vec::new();
    for route in routes {
        let secret = grants.get_mut("secrets").and_then(|secrets| secrets.get_mut(route.alias.as_str()));
        let destinations =
            secret.and_then(|secret| secret.get_mut("destinations")).and_then(Value::as_array_mut);
        let destinations = destinations
            .ok_or_else(|| CliError::usage(format!("no secret `{}` is among the grants", route.alias)))?;
        if !named.contains(&&route.alias) {
            destinations.clear();
            named.push(&route.alias);
        }
        destinations.push(json!(route.destination));
    }
    match (grants.get_mut("directory"), directory) {
        (Some(granted), Some(path)) => {
            granted["path"] = json!(std::path::absolute(path).map_err(CliError::file("find", path))?)
        }
        (None, Some(_)) => return Err(CliError::usage("no directory is among the grants")),
        // Without a path there is nothing to open.
        (Some(granted), None) if granted["path"] == "" => {
            if let Some(grants) = grants.as_object_mut() {
                grants.remove("directory");
            }
        }
        _ => {}
    }
    Ok(())
}

/// One line a grant, for people.
pub fn lines(grants: &Value) -> Vec<String> {
    let mut all = Vec::new();
    for (field, kind) in [("sequences", "sequence"), ("approvals", "approval")] {
        all.extend(texts(&grants[field]).map(|name| format!("{kind} {name}")));
    }
    for (alias, secret) in grants["secrets"].as_object().into_iter().flatten() {
        let destinations: Vec<_> = texts(&secret["destinations"]).collect();
        let to = if destinations.is_empty() { "nowhere".to_owned() } else { destinations.join(", ") };
        all.push(format!("secret {alias} for {}, to {to}", secret["purpose"].as_str().unwrap_or("-")));
    }
    for (alias, key) in grants["keys"].as_object().into_iter().flatten() {
        all.push(format!("key {alias} for {}", key["purpose"].as_str().unwrap_or("-")));
    }
    all.extend(texts(&grants["wasi"]).map(|interface| format!("wasi {interface}")));
    if let Some(path) = grants["directory"]["path"].as_str() {
        let writable = if grants["directory"]["writable"] == true { "read and write" } else { "read" };
        all.push(format!("directory {path}, to {writable}"));
    }
    all
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
[addon]
name = "einvoice"
version = "0.1.0"
description = "x"
kernel = "0.1"
[actions.submit]
[capabilities]
sequences = ["invoice"]
[capabilities.secrets.token]
purpose = "delivery"
destinations = ["https://receiver.example"]
[capabilities.keys.signing]
purpose = "invoice"
[capabilities.wasi]
imports = ["wasi:clocks/wall-clock"]
directory = "read-write"
"#;

    fn grants() -> Value {
        asked(&Manifest::parse(MANIFEST).unwrap()).unwrap()
    }

    #[test]
    fn all_that_is_asked_for_is_listed() {
        let mut grants = grants();
        choose(&mut grants, &[], Some(Path::new("/srv/x"))).unwrap();
        assert_eq!(
            lines(&grants),
            [
                "sequence invoice",
                "secret token for delivery, to https://receiver.example",
                "key signing for invoice",
                "wasi wasi:clocks/wall-clock",
                "directory /srv/x, to read and write",
            ]
        );
    }

    #[test]
    fn the_operators_destinations_take_the_place_of_the_authors() {
        let mut grants = grants();
        let routes =
            ["token=http://127.0.0.1:1", "token=http://127.0.0.1:2"].map(|text| text.parse().unwrap());
        choose(&mut grants, &routes, None).unwrap();
        assert_eq!(
            grants["secrets"]["token"]["destinations"],
            json!(["http://127.0.0.1:1", "http://127.0.0.1:2"])
        );
        assert!(grants.get("directory").is_none());
    }

    #[test]
    fn what_was_not_asked_for_cannot_be_chosen() {
        let mut grants = grants();
        assert!(choose(&mut grants, &["other=http://127.0.0.1:1".parse().unwrap()], None).is_err());
        assert!(choose(&mut json!({}), &[], Some(Path::new("x"))).is_err());
        for wrong in ["token", "token=ftp://a.example", "=http://a.example", "token=http://a.example/path"] {
            assert!(wrong.parse::<Route>().is_err(), "{wrong}");
        }
    }
}
