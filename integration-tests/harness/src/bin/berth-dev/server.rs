//! The server with its own Postgres.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use berth_harness::command::{command, output};
use berth_harness::paths;

use crate::detached::{self, HERE};
use crate::site::{Kept, Site};
use crate::stages::Outcome;

/// How long a server may drain.
const GRACE: Duration = Duration::from_secs(60);
const NAME: &str = "server";

/// Makes sure that it runs, listens on this machine and on `also`, and is the one that is built now.
pub(crate) async fn ensure(
    site: &Site,
    also: Option<IpAddr>,
    tools_image: Option<&str>,
) -> anyhow::Result<(SocketAddr, Outcome)> {
    let program = std::fs::canonicalize(paths::program("berth-server")?)?;
    let kept = site.kept(NAME);
    let running = kept.filter(|kept| kept.process.is_alive());
    if let Some(kept) = running
        && detached::is_current(kept.process, &program)
        && berth_harness::answers(&ready_url(kept.address)).await
        && reached(also, kept.address).await
    {
        return Ok((kept.address, format!("runs at http://{}", kept.address)));
    }
    if let Some(kept) = running {
        kept.process.stop(GRACE).await;
    }
    // The same ports as before, since a command line is logged in there.
    let wanted =
        |kept: Option<SocketAddr>, first: u16| detached::address(HERE, kept.map_or(first, |at| at.port()));
    let address = wanted(kept.map(|kept| kept.address), 8080)?;
    let metrics = wanted(kept.map(|kept| kept.metrics), 9090)?;
    let listen: Vec<_> =
        std::iter::once(HERE).chain(also).map(|ip| SocketAddr::new(ip, address.port()).to_string()).collect();
    let mut command = detached::command(&program);
    command.arg("--dev").arg("--state-dir").arg(site.server());
    command.arg("--listen").arg(listen.join(",")).arg("--metrics-listen").arg(metrics.to_string());
    command.arg("--first-token-file").arg(site.first_token());
    command.arg("--first-link-file").arg(site.server().join("first-link"));
    command.arg("--public-url").arg(public_url(address));
    if let Some(image) = tools_image {
        command.arg("--tools-image").arg(image);
    }
    std::fs::create_dir_all(site.server())?;
    let log = site.log(NAME);
    let process = detached::spawn(command, &log)?;
    site.keep(NAME, Kept { process, address, metrics })?;
    detached::ready(process, &ready_url(address), &log).await?;
    let again = if running.is_some() { "started again, with Postgres," } else { "started with Postgres" };
    Ok((address, format!("{again} at http://{address}, metrics at http://{metrics}/metrics")))
}

/// As a browser on this machine knows it: `localhost` may have cookies that are for TLS alone.
pub(crate) fn public_url(address: SocketAddr) -> String {
    format!("http://localhost:{}", address.port())
}

/// A link that signs the administrator in, once: each call makes another one.
pub(crate) async fn sign_in_link(site: &Site, address: SocketAddr) -> anyhow::Result<String> {
    let mut server = command(paths::program("berth-server")?);
    server.arg("sign-in-link").arg("--public-url").arg(public_url(address));
    server.arg("--database-url-file").arg(site.server().join("database-url"));
    Ok(output(&mut server).await?.trim().to_owned())
}

fn ready_url(address: SocketAddr) -> String {
    format!("http://{address}/readyz")
}

async fn reached(also: Option<IpAddr>, address: SocketAddr) -> bool {
    match also {
        Some(ip) => berth_harness::answers(&ready_url(SocketAddr::new(ip, address.port()))).await,
        None => true,
    }
}

/// Stops it, and Postgres with it.
pub(crate) async fn stop(site: &Site) -> bool {
    match site.kept(NAME).filter(|kept| kept.process.is_alive()) {
        Some(kept) => {
            kept.process.stop(GRACE).await;
            true
        }
        None => false,
    }
}
