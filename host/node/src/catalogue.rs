//! What the rooms ask about the installed addons: the jobs and actions of their manifests.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use bulla_base::{AddonName, Coded, EntryName, Failure, PartialLimits, TenantId, codes};
use bulla_kernel::addons::Addons;
use bulla_kernel::jobs::check_schedule;
use bulla_kernel::ports::{Catalogue, Fairness, JobSchedule, JobSpec};
use bulla_signing::Manifest;
use bulla_signing::manifest::{Fairness as Asked, JobOptions, Schedule};
use parking_lot::Mutex;

/// The manifests of all installed packages, by digest. Read from a package when it is first seen: its digest was checked,
/// and a package never changes.
pub struct Manifests {
    addons: Arc<Addons>,
    known: ArcSwap<HashMap<String, Arc<Entries>>>,
    /// One look at a time: an earlier one must not undo what a later one found.
    looking: tokio::sync::Mutex<()>,
    /// Of versions that are about to become active: calls that run at that moment find their jobs and actions all the time.
    coming: Mutex<HashMap<String, Weak<Entries>>>,
}

/// Keeps what is coming until [`Manifests::refresh`] has had the time to see it.
pub struct Coming<'a> {
    manifests: &'a Manifests,
    entries: Option<Arc<Entries>>,
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        let mut coming = self.manifests.coming.lock();
        self.entries = None;
        // The same package may be coming to another tenant as well.
        coming.retain(|_, entries| entries.strong_count() > 0);
    }
}

struct Entries {
    /// The limits the manifest sets, and the rate it suggests.
    limits: PartialLimits,
    actions: Vec<EntryName>,
    jobs: HashMap<EntryName, Arc<JobSpec>>,
}

impl Manifests {
    pub fn new(addons: Arc<Addons>) -> Self {
        Self { addons, known: ArcSwap::default(), looking: Default::default(), coming: Default::default() }
    }

    /// To be called before the version becomes active, and held until [`Manifests::refresh`] was called after that.
    pub fn coming(&self, digest: &str, manifest: &Manifest) -> Coming<'_> {
        let mut coming = self.coming.lock();
        let present = coming.get(digest).and_then(Weak::upgrade);
        let entries = present.unwrap_or_else(|| Arc::new(Entries::of(manifest)));
        coming.insert(digest.to_owned(), Arc::downgrade(&entries));
        Coming { manifests: self, entries: Some(entries) }
    }

    /// Learns what was installed since, and forgets what is gone. A package that cannot be read keeps no other addon from
    /// being known: its own calls fail where it is loaded.
    pub async fn refresh(&self) -> Result<(), Failure> {
        let _one = self.looking.lock().await;
        let known = self.known.load_full();
        let mut next = HashMap::new();
        for installed in self.addons.all().map_err(|error| error.failure())? {
            let digest = &installed.digest;
            let entries = match known.get(digest) {
                Some(entries) => Ok(entries.clone()),
                None => self.read(digest).await.map(Arc::new),
            };
            match entries {
                Ok(entries) => drop(next.insert(digest.clone(), entries)),
                Err(error) => tracing::error!(%error, digest, "an installed package cannot be read"),
            }
        }
        self.known.store(Arc::new(next));
        Ok(())
    }

    /// What the manifest of the tenant's active version asks for; its code need not load for that.
    pub fn limits(&self, tenant: &TenantId, addon: &AddonName) -> Result<PartialLimits, Failure> {
        let installed = self.addons.get(tenant, addon).map_err(|error| error.failure())?;
        self.of(&installed.digest).map(|entries| entries.limits).ok_or_else(|| {
            Failure::new(codes::UNAVAILABLE, "the addon was installed a moment ago; try again")
        })
    }

    async fn read(&self, digest: &str) -> Result<Entries, Failure> {
        let bytes = self.addons.package(digest).await.map_err(|error| error.failure())?;
        let inspection = bulla_signing::inspect(&bytes).map_err(|error| error.failure())?;
        let manifest = inspection.manifest.map_err(|error| error.failure())?;
        Ok(Entries::of(&manifest))
    }

    fn entries(&self, tenant: &TenantId, addon: &AddonName) -> Option<Arc<Entries>> {
        let installed = self.addons.last_seen(tenant, addon)?;
        self.of(&installed.digest)
    }

    fn of(&self, digest: &str) -> Option<Arc<Entries>> {
        let known = self.known.load().get(digest).cloned();
        known.or_else(|| self.coming.lock().get(digest).and_then(Weak::upgrade))
    }
}

impl Entries {
    fn of(manifest: &Manifest) -> Self {
        let jobs =
            manifest.jobs().iter().map(|(name, options)| (name.clone(), Arc::new(spec(name, options))));
        let suggested = PartialLimits { rate: manifest.suggested_rate(), ..Default::default() };
        Self {
            limits: manifest.limits().least(&suggested),
            actions: manifest.actions().keys().cloned().collect(),
            jobs: jobs.collect(),
        }
    }
}

impl Catalogue for Manifests {
    fn job(&self, tenant: &TenantId, addon: &AddonName, job: &EntryName) -> Option<Arc<JobSpec>> {
        self.entries(tenant, addon)?.jobs.get(job).cloned()
    }

    fn has_action(&self, tenant: &TenantId, addon: &AddonName, action: &EntryName) -> bool {
        self.entries(tenant, addon).is_some_and(|entries| entries.actions.contains(action))
    }

    fn scheduled(&self) -> Vec<(TenantId, AddonName, Arc<JobSpec>)> {
        let mut all = Vec::new();
        for installed in self.addons.all().unwrap_or_default().iter().filter(|installed| installed.enabled) {
            let Some(entries) = self.of(&installed.digest) else { continue };
            let scheduled = entries.jobs.values().filter(|spec| spec.schedule != JobSchedule::OnDemand);
            all.extend(
                scheduled.map(|spec| (installed.tenant.clone(), installed.addon.clone(), spec.clone())),
            );
        }
        all
    }
}

/// Refuses a manifest whose cron expressions mean nothing, before it is installed.
pub fn check_schedules(manifest: &Manifest) -> Result<(), Failure> {
    for (name, options) in manifest.jobs() {
        if let Schedule::Cron(text) = options.schedule() {
            check_schedule(text.as_str()).map_err(|error| {
                Failure::new(codes::MANIFEST_INVALID, format!("jobs.{name}.schedule: {error}"))
            })?;
        }
    }
    Ok(())
}

fn spec(name: &EntryName, options: &JobOptions) -> JobSpec {
    JobSpec {
        name: name.clone(),
        schedule: match options.schedule() {
            Schedule::Cron(text) => JobSchedule::Cron(text.as_str().to_owned()),
            Schedule::Every(period) => JobSchedule::Every(*period),
            Schedule::OnDemand => JobSchedule::OnDemand,
        },
        lock_key: options.lock_key().cloned(),
        fairness: match options.fairness() {
            Asked::Interactive => Fairness::Interactive,
            Asked::Normal => Fairness::Normal,
            Asked::Bulk => Fairness::Bulk,
        },
        retries: options.retries(),
        backoff: options.backoff(),
        circuit: options.circuit().map(|circuit| (circuit.failures, circuit.pause)),
    }
}
