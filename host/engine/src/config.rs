//! How the engine is set up, and how that becomes a `wasmtime::Config`.

use std::num::NonZeroUsize;
use std::time::Duration;

use bulla_base::Bytes;
use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, WasmBacktraceDetails,
};

use crate::inspect::StaticLimits;
use crate::schedule;
use crate::worker::Worker;

/// The engine's own settings. What a single call may use is `bulla_base::Limits`, not here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineConfig {
    /// Components that may live at the same time, over all tenants. A call beyond them is `busy`. The pool has as many core
    /// instances, memories and tables as all of them together may hold, so that nothing else runs out. A memory reserves
    /// about 4 GiB of address space (not of memory): some 5,000 components fit, beyond that there is no pool.
    pub instances: u32,
    /// The largest linear memory a slot of the pool can hold. Caps the limit `memory` of every call.
    pub memory_slot: Bytes,
    /// The largest table a slot of the pool can hold, in elements. Caps the limit `table-elements` of every call.
    pub table_slot: u32,
    /// Slots of finished calls that keep their copy-on-write mapping for the next call of the same addon.
    pub warm_slots: u32,
    /// How much of a memory slot is cleared in place after a call, instead of being given back to the system. The whole memory of
    /// a small addon: then a call needs no new pages.
    pub keep_resident: Bytes,
    /// The stack a guest may use. Beyond it the call ends with `limit(stack)`. Host functions have four times as much again.
    pub stack: Bytes,
    /// The time between two ticks of the epoch: how long a guest runs before it yields, and how late a deadline is seen.
    pub tick: Duration,
    /// How long past its deadline a call that waits in a host function without a race of its own is let be.
    pub grace: Duration,
    /// Threads that compile, over all compilations together.
    pub compile_threads: usize,
    /// Components compiled or loaded from the cache at the same time; others wait.
    pub compile_at_once: usize,
    /// The longest a caller waits for one compilation, queueing included.
    pub compile_deadline: Duration,
    /// The process that compiles; it is ended at the deadline. `None`: this one, where nothing ends what takes too long.
    pub worker: Option<Worker>,
    /// What a component may hold at all; checked before it is compiled.
    pub component: StaticLimits,
    /// False: allocate each instance on demand, without the pool.
    pub pooling: bool,
    /// Read a component's own debug information at a trap, for file and line of each frame. No limit bounds what that takes (12 MB
    /// made for it: half a minute): for components of one's own.
    pub debug_info: bool,
}

impl Default for EngineConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            instances: 256,
            memory_slot: Bytes(512 << 20),
            table_slot: 100_000,
            warm_slots: 100,
            keep_resident: Bytes(256 << 10),
            stack: Bytes(512 << 10),
            tick: Duration::from_millis(1),
            grace: Duration::from_millis(100),
            compile_threads: (cores / 2).max(1),
            compile_at_once: 2,
            compile_deadline: Duration::from_secs(120),
            worker: None,
            component: StaticLimits::default(),
            pooling: true,
            debug_info: false,
        }
    }
}

/// Slots of finished calls whose pages are given back to the system at once; none is used again before.
const GIVEN_BACK_TOGETHER: usize = 8;

/// Where instances come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allocation {
    /// From the pool, with copy-on-write memory.
    Pooled,
    /// Each on its own: right in every respect, but some 50 µs slower a call.
    OnDemand,
}

impl EngineConfig {
    /// The same for whoever measures bare wasmtime beside this host.
    pub fn wasmtime(&self, allocation: Allocation) -> Config {
        let mut config = Config::new();
        self.semantics(&mut config);
        self.interruption(&mut config);
        self.compilation(&mut config);
        config.memory_init_cow(true);
        if allocation == Allocation::Pooled {
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(self.pool()));
        }
        config
    }

    /// What a guest may be and how it must behave: the same everywhere, bit for bit.
    fn semantics(&self, config: &mut Config) {
        config
            .wasm_component_model(true)
            .concurrency_support(false)
            .cranelift_nan_canonicalization(true)
            .relaxed_simd_deterministic(true)
            .wasm_memory64(false)
            .wasm_custom_page_sizes(false);
        // Threads and garbage collection are not compiled into this build of wasmtime at all.
    }

    fn interruption(&self, config: &mut Config) {
        let stack = usize::try_from(self.stack.0).unwrap_or(usize::MAX);
        config
            .consume_fuel(true)
            .operator_cost(schedule::INSTRUCTIONS)
            .epoch_interruption(true)
            .max_wasm_stack(stack)
            .async_stack_size(stack.saturating_mul(5))
            .async_stack_zeroing(true);
    }

    fn compilation(&self, config: &mut Config) {
        let details = match self.debug_info {
            true => WasmBacktraceDetails::Enable,
            false => WasmBacktraceDetails::Disable,
        };
        config
            .cranelift_opt_level(OptLevel::Speed)
            .parallel_compilation(true)
            .generate_address_map(self.debug_info)
            .wasm_backtrace_max_frames(NonZeroUsize::new(64))
            .wasm_backtrace_details(details);
    }

    /// The pool of [`Allocation::Pooled`].
    pub fn pool(&self) -> PoolingAllocationConfig {
        let keep = usize::try_from(self.keep_resident.0).unwrap_or(usize::MAX);
        let StaticLimits { core_instances, memories, tables, .. } = self.component;
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(self.instances)
            .total_core_instances(self.instances.saturating_mul(core_instances))
            .total_memories(self.instances.saturating_mul(memories))
            .total_tables(self.instances.saturating_mul(tables))
            .total_stacks(self.instances)
            .max_core_instances_per_component(core_instances)
            .max_memories_per_component(memories)
            .max_tables_per_component(tables)
            .max_memory_size(usize::try_from(self.memory_slot.0).unwrap_or(usize::MAX))
            .table_elements(self.table_slot as usize)
            .max_unused_warm_slots(self.warm_slots)
            .linear_memory_keep_resident(keep)
            .table_keep_resident(4 << 10)
            .async_stack_keep_resident(16 << 10)
            // Each giving back interrupts every core that runs a guest.
            .decommit_batch_size(GIVEN_BACK_TOGETHER)
            // Twice as fast for large memories, but a dirty page that was swapped out would keep the last guest's bytes (wasmtime
            // pull request 14357).
            .pagemap_scan(Enabled::No);
        pool
    }
}
