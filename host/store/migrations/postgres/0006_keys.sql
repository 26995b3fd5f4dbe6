-- One row a signing key of a tenant. `versions` is JSON: the public key of each version, the last one being current.
-- `sealed` is the seed of the current version alone.
CREATE TABLE tenant_key (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    tenant TEXT NOT NULL,
    alias TEXT NOT NULL,
    versions TEXT NOT NULL,
    sealed TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (tenant, alias)
);
