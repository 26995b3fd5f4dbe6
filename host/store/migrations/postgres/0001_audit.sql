-- How many entries each log has; raised inside every commit.
CREATE TABLE audit_head (
    id TEXT COLLATE "C" PRIMARY KEY,
    version BIGINT NOT NULL,
    size BIGINT NOT NULL CHECK (size >= 0)
) WITH (fillfactor = 70);

-- The entries. `id` is `<log>/<index in 20 digits>`; `leaf` is what the tree is built over, `hash` its leaf hash; the other
-- columns are copies of fields of the leaf to search by.
CREATE TABLE audit_entry (
    id TEXT COLLATE "C" PRIMARY KEY,
    log TEXT COLLATE "C" NOT NULL,
    idx BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    event TEXT NOT NULL,
    object TEXT NOT NULL,
    trace TEXT NOT NULL,
    hash TEXT NOT NULL,
    leaf TEXT NOT NULL
);
CREATE INDEX audit_entry_trace ON audit_entry (log, trace);
CREATE INDEX audit_entry_object ON audit_entry (log, object);

CREATE FUNCTION audit_entry_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END
$$;
CREATE TRIGGER audit_entry_append_only BEFORE UPDATE OR DELETE ON audit_entry
FOR EACH ROW EXECUTE FUNCTION audit_entry_is_append_only();

-- Signed checkpoints. `id` is `<log>/<size in 20 digits>`; `frontier` is where the next one starts.
CREATE TABLE audit_checkpoint (
    id TEXT COLLATE "C" PRIMARY KEY,
    version BIGINT NOT NULL,
    log TEXT COLLATE "C" NOT NULL,
    size BIGINT NOT NULL CHECK (size > 0),
    root TEXT NOT NULL,
    frontier TEXT NOT NULL,
    note TEXT NOT NULL,
    generation BIGINT NOT NULL,
    at_ms BIGINT NOT NULL
);

-- The newest checkpoint of each log.
CREATE TABLE audit_tree (
    id TEXT COLLATE "C" PRIMARY KEY,
    version BIGINT NOT NULL,
    size BIGINT NOT NULL,
    checkpoint TEXT NOT NULL
);

-- The generations of the checkpoint key, each sealed under the master key. The highest one signs.
CREATE TABLE audit_key (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    generation BIGINT NOT NULL UNIQUE,
    public_key TEXT NOT NULL,
    sealed TEXT NOT NULL,
    created_ms BIGINT NOT NULL
);
