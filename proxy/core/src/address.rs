//! What a host's name says: which port of which workspace.

use berth_schema::WorkspaceName;
use berth_schema::kubernetes::{EDITOR_PORT, SSH_PORT};

/// The domains below which this proxy's workspaces are, and the port that browsers know it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zones {
    zones: Vec<String>,
    port: u16,
}

/// A host as a browser asks for it: `<port>-<workspace>.<zone>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    pub workspace: WorkspaceName,
    pub port: u16,
    /// Lower case, without the port: what cookies are bound to.
    pub host: String,
    /// With the port, where that is not 443: as browsers write it in `Origin`.
    pub authority: String,
}

impl Zones {
    /// Names in lower case, without a dot at either end.
    pub fn new(zones: impl IntoIterator<Item = String>, port: u16) -> Self {
        Self { zones: zones.into_iter().collect(), port }
    }

    pub fn contains(&self, zone: &str) -> bool {
        self.zones.iter().any(|known| known == zone)
    }

    /// The hosts of a workspace's editor, below each zone: one of them is its own.
    pub fn addresses(&self, workspace: &WorkspaceName) -> impl Iterator<Item = Address> {
        let port = if self.port == 443 { String::new() } else { format!(":{}", self.port) };
        self.zones.iter().map(move |zone| {
            let host = format!("{EDITOR_PORT}-{workspace}.{zone}");
            let authority = format!("{host}{port}");
            Address { workspace: workspace.clone(), port: EDITOR_PORT, host, authority }
        })
    }

    /// What an authority names; `None` for what is no host of a workspace, spelled in the one way that browsers do.
    pub fn parse(&self, authority: &str) -> Option<Address> {
        let authority = authority.to_ascii_lowercase();
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, number(port)?),
            None => (authority.as_str(), 443),
        };
        if port != self.port {
            return None;
        }
        let (label, zone) = host.split_once('.')?;
        if !self.contains(zone) {
            return None;
        }
        let (port, workspace) = label.split_once('-')?;
        let port = number(port).filter(|port| *port != SSH_PORT)?;
        let workspace = WorkspaceName::new(workspace).ok()?;
        let host = host.to_owned();
        let authority = if self.port == 443 { host.clone() } else { format!("{host}:{}", self.port) };
        Some(Address { workspace, port, host, authority })
    }
}

/// A port, spelled in one way.
fn number(text: &str) -> Option<u16> {
    let port: u16 = text.parse().ok().filter(|port| *port > 0)?;
    (port.to_string() == text).then_some(port)
}

impl Address {
    /// Of the host's own pages.
    pub fn origin(&self) -> String {
        format!("https://{}", self.authority)
    }

    /// The zone that it is below.
    pub fn zone(&self) -> &str {
        self.host.split_once('.').map_or("", |(_, zone)| zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn zones(port: u16) -> Zones {
        Zones::new(["ws.example".to_owned(), "b.ws.example".to_owned()], port)
    }

    #[test]
    fn a_host_names_a_port_of_a_workspace() {
        let address = zones(443).parse("60001-three-word-name.WS.example").expect("an address");
        assert_eq!((address.port, address.workspace.as_str()), (60_001, "three-word-name"));
        assert_eq!(address.origin(), "https://60001-three-word-name.ws.example");
        assert_eq!(address.zone(), "ws.example");
        assert_eq!(
            zones(443).parse("1-a.ws.example:443").map(|address| address.authority),
            Some("1-a.ws.example".to_owned())
        );
        for port in [443, 8443] {
            for address in zones(port).addresses(&WorkspaceName::new("a").expect("a name")) {
                assert_eq!(zones(port).parse(&address.authority), Some(address));
            }
        }
        let elsewhere = zones(8443).parse("1-a.b.ws.example:8443").expect("an address");
        assert_eq!(elsewhere.origin(), "https://1-a.b.ws.example:8443");
        assert_eq!(elsewhere.host, "1-a.b.ws.example");
    }

    #[test]
    fn nothing_else_is_a_host_of_a_workspace() {
        for wrong in [
            "",
            "ws.example",
            ".ws.example",
            "8080-a.ws.example.",
            "8080-a.ws.example.evil.example",
            "8080-a.evil.example",
            "8080-a.x.ws.example",
            "8080.ws.example",
            "-a.ws.example",
            "8080-.ws.example",
            "08080-a.ws.example",
            "+80-a.ws.example",
            "0-a.ws.example",
            "65536-a.ws.example",
            "60022-a.ws.example",
            "8080-a.ws.example:80",
            "8080-a.ws.example:0443",
            "8080-a.ws.example:",
            "8080-a.ws.example:443:443",
            "u@8080-a.ws.example",
            "8080-a_b.ws.example",
            "8080-a.ws.example/x",
            "8080-a..ws.example",
            "[::1]",
            "8080-a%2ews.example",
            " 8080-a.ws.example",
        ] {
            assert_eq!(zones(443).parse(wrong), None, "{wrong}");
        }
        assert_eq!(zones(8443).parse("1-a.ws.example"), None, "another port is another origin");
    }

    proptest! {
        #[test]
        fn no_text_is_taken_for_two_hosts(text in "[ -~]{0,60}") {
            if let Some(address) = zones(443).parse(&text) {
                prop_assert!(zones(443).parse(&address.authority) == Some(address.clone()));
                prop_assert!(address.host.ends_with(".ws.example"));
            }
        }
    }
}
