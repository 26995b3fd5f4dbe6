-- `id` is the SHA-256 of tenant, subject, action and key.
CREATE TABLE idempotency (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    subject TEXT NOT NULL,
    action TEXT NOT NULL,
    key TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    response TEXT NOT NULL,
    size INTEGER NOT NULL,
    call_id TEXT NOT NULL,
    trace TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX idempotency_expiry ON idempotency (expires_ms);
CREATE INDEX idempotency_tenant ON idempotency (tenant, size);
