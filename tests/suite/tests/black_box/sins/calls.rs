//! Sins of guests that a compiler made: `tests/guests`.

use bulla_suite::Reply;
use bulla_suite::patience::{timed, until};
use bulla_suite::trespasser::{SECRET, draw, outgoing};
use serde_json::{Value, json};

use super::Sin;
use super::stage::{Stage, loopback_name};

/// A call in `acme`.
macro_rules! call {
    ($does:literal, $guest:literal, $ends:literal, $input:expr) => {
        Sin {
            does: $does,
            guest: $guest,
            ends: $ends,
            commit: |stage| {
                let input: fn(&Stage) -> Value = $input;
                stage.acme.call($guest, &input(stage))
            },
        }
    };
}

macro_rules! sin {
    ($does:literal, $guest:literal, $ends:literal, $commit:expr) => {
        Sin { does: $does, guest: $guest, ends: $ends, commit: $commit }
    };
}

pub const CALLS: &[Sin] = &[
    // What one call may use.
    call!("spins for ever", "glutton/spin", "fuel-exhausted", none),
    sin!("spins for ever with fuel to burn", "glutton/spin", "deadline", |stage| {
        stage.wide.call("glutton/spin", &json!({}))
    }),
    sin!("spins for ever on both cores at once", "glutton/spin", "deadline", two_spinners),
    call!("recurses for ever", "glutton/recurse", "limit (stack)", none),
    call!("grows its memory for ever", "glutton/grow_memory", "memory", none),
    call!("floods host calls", "glutton/flood_host_calls", "fuel-exhausted", none),
    call!("carries more into the host than one call may", "glutton/carry", "limit (host-call)", |_| count(
        2_000_000
    )),
    call!("carries more into the host than all calls may", "glutton/carry", "limit (host-calls)", |_| {
        count(1_000_000)
    }),
    call!("carries empty elements into the host", "glutton/carry_nothing", "limit (host-calls)", |_| count(
        20_000
    )),
    call!("carries a million empty elements at once", "glutton/carry_nothing", "limit (host-call)", |_| {
        count(1_000_000)
    }),
    call!(
        "tells the host of a text of 2 GiB",
        "glutton/lie_about_length",
        "trap (string pointer/length out of bounds)",
        none
    ),
    call!(
        "tells the host of a list of 2 Gi elements",
        "glutton/lie_about_elements",
        "trap (list pointer/length out of bounds)",
        none
    ),
    sin!("floods its log", "glutton/flood_log", "ok", |stage| {
        let reply = stage.acme.call("glutton/flood_log", &count(1_000));
        recorded(stage, &reply, "call.limited")
    }),
    call!("floods the audit log", "glutton/flood_audit", "guest-error (limit)", |_| count(257)),
    call!("opens handles without end", "trespasser/hoard_handles", "limit (handles)", |_| {
        json!({"key": "granted", "count": 5_000})
    }),
    sin!("sleeps in a host call past its deadline", "trespasser/send_for_ever", "deadline", sleeping_sender),
    sin!("sleeps in WASI past its deadline", "wasi-reader/sleep", "deadline", sleeper),
    // What it answers.
    call!("returns 100 MB", "glutton/big_output", "memory", |_| count(100_000_000)),
    call!("returns more than its output may be", "glutton/big_output", "limit (output)", |_| count(
        2_000_000
    )),
    call!("returns what its schema forbids", "glutton/bad_output", "invalid-output", |_| count(11)),
    call!("returns deep JSON", "glutton/deep_output", "invalid-output", |_| count(1_000)),
    call!("returns JSON that is deeper than its own stack", "glutton/deep_output", "limit (stack)", |_| {
        count(10_000)
    }),
    sin!("returns wide JSON", "glutton/wide_output", "limit (output)", |stage| {
        stage.wide.call("glutton/wide_output", &count(1_000_000))
    }),
    call!("is sent deep JSON", "glutton/echo", "invalid-input", |_| {
        (0..1_000).fold(json!(0), |value, _| json!([value]))
    }),
    call!("traps", "glutton/trap", "trap (unreachable)", none),
    call!("panics with a message of a megabyte", "glutton/panic", "trap (unreachable)", |_| count(1_000_000)),
    call!("refuses with a code that is none", "glutton/malformed_refusal", "invalid-output", |_| count(0)),
    call!("refuses with a message without end", "glutton/malformed_refusal", "invalid-output", |_| count(
        5_000
    )),
    // What it was not granted.
    call!("opens a sequence it was not granted", "trespasser/draw", "guest-error (denied)", |_| draw(
        "withheld", 1
    )),
    call!("opens a sequence it never asked for", "trespasser/draw", "guest-error (denied)", |_| draw(
        "unasked", 1
    )),
    call!("opens a secret it was not granted", "trespasser/open_secret", "guest-error (denied)", |_| {
        json!({"alias": "withheld", "purpose": "delivery"})
    }),
    call!("opens a secret for another purpose", "trespasser/open_secret", "guest-error (denied)", |_| {
        json!({"alias": "granted", "purpose": "invoice"})
    }),
    call!("opens a key it was not granted", "trespasser/sign", "guest-error (denied)", |_| {
        json!({"alias": "withheld", "purpose": "invoice"})
    }),
    call!("asks an approval scope it was not granted", "trespasser/ask", "guest-error (denied)", |_| {
        json!({"scope": "withheld", "total": "500"})
    }),
    sin!(
        "imports what its manifest does not name",
        "greedy-imports/peep",
        "denied (bulla:kernel/)",
        |stage| {
            let package = stage.bench.publisher.package("greedy-imports");
            stage.acme.install(&package, Some(&json!({"sequences": ["orders"]})))
        }
    ),
    // Handles.
    call!(
        "uses a handle that nobody gave it",
        "trespasser/forged_handle",
        "trap (unknown handle index)",
        none
    ),
    call!(
        "uses a handle after it was dropped",
        "trespasser/dropped_handle",
        "trap (unknown handle index)",
        |_| json!("granted")
    ),
    call!(
        "uses the handle of a call that has ended",
        "trespasser/borrow_handle",
        "trap (unknown handle index)",
        |stage| { stage.acme.call("trespasser/tell_handle", &json!("granted")).data() }
    ),
    call!(
        "uses a sequence's handle as a key's",
        "trespasser/disguised_handle",
        "trap (used with the wrong type)",
        |_| json!("granted")
    ),
    // What others left.
    sin!("keeps state for its next call", "glutton/keep_state", "ok", keeper),
    sin!("looks for another tenant's bytes in its memory", "glutton/find_bytes", "ok", finder),
    call!("binds another tenant's reservation", "trespasser/commit_for", "guest-error (not-found)", reserved),
    call!(
        "cancels another tenant's reservation",
        "trespasser/cancel_for",
        "guest-error (not-found)",
        reserved
    ),
    call!("looks up another tenant's approval", "trespasser/look_up", "guest-error (not-found)", |stage| {
        json!({"scope": "granted", "id": stage.approval})
    }),
    // Numbers and jobs.
    call!("reserves a thousand numbers and traps", "trespasser/draw_and_trap", "trap (unreachable)", |_| {
        draw("granted", 1_000)
    }),
    call!("reserves more numbers than a call may", "trespasser/draw", "guest-error (limit)", |_| draw(
        "granted", 1_001
    )),
    sin!(
        "tells its uncommitted number in an error text",
        "trespasser/draw_and_tell",
        "guest-error (told)",
        teller
    ),
    call!(
        "sends while it holds a gapless number",
        "trespasser/send_holding",
        "guest-error (conflict)",
        |stage| { json!({"send": outgoing(&stage.receiver.url("/")), "draw": draw("granted", 1)}) }
    ),
    call!("enqueues a million jobs", "nuisance/enqueue_many", "guest-error (limit)", |_| count(1_000_000)),
    call!("enqueues jobs for ever", "nuisance/enqueue_for_ever", "fuel-exhausted", none),
    call!("enqueues jobs and traps", "nuisance/enqueue_and_trap", "trap (unreachable)", |_| count(1_000)),
    sin!("makes a job that always fails", "nuisance/enqueue", "ok", |stage| dead_letter(
        stage,
        "fail",
        "guest-error"
    )),
    sin!("makes a job that spins for ever", "nuisance/enqueue", "ok", |stage| {
        dead_letter(stage, "spin", "fuel-exhausted")
    }),
    // Where it sends.
    call!("sends to loopback", "trespasser/send", "guest-error (denied)", |stage| {
        outgoing(&format!("http://127.0.0.1:{}/", stage.elsewhere_port()))
    }),
    call!("sends to loopback by another spelling", "trespasser/send", "guest-error (denied)", |stage| {
        outgoing(&format!("http://2130706433:{}/", stage.elsewhere_port()))
    }),
    call!("sends to `localhost`", "trespasser/send", "guest-error (denied)", |stage| {
        outgoing(&format!("http://localhost:{}/", stage.elsewhere_port()))
    }),
    call!("sends to this host's own address, granted", "trespasser/send", "guest-error (denied)", |stage| {
        outgoing(&format!("http://0.0.0.0:{}/", stage.elsewhere_port()))
    }),
    call!("sends to a link-local address, granted", "trespasser/send", "guest-error (denied)", |_| {
        outgoing("http://[fe80::1]:80/")
    }),
    call!("sends to a metadata address, granted", "trespasser/send", "guest-error (denied)", |_| {
        outgoing("http://169.254.169.254:80/latest/meta-data")
    }),
    call!(
        "sends to a granted name that means loopback",
        "trespasser/send",
        "guest-error (denied)",
        |stage| {
            let name = loopback_name().unwrap_or_else(|| {
                eprintln!(
                    "no other name for loopback in /etc/hosts: sends to `localhost`, which is not granted"
                );
                "localhost".to_owned()
            });
            outgoing(&format!("http://{name}:{}/", stage.elsewhere_port()))
        }
    ),
    sin!("sends through a redirect", "trespasser/send", "ok", |stage| {
        let reply = stage.acme.call("trespasser/send", &outgoing(&stage.receiver.url("/redirect")));
        assert_eq!(reply.data()["status"], 307);
        recorded(stage, &reply, "secret.used")
    }),
    sin!("reads its secret back from an echo", "trespasser/send", "ok", |stage| {
        let reply = stage.acme.call("trespasser/send", &outgoing(&stage.receiver.url("/echo")));
        assert!(!reply.text.contains(SECRET) && reply.text.contains("[secret]"), "{}", reply.text);
        recorded(stage, &reply, "secret.used")
    }),
    call!(
        "is answered with more than a response may be",
        "trespasser/send",
        "guest-error (limit)",
        |stage| { outgoing(&stage.receiver.url("/huge")) }
    ),
    call!("is answered with 320 KB of headers", "trespasser/send", "guest-error (limit)", |stage| {
        outgoing(&stage.receiver.url("/headers"))
    }),
];

/// The log has this event under the call's trace: what ends in `ok` need have no other.
fn recorded(stage: &Stage, reply: &Reply, event: &str) -> Reply {
    let entries = stage.acme.audit(&format!("trace={}", reply.trace()));
    assert!(entries.iter().any(|entry| entry["event"] == event), "no {event}: {entries:?}");
    reply.clone()
}

fn none(_: &Stage) -> Value {
    json!({})
}

fn count(count: u64) -> Value {
    json!({ "count": count })
}

fn reserved(stage: &Stage) -> Value {
    json!({"key": "granted", "reservation": stage.reservation})
}

fn two_spinners(stage: &Stage) -> Reply {
    std::thread::scope(|scope| {
        let spin = || stage.wide.call("glutton/spin", &json!({}));
        let other = scope.spawn(spin);
        let reply = spin();
        other.join().unwrap().refused("deadline");
        reply
    })
}

fn sleeping_sender(stage: &Stage) -> Reply {
    let slow = outgoing(&stage.receiver.url("/slow"));
    let (reply, took) = timed(|| stage.wide.call("trespasser/send_for_ever", &slow));
    assert!(took.as_secs() < 4, "{took:?}");
    reply
}

fn sleeper(stage: &Stage) -> Reply {
    let (reply, took) = timed(|| stage.wide.call("wasi-reader/sleep", &json!(3_600)));
    assert!(took.as_secs() < 4, "{took:?}");
    reply
}

fn keeper(stage: &Stage) -> Reply {
    stage.acme.call("glutton/keep_state", &json!({})).ok();
    let reply = stage.acme.call("glutton/keep_state", &json!({}));
    assert_eq!(reply.data()["times"], 1);
    reply
}

/// That the next call takes the same place is forced in `hostile.rs`, on a server with one.
fn finder(stage: &Stage) -> Reply {
    let marker = json!({"head": "f5d2c8-one-half-", "tail": "and-the-other-91e07b"});
    let own = stage.wide.call("glutton/leave_and_find_bytes", &marker).data();
    assert!(own["times"].as_u64() > Some(4_000), "the search finds what is there: {own}");
    let left = stage.wide.call("glutton/leave_bytes", &marker).data();
    assert!(left["times"].as_u64() > Some(20_000));
    let reply = stage.acme.call("glutton/find_bytes", &marker);
    assert_eq!(reply.data()["times"], 0);
    reply
}

fn teller(stage: &Stage) -> Reply {
    let reply = stage.acme.call("trespasser/draw_and_tell", &json!("granted"));
    let problem = &reply.body;
    let told = format!("{} {}", problem["detail"], problem["details"]);
    assert!(told.contains("G-2026-00001") && told.contains("uncommitted"), "{told}");
    reply
}

/// A job that ends as a dead letter, with this error; the operator gives it up.
fn dead_letter(stage: &Stage, job: &str, code: &str) -> Reply {
    let acme = &stage.acme;
    let reply = acme.call("nuisance/enqueue", &json!({"job": job, "payload": {"label": "hostile"}}));
    let id = reply.data().as_str().unwrap().to_owned();
    let dead = acme.job_becomes(&id, "dead");
    assert_eq!(dead["error-code"], code, "{dead}");
    assert!(acme.audit("event=addon.worked&object=task/hostile").is_empty());
    let failed = || acme.audit(&format!("trace={}", reply.trace()));
    until("the attempts' entries", || {
        failed()
            .iter()
            .any(|entry| entry["event"] == "call.failed" && entry["detail"]["code"] == code)
            .then_some(())
    });
    acme.admin.post(&acme.path(&format!("/jobs/{id}/cancel")), &json!({"reason": "given up"})).ok();
    reply
}
