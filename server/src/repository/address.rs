//! Where git may connect to: what was checked is what is asked.

use berth_oidc::Reachable;
use berth_repository::Why;
use berth_schema::ProjectUrl;
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

/// The addresses of a URL's host, as curl takes them (`HOST:PORT:ADDRESS,…`); `None`: the URL has an address in place of a name.
///
/// # Errors
/// Where none of them may be asked: [`Why::Address`] of what is no name, or is one that nothing is looked up for, and [`Why::Name`] of every
/// other, whether it has inner addresses or none. Which names there are in some inner network is told to nobody.
pub(super) async fn pin(
    reachable: &Reachable,
    url: &ProjectUrl,
    deadline: Instant,
) -> Result<Option<String>, Why> {
    let url: Url = url.to_string().parse().map_err(|_| Why::Address)?;
    let port = url.port_or_known_default().ok_or(Why::Address)?;
    let name = match url.host().ok_or(Why::Address)? {
        Host::Ipv4(address) => return reachable.holds(address.into()).then_some(None).ok_or(Why::Address),
        Host::Ipv6(address) => return reachable.holds(address.into()).then_some(None).ok_or(Why::Address),
        // curl looks a name with a dot behind it up by itself, whatever it was told of the name without.
        Host::Domain(name) if name.ends_with('.') => return Err(Why::Address),
        Host::Domain(name) => name,
    };
    let found = timeout_at(deadline, lookup_host((name, port))).await.map_err(|_| Why::Slow)?;
    let held: Vec<String> = found
        .map_err(|_| Why::Name)?
        .map(|address| address.ip())
        .filter(|address| reachable.holds(*address))
        .map(|address| if address.is_ipv6() { format!("[{address}]") } else { address.to_string() })
        .collect();
    if held.is_empty() { Err(Why::Name) } else { Ok(Some(format!("{name}:{port}:{}", held.join(",")))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pinned(url: &str, allowed: &[&str]) -> Result<Option<String>, Why> {
        let networks = allowed.iter().map(|network| network.parse().expect("a network")).collect();
        let url = ProjectUrl::new(url).expect("a URL");
        pin(&Reachable::new(networks), &url, Instant::now() + std::time::Duration::from_secs(5)).await
    }

    #[tokio::test]
    async fn inner_addresses_are_asked_only_where_they_are_allowed_by_whatever_name() {
        for inner in [
            "https://127.0.0.1/a",
            "https://127.1/a",
            "https://0x7f000001/a",
            "https://2130706433/a",
            "https://169.254.169.254/latest/meta-data",
            "https://10.0.0.1:8443/a",
            "https://[::1]/a",
            "https://[::ffff:10.0.0.1]/a",
            "https://[64:ff9b::a00:1]/a",
            "https://localhost./a",
        ] {
            assert_eq!(pinned(inner, &[]).await, Err(Why::Address), "{inner}");
        }
        // One that is inner, and one that is not there.
        for name in ["https://localhost/a", "https://no-such-host.invalid/a"] {
            assert_eq!(pinned(name, &[]).await, Err(Why::Name), "{name}");
        }
        let told = Why::Name.to_string();
        assert!(told.contains("look at the name") && told.contains("DNS"), "{told}");
        assert_eq!(pinned("https://127.0.0.1/a", &["127.0.0.0/8"]).await, Ok(None));
        assert_eq!(pinned("https://8.8.8.8/a", &[]).await, Ok(None));
        assert_eq!(pinned("https://localhost./a", &["127.0.0.0/8", "::1/128"]).await, Err(Why::Address));
        let pin =
            pinned("https://localhost:8443/a", &["127.0.0.0/8"]).await.expect("allowed").expect("a name");
        assert!(pin.starts_with("localhost:8443:127.0.0.1"), "{pin}");
        assert!(!pin.contains('['), "the other address is not allowed: {pin}");
    }
}
