//! `bulla:kernel/sequences`

use bulla_base::Alias;
use bulla_engine::{CallState, race_deadline, schedule::host};
use wasmtime::component::Resource;

use crate::convert::{Answer, drawn, name, ok_or_tell, told};
use crate::state::HostState;
use crate::world::bulla::kernel::sequences::{Host, HostSequence, Reservation};

/// An open sequence. The grant is checked again by each verb.
pub struct SequenceHandle {
    key: Alias,
}

impl Host for HostState {}

impl HostState {
    fn sequence(&self, handle: &Resource<SequenceHandle>) -> wasmtime::Result<Alias> {
        Ok(self.handles.get(handle)?.key.clone())
    }
}

impl HostSequence for HostState {
    fn open(&mut self, key: String) -> Answer<Resource<SequenceHandle>> {
        self.meter().charge(&host::SEQUENCES_OPEN, key.len())?;
        let key: Alias = ok_or_tell!(name(&key));
        ok_or_tell!(told(self.rooms.sequences.open_for(&mut self.call, &key)));
        Ok(Ok(self.handles.push(SequenceHandle { key })?))
    }

    async fn reserve(
        &mut self,
        handle: Resource<SequenceHandle>,
        date: String,
        expires_in_s: Option<u32>,
    ) -> Answer<Reservation> {
        self.meter().charge(&host::SEQUENCES_RESERVE, date.len())?;
        let key = self.sequence(&handle)?;
        let (rooms, left) = (self.rooms.clone(), self.meter().remaining());
        let drawn = ok_or_tell!(told(
            race_deadline(left, rooms.sequences.reserve(&mut self.call, &key, &date, expires_in_s)).await?
        ));
        self.meter().give(drawn.text.len() + drawn.period.len() + drawn.id.as_str().len())?;
        Ok(Ok(Reservation {
            id: drawn.id.to_string(),
            text: drawn.text,
            value: u64::try_from(drawn.value).unwrap_or(0),
            period: drawn.period,
        }))
    }

    async fn preview(&mut self, handle: Resource<SequenceHandle>, date: String) -> Answer<String> {
        self.meter().charge(&host::SEQUENCES_PREVIEW, date.len())?;
        let key = self.sequence(&handle)?;
        let (rooms, left) = (self.rooms.clone(), self.meter().remaining());
        let text = ok_or_tell!(told(
            race_deadline(left, rooms.sequences.preview(&mut self.call, &key, &date)).await?
        ));
        self.meter().give(text.len())?;
        Ok(Ok(text))
    }

    async fn commit(
        &mut self,
        handle: Resource<SequenceHandle>,
        reservation: String,
        object: String,
    ) -> Answer<()> {
        self.meter().charge(&host::SEQUENCES_COMMIT, reservation.len() + object.len())?;
        let key = self.sequence(&handle)?;
        let object = ok_or_tell!(name(&object));
        let id = ok_or_tell!(drawn(&reservation));
        let (rooms, left) = (self.rooms.clone(), self.meter().remaining());
        Ok(told(race_deadline(left, rooms.sequences.commit(&mut self.call, &key, &id, &object)).await?))
    }

    async fn cancel(
        &mut self,
        handle: Resource<SequenceHandle>,
        reservation: String,
        reason: String,
    ) -> Answer<()> {
        self.meter().charge(&host::SEQUENCES_CANCEL, reservation.len() + reason.len())?;
        let key = self.sequence(&handle)?;
        let id = ok_or_tell!(drawn(&reservation));
        let (rooms, left) = (self.rooms.clone(), self.meter().remaining());
        Ok(told(race_deadline(left, rooms.sequences.cancel(&mut self.call, &key, &id, &reason)).await?))
    }

    fn drop(&mut self, handle: Resource<SequenceHandle>) -> wasmtime::Result<()> {
        self.handles.delete(handle)?;
        Ok(())
    }
}
