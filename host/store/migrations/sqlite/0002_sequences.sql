CREATE TABLE sequence (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    series_key TEXT NOT NULL,
    definition TEXT NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE sequence_number (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    series_key TEXT NOT NULL,
    period TEXT NOT NULL,
    value INTEGER NOT NULL CHECK (value > 0),
    number TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('reserved', 'committed', 'void')),
    reservation TEXT NOT NULL UNIQUE,
    object TEXT,
    reason TEXT,
    reserved_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX sequence_number_series ON sequence_number (tenant, series_key, period, value);
CREATE INDEX sequence_number_open ON sequence_number (expires_ms) WHERE state = 'reserved';

CREATE TABLE sequence_binding (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    series_key TEXT NOT NULL,
    object TEXT NOT NULL,
    number TEXT NOT NULL
) STRICT;
