//! Makes WebAssembly components of guest crates: finds the toolchain, runs cargo, encodes the component, writes new projects.
//!
//! ```no_run
//! use bulla_guest_build::{Options, Target, Toolchain, build};
//!
//! let toolchain = Toolchain::find_or_install(Target::Unknown, &|_| {})?;
//! let built = build(&toolchain, "plugins/einvoice".as_ref(), &Options::default())?;
//! println!("{} bytes", built.component.len());
//! # Ok::<(), bulla_guest_build::BuildError>(())
//! ```
//!
//! Two toolchains serve, in this order:
//! - rustup with the target installed;
//! - Debian's `rustc-web` and `rust-web-src`. Their standard library is compiled once per machine into a sysroot in the cache
//!   directory (`BULLA_GUEST_CACHE`, else `$XDG_CACHE_HOME/bulla`, else `~/.cache/bulla`), about a minute on two cores.
#![forbid(unsafe_code)]

mod build;
mod cargo;
mod component;
mod error;
mod install;
mod lock;
mod sysroot;
mod template;
mod toolchain;

pub use build::{Built, Options, build, build_all, build_wasip2};
pub use component::{encode, imports_and_exports};
pub use error::{BuildError, TemplateError, ToolchainError};
pub use template::write_project;
pub use toolchain::{Target, Toolchain};

/// What a long step tells while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// A step begins.
    Step(&'a str),
    /// A line that cargo or an installer wrote.
    Output(&'a str),
}

/// Takes [`Progress`]. Called from the thread that builds.
pub type OnProgress<'a> = dyn Fn(Progress<'_>) + 'a;
