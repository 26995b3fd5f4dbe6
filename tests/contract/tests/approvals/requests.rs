//! What is asked, and by which rules.

use std::time::Duration;

use bulla_base::{Coded, Millis, TenantId};
use bulla_contract::on_both;
use bulla_kernel::approvals::{Answer, ApprovalError, Outcome, Page, Status, SubjectRef, Then};
use bulla_kernel::grants::Grants;

use crate::bench::*;

#[tokio::test]
async fn a_request_that_waits_is_found_again_in_the_call_and_after_it() {
    on_both(async |bench| {
        let node = ruled(&bench).await;
        let mut first = call(&bench);
        let id = request(&node, &mut first, "2000", "invoice/1").await.unwrap();
        assert_eq!(request(&node, &mut first, "2000", "invoice/1").await.unwrap(), id);
        let mut racing = call(&bench);
        assert_ne!(request(&node, &mut racing, "2000", "invoice/1").await.unwrap(), id);
        node.core.committer.commit(first.effects()).await.unwrap();
        node.core.committer.commit(racing.effects()).await.unwrap_err();
        let mut later = call(&bench);
        assert_eq!(request(&node, &mut later, "2000", "invoice/1").await.unwrap(), id);
        let Outcome::Waiting(id) = id else { panic!("not required") };
        decide(&bench, &node, &id, &cfo(), answer(Answer::Reject)).await.unwrap();
        assert_ne!(request(&node, &mut later, "2000", "invoice/1").await.unwrap(), Outcome::Waiting(id));
    })
    .await;
}

#[tokio::test]
async fn a_call_that_fails_asked_for_nothing() {
    on_both(async |bench| {
        let node = ruled(&bench).await;
        let mut failing = call(&bench);
        request(&node, &mut failing, "2000", "invoice/1").await.unwrap();
        node.core.committer.commit(failing.remains("trap")).await.unwrap();
        assert!(node.approvals.list(&acme(), &Page::default()).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_before_anything_is_staged() {
    on_both(async |bench| {
        let node = ruled(&bench).await;
        let scope = "invoice.issue".parse().unwrap();
        let mut call = call(&bench);
        assert_eq!(request(&node, &mut call, "1000", "invoice/1").await.unwrap(), Outcome::NotRequired);
        let mut ask = async |facts, subject, then| {
            node.approvals.request(&mut call, &scope, facts, subject, then).await.unwrap_err()
        };
        let missing = ask(Vec::new(), subject("a"), then()).await;
        assert!(matches!(missing, ApprovalError::MissingFact { .. }), "{missing}");
        let digest = ask(total("2000"), SubjectRef { digest: "AB".repeat(32), ..subject("a") }, then()).await;
        assert!(matches!(digest, ApprovalError::Digest { .. }), "{digest}");
        let action = ask(total("2000"), subject("a"), Then { action: "drop".into(), ..then() }).await;
        assert!(matches!(action, ApprovalError::UnknownAction { .. }), "{action}");
        let json = ask(total("2000"), subject("a"), Then { payload: b"{".to_vec(), ..then() }).await;
        assert!(matches!(json, ApprovalError::Payload { .. }), "{json}");
        let large = format!("\"{}\"", "x".repeat(256 << 10)).into_bytes();
        let large = ask(total("2000"), subject("a"), Then { payload: large, ..then() }).await;
        assert_eq!((large.code().name, large.to_string().as_str()), ("limit", "limit: payload"));
        let mut denied = bench.call("acme", Grants::default());
        let error = request(&node, &mut denied, "2000", "a").await.unwrap_err();
        assert_eq!(error.code().name, "denied");
        let grants = Grants { approvals: ["order.place".parse().unwrap()].into(), ..Default::default() };
        let mut unruled = bench.call("acme", grants);
        let order = "order.place".parse().unwrap();
        let error = node.approvals.evaluate(&mut unruled, &order, total("1")).unwrap_err();
        assert!(matches!(error, ApprovalError::NoRules { .. }), "{error}");
        assert!(call.effects().writes.is_empty());
    })
    .await;
}

#[tokio::test]
async fn another_tenant_and_another_addon_see_nothing() {
    on_both(async |bench| {
        let node = ruled(&bench).await;
        let id = waiting(&bench, &node, "invoice/1").await;
        let globex: TenantId = "globex".parse().unwrap();
        assert!(matches!(node.approvals.get(&globex, &id).await, Err(ApprovalError::Unknown { .. })));
        assert!(node.approvals.list(&globex, &Page::default()).await.unwrap().is_empty());
        let scope = "invoice.issue".parse().unwrap();
        let grants = Grants { approvals: ["invoice.issue".parse().unwrap()].into(), ..Default::default() };
        let mut foreign = bench.call("globex", grants);
        assert!(matches!(
            node.approvals.state(&mut foreign, &scope, &id).await,
            Err(ApprovalError::Unknown { .. })
        ));
        assert!(matches!(
            node.approvals.evaluate(&mut foreign, &scope, total("9")),
            Err(ApprovalError::NoRules { .. })
        ));
        let mut own = call(&bench);
        assert_eq!(node.approvals.state(&mut own, &scope, &id).await.unwrap(), Status::Waiting);
        assert_eq!(node.approvals.waiting_bytes(&globex).await.unwrap().get(), 0);
        let kept = node.approvals.waiting_bytes(&acme()).await.unwrap();
        assert!(kept.get() > 16);
        assert_eq!(node.approvals.all_waiting_bytes().await.unwrap(), [(acme(), kept)].into());
    })
    .await;
}

#[tokio::test]
async fn rules_have_versions_and_reach_other_nodes() {
    on_both(async |bench| {
        let (one, two) = (ruled(&bench).await, node(&bench).await);
        assert_eq!(load(&bench, &one, RULES).await, 1, "the same again is no new version");
        assert_eq!(load(&bench, &one, &RULES.replace("1000", "5")).await, 2);
        let scope = "invoice.issue".parse().unwrap();
        let required = |node: &Node| {
            node.approvals
                .evaluate(&mut call(&bench), &scope, total("6"))
                .map(|verdict| (verdict.required, verdict.rules_version))
        };
        assert_eq!(required(&one).unwrap(), (true, 2));
        two.approvals.refresh().await.unwrap();
        assert_eq!(required(&two).unwrap(), (true, 2));
        let history = two.approvals.rules_history(&acme(), &scope).await.unwrap();
        assert_eq!(history.iter().map(|rules| rules.version).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(history[1].document.expires, Some(Millis(30 * 86_400_000)));
        bench.clock.advance(Duration::from_millis(1_001));
        assert_eq!(
            required(&two).is_err(),
            bench.is_postgres(),
            "a node that has not looked for a second fails closed"
        );
    })
    .await;
}

#[tokio::test]
async fn a_list_is_read_part_by_part() {
    on_both(async |bench| {
        let node = ruled(&bench).await;
        let mut ids = Vec::new();
        for n in 0..5 {
            bench.clock.advance(Duration::from_millis(n % 2));
            ids.push(waiting(&bench, &node, &format!("invoice/{n}")).await);
        }
        let mut seen = Vec::new();
        let mut page = Page { limit: 2, ..Page::default() };
        loop {
            let part = node.approvals.list(&acme(), &page).await.unwrap();
            let Some(last) = part.last() else { break };
            assert!(last.payload.is_none());
            page.after = Some(last.id.clone());
            seen.extend(part.into_iter().map(|approval| approval.id));
        }
        assert_eq!(seen.len(), 5);
        seen.sort();
        ids.sort();
        assert_eq!(seen, ids);
        let decided = Page { status: Some(Status::Approved), ..Page::default() };
        assert!(node.approvals.list(&acme(), &decided).await.unwrap().is_empty());
    })
    .await;
}
