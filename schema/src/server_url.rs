//! Where a server is, and whether a token may be sent there.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// Where a server is: `http` or `https`, a host, perhaps a port and a path under which Berth lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerUrl(Url);

impl ServerUrl {
    /// `host` or `host:port`: a good name for it.
    pub fn authority(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The server as one to which a token may be sent: over TLS, or on this machine, or where somebody said that the network in
    /// between is trusted (`allow_http`).
    ///
    /// # Errors
    /// The token would travel in the clear.
    pub fn for_token(&self, allow_http: bool) -> Result<TokenUrl, InTheClear> {
        if self.is_https() || self.is_this_machine() || allow_http {
            return Ok(TokenUrl(self.clone()));
        }
        Err(InTheClear { url: self.to_string() })
    }

    fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    fn is_this_machine(&self) -> bool {
        match self.0.host() {
            Some(Host::Domain(name)) => is_localhost(name),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
            None => false,
        }
    }
}

fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

impl FromStr for ServerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url =
            Url::parse(text).map_err(|error| format!("{error}; it looks like https://berth.example.com"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err("must begin with https:// or http://".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not hold a user or a password; the token is given apart from it".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("must not hold a query ('?…') or a fragment ('#…')".to_owned());
        }
        Ok(Self(url))
    }
}

impl TryFrom<String> for ServerUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ServerUrl> for String {
    fn from(url: ServerUrl) -> Self {
        url.to_string()
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// A token would be readable by everybody on the way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{url} is not encrypted: anybody on the way could read the token and use it")]
pub struct InTheClear {
    url: String,
}

impl InTheClear {
    /// What to do about it.
    pub const HINT: &str = "use https, or, if the network in between is trusted, allow it with --allow-http (BERTH_ALLOW_HTTP=true)";
}

/// A server to which a token may be sent. Only [`ServerUrl::for_token`] makes one, and whoever speaks to a server wants one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenUrl(ServerUrl);

impl TokenUrl {
    pub const fn server(&self) -> &ServerUrl {
        &self.0
    }

    /// The URL of a path below this server. The parts are percent-encoded.
    pub fn join<'a>(&self, parts: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.0.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        url
    }

    /// Whether everything between here and there is kept out. Where it is not, no proxy may be used: it would read the token.
    pub fn is_https(&self) -> bool {
        self.0.is_https()
    }

    /// The name that means this machine, and the addresses that it stands for, whatever a resolver says. The port is left to the
    /// URL.
    pub fn own_machine(&self) -> Option<(&str, [SocketAddr; 2])> {
        let Some(Host::Domain(name)) = self.0.0.host() else { return None };
        let addresses: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        is_localhost(name).then(|| (name, addresses.map(|address| SocketAddr::new(address, 0))))
    }
}

impl fmt::Display for TokenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> ServerUrl {
        text.parse().expect("a URL")
    }

    #[test]
    fn a_server_may_live_under_a_path() {
        let server = server("https://example.com/berth/").for_token(false).expect("TLS");
        assert_eq!(server.join(["api", "a b"]).as_str(), "https://example.com/berth/api/a%20b");
        assert_eq!(server.to_string(), "https://example.com/berth");
    }

    #[test]
    fn a_url_with_a_password_is_refused_without_repeating_it() {
        let error = "https://me:hunter2@example.com".parse::<ServerUrl>().expect_err("a password");
        assert!(!error.contains("hunter2"), "{error}");
        for bad in ["ftp://example.com", "example.com", "", "https://a/?b", "https://a/#b", "http://"] {
            assert!(bad.parse::<ServerUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_token_goes_in_the_clear_to_this_machine_alone() {
        for url in [
            "https://10.0.0.1",
            "http://127.0.0.1:8080",
            "http://127.1",
            "http://0x7f000001",
            "http://[::1]",
            "http://[::ffff:127.0.0.1]:18080",
            "http://localhost",
            "http://LOCALHOST:1",
            "http://berth.localhost",
        ] {
            assert!(server(url).for_token(false).is_ok(), "{url}");
        }
        for url in [
            "http://10.0.0.1",
            "http://0.0.0.0",
            "http://[::]",
            "http://[::ffff:10.0.0.1]",
            "http://localhost.evil.example",
            "http://localhost.evil",
            "http://notlocalhost",
            "http://127.0.0.1.nip.io",
            "http://example.com",
        ] {
            let error = server(url).for_token(false).expect_err(url);
            assert!(error.to_string().contains("is not encrypted"), "{error}");
            assert!(server(url).for_token(true).is_ok(), "{url}");
        }
    }

    #[test]
    fn names_of_this_machine_are_not_left_to_a_resolver() {
        let own = |url: &str| {
            server(url).for_token(true).expect("allowed").own_machine().map(|(name, _)| name.to_owned())
        };
        assert_eq!(own("http://localhost:8080").as_deref(), Some("localhost"));
        assert_eq!(own("http://berth.localhost").as_deref(), Some("berth.localhost"));
        assert_eq!(own("http://127.0.0.1"), None);
        assert_eq!(own("http://localhost.evil"), None);
    }
}
