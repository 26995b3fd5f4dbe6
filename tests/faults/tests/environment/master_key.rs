//! The master key is gone, or is another one.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use bulla_faults::scan;
use bulla_suite::server::snapshot;
use bulla_suite::trespasser::{outgoing, tenant};
use bulla_suite::{Bench, Receiver};

use crate::{does_not_start, unchanged};

#[test]
fn without_its_master_key_nothing_starts_and_no_new_key_is_made() {
    let receiver = Receiver::willing();
    let mut bench = Bench::start();
    let mut acme = tenant(&bench, "acme", &receiver.origin());
    bench.server.stop();
    let data = bench.server.data();
    let (file, before) = (data.master_key(), snapshot(&data.path()));
    let kept = file.with_extension("kept");
    fs::rename(&file, &kept).unwrap();

    does_not_start(&bench.server, 1, "master-key-missing");
    // Also where somebody starts over: the operator's token is gone as well.
    let token = data.path().join("operator.token");
    let text = fs::read(&token).unwrap();
    fs::remove_file(&token).unwrap();
    let init = data.cli(["init"]).run().ends_with(1);
    assert!(init.stderr.contains("master-key-missing"), "{}", init.stderr);
    assert!(!file.exists(), "a new master key was made beside sealed values");
    fs::write(&token, text).unwrap();

    fs::write(&file, "0f".repeat(32)).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let wrong = does_not_start(&bench.server, 1, "master-key-wrong");
    assert!(!wrong.contains(&"0f".repeat(32)));
    fs::write(&file, "not a key").unwrap();
    does_not_start(&bench.server, 4, "config-invalid");
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o644)).unwrap();
    fs::rename(&kept, &file).unwrap();
    does_not_start(&bench.server, 4, "config-invalid");
    unchanged(&before, &snapshot(&data.path()));

    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    bench.server.start_again();
    bench.follow(&mut [&mut acme]);
    assert_eq!(acme.call("trespasser/send", &outgoing(&receiver.url("/"))).data()["status"], 200);
    scan::after_stop(&mut bench.server);
}
