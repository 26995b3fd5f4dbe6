//! What the laws of `jobs` stand on: nodes, a catalogue, and short words for common steps.

use std::sync::Arc;

use bulla_base::{AddonName, Clock, EntryName, Failure, JobId, Millis, TenantId, codes};
use bulla_contract::Bench;
use bulla_kernel::Core;
use bulla_kernel::jobs::{Claimed, Enqueue, JobState, Jobs, JobsConfig};
use bulla_kernel::ports::{Catalogue, Fairness, JobSchedule, JobSpec};
use bulla_store::{Sql, StoreError, Unit};

pub struct Node {
    pub core: Core,
    pub jobs: Jobs,
}

/// The same jobs in every tenant; those with a schedule tick in `acme`.
pub struct Specs(Vec<Arc<JobSpec>>);

pub fn specs(specs: &[JobSpec]) -> Arc<Specs> {
    Arc::new(Specs(specs.iter().cloned().map(Arc::new).collect()))
}

impl Catalogue for Specs {
    fn job(&self, _: &TenantId, _: &AddonName, job: &EntryName) -> Option<Arc<JobSpec>> {
        self.0.iter().find(|spec| spec.name == *job).cloned()
    }

    fn has_action(&self, _: &TenantId, _: &AddonName, _: &EntryName) -> bool {
        false
    }

    fn scheduled(&self) -> Vec<(TenantId, AddonName, Arc<JobSpec>)> {
        let ticking = self.0.iter().filter(|spec| spec.schedule != JobSchedule::OnDemand);
        ticking.map(|spec| (acme(), "einvoice".parse().expect("a name"), spec.clone())).collect()
    }
}

pub fn plain(name: &str) -> JobSpec {
    JobSpec {
        name: name.parse().expect("a name"),
        schedule: JobSchedule::OnDemand,
        lock_key: None,
        fairness: Fairness::Normal,
        retries: 8,
        backoff: Millis(1_000),
        circuit: None,
    }
}

pub async fn node(bench: &Bench, specs: Arc<Specs>) -> Node {
    let core = bench.core().await;
    Node { jobs: Jobs::new(core.clone(), specs, JobsConfig::default()), core }
}

pub fn acme() -> TenantId {
    "acme".parse().expect("a tenant")
}

pub fn keyed(key: &str) -> Enqueue {
    Enqueue { delay_ms: 0, unique_key: Some(key.into()) }
}

pub fn failure(message: &str) -> Failure {
    Failure::new(codes::UNAVAILABLE, message)
}

/// Enqueues in a call of its own and commits it.
pub async fn enqueue(bench: &Bench, node: &Node, tenant: &str, name: &str, options: Enqueue) -> JobId {
    let mut call = bench.call(tenant, Default::default());
    let id = node.jobs.enqueue(&mut call, name, b"{}".to_vec(), options).await.expect("enqueued");
    node.core.committer.commit(call.effects()).await.expect("committed");
    id
}

/// Commits the success of a claim, as dispatch does.
pub async fn complete(node: &Node, claimed: &Claimed) -> Result<(), StoreError> {
    let mut unit = Unit::default();
    node.jobs.complete(&mut unit, claimed.id(), claimed.job.attempt, b"null").await.expect("held");
    node.core.committer.commit(unit).await?;
    node.jobs.succeeded(claimed).await.expect("settled");
    Ok(())
}

pub async fn state(node: &Node, tenant: &str, id: &JobId) -> JobState {
    node.jobs.get(&tenant.parse().expect("a tenant"), id).await.expect("a job").state
}

pub async fn events(core: &Core, log: &str, event: &str) -> usize {
    #[derive(sqlx::FromRow)]
    struct Count {
        count: i64,
    }
    let sql = Sql::both("SELECT COUNT(*) AS count FROM audit_entry WHERE log = $1 AND event = $2");
    let row: Option<Count> = core.db.fetch_one(&sql, &[log.into(), event.into()]).await.expect("counted");
    usize::try_from(row.expect("a row").count).expect("a count")
}

pub fn now_ms(bench: &Bench) -> i64 {
    bench.clock.now_ms()
}
