//! One target behind libFuzzer: `cargo xtask fuzz` builds it, with coverage, and says which target in `BULLA_FUZZ_TARGET`.
#![no_main]

use std::sync::LazyLock;

use bulla_fuzz::Target;

static TARGET: LazyLock<Target> =
    LazyLock::new(|| bulla_fuzz::target(&std::env::var("BULLA_FUZZ_TARGET").unwrap_or_default()));

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
