//! Looking for records: those that wait together are one query.

use std::collections::HashMap;

use bulla_store::{Db, StoreError};
use tokio::sync::{mpsc, oneshot};

use super::model::Key;
use super::store::{self, RecordRow};

/// Keys in one query at most.
const TOGETHER: usize = 512;

type Reply = oneshot::Sender<Result<Option<RecordRow>, StoreError>>;

/// Clones share the task behind it, which ends when the last of them is gone.
#[derive(Debug, Clone)]
pub(super) struct Lookup(mpsc::UnboundedSender<(String, Reply)>);

impl Lookup {
    pub fn start(db: Db) -> Self {
        let (queue, waiting) = mpsc::unbounded_channel();
        tokio::spawn(run(db, waiting));
        Self(queue)
    }

    /// The key's record as it is committed at this moment or later.
    pub async fn one(&self, key: &Key) -> Result<Option<RecordRow>, StoreError> {
        let stopped = || StoreError::Unavailable("the look for idempotency keys has stopped".into());
        let (reply, found) = oneshot::channel();
        self.0.send((key.id.to_hex(), reply)).map_err(|_| stopped())?;
        let row = found.await.map_err(|_| stopped())??;
        Ok(row.filter(|row| row.tenant == key.tenant.as_str()))
    }
}

async fn run(db: Db, mut waiting: mpsc::UnboundedReceiver<(String, Reply)>) {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, TOGETHER).await > 0 {
        let (ids, replies): (Vec<String>, Vec<Reply>) = batch.drain(..).unzip();
        let rows = store::some(&db, &ids).await.map(by_id);
        for (id, reply) in ids.iter().zip(replies) {
            let row = match &rows {
                // Two calls may ask for one key, one after the other.
                Ok(rows) => Ok(rows.get(id).cloned()),
                Err(error) => Err(error.for_another_unit()),
            };
            // A caller that went away needs no answer.
            let _ = reply.send(row);
        }
    }
}

fn by_id(rows: Vec<RecordRow>) -> HashMap<String, RecordRow> {
    rows.into_iter().map(|row| (row.id.clone(), row)).collect()
}
