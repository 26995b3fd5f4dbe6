//! Starting, stopping, and who may use a data directory.

use std::time::Duration;

use bulla_suite::client::Method;
use bulla_suite::server::refuses_connections;
use bulla_suite::trespasser::{outgoing, tenant};
use bulla_suite::{Answer, Bench, Client, Data, Gate, Receiver, Server, Tenant, until};

#[test]
fn a_second_server_on_a_data_directory_refuses_to_start() {
    let server = Server::start();
    let second = server.data().cli(["serve"]).env("BULLA_SERVER_LISTEN", "127.0.0.1:0").run().ends_with(8);
    assert!(second.stderr.contains("store-locked"), "{}", second.stderr);
    let init = server.data().cli(["init"]).run();
    assert_ne!(init.code, Some(0));
    assert_eq!(server.operator().get("/readyz").status, 200, "the first one goes on");
}

#[test]
fn a_killed_servers_directory_is_free_again() {
    let mut server = Server::start();
    server.kill();
    server.start_again();
    assert_eq!(server.operator().get("/v1/tenants").status, 200);
}

#[test]
fn a_stopping_server_finishes_what_it_began_and_takes_nothing_new() {
    let gate = Gate::default();
    let held = gate.clone();
    let receiver = Receiver::start(move |_| {
        held.pass();
        Answer::status(200)
    });
    let mut bench = Bench::start();
    bench.patient("acme");
    let acme = tenant(&bench, "acme", &receiver.origin());
    let url = bench.server.url.clone();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| acme.call("trespasser/send", &outgoing(&receiver.url("/"))));
        receiver.wait_for(1);
        bench.server.ask_to_stop();
        until("the door to close", || {
            // A connection that came in between is reset.
            let fresh = Client::new(&url, None);
            let ready = fresh.try_finish(fresh.request(Method::GET, "/readyz"));
            (refuses_connections(&url) || ready.is_ok_and(|reply| reply.status == 503)).then_some(())
        });
        assert!(!call.is_finished());
        gate.open();
        assert_eq!(call.join().unwrap().data()["status"], 200);
    });
    assert!(bench.server.wait_for_end(Duration::from_secs(30)).success());
    assert!(!bench.server.data().path().join("server.json").exists(), "a server that stopped says so");
}

#[test]
fn a_call_that_does_not_end_in_time_is_rolled_back_when_the_server_stops() {
    let data = Data::init();
    data.configure("[server]\ndrain = \"300ms\"\n");
    let receiver = Receiver::start(|request| {
        if request.path == "/slow" {
            std::thread::sleep(Duration::from_secs(20));
        }
        Answer::status(200)
    });
    let mut bench = Bench::on(Server::on(data));
    let mut acme = tenant(&bench, "acme", &receiver.origin());
    let noted = |acme: &Tenant| acme.audit("event=addon.noted").len();
    // The same call with a receiver that answers leaves its entry.
    acme.call("trespasser/note_then_send", &outgoing(&receiver.url("/"))).ok();
    assert_eq!(noted(&acme), 1);
    std::thread::scope(|scope| {
        let request = acme
            .caller
            .request(Method::POST, &acme.path("/actions/trespasser/note_then_send"))
            .header("content-type", "application/json")
            .body(outgoing(&receiver.url("/slow")).to_string());
        let caller = &acme.caller;
        let call = scope.spawn(move || caller.try_finish(request));
        // The entry was staged before the request left.
        receiver.wait_for(2);
        bench.server.stop();
        if let Ok(reply) = call.join().unwrap() {
            assert!(reply.status >= 400, "{}", reply.text);
        }
    });
    bench.server.start_again();
    bench.follow(&mut [&mut acme]);
    assert_eq!(noted(&acme), 1, "the entry of the call that was stopped is there");
    assert!(acme.verify_audit()["fault"].is_null());
}

#[test]
fn without_or_with_a_wrong_master_key_the_host_does_not_start_and_says_so() {
    let receiver = Receiver::willing();
    let mut bench = Bench::start();
    let mut acme = tenant(&bench, "acme", &receiver.origin());
    bench.server.stop();
    let file = bench.server.data().master_key();
    let key = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let serve = || bench.server.data().cli(["serve"]).env("BULLA_SERVER_LISTEN", "127.0.0.1:0");
    let missing = serve().run().ends_with(1);
    assert!(missing.stderr.contains("master-key-missing"), "{}", missing.stderr);
    let other = "0123456789abcdef".repeat(4);
    let wrong = serve().env("BULLA_MASTER_KEY", &other).run().ends_with(1);
    assert!(wrong.stderr.contains("master-key-wrong"), "{}", wrong.stderr);
    assert!(!wrong.stderr.contains(&other));
    assert!(!file.exists(), "no new key is made");
    assert!(receiver.requests().is_empty());

    std::fs::write(&file, &key).unwrap();
    set_private(&file);
    bench.server.start_again();
    bench.follow(&mut [&mut acme]);
    assert_eq!(acme.call("trespasser/send", &outgoing(&receiver.url("/"))).data()["status"], 200);
}

fn set_private(file: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}
