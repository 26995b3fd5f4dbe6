//! Refused requests in the audit, without a way to flood it: one entry a second for each subject and operation.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bulla_base::{Subject, TenantId};
use bulla_kernel::origin::Origin;
use bulla_kernel::ports::Operation;
use parking_lot::Mutex;
use serde_json::json;

use crate::services::AuditSink;

/// What is refused within this time after an entry is counted in the next one. A host that dies loses that count.
const WINDOW: Duration = Duration::from_secs(1);

type Asked = (Option<TenantId>, Subject, Operation);

#[derive(Clone)]
pub struct Refusals {
    sink: Arc<dyn AuditSink>,
    open: Arc<Mutex<HashMap<Asked, Option<Counted>>>>,
}

/// What was refused since the last entry.
struct Counted {
    count: u64,
    last: Origin,
    target: String,
}

impl Refusals {
    pub fn new(sink: Arc<dyn AuditSink>) -> Self {
        Self { sink, open: Arc::default() }
    }

    /// Writes the entry, or counts it where one was just written.
    pub async fn note(&self, origin: Origin, operation: Operation, target: String) {
        let asked = (origin.tenant.clone(), origin.subject.clone(), operation);
        {
            let mut open = self.open.lock();
            if let Some(window) = open.get_mut(&asked) {
                let count = window.as_ref().map_or(0, |counted| counted.count) + 1;
                *window = Some(Counted { count, last: origin, target });
                return;
            }
            open.insert(asked.clone(), None);
        }
        tokio::spawn(self.clone().close_later(asked));
        self.write(operation, Counted { count: 1, last: origin, target }).await;
    }

    /// Writes what was counted, window by window, until one stays empty.
    async fn close_later(self, asked: Asked) {
        loop {
            tokio::time::sleep(WINDOW).await;
            let counted = {
                let mut open = self.open.lock();
                match open.get_mut(&asked).and_then(Option::take) {
                    Some(counted) => counted,
                    None => {
                        open.remove(&asked);
                        return;
                    }
                }
            };
            self.write(asked.2, counted).await;
        }
    }

    /// The refusal stands whether it could be written or not.
    async fn write(&self, operation: Operation, counted: Counted) {
        let detail = json!({"target": counted.target, "count": counted.count});
        let written = self.sink.record(&counted.last, "request.forbidden", operation.name(), detail).await;
        if let Err(failure) = written {
            let internal = failure.internal.as_deref().unwrap_or_default();
            tracing::error!(trace = %counted.last.trace, %failure, internal, "a refusal could not be audited");
        }
    }
}
