//! What is granted to clients: to those that have proven nothing, and to those that have.

use clap::Args;
use ipnet::IpNet;

use crate::edge::Room;
use crate::pace::Pace;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Clients")]
pub struct EdgeOptions {
    /// The most connections at a time. File descriptors must allow it: the soft limit is raised to the hard one.
    #[arg(long, env = "BERTH_MAX_CONNECTIONS", default_value_t = 8_192)]
    pub max_connections: usize,
    /// The most connections of one address on which no token was proven. A new one replaces the oldest.
    #[arg(long, env = "BERTH_MAX_UNPROVEN_CONNECTIONS", default_value_t = 2_048)]
    pub max_unproven_connections: usize,
    /// Requests a second of one address that prove no token; those that do are not counted.
    #[arg(long, env = "BERTH_UNPROVEN_PER_SECOND", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub unproven_per_second: u32,
    /// So many of them may come at once.
    #[arg(long, env = "BERTH_UNPROVEN_BURST", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub unproven_burst: u32,
    /// Requests a second by one access token, or one session; of one person by all of theirs, twice as many.
    #[arg(long, env = "BERTH_REQUESTS_PER_SECOND", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub requests_per_second: u32,
    /// So many of them may come at once.
    #[arg(long, env = "BERTH_REQUESTS_BURST", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub requests_burst: u32,
    /// Addresses and networks of the reverse proxies that end TLS in front of the server, separated by commas: they alone may come
    /// without TLS from another machine, and their X-Forwarded-For is believed.
    #[arg(long, env = "BERTH_TRUSTED_PROXIES", value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
}

fn network(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<std::net::IpAddr>().map(IpNet::from);
    address
        .or_else(|_| text.parse())
        .map_err(|_| "must be an address or a network, as in 10.0.0.0/8".to_owned())
}

impl EdgeOptions {
    pub fn room(&self) -> Room {
        Room { all: self.max_connections, strangers_of_an_address: self.max_unproven_connections.max(1) }
    }

    pub fn strangers(&self) -> Pace {
        Pace { burst: self.unproven_burst, per_second: self.unproven_per_second }
    }

    /// Of one token.
    pub fn known(&self) -> Pace {
        Pace { burst: self.requests_burst, per_second: self.requests_per_second }
    }
}
