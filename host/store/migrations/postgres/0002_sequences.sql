CREATE TABLE sequence (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    tenant TEXT NOT NULL,
    series_key TEXT NOT NULL,
    definition TEXT NOT NULL,
    created_ms BIGINT NOT NULL
);

CREATE TABLE sequence_number (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    tenant TEXT NOT NULL,
    series_key TEXT NOT NULL,
    period TEXT NOT NULL,
    value BIGINT NOT NULL CHECK (value > 0),
    number TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('reserved', 'committed', 'void')),
    reservation TEXT NOT NULL UNIQUE,
    object TEXT,
    reason TEXT,
    reserved_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL
);
CREATE INDEX sequence_number_series ON sequence_number (tenant, series_key, period, value);
CREATE INDEX sequence_number_open ON sequence_number (expires_ms) WHERE state = 'reserved';

CREATE TABLE sequence_binding (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    tenant TEXT NOT NULL,
    series_key TEXT NOT NULL,
    object TEXT NOT NULL,
    number TEXT NOT NULL
);

-- What nodes share while calls run: the head of each series, values to issue again, values held by running calls.
CREATE SEQUENCE sequence_fence;

CREATE TABLE sequence_head (
    series TEXT PRIMARY KEY,
    head BIGINT NOT NULL
);

CREATE TABLE sequence_free (
    id TEXT PRIMARY KEY,
    series TEXT NOT NULL,
    value BIGINT NOT NULL
);
CREATE INDEX sequence_free_series ON sequence_free (series, value);

CREATE TABLE sequence_hold (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    series TEXT NOT NULL,
    value BIGINT NOT NULL,
    call TEXT NOT NULL,
    again BIGINT NOT NULL CHECK (again IN (0, 1)),
    until_ms BIGINT NOT NULL
);
CREATE INDEX sequence_hold_call ON sequence_hold (call);
CREATE INDEX sequence_hold_until ON sequence_hold (until_ms);
