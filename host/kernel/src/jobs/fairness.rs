//! Whose job is next. Pure.
//!
//! Classes share slots by weight (smooth weighted round robin, among those that have something waiting); within a class
//! the tenant with the fewest runs goes first, and equal ones take turns in order of name.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use crate::ports::Fairness;

/// Slots of ten where every class waits.
pub(super) const WEIGHTS: [(Fairness, i64); 3] =
    [(Fairness::Interactive, 6), (Fairness::Normal, 3), (Fairness::Bulk, 1)];

/// A job that could run now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub id: String,
    pub tenant: String,
    pub lock_key: Option<String>,
}

/// Remembers who had the last turn.
#[derive(Debug, Default)]
pub(super) struct Turns {
    credit: [i64; WEIGHTS.len()],
    last: [Option<String>; WEIGHTS.len()],
}

impl Turns {
    /// Picks at most `slots`. `waiting` holds each class's candidates, in a tenant's own order; `running` counts the runs of
    /// a tenant that are in progress. Of jobs with the same lock key only the first is picked.
    pub fn pick(
        &mut self,
        waiting: [Vec<Candidate>; WEIGHTS.len()],
        running: &HashMap<String, usize>,
        slots: usize,
    ) -> Vec<Candidate> {
        let mut classes = waiting.map(by_tenant);
        let mut load = running.clone();
        let mut locks: HashSet<(String, String)> = HashSet::new();
        let mut picked = Vec::new();
        while picked.len() < slots {
            let Some(class) = self.next_class(&classes) else { break };
            let Some(tenant) = next_tenant(&classes[class], self.last[class].as_deref(), &load) else {
                break;
            };
            let Some(candidate) = take(&mut classes[class], &tenant) else { break };
            let lock = candidate.lock_key.clone().map(|key| (tenant.clone(), key));
            if lock.is_some_and(|lock| !locks.insert(lock)) {
                continue;
            }
            self.charge(class, &classes);
            *load.entry(tenant.clone()).or_default() += 1;
            self.last[class] = Some(tenant);
            picked.push(candidate);
        }
        picked
    }

    /// The class with the most credit, after each that waits has earned its weight.
    fn next_class(&self, classes: &[Tenants; WEIGHTS.len()]) -> Option<usize> {
        (0..WEIGHTS.len())
            .filter(|class| !classes[*class].is_empty())
            .max_by_key(|class| (self.credit[*class] + WEIGHTS[*class].1, std::cmp::Reverse(*class)))
    }

    /// A pick of `class`: all that wait (and the picked one) earn, the picked one pays what was earned.
    fn charge(&mut self, picked: usize, classes: &[Tenants; WEIGHTS.len()]) {
        let earns = |class: usize| class == picked || !classes[class].is_empty();
        let earned: i64 =
            (0..WEIGHTS.len()).filter(|class| earns(*class)).map(|class| WEIGHTS[class].1).sum();
        for (class, credit) in self.credit.iter_mut().enumerate() {
            // Who does not wait saves nothing up.
            *credit = if earns(class) { *credit + WEIGHTS[class].1 } else { 0 };
        }
        self.credit[picked] -= earned;
    }
}

type Tenants = BTreeMap<String, VecDeque<Candidate>>;

fn by_tenant(candidates: Vec<Candidate>) -> Tenants {
    let mut tenants = Tenants::new();
    for candidate in candidates {
        tenants.entry(candidate.tenant.clone()).or_default().push_back(candidate);
    }
    tenants
}

/// Least load first; among equals the first name after the last one served.
fn next_tenant(tenants: &Tenants, last: Option<&str>, load: &HashMap<String, usize>) -> Option<String> {
    let turn = |tenant: &str| last.is_some_and(|last| tenant <= last);
    tenants
        .keys()
        .min_by_key(|tenant| (load.get(*tenant).copied().unwrap_or(0), turn(tenant), (*tenant).clone()))
        .cloned()
}

fn take(tenants: &mut Tenants, tenant: &str) -> Option<Candidate> {
    let queue = tenants.get_mut(tenant)?;
    let first = queue.pop_front();
    if queue.is_empty() {
        tenants.remove(tenant);
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(tenant: &str, count: usize) -> Vec<Candidate> {
        (0..count)
            .map(|n| Candidate { id: format!("{tenant}{n}"), tenant: tenant.into(), lock_key: None })
            .collect()
    }

    fn ids(picked: &[Candidate]) -> Vec<&str> {
        picked.iter().map(|candidate| candidate.id.as_str()).collect()
    }

    #[test]
    fn a_thousand_jobs_of_one_tenant_do_not_starve_the_one_of_another() {
        let mut turns = Turns::default();
        let waiting = || [Vec::new(), [queue("a", 1_000), queue("b", 1), queue("c", 2)].concat(), Vec::new()];
        assert_eq!(ids(&turns.pick(waiting(), &HashMap::new(), 6)), ["a0", "b0", "c0", "a1", "c1", "a2"]);
        let busy = HashMap::from([("a".to_owned(), 3)]);
        assert_eq!(ids(&turns.pick(waiting(), &busy, 3)), ["b0", "c0", "c1"]);
    }

    #[test]
    fn single_slots_go_around_the_tenants() {
        let mut turns = Turns::default();
        let waiting = || [queue("a", 9), Vec::new(), Vec::new()].map(|class| [class, Vec::new()].concat());
        let mut served = Vec::new();
        for _ in 0..4 {
            let mut classes = waiting();
            classes[0].extend(queue("b", 9));
            served.push(turns.pick(classes, &HashMap::new(), 1).remove(0).tenant);
        }
        assert_eq!(served, ["a", "b", "a", "b"]);
    }

    #[test]
    fn classes_share_by_weight_and_leave_nothing_idle() {
        let mut turns = Turns::default();
        let mut counts = HashMap::new();
        for _ in 0..100 {
            let waiting = [queue("i", 5), queue("n", 5), queue("k", 5)];
            let picked = turns.pick(waiting, &HashMap::new(), 1).remove(0);
            *counts.entry(picked.tenant).or_insert(0) += 1;
        }
        assert_eq!((counts["i"], counts["n"], counts["k"]), (60, 30, 10));
        let alone = turns.pick([Vec::new(), Vec::new(), queue("k", 5)], &HashMap::new(), 9);
        assert_eq!(alone.len(), 5);
    }

    #[test]
    fn a_lock_key_is_picked_once() {
        let locked = |tenant: &str| {
            let mut queue = queue(tenant, 3);
            queue.iter_mut().for_each(|candidate| candidate.lock_key = Some("deliver".into()));
            queue
        };
        let waiting = [Vec::new(), [locked("a"), locked("b")].concat(), Vec::new()];
        assert_eq!(ids(&Turns::default().pick(waiting, &HashMap::new(), 9)), ["a0", "b0"]);
    }
}
