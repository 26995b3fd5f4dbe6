use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bulla_base::TenantId;
use bulla_store::{Expect, StoreError, Unit};
use serde_json::json;
use tokio::sync::Mutex;

use super::error::TenantError;
use super::model::{NewTenant, Tenant};
use super::store::{self, Mark, TENANTS, TenantRow};
use crate::Core;
use crate::mirror::MAX_STALENESS;
use crate::origin::Origin;

pub struct Tenants {
    core: Core,
    view: ArcSwap<View>,
    /// Keeps a refresh from putting what it read before a write over what the write left.
    writing: Mutex<()>,
}

#[derive(Clone)]
struct View {
    mark: Mark,
    /// The monotonic time before which everything is known.
    at: Duration,
    tenants: Arc<BTreeMap<TenantId, Arc<Tenant>>>,
}

impl Tenants {
    pub async fn load(core: Core) -> Result<Self, TenantError> {
        let view = View::read(&core).await?;
        Ok(Self { core, view: ArcSwap::from_pointee(view), writing: Mutex::new(()) })
    }

    /// Creates a tenant; audited in the `system` log.
    pub async fn create(&self, origin: &Origin, new: &NewTenant) -> Result<Arc<Tenant>, TenantError> {
        let time_zone = new.check()?;
        let tenant = Arc::new(Tenant {
            id: new.id.clone(),
            display_name: new.display_name.clone(),
            time_zone,
            created_by: origin.subject.to_string(),
            created_ms: self.core.now_ms(),
        });
        let mut unit = Unit::default();
        unit.put(&TENANTS, tenant.id.as_str(), Expect::Absent, &TenantRow::from(tenant.as_ref()));
        let detail = json!({"time-zone": tenant.time_zone});
        let system = Origin { tenant: None, ..origin.clone() };
        unit.record(system.entry("tenant.created", tenant.id.as_str(), detail));

        let _writing = self.writing.lock().await;
        self.core.committer.commit(unit).await.map_err(|error| match error {
            StoreError::Conflict { .. } => TenantError::Exists { tenant: new.id.clone() },
            other => other.into(),
        })?;
        let mut view = View::clone(&self.view.load());
        Arc::make_mut(&mut view.tenants).insert(tenant.id.clone(), tenant.clone());
        view.mark = view.mark.inserted();
        self.view.store(Arc::new(view));
        Ok(tenant)
    }

    pub fn get(&self, tenant: &TenantId) -> Result<Arc<Tenant>, TenantError> {
        let view = self.fresh()?;
        view.tenants.get(tenant).cloned().ok_or_else(|| TenantError::NotFound { tenant: tenant.clone() })
    }

    /// All of them, by id.
    pub fn list(&self) -> Result<Vec<Arc<Tenant>>, TenantError> {
        Ok(self.fresh()?.tenants.values().cloned().collect())
    }

    /// Reads what other nodes changed. To be called every
    /// [`REFRESH_EVERY`](crate::mirror::REFRESH_EVERY); without a change it costs one query.
    pub async fn refresh(&self) -> Result<(), TenantError> {
        let _writing = self.writing.lock().await;
        let at = self.core.clock.monotonic();
        let view = self.view.load();
        let next = if store::mark(&self.core.db).await? == view.mark {
            View { at, ..View::clone(&view) }
        } else {
            View::read(&self.core).await?
        };
        self.view.store(Arc::new(next));
        Ok(())
    }

    fn fresh(&self) -> Result<Arc<View>, TenantError> {
        let view = self.view.load_full();
        let age = self.core.clock.monotonic().saturating_sub(view.at);
        if self.core.db.is_postgres() && age > MAX_STALENESS { Err(TenantError::Stale) } else { Ok(view) }
    }
}

impl View {
    /// The mark is read first: a change between the two reads is seen again by the next refresh.
    async fn read(core: &Core) -> Result<Self, StoreError> {
        let at = core.clock.monotonic();
        let mark = store::mark(&core.db).await?;
        let tenants = store::all(&core.db).await?;
        let tenants = tenants.into_iter().map(|one| (one.id.clone(), Arc::new(one))).collect();
        Ok(Self { mark, at, tenants: Arc::new(tenants) })
    }
}
