-- A removed key keeps its row.
CREATE TABLE trust_key (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    public_key TEXT NOT NULL,
    owner TEXT NOT NULL,
    purposes TEXT NOT NULL,
    names TEXT NOT NULL,
    not_before_ms BIGINT,
    not_after_ms BIGINT,
    revoked_ms BIGINT,
    revoked_reason TEXT,
    rotated_by TEXT,
    added_by TEXT NOT NULL,
    added_ms BIGINT NOT NULL,
    removed_ms BIGINT
);
