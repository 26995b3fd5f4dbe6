-- One row an alias. A removed secret keeps its row, without its value: the count of versions goes on.
CREATE TABLE secret (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    tenant TEXT NOT NULL,
    alias TEXT NOT NULL,
    value_version BIGINT NOT NULL,
    sealed TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    updated_by TEXT NOT NULL,
    removed_ms BIGINT,
    UNIQUE (tenant, alias)
);
