//! `bulla:kernel/approvals`

use bulla_base::{ApprovalId, Scope};
use bulla_engine::{CallState, race_deadline, schedule::host};
use bulla_kernel::approvals::{
    Fact as KernelFact, Outcome as KernelOutcome, Status as KernelStatus, SubjectRef, Then,
};

use crate::convert::{Answer, STRING, drawn, elements, name, ok_or_tell, told};
use crate::state::HostState;
use crate::world::bulla::kernel::approvals::{Continuation, Fact, Host, Outcome, Status, Subject, Verdict};

impl Host for HostState {
    fn evaluate(&mut self, scope: String, facts: Vec<(String, Fact)>) -> Answer<Verdict> {
        self.meter().charge(&host::APPROVALS_EVALUATE, scope.len() + size(&facts))?;
        let scope: Scope = ok_or_tell!(name(&scope));
        let facts = facts.into_iter().map(fact).collect();
        let verdict = ok_or_tell!(told(self.rooms.approvals.evaluate(&mut self.call, &scope, facts)));
        let approvers: Vec<String> = verdict.approvers.iter().map(ToString::to_string).collect();
        let texts: usize = approvers.iter().chain(&verdict.rationale).map(String::len).sum();
        let lists = elements(&approvers, STRING) + elements(&verdict.rationale, STRING);
        self.meter().give(texts + lists)?;
        Ok(Ok(Verdict { required: verdict.required, approvers, rationale: verdict.rationale }))
    }

    async fn request(
        &mut self,
        scope: String,
        facts: Vec<(String, Fact)>,
        subject: Subject,
        then: Continuation,
    ) -> Answer<Outcome> {
        let texts = scope.len() + subject.object.len() + subject.digest.len() + then.action.len();
        let bytes = texts + size(&facts) + then.payload.len();
        self.meter().charge(&host::APPROVALS_REQUEST, bytes)?;
        let scope: Scope = ok_or_tell!(name(&scope));
        let facts = facts.into_iter().map(fact).collect();
        let subject = SubjectRef { object: ok_or_tell!(name(&subject.object)), digest: subject.digest };
        let then = Then { action: then.action, payload: then.payload };
        let (rooms, left) = (self.rooms.clone(), self.meter().remaining());
        let outcome = rooms.approvals.request(&mut self.call, &scope, facts, subject, then);
        let outcome = told(race_deadline(left, outcome).await?);
        Ok(outcome.map(|outcome| match outcome {
            KernelOutcome::NotRequired => Outcome::NotRequired,
            KernelOutcome::Waiting(id) => Outcome::Waiting(id.to_string()),
        }))
    }

    async fn state(&mut self, scope: String, id: String) -> Answer<Status> {
        self.meter().charge(&host::APPROVALS_STATE, scope.len() + id.len())?;
        let scope: Scope = ok_or_tell!(name(&scope));
        let id: ApprovalId = ok_or_tell!(drawn(&id));
        let (rooms, left) = (self.rooms.clone(), self.meter().remaining());
        let state = race_deadline(left, rooms.approvals.state(&mut self.call, &scope, &id)).await?;
        Ok(told(state).map(status))
    }
}

/// The size of a `tuple<string, fact>` in the Canonical ABI: a text, a case, and the case's text.
const NAMED_FACT: usize = 2 * STRING + 4;

fn size(facts: &[(String, Fact)]) -> usize {
    let value = |fact: &Fact| match fact {
        Fact::Decimal(text) | Fact::Text(text) | Fact::Date(text) => text.len(),
        // It stands in the element itself.
        Fact::Flag(_) => 0,
    };
    let texts: usize = facts.iter().map(|(name, fact)| name.len() + value(fact)).sum();
    texts + elements(facts, NAMED_FACT)
}

fn fact((name, fact): (String, Fact)) -> (String, KernelFact) {
    let fact = match fact {
        Fact::Decimal(text) => KernelFact::Decimal(text),
        Fact::Text(text) => KernelFact::Text(text),
        Fact::Flag(flag) => KernelFact::Flag(flag),
        Fact::Date(text) => KernelFact::Date(text),
    };
    (name, fact)
}

fn status(status: KernelStatus) -> Status {
    match status {
        KernelStatus::Waiting => Status::Waiting,
        KernelStatus::Approved => Status::Approved,
        KernelStatus::Rejected => Status::Rejected,
        KernelStatus::Cancelled => Status::Cancelled,
        KernelStatus::Expired => Status::Expired,
    }
}
