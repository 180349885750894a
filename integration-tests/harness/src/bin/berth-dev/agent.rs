//! The agent: as a pod where an image of it can be had, otherwise as a process of this machine.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use berth_harness::command::output;
use berth_harness::{images, paths};
use tokio::time::{Instant, sleep};

use crate::berth::Berth;
use crate::detached::{self, HERE};
use crate::overlay;
use crate::proxy;
use crate::server::Serving;
use crate::site::{Kept, Site};
use crate::stages::Outcome;
use crate::target::{Target, Wish};

/// The agent's name in the organisation.
pub(crate) const AGENT: &str = "local";
const NAME: &str = "agent";

/// Makes sure that the agent is registered, installed and ready.
pub(crate) async fn ensure(
    site: &Site,
    berth: &Berth,
    target: &Target,
    wish: &Wish,
    server: &Serving,
) -> anyhow::Result<((), Outcome)> {
    let token = token(site, berth).await?;
    let outcome = match image_and_url(target, wish, server)? {
        Some((image, url)) => install(site, target, (&image, &url), server).await?,
        None => run_here(site, target, wish, (&token, server)).await?,
    };
    wait_for_contact(berth).await?;
    Ok(((), outcome))
}

/// The file of the agent's token, which the server shows only once.
async fn token(site: &Site, berth: &Berth) -> anyhow::Result<PathBuf> {
    let path = site.agent().join("token");
    fs::create_dir_all(site.agent())?;
    let agents = berth.json(&["agents", "list"]).await?;
    let known = agents["items"]
        .as_array()
        .or(agents.as_array())
        .is_some_and(|all| all.iter().any(|one| one["name"] == AGENT));
    match (known, path.exists()) {
        (true, true) => return Ok(path),
        (true, false) => bail!("the token of the agent '{AGENT}' is lost: `make down PURGE=1` begins anew"),
        (false, _) => {}
    }
    let text = berth.run(&["agents", "create", AGENT]).await?;
    berth_secret_file::replace(&path, text.trim().as_bytes()).context("the agent's token cannot be kept")?;
    Ok(path)
}

/// The image, and where pods reach the server; `None` when the agent is to run here.
fn image_and_url(target: &Target, wish: &Wish, server: &Serving) -> anyhow::Result<Option<(String, String)>> {
    if let Some(host) = target.host_address() {
        return Ok(Some((images::AGENT.reference.to_owned(), server.url_at(host))));
    }
    match (&wish.agent_image, &wish.server_url) {
        (None, _) => Ok(None),
        (Some(image), Some(url)) => Ok(Some((image.clone(), url.clone()))),
        (Some(_), None) => bail!(
            "with AGENT_IMAGE give SERVER_URL too: where the cluster's pods reach this machine's server"
        ),
    }
}

async fn install(
    site: &Site,
    target: &Target,
    (image, url): (&str, &str),
    server: &Serving,
) -> anyhow::Result<Outcome> {
    // A new build has the same name: what tells the Deployment is the archive's, which holds a hash.
    let version = match &target.local {
        Some(_) => images::archive(&images::AGENT)
            .await?
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        None => image.to_owned(),
    };
    let settings = overlay::Settings {
        image,
        server_url: url,
        // Whatever ends TLS at an address that somebody else gave has a certificate that pods know.
        authority: target.local.as_ref().map(|_| server.authority.as_path()),
        proxy_image: target.proxy_image.as_deref(),
        version: &version,
    };
    overlay::write(&site.agent(), &settings)?;
    let mut apply = target.kubectl();
    // On the server's side: the client's way would copy the token's Secret into an annotation.
    apply.args(["apply", "--server-side", "--force-conflicts", "--field-manager=berth-dev", "--kustomize"]);
    output(apply.arg(site.agent())).await?;
    let mut rollout = target.kubectl();
    rollout.args([
        "--namespace",
        overlay::NAMESPACE,
        "rollout",
        "status",
        "deployment/berth-agent",
        "--timeout=90s",
    ]);
    if let Err(cause) = output(&mut rollout).await {
        let mut logs = target.kubectl();
        logs.args(["--namespace", overlay::NAMESPACE, "logs", "deployment/berth-agent", "--tail=10"]);
        let last = output(&mut logs).await.unwrap_or_else(|cause| format!("{cause:#}"));
        return Err(cause.context(format!("the agent's pod is not ready; its last words:\n{last}")));
    }
    Ok(format!("installed from manifests/, runs as a pod, talks to {url}"))
}

async fn run_here(
    site: &Site,
    target: &Target,
    wish: &Wish,
    (token, server): (&Path, &Serving),
) -> anyhow::Result<Outcome> {
    let program = fs::canonicalize(paths::program("berth-agent")?)?;
    let kept = site.kept(NAME).filter(|kept| kept.process.is_alive());
    if let Some(kept) = kept {
        if detached::is_current(kept.process, &program)
            && berth_harness::answers(&ready_url(kept.address)).await
        {
            return Ok("runs as a process of this machine".to_owned());
        }
        kept.process.stop(Duration::from_secs(20)).await;
    }
    let address = detached::address(HERE, 8081)?;
    let mut command = detached::command(&program);
    command.env("BERTH_SERVER_URL", format!("http://{}", server.plain)).env("BERTH_AGENT_TOKEN_FILE", token);
    command.env("BERTH_KUBE_CONTEXT", &target.context).env("BERTH_HEALTH_LISTEN", address.to_string());
    command.env("BERTH_AGENT_NAMESPACE", "default");
    if let (Some(image), Some(url)) = (&target.proxy_image, &wish.server_url) {
        proxy::grant(target).await?;
        // This process reaches the server at this machine, and pods do not.
        command.env("BERTH_PROXY_IMAGE", image).env("BERTH_PROXY_SERVER_URL", url);
        command.env("BERTH_ALLOW_HTTP", url.starts_with("http://").to_string());
    }
    let log = site.log(NAME);
    let process = detached::spawn(command, &log)?;
    site.keep(NAME, Kept { process, address, metrics: address, tls: None })?;
    detached::ready(process, &ready_url(address), &log).await?;
    Ok("started as a process of this machine, since no AGENT_IMAGE was given".to_owned())
}

fn ready_url(address: SocketAddr) -> String {
    format!("http://{address}/readyz")
}

/// The server, too, must have heard of it.
async fn wait_for_contact(berth: &Berth) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let agents = berth.json(&["agents", "list"]).await?;
        let all = agents["items"].as_array().or(agents.as_array());
        if all.is_some_and(|all| {
            all.iter().any(|one| one["name"] == AGENT && one["last_contact_at"].is_string())
        }) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("the server has not heard of the agent within 30 s");
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Whether it is a process of this machine; a pod ends with its cluster.
pub(crate) fn runs_here(site: &Site) -> bool {
    site.kept(NAME).is_some_and(|kept| kept.process.is_alive())
}

pub(crate) async fn stop(site: &Site) -> bool {
    match site.kept(NAME).filter(|kept| kept.process.is_alive()) {
        Some(kept) => {
            kept.process.stop(Duration::from_secs(20)).await;
            true
        }
        None => false,
    }
}
