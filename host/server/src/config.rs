//! What the server takes and how long it waits.

use bulla_base::{Bytes, Millis};
use serde::{Deserialize, Serialize};

/// Limits of the HTTP side. The defaults suit a server behind a proxy or on a private network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Connections at a time; further ones wait in the system's backlog.
    pub max_connections: u32,
    /// HTTP/2 requests of one connection at a time.
    pub max_streams: u32,
    /// Request line and headers together; at least 8 KiB.
    pub max_header: Bytes,
    /// From the first moment in which a request's headers could come to their last byte, so for an HTTP/1 connection that is
    /// kept open also the longest pause between two requests.
    pub header_timeout: Millis,
    /// How long a connection may stay without any progress while no request runs. Also ends connections that say nothing at
    /// all, and those whose client does not read its response.
    pub idle_timeout: Millis,
    /// A request's body.
    pub max_body: Bytes,
    /// Bytes of all requests' bodies that are held at a time. A tenant may hold as much as is free besides, so one alone half of it.
    pub body_memory: Bytes,
    /// From the request's headers to the last byte of its body.
    pub body_timeout: Millis,
    /// The body of a request that carries a package, in Base64.
    pub max_package_body: Bytes,
    pub package_timeout: Millis,
    /// How long running requests may go on after the server was told to stop.
    pub shutdown_grace: Millis,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            max_connections: 4_096,
            max_streams: 256,
            max_header: Bytes(32 << 10),
            header_timeout: Millis(30_000),
            idle_timeout: Millis(60_000),
            max_body: Bytes(8 << 20),
            body_memory: Bytes(256 << 20),
            body_timeout: Millis(30_000),
            max_package_body: Bytes(96 << 20),
            package_timeout: Millis(300_000),
            shutdown_grace: Millis(30_000),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfig {
    #[error("`{0}` must not be 0")]
    Zero(&'static str),
    #[error("`max-header` is `{0}`; it must be within 8KiB to 1MiB")]
    Header(Bytes),
    #[error("`body-memory` is `{0}`; it must be twice the largest body at least, which is `{1}`")]
    BodyMemory(Bytes, Bytes),
}

impl bulla_base::Coded for InvalidConfig {
    fn code(&self) -> bulla_base::Code {
        bulla_base::codes::CONFIG_INVALID
    }
}

impl ServerConfig {
    /// To be called before the server starts.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let positive = [
            ("max-connections", u64::from(self.max_connections)),
            ("max-streams", u64::from(self.max_streams)),
            ("header-timeout", self.header_timeout.get()),
            ("idle-timeout", self.idle_timeout.get()),
            ("max-body", self.max_body.get()),
            ("body-timeout", self.body_timeout.get()),
            ("max-package-body", self.max_package_body.get()),
            ("package-timeout", self.package_timeout.get()),
        ];
        if let Some((name, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(InvalidConfig::Zero(name));
        }
        let largest = self.max_body.max(self.max_package_body);
        if self.body_memory.get() / 2 < largest.get() {
            return Err(InvalidConfig::BodyMemory(self.body_memory, largest));
        }
        if !(8 << 10..=1 << 20).contains(&self.max_header.get()) {
            return Err(InvalidConfig::Header(self.max_header));
        }
        Ok(())
    }

    /// `max_header` as the HTTP implementation wants it.
    pub(crate) fn header_bytes(&self) -> usize {
        usize::try_from(self.max_header.get()).unwrap_or(1 << 20).clamp(8 << 10, 1 << 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_refuses_everything_is_a_mistake() {
        assert_eq!(ServerConfig::default().check(), Ok(()));
        let none = ServerConfig { max_connections: 0, ..Default::default() };
        assert_eq!(none.check(), Err(InvalidConfig::Zero("max-connections")));
        let small = ServerConfig { max_header: Bytes(100), ..Default::default() };
        assert_eq!(small.check(), Err(InvalidConfig::Header(Bytes(100))));
        let tight = ServerConfig { body_memory: Bytes(191 << 20), ..Default::default() };
        assert_eq!(tight.check(), Err(InvalidConfig::BodyMemory(Bytes(191 << 20), Bytes(96 << 20))));
    }
}
