//! A host as `bulla serve` runs it, but in this process: the rooms, the engine, the background loops; no HTTP.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, anyhow};
use bulla_base::{Entropy, Failure, TenantId, TraceId};
use bulla_kernel::origin::Origin;
use bulla_kernel::ports::{CallRequest, Cause, Delivery, Installer as _, Principal, Quotas as _};
use bulla_kernel::sequences::Definition;
use bulla_kernel::tenants::NewTenant;
use bulla_kernel::tokens::NewToken;
use bulla_kernel::trust::NewTrustedKey;
use bulla_node::config::{self, Config};
use bulla_node::{Background, Host, grants_asked};
use bulla_signing::{Manifest, Package, PublisherKey};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::drive::Caller;

/// The tenant that everything here belongs to.
pub const TENANT: &str = "acme";

/// Limits that no benchmark reaches: what is measured is the way of a call, not a refusal.
const QUOTAS: &str = r#"default-tier = "open"
[tier.open]
fuel = "2000M"
deadline = "30s"
memory = "64MiB"
log = "64KiB"
concurrency = 10000
queue = 10000
rate = "4000000/s, burst 4000000"
storage = "64GiB"
"#;

/// Where a host keeps its data.
#[derive(Debug, Clone)]
pub enum Database {
    Sqlite,
    /// `postgres://…`, of a database that is there and empty.
    Postgres(String),
}

/// A data directory, initialised; it goes with this value.
pub struct Place {
    pub config: Config,
    _dir: TempDir,
}

impl Place {
    /// Below `parent`: the file system that the figures are about.
    pub async fn new(parent: &Path, database: &Database) -> Result<Self> {
        std::fs::create_dir_all(parent)?;
        let dir = tempfile::Builder::new().prefix("host-").tempdir_in(parent)?;
        let config = config_in(&dir.path().join("data"), database)?;
        let policies = config.below_data(&config.policy.directory);
        bulla_policy::write_defaults(&policies)?;
        std::fs::write(policies.join("quotas.toml"), QUOTAS)?;
        bulla_node::init(&config).await.map_err(told)?;
        Ok(Self { config, _dir: dir })
    }
}

/// The configuration of a host in `data`: the defaults, and a free port.
pub fn config_in(data: &Path, database: &Database) -> Result<Config> {
    let mut environment = vec![
        ("BULLA_DATA_DIRECTORY", data.display().to_string()),
        ("BULLA_SERVER_LISTEN", "127.0.0.1:0".to_owned()),
        // The directory's own key, whatever the environment holds.
        ("BULLA_MASTER_KEY_VARIABLE", "BULLA_BENCH_NO_MASTER_KEY".to_owned()),
    ];
    if let Database::Postgres(url) = database {
        environment.push(("BULLA_STORE_DATABASE", url.clone()));
    }
    let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Ok(config::load(None, &environment)?.config)
}

/// An addon as it was built.
#[derive(Clone)]
pub struct Addon {
    /// `addon.toml`.
    pub manifest: String,
    /// The component with its contract.
    pub component: Vec<u8>,
}

impl Addon {
    /// The guest of the benchmarks, from where `cargo xtask guests` put it.
    pub fn metronome(guests: &Path) -> Result<Self> {
        let path = guests.join("metronome.wasm");
        let component = std::fs::read(&path).with_context(|| format!("read `{}`", path.display()))?;
        Ok(Self { manifest: include_str!("../../guests/metronome/addon.toml").into(), component })
    }
}

/// A running host.
pub struct House {
    pub place: Place,
    pub host: Arc<Host>,
    key: PublisherKey,
    background: Background,
    stop: watch::Sender<bool>,
}

impl House {
    /// With one tenant, which has a sequence, and a publisher it trusts.
    pub async fn start(place: Place) -> Result<Self> {
        let host = Arc::new(Host::start(place.config.clone(), None).await.map_err(told)?);
        let (stop, stopping) = watch::channel(false);
        let background = Background::start(&host, &stopping);
        let key = PublisherKey::generate(&Entropy);
        let house = Self { place, host, key, background, stop };
        house.host.trust.add(&house.host.origin(), &trusted(&house.key)?).await?;
        house.tenant(TENANT).await?;
        Ok(house)
    }

    /// A new tenant with the sequence `beats`.
    pub async fn tenant(&self, id: &str) -> Result<()> {
        let new = NewTenant { id: id.parse()?, display_name: "A tenant".into(), time_zone: None };
        let origin = self.host.origin();
        self.host.tenants.create(&origin, &new).await?;
        let definition = json!({"format": "B-{YYYY}-{0000000}", "reset": "year", "gaps": "gapless"});
        let definition: Definition = serde_json::from_value(definition)?;
        let origin = Origin { tenant: Some(new.id.clone()), ..origin };
        self.host.rooms.sequences.define(&origin, &new.id, &"beats".parse()?, definition).await?;
        Ok(())
    }

    /// Signs, verifies, compiles and installs for [`TENANT`], with everything granted that it asks for.
    pub async fn install(&self, addon: &Addon) -> Result<()> {
        let tenant: TenantId = TENANT.parse()?;
        let now = self.host.core.clock.now();
        let package = Package::seal(addon.manifest.as_bytes(), &addon.component, &self.key, now)?;
        let manifest = Manifest::parse_bytes(addon.manifest.as_bytes())?;
        let delivery = Delivery {
            tenant: tenant.clone(),
            package: package.into_bytes(),
            grants: Some(grants_asked(&manifest)),
        };
        let origin = Origin { tenant: Some(tenant), ..self.host.origin() };
        self.host.supply.install(&origin, delivery).await.map_err(told)?;
        self.host.manifests.refresh().await.map_err(told)
    }

    /// A token of the tenant that may call.
    pub async fn caller_token(&self) -> Result<String> {
        let new = NewToken {
            subject: "drummer".parse()?,
            tenant: Some(TENANT.parse()?),
            roles: vec!["caller".parse()?],
            expires_ms: None,
        };
        let (_, text) = self.host.tokens.create(&self.host.origin(), &new).await?;
        Ok(text.reveal().to_owned())
    }

    /// Calls of one action of the metronome through the dispatcher.
    pub fn calls(&self, action: &str, input: Input) -> Result<Calls> {
        let tenant: TenantId = TENANT.parse()?;
        let subject = "drummer".parse()?;
        let request = CallRequest {
            principal: Principal { subject, tenant: Some(tenant.clone()), roles: Vec::new() },
            tenant,
            trace: TraceId::draw(self.host.core.rng.as_ref()),
            addon: "metronome".parse()?,
            entry: action.parse()?,
            input: Vec::new(),
            cause: Cause::Request { idempotency_key: None },
            policy_version: self.host.policies.version(),
        };
        Ok(Calls { host: self.host.clone(), request: Arc::new(request), input, count: Arc::default() })
    }

    /// Ends the loops, writes what was counted, and gives the directory back.
    pub async fn stop(self) -> Result<Place> {
        let _nobody_listens = self.stop.send(true);
        self.background.finish(self.host.clone()).await;
        self.host.core.db.close().await;
        Ok(self.place)
    }
}

/// What a call is given.
#[derive(Clone)]
pub enum Input {
    /// Always the same, without an idempotency key.
    Same(Vec<u8>),
    /// `{"id": n}` with a key of its own for each call.
    Beat,
}

/// A caller in this process.
#[derive(Clone)]
pub struct Calls {
    host: Arc<Host>,
    request: Arc<CallRequest>,
    input: Input,
    count: Arc<AtomicU64>,
}

impl Caller for Calls {
    type Session = ();

    async fn open(&self) -> Result<()> {
        Ok(())
    }

    async fn call(&self, (): &mut ()) -> Result<()> {
        let mut request = CallRequest::clone(&self.request);
        request.trace = TraceId::draw(self.host.core.rng.as_ref());
        match &self.input {
            Input::Same(input) => request.input = input.clone(),
            Input::Beat => {
                let count = self.count.fetch_add(1, Ordering::Relaxed);
                request.input = format!(r#"{{"id":"{count}"}}"#).into_bytes();
                let key = format!("{}-{count}", self.request.trace);
                request.cause = Cause::Request { idempotency_key: Some(key) };
            }
        }
        let ended = self.host.dispatcher.run(request).await;
        ended
            .reply
            .outcome
            .map(drop)
            .map_err(|failure| told(failure).context(ended.internal.unwrap_or_default()))
    }
}

fn trusted(key: &PublisherKey) -> Result<NewTrustedKey> {
    let public = key.public();
    Ok(NewTrustedKey {
        id: public.id().to_string(),
        public_key: public.to_string(),
        owner: "the benchmarks".into(),
        purposes: vec![bulla_signing::trust::PURPOSE_ADDON.parse()?],
        names: Vec::new(),
        not_before_ms: None,
        not_after_ms: None,
    })
}

/// A failure of the host with what only its operator sees.
pub fn told(failure: Failure) -> anyhow::Error {
    anyhow!("{}: {} {}", failure.code.name, failure.message, failure.internal.unwrap_or_default())
}

/// The guests' folder, as `cargo xtask bench` names it.
pub fn guests() -> Result<PathBuf> {
    let path = std::env::var_os("BULLA_TEST_GUESTS").context("BULLA_TEST_GUESTS names no folder")?;
    Ok(path.into())
}
