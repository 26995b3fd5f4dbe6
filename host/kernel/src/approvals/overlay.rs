//! What one call has asked for, before it commits.

use bulla_base::{AddonName, ApprovalId, Scope};
use bulla_store::{Expect, Unit};

use super::store::{APPROVALS, ApprovalRow, OPEN, OpenRow};

/// What a call has staged in this room.
#[derive(Default)]
pub struct Overlay {
    requests: Vec<Staged>,
}

struct Staged {
    id: ApprovalId,
    open_id: String,
    row: ApprovalRow,
}

impl Overlay {
    pub(super) fn add(&mut self, id: ApprovalId, open_id: String, row: ApprovalRow) {
        self.requests.push(Staged { id, open_id, row });
    }

    /// The request for the same object and digest that this call made before.
    pub(super) fn open(&self, open_id: &str) -> Option<&ApprovalId> {
        self.requests.iter().find(|staged| staged.open_id == open_id).map(|staged| &staged.id)
    }

    pub(super) fn holds(&self, addon: &AddonName, scope: &Scope, id: &ApprovalId) -> bool {
        let is = |row: &ApprovalRow| row.addon == addon.as_str() && row.scope == scope.as_str();
        self.requests.iter().any(|staged| staged.id == *id && is(&staged.row))
    }

    /// A second request for the same object and digest loses the commit: it stands in the same row of `approval_open`.
    pub(crate) fn stage(&mut self, unit: &mut Unit) {
        for staged in self.requests.drain(..) {
            unit.put(&APPROVALS, staged.id.as_str(), Expect::Fresh, &staged.row);
            let open = OpenRow { tenant: staged.row.tenant.clone(), approval: staged.id.to_string() };
            unit.put(&OPEN, &staged.open_id, Expect::Absent, &open);
        }
    }
}
