-- `tenant/addon/entry`.
CREATE TABLE usage_counter (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    tenant TEXT NOT NULL,
    addon TEXT NOT NULL,
    entry TEXT NOT NULL,
    calls BIGINT NOT NULL,
    ok BIGINT NOT NULL,
    failed TEXT NOT NULL,
    over_budget BIGINT NOT NULL,
    fuel BIGINT NOT NULL,
    elapsed_ms BIGINT NOT NULL,
    memory_peak BIGINT NOT NULL,
    first_ms BIGINT NOT NULL,
    last_ms BIGINT NOT NULL
);
CREATE INDEX usage_counter_tenant ON usage_counter (tenant);
