//! From a package to an addon that can be called: verification at install and at every load, by the same constructor.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use bulla_base::{AddonName, Clock, Coded, Failure, Millis, TenantId, codes};
use bulla_bindings::HostState;
use bulla_engine::{Engine, Granted, Loaded};
use bulla_kernel::addons::{Addons, Installed, PackageRecord};
use bulla_kernel::grants::Grants;
use bulla_kernel::origin::Origin;
use bulla_kernel::ports::{Accepted, Delivery, Installer};
use bulla_kernel::trust::{NewTrustedKey, Trust, TrustedKey};
use bulla_signing::trust::{PURPOSE_ADDON, TrustStore};
use bulla_signing::{KeyId, Manifest, VerifiedAddon};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::asked::{asked, granted_interfaces, withheld};
use crate::catalogue::Manifests;
use crate::contract::Contracts;

/// A verified, compiled addon.
pub struct Active {
    pub manifest: Manifest,
    pub contracts: Contracts,
    pub loaded: Loaded<HostState>,
    publisher: KeyId,
    asked: Grants,
}

/// A package under one set of granted imports.
type Slot = (String, Granted);

/// What became of a slot's code. A component that does not load will not load the next time either: its refusal is kept, so
/// that calls cannot make the host compile it again and again.
type Code = OnceCell<Result<Arc<Active>, Failure>>;

/// Packages in, callable addons out.
pub struct Supply {
    engine: Engine,
    linker: bulla_bindings::HostLinker,
    addons: Arc<Addons>,
    manifests: Arc<Manifests>,
    trust: Arc<Trust>,
    clock: Arc<dyn Clock>,
    active: Mutex<HashMap<Slot, Arc<Code>>>,
    /// The trust store made from the room's view of this version.
    store: ArcSwapOption<(i64, TrustStore)>,
}

impl Supply {
    pub fn new(
        engine: Engine,
        linker: bulla_bindings::HostLinker,
        addons: Arc<Addons>,
        manifests: Arc<Manifests>,
        trust: Arc<Trust>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            engine,
            linker,
            addons,
            manifests,
            trust,
            clock,
            active: Mutex::default(),
            store: ArcSwapOption::empty(),
        }
    }

    /// The addon's code, verified and compiled at its first call. The publisher's key is asked for again on each call: a
    /// key that was withdrawn stops its addons at once.
    pub async fn active(&self, installed: &Installed) -> Result<Arc<Active>, Failure> {
        let slot = (installed.digest.clone(), granted_interfaces(&installed.grants.current()));
        let cell = self.active.lock().entry(slot.clone()).or_default().clone();
        let active = cell.get_or_try_init(|| self.load(&slot)).await?.as_ref().map_err(Failure::clone)?;
        belongs(active.manifest.name(), &active.asked, installed)?;
        self.may_run(active, &installed.addon)?;
        Ok(active.clone())
    }

    /// Whether its publisher is trusted with this name now.
    pub fn may_run(&self, active: &Active, name: &AddonName) -> Result<(), Failure> {
        let store = self.trust_store()?;
        let allowed = store.1.allows(&active.publisher, PURPOSE_ADDON, name, self.clock.now());
        allowed.map_err(|error| error.failure())
    }

    /// `Err`: it may be another time. `Ok(Err)`: it never will, as the package and its grants stand.
    async fn load(&self, (digest, granted): &Slot) -> Result<Result<Arc<Active>, Failure>, Failure> {
        let bytes = self.addons.package(digest).await.map_err(|error| error.failure())?;
        let verified = self.verify(bytes)?;
        let contract = verified.contract().map_err(|error| error.failure())?;
        let loaded = match self.engine.load(&verified, &self.linker, granted).await {
            Ok(loaded) => loaded,
            Err(error) if error.is_transient() => return Err(error.failure()),
            Err(error) => return Ok(Err(error.failure())),
        };
        Ok(Ok(Arc::new(Active {
            asked: asked(verified.manifest()),
            manifest: verified.manifest().clone(),
            contracts: Contracts::new(&contract)?,
            loaded,
            publisher: verified.publisher().clone(),
        })))
    }

    fn verify(&self, bytes: Vec<u8>) -> Result<VerifiedAddon, Failure> {
        let store = self.trust_store()?;
        VerifiedAddon::verify(bytes, &store.1, self.clock.now()).map_err(|error| error.failure())
    }

    fn trust_store(&self) -> Result<Arc<(i64, TrustStore)>, Failure> {
        let view = self.trust.view().map_err(|error| error.failure())?;
        if let Some(store) = self.store.load_full().filter(|store| store.0 == view.version) {
            return Ok(store);
        }
        let entries = view.keys.iter().map(crate::trust_entry::read).collect::<Result<Vec<_>, _>>()?;
        let store = TrustStore::from_entries(entries).map_err(|error| error.failure())?;
        let store = Arc::new((view.version, store));
        self.store.store(Some(store.clone()));
        Ok(store)
    }

    /// Drops the code of packages that no tenant has installed any more.
    pub fn retain(&self, live: &HashSet<String>) {
        self.active.lock().retain(|(digest, _), _| live.contains(digest));
    }

    /// How many addons are compiled and held.
    pub fn held(&self) -> usize {
        self.active.lock().len()
    }

    /// Compiles it once with what will be granted, so that a component that cannot load is refused at install.
    async fn try_load(&self, verified: &VerifiedAddon, grants: &Grants) -> Result<(), Failure> {
        let contract = verified.contract().map_err(|error| error.failure())?;
        Contracts::new(&contract)?;
        let granted = granted_interfaces(grants);
        match self.engine.load(verified, &self.linker, &granted).await {
            // The operator may grant later; calls are denied until then.
            Ok(_) | Err(bulla_engine::LoadError::Denied { by: bulla_engine::DeniedBy::Operator, .. }) => {
                Ok(())
            }
            Err(error) => Err(error.failure()),
        }
    }
}

#[async_trait]
impl Installer for Supply {
    async fn install(&self, origin: &Origin, delivery: Delivery) -> Result<Accepted, Failure> {
        let verified = self.verify(delivery.package)?;
        crate::catalogue::check_schedules(verified.manifest())?;
        let asked = asked(verified.manifest());
        let present = self.addons.find(&delivery.tenant, verified.name()).map_err(|error| error.failure())?;
        let grants = match (&delivery.grants, &present) {
            (Some(grants), _) => grants.clone(),
            (None, Some(present)) => Grants::both(&asked, &present.granted),
            (None, None) => Grants::default(),
        };
        self.try_load(&verified, &Grants::both(&asked, &grants)).await?;
        let record = PackageRecord {
            name: verified.name().clone(),
            version: verified.version().to_string(),
            digest: verified.package_digest().to_string(),
            bytes: verified.package().clone(),
            component_digest: verified.component_digest().to_string(),
            publisher: verified.publisher().to_string(),
            asked: asked.clone(),
        };
        let _coming = self.manifests.coming(&record.digest, verified.manifest());
        let installed = match (&delivery.grants, present) {
            (None, Some(_)) => self.addons.upgrade(origin, &delivery.tenant, &record).await,
            _ => self.addons.install(origin, &delivery.tenant, &record, &grants).await,
        };
        let accepted = accepted(&*installed.map_err(|error| error.failure())?);
        self.manifests.refresh().await?;
        Ok(accepted)
    }

    async fn trust(&self, origin: &Origin, mut key: NewTrustedKey) -> Result<TrustedKey, Failure> {
        crate::trust_entry::check(&mut key)?;
        self.trust.add(origin, &key).await.map_err(|error| error.failure())
    }

    async fn rotate_trust(
        &self,
        origin: &Origin,
        old: &str,
        mut key: NewTrustedKey,
        overlap: Millis,
    ) -> Result<TrustedKey, Failure> {
        crate::trust_entry::check(&mut key)?;
        self.trust.rotate(origin, old, &key, overlap).await.map_err(|error| error.failure())
    }

    async fn rollback(
        &self,
        origin: &Origin,
        tenant: &TenantId,
        addon: &AddonName,
    ) -> Result<Accepted, Failure> {
        let current = self.addons.get(tenant, addon).map_err(|error| error.failure())?;
        let mut coming = None;
        if let Some(previous) = &current.previous {
            // What was good when it was installed may have lost its publisher since.
            let bytes = self.addons.package(previous).await.map_err(|error| error.failure())?;
            coming = Some(self.manifests.coming(previous, self.verify(bytes)?.manifest()));
        }
        let installed = self.addons.rollback(origin, tenant, addon).await;
        let accepted = accepted(&*installed.map_err(|error| error.failure())?);
        self.manifests.refresh().await?;
        drop(coming);
        Ok(accepted)
    }
}

/// The database says which package stands in a place and what it asks for; the signature says what the package is. Where the
/// two differ, somebody has changed the database.
fn belongs(name: &AddonName, asked: &Grants, installed: &Installed) -> Result<(), Failure> {
    if *name == installed.addon && *asked == installed.asked {
        return Ok(());
    }
    let text =
        format!("the package `{}` is not what `{}` was installed from", installed.digest, installed.addon);
    Err(Failure::new(codes::STORE_CORRUPT, codes::STORE_CORRUPT.title).internal(text))
}

fn accepted(installed: &Installed) -> Accepted {
    Accepted {
        name: installed.addon.clone(),
        version: installed.version.clone(),
        digest: installed.digest.clone(),
        publisher: installed.publisher.clone(),
        withheld: withheld(&installed.asked, &installed.grants.current()),
    }
}

#[cfg(test)]
mod tests {
    use bulla_base::Alias;
    use bulla_kernel::grants::GrantCell;

    use super::*;

    #[test]
    fn a_row_that_says_another_thing_than_the_package_is_refused() {
        let name = AddonName::new("einvoice").unwrap();
        let asked = Grants { sequences: [Alias::new("invoice").unwrap()].into(), ..Default::default() };
        let installed = |addon: &str, asked: &Grants| Installed {
            tenant: TenantId::new("acme").unwrap(),
            addon: AddonName::new(addon).unwrap(),
            version: "1.0.0".into(),
            digest: "0".repeat(64),
            previous: None,
            component_digest: "0".repeat(64),
            publisher: "0".repeat(32),
            enabled: true,
            asked: asked.clone(),
            granted: Grants::default(),
            grants: GrantCell::default(),
            installed_by: "op".into(),
            installed_ms: 0,
        };
        assert!(belongs(&name, &asked, &installed("einvoice", &asked)).is_ok());
        for wrong in [installed("payroll", &asked), installed("einvoice", &Grants::default())] {
            assert_eq!(belongs(&name, &asked, &wrong).unwrap_err().code, codes::STORE_CORRUPT);
        }
    }
}
