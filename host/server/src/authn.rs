//! Who sends the request, and whether they may.

use bulla_base::{Coded, Failure, codes};
use bulla_kernel::origin::Origin;
use bulla_kernel::ports::{Decision, Operation, Principal, Target};
use http::{HeaderMap, header};

use crate::refusals::Refusals;
use crate::services::Services;
use crate::trace::Trace;

/// The principal of the request's bearer token (RFC 6750, section 2.1). What is wrong with it is not told.
pub fn authenticate(services: &Services, headers: &HeaderMap) -> Result<Principal, Failure> {
    let authenticated = match bearer(headers) {
        Some(token) => services.tokens.authenticate(token).map_err(|error| error.failure()),
        None => Err(Failure::new(codes::UNAUTHENTICATED, codes::UNAUTHENTICATED.title)),
    };
    if authenticated.as_ref().is_err_and(|failure| failure.code == codes::UNAUTHENTICATED) {
        services.metrics.unauthenticated();
    }
    authenticated
}

/// Exactly one header, with exactly one token.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim_matches(' '))
}

/// The origin of what is about to happen. A refusal is audited, and says nothing of whether the target exists.
pub async fn authorize(
    services: &Services,
    refusals: &Refusals,
    trace: &Trace,
    principal: &Principal,
    operation: Operation,
    target: Target<'_>,
) -> Result<Origin, Failure> {
    let Decision { allowed, policy_version } = services.authorize.decide(principal, operation, target);
    let tenant = match target {
        Target::Tenant(tenant) => Some(tenant.clone()),
        Target::Host => None,
    };
    // Whatever the policies say, a tenant's token opens nothing of another tenant.
    let foreign = principal.tenant.is_some() && tenant.is_some() && principal.tenant != tenant;
    let mut origin = Origin {
        tenant,
        subject: principal.subject.clone(),
        trace: trace.id.clone(),
        at_ms: services.clock.now_ms(),
        policy_version: Some(policy_version),
        call: None,
    };
    if allowed && !foreign {
        return Ok(origin);
    }
    services.metrics.forbidden(operation.name());
    let target =
        origin.tenant.as_ref().map_or_else(|| "host".to_owned(), |tenant| format!("tenant/{tenant}"));
    // Into the log of the one who asked: nobody writes into the log of another tenant, or of one that does not exist.
    origin.tenant = principal.tenant.clone();
    refusals.note(origin, operation, target).await;
    let message = format!("`{}` may not `{}` here", principal.subject, operation.name());
    Err(Failure::new(codes::FORBIDDEN, message))
}
