//! What a call does with sequences. Every verb asks for the grant first, and stages into the call's overlay.

use bulla_base::{Alias, ObjectRef, ReservationId};
use serde_json::json;

use super::error::SequenceError;
use super::model::{Number, NumberState, Reservation, check_reason};
use super::overlay::{Overlay, Source, Staged};
use super::service::Sequences;
use super::store;
use crate::call::Call;
use crate::grants::Capability;

/// An uncommitted reservation lives this long unless the guest says otherwise.
const DEFAULT_EXPIRY_S: u32 = 86_400;
const MAX_EXPIRY_S: u32 = 2_592_000;

impl Sequences {
    /// The right to draw: checked here and again by each verb.
    pub fn open_for(&self, call: &mut Call, key: &Alias) -> Result<(), SequenceError> {
        call.require(Capability::Sequence(key))?;
        self.fresh()?;
        self.sequence(&call.tenant, key).map(drop)
    }

    pub async fn reserve(
        &self,
        call: &mut Call,
        key: &Alias,
        date: &str,
        expires_in_s: Option<u32>,
    ) -> Result<Reservation, SequenceError> {
        call.require(Capability::Sequence(key))?;
        self.fresh()?;
        let defined = self.sequence(&call.tenant, key)?;
        let sequence = &defined.sequence;
        let date = sequence.date(date)?;
        let seconds = expires_in_s.unwrap_or(DEFAULT_EXPIRY_S);
        if !(1..=MAX_EXPIRY_S).contains(&seconds) {
            return Err(SequenceError::Expiry { seconds });
        }
        if call.sequences.drawn() >= call.limits.reservations {
            return Err(call.limit_hit("reservations").into());
        }
        let series = sequence.series(date);
        let now_ms = call.origin.at_ms;
        call.sequences.draws();
        let hold = self.allocator.take(&series, &call.id, now_ms).await?;
        let number = Number {
            reservation: ReservationId::draw(self.core.rng.as_ref()),
            key: key.clone(),
            period: series.period.clone(),
            value: hold.value,
            text: sequence.text(hold.value, date),
            state: NumberState::Reserved,
            object: None,
            reason: None,
            reserved_ms: now_ms,
            expires_ms: now_ms + i64::from(seconds) * 1_000,
        };
        let reservation = Reservation {
            id: number.reservation.clone(),
            text: number.text.clone(),
            value: number.value,
            period: number.period.clone(),
        };
        call.record(
            "sequence.reserved",
            &number.text,
            json!({"sequence": key.as_str(), "reservation": reservation.id}),
        );
        call.sequences.insert(Staged {
            series,
            number,
            source: Source::Fresh(hold),
            bound: false,
            changed: false,
        });
        Ok(reservation)
    }

    /// What `reserve` would say now. Allocates nothing.
    pub async fn preview(&self, call: &mut Call, key: &Alias, date: &str) -> Result<String, SequenceError> {
        call.require(Capability::Sequence(key))?;
        self.preview_for(&call.tenant, key, date).await
    }

    pub async fn commit(
        &self,
        call: &mut Call,
        key: &Alias,
        id: &ReservationId,
        object: &ObjectRef,
    ) -> Result<(), SequenceError> {
        call.require(Capability::Sequence(key))?;
        self.bring_in(call, key, id).await?;
        let now_ms = call.origin.at_ms;
        let bound = || SequenceError::Bound { object: object.to_string() };
        if call.sequences.binds_another(key, id, object) {
            return Err(bound());
        }
        if call.looks_first() {
            let there = store::bound(&self.core.db, &call.tenant, key, object).await?;
            let own = &staged(&mut call.sequences, key, id)?.number.text;
            if there.is_some_and(|number| number != *own) {
                return Err(bound());
            }
        }
        let staged = staged(&mut call.sequences, key, id)?;
        if staged.number.commit(object, now_ms)? {
            staged.bound = true;
            staged.changed = true;
            let text = staged.number.text.clone();
            call.record("sequence.committed", &text, json!({"sequence": key.as_str(), "bound-to": object}));
        }
        Ok(())
    }

    pub async fn cancel(
        &self,
        call: &mut Call,
        key: &Alias,
        id: &ReservationId,
        reason: &str,
    ) -> Result<(), SequenceError> {
        call.require(Capability::Sequence(key))?;
        check_reason(reason)?;
        self.bring_in(call, key, id).await?;
        let mut number = staged(&mut call.sequences, key, id)?.number.clone();
        if !number.cancel(reason)? {
            return Ok(());
        }
        let text = number.text.clone();
        // A number that nobody has seen is free again; one that an earlier call handed out is recorded as void.
        let event = match call.sequences.fresh_hold(id) {
            Some((series, hold)) => {
                // It leaves the call once it is back: a deadline in between leaves it to the end of the call.
                self.allocator.give_back(&series, hold).await?;
                call.sequences.withdraw(id);
                "sequence.returned"
            }
            None => {
                let staged = staged(&mut call.sequences, key, id)?;
                (staged.number, staged.changed) = (number, true);
                "sequence.voided"
            }
        };
        call.record(event, &text, json!({"sequence": key.as_str(), "reason": reason}));
        Ok(())
    }

    /// Makes sure that the overlay has the number: a call may go on with what an earlier one reserved.
    async fn bring_in(&self, call: &mut Call, key: &Alias, id: &ReservationId) -> Result<(), SequenceError> {
        if call.sequences.get_mut(id).is_some() {
            return Ok(());
        }
        let (number, version) = self.stored(&call.tenant, key, id).await?;
        let series = self.series_of(&call.tenant, &number)?;
        call.sequences.insert(Staged {
            series,
            number,
            source: Source::Stored { version },
            bound: false,
            changed: false,
        });
        Ok(())
    }
}

fn staged<'a>(
    overlay: &'a mut Overlay,
    key: &Alias,
    id: &ReservationId,
) -> Result<&'a mut Staged, SequenceError> {
    overlay
        .get_mut(id)
        .filter(|staged| staged.series.key == *key)
        .ok_or_else(|| SequenceError::UnknownReservation { id: id.to_string() })
}
