//! The guest `trespasser` in a tenant: half of what it asks for is granted.

use serde_json::{Value, json};

use crate::bench::{Bench, Tenant};

pub const SECRET: &str = "a-secret-that-nobody-may-see";

/// What the operator grants: the names `granted` and `loose`, and `absent`, which the tenant does not have. Not `withheld`.
pub fn grants(destination: &str) -> Value {
    json!({
        "sequences": ["granted", "loose", "absent"],
        "approvals": ["granted"],
        "secrets": {"granted": {"purpose": "delivery", "destinations": [destination]}},
        "keys": {"granted": {"purpose": "invoice"}},
    })
}

/// A new tenant that has everything the addon asks for, `withheld` too: only the grant stands between. `absent` it has not.
pub fn tenant(bench: &Bench, id: &str, destination: &str) -> Tenant {
    let tenant = bench.tenant(id);
    for (key, gaps) in
        [("granted", "gapless"), ("withheld", "gapless"), ("loose", "allowed"), ("unasked", "gapless")]
    {
        tenant.sequence(key, &format!("{}-{{YYYY}}-{{00000}}", key[..1].to_uppercase()), gaps);
    }
    for alias in ["granted", "withheld", "unasked"] {
        tenant.key(alias);
        tenant.secret(alias, SECRET);
        tenant.approval_above(alias, "100", &["role:cfo"]);
    }
    tenant.install(&bench.publisher.package("trespasser"), Some(&grants(destination))).ok();
    tenant
}

/// A request to `url` with the secret that is granted.
pub fn outgoing(url: &str) -> Value {
    json!({"url": url, "alias": "granted", "purpose": "delivery"})
}

pub fn draw(key: &str, count: u32) -> Value {
    json!({"key": key, "count": count})
}
