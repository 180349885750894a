//! What the command line accepts where an object or a server is meant.

use std::fmt;
use std::str::FromStr;

use berth_schema::{
    AgentId, AgentName, NameError, OrganizationId, OrganizationName, WorkspaceId, WorkspaceName,
};
use serde::{Deserialize, Serialize};
use url::Url;

macro_rules! reference {
    ($(#[$doc:meta])* $name:ident, $id:ty, $object_name:ty) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) struct $name(String);

        impl $name {
            pub(crate) fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                if text.parse::<$id>().is_err() {
                    <$object_name>::new(text)?;
                }
                Ok(Self(text.to_owned()))
            }
        }

        impl From<$id> for $name {
            fn from(id: $id) -> Self {
                Self(id.to_string())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

reference!(
    /// A workspace's name or id, fit for a URL path.
    WorkspaceRef, WorkspaceId, WorkspaceName
);
reference!(
    /// An agent's name or id, fit for a URL path.
    AgentRef, AgentId, AgentName
);
reference!(
    /// An organisation's name or id, fit for a URL path.
    OrganizationRef, OrganizationId, OrganizationName
);

impl From<OrganizationName> for OrganizationRef {
    fn from(name: OrganizationName) -> Self {
        Self(name.into())
    }
}

/// Where a server is: `http` or `https`, a host, perhaps a port and a path under which Berth lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ServerUrl(Url);

impl ServerUrl {
    /// The URL of a path below this server. The parts are percent-encoded.
    pub(crate) fn join<'a>(&self, parts: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        url
    }

    /// `host` or `host:port`: a good name for a context.
    pub(crate) fn authority(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    pub(crate) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether a token would travel in the clear over a network.
    pub(crate) fn is_clear_text_beyond_this_machine(&self) -> bool {
        let loopback = match self.0.host() {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        !self.is_https() && !loopback
    }
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
            return Err("must not hold a user or a password; `berth login` asks for the token".to_owned());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_cannot_leave_its_place_in_the_path() {
        for bad in ["", "..", ".", "a/b", "a?b", "%2e%2e", "A"] {
            assert!(bad.parse::<WorkspaceRef>().is_err(), "{bad}");
        }
        assert!("calm-blue-reef".parse::<WorkspaceRef>().is_ok());
        assert!("0191e2b4-0000-4000-8000-000000000001".parse::<WorkspaceRef>().is_ok());
    }

    #[test]
    fn a_server_may_live_under_a_path() {
        let server: ServerUrl = "https://example.com/berth/".parse().expect("a URL");
        assert_eq!(server.join(["api", "a b"]).as_str(), "https://example.com/berth/api/a%20b");
        assert_eq!(server.to_string(), "https://example.com/berth");
    }

    #[test]
    fn a_url_with_a_password_is_refused_without_repeating_it() {
        let error = "https://me:hunter2@example.com".parse::<ServerUrl>().expect_err("a password");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn clear_text_is_fine_on_this_machine_alone() {
        for (url, clear) in [
            ("http://127.0.0.1:8080", false),
            ("http://[::1]", false),
            ("http://localhost", false),
            ("http://10.0.0.1", true),
            ("https://10.0.0.1", false),
        ] {
            let server: ServerUrl = url.parse().expect("a URL");
            assert_eq!(server.is_clear_text_beyond_this_machine(), clear, "{url}");
        }
    }
}
