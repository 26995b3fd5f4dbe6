//! The API: one file a room. This is the one list of all routes.

mod actions;
mod addons;
mod approvals;
mod audit;
mod fields;
mod jobs;
mod keys;
mod policy;
mod secrets;
mod sequences;
mod tenants;
mod tokens;
mod trust;
mod usage;

use crate::health;
use crate::route::Route;

pub fn routes() -> Vec<Route> {
    [
        health::routes(),
        actions::routes(),
        addons::routes(),
        approvals::routes(),
        audit::routes(),
        jobs::routes(),
        keys::routes(),
        policy::routes(),
        secrets::routes(),
        sequences::routes(),
        tenants::routes(),
        tokens::routes(),
        trust::routes(),
        usage::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
