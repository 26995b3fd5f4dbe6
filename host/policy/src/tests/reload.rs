use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bulla_base::Fuel;
use bulla_kernel::ports::Quotas;

use super::*;

#[test]
fn a_permission_that_was_taken_away_does_not_pass_from_memory() {
    let dir = defaults();
    let set = PolicySet::load(dir.path()).unwrap();
    let acme = tenant("acme");
    let shop = principal("shop", Some("acme"), &["caller"]);
    let asks = || set.decide(&shop, Operation::ActionCall, Target::Tenant(&acme));
    assert!(asks().allowed && asks().allowed);
    write(dir.path(), "caller.cedar", "// nobody calls\n");
    let reloaded = set.reload().unwrap();
    assert!(reloaded.changed());
    assert_eq!((asks().allowed, asks().policy_version), (false, reloaded.after));
    assert!(!set.reload().unwrap().changed());
}

#[test]
fn an_invalid_set_leaves_the_old_one_in_force() {
    let dir = defaults();
    let set = PolicySet::load(dir.path()).unwrap();
    let before = set.version();
    let good = read(dir.path(), "quotas.toml");
    for (name, text) in
        [("quotas.toml", "default-tier = \"none\"\n[tier.a]"), ("own.cedar", "permit ("), ("stray.toml", "")]
    {
        write(dir.path(), name, text);
        assert!(set.reload().is_err(), "{name}");
        assert_eq!(set.version(), before);
        assert_eq!(set.limits(&tenant("acme"), None).fuel, Some(Fuel(50_000_000)));
        if name == "quotas.toml" {
            write(dir.path(), name, &good)
        } else {
            std::fs::remove_file(dir.path().join(name)).unwrap()
        }
    }
    let gone = dir.path().to_owned();
    drop(dir);
    assert!(matches!(set.reload(), Err(PolicyError::File { .. })), "{}", gone.display());
    assert_eq!(set.version(), before);
}

/// Four threads decide while the policies go back and forth between two versions and an invalid one in between.
#[test]
fn under_load_every_decision_belongs_to_the_version_it_names() {
    let dir = defaults();
    let path = dir.path();
    let permits = read(path, "caller.cedar");
    let set = PolicySet::load(path).unwrap();
    let calls = set.version();
    let stop = AtomicBool::new(false);
    let seen = [AtomicU64::new(0), AtomicU64::new(0)];
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (set, calls, stop, seen) = (&set, &calls, &stop, &seen);
            scope.spawn(move || {
                let acme = tenant("acme");
                let shop = principal(&format!("shop-{thread}"), Some("acme"), &["caller"]);
                while !stop.load(Ordering::Relaxed) {
                    let decision = set.decide(&shop, Operation::ActionCall, Target::Tenant(&acme));
                    assert_eq!(
                        decision.allowed,
                        decision.policy_version == *calls,
                        "a decision of another version"
                    );
                    seen[usize::from(decision.allowed)].fetch_add(1, Ordering::Relaxed);
                    assert!(set.limits(&acme, None).fuel.is_some());
                }
            });
        }
        for round in 0..30 {
            write(path, "caller.cedar", "permit (");
            let before = set.version();
            assert!(set.reload().is_err());
            assert_eq!(set.version(), before);
            write(path, "caller.cedar", if round % 2 == 0 { "// nobody calls\n" } else { &permits });
            assert!(set.reload().unwrap().changed());
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(seen.iter().all(|count| count.load(Ordering::Relaxed) > 0), "{seen:?}");
}

#[tokio::test]
async fn the_watch_takes_a_change_and_says_once_what_it_does_not_take() {
    let dir = defaults();
    let set = PolicySet::load(dir.path()).unwrap();
    let heard: Arc<Mutex<Vec<Result<Reloaded, PolicyError>>>> = Arc::default();
    let (watched, ears) = (set.clone(), heard.clone());
    let watch = tokio::spawn(async move {
        watched.watch(Duration::from_millis(5), move |outcome| ears.lock().unwrap().push(outcome)).await;
    });
    let hears = async |count: usize| {
        for _ in 0..1_000 {
            if heard.lock().unwrap().len() >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("heard only {:?}", heard.lock().unwrap());
    };
    let before = set.version();
    write(dir.path(), "own.cedar", "permit (");
    hears(1).await;
    assert_eq!(set.version(), before);
    write(dir.path(), "own.cedar", "// nothing\n");
    hears(2).await;
    assert_ne!(set.version(), before);
    std::fs::remove_file(dir.path().join("own.cedar")).unwrap();
    hears(3).await;
    assert_eq!(set.version(), before);
    tokio::time::sleep(Duration::from_millis(50)).await;
    watch.abort();
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 3, "{heard:?}");
    assert!(heard[0].is_err() && heard[1].is_ok() && heard[2].is_ok());
}
