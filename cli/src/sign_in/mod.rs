//! How a person lets this machine in: by a browser of this machine, or by one anywhere (the device flow).

mod browser;
mod callback;
mod device;
mod pkce;

pub(crate) use browser::Opens;

use crate::client::Authority;
use crate::config::Login;
use crate::error::Error;
use crate::terminal::Talk;

/// The longest name of a device, in characters.
pub(crate) const LONGEST_DEVICE_NAME: usize = 100;

/// By which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Browser(Opens),
    Device,
}

/// Waits until somebody has let this machine in, under that name.
pub(crate) async fn run(
    authority: &Authority,
    way: Way,
    device_name: &str,
    talk: Talk,
) -> Result<Login, Error> {
    let issuer = authority.issuer().await?;
    match way {
        Way::Browser(opens) => browser::run(authority, &issuer, opens, device_name, talk).await,
        Way::Device => device::run(authority, &issuer, device_name, talk).await,
    }
}

/// What this machine is called, for the person who is asked about it.
pub(crate) fn host_name() -> String {
    let name = rustix::system::uname();
    let name = name.nodename().to_string_lossy();
    let name: String =
        name.chars().filter(|c| berth_schema::text::is_plain(*c)).take(LONGEST_DEVICE_NAME).collect();
    if name.trim().is_empty() { "a machine without a name".to_owned() } else { name }
}
