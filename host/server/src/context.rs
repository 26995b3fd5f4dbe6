//! What a handler is given: an authorized request.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Query;
use bulla_base::ids::InvalidId;
use bulla_base::{Bytes, Failure, TenantId, TraceId, codes};
use bulla_kernel::origin::Origin;
use bulla_kernel::ports::Principal;
use http::header;
use http::request::Parts;
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;

use crate::endpoint::App;
use crate::intake::Share;
use crate::problem::{internal, invalid};
use crate::services::Services;

pub struct Context {
    pub(crate) app: Arc<App>,
    pub(crate) parts: Parts,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) body: Body,
    /// The body's bytes, held as long as the handler runs: also where the client has gone away.
    pub(crate) share: Share,
    pub(crate) max_body: Bytes,
    pub(crate) body_timeout: Duration,
    /// The request's trace; also in the origin.
    pub(crate) trace: TraceId,
    /// Absent on open routes.
    pub(crate) caller: Option<Caller>,
}

/// Who was let in, and as what.
pub(crate) struct Caller {
    pub principal: Principal,
    pub origin: Origin,
}

impl Context {
    pub fn services(&self) -> &Services {
        &self.app.services
    }

    pub fn principal(&self) -> Result<&Principal, Failure> {
        self.caller.as_ref().map(|caller| &caller.principal).ok_or_else(no_caller)
    }

    pub fn origin(&self) -> Result<&Origin, Failure> {
        self.caller.as_ref().map(|caller| &caller.origin).ok_or_else(no_caller)
    }

    /// The tenant in the path, which the principal was let in for.
    pub fn tenant(&self) -> Result<&TenantId, Failure> {
        self.origin()?.tenant.as_ref().ok_or_else(|| internal("the route has no tenant"))
    }

    /// A parameter of the path.
    pub fn param<T: std::str::FromStr<Err = InvalidId>>(&self, name: &str) -> Result<T, Failure> {
        self.text(name)?.parse().map_err(|error: InvalidId| invalid(error.to_string()))
    }

    /// A parameter of the path that has no type of its own.
    pub fn text(&self, name: &str) -> Result<&str, Failure> {
        let found = self.params.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).ok_or_else(|| internal(format!("the route has no `{name}`")))
    }

    /// The query, in which unknown names are refused by the type.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let query = Query::try_from_uri(&self.parts.uri).map_err(|error| {
            let text =
                std::error::Error::source(&error).map_or_else(|| error.body_text(), ToString::to_string);
            invalid(format!("the query is malformed: {}", cut(&text)))
        })?;
        Ok(query.0)
    }

    /// The body as this type, which refuses unknown fields. Nesting is bounded to 128 by the parser.
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Failure> {
        let bytes = self.bytes().await?;
        // A list of values in the order of the fields would be read as well.
        if !bytes.trim_ascii_start().starts_with(b"{") {
            return Err(invalid("the body is not a JSON object"));
        }
        let mut parser = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut parser).map_err(|error| {
            let path = error.path().to_string();
            let text = cut(&error.into_inner().to_string());
            if path == "." { invalid(text) } else { invalid(format!("`{}`: {text}", cut(&path))) }
        })?;
        parser.end().map_err(|_| invalid("there is something behind the JSON"))?;
        Ok(value)
    }

    /// The body, which says that it is JSON; within its size and time.
    pub async fn bytes(&mut self) -> Result<Vec<u8>, Failure> {
        if !self.is_json() {
            let message = "send the body as `Content-Type: application/json`";
            return Err(Failure::new(codes::UNSUPPORTED_MEDIA_TYPE, message));
        }
        let limit = self.max_body.get();
        let announced = self.parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let announced = announced.and_then(|text| text.parse::<u64>().ok());
        if announced.is_some_and(|bytes| bytes > limit) {
            return Err(too_large(limit));
        }
        let mut body = std::mem::take(&mut self.body);
        let read = collect(&mut body, announced.unwrap_or(limit), &mut self.share);
        let read = tokio::time::timeout(self.body_timeout, read).await;
        let read = read.map_err(|_| Failure::new(codes::REQUEST_TIMEOUT, codes::REQUEST_TIMEOUT.title))?;
        if read.as_ref().is_err_and(|failure| failure.code == codes::BUSY) {
            self.services().metrics.throttled("body-memory");
        }
        read
    }

    fn is_json(&self) -> bool {
        let mut values = self.parts.headers.get_all(header::CONTENT_TYPE).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let Ok(value) = value.to_str() else { return false };
        let (media, parameter) =
            value.split_once(';').map_or((value, None), |(media, rest)| (media, Some(rest)));
        let utf8 = parameter.is_none_or(|text| {
            let text = text.trim();
            text.eq_ignore_ascii_case("charset=utf-8") || text.eq_ignore_ascii_case("charset=\"utf-8\"")
        });
        media.trim().eq_ignore_ascii_case("application/json") && utf8
    }
}

/// The body in one piece of memory, which is counted as it grows: no more than twice what has come.
async fn collect(body: &mut Body, limit: u64, share: &mut Share) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| invalid("the body ended before its end"))?;
        let Ok(data) = frame.into_data() else { continue };
        let (held, needed) = (bytes.capacity() as u64, (bytes.len() + data.len()) as u64);
        if needed > limit {
            return Err(too_large(limit));
        }
        if needed > held {
            let room = needed.max(held * 2).min(limit);
            share.grow(room - held)?;
            bytes.reserve_exact(usize::try_from(room).unwrap_or(usize::MAX) - bytes.len());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn too_large(limit: u64) -> Failure {
    Failure::new(codes::TOO_LARGE, format!("the body is larger than {}", Bytes(limit)))
}

/// What a parser says may quote the input.
fn cut(text: &str) -> String {
    text.chars().take(300).collect()
}

fn no_caller() -> Failure {
    internal("the route is open")
}
