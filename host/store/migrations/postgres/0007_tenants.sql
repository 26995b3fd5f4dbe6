CREATE TABLE tenant (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    display_name TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_ms BIGINT NOT NULL
);
