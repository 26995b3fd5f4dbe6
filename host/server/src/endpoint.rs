//! The way of every request: trace → authenticate → authorize → room → envelope.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{RawPathParams, Request};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, Router, on};
use bulla_base::{Coded, Failure, TenantId, codes};
use bulla_kernel::ports::Target;
use http::{HeaderName, HeaderValue, header};
use tracing::Instrument as _;

use crate::config::ServerConfig;
use crate::connection::InFlight;
use crate::context::{Caller, Context};
use crate::envelope::{self, Reply};
use crate::intake::Intake;
use crate::problem::{internal, invalid};
use crate::refusals::Refusals;
use crate::route::{Access, Route, Upload, Weight};
use crate::services::Services;
use crate::trace::{TRACEPARENT, Trace};
use crate::{api, authn, openapi, problem};

/// What all requests share.
pub(crate) struct App {
    pub services: Arc<Services>,
    pub config: ServerConfig,
    pub openapi: Bytes,
    intake: Arc<Intake>,
    refusals: Refusals,
}

/// The API over these services.
pub fn router(services: Arc<Services>, config: ServerConfig) -> Router {
    routes_on(api::routes(), services, config)
}

pub(crate) fn routes_on(routes: Vec<Route>, services: Arc<Services>, config: ServerConfig) -> Router {
    let app = Arc::new(App {
        refusals: Refusals::new(services.audit_sink.clone()),
        openapi: openapi::document(&routes).to_string().into(),
        intake: Intake::new(config.body_memory),
        services,
        config,
    });
    let mut router = Router::new();
    for route in routes {
        router = router.route(route.path, endpoint(app.clone(), route));
    }
    let (unknown, refused) = (app.clone(), app);
    router
        .fallback(move |request| without_route(unknown.clone(), codes::NOT_FOUND, request))
        .method_not_allowed_fallback(move |request| {
            without_route(refused.clone(), codes::METHOD_NOT_ALLOWED, request)
        })
}

fn endpoint(app: Arc<App>, route: Route) -> MethodRouter {
    // The table's methods are the plain ones, which all have a filter.
    let filter = MethodFilter::try_from(route.method.clone()).unwrap_or(MethodFilter::GET);
    let route = Arc::new(route);
    on(filter, move |params: Result<RawPathParams, _>, request: Request| {
        let params = params
            .map(|params| params.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect());
        let params = params.map_err(|_| invalid("the path is not UTF-8"));
        answer(app.clone(), route.clone(), params, request)
    })
}

/// A path that no route has, or not with this method.
async fn without_route(app: Arc<App>, code: bulla_base::Code, request: Request) -> Response {
    let started = app.services.clock.monotonic();
    let trace = Trace::of(request.headers(), app.services.rng.as_ref());
    let response = problem::respond(&Failure::new(code, code.title), &trace);
    finish(&app, "none", "none", &trace, started, response)
}

async fn answer(
    app: Arc<App>,
    route: Arc<Route>,
    params: Result<Vec<(String, String)>, Failure>,
    request: Request,
) -> Response {
    let started = app.services.clock.monotonic();
    let running = app.services.metrics.request_running();
    let trace = Trace::of(request.headers(), app.services.rng.as_ref());
    let span = tracing::info_span!("request", trace = %trace.id, method = %route.method, route = route.path);
    let in_flight = request.extensions().get::<InFlight>().cloned();
    let work = handle(app.clone(), route.clone(), trace.clone(), params, request).instrument(span);
    // A task of its own: a client that goes away must not stop a change halfway, and a panic must not take the connection.
    let work = async move {
        let reply = work.await;
        drop((running, in_flight));
        reply
    };
    let work = match route.weight {
        Weight::Light => tokio::spawn(work),
        Weight::Heavy => app.services.workers.spawn(work),
    };
    let reply = match work.await {
        Ok(reply) => reply,
        Err(error) => Err(internal(format!("the handler ended early: {error}"))),
    };
    let response = match reply {
        Ok(reply) => envelope::respond(reply, &trace),
        Err(failure) => problem::respond(&failure, &trace),
    };
    finish(&app, route.path, route.method.as_str(), &trace, started, response)
}

async fn handle(
    app: Arc<App>,
    route: Arc<Route>,
    trace: Trace,
    params: Result<Vec<(String, String)>, Failure>,
    request: Request,
) -> Result<Reply, Failure> {
    let (parts, body) = request.into_parts();
    let caller = match route.access {
        Access::Open => None,
        Access::Needs(operation) => {
            let principal = authn::authenticate(&app.services, &parts.headers)?;
            let tenant = tenant(&route, params.as_ref().map_err(Clone::clone)?)?;
            let target = tenant.as_ref().map_or(Target::Host, Target::Tenant);
            let services = &app.services;
            let origin =
                authn::authorize(services, &app.refusals, &trace, &principal, operation, target).await?;
            if let Some(tenant) = &tenant {
                services.tenants.get(tenant).map_err(|error| error.failure())?;
            }
            Some(Caller { principal, origin })
        }
    };
    if route.query.is_empty() && parts.uri.query().is_some_and(|query| !query.is_empty()) {
        return Err(invalid("the resource takes no query"));
    }
    let (max_body, body_timeout) = match route.upload {
        Upload::Normal => (app.config.max_body, app.config.body_timeout),
        Upload::Package => (app.config.max_package_body, app.config.package_timeout),
    };
    let body_timeout = body_timeout.duration();
    let (params, trace) = (params?, trace.id);
    let share = app.intake.share(caller.as_ref().and_then(|caller| caller.origin.tenant.clone()));
    (route.handler)(Context { app, parts, params, body, share, max_body, body_timeout, trace, caller }).await
}

fn tenant(route: &Route, params: &[(String, String)]) -> Result<Option<TenantId>, Failure> {
    if !route.of_tenant() {
        return Ok(None);
    }
    let text = params.iter().find(|(key, _)| key == "tenant").map_or("", |(_, value)| value.as_str());
    TenantId::new(text).map(Some).map_err(|error| invalid(error.to_string()))
}

/// What every response has.
fn finish(
    app: &App,
    route: &str,
    method: &str,
    trace: &Trace,
    started: std::time::Duration,
    mut response: Response<Body>,
) -> Response {
    let headers = response.headers_mut();
    headers.insert(TRACEPARENT, trace.header());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    let elapsed = app.services.clock.monotonic().saturating_sub(started);
    app.services.metrics.request(route, method, response.status().as_u16(), elapsed);
    response
}
