CREATE TABLE job (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    addon TEXT NOT NULL,
    entry TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('job', 'approval')),
    context TEXT NOT NULL,
    subject TEXT NOT NULL,
    trace TEXT NOT NULL,
    payload TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'succeeded', 'dead', 'cancelled')),
    fairness TEXT NOT NULL CHECK (fairness IN ('interactive', 'normal', 'bulk')),
    lock_key TEXT,
    unique_key TEXT,
    policy TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    lease_until_ms INTEGER,
    holder TEXT,
    finished_ms INTEGER,
    result TEXT,
    error_code TEXT,
    error_message TEXT,
    reason TEXT
) STRICT;
CREATE INDEX job_waiting ON job (fairness, tenant, due_ms, id) WHERE state = 'waiting';
CREATE INDEX job_running ON job (lease_until_ms) WHERE state = 'running';
CREATE INDEX job_finished ON job (state, finished_ms) WHERE finished_ms IS NOT NULL;
CREATE INDEX job_tenant ON job (tenant, created_ms, id);
CREATE INDEX job_storage ON job (tenant, bytes) WHERE state IN ('waiting', 'running', 'dead');

-- One row for each unique key that a waiting or running job has.
CREATE TABLE job_key (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    job TEXT NOT NULL
) STRICT;

-- Who had a lock key last. It is held while that job runs.
CREATE TABLE job_lock (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    job TEXT NOT NULL
) STRICT;

-- Consecutive failures of a job with a circuit; no row: none.
CREATE TABLE job_circuit (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('closed', 'open', 'half-open')),
    failures INTEGER NOT NULL,
    open_until_ms INTEGER NOT NULL,
    probe TEXT
) STRICT;

CREATE TABLE job_schedule (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    schedule TEXT NOT NULL,
    last_tick_ms INTEGER NOT NULL
) STRICT;
