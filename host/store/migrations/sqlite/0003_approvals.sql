CREATE TABLE approval_rules (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    scope TEXT NOT NULL,
    number INTEGER NOT NULL CHECK (number > 0),
    document TEXT NOT NULL,
    loaded_by TEXT NOT NULL,
    loaded_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX approval_rules_scope ON approval_rules (tenant, scope, number);

CREATE TABLE approval (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    addon TEXT NOT NULL,
    scope TEXT NOT NULL,
    object TEXT NOT NULL,
    digest TEXT NOT NULL,
    facts TEXT NOT NULL,
    action TEXT NOT NULL,
    payload TEXT NOT NULL,
    requester TEXT NOT NULL,
    trace TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('waiting', 'approved', 'rejected', 'cancelled', 'expired')),
    approvers TEXT NOT NULL,
    rationale TEXT NOT NULL,
    rules_version INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    decided_ms INTEGER,
    decider TEXT CHECK (decider <> requester OR status = 'cancelled'),
    reason TEXT,
    job TEXT
) STRICT;
CREATE INDEX approval_tenant ON approval (tenant, created_ms, id);
CREATE INDEX approval_waiting ON approval (tenant) WHERE status = 'waiting';
CREATE INDEX approval_expiry ON approval (expires_ms) WHERE status = 'waiting';

-- One row for each object and digest that waits for a decision.
CREATE TABLE approval_open (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    approval TEXT NOT NULL
) STRICT;
