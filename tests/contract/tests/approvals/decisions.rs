//! Who decides, when, and what follows.

use std::time::Duration;

use bulla_base::Coded;
use bulla_contract::on_both;
use bulla_kernel::approvals::{Answer, ApprovalError, Decide, Status};
use bulla_kernel::jobs::Context;
use bulla_kernel::ports::Principal;

use crate::bench::*;

#[tokio::test]
async fn an_approved_request_enqueues_its_continuation_once() {
    on_both(async |bench| {
        let node = ruled(&bench).await;
        let id = waiting(&bench, &node, "invoice/1").await;
        assert!(node.jobs.claim(9).await.unwrap().is_empty(), "nothing runs before the decision");
        assert_eq!(
            decide(&bench, &node, &id, &cfo(), answer(Answer::Approve)).await.unwrap(),
            Status::Approved
        );
        assert_eq!(
            decide(&bench, &node, &id, &cfo(), answer(Answer::Approve)).await.unwrap(),
            Status::Approved
        );
        let claimed = node.jobs.claim(9).await.unwrap();
        assert_eq!(claimed.len(), 1);
        let approval = node.approvals.get(&acme(), &id).await.unwrap();
        let job = &claimed[0].job;
        assert_eq!((Some(&job.id), &job.trace), (approval.job.as_ref(), &approval.trace));
        assert_eq!((job.entry.as_str(), job.subject.as_str()), ("issue", "ada"));
        assert_eq!(claimed[0].request("p1".into()).input, br#"{"invoice":4711}"#);
        let Context::Approval { requester, decider, digest, .. } = &job.context else {
            panic!("not a continuation")
        };
        assert_eq!((requester.as_str(), decider.as_str(), digest), ("ada", "carl", &"ab".repeat(32)));
        assert_eq!(events(&node.core, "approval.approved").await, 1);
    })
    .await;
}

#[tokio::test]
async fn the_requester_never_decides_and_a_refusal_is_audited() {
    on_both(async |bench| {
        let node = ruled(&bench).await;
        let id = waiting(&bench, &node, "invoice/1").await;
        let foreign = Principal { tenant: Some("globex".parse().unwrap()), ..cfo() };
        let outsiders = [principal("ada", &["cfo"]), principal("bob", &["clerk"]), foreign];
        for (refused, who) in outsiders.iter().enumerate() {
            let error = decide(&bench, &node, &id, who, answer(Answer::Approve)).await.unwrap_err();
            assert_eq!(error.code().name, "forbidden", "{error}");
            assert_eq!(events(&node.core, "approval.refused").await, refused + 1);
        }
        assert!(node.jobs.claim(9).await.unwrap().is_empty());
        let by_name = decide(&bench, &node, &id, &principal("eve", &[]), answer(Answer::Reject)).await;
        assert_eq!(by_name.unwrap(), Status::Rejected);
        assert!(node.jobs.claim(9).await.unwrap().is_empty(), "a rejection runs nothing");
    })
    .await;
}

#[tokio::test]
async fn who_may_decide_is_looked_up_at_the_decision() {
    on_both(async |bench| {
        let (node, other) = (ruled(&bench).await, node(&bench).await);
        let first = waiting(&bench, &node, "invoice/1").await;
        let second = waiting(&bench, &node, "invoice/2").await;
        assert_eq!(load(&bench, &other, &RULES.replace("role:cfo", "role:board")).await, 2);
        let late = decide(&bench, &node, &first, &cfo(), answer(Answer::Approve)).await.unwrap_err();
        assert!(matches!(late, ApprovalError::NotApprover { .. }), "{late}");
        let board = principal("bea", &["board"]);
        assert_eq!(
            decide(&bench, &node, &first, &board, answer(Answer::Approve)).await.unwrap(),
            Status::Approved
        );
        // Rules that ask for nobody any more leave the request to those who were named.
        load(&bench, &other, "scope = \"invoice.issue\"").await;
        let named = decide(&bench, &node, &second, &cfo(), answer(Answer::Approve)).await;
        assert_eq!(named.unwrap(), Status::Approved);
    })
    .await;
}

#[tokio::test]
async fn rules_that_need_another_fact_now_are_a_conflict() {
    on_both(async |bench| {
        let node = ruled(&bench).await;
        let id = waiting(&bench, &node, "invoice/1").await;
        load(&bench, &node, &RULES.replace("fact = \"total\"", "fact = \"net\"")).await;
        let error = decide(&bench, &node, &id, &cfo(), answer(Answer::Approve)).await.unwrap_err();
        assert!(matches!(error, ApprovalError::RulesChanged { .. }), "{error}");
    })
    .await;
}

#[tokio::test]
async fn of_two_opposite_decisions_on_two_nodes_one_stands() {
    on_both(async |bench| {
        let (one, two) = (ruled(&bench).await, node(&bench).await);
        for round in 0..8 {
            let id = waiting(&bench, &one, &format!("invoice/{round}")).await;
            let eve = principal("eve", &[]);
            let carl = cfo();
            let (yes, no) = tokio::join!(
                decide(&bench, &one, &id, &carl, answer(Answer::Approve)),
                decide(&bench, &two, &id, &eve, answer(Answer::Reject)),
            );
            assert_eq!(usize::from(yes.is_ok()) + usize::from(no.is_ok()), 1, "{yes:?} {no:?}");
            let approved = yes.is_ok();
            let loser = yes.and(no).unwrap_err();
            assert_eq!(loser.code().name, "conflict", "{loser}");
            assert_eq!(one.jobs.claim(9).await.unwrap().len(), usize::from(approved));
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_expires_and_cannot_be_decided_then() {
    on_both(async |bench| {
        let (node, other) = (ruled(&bench).await, node(&bench).await);
        let id = waiting(&bench, &node, "invoice/1").await;
        bench.clock.advance(Duration::from_secs(30 * 86_400 - 1));
        assert_eq!(node.approvals.expire_due().await.unwrap(), 0);
        bench.clock.advance(Duration::from_secs(1));
        let late = decide(&bench, &node, &id, &cfo(), answer(Answer::Approve)).await.unwrap_err();
        assert!(matches!(late, ApprovalError::Closed { status: Status::Expired, .. }), "{late}");
        let (one, two) = tokio::join!(node.approvals.expire_due(), other.approvals.expire_due());
        assert_eq!(one.unwrap() + two.unwrap(), 1);
        assert_eq!(node.approvals.get(&acme(), &id).await.unwrap().status, Status::Expired);
        assert_eq!(events(&node.core, "approval.expired").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_request_is_withdrawn_by_those_it_concerns() {
    on_both(async |bench| {
        let node = ruled(&bench).await;
        let id = waiting(&bench, &node, "invoice/1").await;
        let origin = bench.origin("acme");
        let cancel =
            async |who: Principal| node.approvals.cancel(&origin, &acme(), &id, &who, "sent twice").await;
        assert_eq!(cancel(principal("bob", &["clerk"])).await.unwrap_err().code().name, "forbidden");
        assert_eq!(cancel(principal("ada", &[])).await.unwrap().status, Status::Cancelled);
        assert_eq!(cancel(Principal::host()).await.unwrap_err().code().name, "conflict");
        let late = decide(&bench, &node, &id, &cfo(), answer(Answer::Approve)).await.unwrap_err();
        assert!(matches!(late, ApprovalError::Closed { status: Status::Cancelled, .. }), "{late}");
    })
    .await;
}

#[tokio::test]
async fn a_decision_counts_for_the_bytes_that_were_shown() {
    on_both(async |bench| {
        let node = ruled(&bench).await;
        let id = waiting(&bench, &node, "invoice/1").await;
        let shown = |digest: String| Decide { digest: Some(digest), ..answer(Answer::Approve) };
        let other = decide(&bench, &node, &id, &cfo(), shown("cd".repeat(32))).await.unwrap_err();
        assert!(matches!(other, ApprovalError::OtherDigest { .. }), "{other}");
        let silent = Decide { reason: None, ..answer(Answer::Reject) };
        assert!(matches!(decide(&bench, &node, &id, &cfo(), silent).await, Err(ApprovalError::Reason)));
        assert_eq!(
            decide(&bench, &node, &id, &cfo(), shown("ab".repeat(32))).await.unwrap(),
            Status::Approved
        );
    })
    .await;
}
