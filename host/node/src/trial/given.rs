//! What a case finds in its tenant: what it names, and something workable for all else that the manifest asks for.

use std::collections::BTreeMap;

use bulla_base::{Alias, Scope, TenantId};
use bulla_kernel::approvals::RuleDocument;
use bulla_kernel::origin::Origin;
use bulla_kernel::ports::Plaintext;
use bulla_kernel::sequences::{Definition, Gaps, Reset};
use bulla_signing::Manifest;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::host::Host;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Given {
    /// By key; only `format` must be there.
    sequences: BTreeMap<Alias, Value>,
    /// Rules by scope, as operators write them but for the scope. A scope that is not named approves everything.
    approvals: BTreeMap<Scope, Value>,
    /// By alias.
    secrets: BTreeMap<Alias, String>,
}

pub(super) async fn prepare(
    host: &Host,
    origin: &Origin,
    tenant: &TenantId,
    manifest: &Manifest,
    given: &Given,
) -> Result<(), String> {
    let capabilities = manifest.capabilities();
    for key in capabilities.sequences() {
        let definition = match given.sequences.get(key) {
            Some(written) => definition(written)?,
            None => {
                definition(&json!({"format": format!("{}-{{YYYY}}-{{00000}}", key.as_str().to_uppercase())}))?
            }
        };
        host.rooms
            .sequences
            .define(origin, tenant, key, definition)
            .await
            .map_err(|error| error.to_string())?;
    }
    for scope in capabilities.approvals() {
        let mut document = given.approvals.get(scope).cloned().unwrap_or_else(|| json!({}));
        document["scope"] = scope.as_str().into();
        let document: RuleDocument = serde_json::from_value(document).map_err(|error| error.to_string())?;
        host.rooms.approvals.load_rules(origin, tenant, document).await.map_err(|error| error.to_string())?;
    }
    for alias in capabilities.secrets().keys() {
        let value = given.secrets.get(alias).map_or("secret-of-the-test", String::as_str);
        let value = Plaintext(Zeroizing::new(value.as_bytes().to_vec()));
        host.rooms.secrets.set(origin, alias, value).await.map_err(|error| error.to_string())?;
    }
    for alias in capabilities.keys().keys() {
        host.rooms.keys.create(origin, alias).await.map_err(|error| error.to_string())?;
    }
    unknown(given, manifest)
}

/// A name that the manifest does not ask for is a slip of the pen.
fn unknown(given: &Given, manifest: &Manifest) -> Result<(), String> {
    let asked = manifest.capabilities();
    let slip = given
        .sequences
        .keys()
        .find(|key| !asked.sequences().contains(*key))
        .map(ToString::to_string)
        .or_else(|| {
            given.approvals.keys().find(|scope| !asked.approvals().contains(*scope)).map(ToString::to_string)
        })
        .or_else(|| {
            given.secrets.keys().find(|alias| !asked.secrets().contains_key(*alias)).map(ToString::to_string)
        });
    match slip {
        Some(name) => Err(format!("`given` names `{name}`, which the manifest does not ask for")),
        None => Ok(()),
    }
}

fn definition(written: &Value) -> Result<Definition, String> {
    let mut whole = json!({"reset": Reset::Never, "gaps": Gaps::Gapless});
    if written["format"].as_str().is_some_and(|format| format.contains("{YYYY}")) {
        whole["reset"] = json!(Reset::Year);
    }
    for (name, value) in written.as_object().into_iter().flatten() {
        whole[name.as_str()] = value.clone();
    }
    serde_json::from_value(whole).map_err(|error| error.to_string())
}
