//! (being written)

/// What a call has staged in this room.
#[derive(Default)]
pub struct Overlay {}

impl Overlay {
    pub(crate) fn stage(&mut self, _unit: &mut bulla_store::Unit) {}
}
