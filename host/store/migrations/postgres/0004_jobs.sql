CREATE TABLE job (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    tenant TEXT NOT NULL,
    addon TEXT NOT NULL,
    entry TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('job', 'approval')),
    context TEXT NOT NULL,
    subject TEXT NOT NULL,
    trace TEXT NOT NULL,
    payload TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'succeeded', 'dead', 'cancelled')),
    fairness TEXT NOT NULL CHECK (fairness IN ('interactive', 'normal', 'bulk')),
    lock_key TEXT,
    unique_key TEXT,
    policy TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    max_attempts BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    due_ms BIGINT NOT NULL,
    lease_until_ms BIGINT,
    holder TEXT,
    finished_ms BIGINT,
    result TEXT,
    error_code TEXT,
    error_message TEXT,
    reason TEXT
);
CREATE INDEX job_waiting ON job (fairness, tenant, due_ms, id) WHERE state = 'waiting';
CREATE INDEX job_running ON job (lease_until_ms) WHERE state = 'running';
CREATE INDEX job_finished ON job (state, finished_ms) WHERE finished_ms IS NOT NULL;
CREATE INDEX job_tenant ON job (tenant, created_ms, id);
CREATE INDEX job_storage ON job (tenant, bytes) WHERE state IN ('waiting', 'running', 'dead');

-- One row for each unique key that a waiting or running job has.
CREATE TABLE job_key (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    tenant TEXT NOT NULL,
    job TEXT NOT NULL
);

-- Who had a lock key last. It is held while that job runs.
CREATE TABLE job_lock (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    tenant TEXT NOT NULL,
    job TEXT NOT NULL
);

-- Consecutive failures of a job with a circuit; no row: none.
CREATE TABLE job_circuit (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    tenant TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('closed', 'open', 'half-open')),
    failures BIGINT NOT NULL,
    open_until_ms BIGINT NOT NULL,
    probe TEXT
);

CREATE TABLE job_schedule (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    tenant TEXT NOT NULL,
    schedule TEXT NOT NULL,
    last_tick_ms BIGINT NOT NULL
);
