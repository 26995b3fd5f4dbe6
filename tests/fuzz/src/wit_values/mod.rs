//! Values at the guest's boundary: every function of the kernel, with whatever arguments a guest can make up.
//!
//! A component whose `run` is an interpreter calls the functions that its input lists, with the core values and the memory that
//! stand in it. So no compiler stands between the input and the host: lengths lie, texts are not UTF-8, cases do not exist. In
//! most inputs the values are well-formed, so that they come past the conversion and into the rooms.

mod interpreter;
mod program;
mod world;

use std::sync::LazyLock;

use arbitrary::Unstructured;
use bulla_bindings::HostState;
use bulla_engine::{Loaded, Outcome};

use crate::rooms::{POOLED, limits};
use program::Program;
use world::World;

pub(crate) use interpreter::component;
pub(crate) use world::World as Kernel;

static WORLD: LazyLock<World> = LazyLock::new(World::read);
static LOADED: LazyLock<Loaded<HostState>> = LazyLock::new(|| {
    let addon = POOLED.verified(&component(&WORLD)).unwrap();
    POOLED.load(&addon).unwrap()
});

pub fn run(data: &[u8]) {
    let Ok(program) = Program::arbitrary(&mut Unstructured::new(data), &WORLD) else { return };
    let (input, limits) = (program.input(), limits());
    let first = POOLED.call(&LOADED, &input, &limits, false);
    let again = POOLED.call(&LOADED, &input, &limits, false);
    first.is_like(&again, "the same call twice");
    if let (Outcome::Ok(_), Some(carried)) = (&first.outcome, program.carried()) {
        assert_eq!(
            first.usage.host_bytes_in.0, carried,
            "what was carried into the host, and what was charged"
        );
    }
    if data.len().is_multiple_of(8) {
        POOLED.call(&LOADED, &input, &limits, true);
    }
}
