//! How much a component unfolds to, which a small file does not show.
//!
//! wasmtime writes every instantiation out while it compiles, with a copy of each instance that is given to it, and bounds none of
//! this: a component that exports the instance it imports twice, instantiated thirty times in a row, is 500 bytes in the file and
//! a thousand million items in memory. So the same is done here first, with numbers, and ends where a limit is reached.

use std::collections::HashMap;

use crate::inspect::{InspectError, StaticLimits, within};
use crate::outline::{Component, Plain, Step};

/// Instantiates a component in numbers.
pub(crate) fn unfold(outermost: &Component<'_>, limits: &StaticLimits) -> Result<(), InspectError> {
    let mut unfolded =
        Unfolded { limits, core_instances: 0, instances: 0, canonicals: 0, signatures: 0, items: 0 };
    unfolded.component(outermost, &HashMap::new()).map(drop)
}

/// What has been instantiated so far.
struct Unfolded<'l> {
    limits: &'l StaticLimits,
    core_instances: u64,
    instances: u64,
    canonicals: u64,
    signatures: u64,
    items: u64,
}

impl Unfolded<'_> {
    /// With the sizes of the instances it is given. The size of an instance is the number of its items, those of the instances in it
    /// included. It goes no deeper than components stand in each other, and no step is free: so it ends soon.
    fn component(
        &mut self,
        component: &Component<'_>,
        given: &HashMap<&str, u64>,
    ) -> Result<u64, InspectError> {
        let mut sizes = Vec::new();
        let mut exported = 1;
        for step in &component.steps {
            let size = match step {
                Step::Plain(plain) => {
                    self.plain(plain)?;
                    exported += plain.exports;
                    continue;
                }
                Step::Import(name, declared) => given.get(name).copied().unwrap_or(*declared),
                // An instance out of another is at most as large as that.
                Step::Export(instance) | Step::Alias(instance) => size_of(*instance, &sizes)?,
                Step::Bundle(instances, others) => {
                    self.instance()?;
                    let all = instances.iter().map(|instance| size_of(*instance, &sizes));
                    all.sum::<Result<u64, _>>()? + others + 1
                }
                Step::Instantiate(index, args, others) => {
                    self.instance()?;
                    self.items(*others)?;
                    let given = self.given(args, &sizes)?;
                    self.component(inner(component, *index)?, &given)?
                }
            };
            self.items(size)?;
            if matches!(step, Step::Export(_)) {
                exported += size;
            }
            sizes.push(size);
        }
        Ok(exported)
    }

    fn given<'a>(
        &mut self,
        args: &[(&'a str, u32)],
        sizes: &[u64],
    ) -> Result<HashMap<&'a str, u64>, InspectError> {
        let mut given = HashMap::new();
        for (name, instance) in args {
            let size = size_of(*instance, sizes)?;
            self.items(size)?;
            given.insert(*name, size);
        }
        Ok(given)
    }

    fn plain(&mut self, more: &Plain) -> Result<(), InspectError> {
        self.core_instances += more.core_instances;
        self.canonicals += more.canonicals;
        self.signatures += more.signatures;
        within("core-instances", self.core_instances, self.limits.core_instances.into())?;
        within("canonicals", self.canonicals, self.limits.canonicals.into())?;
        within("signatures", self.signatures, self.limits.signatures.into())?;
        self.items(more.items)
    }

    fn instance(&mut self) -> Result<(), InspectError> {
        self.instances += 1;
        within("instances", self.instances, self.limits.instances.into())
    }

    fn items(&mut self, items: u64) -> Result<(), InspectError> {
        self.items += items;
        within("items", self.items, self.limits.items.into())
    }
}

fn size_of(instance: u32, sizes: &[u64]) -> Result<u64, InspectError> {
    sizes.get(instance as usize).copied().ok_or_else(|| unknown("instance", instance))
}

fn inner<'c, 'a>(component: &'c Component<'a>, index: u32) -> Result<&'c Component<'a>, InspectError> {
    component.components.get(index as usize).ok_or_else(|| unknown("component", index))
}

fn unknown(what: &str, index: u32) -> InspectError {
    InspectError::Malformed(format!("it uses {what} {index}, which is none"))
}
