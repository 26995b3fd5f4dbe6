//! Every error code, once. Each has a page `docs/src/errors/<code>.md`; `tests/tidy` holds the two together.

/// A stable error code: programs may match on its name, and its HTTP status never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code {
    pub name: &'static str,
    /// The HTTP status of a response that carries it.
    pub status: u16,
    /// What it means, in one line.
    pub title: &'static str,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal, $title:literal;)*) => {
        $($(#[$doc])* pub const $name: Code = Code { name: $text, status: $status, title: $title };)*
        /// All of them, in the order of their pages.
        pub const ALL: &[Code] = &[$($name),*];
    };
}

codes! {
    // calls
    GUEST_ERROR = "guest-error", 422, "the addon refused the request";
    DENIED = "denied", 403, "a capability is not granted to the addon";
    INVALID_INPUT = "invalid-input", 400, "the input does not match the action's schema";
    INVALID_OUTPUT = "invalid-output", 502, "the addon's answer does not match its own schema";
    FUEL_EXHAUSTED = "fuel-exhausted", 500, "the call used up its fuel";
    DEADLINE = "deadline", 504, "the call ran past its deadline";
    MEMORY = "memory", 500, "the guest wanted more memory than its limit";
    LIMIT = "limit", 500, "the call ran into one of its limits";
    BUSY = "busy", 429, "the tenant's rate or concurrency is used up";
    TRAP = "trap", 502, "the guest stopped at a WebAssembly trap";
    INCOMPATIBLE = "incompatible", 409, "the component does not fit this host";
    CONFLICT = "conflict", 409, "another change came first";
    // requests
    INVALID = "invalid", 400, "the request is malformed";
    UNAUTHENTICATED = "unauthenticated", 401, "no valid token came with the request";
    FORBIDDEN = "forbidden", 403, "the caller may not do this";
    NOT_FOUND = "not-found", 404, "there is no such thing";
    TOO_LARGE = "too-large", 413, "the request is larger than the server takes";
    UNAVAILABLE = "unavailable", 503, "the server cannot do this now";
    INTERNAL = "internal", 500, "the host made a mistake";
    METHOD_NOT_ALLOWED = "method-not-allowed", 405, "the resource does not take this method";
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type", 415, "the body is not `application/json`";
    REQUEST_TIMEOUT = "request-timeout", 408, "the request's body did not arrive in time";
    // idempotency
    IDEMPOTENCY_KEY_REQUIRED = "idempotency-key-required", 400, "the action wants an `Idempotency-Key`";
    IDEMPOTENCY_MISMATCH = "idempotency-mismatch", 422, "the `Idempotency-Key` was used for another request";
    IDEMPOTENCY_IN_FLIGHT = "idempotency-in-flight", 409, "the first call with this `Idempotency-Key` still runs";
    // supply chain
    PACKAGE_INVALID = "package-invalid", 400, "the package is malformed";
    MANIFEST_INVALID = "manifest-invalid", 400, "the manifest is malformed";
    SIGNATURE_INVALID = "signature-invalid", 403, "the package's signature does not hold";
    PUBLISHER_UNTRUSTED = "publisher-untrusted", 403, "the publisher's key is not trusted for this";
    // host
    CONFIG_INVALID = "config-invalid", 400, "the configuration is malformed";
    POLICY_INVALID = "policy-invalid", 400, "a policy file is malformed";
    MASTER_KEY_MISSING = "master-key-missing", 503, "the host runs without a master key";
    MASTER_KEY_WRONG = "master-key-wrong", 503, "the master key is not the one that sealed this";
    STORE_CORRUPT = "store-corrupt", 500, "the database holds something that cannot be";
    STORE_FULL = "store-full", 503, "there is no room left where the database lies";
    STORE_UNWRITABLE = "store-unwritable", 503, "the data directory or the database cannot be written";
    STORE_NOT_DURABLE = "store-not-durable", 503, "the database would forget acknowledged calls at a power cut";
    STORE_LOCKED = "store-locked", 409, "another server uses this data directory";
    TOOLCHAIN_MISSING = "toolchain-missing", 500, "no toolchain for WebAssembly guests was found";
    BUILD_FAILED = "build-failed", 400, "the addon does not build";
    AUDIT_TAMPERED = "audit-tampered", 500, "the audit log does not verify";
    SCAN_FOUND = "scan-found", 500, "the scan found something that cannot be";
}

/// The code of this name.
pub fn find(name: &str) -> Option<Code> {
    ALL.iter().copied().find(|code| code.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = ALL.iter().map(|code| code.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
