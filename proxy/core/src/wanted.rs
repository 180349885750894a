//! Where somebody wanted to go in a workspace that does not run: sealed into the address of the page where they wait, so that the server
//! learns nothing of the path and leads nobody anywhere but back to that host.

use crate::flow::wanted_path;
use crate::{Address, NONCE_BYTES, NotMade, Sealer};

/// Where the server leads a browser on to, once the workspace runs.
pub const ONWARD: &str = "/.berth/onward";
/// A longer path is not kept: it would be one of the address of a page.
const MAX_KEPT: usize = 1_024;

/// Seals a path with its query for a host.
///
/// # Errors
/// None that can happen: what is sealed is short.
pub fn keep_wanted(
    sealer: &Sealer,
    address: &Address,
    wanted: &str,
    nonce: [u8; NONCE_BYTES],
) -> Result<String, NotMade> {
    let wanted = if wanted.len() > MAX_KEPT { "/" } else { wanted_path(wanted) };
    sealer.seal(("wanted", &address.host), nonce, wanted.as_bytes()).map_err(|_| NotMade)
}

/// The path that was sealed for that host; `/` where it was not.
pub fn kept_wanted(sealer: &Sealer, address: &Address, text: &str) -> String {
    let opened = sealer.open(("wanted", &address.host), text);
    let opened = opened.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
    opened.map_or_else(|| "/".to_owned(), |wanted| wanted_path(&wanted).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Zones;
    use crate::seal::sealer;

    fn address(host: &str) -> Address {
        Zones::new(["ws.example".to_owned()], 443).parse(host).expect("an address")
    }

    #[test]
    fn a_path_comes_back_at_its_own_host_and_nowhere_else() {
        let (sealer, here, there) = (sealer(), address("8080-a.ws.example"), address("8081-a.ws.example"));
        let kept = |wanted: &str| keep_wanted(&sealer, &here, wanted, [3; NONCE_BYTES]).expect("sealed");
        let text = kept("/files/a?secret=b");
        assert!(
            !text.contains("secret")
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        );
        assert_eq!(kept_wanted(&sealer, &here, &text), "/files/a?secret=b");
        assert_eq!(kept_wanted(&sealer, &there, &text), "/");
        for wrong in ["", "AAAA", "/evil", &text[1..]] {
            assert_eq!(kept_wanted(&sealer, &here, wrong), "/", "{wrong}");
        }
    }

    #[test]
    fn a_path_that_leads_elsewhere_or_is_too_long_is_the_beginning() {
        let (sealer, here) = (sealer(), address("8080-a.ws.example"));
        for wanted in ["//evil.example/", "https://evil.example/", &format!("/{}", "a".repeat(MAX_KEPT))] {
            let text = keep_wanted(&sealer, &here, wanted, [3; NONCE_BYTES]).expect("sealed");
            assert_eq!(kept_wanted(&sealer, &here, &text), "/", "{wanted}");
        }
    }
}
