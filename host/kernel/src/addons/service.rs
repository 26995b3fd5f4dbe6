use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use bulla_base::{AddonName, TenantId};
use bulla_store::{Expect, StoreError, Unit};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use super::change::{self, Change, Doing, How};
use super::error::AddonError;
use super::model::{Installed, PackageRecord, VersionRecord, check_asked};
use super::private::Private;
use super::store::{self, INSTALLS, InstallRow, VERSIONS, VersionRow, grants_json};
use super::view::{Cells, Place, View};
use crate::Core;
use crate::grants::Grants;
use crate::mirror::MAX_STALENESS;
use crate::origin::Origin;

pub struct Addons {
    core: Core,
    view: ArcSwap<View>,
    cells: Cells,
    /// The grants were taken away because the view grew too old.
    closed: AtomicBool,
    /// Keeps a refresh from putting what it read before a write over what the write left.
    writing: Mutex<()>,
}

impl Addons {
    /// Reads what is installed, on a host without files of its own.
    pub async fn load_all(core: Core) -> Result<Self, AddonError> {
        Self::load_beside(core, Private::default()).await
    }

    /// Reads what is installed. No grant reaches the private files: a new one is refused, an old one gives no directory.
    pub async fn load_beside(core: Core, private: Private) -> Result<Self, AddonError> {
        let cells = Cells::beside(private);
        let view = View::read(&core, &cells).await?;
        Ok(Self {
            core,
            view: ArcSwap::from_pointee(view),
            cells,
            closed: AtomicBool::new(false),
            writing: Mutex::new(()),
        })
    }

    /// The addon in this tenant, also a disabled one. No database. `None`: not installed.
    pub fn find(&self, tenant: &TenantId, addon: &AddonName) -> Result<Option<Arc<Installed>>, AddonError> {
        let view = self.view.load();
        self.must_be_fresh(&view)?;
        Ok(view.installed.get(&(tenant.clone(), addon.clone())).cloned())
    }

    /// The same however old the view is: for a call that was let in, which had a fresh one. To such a call "not now" must not
    /// look like "there is none".
    pub fn last_seen(&self, tenant: &TenantId, addon: &AddonName) -> Option<Arc<Installed>> {
        self.view.load().installed.get(&(tenant.clone(), addon.clone())).cloned()
    }

    pub fn get(&self, tenant: &TenantId, addon: &AddonName) -> Result<Arc<Installed>, AddonError> {
        self.find(tenant, addon)?.ok_or_else(|| not_installed(tenant, addon))
    }

    /// What is installed in the tenant, by name.
    pub fn list(&self, tenant: &TenantId) -> Result<Vec<Arc<Installed>>, AddonError> {
        let mut all = self.all()?;
        all.retain(|one| one.tenant == *tenant);
        Ok(all)
    }

    /// What is installed anywhere, by tenant and name.
    pub fn all(&self) -> Result<Vec<Arc<Installed>>, AddonError> {
        let view = self.view.load();
        self.must_be_fresh(&view)?;
        let mut all: Vec<_> = view.installed.values().cloned().collect();
        all.sort_by(|a, b| (&a.tenant, &a.addon).cmp(&(&b.tenant, &b.addon)));
        Ok(all)
    }

    /// Every version that was ever installed in the tenant, the oldest first; also of a removed addon.
    pub async fn history(
        &self,
        tenant: &TenantId,
        addon: &AddonName,
    ) -> Result<Vec<VersionRecord>, AddonError> {
        Ok(store::versions(&self.core.db, tenant, addon).await?)
    }

    /// The bytes of a package, checked against their digest. They are to be verified anew before they are run.
    pub async fn package(&self, digest: &str) -> Result<Vec<u8>, AddonError> {
        let missing = || AddonError::NoPackage { digest: digest.chars().take(80).collect() };
        store::bytes(&self.core.db, digest).await?.ok_or_else(missing)
    }

    /// Installs a verified package, enabled, with these grants, each of which the manifest must ask for.
    pub async fn install(
        &self,
        origin: &Origin,
        tenant: &TenantId,
        package: &PackageRecord,
        grants: &Grants,
    ) -> Result<Arc<Installed>, AddonError> {
        check_asked(&package.asked, grants)?;
        self.check_private(grants)?;
        self.place(origin, tenant, package, How::Install(grants)).await
    }

    /// Puts another version in the place of the active one, which a rollback brings back. The operator's grants stay, cut
    /// down to what the new version asks for; what it asks for beyond them is to be granted.
    pub async fn upgrade(
        &self,
        origin: &Origin,
        tenant: &TenantId,
        package: &PackageRecord,
    ) -> Result<Arc<Installed>, AddonError> {
        self.place(origin, tenant, package, How::Upgrade).await
    }

    /// Goes back to the version before the last upgrade, with the grants of now.
    pub async fn rollback(
        &self,
        origin: &Origin,
        tenant: &TenantId,
        addon: &AddonName,
    ) -> Result<Arc<Installed>, AddonError> {
        let writing = self.writing.lock().await;
        let row = self.installed_row(tenant, addon).await?;
        let from = row.digest.clone();
        let doing = Doing { tenant, by: origin.subject.as_str(), at_ms: self.core.now_ms() };
        let change = change::rolled_back(row, &doing)
            .ok_or_else(|| AddonError::NothingBefore { addon: addon.clone() })?;
        let detail = json!({"from": from, "digest": change.row.digest});
        self.commit(&writing, origin, &change, None, "addon.rolled-back", detail).await?;
        self.shown(&writing, tenant, addon).await
    }

    /// Lets calls in again.
    pub async fn enable(
        &self,
        origin: &Origin,
        tenant: &TenantId,
        addon: &AddonName,
    ) -> Result<Arc<Installed>, AddonError> {
        self.switch(origin, tenant, addon, true).await
    }

    /// Lets no call in, and takes the grants of running ones away.
    pub async fn disable(
        &self,
        origin: &Origin,
        tenant: &TenantId,
        addon: &AddonName,
    ) -> Result<Arc<Installed>, AddonError> {
        self.switch(origin, tenant, addon, false).await
    }

    /// Takes the addon out of the tenant. Its history and its packages stay.
    pub async fn remove(
        &self,
        origin: &Origin,
        tenant: &TenantId,
        addon: &AddonName,
    ) -> Result<(), AddonError> {
        let writing = self.writing.lock().await;
        let mut row = self.installed_row(tenant, addon).await?;
        row.removed_ms = Some(self.core.now_ms());
        let detail = json!({"version": row.semver, "digest": row.digest});
        let change = Change { expect: Expect::Version(row.version), row };
        self.commit(&writing, origin, &change, None, "addon.removed", detail).await?;
        self.show(&writing, tenant, addon).await?;
        Ok(())
    }

    /// Replaces the operator's grants, each of which the active version must ask for. Running calls see it at once.
    pub async fn grant(
        &self,
        origin: &Origin,
        tenant: &TenantId,
        addon: &AddonName,
        grants: &Grants,
    ) -> Result<Arc<Installed>, AddonError> {
        let writing = self.writing.lock().await;
        let mut row = self.installed_row(tenant, addon).await?;
        check_asked(&row.asked()?, grants)?;
        self.check_private(grants)?;
        if row.granted()? != *grants {
            row.grants = grants_json(grants)?;
            let change = Change { expect: Expect::Version(row.version), row };
            let detail = json!({"grants": grants});
            self.commit(&writing, origin, &change, None, "addon.granted", detail).await?;
        }
        self.shown(&writing, tenant, addon).await
    }

    /// Reads what other nodes changed. To be called every
    /// [`REFRESH_EVERY`](crate::mirror::REFRESH_EVERY); without a change it costs one query.
    /// Where it fails and the view is older than [`MAX_STALENESS`], running calls lose their grants until it succeeds again.
    pub async fn refresh(&self) -> Result<(), AddonError> {
        let read = tokio::time::timeout(MAX_STALENESS, self.read_changes()).await;
        let outcome =
            read.unwrap_or_else(|_| Err(StoreError::Unavailable("no answer within a second".into()).into()));
        if outcome.is_err() && self.must_be_fresh(&self.view.load()).is_err() {
            self.closed.store(true, Ordering::SeqCst);
            self.cells.close_all();
        }
        outcome
    }

    async fn read_changes(&self) -> Result<(), AddonError> {
        let _writing = self.writing.lock().await;
        let at = self.core.clock.monotonic();
        let view = self.view.load();
        let unchanged = store::mark(&self.core.db).await? == view.mark && !self.closed.load(Ordering::SeqCst);
        let next = if unchanged {
            View { at, ..View::clone(&view) }
        } else {
            View::read(&self.core, &self.cells).await?
        };
        self.view.store(Arc::new(next));
        self.closed.store(false, Ordering::SeqCst);
        Ok(())
    }

    fn must_be_fresh(&self, view: &View) -> Result<(), AddonError> {
        let age = self.core.clock.monotonic().saturating_sub(view.at);
        if self.core.db.is_postgres() && age > MAX_STALENESS { Err(AddonError::Stale) } else { Ok(()) }
    }

    fn check_private(&self, grants: &Grants) -> Result<(), AddonError> {
        let reaches =
            grants.directory.as_ref().is_some_and(|one| self.cells.private.is_reached_by(&one.path));
        if reaches { Err(AddonError::Private) } else { Ok(()) }
    }

    async fn place(
        &self,
        origin: &Origin,
        tenant: &TenantId,
        package: &PackageRecord,
        how: How<'_>,
    ) -> Result<Arc<Installed>, AddonError> {
        package.check()?;
        let doing = Doing { tenant, by: origin.subject.as_str(), at_ms: self.core.now_ms() };
        let db = &self.core.db;
        let decide = async || {
            let current = store::one(db, tenant, &package.name).await?;
            let history = store::version(db, tenant, &package.name, &package.version).await?;
            Ok::<_, AddonError>((change::place(current, history.as_ref(), package, how, &doing)?, history))
        };
        // What will be refused must not leave its bytes behind.
        if decide().await?.0.is_some() {
            self.keep_package(origin, tenant, package).await?;
        }
        let writing = self.writing.lock().await;
        if let (Some(change), history) = decide().await? {
            let event = if matches!(how, How::Upgrade) { "addon.upgraded" } else { "addon.installed" };
            let detail = json!({
                "version": package.version,
                "digest": package.digest,
                "publisher": package.publisher,
                "grants": change.row.granted()?,
            });
            let version = history.is_none().then(|| VersionRow {
                semver: package.version.clone(),
                digest: package.digest.clone(),
                installed_by: doing.by.to_owned(),
                installed_ms: doing.at_ms,
            });
            self.commit(&writing, origin, &change, version, event, detail).await?;
        }
        self.shown(&writing, tenant, &package.name).await
    }

    /// Puts the bytes into the database, in a commit of their own: they are large, and the lock is not held for them.
    async fn keep_package(
        &self,
        origin: &Origin,
        tenant: &TenantId,
        package: &PackageRecord,
    ) -> Result<(), AddonError> {
        if store::has_package(&self.core.db, &package.digest).await? {
            return Ok(());
        }
        let mut unit = Unit::default();
        store::keep(&mut unit, package, self.core.now_ms())?;
        let detail = json!({"addon": package.name, "version": package.version, "size": package.bytes.len()});
        unit.record(of_tenant(origin, tenant).entry("addon.stored", &package.digest, detail));
        match self.core.committer.commit(unit).await {
            // Another installation brought the same bytes.
            Ok(()) | Err(StoreError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn switch(
        &self,
        origin: &Origin,
        tenant: &TenantId,
        addon: &AddonName,
        enabled: bool,
    ) -> Result<Arc<Installed>, AddonError> {
        let writing = self.writing.lock().await;
        let mut row = self.installed_row(tenant, addon).await?;
        if (row.enabled != 0) != enabled {
            row.enabled = i64::from(enabled);
            let event = if enabled { "addon.enabled" } else { "addon.disabled" };
            let detail = json!({"version": row.semver});
            let change = Change { expect: Expect::Version(row.version), row };
            self.commit(&writing, origin, &change, None, event, detail).await?;
        }
        self.shown(&writing, tenant, addon).await
    }

    async fn installed_row(&self, tenant: &TenantId, addon: &AddonName) -> Result<InstallRow, AddonError> {
        let row = store::one(&self.core.db, tenant, addon).await?.filter(|row| !row.is_removed());
        row.ok_or_else(|| not_installed(tenant, addon))
    }

    async fn commit(
        &self,
        _writing: &MutexGuard<'_, ()>,
        origin: &Origin,
        change: &Change,
        version: Option<VersionRow>,
        event: &str,
        detail: Value,
    ) -> Result<(), AddonError> {
        let row = &change.row;
        let corrupt = |error: bulla_base::ids::InvalidId| StoreError::Corrupt(error.to_string());
        let tenant = TenantId::new(&row.tenant).map_err(corrupt)?;
        let addon = AddonName::new(&row.addon).map_err(corrupt)?;
        let mut unit = Unit::default();
        unit.put(&INSTALLS, &row.id, change.expect, row);
        if let Some(version) = version {
            let id = format!("{}/{}", row.id, version.semver);
            unit.put(&VERSIONS, &id, Expect::Absent, &NewVersion { tenant: &tenant, addon: &addon, version });
        }
        unit.record(of_tenant(origin, &tenant).entry(event, addon.as_str(), detail));
        Ok(self.core.committer.commit(unit).await?)
    }

    async fn shown(
        &self,
        writing: &MutexGuard<'_, ()>,
        tenant: &TenantId,
        addon: &AddonName,
    ) -> Result<Arc<Installed>, AddonError> {
        self.show(writing, tenant, addon).await?.ok_or_else(|| not_installed(tenant, addon))
    }

    /// Brings one place up to date after a commit. Where that fails the change stands all the same, and nothing is found
    /// and nothing granted there until the next refresh.
    async fn show(
        &self,
        _writing: &MutexGuard<'_, ()>,
        tenant: &TenantId,
        addon: &AddonName,
    ) -> Result<Option<Arc<Installed>>, AddonError> {
        let place: Place = (tenant.clone(), addon.clone());
        let read = async || match store::one(&self.core.db, tenant, addon).await? {
            Some(row) => self.cells.apply(&row),
            None => Ok(None),
        };
        let shown = read().await.map(|one| one.map(Arc::new));
        let mut view = View::clone(&self.view.load());
        let installed = Arc::make_mut(&mut view.installed);
        if let Ok(Some(one)) = &shown {
            installed.insert(place, one.clone());
        } else {
            self.cells.close(&place);
            installed.remove(&place);
        }
        self.view.store(Arc::new(view));
        Ok(shown?)
    }
}

#[derive(serde::Serialize)]
struct NewVersion<'a> {
    tenant: &'a TenantId,
    addon: &'a AddonName,
    #[serde(flatten)]
    version: VersionRow,
}

fn of_tenant(origin: &Origin, tenant: &TenantId) -> Origin {
    Origin { tenant: Some(tenant.clone()), ..origin.clone() }
}

fn not_installed(tenant: &TenantId, addon: &AddonName) -> AddonError {
    AddonError::NotInstalled { tenant: tenant.clone(), addon: addon.clone() }
}
