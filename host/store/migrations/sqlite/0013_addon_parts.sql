-- `digest/part`: the bytes of a package, in parts, so that who reads one never has a long text in hand. A package from before lies in one.
CREATE TABLE addon_part (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    digest TEXT NOT NULL,
    part INTEGER NOT NULL,
    bytes TEXT NOT NULL
) STRICT;
CREATE INDEX addon_part_of ON addon_part (digest, part);
INSERT INTO addon_part (id, version, digest, part, bytes) SELECT id || '/0', 1, id, 0, bytes FROM addon_package;
ALTER TABLE addon_package DROP COLUMN bytes;
