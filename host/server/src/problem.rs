//! The one envelope for errors: problem details for HTTP APIs (RFC 9457).

use axum::body::Body;
use axum::response::Response;
use bulla_base::{Code, Failure, Millis, codes};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::Value;

use crate::trace::Trace;

pub const CONTENT_TYPE: &str = "application/problem+json";

/// The page of a code: its name behind this.
pub const PAGES: &str = "https://bulla.dev/errors/";

/// What a caller sees of a failure. The operator's text stays out of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    trace: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

/// The response for a failure; its internal text goes to the log.
pub fn respond(failure: &Failure, trace: &Trace) -> Response {
    log(failure, trace);
    let Code { name, status, title } = failure.code;
    let problem = Problem {
        r#type: format!("{PAGES}{name}"),
        title,
        status,
        code: name,
        detail: &failure.message,
        trace: trace.id.as_str(),
        retry_after_ms: wait(failure).map(Millis::get),
        details: failure.details.as_ref(),
        hint: failure.hint,
    };
    let mut response = Response::new(Body::from(serde_json::to_vec(&problem).unwrap_or_default()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    if let Some(wait) = wait(failure) {
        // Whole seconds (RFC 9110, section 10.2.3): never earlier than meant.
        headers.insert(header::RETRY_AFTER, wait.get().div_ceil(1_000).into());
    }
    if failure.code == codes::UNAUTHENTICATED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// When the same request makes sense again: as the room says, else by the code. Nothing for what waits for an operator.
fn wait(failure: &Failure) -> Option<Millis> {
    failure.retry_after.or(match failure.code {
        codes::BUSY | codes::UNAVAILABLE => Some(Millis(1_000)),
        codes::STORE_FULL | codes::STORE_UNWRITABLE => Some(Millis(5_000)),
        _ => None,
    })
}

fn log(failure: &Failure, trace: &Trace) {
    let internal = failure.internal.as_deref().unwrap_or_default();
    let (code, detail) = (failure.code.name, failure.message.as_str());
    if failure.code == codes::INTERNAL || failure.code == codes::STORE_CORRUPT {
        tracing::error!(trace = %trace.id, code, detail, internal, "the request failed");
    } else if failure.code.status >= 500 {
        tracing::warn!(trace = %trace.id, code, detail, internal, "the request failed");
    } else {
        tracing::debug!(trace = %trace.id, code, detail, internal, "the request was refused");
    }
}

/// A mistake of the host: the caller learns the code, the operator what happened.
pub fn internal(text: impl Into<String>) -> Failure {
    Failure::new(codes::INTERNAL, codes::INTERNAL.title).internal(text)
}

pub fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(codes::INVALID, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bulla_base::{Millis, SeededRng};
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn the_caller_sees_no_internals() {
        let trace = Trace::of(&Default::default(), &SeededRng::new(1));
        let failure =
            Failure::new(codes::BUSY, "busy").internal("row 7 of table x").retry_after(Millis(1_001));
        let response = respond(&failure, &trace);
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "2");
        assert_eq!(response.headers()["content-type"], CONTENT_TYPE);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            problem,
            serde_json::json!({
                "type": "https://bulla.dev/errors/busy",
                "title": codes::BUSY.title,
                "status": 429,
                "code": "busy",
                "detail": "busy",
                "trace": trace.id,
                "retry-after-ms": 1_001,
            })
        );
    }
}
