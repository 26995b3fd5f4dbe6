//! The limits of a call and of a tenant: one list, from which the manifest, the quota tiers, the engine and the docs take them.

use serde::{Deserialize, Serialize};

use crate::quantity::{Bytes, Fuel, Millis, Rate};

/// A quantity of which the smaller one is the stricter one.
trait Least: Copy {
    fn least(self, other: Self) -> Self;
}

macro_rules! least_by_ord {
    ($($type:ty),*) => { $(impl Least for $type { fn least(self, other: Self) -> Self { self.min(other) } })* };
}
least_by_ord!(Fuel, Bytes, Millis, u32);

impl Least for Rate {
    fn least(self, other: Self) -> Self {
        Self { per_second: self.per_second.min(other.per_second), burst: self.burst.min(other.burst) }
    }
}

macro_rules! limits {
    ($($(#[$doc:meta])* $field:ident / $name:literal : $type:ty = $default:expr;)*) => {
        /// What is in force for a call. Every field is enforced; `NAMES` lists them as they are written.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub struct Limits { $($(#[$doc])* pub $field: $type,)* }

        /// Some of the limits: what a manifest asks for, or a tier or an override sets.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub struct PartialLimits {
            $($(#[$doc])* #[serde(default, skip_serializing_if = "Option::is_none")] pub $field: Option<$type>,)*
        }

        /// The names of all limits, as manifests, policies and errors write them.
        pub const NAMES: &[&str] = &[$($name),*];

        impl Default for Limits {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl PartialLimits {
            /// For each limit the stricter of the two, where both are set.
            pub fn least(&self, other: &Self) -> Self {
                Self { $($field: match (self.$field, other.$field) {
                    (Some(a), Some(b)) => Some(a.least(b)),
                    (a, b) => a.or(b),
                },)* }
            }

            /// `self` where it is set, else `below`.
            pub fn over(&self, below: &Self) -> Self {
                Self { $($field: self.$field.or(below.$field),)* }
            }

            /// The limits in force: what is unset takes the default.
            pub fn complete(&self) -> Limits {
                let default = Limits::default();
                Limits { $($field: self.$field.unwrap_or(default.$field),)* }
            }

            /// Name and written value of each limit that is set.
            pub fn written(&self) -> Vec<(&'static str, String)> {
                let mut all = Vec::new();
                $(if let Some(value) = self.$field { all.push(($name, value.to_string())); })*
                all
            }
        }

        impl From<Limits> for PartialLimits {
            fn from(limits: Limits) -> Self {
                Self { $($field: Some(limits.$field),)* }
            }
        }
    };
}

limits! {
    /// Work of the guest per call, priced by the fuel schedule.
    fuel / "fuel": Fuel = Fuel(50_000_000);
    /// Wall-clock time of a call, host functions included.
    deadline / "deadline": Millis = Millis(2_000);
    /// Linear memory of a call, all memories together.
    memory / "memory": Bytes = Bytes(64 << 20);
    /// Elements of all tables of a call together.
    table_elements / "table-elements": u32 = 20_000;
    /// Component resource handles a call may hold at a time.
    handles / "handles": u32 = 1_000;
    /// Bytes one host call may carry in or out.
    host_call / "host-call": Bytes = Bytes(1 << 20);
    /// Bytes all host calls of a call may carry in and out together.
    host_calls / "host-calls": Bytes = Bytes(16 << 20);
    /// The action's input.
    input / "input": Bytes = Bytes(1 << 20);
    /// The action's output.
    output / "output": Bytes = Bytes(1 << 20);
    /// All log lines of a call together.
    log / "log": Bytes = Bytes(64 << 10);
    /// The body of one outbound request.
    request_body / "request-body": Bytes = Bytes(1 << 20);
    /// The body of one response from outside.
    response_body / "response-body": Bytes = Bytes(1 << 20);
    /// Outbound requests per call.
    sends / "sends": u32 = 16;
    /// Numbers reserved per call.
    reservations / "reservations": u32 = 1_000;
    /// Jobs enqueued per call.
    jobs / "jobs": u32 = 1_000;
    /// The addon's own audit entries per call.
    audit_entries / "audit-entries": u32 = 256;
    /// Calls of one tenant at a time; the rest wait in its own queue.
    concurrency / "concurrency": u32 = 16;
    /// Calls of one tenant that may wait; beyond them `busy`.
    queue / "queue": u32 = 1_024;
    /// Calls of one tenant per second.
    rate / "rate": Rate = Rate { per_second: 200, burst: 400 };
    /// What a tenant may keep: waiting jobs, approvals, idempotency records, together.
    storage / "storage": Bytes = Bytes(1 << 30);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_wins_and_the_rest_takes_the_default() {
        let manifest = PartialLimits { fuel: Some(Fuel(10)), ..Default::default() };
        let tier = PartialLimits { fuel: Some(Fuel(20)), deadline: Some(Millis(5)), ..Default::default() };
        let limits = manifest.least(&tier).complete();
        assert_eq!((limits.fuel, limits.deadline, limits.sends), (Fuel(10), Millis(5), 16));
    }

    #[test]
    fn every_limit_is_named_as_serde_writes_it() {
        let value = serde_json::to_value(Limits::default()).unwrap();
        let written: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(written, NAMES);
    }
}
