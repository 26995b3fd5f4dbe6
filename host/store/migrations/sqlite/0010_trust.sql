-- A removed key keeps its row.
CREATE TABLE trust_key (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    public_key TEXT NOT NULL,
    owner TEXT NOT NULL,
    purposes TEXT NOT NULL,
    names TEXT NOT NULL,
    not_before_ms INTEGER,
    not_after_ms INTEGER,
    revoked_ms INTEGER,
    revoked_reason TEXT,
    rotated_by TEXT,
    added_by TEXT NOT NULL,
    added_ms INTEGER NOT NULL,
    removed_ms INTEGER
) STRICT;
