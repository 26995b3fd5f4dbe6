//! `bulla addon`.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulla_base::{AddonName, TenantId};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::done;
use crate::client::{Reply, Request};
use crate::context::Context;
use crate::error::CliError;
use crate::grants::{self, Route};
use crate::progress::Progress;
use crate::{input, table};

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Verify a package and install it for a tenant. What is not granted is denied.
    Install {
        /// The package.
        file: PathBuf,
        #[arg(long)]
        tenant: TenantId,
        /// Grant all that the manifest asks for.
        #[arg(long, conflicts_with = "grants")]
        grant_all: bool,
        /// Grant what this file says, in TOML or JSON.
        #[arg(long, value_name = "FILE")]
        grants: Option<PathBuf>,
        #[command(flatten)]
        choice: Choice,
    },
    /// Install another version of an addon that is there. What was granted stays granted, as far as it is asked for.
    Upgrade {
        /// The package.
        file: PathBuf,
        #[arg(long)]
        tenant: TenantId,
    },
    /// The tenant's addons.
    List { tenant: TenantId },
    /// One addon with its grants and its history.
    Show { tenant: TenantId, addon: AddonName },
    /// Take calls again.
    Enable { tenant: TenantId, addon: AddonName },
    /// Refuse calls until it is enabled again.
    Disable { tenant: TenantId, addon: AddonName },
    /// Back to the version before.
    Rollback { tenant: TenantId, addon: AddonName },
    /// Remove the addon. What it made stays.
    Remove { tenant: TenantId, addon: AddonName },
    /// Replace the grants. What is no longer granted is denied at once, also inside running calls.
    Grant(Grant),
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["all", "grants", "none"])))]
pub struct Grant {
    tenant: TenantId,
    addon: AddonName,
    /// All that the manifest asks for.
    #[arg(long)]
    all: bool,
    /// What this file says, in TOML or JSON.
    #[arg(long, value_name = "FILE")]
    grants: Option<PathBuf>,
    /// Nothing.
    #[arg(long)]
    none: bool,
    #[command(flatten)]
    choice: Choice,
}

/// What only the operator knows.
#[derive(Debug, Args)]
pub struct Choice {
    /// Where a secret may go, instead of where the author expects it; may be given again.
    #[arg(long = "destination", value_name = "ALIAS=URL")]
    destinations: Vec<Route>,
    /// The directory to open to the addon, where it asks for one.
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

pub fn run(verb: &Verb, context: &Context) -> Result<(), CliError> {
    match verb {
        Verb::Install { file, tenant, grant_all, grants, choice } => {
            install(file, tenant, *grant_all, grants.as_deref(), choice, context)
        }
        Verb::Upgrade { file, tenant } => upgrade(file, tenant, context),
        Verb::List { tenant } => {
            let addons = context.client()?.get(&["v1", "tenants", tenant.as_str(), "addons"])?.value();
            context
                .output
                .rows(&addons, &["name", "version", "enabled", "publisher", "installed-by", "installed-ms"])
        }
        Verb::Show { tenant, addon } => show(tenant, addon, context),
        Verb::Enable { tenant, addon } => {
            let reply = context.client()?.post(&path(tenant, addon, Some("enable")), Request::default())?;
            done(context, &reply, format!("`{addon}` takes calls of `{tenant}`"))
        }
        Verb::Disable { tenant, addon } => {
            let reply = context.client()?.post(&path(tenant, addon, Some("disable")), Request::default())?;
            done(context, &reply, format!("`{addon}` refuses calls of `{tenant}`"))
        }
        Verb::Rollback { tenant, addon } => {
            let reply = context.client()?.post(&path(tenant, addon, Some("rollback")), Request::default())?;
            accepted(&reply, "is active again", tenant, context)
        }
        Verb::Remove { tenant, addon } => {
            let reply = context.client()?.delete(&path(tenant, addon, None))?;
            done(context, &reply, format!("removed `{addon}` from `{tenant}`"))
        }
        Verb::Grant(grant) => replace_grants(grant, context),
    }
}

fn path<'a>(tenant: &'a TenantId, addon: &'a AddonName, verb: Option<&'a str>) -> Vec<&'a str> {
    ["v1", "tenants", tenant.as_str(), "addons", addon.as_str()].into_iter().chain(verb).collect()
}

fn install(
    file: &Path,
    tenant: &TenantId,
    grant_all: bool,
    grants_file: Option<&Path>,
    choice: &Choice,
    context: &Context,
) -> Result<(), CliError> {
    let package = read(file)?;
    let granted = match grants_file {
        Some(path) => Some(choice.apply(input::document(path)?)?),
        None if grant_all => Some(choice.apply(asked_in(&package)?)?),
        None if choice.is_set() => {
            return Err(CliError::usage(
                "`--destination` and `--directory` go with `--grant-all` or `--grants`",
            ));
        }
        None => None,
    };
    tell(granted.as_ref(), context);
    let reply = deliver(&package, granted, tenant, context)?;
    accepted(&reply, "is installed", tenant, context)
}

fn upgrade(file: &Path, tenant: &TenantId, context: &Context) -> Result<(), CliError> {
    let package = read(file)?;
    let name = bulla_signing::inspect(&package).map_err(CliError::coded)?.name;
    // The server installs what is not there; an upgrade of nothing is a slip of the pen.
    context.client()?.get(&path(tenant, &name, None))?;
    let reply = deliver(&package, None, tenant, context)?;
    accepted(&reply, "is installed", tenant, context)
}

fn show(tenant: &TenantId, addon: &AddonName, context: &Context) -> Result<(), CliError> {
    let mut found = context.client()?.get(&path(tenant, addon, None))?.value();
    if context.output.json {
        return context.output.value(&found);
    }
    let section = |title: &str, grants: &Value| {
        let lines = grants::lines(grants);
        let shown: String = lines.iter().map(|line| format!("  {}\n", table::visible(line))).collect();
        if lines.is_empty() { format!("\n{title}: nothing\n") } else { format!("\n{title}:\n{shown}") }
    };
    let (mut addon, history) = (found["addon"].take(), found["history"].take());
    let (asked, granted) = (addon["asked"].take(), addon["granted"].take());
    let mut text = table::record(&addon) + &section("asks for", &asked) + &section("granted", &granted);
    let versions = history.as_array().map(Vec::as_slice).unwrap_or_default();
    let rows = table::rows(versions, &["version", "digest", "installed-by", "installed-ms"]);
    text.push_str(&format!("\nhistory:\n{rows}"));
    context.output.text(&text)
}

fn replace_grants(grant: &Grant, context: &Context) -> Result<(), CliError> {
    let client = context.client()?;
    let granted = match (&grant.grants, grant.all) {
        (Some(file), _) => input::document(file)?,
        (None, true) => {
            client.get(&path(&grant.tenant, &grant.addon, None))?.value()["addon"]["asked"].take()
        }
        (None, false) => json!({}),
    };
    let granted = grant.choice.apply(granted)?;
    tell(Some(&granted), context);
    let reply = client.put(&path(&grant.tenant, &grant.addon, Some("grants")), &granted)?;
    done(context, &reply, format!("the grants of `{}` in `{}` are replaced", grant.addon, grant.tenant))
}

impl Choice {
    fn is_set(&self) -> bool {
        !self.destinations.is_empty() || self.directory.is_some()
    }

    fn apply(&self, mut granted: Value) -> Result<Value, CliError> {
        grants::choose(&mut granted, &self.destinations, self.directory.as_deref())?;
        Ok(granted)
    }
}

fn read(file: &Path) -> Result<Vec<u8>, CliError> {
    fs::read(file).map_err(CliError::file("read", file))
}

/// What the package's manifest asks for. Read before anything is verified: the server grants nothing that it does not ask for.
fn asked_in(package: &[u8]) -> Result<Value, CliError> {
    let seen = bulla_signing::inspect(package).map_err(CliError::coded)?;
    grants::asked(&seen.manifest.map_err(CliError::coded)?)
}

fn tell(granted: Option<&Value>, context: &Context) {
    for line in granted.into_iter().flat_map(grants::lines) {
        context.output.say(format!("granting {}", table::visible(&line)));
    }
}

fn deliver(
    package: &[u8],
    granted: Option<Value>,
    tenant: &TenantId,
    context: &Context,
) -> Result<Reply, CliError> {
    let mut body = json!({"package": STANDARD.encode(package)});
    if let Some(granted) = granted {
        body["grants"] = granted;
    }
    let progress = Progress::new(context.output);
    progress.step("the server verifies and compiles the package");
    context.client()?.post(&["v1", "tenants", tenant.as_str(), "addons"], Request::json(&body))
}

/// Says what was taken, and what stays denied.
fn accepted(reply: &Reply, what: &str, tenant: &TenantId, context: &Context) -> Result<(), CliError> {
    let accepted = reply.value();
    context.output.record(&accepted)?;
    let text = |name: &str| accepted[name].as_str().map(table::visible).unwrap_or_default();
    context.output.say(format!("`{}` {} {what} for `{tenant}`", text("name"), text("version")));
    if accepted["withheld"].as_array().is_some_and(|withheld| !withheld.is_empty()) {
        let name = text("name");
        context.output.say(format!(
            "hint: what is withheld is denied; `bulla addon grant {tenant} {name} --all` grants it"
        ));
    }
    Ok(())
}
