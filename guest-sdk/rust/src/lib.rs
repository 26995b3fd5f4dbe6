//! What an addon is written with: typed Rust functions become actions and jobs, the kernel's rooms become methods of [`Call`].
//!
//! ```
//! use bulla::prelude::*;
//!
//! #[data]
//! struct Order { id: String, date: Date }
//!
//! #[data]
//! struct Placed { number: String }
//!
//! /// Numbers an order.
//! #[action]
//! fn place(call: &Call, order: Order) -> Result<Placed> {
//!     let object = format!("order/{}", order.id);
//!     let number = call.sequence("orders")?.reserve_on(order.date)?;
//!     number.commit(&object)?;
//!     call.audit("order.placed", &object, &[("number", number.text())])?;
//!     Ok(Placed { number: number.text().to_owned() })
//! }
//!
//! bulla::addon!(place);
//! ```
//!
//! An action's failure keeps nothing: every effect of the call is dropped by the host. So `?` is always safe.
//! Outside WebAssembly there is no host: test your own functions natively, and the calls with `bulla test`.

mod approvals;
mod bindings;
mod bytes;
mod call;
mod date;
#[doc(hidden)]
pub mod entry;
mod error;
mod jobs;
mod keys;
mod secrets;
mod sequences;

pub use approvals::{
    Approval, Approvals, Continuation, Decimal, Fact, Facts, Status, Subject, Verdict, then,
};
pub use bulla_macros::{action, data, job};
pub use bytes::Bytes;
pub use call::{ApprovalInfo, Call, JobInfo, Level};
pub use date::Date;
pub use error::{Error, OrRefuse, Result};
pub use jobs::JobOptions;
pub use keys::{Key, Signature};
pub use secrets::{Request, Response, Secret};
pub use sequences::{Number, Sequence};

pub use {schemars, serde, serde_json};

#[doc(hidden)]
pub use bindings::{actions as __actions, jobs as __jobs};

/// Everything an addon usually needs: `use bulla::prelude::*;`.
pub mod prelude {
    pub use crate::{
        Approval, Bytes, Call, Date, Error, JobOptions, OrRefuse, Request, Result, Subject, action, data,
        facts, job, then,
    };
    pub use crate::{schemars::JsonSchema, serde::Deserialize, serde::Serialize};
}

/// Names the addon's actions, and its jobs if it has any. Once in each addon.
///
/// `addon!(place, cancel)` · `addon!(place, cancel; jobs: deliver)` · `addon!(actions: [place], jobs: [deliver])`
#[macro_export]
macro_rules! addon {
    (actions: [$($action:ty),+ $(,)?] $(, jobs: [$($job:ty),* $(,)?])? $(,)?) => {
        $crate::addon!(@export [$($action),+] [$($($job),*)?]);
    };
    ($($action:ty),+ $(,)?) => {
        $crate::addon!(@export [$($action),+] []);
    };
    ($($action:ty),+ $(,)?; jobs: $($job:ty),+ $(,)?) => {
        $crate::addon!(@export [$($action),+] [$($job),+]);
    };
    (@export [$($action:ty),+] [$($job:ty),*]) => {
        /// What the host calls.
        #[doc(hidden)]
        pub struct BullaAddon;

        impl BullaAddon {
            const ACTIONS: &[$crate::entry::Entry] = &[$(<$action as $crate::entry::Action>::ENTRY),+];
            const JOBS: &[$crate::entry::Entry] = &[$(<$job as $crate::entry::Job>::ENTRY),*];
        }

        impl $crate::__actions::exports::bulla::addon::actions::Guest for BullaAddon {
            fn describe() -> Vec<u8> {
                $crate::entry::describe(Self::ACTIONS, Self::JOBS)
            }

            fn run(
                action: String,
                input: Vec<u8>,
            ) -> ::core::result::Result<Vec<u8>, $crate::__actions::exports::bulla::addon::actions::Failure> {
                $crate::entry::run(Self::ACTIONS, "action", &action, &input)
            }
        }

        #[cfg(target_arch = "wasm32")]
        $crate::__actions::export!(BullaAddon with_types_in $crate::__actions);

        $crate::addon!(@jobs $($job),*);
    };
    (@jobs) => {};
    (@jobs $($job:ty),+) => {
        impl $crate::__jobs::exports::bulla::addon::jobs::Guest for BullaAddon {
            fn run(
                job: String,
                payload: Vec<u8>,
            ) -> ::core::result::Result<Vec<u8>, $crate::__jobs::exports::bulla::addon::jobs::Failure> {
                $crate::entry::run(Self::JOBS, "job", &job, &payload)
            }
        }

        #[cfg(target_arch = "wasm32")]
        $crate::__jobs::export!(BullaAddon with_types_in $crate::__jobs);
    };
}
