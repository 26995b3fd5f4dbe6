//! Requests that carry a secret the addon never sees.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::kernel::secrets as kernel;
use crate::{Error, Result, entry};

/// The right to use one secret for one purpose. See [`crate::Call::secret`].
#[derive(Debug)]
pub struct Secret(kernel::Secret);

impl Secret {
    pub(crate) fn open(alias: &str, purpose: &str) -> Result<Self> {
        Ok(Self(kernel::Secret::open(alias, purpose)?))
    }

    /// Sends a request with the secret in it. What was sent stays sent if the call fails: send from a job, where the host sets
    /// the same `Idempotency-Key` on each attempt. Every status is an `Ok`; see [`Response::error_for_status`].
    /// Errors: `denied` (grant, destination), `conflict` (an uncommitted number), `invalid`, `limit`, `unavailable`.
    pub fn send(&self, request: Request) -> Result<Response> {
        let request = request.finish()?;
        let response = self.0.send(&request)?;
        Ok(Response { status: response.status, headers: response.headers, body: response.body })
    }
}

/// A request. The secret goes into `Authorization: Bearer …` unless another place is named.
#[derive(Debug)]
pub struct Request {
    inner: kernel::Request,
    /// A body that could not become JSON; told when the request is sent.
    broken: Option<Error>,
}

impl Request {
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    pub fn put(url: impl Into<String>) -> Self {
        Self::new("PUT", url)
    }

    pub fn patch(url: impl Into<String>) -> Self {
        Self::new("PATCH", url)
    }

    pub fn delete(url: impl Into<String>) -> Self {
        Self::new("DELETE", url)
    }

    fn new(method: &str, url: impl Into<String>) -> Self {
        let inner = kernel::Request {
            method: method.to_owned(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            placement: kernel::Placement::Bearer,
        };
        Self { inner, broken: None }
    }

    /// Adds a header. At most 64, names and values of at most 8,192 bytes together.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.inner.headers.push((name.into(), value.into()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.inner.body = body.into();
        self
    }

    /// Sets the body to JSON, with its content type.
    pub fn json(mut self, body: &impl Serialize) -> Self {
        match entry::encode(body) {
            Ok(bytes) => self.inner.body = bytes,
            Err(error) => self.broken = Some(error),
        }
        self.header("content-type", "application/json")
    }

    /// Puts the secret into `Authorization: Basic …`, as the password of this user.
    pub fn secret_as_password_of(mut self, user: impl Into<String>) -> Self {
        self.inner.placement = kernel::Placement::Basic(user.into());
        self
    }

    /// Puts the secret into the header with this name.
    pub fn secret_in_header(mut self, name: impl Into<String>) -> Self {
        self.inner.placement = kernel::Placement::Header(name.into());
        self
    }

    fn finish(self) -> Result<kernel::Request> {
        match self.broken {
            Some(error) => Err(error),
            None => Ok(self.inner),
        }
    }
}

/// What came back. Where the secret stood in it stands `[secret]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// The first header with this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text. Errors: `invalid` when it is not UTF-8.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.body).map_err(|_| Error::new("invalid", "the response is not UTF-8"))
    }

    /// The body as JSON. Errors: `invalid`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// Refuses with `unexpected-status` unless the status is 200 to 299.
    pub fn error_for_status(self) -> Result<Self> {
        match self.status {
            200..=299 => Ok(self),
            status => {
                Err(Error::new("unexpected-status", format!("the receiver answered with status {status}"))
                    .with_details(serde_json::json!({ "status": status })))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn json_sets_body_and_content_type() {
        let request =
            Request::post("https://a.example").json(&[1, 2]).secret_in_header("x-key").finish().unwrap();
        assert_eq!(request.body, b"[1,2]");
        assert_eq!(request.headers, [("content-type".to_owned(), "application/json".to_owned())]);
        assert!(matches!(request.placement, kernel::Placement::Header(name) if name == "x-key"));
    }

    #[test]
    fn a_body_that_cannot_be_json_is_told_on_sending() {
        let request = Request::post("https://a.example").json(&BTreeMap::from([(vec![1], 2)]));
        assert_eq!(request.finish().unwrap_err().code(), "invalid");
    }

    #[test]
    fn only_2xx_is_success() {
        let response =
            |status| Response { status, headers: vec![("ETag".into(), "7".into())], body: b"{}".to_vec() };
        assert_eq!(response(204).error_for_status().unwrap().header("etag"), Some("7"));
        for status in [199, 300, 404, 503] {
            assert_eq!(response(status).error_for_status().unwrap_err().code(), "unexpected-status");
        }
    }
}
