//! `bulla doctor --scan` as a judge.

use bulla_suite::{Data, Server};
use serde_json::Value;

/// The server has stopped, however it did, and nothing is wrong with what it left.
#[track_caller]
pub fn is_clean(data: &Data) -> Value {
    let report = report(data);
    assert_eq!(report["finding-count"], 0, "{report:#}");
    report
}

/// What the scan says.
#[track_caller]
pub fn report(data: &Data) -> Value {
    let finished = data.cli(["doctor", "--scan", "--json"]).run();
    assert!(finished.code.is_some_and(|code| code == 0 || !finished.stdout.is_empty()), "{finished:?}");
    finished.json()
}

/// Stops the server in good order and scans.
#[track_caller]
pub fn after_stop(server: &mut Server) -> Value {
    let status = server.stop();
    assert!(status.success(), "{status}");
    is_clean(server.data())
}
