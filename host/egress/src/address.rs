//! Which addresses may be connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bulla_kernel::secrets::Destination;

/// How far an address reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// An address of the internet: any granted name may resolve to it.
    Public,
    /// Of this machine or a private network: only where the operator granted exactly this address.
    Private,
    /// Never: link-local, metadata services, multicast, reserved, or an IPv4 address in disguise.
    Never,
}

/// True where a granted destination may be connected to at all. Names are decided when they are resolved.
pub fn may_be_granted(grant: &Destination) -> bool {
    match grant.address().map(reach) {
        Some(Reach::Public) => true,
        Some(Reach::Private) => grant.has_explicit_port(),
        Some(Reach::Never) => false,
        None => !grant.is_localhost() || grant.has_explicit_port(),
    }
}

/// By the IANA special-purpose registries (RFC 6890 and its updates); what is unknown is not public.
pub fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        // The metadata service of one cloud, inside the carrier-grade block.
        _ if address == Ipv4Addr::new(100, 100, 100, 200) => Reach::Never,
        (10, ..) | (127, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => Reach::Private,
        // This network, link-local with the usual metadata service, IETF protocol assignments, 6to4 relays.
        (0, ..) | (169, 254, _) | (192, 0, 0) | (192, 88, 99) => Reach::Never,
        // Documentation, benchmarking.
        (192, 0, 2) | (198, 51, 100) | (203, 0, 113) | (198, 18..=19, _) => Reach::Never,
        // Multicast, reserved, broadcast.
        (224.., ..) => Reach::Never,
        _ => Reach::Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    let [a, b, ..] = address.segments();
    if address.is_loopback() {
        return Reach::Private;
    }
    match (a, b) {
        // The metadata service of one cloud, inside the unique-local block (RFC 4193).
        _ if address == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254) => Reach::Never,
        (0xfc00..=0xfdff, _) => Reach::Private,
        // NAT64 (RFC 6052): as far as the IPv4 address inside, where that is public.
        (0x64, 0xff9b) if address.segments()[2..6] == [0; 4] => match reach_v4(embedded_v4(address)) {
            Reach::Public => Reach::Public,
            _ => Reach::Never,
        },
        // IETF protocol assignments with Teredo, documentation, 6to4.
        (0x2001, 0..=0x1ff) | (0x2001, 0xdb8) | (0x2002, _) => Reach::Never,
        (0x3fff, _) if b < 0x1000 => Reach::Never,
        // Global unicast; all else, IPv4-mapped addresses among it, is not (RFC 4291, section 2.4).
        (0x2000..=0x3fff, _) => Reach::Public,
        _ => Reach::Never,
    }
}

fn embedded_v4(address: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = address.octets();
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Reach {
        reach(text.parse().unwrap())
    }

    #[test]
    fn only_the_internet_is_public() {
        for text in
            ["1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "64:ff9b::1.1.1.1"]
        {
            assert_eq!(of(text), Reach::Public, "{text}");
        }
        for text in [
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "::1",
            "fd12::1",
        ] {
            assert_eq!(of(text), Reach::Private, "{text}");
        }
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.0.1",
            "192.0.0.192",
            "100.100.100.200",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "192.88.99.1",
            "::",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "fd00:ec2::254",
            "::ffff:127.0.0.1",
            "::ffff:1.1.1.1",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "100::1",
        ] {
            assert_eq!(of(text), Reach::Never, "{text}");
        }
    }

    #[test]
    fn a_private_address_is_granted_with_its_port() {
        let may = |text: &str| may_be_granted(&Destination::parse(text).unwrap());
        for text in [
            "http://127.0.0.1:8080",
            "http://[::1]:80",
            "https://10.0.0.1:443",
            "http://localhost:9",
            "https://a.example",
            "https://1.1.1.1",
        ] {
            assert!(may(text), "{text}");
        }
        for text in [
            "http://127.0.0.1",
            "http://localhost",
            "https://10.0.0.1",
            "http://169.254.169.254:80",
            "http://[fd00:ec2::254]:80",
            "http://0.0.0.0:80",
            "http://[::ffff:127.0.0.1]:80",
        ] {
            assert!(!may(text), "{text}");
        }
    }
}
