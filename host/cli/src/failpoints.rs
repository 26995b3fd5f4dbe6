//! Where a server that was built with the feature `failpoints` fails: a test says so in the variable `FAILPOINTS` at the start,
//! and line by line on stdin later. Names are those of `bulla_store::Step`, actions those of the crate `fail`.

use std::io::BufRead as _;

use fail::FailScenario;

/// Reads `FAILPOINTS` (`name=actions;…`) now, and lines `name=actions` from stdin until it ends; stderr says what was set.
/// The settings end with what is returned.
pub fn listen() -> FailScenario<'static> {
    let scenario = FailScenario::setup();
    std::thread::spawn(|| {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let (name, actions) = line.split_once('=').unwrap_or((&line, "off"));
            match fail::cfg(name, actions) {
                Ok(()) => eprintln!("failpoint set: {line}"),
                Err(error) => eprintln!("failpoint refused: {line}: {error}"),
            }
        }
    });
    scenario
}
