//! The way to the server: HTTP with one success envelope and one error envelope.

use std::time::Duration;

use reqwest::Method;
use reqwest::blocking::{RequestBuilder, Response};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use url::Url;

use crate::context::is_loopback;
use crate::error::{CliError, Problem};
use crate::metered::Metered;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than the slowest thing a server does while somebody waits: to compile a large component.
const TIMEOUT: Duration = Duration::from_secs(300);

/// An API token. Never printed.
pub struct Token(HeaderValue);

impl Token {
    /// The text may end with a line break, as files do.
    pub fn new(text: &str) -> Result<Self, CliError> {
        let refused = |_| CliError::usage("the token is not one line of visible ASCII");
        let mut value = HeaderValue::from_str(&format!("Bearer {}", text.trim())).map_err(refused)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

/// A server and a token for it.
pub struct Client {
    http: reqwest::blocking::Client,
    base: Url,
    token: Option<Token>,
}

/// What a server that did it answers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Reply {
    /// The answer, as the server wrote it.
    pub data: Box<RawValue>,
    #[serde(default)]
    pub trace: String,
    /// Only of calls, as the next two.
    pub usage: Option<Metered>,
    #[serde(default)]
    pub replayed: bool,
}

impl Reply {
    pub fn value(&self) -> Value {
        serde_json::from_str(self.data.get()).unwrap_or(Value::Null)
    }
}

/// What is sent.
#[derive(Default)]
pub struct Request<'a> {
    pub query: Vec<(&'static str, String)>,
    /// JSON text.
    pub body: Option<String>,
    pub idempotency_key: Option<&'a str>,
}

impl<'a> Request<'a> {
    pub fn json(body: &Value) -> Self {
        Self { body: Some(body.to_string()), ..Self::default() }
    }

    /// Adds what is set.
    pub fn query(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }
}

impl Client {
    pub fn new(base: Url, token: Option<Token>) -> Result<Self, CliError> {
        // A second installation changes nothing: all want the same provider.
        drop(rustls::crypto::ring::default_provider().install_default());
        let unusable = |reason: String| CliError::Unreachable { url: base.to_string(), reason };
        if base.cannot_be_a_base() || !matches!(base.scheme(), "http" | "https") {
            return Err(unusable("it is not an `http` or `https` address".into()));
        }
        let mut builder = reqwest::blocking::Client::builder()
            .user_agent(concat!("bulla/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            // A token must not travel on to where a server points.
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| unusable(reason(&error)))?;
        Ok(Self { http, base, token })
    }

    pub fn url(&self) -> &Url {
        &self.base
    }

    pub fn get(&self, path: &[&str]) -> Result<Reply, CliError> {
        self.send(Method::GET, path, Request::default())
    }

    pub fn find(&self, path: &[&str], request: Request<'_>) -> Result<Reply, CliError> {
        self.send(Method::GET, path, request)
    }

    pub fn post(&self, path: &[&str], request: Request<'_>) -> Result<Reply, CliError> {
        self.send(Method::POST, path, request)
    }

    pub fn put(&self, path: &[&str], body: &Value) -> Result<Reply, CliError> {
        self.send(Method::PUT, path, Request::json(body))
    }

    pub fn delete(&self, path: &[&str]) -> Result<Reply, CliError> {
        self.send(Method::DELETE, path, Request::default())
    }

    /// An answer without the envelope.
    pub fn bytes(&self, path: &[&str], request: Request<'_>) -> Result<Vec<u8>, CliError> {
        let response = self.answer(Method::GET, path, request)?;
        response.bytes().map(Vec::from).map_err(|error| self.unreachable(&error))
    }

    fn send(&self, method: Method, path: &[&str], request: Request<'_>) -> Result<Reply, CliError> {
        let response = self.answer(method, path, request)?;
        let status = response.status().as_u16();
        let bytes = response.bytes().map_err(|error| self.unreachable(&error))?;
        serde_json::from_slice(&bytes).map_err(|_| self.strange(status))
    }

    /// The response where it is a success, else the problem in it.
    fn answer(&self, method: Method, path: &[&str], request: Request<'_>) -> Result<Response, CliError> {
        let response =
            self.request(method, path, request).send().map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let bytes = response.bytes().map_err(|error| self.unreachable(&error))?;
        match serde_json::from_slice::<Problem>(&bytes) {
            Ok(mut problem) => {
                if problem.detail.is_empty() {
                    problem.detail = problem.title.clone();
                }
                Err(CliError::Refused(Box::new(problem)))
            }
            Err(_) => Err(self.strange(status.as_u16())),
        }
    }

    fn request(&self, method: Method, path: &[&str], request: Request<'_>) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let mut builder = self.http.request(method, url);
        if let Some(Token(value)) = &self.token {
            builder = builder.header(AUTHORIZATION, value.clone());
        }
        if let Some(key) = request.idempotency_key {
            builder = builder.header("idempotency-key", key);
        }
        match request.body {
            Some(body) => builder.header(CONTENT_TYPE, "application/json").body(body),
            None => builder,
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> CliError {
        CliError::Unreachable { url: self.base.to_string(), reason: reason(error) }
    }

    fn strange(&self, status: u16) -> CliError {
        CliError::Strange { url: self.base.to_string(), status }
    }
}

/// The innermost cause: the outer ones say only that something failed.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests;
