//! The server with its own Postgres.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use berth_harness::command::{command, output};
use berth_harness::paths;

use crate::detached::{self, HERE};
use crate::site::{Kept, Site};
use crate::stages::Outcome;

/// How long a server may drain.
const GRACE: Duration = Duration::from_secs(60);
const NAME: &str = "server";

/// Where a server that runs is reached.
#[derive(Clone, Debug)]
pub(crate) struct Serving {
    /// Without TLS, from this machine alone.
    pub(crate) plain: SocketAddr,
    pub(crate) tls: SocketAddr,
    /// The file of the authority that signed its certificate.
    pub(crate) authority: PathBuf,
}

impl Serving {
    /// As a browser on this machine knows it.
    pub(crate) fn public_url(&self) -> String {
        format!("https://localhost:{}", self.tls.port())
    }

    /// As pods know it, to which this machine has that address.
    pub(crate) fn url_at(&self, host: IpAddr) -> String {
        format!("https://{}", SocketAddr::new(host, self.tls.port()))
    }
}

/// Makes sure that it runs, listens on this machine and on `also`, and is the one that is built now.
pub(crate) async fn ensure(
    site: &Site,
    also: Option<IpAddr>,
    tools_image: Option<&str>,
) -> anyhow::Result<(Serving, Outcome)> {
    let program = std::fs::canonicalize(paths::program("berth-server")?)?;
    let authority = site.authority()?;
    let names: Vec<_> = ["localhost".to_owned(), HERE.to_string()]
        .into_iter()
        .chain(also.map(|address| address.to_string()))
        .collect();
    // A server that runs takes up another one by itself.
    let (certificate, key) = authority.sign(&names)?.files;
    let serving = |plain, tls| Serving { plain, tls, authority: authority.certificate() };
    let kept = site.kept(NAME);
    let running = kept.filter(|kept| kept.process.is_alive());
    if let Some(kept) = running
        && let Some(tls) = kept.tls
        && detached::is_current(kept.process, &program)
        && berth_harness::answers(&ready_url(kept.address)).await
        && listens(also, tls).await
    {
        let serving = serving(kept.address, tls);
        let outcome = format!("runs at {}", serving.public_url());
        return Ok((serving, outcome));
    }
    if let Some(kept) = running {
        kept.process.stop(GRACE).await;
    }
    // The same ports as before, since a command line is logged in there.
    let wanted =
        |kept: Option<SocketAddr>, first: u16| detached::address(HERE, kept.map_or(first, |at| at.port()));
    let address = wanted(kept.map(|kept| kept.address), 8080)?;
    let tls = wanted(kept.and_then(|kept| kept.tls), 8444)?;
    let metrics = wanted(kept.map(|kept| kept.metrics), 9090)?;
    let listen: Vec<_> =
        std::iter::once(HERE).chain(also).map(|ip| SocketAddr::new(ip, tls.port()).to_string()).collect();
    let serving = serving(address, tls);
    let mut command = detached::command(&program);
    command.arg("--dev").arg("--state-dir").arg(site.server());
    command.arg("--listen").arg(address.to_string()).arg("--tls-listen").arg(listen.join(","));
    command.arg("--certificate-file").arg(certificate).arg("--certificate-key-file").arg(key);
    command.arg("--metrics-listen").arg(metrics.to_string());
    command.arg("--first-token-file").arg(site.first_token());
    command.arg("--first-link-file").arg(site.server().join("first-link"));
    command.arg("--public-url").arg(serving.public_url());
    if let Some(image) = tools_image {
        command.arg("--tools-image").arg(image);
    }
    std::fs::create_dir_all(site.server())?;
    let log = site.log(NAME);
    let process = detached::spawn(command, &log)?;
    site.keep(NAME, Kept { process, address, metrics, tls: Some(tls) })?;
    detached::ready(process, &ready_url(address), &log).await?;
    let again = if running.is_some() { "started again, with Postgres," } else { "started with Postgres" };
    let outcome = format!("{again} at {}, metrics at http://{metrics}/metrics", serving.public_url());
    Ok((serving, outcome))
}

/// A link that signs the administrator in, once: each call makes another one.
pub(crate) async fn sign_in_link(site: &Site, serving: &Serving) -> anyhow::Result<String> {
    let mut server = command(paths::program("berth-server")?);
    server.arg("sign-in-link").arg("--public-url").arg(serving.public_url());
    server.arg("--database-url-file").arg(site.server().join("database-url"));
    Ok(output(&mut server).await?.trim().to_owned())
}

fn ready_url(address: SocketAddr) -> String {
    format!("http://{address}/readyz")
}

/// Whether it listens there, too: its address may have changed with the cluster's.
async fn listens(also: Option<IpAddr>, tls: SocketAddr) -> bool {
    match also {
        Some(ip) => tokio::net::TcpStream::connect((ip, tls.port())).await.is_ok(),
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
