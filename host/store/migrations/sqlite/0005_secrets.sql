-- One row an alias. A removed secret keeps its row, without its value: the count of versions goes on.
CREATE TABLE secret (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    alias TEXT NOT NULL,
    value_version INTEGER NOT NULL,
    sealed TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    updated_by TEXT NOT NULL,
    removed_ms INTEGER,
    UNIQUE (tenant, alias)
) STRICT;
