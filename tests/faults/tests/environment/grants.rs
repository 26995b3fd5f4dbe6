//! A granted directory must not be a way to the host's own files.

use bulla_faults::scan;
use bulla_suite::{Bench, manifest};
use serde_json::{Value, json};

#[test]
fn no_granted_directory_reaches_the_hosts_own_files() {
    let mut bench = Bench::start();
    let acme = bench.tenant("acme");
    let asked: toml::Table = manifest("wasi-reader").parse().unwrap();
    let imports = asked["capabilities"]["wasi"]["imports"].as_array().unwrap();
    let imports: Vec<&str> = imports.iter().map(|name| name.as_str().unwrap()).collect();
    let grants = |path: &std::path::Path| -> Value {
        json!({"wasi": imports, "directory": {"path": path, "writable": false}})
    };

    let (data, key) = (bench.server.data().path(), bench.server.data().master_key());
    let beside = data.parent().unwrap();
    let (exchange, link) = (beside.join("exchange"), beside.join("exchange/link"));
    std::fs::create_dir(&exchange).unwrap();
    std::os::unix::fs::symlink(&data, &link).unwrap();
    let package = bench.publisher.package("wasi-reader");
    let reaching = [
        data.clone(),
        data.join("code"),
        data.join("policies"),
        beside.to_owned(),
        "/".into(),
        key,
        link.clone(),
        link.join("policies"),
    ];
    for path in &reaching {
        let refused = acme.install(&package, Some(&grants(path)));
        let problem = refused.refused("invalid");
        assert!(problem["detail"].as_str().unwrap().contains("master key"), "{}: {problem}", path.display());
    }
    acme.install(&package, Some(&grants(&exchange))).ok();
    for path in &reaching {
        acme.grant("wasi-reader", &grants(path)).refused("invalid");
    }
    std::fs::write(exchange.join("note.txt"), "hello").unwrap();
    assert_eq!(acme.call("wasi-reader/read", &json!({"path": "/note.txt"})).data(), "hello");
    acme.call("wasi-reader/read", &json!({"path": "/link/operator.token"})).guest_refused("io");

    // What was granted when the data lay elsewhere gives nothing once the two meet.
    bench.server.stop();
    std::fs::remove_dir_all(&exchange).unwrap();
    std::os::unix::fs::symlink(&data, &exchange).unwrap();
    bench.server.start_again();
    let mut acme = acme;
    bench.follow(&mut [&mut acme]);
    acme.call("wasi-reader/read", &json!({"path": "/operator.token"})).guest_refused("io");
    assert!(bench.server.log().contains("reaches the host's own files"));
    scan::after_stop(&mut bench.server);
}
