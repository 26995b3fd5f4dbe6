//! Whether rows and entries agree about each thing.

use std::collections::BTreeMap;

use crate::ScanError;
use crate::ledger::{Group, Ledger, Mark, Topic, Use};
use crate::report::{Kind, Reporter};

pub(crate) async fn all(
    ledger: &mut Ledger,
    reporter: &mut Reporter,
    shares_values: bool,
    now_ms: i64,
) -> Result<(), ScanError> {
    let mut judge = Judge { reporter, shares_values, gone: BTreeMap::new() };
    ledger.each(|group| judge.group(group)).await?;
    judge.unswept();
    ledger.uses(Topic::IdempotencyUse, |uses| key_uses(reporter, uses, now_ms)).await
}

struct Judge<'a> {
    reporter: &'a mut Reporter,
    /// On PostgreSQL what is free or held stands in tables; on SQLite it is rebuilt from the numbers at the next start.
    shares_values: bool,
    /// Jobs that ended and are not there any more, by log, until the sweeper's entries account for them.
    gone: BTreeMap<String, i64>,
}

impl Judge<'_> {
    fn group(&mut self, group: &Group) {
        match group.topic {
            Topic::NumberText => self.number_text(group),
            Topic::NumberValue => self.number_value(group),
            Topic::Reservation | Topic::Circuit | Topic::InstalledVersion => self.needs_entry(group),
            Topic::Job => self.job(group),
            Topic::SweptJobs => self.swept(group),
            Topic::Binding => self.paired(group, Kind::Number),
            Topic::UniqueKey => self.paired(group, Kind::JobState),
            Topic::ApprovalOpen => self.paired(group, Kind::ApprovalState),
            Topic::IdempotencyKey => self.idempotency_key(group),
            Topic::IdempotencyCall => self.idempotency_call(group),
            // Judged in order of time.
            Topic::IdempotencyUse => {}
            Topic::PackageReference => self.package_reference(group),
            _ => self.equal(group),
        }
    }

    /// As many entries as the rows must have.
    fn equal(&mut self, group: &Group) {
        let (rows, entries) = (group.sum(Mark::Row), group.sum(Mark::Entry));
        let (name, table) = (group.name(), table(group.topic));
        if rows > entries {
            let text = match entries {
                0 => format!("`{name}` has no audit entry"),
                _ => format!("`{name}` was changed {rows} times and has {entries} audit entries"),
            };
            self.reporter.add(Kind::OrphanEffect, table, group.id(Mark::Row), text);
        } else if entries > rows {
            let text = match rows {
                0 => format!("the `{table}` row of `{name}` is not there"),
                _ => format!("{entries} entries of `{name}`, whose `{table}` row was changed {rows} times"),
            };
            self.orphan_entry(group, Mark::Entry, text);
        }
    }

    /// Rows without an entry; entries without a row are somebody else's to find.
    fn needs_entry(&mut self, group: &Group) {
        if group.has(Mark::Row) && !group.has(Mark::Entry) {
            let text = format!("`{}` has no audit entry", group.name());
            self.reporter.add(Kind::OrphanEffect, table(group.topic), group.id(Mark::Row), text);
        }
    }

    /// Two tables that say the same.
    fn paired(&mut self, group: &Group, kind: Kind) {
        let (rows, references) = (group.sum(Mark::Row), group.sum(Mark::Reference));
        if rows == references {
            return;
        }
        let (own, beside) = match group.topic {
            Topic::Binding => ("sequence_number", "sequence_binding"),
            Topic::UniqueKey => ("job", "job_key"),
            _ => ("approval", "approval_open"),
        };
        let (place, mark, lacks) =
            if rows > references { (own, Mark::Row, beside) } else { (beside, Mark::Reference, own) };
        let text = format!("`{}` has no partner in `{lacks}`", group.name());
        self.reporter.add(kind, place, group.id(mark), text);
    }

    fn number_text(&mut self, group: &Group) {
        let (rows, entries) = (group.sum(Mark::Row), group.sum(Mark::Entry));
        if rows > 1 {
            let text = format!("the number `{}` is there {rows} times", group.name());
            self.reporter.add(Kind::DuplicateNumber, "sequence_number", group.id(Mark::Row), text);
        } else if entries > 1 {
            let text = format!("the number `{}` was issued {entries} times", group.name());
            self.reporter.add(Kind::DuplicateNumber, "sequence_number", group.id(Mark::Entry), text);
        }
        if entries > rows {
            let text = format!("the `sequence_number` row of `{}` is not there", group.name());
            self.orphan_entry(group, Mark::Entry, text);
        }
    }

    fn number_value(&mut self, group: &Group) {
        let (rows, entries) = (group.sum(Mark::Row), group.sum(Mark::Entry));
        let (is_free, is_held, is_hole) =
            (group.has(Mark::Free), group.has(Mark::Held), group.has(Mark::Hole));
        let parts = group.parts();
        let name = match parts.as_slice() {
            [key, "", value] => format!("value {value} of `{}/{key}`", group.log),
            [key, period, value] => format!("value {value} of `{}/{key}` in {period}", group.log),
            _ => group.name(),
        };
        let mut add =
            |kind, mark, text: String| self.reporter.add(kind, "sequence_number", group.id(mark), text);
        if rows > 1 {
            add(Kind::DuplicateNumber, Mark::Row, format!("{name} is there {rows} times"));
        }
        if rows > 0 && (is_free || is_held) {
            add(Kind::DuplicateNumber, Mark::Row, format!("{name} is issued and can be issued again"));
        }
        if is_free && is_held {
            add(Kind::DuplicateNumber, Mark::Free, format!("{name} is held by a call and free for another"));
        }
        let waits = [Mark::Hole, Mark::Free, Mark::Held].into_iter().find(|mark| group.has(*mark));
        match waits {
            Some(mark) if rows == 0 && entries > 0 => {
                add(Kind::Gap, mark, format!("{name} was issued and has no row"))
            }
            Some(Mark::Hole) if rows == 0 && !is_free && !is_held && self.shares_values => {
                add(Kind::Gap, Mark::Hole, format!("{name} has no row, nobody holds it, and it is not free"));
            }
            Some(Mark::Hole) if rows == 0 && is_hole && !self.shares_values => {
                add(Kind::FreeValue, Mark::Hole, format!("{name} was never seen: it is issued next"));
            }
            _ => {}
        }
    }

    fn job(&mut self, group: &Group) {
        let enqueued = group.sum(Mark::Entry);
        if group.has(Mark::Reference) && enqueued == 0 && !group.has(Mark::Row) {
            let text = format!("it names the job `{}`, which never was", group.name());
            self.reporter.add(Kind::DanglingReference, "job_lock", group.id(Mark::Reference), text);
        }
        if enqueued > 1 {
            let text = format!("the job `{}` was enqueued {enqueued} times", group.name());
            self.reporter.add(Kind::JobState, "job", group.id(Mark::Entry), text);
        }
        if group.has(Mark::Row) {
            self.job_there(group);
        } else if enqueued > 0 {
            let dead = group.sum(Mark::Dead) - group.sum(Mark::Retried) - group.sum(Mark::CancelledDead);
            if group.has(Mark::Succeeded) || group.has(Mark::Cancelled) || dead > 0 {
                *self.gone.entry(group.log.clone()).or_default() += 1;
            } else {
                let text = format!("the job `{}` was enqueued, never ended, and is gone", group.name());
                self.orphan_entry_as(Kind::LostJob, group, Mark::Entry, text);
            }
        }
    }

    fn job_there(&mut self, group: &Group) {
        let name = group.name();
        if !group.has(Mark::Entry) {
            let text = format!("the job `{name}` has no audit entry");
            self.reporter.add(Kind::OrphanEffect, "job", group.id(Mark::Row), text);
        }
        let dead = group.sum(Mark::Dead) - group.sum(Mark::Retried) - group.sum(Mark::CancelledDead);
        for (what, row, entries) in [
            ("attempts", group.sum(Mark::RowAttempts), group.sum(Mark::Attempted)),
            ("successes", group.sum(Mark::RowSucceeded), group.sum(Mark::Succeeded)),
            ("cancellations", group.sum(Mark::RowCancelled), group.sum(Mark::Cancelled)),
            ("deaths", group.sum(Mark::RowDead), dead),
        ] {
            if row != entries {
                let text = format!("the row of `{name}` has {row} {what}, the audit log {entries}");
                self.reporter.add(Kind::JobState, "job", group.id(Mark::Row), text);
            }
        }
    }

    fn swept(&mut self, group: &Group) {
        let gone = self.gone.remove(&group.log).unwrap_or_default();
        let swept = group.sum(Mark::Entry);
        if gone != swept {
            let text = format!("{gone} jobs that ended are not there any more, and {swept} were swept");
            let kind = if gone > swept { Kind::LostJob } else { Kind::JobState };
            self.orphan_entry_as(kind, group, Mark::Entry, text);
        }
    }

    /// Jobs that are gone from logs where nothing was ever swept.
    fn unswept(self) {
        for (log, gone) in self.gone {
            let text = format!("{gone} jobs that ended are not there any more, and none was swept");
            self.reporter.add(Kind::LostJob, &format!("log {log}"), "", text);
        }
    }

    fn idempotency_key(&mut self, group: &Group) {
        if group.sum(Mark::Row) > 1 {
            let text = format!("the key of `{}` has {} records", group.name(), group.sum(Mark::Row));
            self.reporter.add(Kind::ExecutedTwice, "idempotency", group.id(Mark::Row), text);
        }
    }

    fn idempotency_call(&mut self, group: &Group) {
        self.needs_entry(group);
        if group.sum(Mark::Row) > 1 {
            let text = format!("the call `{}` answers {} keys", group.name(), group.sum(Mark::Row));
            self.reporter.add(Kind::ExecutedTwice, "idempotency", group.id(Mark::Row), text);
        }
    }

    fn package_reference(&mut self, group: &Group) {
        if group.has(Mark::Reference) && !group.has(Mark::Row) {
            let text = format!("the package `{}` is not stored", group.name());
            self.reporter.add(Kind::DanglingReference, "addon_install", group.id(Mark::Reference), text);
        }
    }

    fn orphan_entry(&mut self, group: &Group, mark: Mark, text: String) {
        self.orphan_entry_as(Kind::OrphanEntry, group, mark, text);
    }

    fn orphan_entry_as(&mut self, kind: Kind, group: &Group, mark: Mark, text: String) {
        let (log, index) = group.id(mark).rsplit_once('/').unwrap_or((&group.log, ""));
        self.reporter.add(kind, &format!("log {log}"), index, text);
    }
}

/// A key runs again only once the record of its last run has expired; until then the record is there.
fn key_uses(reporter: &mut Reporter, uses: &[Use], now_ms: i64) {
    let (rows, entries): (Vec<_>, Vec<_>) = uses.iter().partition(|one| one.is_row());
    let mut add = |kind, at: &Use, text: String| {
        let (log, index) = at.id.rsplit_once('/').unwrap_or((&at.log, ""));
        reporter.add(kind, &format!("log {log}"), index, text);
    };
    let mut stands: Option<&Use> = None;
    for entry in entries {
        if let Some(before) = stands.filter(|before| before.until_ms > entry.from_ms) {
            let text = format!("the key of the record `{}` ran before, at `{}`", entry.key, before.id);
            add(Kind::ExecutedTwice, entry, text);
        }
        stands = stands.filter(|before| before.until_ms > entry.until_ms).or(Some(entry));
    }
    if let Some(last) = stands.filter(|last| last.until_ms > now_ms && rows.is_empty()) {
        add(Kind::OrphanEntry, last, format!("the `idempotency` row `{}` is not there", last.key));
    }
}

/// Where the rows of a topic stand.
fn table(topic: Topic) -> &'static str {
    match topic {
        Topic::Sequence => "sequence",
        Topic::NumberText | Topic::Reservation | Topic::NumberValue | Topic::Committed | Topic::Voided => {
            "sequence_number"
        }
        Topic::Binding => "sequence_binding",
        Topic::Job | Topic::SweptJobs | Topic::Continuation => "job",
        Topic::UniqueKey => "job_key",
        Topic::Schedule => "job_schedule",
        Topic::Circuit => "job_circuit",
        Topic::Approval | Topic::ApprovalEnd => "approval",
        Topic::ApprovalOpen => "approval_open",
        Topic::ApprovalRules => "approval_rules",
        Topic::IdempotencyKey | Topic::IdempotencyCall | Topic::IdempotencyUse => "idempotency",
        Topic::Secret | Topic::SecretValue => "secret",
        Topic::TenantKey | Topic::PublicKey => "tenant_key",
        Topic::CheckpointKey => "audit_key",
        Topic::Tenant => "tenant",
        Topic::Token | Topic::RevokedToken => "token",
        Topic::TrustedKey => "trust_key",
        Topic::Usage => "usage_counter",
        Topic::Migration => "_sqlx_migrations",
        Topic::Package | Topic::PackageReference => "addon_package",
        Topic::Installation => "addon_install",
        Topic::InstalledVersion => "addon_version",
    }
}
