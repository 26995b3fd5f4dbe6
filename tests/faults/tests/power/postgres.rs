//! What PostgreSQL says of its own durability. That it keeps what it says is its own matter.

use bulla_faults::database::{execute, fresh};
use bulla_suite::cli::Cli;
use bulla_suite::{Data, Server};

/// A database that answers `off` for one of its settings, as a server without it would.
fn database_without(setting: &str) -> String {
    let url = fresh();
    let name = url.rsplit_once('/').unwrap().1;
    execute(
        &url,
        &format!(
            "CREATE SCHEMA weak; \
             CREATE FUNCTION weak.current_setting(name text) RETURNS text LANGUAGE sql AS \
             $$SELECT CASE WHEN name = '{setting}' THEN 'off' ELSE pg_catalog.current_setting(name) END$$; \
             ALTER DATABASE {name} SET search_path = weak, public, pg_catalog"
        ),
    );
    url
}

#[test]
fn a_server_that_would_forget_commits_is_refused() {
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        let (url, dir) = (database_without(setting), tempfile::tempdir().unwrap());
        let init = |durability: &str| {
            let data = dir.path().join(durability);
            Cli::new(["init", "--json"])
                .env("BULLA_DATA", data)
                .env("BULLA_STORE_DATABASE", &url)
                .env("BULLA_STORE_DURABILITY", durability)
                .run()
        };
        let refused = init("durable").ends_with(4);
        assert!(refused.stderr.contains("store-not-durable"), "{}", refused.stderr);
        assert!(refused.stderr.contains(&format!("`{setting} = off`")), "{}", refused.stderr);
        init("relaxed").succeeds();
    }
}

/// Whatever the database or the role would have by itself.
#[test]
fn a_durable_server_asks_for_synchronous_commits_on_each_connection() {
    let url = fresh();
    let name = url.rsplit_once('/').unwrap().1;
    execute(&url, &format!("ALTER DATABASE {name} SET synchronous_commit = off"));
    let data = Data::init_in(&[("BULLA_STORE_DATABASE", &url)]);
    let mut server = Server::on(data);
    assert!(server.stop().success());
}
