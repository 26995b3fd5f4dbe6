-- How many entries each log has; raised inside every commit.
CREATE TABLE audit_head (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    size INTEGER NOT NULL CHECK (size >= 0)
) STRICT, WITHOUT ROWID;

-- The entries. `id` is `<log>/<index in 20 digits>`; `leaf` is what the tree is built over, `hash` its leaf hash; the other
-- columns are copies of fields of the leaf to search by.
CREATE TABLE audit_entry (
    id TEXT PRIMARY KEY,
    log TEXT NOT NULL,
    idx INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    event TEXT NOT NULL,
    object TEXT NOT NULL,
    trace TEXT NOT NULL,
    hash TEXT NOT NULL,
    leaf TEXT NOT NULL
) STRICT;
CREATE INDEX audit_entry_trace ON audit_entry (log, trace);
CREATE INDEX audit_entry_object ON audit_entry (log, object);

CREATE TRIGGER audit_entry_no_update BEFORE UPDATE ON audit_entry
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_entry_no_delete BEFORE DELETE ON audit_entry
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

-- Signed checkpoints. `id` is `<log>/<size in 20 digits>`; `frontier` is where the next one starts.
CREATE TABLE audit_checkpoint (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    log TEXT NOT NULL,
    size INTEGER NOT NULL CHECK (size > 0),
    root TEXT NOT NULL,
    frontier TEXT NOT NULL,
    note TEXT NOT NULL,
    generation INTEGER NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;

-- The newest checkpoint of each log.
CREATE TABLE audit_tree (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    size INTEGER NOT NULL,
    checkpoint TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The generations of the checkpoint key, each sealed under the master key. The highest one signs.
CREATE TABLE audit_key (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    generation INTEGER NOT NULL UNIQUE,
    public_key TEXT NOT NULL,
    sealed TEXT NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;
