//! Every key of the configuration, with its default and what it means. The documentation is made from this list.

/// What a value is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A TOML string; quantities carry their unit.
    Text,
    Integer,
    Flag,
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub kind: Kind,
    pub default: &'static str,
    pub doc: &'static str,
}

const fn text(name: &'static str, default: &'static str, doc: &'static str) -> Key {
    Key { name, kind: Kind::Text, default, doc }
}

const fn integer(name: &'static str, default: &'static str, doc: &'static str) -> Key {
    Key { name, kind: Kind::Integer, default, doc }
}

pub const KEYS: &[Key] = &[
    text("data.directory", "bulla-data", "Where everything of this host is kept; made by `bulla init`."),
    text(
        "server.listen",
        "127.0.0.1:7411",
        "Address and port. Port 0 takes a free one, written to `server.json` in the data directory.",
    ),
    text("server.body", "8MiB", "The largest request body; beyond it `too-large`."),
    text(
        "server.package-body",
        "96MiB",
        "The largest request body that carries a package, in Base64; beyond it `too-large`.",
    ),
    text(
        "server.body-memory",
        "256MiB",
        "Request bodies that are held at a time, all together: at least twice the largest one. A tenant may hold as much as is free besides, so one alone half of it; beyond that `busy`.",
    ),
    text("server.headers", "32KiB", "All headers of a request together."),
    text("server.header-timeout", "10s", "How long a client may take to send its headers."),
    text("server.body-timeout", "30s", "How long a client may take to send its body."),
    text(
        "server.package-timeout",
        "300s",
        "How long a client may take to send a body that carries a package.",
    ),
    text(
        "server.idle-timeout",
        "60s",
        "How long a connection may stay without any progress while no request runs: also one that says nothing, or whose client does not read its answer. An HTTP/1 connection that is kept open ends after `server.header-timeout` already.",
    ),
    integer(
        "server.connections",
        "10000",
        "Connections at a time, at most as many as the process may open files for; further ones wait to be accepted.",
    ),
    text("server.drain", "20s", "How long a stopping server waits for calls in flight."),
    text("store.database", "sqlite", "`sqlite` (a file in the data directory), or a `postgres://…` URL."),
    text(
        "store.durability",
        "durable",
        "What an answered call survives: `durable` a power cut, `relaxed` a crash of the process only.",
    ),
    integer("store.connections", "8", "Connections for reading (SQLite), or all connections (PostgreSQL)."),
    integer("store.batch", "512", "Calls committed in one transaction at most."),
    text(
        "master-key.file",
        "{data}.key",
        "File with the master key (32 bytes in hex or Base64), mode 0600. `{data}` stands for the data directory: the key lies beside it, so that a copy of the data is not a copy of the key.",
    ),
    text(
        "master-key.variable",
        "BULLA_MASTER_KEY",
        "Environment variable that holds the master key; wins over the file. A name of your own must not start with `BULLA_` (but may with `BULLA_TEST_` or `BULLA_GUEST_`): it is refused as an unknown variable.",
    ),
    integer(
        "engine.instances",
        "256",
        "Guests that may run at a time, over all tenants. Each takes 16 GiB of address space, not of memory: beyond some 5,000 there is no pool (see `engine.pooling`).",
    ),
    text(
        "engine.memory-slot",
        "512MiB",
        "The largest linear memory any call can get, whatever its limits say.",
    ),
    text("engine.stack", "512KiB", "The stack of a guest."),
    text(
        "engine.compile-deadline",
        "120s",
        "How long the compilation of one component may take; beyond it `limit`, and the process that compiles is ended. There are two at a time: who waits ten seconds for its turn is `unavailable`, and what is compiled already waits for nobody.",
    ),
    text(
        "engine.compile-memory",
        "2GiB",
        "The address space of a process that compiles one component, of which there are two at a time; beyond it `limit`.",
    ),
    Key {
        name: "engine.pooling",
        kind: Kind::Flag,
        default: "true",
        doc: "Take instances from a pool; `false` where the address space is too small.",
    },
    Key {
        name: "engine.debug-info",
        kind: Kind::Flag,
        default: "false",
        doc: "Name file and line in the stack of a trap, from the addon's debug information. Reading it takes time that no limit bounds: for a machine on which all addons are your own.",
    },
    integer("jobs.parallel", "8", "Jobs that this node runs at a time."),
    text("jobs.lease", "60s", "How long a job belongs to a node that gives no sign; then another takes it."),
    text("jobs.poll", "500ms", "How often this node looks for due jobs when nothing wakes it."),
    text("idempotency.ttl", "24h", "How long a stored answer is given again for its `Idempotency-Key`."),
    text(
        "audit.origin",
        "bulla.dev/log",
        "First line of the signed checkpoints, before the log's name (C2SP tlog-checkpoint).",
    ),
    text("audit.unpublished", "1s", "The longest that an entry waits for a signed checkpoint."),
    text(
        "policy.directory",
        "policies",
        "Directory of the quota tiers and Cedar policies. Relative to the data directory.",
    ),
];

/// The environment variable of a key.
pub fn variable(name: &str) -> String {
    format!("BULLA_{}", name.to_uppercase().replace(['.', '-'], "_"))
}
