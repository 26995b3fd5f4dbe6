-- One row per package file, by its SHA-256; all tenants share it, and nothing changes it.
CREATE TABLE addon_package (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    name TEXT NOT NULL,
    semver TEXT NOT NULL,
    bytes TEXT NOT NULL,
    size BIGINT NOT NULL,
    component_digest TEXT NOT NULL,
    publisher TEXT NOT NULL,
    asked TEXT NOT NULL,
    stored_ms BIGINT NOT NULL
);

-- `tenant/addon`: what is installed now. A removed addon keeps its row.
CREATE TABLE addon_install (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    tenant TEXT NOT NULL,
    addon TEXT NOT NULL,
    digest TEXT NOT NULL,
    previous TEXT,
    enabled BIGINT NOT NULL,
    grants TEXT NOT NULL,
    installed_by TEXT NOT NULL,
    installed_ms BIGINT NOT NULL,
    removed_ms BIGINT
);

-- `tenant/addon/version`: every version that was ever installed, and the package it was.
CREATE TABLE addon_version (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    tenant TEXT NOT NULL,
    addon TEXT NOT NULL,
    semver TEXT NOT NULL,
    digest TEXT NOT NULL,
    installed_by TEXT NOT NULL,
    installed_ms BIGINT NOT NULL
);
CREATE INDEX addon_version_of ON addon_version (tenant, addon, installed_ms);
