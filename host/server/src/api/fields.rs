//! What the objects of more than one route look like.

use crate::route::{Field, Kind, may, must};

pub const REASON: &[Field] = &[must("reason", Kind::Text, "1 to 500 bytes, for people and the audit")];

pub const GRANTS: &[Field] = &[
    must("sequences", Kind::Texts, "Keys of sequences"),
    must("approvals", Kind::Texts, "Scopes of approvals"),
    must("secrets", Kind::Named(SECRET_GRANT), "By alias"),
    must("keys", Kind::Named(KEY_GRANT), "By alias"),
    must("wasi", Kind::Texts, "WASI interfaces by name without version"),
    may("directory", Kind::Object(DIRECTORY), "The one directory"),
];

/// Grants as a request may give them: what is not there is not granted.
pub const GRANTS_GIVEN: &[Field] = &[
    may("sequences", Kind::Texts, "Keys of sequences"),
    may("approvals", Kind::Texts, "Scopes of approvals"),
    may("secrets", Kind::Named(SECRET_GRANT), "By alias"),
    may("keys", Kind::Named(KEY_GRANT), "By alias"),
    may("wasi", Kind::Texts, "WASI interfaces by name without version"),
    may("directory", Kind::Object(DIRECTORY), "The one directory"),
];

const SECRET_GRANT: &[Field] = &[
    must("purpose", Kind::Text, "What it is used for"),
    must("destinations", Kind::Texts, "`scheme://host[:port]`, exact"),
];

const KEY_GRANT: &[Field] = &[must("purpose", Kind::Text, "What it is used for")];

const DIRECTORY: &[Field] = &[
    must("path", Kind::Text, "On the host"),
    must("writable", Kind::Flag, "Whether the addon may write into it"),
];
