//! A route and all that is told of it: one value, from which the router and `/openapi.json` are made.

use bulla_base::Failure;
use bulla_kernel::ports::Operation;
use futures::future::BoxFuture;
use http::Method;

use crate::context::Context;
use crate::envelope::Reply;

pub type Handler = fn(Context) -> BoxFuture<'static, Result<Reply, Failure>>;

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody: it tells nothing.
    Open,
    /// A principal that the policies allow this, on the tenant in the path or on the host where there is none.
    Needs(Operation),
}

/// How large a request's body may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upload {
    Normal,
    Package,
}

/// How much work an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    Light,
    /// Many milliseconds at a stretch: where the calls run, so that other requests and the health checks need not wait for it.
    Heavy,
}

pub struct Route {
    pub method: Method,
    /// Parameters in braces, as axum and OpenAPI both write them.
    pub path: &'static str,
    pub access: Access,
    /// Unique: the `operationId`.
    pub name: &'static str,
    pub summary: &'static str,
    pub query: &'static [Field],
    pub body: Body,
    pub upload: Upload,
    pub weight: Weight,
    pub answer: Answer,
    pub handler: Handler,
}

/// A field of a JSON object, or a name of a query.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
    pub about: &'static str,
}

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Text,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    Integer,
    Flag,
    Texts,
    Object(&'static [Field]),
    Objects(&'static [Field]),
    /// An object whose keys are names and whose values have these fields.
    Named(&'static [Field]),
    /// Any JSON.
    Any,
}

/// What the request carries.
#[derive(Debug, Clone, Copy)]
pub enum Body {
    None,
    Json(&'static [Field]),
    /// The action's own input, described by the addon's contract.
    Input,
}

/// What comes back.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// `data` of the envelope.
    Data(Kind),
    /// The same with status 201.
    Created(Kind),
    /// `data` is `null`.
    Nothing,
    /// An action's output, beside what the call used.
    Call,
    /// Not in the envelope: this media type.
    Plain(&'static str),
}

/// A field that is always there.
pub const fn must(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, required: true, about }
}

/// A field that may be absent or `null`.
pub const fn may(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, required: false, about }
}

impl Route {
    pub fn new(
        method: Method,
        path: &'static str,
        operation: Operation,
        name: &'static str,
        summary: &'static str,
        handler: Handler,
    ) -> Self {
        Self {
            method,
            path,
            access: Access::Needs(operation),
            name,
            summary,
            query: &[],
            body: Body::None,
            upload: Upload::Normal,
            weight: Weight::Light,
            answer: Answer::Nothing,
            handler,
        }
    }

    pub fn open(self) -> Self {
        Self { access: Access::Open, ..self }
    }

    pub fn query(self, query: &'static [Field]) -> Self {
        Self { query, ..self }
    }

    pub fn body(self, fields: &'static [Field]) -> Self {
        Self { body: Body::Json(fields), ..self }
    }

    pub fn input(self) -> Self {
        Self { body: Body::Input, ..self }
    }

    pub fn package(self) -> Self {
        Self { upload: Upload::Package, ..self }.heavy()
    }

    pub fn heavy(self) -> Self {
        Self { weight: Weight::Heavy, ..self }
    }

    pub fn answer(self, answer: Answer) -> Self {
        Self { answer, ..self }
    }

    /// The names of the path's parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }

    pub fn of_tenant(&self) -> bool {
        self.parameters().any(|name| name == "tenant")
    }
}
