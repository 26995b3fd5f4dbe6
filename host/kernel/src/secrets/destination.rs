//! A place a secret may go to: `scheme://host[:port]`, compared exactly.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

/// Scheme, host and port of a request or a grant. Names are compared in their ASCII form, addresses as numbers, ports with
/// the scheme's own filled in; nothing else is equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    secure: bool,
    host: Host<String>,
    port: u16,
    explicit_port: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a destination: {rule}")]
pub struct InvalidDestination {
    /// Cut at 200 characters.
    pub text: String,
    pub rule: &'static str,
}

impl Destination {
    /// A destination as a grant writes it: nothing behind the port, not even a slash.
    pub fn parse(text: &str) -> Result<Self, InvalidDestination> {
        let refused = |rule| InvalidDestination { text: text.chars().take(200).collect(), rule };
        let authority = text.split_once("://").map(|(_, rest)| rest).ok_or_else(|| refused(FORM))?;
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"/\\?#@%".contains(&byte);
        if authority.is_empty() || !authority.bytes().all(plain) {
            return Err(refused(FORM));
        }
        let url = Url::parse(text).map_err(|_| refused(FORM))?;
        let mut destination = Self::of_url(&url).map_err(refused)?;
        destination.explicit_port = has_port(authority);
        Ok(destination)
    }

    /// Where a request to this URL goes.
    pub fn of_url(url: &Url) -> Result<Self, &'static str> {
        let secure = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err("only `https` and `http` are spoken"),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a URL holds no user and no password");
        }
        let host = url.host().ok_or(FORM)?.to_owned();
        let port = url.port_or_known_default().ok_or(FORM)?;
        Ok(Self { secure, host, port, explicit_port: url.port().is_some() })
    }

    /// True where a request to `self` is what `granted` names.
    pub fn is(&self, granted: &Self) -> bool {
        self.secure == granted.secure && self.host == granted.host && self.port == granted.port
    }

    /// The grant among `granted` that names this destination. A malformed grant names nothing.
    pub fn granted_by<'a>(&self, granted: impl IntoIterator<Item = &'a String>) -> Option<Self> {
        granted.into_iter().filter_map(|text| Self::parse(text).ok()).find(|grant| self.is(grant))
    }

    /// The address, where the destination is one and not a name.
    pub fn address(&self) -> Option<IpAddr> {
        match &self.host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some((*address).into()),
            Host::Ipv6(address) => Some((*address).into()),
        }
    }

    /// True for the name `localhost` itself; names below it are names like any other.
    pub fn is_localhost(&self) -> bool {
        matches!(&self.host, Host::Domain(name) if name == "localhost")
    }

    /// True where the grant names its port and does not leave it to the scheme.
    pub fn has_explicit_port(&self) -> bool {
        self.explicit_port
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

const FORM: &str = "`https://host`, `https://host:port` or the same with `http` is wanted";

fn has_port(authority: &str) -> bool {
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    port.is_some_and(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Destination {
        Destination::of_url(&Url::parse(url).unwrap()).unwrap()
    }

    fn granted(url: &str, grant: &str) -> bool {
        of(url).granted_by(&[grant.to_owned()]).is_some()
    }

    #[test]
    fn only_the_exact_destination_is_granted() {
        let grant = "https://receiver.example";
        for url in
            ["https://receiver.example/a?b=c", "https://receiver.example:443/", "HTTPS://Receiver.Example/"]
        {
            assert!(granted(url, grant), "{url}");
        }
        for url in [
            "http://receiver.example/",
            "https://receiver.example:8443/",
            "https://receiver.example./",
            "https://a.receiver.example/",
            "https://receiver.example.evil.example/",
            "https://receiver.exampl/",
            "https://evil.example/https://receiver.example",
            "https://evil.example/?receiver.example",
            "https://evil.example/#@receiver.example",
        ] {
            assert!(!granted(url, grant), "{url}");
        }
    }

    #[test]
    fn an_address_is_compared_as_a_number() {
        assert!(granted("http://0x7f.1:8080/", "http://127.0.0.1:8080"));
        assert!(granted("http://[0:0:0:0:0:0:0:1]:8080/", "http://[::1]:8080"));
        assert!(!granted("http://[::ffff:127.0.0.1]:8080/", "http://127.0.0.1:8080"));
        assert!(!granted("http://localhost:8080/", "http://127.0.0.1:8080"));
    }

    #[test]
    fn a_malformed_grant_names_nothing() {
        for grant in [
            "receiver.example",
            "https://",
            "https://receiver.example/",
            "https://receiver.example/path",
            "https://user@receiver.example",
            "https://receiver.example?x",
            "https://receiver.example:99999",
            "https://*.example",
            "ftp://receiver.example",
            "https://receiver.example ",
            "https://rec\u{e9}iver.example",
        ] {
            let parsed = Destination::parse(grant);
            assert!(parsed.is_err() || grant.contains('*'), "{grant}");
            assert!(!granted("https://receiver.example/path", grant), "{grant}");
        }
    }

    #[test]
    fn a_port_is_explicit_where_it_is_written() {
        for (grant, explicit) in [
            ("http://localhost:80", true),
            ("http://localhost", false),
            ("http://[::1]", false),
            ("http://[::1]:80", true),
        ] {
            assert_eq!(Destination::parse(grant).unwrap().has_explicit_port(), explicit, "{grant}");
        }
    }
}
