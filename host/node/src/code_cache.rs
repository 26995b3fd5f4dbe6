//! Compiled code that somebody changed on disk is an event for the `system` log, not only for the process's own.

use bulla_engine::{CacheEvent, CacheEvents};
use bulla_kernel::Core;
use bulla_store::Unit;
use serde_json::json;
use tokio::runtime::Handle;

use crate::host::host_origin;

/// Writes what the engine's cache met into the audit log.
pub struct CacheAudit {
    pub core: Core,
    pub runtime: Handle,
}

impl CacheEvents for CacheAudit {
    fn cache_event(&self, event: &CacheEvent) {
        let CacheEvent::BadMac { file } = event else {
            tracing::warn!(?event, "the cache of compiled code");
            return;
        };
        tracing::error!(file = %file.display(), "compiled code with a wrong MAC was deleted");
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut unit = Unit::default();
        unit.record(host_origin(&self.core).entry("code.tampered", &name, json!({"deleted": true})));
        let committer = self.core.committer.clone();
        self.runtime.spawn(async move {
            if let Err(error) = committer.commit(unit).await {
                tracing::error!(%error, "a tampered file of compiled code could not be recorded");
            }
        });
    }
}
