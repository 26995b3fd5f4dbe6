//! Every sin that a guest can commit, each with the neighbour's calls beside it: it ends with its own error, the log says so,
//! nothing is left behind, and the neighbour's calls all succeed in time.
//!
//! `docs/src/hostile-guests.md` is this table in words, and is held to it here.

pub mod bombs;
mod calls;
mod components;
mod dimensions;
pub mod stage;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bulla_suite::neighbour::{Watch, beside};
use bulla_suite::{Reply, cli};

use stage::Stage;

/// What a neighbour's round of three requests may take on a machine that is busy with sins and other tests.
const BOUND: Duration = Duration::from_secs(3);

/// One way to misbehave.
pub struct Sin {
    /// As the page names it.
    does: &'static str,
    /// `guest/action`, or `component` where it is written as text.
    guest: &'static str,
    /// The code it ends with; in brackets what the text names, the addon's own code, or why it trapped, which the operator's log
    /// alone says. `ok` where the host takes it calmly.
    ends: &'static str,
    commit: fn(&Stage) -> Reply,
}

#[test]
fn every_call_ends_with_its_own_error_and_a_neighbour_notices_nothing() {
    all_of(calls::CALLS);
}

#[test]
fn every_component_ends_with_its_own_error_and_a_neighbour_notices_nothing() {
    all_of(components::COMPONENTS);
}

#[test]
fn every_enormous_component_ends_with_its_own_error_and_a_neighbour_notices_nothing() {
    all_of(dimensions::DIMENSIONS);
}

#[test]
fn every_bomb_for_the_compiler_ends_with_its_own_error_and_a_neighbour_notices_nothing() {
    all_on(Stage::set_with(bombs::CONFIG), bombs::BOMBS);
}

#[test]
fn the_page_is_this_table() {
    let page = cli::repository().join("docs/src/hostile-guests.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    let all = [calls::CALLS, components::COMPONENTS, dimensions::DIMENSIONS, bombs::BOMBS].concat_rows();
    let missing: Vec<_> = all.iter().filter(|row| !rows.contains(&row.as_str())).collect();
    assert!(missing.is_empty(), "not in the page: {missing:#?}");
    let gone: Vec<_> = rows.iter().filter(|row| !all.iter().any(|known| known == *row)).collect();
    assert!(gone.is_empty(), "in the page and nowhere else: {gone:#?}");
}

trait Rows {
    fn concat_rows(&self) -> Vec<String>;
}

impl Rows for [&[Sin]; 4] {
    fn concat_rows(&self) -> Vec<String> {
        let row = |sin: &Sin| format!("| {} | `{}` | `{}` |", sin.does, sin.guest, sin.ends);
        self.iter().flat_map(|sins| sins.iter().map(row)).collect()
    }
}

fn all_of(sins: &[Sin]) {
    all_on(Stage::set(), sins);
}

fn all_on(stage: Stage, sins: &[Sin]) {
    let unlike = beside(
        || stage.neighbours_round(),
        |watch| {
            let as_told =
                |sin: &&Sin| catch_unwind(AssertUnwindSafe(|| committed(&stage, sin, watch))).is_ok();
            sins.iter().filter(|sin| !as_told(sin)).map(|sin| sin.does).collect::<Vec<_>>()
        },
    );
    stage.neighbour_is_whole();
    assert!(unlike.is_empty(), "not as the table says: {unlike:#?}");
    stage.leaves_a_sound_database();
}

fn committed(stage: &Stage, sin: &Sin, watch: &Watch) {
    let before = stage.holdings();
    let (reply, slowest) = watch.during(|| (sin.commit)(stage));
    let does = sin.does;
    eprintln!("{does}: {} · the neighbour's slowest round {slowest:?}", reply.body["code"]);
    ended(stage, sin, &reply);
    audited(stage, sin, &reply);
    assert_eq!(stage.holdings(), before, "{does}: left something behind");
    stage.is_at_rest(does);
    assert!(slowest < BOUND, "{does}: a neighbour's round took {slowest:?}");
    stage.elsewhere_is_untouched(does);
}

/// With its own error, in the one envelope.
fn ended(stage: &Stage, sin: &Sin, reply: &Reply) {
    let (code, named) = parts(sin.ends);
    let does = sin.does;
    if code == "ok" {
        assert!(reply.status < 300, "{does}: {}", reply.text);
        reply.ok();
        return;
    }
    assert_eq!(reply.body["code"], code, "{does}: {}", reply.text);
    let problem = reply.refused(code);
    if code == "trap" {
        let why = stage.bench.server.logged(&reply.trace())["internal"].clone();
        let why = why.as_str().unwrap_or_default();
        assert!(!named.is_empty() && why.contains(named), "{does}: {why}");
        return;
    }
    let said = if code == "guest-error" { &problem["details"]["code"] } else { &problem["detail"] };
    assert!(said.as_str().unwrap_or_default().contains(named), "{does}: {problem}");
}

/// What went wrong stands in the log under the call's trace, and nothing that stands for an effect.
fn audited(stage: &Stage, sin: &Sin, reply: &Reply) {
    let (code, named) = parts(sin.ends);
    let does = sin.does;
    // What never reached a guest has no entry: the caller's mistake, or nothing that went wrong.
    if matches!(code, "ok" | "invalid-input") {
        return;
    }
    let trace = format!("trace={}", reply.trace());
    let entries: Vec<_> = [&stage.acme, &stage.wide].iter().flat_map(|tenant| tenant.audit(&trace)).collect();
    let says = |event: &str, code: &str| {
        entries.iter().any(|entry| entry["event"] == event && entry["detail"]["code"] == code)
    };
    assert!(says("call.failed", code) || says("addon.refused", code), "{does}: {entries:?}");
    if (code, named) == ("guest-error", "denied") {
        assert!(entries.iter().any(|entry| entry["event"] == "call.denied"), "{does}: {entries:?}");
    }
    if (code, named) == ("guest-error", "limit") {
        assert!(entries.iter().any(|entry| entry["event"] == "call.limited"), "{does}: {entries:?}");
    }
    let observations = [
        "addon.refused",
        "call.denied",
        "call.failed",
        "call.limited",
        "secret.used",
        "secret.answered",
        "secret.unanswered",
        "key.used",
    ];
    let effects: Vec<_> = entries
        .iter()
        .filter(|entry| !observations.contains(&entry["event"].as_str().unwrap_or_default()))
        .collect();
    assert!(effects.is_empty(), "{does}: {effects:?}");
}

/// `limit (stack)` is the code and what is named.
fn parts(ends: &'static str) -> (&'static str, &'static str) {
    let Some((code, named)) = ends.split_once(" (") else { return (ends, "") };
    (code, named.trim_end_matches(')'))
}
