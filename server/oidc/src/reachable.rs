//! Which addresses a server may be led to by what somebody has configured, or by what a provider says of itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use url::{Host, Url};

/// The longest URL.
const MAX_URL: usize = 2_000;

/// Everything that is public, and what an administrator of the server has allowed.
#[derive(Clone, Debug, Default)]
pub struct Reachable {
    allowed: Vec<IpNet>,
}

/// Why a URL is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlRefused {
    #[error("is no URL of at most {MAX_URL} characters without a user, password or fragment")]
    Malformed,
    #[error(
        "must begin with https:// (or with http:// on the server's own machine, where --openid-allow-network allows that)"
    )]
    Scheme,
    #[error(
        "is at an address that is not public; an administrator of the server may allow it by --openid-allow-network"
    )]
    Address,
}

impl Reachable {
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed }
    }

    /// Whether a connection may go there.
    pub fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address) || self.allowed.iter().any(|network| network.contains(&address))
    }

    /// A URL that may be asked, as far as that shows before its host is looked up.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check(&self, text: &str) -> Result<Url, UrlRefused> {
        let url = Some(text).filter(|text| text.len() <= MAX_URL).and_then(|text| text.parse::<Url>().ok());
        let bare =
            |url: &Url| url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        let url = url.filter(bare).ok_or(UrlRefused::Malformed)?;
        let literal = match url.host() {
            None => return Err(UrlRefused::Malformed),
            Some(Host::Domain("localhost")) => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            Some(Host::Domain(_)) => None,
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        };
        let is_own_machine = literal.is_some_and(|address| address.is_loopback());
        match url.scheme() {
            "https" => {}
            "http" if is_own_machine => {}
            _ => return Err(UrlRefused::Scheme),
        }
        if literal.is_none_or(|address| self.holds(address)) { Ok(url) } else { Err(UrlRefused::Address) }
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Not what IANA's registry of special purposes calls not globally reachable.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (18..20).contains(&b))
        || address == PLATFORM)
}

/// What a machine in Azure reaches its platform at: globally routable by its number, and an inner address by what it is.
const PLATFORM: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// 2000::/3, without what stands for an address of IPv4 (Teredo, 6to4), documentation and the like. NAT64's 64:ff9b::/96 is outside.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    (a & 0xe000) == 0x2000
        && !(a == 0x2001 && b < 0x0200)
        && !(a == 0x2001 && b == 0x0db8)
        && a != 0x2002
        && a != 0x3fff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_an_inner_network_is_reached_unless_it_is_allowed() {
        let nothing = Reachable::default();
        for inner in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "168.63.129.16",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001::1",
            "2001:db8::1",
            "::127.0.0.1",
            "5f00::1",
        ] {
            assert!(!nothing.holds(inner.parse().expect("an address")), "{inner}");
        }
        for outer in ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "2a00:1450::1", "::ffff:1.1.1.1"] {
            assert!(nothing.holds(outer.parse().expect("an address")), "{outer}");
        }
        let some = Reachable::new(vec!["10.1.0.0/16".parse().expect("a network")]);
        assert!(some.holds("10.1.2.3".parse().expect("an address")));
        assert!(some.holds("::ffff:10.1.2.3".parse().expect("an address")));
        assert!(!some.holds("10.2.2.3".parse().expect("an address")));
    }

    #[test]
    fn a_url_is_encrypted_and_its_own() {
        let (nothing, own) =
            (Reachable::default(), Reachable::new(vec!["127.0.0.0/8".parse().expect("a network")]));
        assert!(nothing.check("https://id.example.com/realms/a").is_ok());
        assert!(own.check("http://localhost:8080/").is_ok() && own.check("http://127.0.0.1:8080/").is_ok());
        for (url, refused) in [
            ("http://id.example.com/", UrlRefused::Scheme),
            ("ftp://id.example.com/", UrlRefused::Scheme),
            ("file:///etc/passwd", UrlRefused::Malformed),
            ("javascript:alert(1)", UrlRefused::Malformed),
            ("https://user@id.example.com/", UrlRefused::Malformed),
            ("https://:pw@id.example.com/", UrlRefused::Malformed),
            ("https://id.example.com/#a", UrlRefused::Malformed),
            ("https://169.254.169.254/latest", UrlRefused::Address),
            ("https://0x7f.1/", UrlRefused::Address),
            ("https://2130706433/", UrlRefused::Address),
            ("https://[::1]/", UrlRefused::Address),
            ("https://[::ffff:10.0.0.1]/", UrlRefused::Address),
            ("https://localhost/", UrlRefused::Address),
            ("http://localhost/", UrlRefused::Address),
            ("", UrlRefused::Malformed),
        ] {
            assert_eq!(nothing.check(url), Err(refused), "{url}");
        }
        assert_eq!(own.check("http://10.0.0.1/"), Err(UrlRefused::Scheme));
    }
}
