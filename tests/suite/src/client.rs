//! The HTTP API as a program meets it: each answer is held to the one success envelope or the one error envelope.

use std::time::Duration;

pub use reqwest::Method;
use reqwest::blocking::RequestBuilder;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::patience::{PATIENCE, within};

/// Longer than the server's own patience.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A server's address, and perhaps a token for it. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: reqwest::blocking::Client,
    url: String,
    token: Option<String>,
}

impl Client {
    pub fn new(url: &str, token: Option<&str>) -> Self {
        // A second installation changes nothing: all want the same provider.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::blocking::Client::builder().timeout(TIMEOUT).no_proxy().build().unwrap();
        Self { http, url: url.trim_end_matches('/').to_owned(), token: token.map(str::to_owned) }
    }

    /// The same server with another token.
    pub fn with_token(&self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self.clone() }
    }

    /// The same token at another address: where a server came back.
    pub fn at(&self, url: &str) -> Self {
        Self { url: url.trim_end_matches('/').to_owned(), ..self.clone() }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Asked again while the node says that it has not heard from the database for a second: on a busy machine it is right.
    pub fn get(&self, path: &str) -> Reply {
        let ask = || self.finish(self.request(Method::GET, path));
        let heard = |reply: &Reply| reply.body["code"] != "unavailable";
        within(PATIENCE, || Some(ask()).filter(heard)).unwrap_or_else(ask)
    }

    /// `Err`: nobody answered.
    pub fn try_get(&self, path: &str) -> Result<Reply, reqwest::Error> {
        self.try_finish(self.request(Method::GET, path))
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.finish(self.with_body(Method::POST, path, body))
    }

    /// A `POST` without a body.
    pub fn poke(&self, path: &str) -> Reply {
        self.finish(self.request(Method::POST, path))
    }

    pub fn put(&self, path: &str, body: &Value) -> Reply {
        self.finish(self.with_body(Method::PUT, path, body))
    }

    pub fn delete(&self, path: &str) -> Reply {
        self.finish(self.request(Method::DELETE, path))
    }

    /// Calls `<addon>/<action>`.
    pub fn call(&self, tenant: &str, action: &str, input: &Value) -> Reply {
        self.post(&action_path(tenant, action), input)
    }

    /// Calls `<addon>/<action>` with an `Idempotency-Key`.
    pub fn call_once(&self, tenant: &str, action: &str, key: &str, input: &Value) -> Reply {
        self.finish(self.once(tenant, action, key, input))
    }

    /// The same where the server may die. `Err`: nobody answered.
    pub fn try_call_once(
        &self,
        tenant: &str,
        action: &str,
        key: &str,
        input: &Value,
    ) -> Result<Reply, reqwest::Error> {
        self.try_finish(self.once(tenant, action, key, input))
    }

    fn once(&self, tenant: &str, action: &str, key: &str, input: &Value) -> RequestBuilder {
        let request = self.with_body(Method::POST, &action_path(tenant, action), input);
        request.header("idempotency-key", key)
    }

    /// A request as the test makes it up.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub fn finish(&self, request: RequestBuilder) -> Reply {
        self.try_finish(request).unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    /// For requests whose server dies.
    pub fn try_finish(&self, request: RequestBuilder) -> Result<Reply, reqwest::Error> {
        let response = request.send()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text()?;
        Ok(Reply { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::Null), text })
    }

    fn with_body(&self, method: Method, path: &str, body: &Value) -> RequestBuilder {
        self.request(method, path).header("content-type", "application/json").body(body.to_string())
    }
}

fn action_path(tenant: &str, action: &str) -> String {
    let (addon, action) = action.split_once('/').unwrap();
    format!("/v1/tenants/{tenant}/actions/{addon}/{action}")
}

/// An answer. `body` is null where it is no JSON.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
    pub text: String,
}

impl Reply {
    /// The data of a success.
    #[track_caller]
    pub fn data(&self) -> Value {
        self.ok()["data"].clone()
    }

    /// The whole envelope of a success.
    #[track_caller]
    pub fn ok(&self) -> &Value {
        assert!(matches!(self.status, 200 | 201), "expected a success: {} {}", self.status, self.text);
        assert_eq!(self.header("content-type"), Some("application/json"), "{}", self.text);
        self.check_trace();
        assert!(self.body.get("data").is_some(), "no data: {}", self.text);
        &self.body
    }

    /// The problem of a refusal with this code.
    #[track_caller]
    pub fn refused(&self, code: &str) -> &Value {
        assert_eq!(self.body["code"], code, "expected `{code}`: {} {}", self.status, self.text);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text);
        let known = bulla_base::codes::find(code).unwrap_or_else(|| panic!("`{code}` is in no list"));
        assert_eq!(
            (self.status, &self.body["status"]),
            (known.status, &json!(known.status)),
            "{}",
            self.text
        );
        for field in ["type", "title", "detail"] {
            assert!(self.body[field].is_string(), "no `{field}`: {}", self.text);
        }
        self.check_trace();
        &self.body
    }

    /// The addon itself refused, with this code of its own.
    #[track_caller]
    pub fn guest_refused(&self, code: &str) -> &Value {
        let problem = self.refused("guest-error");
        assert_eq!(problem["details"]["code"], code, "{}", self.text);
        problem
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn trace(&self) -> String {
        self.body["trace"].as_str().unwrap_or_default().to_owned()
    }

    /// The trace id of the envelope is the one of the header.
    #[track_caller]
    fn check_trace(&self) {
        let trace = self.trace();
        assert_eq!(trace.len(), 32, "no trace: {}", self.text);
        let traceparent = self.header("traceparent").unwrap_or_default();
        assert_eq!(traceparent.split('-').nth(1), Some(trace.as_str()), "{traceparent}");
    }
}
