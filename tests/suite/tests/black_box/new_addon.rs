//! From nothing to a called addon: `new`, `build`, `test`, `sign`, `install`, `call`, without editing a file.

use std::path::Path;

use bulla_suite::patience::timed;
use bulla_suite::{Bench, Cli, Finished};

fn step(dir: &Path, args: &[&str]) -> Finished {
    // The guests share their compiled dependencies.
    let target = bulla_suite::cli::repository().join("plugins/target");
    Cli::new(args.iter().copied()).dir(dir).env("CARGO_TARGET_DIR", target).run().succeeds()
}

#[test]
fn a_new_addon_is_built_tested_signed_installed_and_called() {
    let bench = Bench::start();
    let acme = bench.tenant("acme");
    acme.sequence("orders", "ORD-{YYYY}-{00000}", "gapless");
    let dir = tempfile::tempdir().unwrap();
    let project = dir.path().join("hello");
    let ((), took) = timed(|| {
        step(dir.path(), &["new", "hello"]);
        step(&project, &["build"]);
        let tested = step(&project, &["test"]);
        assert!(tested.stderr.contains("0 failed"), "{}", tested.stderr);
        step(&project, &["check"]);
        step(&project, &["sign", "--new-key", "../publisher.pem", "--out", "../hello.bulla"]);
        let online = |args: &[&str]| {
            let cli =
                Cli::new(args.iter().copied()).dir(dir.path()).env("BULLA_DATA", bench.server.data().path());
            cli.run().succeeds()
        };
        online(&["trust", "add", "publisher.pem", "--owner", "me"]);
        online(&["addon", "install", "hello.bulla", "--tenant", "acme", "--grant-all"]);
        let token = acme.caller.token().unwrap();
        let call = ["call", "acme", "hello", "place", "--input", r#"{"id": "4711", "date": "2026-03-31"}"#];
        let called =
            Cli::new(call).env("BULLA_DATA", bench.server.data().path()).env("BULLA_TOKEN", token).run();
        let called = called.succeeds();
        assert_eq!(called.json()["number"], "ORD-2026-00001");
        assert!(called.stderr.contains("fuel"), "{}", called.stderr);
    });
    eprintln!(
        "from `bulla new` to the answer: {:.1} s (two minutes are promised with a warm cargo cache)",
        took.as_secs_f32()
    );
    // The same without a test case that holds: `bulla test` must be able to fail.
    let case = project.join("tests/place.json");
    let text = std::fs::read_to_string(&case).unwrap();
    std::fs::write(&case, text.replace("ORD-2026-00001", "ORD-2026-00002")).unwrap();
    Cli::new(["test"]).dir(&project).run().ends_with(12);
}
