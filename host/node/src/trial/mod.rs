//! `bulla test`: an addon on the very same host, with its real limits, in a directory that is thrown away.
//!
//! The package is signed in memory with a key of the moment, and the host trusts that one key: the same verification, the
//! same engine, the same rooms as in `bulla serve`. Each case has a tenant of its own, in which everything that the manifest
//! asks for is granted.

mod case;
mod given;

use std::path::PathBuf;
use std::sync::Arc;

use bulla_base::{Coded, Entropy, Failure, Limits, Subject, TenantId, TraceId, codes};
use bulla_kernel::grants::Grants;
use bulla_kernel::master::MasterKey;
use bulla_kernel::origin::Origin;
use bulla_kernel::ports::{CallRequest, Cause, Delivery, Installer, Principal, Quotas, Usage};
use bulla_kernel::tenants::NewTenant;
use bulla_signing::{Manifest, Package, PublisherKey};
use serde::Serialize;
use serde_json::Value;

use crate::config::{self, Config};
use crate::dispatch::Ended;
use crate::host::Host;
use case::Case;

/// An addon as it was built.
pub struct TrialAddon {
    /// The project's directory: where `$file` in a case looks.
    pub directory: PathBuf,
    /// `addon.toml`.
    pub manifest: Vec<u8>,
    /// The component with its contract.
    pub component: Vec<u8>,
}

/// A case as it stands in `tests/<name>.json`; see [`case`] for its fields.
pub struct TrialCase {
    pub name: String,
    pub json: Value,
}

/// What a case used, beside what it might have used.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct TrialUsage {
    pub used: Usage,
    pub limits: Limits,
}

/// What became of a case.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TrialResult {
    pub name: String,
    pub passed: bool,
    /// What was expected and what came instead.
    pub message: Option<String>,
    /// Absent where the case itself is malformed.
    pub usage: Option<TrialUsage>,
    /// The guest's stack at a trap, innermost first.
    pub backtrace: Vec<String>,
    pub log: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TrialSummary {
    pub passed: usize,
    pub failed: usize,
}

/// Runs the cases, one after the other; `sink` hears of each as it ends.
pub async fn run(
    addon: TrialAddon,
    cases: Vec<TrialCase>,
    sink: &mut dyn FnMut(&TrialResult),
) -> Result<TrialSummary, Failure> {
    let scratch = Scratch::new()?;
    let trial = Trial::start(&scratch, &addon).await?;
    let mut summary = TrialSummary { passed: 0, failed: 0 };
    for (number, case) in cases.into_iter().enumerate() {
        let result = trial.run(number, case, &addon).await?;
        if result.passed {
            summary.passed += 1;
        } else {
            summary.failed += 1;
        }
        sink(&result);
    }
    trial.host.core.db.close().await;
    Ok(summary)
}

/// A directory that goes with the trial.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Failure> {
        let name = format!("bulla-test-{}", hex::encode(Entropy.bytes::<8>()));
        let path = std::env::temp_dir().join(name);
        let scratch = Self(path);
        std::fs::create_dir_all(scratch.data())
            .map_err(|error| crate::initialise::refused(&scratch.0, &error))?;
        Ok(scratch)
    }

    /// The data directory; its master key lies beside it.
    fn data(&self) -> PathBuf {
        self.0.join("data")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is the operating system's to clean: it is below its directory for such things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Trial {
    host: Arc<Host>,
    package: Vec<u8>,
    asked: Grants,
    manifest: Manifest,
}

impl Trial {
    async fn start(scratch: &Scratch, addon: &TrialAddon) -> Result<Self, Failure> {
        let manifest = Manifest::parse_bytes(&addon.manifest).map_err(|error| error.failure())?;
        MasterKey::create_file(&scratch.0.join("data.key")).map_err(|error| error.failure())?;
        bulla_policy::write_defaults(&scratch.data().join("policies")).map_err(|error| error.failure())?;
        let host = Arc::new(Host::start(config_in(scratch)?, None).await?);
        let key = PublisherKey::generate(&Entropy);
        let package = Package::seal(&addon.manifest, &addon.component, &key, host.core.clock.now())
            .map_err(|error| error.failure())?;
        let trusted = crate::trust_entry::new_key(&key.public(), "bulla test")?;
        host.trust.add(&host.origin(), &trusted).await.map_err(|error| error.failure())?;
        let asked = crate::asked::asked(&manifest);
        Ok(Self { host, package: package.into_bytes(), asked, manifest })
    }

    async fn run(&self, number: usize, case: TrialCase, addon: &TrialAddon) -> Result<TrialResult, Failure> {
        let name = case.name;
        let case = match Case::read(case.json, &addon.directory) {
            Ok(case) => case,
            Err(reason) => return Ok(malformed(name, reason)),
        };
        let tenant: TenantId =
            format!("case-{number}").parse().map_err(|_| crate::host::internal("a tenant id"))?;
        let origin = self.origin(&tenant);
        let new =
            NewTenant { id: tenant.clone(), display_name: name.chars().take(100).collect(), time_zone: None };
        self.host.tenants.create(&origin, &new).await.map_err(|error| error.failure())?;
        if let Err(reason) = given::prepare(&self.host, &origin, &tenant, &self.manifest, &case.given).await {
            return Ok(malformed(name, reason));
        }
        let delivery =
            Delivery { tenant: tenant.clone(), package: self.package.clone(), grants: Some(self.grants()) };
        self.host.supply.install(&origin, delivery).await?;
        let ended = self.host.dispatcher.run(self.request(tenant, &case)?).await;
        let message = case.judge(&ended.reply.outcome);
        Ok(result(name, message, &ended))
    }

    /// Everything asked for, but for a directory: a test reads no files of the machine.
    fn grants(&self) -> Grants {
        Grants { directory: None, ..self.asked.clone() }
    }

    fn origin(&self, tenant: &TenantId) -> Origin {
        Origin { tenant: Some(tenant.clone()), ..self.host.origin() }
    }

    fn request(&self, tenant: TenantId, case: &Case) -> Result<CallRequest, Failure> {
        let subject: Subject = case
            .subject
            .parse()
            .map_err(|error: bulla_base::ids::InvalidId| Failure::new(codes::INVALID, error.to_string()))?;
        let entry = case
            .action
            .parse()
            .map_err(|error: bulla_base::ids::InvalidId| Failure::new(codes::INVALID, error.to_string()))?;
        let rng = self.host.core.rng.as_ref();
        Ok(CallRequest {
            principal: Principal { subject, tenant: Some(tenant.clone()), roles: Vec::new() },
            tenant,
            trace: TraceId::draw(rng),
            addon: self.manifest.name().clone(),
            entry,
            input: case.input.to_string().into_bytes(),
            cause: Cause::Request { idempotency_key: Some(TraceId::draw(rng).to_string()) },
            policy_version: Quotas::version(self.host.policies.as_ref()),
        })
    }
}

fn config_in(scratch: &Scratch) -> Result<Config, Failure> {
    let environment = [
        ("BULLA_DATA_DIRECTORY".to_owned(), scratch.data().display().to_string()),
        ("BULLA_STORE_DURABILITY".to_owned(), "relaxed".to_owned()),
        // The trial's own key, whatever the environment holds.
        ("BULLA_MASTER_KEY_VARIABLE".to_owned(), "BULLA_TEST_NO_MASTER_KEY".to_owned()),
        ("BULLA_ENGINE_POOLING".to_owned(), "false".to_owned()),
        ("BULLA_ENGINE_DEBUG_INFO".to_owned(), "true".to_owned()),
    ];
    config::load(None, &environment.into()).map(|loaded| loaded.config).map_err(|error| error.failure())
}

fn malformed(name: String, reason: String) -> TrialResult {
    let message = Some(format!("the case is malformed: {reason}"));
    TrialResult { name, passed: false, message, usage: None, backtrace: Vec::new(), log: Vec::new() }
}

fn result(name: String, message: Option<String>, ended: &Ended) -> TrialResult {
    let detail = ended.internal.as_ref().filter(|_| message.is_some()).map(|text| format!("\n{text}"));
    TrialResult {
        name,
        passed: message.is_none(),
        message: message.map(|message| message + &detail.unwrap_or_default()),
        usage: Some(TrialUsage { used: ended.reply.usage, limits: ended.reply.limits }),
        backtrace: ended.backtrace.iter().map(ToString::to_string).collect(),
        log: ended.log.iter().map(|line| format!("{}: {}", line.level, line.message)).collect(),
    }
}
