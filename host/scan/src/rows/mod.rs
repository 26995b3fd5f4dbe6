//! What the tables say, as facts for the ledger; and what a row by itself shows to be wrong.

mod approvals;
mod holdings;
mod idempotency;
mod jobs;
mod packages;
mod sequences;

pub(crate) use sequences::Definitions;

use crate::ScanError;
use crate::ledger::Ledger;
use crate::report::{Kind, Reporter};
use crate::source::Source;

/// What each step works on.
pub(crate) struct Desk<'a> {
    pub source: &'a mut Source,
    pub ledger: &'a mut Ledger,
    pub reporter: &'a mut Reporter,
    pub now_ms: i64,
}

/// Every table of the migrations, on either database.
const TABLES: &[&str] = &[
    "_sqlx_migrations",
    "addon_install",
    "addon_package",
    "addon_part",
    "addon_version",
    "approval",
    "approval_open",
    "approval_rules",
    "audit_checkpoint",
    "audit_entry",
    "audit_head",
    "audit_key",
    "audit_tree",
    "idempotency",
    "job",
    "job_circuit",
    "job_key",
    "job_lock",
    "job_schedule",
    "secret",
    "sequence",
    "sequence_binding",
    "sequence_free",
    "sequence_head",
    "sequence_hold",
    "sequence_number",
    "tenant",
    "tenant_key",
    "token",
    "trust_key",
    "usage_counter",
];

/// Reads every table but those of the audit log. The definitions of sequences are what its entries are read with.
pub(crate) async fn all(
    mut desk: Desk<'_>,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Definitions, ScanError> {
    tables(&mut desk).await?;
    progress("reading sequences");
    let definitions = sequences::all(&mut desk).await?;
    progress("reading jobs and approvals");
    jobs::all(&mut desk).await?;
    approvals::all(&mut desk).await?;
    progress("reading idempotency records");
    idempotency::all(&mut desk).await?;
    progress("reading packages");
    packages::all(&mut desk).await?;
    progress("reading tenants, tokens, keys and secrets");
    holdings::all(&mut desk).await?;
    Ok(definitions)
}

#[derive(sqlx::FromRow)]
struct Name {
    name: String,
}

/// Is the file sound, and is there a table whose rows nobody looks at?
async fn tables(desk: &mut Desk<'_>) -> Result<(), ScanError> {
    let listed: Vec<Name> = if desk.source.is_postgres() {
        let all = "SELECT CAST(table_name AS TEXT) AS name FROM information_schema.tables \
                   WHERE table_schema = current_schema() ORDER BY 1";
        desk.source.page(all, &[]).await?
    } else {
        let check = "SELECT quick_check AS name FROM pragma_quick_check LIMIT 20";
        for Name { name } in desk.source.page(check, &[]).await? {
            if name != "ok" {
                desk.reporter.add(Kind::DamagedFile, "database", "file", name);
            }
        }
        let all = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
                   ORDER BY name";
        desk.source.page(all, &[]).await?
    };
    for Name { name } in listed {
        if !TABLES.contains(&name.as_str()) {
            desk.reporter.add(Kind::UnknownTable, &name, "", "this version of the scan does not look at it");
        }
    }
    Ok(())
}
