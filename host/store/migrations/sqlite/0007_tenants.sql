CREATE TABLE tenant (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    display_name TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;
