//! Where a change comes from: the part that every audit entry has.

use std::sync::Arc;

use bulla_base::{AddonName, CallId, EntryName, Subject, TenantId, TraceId};
use bulla_store::Entry;
use serde_json::{Value, json};

/// The log of everything that belongs to no tenant.
pub const SYSTEM_LOG: &str = "system";

/// Who, when, under which trace, and in which call.
#[derive(Debug, Clone)]
pub struct Origin {
    /// `None`: the `system` log.
    pub tenant: Option<TenantId>,
    pub subject: Subject,
    pub trace: TraceId,
    pub at_ms: i64,
    /// The policies that allowed it, where an authorization decision stands behind it.
    pub policy_version: Option<Arc<str>>,
    /// The call it happened in, where a guest is involved.
    pub call: Option<Arc<CallOrigin>>,
}

#[derive(Debug, Clone)]
pub struct CallOrigin {
    pub id: CallId,
    pub addon: AddonName,
    pub version: String,
    pub entry: EntryName,
}

impl Origin {
    /// An audit entry. `event` is `<room>.<past participle>`; `object` names what it is about.
    pub fn entry(&self, event: &str, object: &str, detail: Value) -> Entry {
        let mut body = json!({
            "v": 1,
            "at-ms": self.at_ms,
            "event": event,
            "object": object,
            "subject": self.subject.as_str(),
            "trace": self.trace.as_str(),
            "detail": detail,
        });
        if let Value::Object(fields) = &mut body {
            if let Some(version) = &self.policy_version {
                fields.insert("policy".into(), version.as_ref().into());
            }
            if let Some(call) = &self.call {
                fields.insert(
                    "call".into(),
                    json!({"id": call.id.as_str(), "addon": call.addon.as_str(), "version": call.version, "entry": call.entry.as_str()}),
                );
            }
        }
        Entry { log: self.log().to_owned(), body }
    }

    pub fn log(&self) -> &str {
        self.tenant.as_ref().map_or(SYSTEM_LOG, TenantId::as_str)
    }
}
