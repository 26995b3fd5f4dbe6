//! Installed addons.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulla_base::{AddonName, Coded, Failure};
use bulla_kernel::addons::{AddonError, Installed, VersionRecord};
use bulla_kernel::grants::Grants;
use bulla_kernel::ports::{Delivery, Operation};
use futures::FutureExt as _;
use http::Method;
use serde::{Deserialize, Serialize};

use super::fields::{GRANTS, GRANTS_GIVEN};
use crate::context::Context;
use crate::envelope::Reply;
use crate::problem::invalid;
use crate::route::{Answer, Field, Kind, Route, may, must};

const ADDONS: &str = "/v1/tenants/{tenant}/addons";
const ADDON: &str = "/v1/tenants/{tenant}/addons/{addon}";

pub fn routes() -> Vec<Route> {
    places().into_iter().chain(changes()).collect()
}

fn places() -> Vec<Route> {
    vec![
        Route::new(Method::GET, ADDONS, Operation::AddonList, "list-addons", "The tenant's addons, by name", |context| {
            list(context).boxed()
        })
        .answer(Answer::Data(Kind::Objects(SHOWN))),
        Route::new(
            Method::POST,
            ADDONS,
            Operation::AddonInstall,
            "install-addon",
            "Verifies a package and installs it, or upgrades to it; without `grants` what was granted stays granted",
            |context| install(context).boxed(),
        )
        .package()
        .body(PACKAGE)
        .answer(Answer::Data(Kind::Object(ACCEPTED))),
        Route::new(Method::GET, ADDON, Operation::AddonList, "get-addon", "One addon and its versions", |context| {
            get(context).boxed()
        })
        .answer(Answer::Data(Kind::Object(DETAILED))),
        Route::new(
            Method::DELETE,
            ADDON,
            Operation::AddonRemove,
            "remove-addon",
            "Takes the addon out of the tenant; its history stays",
            |context| remove(context).boxed(),
        ),
    ]
}

fn changes() -> Vec<Route> {
    let addon = Answer::Data(Kind::Object(SHOWN));
    vec![
        Route::new(
            Method::POST,
            "/v1/tenants/{tenant}/addons/{addon}/enable",
            Operation::AddonEnable,
            "enable-addon",
            "Lets calls in again",
            |context| enable(context).boxed(),
        )
        .answer(addon),
        Route::new(
            Method::POST,
            "/v1/tenants/{tenant}/addons/{addon}/disable",
            Operation::AddonDisable,
            "disable-addon",
            "Lets no call in, and takes the grants of running ones away",
            |context| disable(context).boxed(),
        )
        .answer(addon),
        Route::new(
            Method::POST,
            "/v1/tenants/{tenant}/addons/{addon}/rollback",
            Operation::AddonRollback,
            "roll-back-addon",
            "Back to the version before the last upgrade",
            |context| rollback(context).boxed(),
        )
        .answer(Answer::Data(Kind::Object(ACCEPTED))),
        Route::new(
            Method::PUT,
            "/v1/tenants/{tenant}/addons/{addon}/grants",
            Operation::AddonGrant,
            "grant-addon",
            "Replaces what is granted; running calls see it at once",
            |context| grant(context).boxed(),
        )
        .body(GRANTS_GIVEN)
        .answer(addon),
    ]
}

const PACKAGE: &[Field] = &[
    must("package", Kind::Text, "The package file, in Base64"),
    may("grants", Kind::Object(GRANTS_GIVEN), "What the operator grants"),
];

const ACCEPTED: &[Field] = &[
    must("name", Kind::Text, "From the manifest"),
    must("version", Kind::Text, "From the manifest"),
    must("digest", Kind::Text, "SHA-256 of the package, in hex"),
    must("publisher", Kind::Text, "Id of the key that signed it"),
    must("withheld", Kind::Texts, "What the manifest asks for and is not granted, as `kind name`"),
];

const SHOWN: &[Field] = &[
    must("name", Kind::Text, "The addon"),
    must("version", Kind::Text, "The active version"),
    must("digest", Kind::Text, "SHA-256 of the active package, in hex"),
    may("previous", Kind::Text, "Digest of the package that a rollback goes back to"),
    must("component-digest", Kind::Text, "SHA-256 of the component, in hex"),
    must("publisher", Kind::Text, "Id of the key that signed it"),
    must("enabled", Kind::Flag, "False: no call is let in"),
    must("asked", Kind::Object(GRANTS), "What the manifest asks for"),
    must("granted", Kind::Object(GRANTS), "What the operator granted"),
    must("installed-by", Kind::Text, "Subject"),
    must("installed-ms", Kind::Integer, "Milliseconds since 1970"),
];

const DETAILED: &[Field] = &[
    must("addon", Kind::Object(SHOWN), "As it is now"),
    must("history", Kind::Objects(VERSION), "Every version that was ever installed, the oldest first"),
];

const VERSION: &[Field] = &[
    must("version", Kind::Text, "From the manifest"),
    must("digest", Kind::Text, "SHA-256 of the package, in hex"),
    must("installed-by", Kind::Text, "Subject"),
    must("installed-ms", Kind::Integer, "When it was first installed"),
];

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Package {
    package: String,
    #[serde(default)]
    grants: Option<Grants>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Shown<'a> {
    name: &'a AddonName,
    version: &'a str,
    digest: &'a str,
    previous: Option<&'a str>,
    component_digest: &'a str,
    publisher: &'a str,
    enabled: bool,
    asked: &'a Grants,
    granted: &'a Grants,
    installed_by: &'a str,
    installed_ms: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Detailed<'a> {
    addon: Shown<'a>,
    history: Vec<VersionRecord>,
}

async fn list(context: Context) -> Result<Reply, Failure> {
    let addons = context.services().addons.list(context.tenant()?).map_err(failed)?;
    Reply::data(&addons.iter().map(|addon| shown(addon)).collect::<Vec<_>>())
}

async fn install(mut context: Context) -> Result<Reply, Failure> {
    let Package { package, grants } = context.json().await?;
    let package =
        STANDARD.decode(package).map_err(|error| invalid(format!("`package` is not Base64: {error}")))?;
    let delivery = Delivery { tenant: context.tenant()?.clone(), package, grants };
    Reply::data(&context.services().installer.install(context.origin()?, delivery).await?)
}

async fn get(context: Context) -> Result<Reply, Failure> {
    let (tenant, name) = (context.tenant()?, context.param("addon")?);
    let addons = &context.services().addons;
    let addon = addons.get(tenant, &name).map_err(failed)?;
    let history = addons.history(tenant, &name).await.map_err(failed)?;
    Reply::data(&Detailed { addon: shown(&addon), history })
}

async fn remove(context: Context) -> Result<Reply, Failure> {
    let name = context.param("addon")?;
    context.services().addons.remove(context.origin()?, context.tenant()?, &name).await.map_err(failed)?;
    Reply::nothing()
}

async fn enable(context: Context) -> Result<Reply, Failure> {
    let name = context.param("addon")?;
    let enabled = context.services().addons.enable(context.origin()?, context.tenant()?, &name).await;
    Reply::data(&shown(&*enabled.map_err(failed)?))
}

async fn disable(context: Context) -> Result<Reply, Failure> {
    let name = context.param("addon")?;
    let disabled = context.services().addons.disable(context.origin()?, context.tenant()?, &name).await;
    Reply::data(&shown(&*disabled.map_err(failed)?))
}

async fn rollback(context: Context) -> Result<Reply, Failure> {
    let name = context.param("addon")?;
    Reply::data(&context.services().installer.rollback(context.origin()?, context.tenant()?, &name).await?)
}

async fn grant(mut context: Context) -> Result<Reply, Failure> {
    let name = context.param("addon")?;
    let grants: Grants = context.json().await?;
    let granted = context.services().addons.grant(context.origin()?, context.tenant()?, &name, &grants).await;
    Reply::data(&shown(&*granted.map_err(failed)?))
}

fn shown(addon: &Installed) -> Shown<'_> {
    Shown {
        name: &addon.addon,
        version: &addon.version,
        digest: &addon.digest,
        previous: addon.previous.as_deref(),
        component_digest: &addon.component_digest,
        publisher: &addon.publisher,
        enabled: addon.enabled,
        asked: &addon.asked,
        granted: &addon.granted,
        installed_by: &addon.installed_by,
        installed_ms: addon.installed_ms,
    }
}

fn failed(error: AddonError) -> Failure {
    error.failure()
}
