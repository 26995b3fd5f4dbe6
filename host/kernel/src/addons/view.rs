//! What this node knows of the installed addons.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bulla_base::{AddonName, TenantId};
use bulla_store::StoreError;
use parking_lot::Mutex;

use super::model::Installed;
use super::private::Private;
use super::store::{self, InstallRow, Mark};
use crate::Core;
use crate::grants::{GrantCell, Grants};

pub(super) type Place = (TenantId, AddonName);

#[derive(Clone)]
pub(super) struct View {
    pub mark: Mark,
    /// The monotonic time before which everything is known.
    pub at: Duration,
    pub installed: Arc<HashMap<Place, Arc<Installed>>>,
}

impl View {
    /// The mark is read first: a change between the two reads is seen again by the next refresh.
    pub async fn read(core: &Core, cells: &Cells) -> Result<Self, StoreError> {
        let at = core.clock.monotonic();
        let mark = store::mark(&core.db).await?;
        let mut installed = HashMap::new();
        for row in store::all(&core.db).await? {
            if let Some(one) = cells.apply(&row)? {
                installed.insert((one.tenant.clone(), one.addon.clone()), Arc::new(one));
            }
        }
        Ok(Self { mark, at, installed: Arc::new(installed) })
    }
}

/// The grants that calls hold. One cell for each version that ran in a place, so that a call of an older version, still
/// running, keeps to what its own manifest asked for and sees every change the operator makes.
#[derive(Default)]
pub(super) struct Cells {
    places: Mutex<HashMap<Place, HashMap<String, Cell>>>,
    pub private: Private,
}

struct Cell {
    asked: Grants,
    in_force: GrantCell,
}

impl Cells {
    pub fn beside(private: Private) -> Self {
        Self { private, ..Self::default() }
    }

    /// Brings the cells of the row's place to what the row says. `None` for a removed addon.
    pub fn apply(&self, row: &InstallRow) -> Result<Option<Installed>, StoreError> {
        let corrupt = |error: bulla_base::ids::InvalidId| StoreError::Corrupt(error.to_string());
        let tenant = TenantId::new(&row.tenant).map_err(corrupt)?;
        let addon = AddonName::new(&row.addon).map_err(corrupt)?;
        let (asked, granted) = (row.asked()?, row.granted()?);
        let (enabled, removed) = (row.enabled != 0, row.is_removed());
        let mut open = if enabled { granted.clone() } else { Grants::default() };
        if open.directory.as_ref().is_some_and(|one| self.private.is_reached_by(&one.path)) {
            tracing::error!(%tenant, %addon, "a granted directory reaches the host's own files: it is not opened");
            open.directory = None;
        }
        let place = (tenant.clone(), addon.clone());
        if removed {
            self.forget(&place);
            return Ok(None);
        }
        let grants = self.set(place, &row.digest, &asked, &open);
        Ok(Some(Installed {
            tenant,
            addon,
            version: row.semver.clone(),
            digest: row.digest.clone(),
            previous: row.previous.clone(),
            component_digest: row.component_digest.clone(),
            publisher: row.publisher.clone(),
            enabled,
            asked,
            granted,
            grants,
            installed_by: row.installed_by.clone(),
            installed_ms: row.installed_ms,
        }))
    }

    fn set(&self, place: Place, digest: &str, asked: &Grants, granted: &Grants) -> GrantCell {
        let mut places = self.places.lock();
        let cells = places.entry(place).or_default();
        // A version that no view and no call holds any more never runs again under its old cell.
        cells.retain(|of, cell| of == digest || cell.in_force.is_held());
        let own = cells
            .entry(digest.to_owned())
            .or_insert_with(|| Cell { asked: asked.clone(), in_force: GrantCell::default() })
            .in_force
            .clone();
        for cell in cells.values() {
            cell.in_force.replace(Grants::both(&cell.asked, granted));
        }
        own
    }

    /// Nothing is granted in the place of an addon that was removed, and nothing is kept of it that no call holds any more.
    fn forget(&self, place: &Place) {
        let mut places = self.places.lock();
        let Some(cells) = places.get_mut(place) else { return };
        for cell in cells.values() {
            cell.in_force.replace(Grants::default());
        }
        cells.retain(|_, cell| cell.in_force.is_held());
        if cells.is_empty() {
            places.remove(place);
        }
    }

    /// Nothing is granted in this place until it is applied again.
    pub fn close(&self, place: &Place) {
        for cell in self.places.lock().get(place).into_iter().flat_map(HashMap::values) {
            cell.in_force.replace(Grants::default());
        }
    }

    #[cfg(test)]
    pub fn places(&self) -> usize {
        self.places.lock().len()
    }

    /// Nothing is granted anywhere until it is applied again.
    pub fn close_all(&self) {
        for cell in self.places.lock().values().flat_map(HashMap::values) {
            cell.in_force.replace(Grants::default());
        }
    }
}
