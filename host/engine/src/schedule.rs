//! Fuel schedule `v1`: what each instruction and each host function costs. Deterministic: never by time, never by what
//! the database answered. A change of any number here is a new version, and the golden test holds the old one still.

use wasmtime::{OperatorCost, VariableOperatorCost};

/// The schedule in force. Stands in the usage of every call.
pub const SCHEDULE_VERSION: &str = "v1";

/// Instructions. What is not named costs 1; `nop`, `drop`, `block`, `loop`, `else`, `end`, `return` and `unreachable` cost
/// nothing, because they are no work or the work is in their neighbour.
pub const INSTRUCTIONS: OperatorCost = OperatorCost {
    Call: 2,
    CallIndirect: 4,
    ReturnCall: 2,
    ReturnCallIndirect: 4,
    I32DivS: 4,
    I32DivU: 4,
    I32RemS: 4,
    I32RemU: 4,
    I64DivS: 6,
    I64DivU: 6,
    I64RemS: 6,
    I64RemU: 6,
    F32Div: 4,
    F64Div: 4,
    F32Sqrt: 6,
    F64Sqrt: 6,
    MemoryGrow: 100,
    TableGrow: 100,
    variable: SIZED_WORK,
    ..OperatorCost::new()
};

/// Instructions whose work grows with an operand: charged on top of the instruction itself.
const SIZED_WORK: VariableOperatorCost = VariableOperatorCost {
    // A page is 64 KiB that the host must zero.
    memory_grow_per_page: 250,
    memory_copy_per_byte: 1,
    memory_fill_per_byte: 1,
    memory_init_per_byte: 1,
    table_copy_per_element: 1,
    table_fill_per_element: 1,
    table_init_per_element: 1,
    table_grow_per_element: 1,
    ..VariableOperatorCost::new()
};

/// What a host function costs: `flat`, and `per_byte` for each byte it carries in: of texts and of byte lists, and for other lists
/// what their elements take in the guest's memory (Canonical ABI), so that an element is not free for being empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostPrice {
    /// `interface.function`, or `interface.resource.method`, as the WIT names them.
    pub name: &'static str,
    /// Fuel per call.
    pub flat: u64,
    /// Fuel per byte of the arguments.
    pub per_byte: u64,
}

impl HostPrice {
    /// The fuel for one call with `bytes` of arguments.
    pub const fn of(&self, bytes: u64) -> u64 {
        self.flat.saturating_add(self.per_byte.saturating_mul(bytes))
    }
}

macro_rules! prices {
    ($($constant:ident = $name:literal, $flat:literal, $per_byte:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`: ", stringify!($flat), " fuel, and ", stringify!($per_byte), " a byte.")]
            pub const $constant: HostPrice = HostPrice { name: $name, flat: $flat, per_byte: $per_byte };
        )*
        /// Every price, one for each function of `bulla:kernel`, and one for all of WASI.
        pub const ALL: &[HostPrice] = &[$($constant),*];
    };
}

/// The prices of the host functions.
pub mod host {
    use super::HostPrice;

    prices! {
        CONTEXT_CURRENT = "context.current", 500, 0;
        LOG_WRITE = "log.write", 1_000, 1;
        SEQUENCES_OPEN = "sequences.sequence.open", 5_000, 1;
        SEQUENCES_RESERVE = "sequences.sequence.reserve", 20_000, 1;
        SEQUENCES_PREVIEW = "sequences.sequence.preview", 10_000, 1;
        SEQUENCES_COMMIT = "sequences.sequence.commit", 10_000, 1;
        SEQUENCES_CANCEL = "sequences.sequence.cancel", 10_000, 1;
        APPROVALS_EVALUATE = "approvals.evaluate", 20_000, 2;
        APPROVALS_REQUEST = "approvals.request", 30_000, 2;
        APPROVALS_STATE = "approvals.state", 10_000, 1;
        SECRETS_OPEN = "secrets.secret.open", 5_000, 1;
        SECRETS_SEND = "secrets.secret.send", 100_000, 2;
        KEYS_OPEN = "keys.signing-key.open", 5_000, 1;
        KEYS_SIGN = "keys.signing-key.sign", 50_000, 4;
        KEYS_VERIFY = "keys.signing-key.verify", 80_000, 4;
        KEYS_PUBLIC_KEY = "keys.signing-key.public-key", 5_000, 0;
        AUDIT_APPEND = "audit.append", 10_000, 2;
        JOBS_ENQUEUE = "jobs.enqueue", 15_000, 1;
        // Any WASI function. Its arguments are not seen here, so it has no price by byte.
        WASI = "wasi", 2_000, 0;
    }
}
