-- `digest/part`: the bytes of a package, in parts, so that who reads one never has a long text in hand. A package from before lies in one.
CREATE TABLE addon_part (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    digest TEXT NOT NULL,
    part BIGINT NOT NULL,
    bytes TEXT NOT NULL
);
CREATE INDEX addon_part_of ON addon_part (digest, part);
INSERT INTO addon_part (id, version, digest, part, bytes) SELECT id || '/0', 1, id, 0, bytes FROM addon_package;
ALTER TABLE addon_package DROP COLUMN bytes;
