//! Each target over its corpus, and over mutations of it. `BULLA_TEST_FUZZ_SECONDS` gives each more time than its four seconds;
//! `cargo xtask fuzz` finds more than time does.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::Duration;

use bulla_base::{Clock, SystemClock};
use bulla_fuzz::mutation::Mutations;
use bulla_fuzz::{TARGETS, Target, corpus, panics, target};

const SECONDS: &str = "BULLA_TEST_FUZZ_SECONDS";

macro_rules! targets {
    ($($test:ident = $name:literal;)*) => {
        $(
            #[test]
            fn $test() {
                keeps_its_laws(target($name));
            }
        )*

        #[test]
        fn every_target_has_its_test() {
            let tested = [$($name),*];
            let all: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(tested.as_slice(), all);
        }
    };
}

targets! {
    manifest = "manifest";
    package = "package";
    wit_values = "wit-values";
    invoice = "invoice";
    http = "http";
    quotas = "quotas";
    destination = "destination";
    contract = "contract";
    bundle = "bundle";
}

#[test]
fn the_corpus_stays_small() {
    let size: usize =
        TARGETS.iter().flat_map(|target| corpus::read(target.name)).map(|(_, bytes)| bytes.len()).sum();
    assert!(size <= 300 << 10, "{size} bytes");
}

fn keeps_its_laws(target: Target) {
    panics::watch();
    let inputs = corpus::read(target.name);
    assert!(!inputs.is_empty(), "`{}` has no corpus", target.name);
    for (name, bytes) in &inputs {
        tried(target, bytes, name);
    }
    let seconds = std::env::var(SECONDS).map_or(4, |text| text.parse().unwrap());
    let corpus: Vec<_> = inputs.into_iter().map(|(_, bytes)| bytes).collect();
    let clock = SystemClock::new();
    // Another seed each time: what one run misses the next may find. The seed stands in what a failure leaves.
    let mut mutations = Mutations::new(clock.now_ms().unsigned_abs(), &corpus, target.words);
    let mut count = 0;
    while clock.monotonic() < Duration::from_secs(seconds) {
        tried(target, &mutations.draw(), "a mutation");
        count += 1;
    }
    eprintln!("{}: {} inputs of the corpus, {count} mutations", target.name, corpus.len());
    assert!(count > 0);
}

/// An input that breaks a law is kept, so that it can join the corpus.
fn tried(target: Target, bytes: &[u8], name: &str) {
    let Err(broken) = catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))) else { return };
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{}", target.name, std::process::id()));
    std::fs::write(&kept, bytes).unwrap();
    eprintln!("`{}` breaks a law with {name}, kept as `{}`", target.name, kept.display());
    resume_unwind(broken);
}
