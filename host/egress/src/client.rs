use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bulla_base::{Code, Coded, Millis, Rng, codes};
use bulla_kernel::ports::{Egress, EgressError, OutboundRequest, OutboundResponse};
use bulla_kernel::secrets::{self, Granted};
use reqwest::{Client, Method, redirect};

use crate::address::may_be_granted;
use crate::resolve::{AddressRefused, CheckedResolver, Lookup, SystemLookup};
use crate::scrub::Scrubber;
use crate::{answer, outgoing, tls};

/// Until the connection stands, TLS included; the request's own timeout may be shorter.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const IDLE_PER_HOST: usize = 8;
const RETRY_AFTER: Millis = Millis(1_000);

#[derive(Debug, Clone, Default)]
pub struct EgressConfig {
    /// Certificates of further roots, as PEM, for receivers inside the operator's own network.
    pub extra_roots_pem: Option<Vec<u8>>,
}

#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("the additional root certificates do not read: {reason}")]
    Roots { reason: String },
    #[error("the http client does not start: {reason}")]
    Client { reason: String },
}

impl Coded for SetupError {
    fn code(&self) -> Code {
        match self {
            Self::Roots { .. } => codes::CONFIG_INVALID,
            Self::Client { .. } => codes::INTERNAL,
        }
    }
}

/// The way out. One for the whole node: connections are kept by scheme, host and port.
pub struct HttpEgress {
    client: Client,
    rng: Arc<dyn Rng>,
}

impl HttpEgress {
    pub fn new(config: &EgressConfig, rng: Arc<dyn Rng>) -> Result<Self, SetupError> {
        Self::with_lookup(config, rng, Arc::new(SystemLookup))
    }

    /// With another resolver than the machine's. What it finds is checked all the same.
    pub fn with_lookup(
        config: &EgressConfig,
        rng: Arc<dyn Rng>,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Self, SetupError> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls::client_config(config.extra_roots_pem.as_deref())?)
            .dns_resolver(Arc::new(CheckedResolver(lookup)))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .build()
            .map_err(|error| SetupError::Client { reason: told(&error) })?;
        Ok(Self { client, rng })
    }

    async fn exchange(
        &self,
        granted: Granted,
        request: OutboundRequest,
    ) -> Result<OutboundResponse, EgressError> {
        let headers = outgoing::headers(&request, &*self.rng)?;
        let pair = outgoing::user_and_secret(&request);
        let scrubber = Scrubber::new(&request.secret.0, pair.as_ref().map(|pair| pair.as_slice()))
            .ok_or_else(|| EgressError::Invalid("the secret is too short to be found in an answer".into()))?;
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| EgressError::Invalid("the method is malformed".into()))?;
        let destination = granted.destination.to_string();
        let sent = self.client.request(method, granted.url).headers(headers).body(request.body).send().await;
        let response = sent.map_err(|error| {
            let refused = causes(&error).any(|cause| cause.is::<AddressRefused>());
            if refused { EgressError::Denied { destination } } else { unavailable(error) }
        })?;
        answer::read(response, request.max_response, scrubber).await
    }
}

#[async_trait]
impl Egress for HttpEgress {
    fn check(&self, request: &OutboundRequest) -> Result<(), EgressError> {
        decide(request).map(drop)
    }

    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, EgressError> {
        let granted = decide(&request)?;
        let timeout = request.timeout.duration();
        match tokio::time::timeout(timeout, self.exchange(granted, request)).await {
            Ok(answer) => answer,
            Err(_) => {
                let reason = format!("no answer within {} ms", timeout.as_millis());
                Err(EgressError::Unavailable { reason, retry_after: RETRY_AFTER })
            }
        }
    }
}

/// The kernel's rules, and that the granted address is one that can be granted.
fn decide(request: &OutboundRequest) -> Result<Granted, EgressError> {
    let granted = secrets::check(request)?;
    if !may_be_granted(&granted.grant) {
        return Err(EgressError::Denied { destination: granted.destination.to_string() });
    }
    Ok(granted)
}

pub fn unavailable(error: reqwest::Error) -> EgressError {
    EgressError::Unavailable { reason: told(&error.without_url()), retry_after: RETRY_AFTER }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}

/// The error with its causes; the client's own text says only that something failed.
fn told(error: &reqwest::Error) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
