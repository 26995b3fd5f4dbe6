//! The command line: data to stdout, talk to stderr, and an exit code that says what kind of end it was.

use bulla_suite::{Bench, Cli, Data, Server};

#[test]
fn wrong_input_has_its_own_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = dir.path().join("nowhere").display().to_string();
    let run = |args: &[&str]| Cli::new(args.iter().copied()).env("BULLA_DATA", &nowhere).run();
    for usage in [&["no-such-noun"][..], &["tenant"], &["tenant", "create", "Acme"], &["call", "acme"], &[]] {
        run(usage).ends_with(2);
    }
    run(&["tenant", "list"]).ends_with(3);
    run(&["tenant", "list", "--server", "http://127.0.0.1:9"]).ends_with(3);
    run(&["sign", &nowhere]).ends_with(2);
    run(&["inspect", &nowhere]).ends_with(6);
    run(&["explain", "denied"]).succeeds();
    assert_ne!(run(&["explain", "no-such-code"]).code, Some(0));
    run(&["--version"]).succeeds();
}

#[test]
fn a_configuration_that_means_nothing_is_refused_by_name() {
    let data = Data::init();
    let serve = |name: &str, value: &str| data.cli(["serve"]).env(name, value).run().ends_with(4).stderr;
    assert!(serve("BULLA_SERVER_PORT", "1").contains("BULLA_SERVER_PORT"));
    assert!(serve("BULLA_SERVER_BODY", "1MB").contains("server.body"));
    for (text, named) in [("[server]\nport = 1\n", "server.port"), ("[server\n", "bulla.toml")] {
        data.configure(text);
        let stderr = data.cli(["serve"]).run().ends_with(4).stderr;
        assert!(stderr.contains(named), "{stderr}");
    }
    data.configure("[jobs]\nparallel = 3\n");
    let shown = data.cli(["config", "show", "--json"]).run().succeeds();
    assert!(shown.stdout.contains("jobs.parallel"), "{}", shown.stdout);
    data.write_policy("quotas.toml", "default-tier = \"none\"\n");
    let stderr = data.cli(["serve"]).env("BULLA_SERVER_LISTEN", "127.0.0.1:0").run().ends_with(4).stderr;
    assert!(stderr.contains("policy-invalid"), "{stderr}");
}

#[test]
fn init_touches_nothing_that_is_there() {
    let data = Data::init();
    let before = bulla_suite::server::snapshot(&data.path());
    let again = data.cli(["init"]).run().ends_with(1);
    assert!(again.stderr.contains("conflict"), "{}", again.stderr);
    assert_eq!(bulla_suite::server::snapshot(&data.path()), before);
    use std::os::unix::fs::PermissionsExt as _;
    for private in [data.master_key(), data.path().join("operator.token")] {
        let mode = std::fs::metadata(&private).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} is open to others", private.display());
    }
}

#[test]
fn what_the_server_refuses_ends_with_what_it_means() {
    let server = Server::start();
    let run = |args: &[&str], token: Option<&str>| {
        let cli = Cli::new(args.iter().copied()).env("BULLA_DATA", server.data().path());
        match token {
            Some(token) => cli.env("BULLA_TOKEN", token).run(),
            None => cli.run(),
        }
    };
    run(&["tenant", "create", "acme"], None).succeeds();
    run(&["tenant", "create", "acme"], None).ends_with(1);
    run(&["tenant", "list"], Some("bulla_nonsense")).ends_with(5);
    let created =
        run(&["token", "create", "ada", "--tenant", "acme", "--role", "caller", "--json"], None).succeeds();
    let token = created.json()["text"].as_str().unwrap().to_owned();
    run(&["tenant", "create", "mine"], Some(&token)).ends_with(5);
    let error = run(&["tenant", "show", "nobody", "--json"], None).ends_with(1);
    let problem: serde_json::Value = serde_json::from_str(&error.stderr).unwrap();
    assert_eq!(problem["code"], "not-found");
    assert!(error.stdout.is_empty());
}

#[test]
fn a_secret_comes_from_a_file_and_is_never_printed() {
    let bench = Bench::start();
    bench.tenant("acme");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token").display().to_string();
    std::fs::write(&file, "hunter2-hunter2-hunter2\n").unwrap();
    let set = bench
        .server
        .data()
        .cli(["secret", "set", "acme", "receiver_token", "--file", &file])
        .run()
        .succeeds();
    let list = bench.server.data().cli(["secret", "list", "acme", "--json"]).run().succeeds();
    for said in [set.stdout, set.stderr, list.stdout.clone(), bench.server.log()] {
        assert!(!said.contains("hunter2"), "{said}");
    }
    assert!(list.stdout.contains("receiver_token"));
}

#[test]
fn doctor_finds_nothing_on_a_healthy_host() {
    let server = Server::start();
    let doctor = server.data().cli(["doctor"]).run();
    assert!(matches!(doctor.code, Some(0 | 13)), "{doctor:?}");
    assert!(!doctor.stdout.contains(&server.data().operator_token()));
}
