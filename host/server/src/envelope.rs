//! The one envelope for success: `{"data": …, "trace": "…"}`, and for calls what they used.

use axum::body::Body;
use axum::response::Response;
use bulla_base::{Bytes, Failure, Fuel, Limits, Millis};
use bulla_kernel::ports::{CallReply, Usage};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::problem::internal;
use crate::trace::Trace;

/// Data of a response that has nothing to tell.
pub const NOTHING: () = ();

/// What a handler answers.
pub enum Reply {
    /// In the envelope.
    Data(StatusCode, Box<RawValue>),
    /// An action's output, beside what the call used.
    Call(Box<RawValue>, Box<Metered>),
    /// As it stands.
    Plain(&'static str, Vec<u8>),
}

/// What a call used and how it was measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Metered {
    call: String,
    usage: UsageAndLimits,
    fuel_schedule: &'static str,
    replayed: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct UsageAndLimits {
    #[serde(flatten)]
    usage: Usage,
    limits: UsageLimits,
}

/// The limits beside which the usage stands.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct UsageLimits {
    fuel: Fuel,
    memory: Bytes,
    deadline: Millis,
    host_calls: Bytes,
    log: Bytes,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Envelope<'a> {
    data: &'a RawValue,
    trace: &'a str,
    #[serde(flatten)]
    call: Option<&'a Metered>,
}

impl Reply {
    pub fn data(data: &impl Serialize) -> Result<Self, Failure> {
        Ok(Self::Data(StatusCode::OK, raw(data)?))
    }

    pub fn created(data: &impl Serialize) -> Result<Self, Failure> {
        Ok(Self::Data(StatusCode::CREATED, raw(data)?))
    }

    pub fn nothing() -> Result<Self, Failure> {
        Self::data(&NOTHING)
    }

    /// The guest's output goes out verbatim. That it is JSON was checked before its effects were committed.
    pub fn call(reply: CallReply) -> Result<Self, Failure> {
        let output = reply.outcome?;
        let text = String::from_utf8(output).map_err(|error| internal(error.to_string()))?;
        let data = RawValue::from_string(text).map_err(|error| internal(error.to_string()))?;
        let metered = Metered {
            call: reply.call.to_string(),
            usage: UsageAndLimits { usage: reply.usage, limits: beside(&reply.limits) },
            fuel_schedule: reply.fuel_schedule,
            replayed: reply.replayed,
        };
        Ok(Self::Call(data, Box::new(metered)))
    }
}

pub fn respond(reply: Reply, trace: &Trace) -> Response {
    let (status, content_type, body) = match reply {
        Reply::Data(status, data) => (status, "application/json", envelope(&data, trace, None)),
        Reply::Call(data, metered) => {
            (StatusCode::OK, "application/json", envelope(&data, trace, Some(&metered)))
        }
        Reply::Plain(content_type, bytes) => (StatusCode::OK, content_type, bytes),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn envelope(data: &RawValue, trace: &Trace, call: Option<&Metered>) -> Vec<u8> {
    serde_json::to_vec(&Envelope { data, trace: trace.id.as_str(), call }).unwrap_or_default()
}

fn raw(data: &impl Serialize) -> Result<Box<RawValue>, Failure> {
    serde_json::value::to_raw_value(data).map_err(|error| internal(error.to_string()))
}

fn beside(limits: &Limits) -> UsageLimits {
    UsageLimits {
        fuel: limits.fuel,
        memory: limits.memory,
        deadline: limits.deadline,
        host_calls: limits.host_calls,
        log: limits.log,
    }
}
