//! Who may do what: Cedar policies over the operations of the API.
//!
//! A principal is a `User` in its `Role`s, with the attribute `tenant` unless it is an operator; a resource is a `Tenant` or
//! the `Host`; the context is empty. What no policy permits is denied, what a policy forbids is denied whatever else permits
//! it, and where a policy fails to evaluate the answer is no.
//!
//! Whatever the policies say, a principal of one tenant reaches neither another tenant nor the host: that is decided before
//! they are asked.
//!
//! Decisions are kept, because the answer depends on nothing but principal, operation and target: there is no context and no
//! entity outside the request. The memory belongs to its set of policies and goes with it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::str::FromStr;

use bulla_base::{Role, Subject, TenantId};
use bulla_kernel::ports::{Operation, Principal, Target};
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicyId, Request,
    RestrictedExpression, Schema, ValidationMode, Validator,
};
use moka::sync::Cache;

use crate::error::PolicyError;

/// Decisions that are kept; the least used ones go first.
const KEPT_DECISIONS: u64 = 10_000;
/// The id of the one `Host` entity.
const HOST: &str = "this";

/// The policies of a set, ready to decide.
pub struct Authorization {
    schema: Schema,
    policies: cedar_policy::PolicySet,
    types: Types,
    authorizer: Authorizer,
    kept: Cache<Question, bool>,
}

/// All that an answer depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Question {
    subject: Subject,
    tenant: Option<TenantId>,
    roles: BTreeSet<Role>,
    operation: Operation,
    target: Option<TenantId>,
}

struct Types {
    user: EntityTypeName,
    role: EntityTypeName,
    tenant: EntityTypeName,
    host: EntityTypeName,
    action: EntityTypeName,
}

impl Authorization {
    /// Parses schema and policies, by file, and validates the policies strictly against the schema. The schema has an action
    /// for each operation of the host and no other.
    pub fn parse<'a>(
        schema: &str,
        policies: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, PolicyError> {
        let schema = Schema::from_str(schema).map_err(|error| PolicyError::Schema(explained(&error)))?;
        let policies = parse_policies(policies)?;
        let findings = Validator::new(schema.clone()).validate(&policies, ValidationMode::Strict);
        if let Some(error) = findings.validation_errors().next() {
            let file = file_of(error.policy_id());
            return Err(PolicyError::Policy { file, reason: error.to_string() });
        }
        let authorization = Self {
            schema,
            policies,
            types: Types::new()?,
            authorizer: Authorizer::new(),
            kept: Cache::new(KEPT_DECISIONS),
        };
        authorization.check_schema()?;
        Ok(authorization)
    }

    /// May this principal do this?
    pub fn allows(&self, principal: &Principal, operation: Operation, target: Target<'_>) -> bool {
        let target = match target {
            Target::Tenant(tenant) => Some(tenant),
            Target::Host => None,
        };
        if principal.tenant.as_ref().is_some_and(|own| Some(own) != target) {
            return false;
        }
        let question = Question {
            subject: principal.subject.clone(),
            tenant: principal.tenant.clone(),
            roles: principal.roles.iter().cloned().collect(),
            operation,
            target: target.cloned(),
        };
        if let Some(answer) = self.kept.get(&question) {
            return answer;
        }
        let answer = self.evaluate(&question).unwrap_or_else(|reason| {
            tracing::debug!(operation = operation.name(), reason, "no policy can decide this; denied");
            false
        });
        self.kept.insert(question, answer);
        answer
    }

    fn evaluate(&self, question: &Question) -> Result<bool, String> {
        let (request, entities) = self.request(question)?;
        let response = self.authorizer.is_authorized(&request, &self.policies, &entities);
        // Cedar passes over a policy that fails; it may have been the one that forbids.
        if let Some(error) = response.diagnostics().errors().next() {
            return Err(error.to_string());
        }
        Ok(response.decision() == Decision::Allow)
    }

    /// The request and its entities, both held against the schema.
    fn request(&self, question: &Question) -> Result<(Request, Entities), String> {
        let types = &self.types;
        let user = uid(&types.user, question.subject.as_str());
        let roles: HashSet<EntityUid> =
            question.roles.iter().map(|role| uid(&types.role, role.as_str())).collect();
        let tenant = |tenant: &TenantId| uid(&types.tenant, tenant.as_str());
        let mut attributes = HashMap::new();
        if let Some(own) = &question.tenant {
            attributes.insert("tenant".to_owned(), RestrictedExpression::new_entity_uid(tenant(own)));
        }
        let entity = Entity::new(user.clone(), attributes, roles).map_err(|error| error.to_string())?;
        let entities =
            Entities::from_entities([entity], Some(&self.schema)).map_err(|error| explained(&error))?;
        let resource = question.target.as_ref().map_or_else(|| uid(&types.host, HOST), tenant);
        let action = uid(&types.action, question.operation.name());
        let request = Request::new(user, action, resource, Context::empty(), Some(&self.schema));
        Ok((request.map_err(|error| explained(&error))?, entities))
    }

    /// One action for each operation, and each can be asked about.
    fn check_schema(&self) -> Result<(), PolicyError> {
        let names: HashSet<&str> = Operation::ALL.iter().map(|operation| operation.name()).collect();
        for action in self.schema.actions() {
            let name = action.id().unescaped();
            if !names.contains(name) {
                return Err(PolicyError::NoOperation(name.to_owned()));
            }
        }
        let malformed = |error: bulla_base::ids::InvalidId| PolicyError::Schema(error.to_string());
        let tenant = TenantId::new("acme").map_err(malformed)?;
        let role = Role::new("caller").map_err(malformed)?;
        let subject = Subject::new("ada").map_err(malformed)?;
        for operation in Operation::ALL.iter().copied() {
            let own = [Some(tenant.clone()), None].into_iter();
            let questions =
                own.flat_map(|own| [Some(tenant.clone()), None].map(|target| (own.clone(), target)));
            let possible = questions.map(|(own, target)| Question {
                subject: subject.clone(),
                tenant: own,
                roles: BTreeSet::from([role.clone()]),
                operation,
                target,
            });
            // At least one of: operator or not, on a tenant or on the host.
            if possible.map(|question| self.request(&question)).all(|request| request.is_err()) {
                return Err(PolicyError::NoAction(operation.name()));
            }
        }
        Ok(())
    }
}

impl Types {
    fn new() -> Result<Self, PolicyError> {
        let name = |text: &str| {
            EntityTypeName::from_str(text).map_err(|error| PolicyError::Schema(error.to_string()))
        };
        Ok(Self {
            user: name("User")?,
            role: name("Role")?,
            tenant: name("Tenant")?,
            host: name("Host")?,
            action: name("Action")?,
        })
    }
}

fn uid(of: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(of.clone(), EntityId::new(id))
}

/// One set of all files. A policy's id is its file and its place in it, so that every finding names a file.
fn parse_policies<'a>(
    files: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<cedar_policy::PolicySet, PolicyError> {
    let mut all = cedar_policy::PolicySet::new();
    for (file, text) in files {
        let refused = |reason: String| PolicyError::Policy { file: file.to_owned(), reason };
        let parsed = cedar_policy::PolicySet::from_str(text).map_err(|error| refused(explained(&error)))?;
        if parsed.templates().next().is_some() {
            return Err(refused("a template permits nothing by itself; write the policy out".into()));
        }
        let mut policies: Vec<_> = parsed.policies().collect();
        policies.sort_by_key(|policy| policy.id().to_string());
        for (place, policy) in policies.into_iter().enumerate() {
            let id = PolicyId::new(format!("{file}#{place}"));
            all.add(policy.new_id(id)).map_err(|error| refused(error.to_string()))?;
        }
    }
    if all.is_empty() {
        return Err(PolicyError::Missing { file: "*.cedar" });
    }
    Ok(all)
}

fn file_of(id: &PolicyId) -> String {
    let id = id.to_string();
    id.rsplit_once('#').map_or(id.clone(), |(file, _)| file.to_owned())
}

/// The error and what it is caused by, in one line.
fn explained(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
