//! Why a set of policies is not taken.

use bulla_base::{Code, Coded, codes};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error("cannot read or write `{path}`: {reason}")]
    File { path: String, reason: String },
    #[error("`{file}` is missing")]
    Missing { file: &'static str },
    /// A file that looks like a policy and would not be read.
    #[error("`{file}` is not read: quotas stand in `quotas.toml`, the schema in `bulla.cedarschema`")]
    Stray { file: String },
    #[error("`{file}` is larger than {limit} bytes")]
    TooLarge { file: String, limit: u64 },
    #[error("`quotas.toml`: {0}")]
    Quotas(String),
    #[error("`quotas.toml`: `{place}` names the tier `{tier}`, which is not there")]
    UnknownTier { place: String, tier: String },
    #[error(
        "`quotas.toml`: `{limit}` belongs to the tenant as a whole; it cannot stand under the addon `{addon}` of `{tenant}`"
    )]
    TenantLimit { limit: &'static str, tenant: String, addon: String },
    #[error("`bulla.cedarschema`: {0}")]
    Schema(String),
    #[error("`bulla.cedarschema`: the operation `{0}` has no action, or one that cannot be asked about")]
    NoAction(&'static str),
    #[error("`bulla.cedarschema`: the action `{0}` is no operation of this host")]
    NoOperation(String),
    #[error("`{file}`: {reason}")]
    Policy { file: String, reason: String },
    #[error("`{file}`: {reason}")]
    Case { file: String, reason: String },
}

impl Coded for PolicyError {
    fn code(&self) -> Code {
        codes::POLICY_INVALID
    }
}
