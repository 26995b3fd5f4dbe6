//! Names to addresses, with the check in between: the client connects to what stands here and to nothing else.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::address::{Reach, reach};

/// Asks for the addresses of a name.
#[async_trait]
pub trait Lookup: Send + Sync + 'static {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The machine's own resolver.
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// A name has no address that may be connected to.
#[derive(Debug, thiserror::Error)]
#[error("the name resolves to no public address")]
pub struct AddressRefused;

/// Gives the client only addresses that a name may have.
pub struct CheckedResolver(pub Arc<dyn Lookup>);

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let lookup = Arc::clone(&self.0);
        Box::pin(async move {
            let allowed = addresses(&*lookup, name.as_str()).await?;
            Ok(Box::new(allowed.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

async fn addresses(
    lookup: &dyn Lookup,
    name: &str,
) -> Result<Vec<IpAddr>, Box<dyn std::error::Error + Send + Sync>> {
    // It got here by an exact grant, and it is this machine whatever a hosts file says (RFC 6761, section 6.3).
    if name == "localhost" {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let found = lookup.lookup(name).await?;
    if found.is_empty() {
        return Err("the name has no address".into());
    }
    let allowed: Vec<_> = found.into_iter().filter(|address| reach(*address) == Reach::Public).collect();
    if allowed.is_empty() { Err(AddressRefused.into()) } else { Ok(allowed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(&'static [&'static str]);

    #[async_trait]
    impl Lookup for Fixed {
        async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            Ok(self.0.iter().map(|text| text.parse().unwrap()).collect())
        }
    }

    #[tokio::test]
    async fn only_public_addresses_pass() {
        let mixed = Fixed(&["10.0.0.1", "1.1.1.1", "::ffff:1.1.1.1", "169.254.169.254"]);
        let passed = addresses(&mixed, "receiver.example").await.unwrap();
        assert_eq!(passed, ["1.1.1.1".parse::<IpAddr>().unwrap()]);
        let none = addresses(&Fixed(&["10.0.0.1"]), "receiver.example").await.unwrap_err();
        assert!(none.is::<AddressRefused>());
        let empty = addresses(&Fixed(&[]), "receiver.example").await.unwrap_err();
        assert!(!empty.is::<AddressRefused>());
    }

    #[tokio::test]
    async fn localhost_is_this_machine_whatever_the_resolver_says() {
        let elsewhere = Fixed(&["1.1.1.1"]);
        let passed = addresses(&elsewhere, "localhost").await.unwrap();
        assert!(passed.iter().all(IpAddr::is_loopback));
        assert_eq!(
            addresses(&elsewhere, "a.localhost").await.unwrap(),
            ["1.1.1.1".parse::<IpAddr>().unwrap()]
        );
    }
}
