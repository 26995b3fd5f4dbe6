-- `tenant/addon/entry`.
CREATE TABLE usage_counter (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    addon TEXT NOT NULL,
    entry TEXT NOT NULL,
    calls INTEGER NOT NULL,
    ok INTEGER NOT NULL,
    failed TEXT NOT NULL,
    over_budget INTEGER NOT NULL,
    fuel INTEGER NOT NULL,
    elapsed_ms INTEGER NOT NULL,
    memory_peak INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX usage_counter_tenant ON usage_counter (tenant);
