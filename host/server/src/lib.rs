//! The HTTP side of the host: one resource a room, one envelope for success, one for errors.
//!
//! Every request takes the same way, in [`endpoint`]: trace, authenticate, authorize, then the room. The routes stand in one
//! table, [`api::routes`]; the router, `/openapi.json` and the tests are made from it, so that no route can forget its
//! operation.
#![forbid(unsafe_code)]

mod api;
mod authn;
mod config;
mod connection;
mod context;
mod endpoint;
mod envelope;
mod health;
mod intake;
mod metrics;
mod openapi;
mod problem;
mod receiver;
mod refusals;
mod route;
mod serve;
mod services;
mod trace;

#[cfg(test)]
mod tests;

pub use config::{InvalidConfig, ServerConfig};
pub use endpoint::router;
pub use metrics::Metrics;
pub use receiver::{Received, Receiver};
pub use serve::{Stopped, serve};
pub use services::{AuditSink, Manifests, Services};
