//! The server that fails where it is told to: `bulla` built with the feature `failpoints`.

use std::path::PathBuf;

use bulla_suite::cli::target_dir;
use bulla_suite::{Server, until};

/// Where `cargo xtask test` says this build is.
const VARIABLE: &str = "BULLA_TEST_FAULTY";

/// The faulty build. Panics with what to run where there is none.
pub fn binary() -> PathBuf {
    let candidates = [std::env::var_os(VARIABLE).map(PathBuf::from), Some(target_dir().join("faults/bulla"))];
    let found = candidates.into_iter().flatten().find(|path| path.is_file());
    let found = found.unwrap_or_else(|| {
        panic!(
            "there is no `bulla` with failpoints: run `cargo xtask test`, or `cargo build -p bulla-cli --features failpoints` \
             and name a copy of it in {VARIABLE}"
        )
    });
    std::path::absolute(found).unwrap()
}

/// Tells the server what to do at a step from now on, in the words of the crate `fail`: `1*return`, `1*panic`,
/// `1*return(kill)`, `off`.
pub fn set(server: &mut Server, step: &str, actions: &str) {
    let said = format!("failpoint set: {step}={actions}");
    let heard = |server: &Server| server.log().matches(&said).count();
    let before = heard(server);
    server.tell(&format!("{step}={actions}"));
    // It may reach the step and die before it says that it heard.
    until(&said, || (heard(server) > before || server.ended().is_some()).then_some(()));
}

/// How often the step has done something, over all servers of this data directory.
pub fn fired(server: &Server, step: &str) -> usize {
    let log = server.log();
    log.matches(&format!("\"step\":\"{step}\"")).count()
        + log.matches(&format!("failpoint {step} panic")).count()
}
