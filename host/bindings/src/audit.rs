//! `bulla:kernel/audit`

use bulla_engine::{CallState, schedule::host};

use crate::convert::{Answer, PAIR, elements, told};
use crate::state::HostState;
use crate::world::bulla::kernel::audit::Host;

impl Host for HostState {
    fn append(&mut self, event: String, object: String, detail: Vec<(String, String)>) -> Answer<()> {
        let pairs: usize = detail.iter().map(|(name, value)| name.len() + value.len()).sum();
        let bytes = event.len() + object.len() + pairs + elements(&detail, PAIR);
        self.meter().charge(&host::AUDIT_APPEND, bytes)?;
        Ok(told(bulla_kernel::audit::append(&mut self.call, &event, &object, &detail)))
    }
}
