//! `bulla:kernel/jobs`

use bulla_engine::{CallState, race_deadline, schedule::host};
use bulla_kernel::jobs::Enqueue;

use crate::convert::{Answer, ok_or_tell, told};
use crate::state::HostState;
use crate::world::bulla::kernel::jobs::{Host, Options};

impl Host for HostState {
    async fn enqueue(&mut self, name: String, payload: Vec<u8>, options: Option<Options>) -> Answer<String> {
        let unique = options.as_ref().and_then(|options| options.unique_key.as_ref()).map_or(0, String::len);
        self.meter().charge(&host::JOBS_ENQUEUE, name.len() + payload.len() + unique)?;
        let options = options.map_or_else(Enqueue::default, |options| Enqueue {
            delay_ms: options.delay_ms,
            unique_key: options.unique_key,
        });
        let (rooms, left) = (self.rooms.clone(), self.meter().remaining());
        let id = race_deadline(left, rooms.jobs.enqueue(&mut self.call, &name, payload, options)).await?;
        let id = ok_or_tell!(told(id));
        self.meter().give(id.as_str().len())?;
        Ok(Ok(id.to_string()))
    }
}
