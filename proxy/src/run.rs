//! The whole proxy: its tasks, each owned, and their orderly end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use berth_certificate::{Certificate, LOOK};
use berth_proxy_core::Sealer;
use berth_schema::activity::TOLD_EVERY_SECONDS;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::args::Args;
use crate::identity::{Identity, TokenFile};
use crate::listen::{Listener, PROTOCOLS};
use crate::server::Server;
use crate::shared::Shared;
use crate::{health, presence, ssh, watch};

/// Runs until a signal or a fault. Whatever ends by itself ends the process: a half-dead proxy would look alive.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let url = args.server()?;
    let token = TokenFile::new(&args.token_file);
    let identity = Identity::of(&token.read()?).context("the token of this proxy")?;
    let authorities = match &args.ca_file {
        Some(path) => Some(std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?),
        None => None,
    };
    let server = Server::new(&url, token, authorities.as_deref())?;
    let sealer =
        Sealer::new(&args.seal_key()?).map_err(|_| anyhow!("no keys can be made of the one to seal with"))?;
    let certificate = Arc::new(Certificate::load(&args.certificate_file, &args.certificate_key_file)?);
    let client = watch::connect(args.context.as_deref()).await?;
    let agent = identity.agent;
    let (whose, reached) = ((identity, args.zones()?), (server, client.clone()));
    let shared = Arc::new(Shared::new(whose, args.public_origin()?, reached, sealer));
    let probes = health::listen(args.health_listen).await?;
    let tls = certificate.config(&PROTOCOLS)?;
    let listener = Listener::bind(args.listen, tls, Arc::clone(&shared), args.max_connections).await?;
    let ssh = match args.ssh_listen {
        Some(address) => Some(ssh::Listener::bind(address, Arc::clone(&shared), args.max_connections).await?),
        None => None,
    };
    tracing::info!(%agent, server = %url, listen = %args.listen, health = %args.health_listen, "starting");

    let (stop, linger) = (CancellationToken::new(), args.linger());
    let mut tasks = JoinSet::new();
    tasks.spawn(watch::services(client.clone(), Arc::clone(&shared)));
    tasks.spawn(watch::slices(client, Arc::clone(&shared)));
    tasks.spawn(health::serve(probes, Arc::clone(&shared)));
    tasks.spawn(follow(certificate));
    tasks.spawn(Arc::clone(&shared).keep_asking(args.recheck()));
    tasks.spawn(Arc::clone(&shared).keep_hearing());
    tasks.spawn(Arc::clone(&shared).keep_telling(Duration::from_secs(TOLD_EVERY_SECONDS)));
    tasks.spawn(Arc::clone(&shared).keep_telling_who(presence::LOOK));
    let mut doors = JoinSet::new();
    doors.spawn(listener.run(stop.clone()));
    if let Some(listener) = ssh {
        doors.spawn(listener.run(stop.clone()));
    }
    let fault = tokio::select! {
        () = stopped(&shared, linger)? => None,
        ended = tasks.join_next() => Some(match ended {
            Some(Ok(Err(error))) => error,
            Some(Err(error)) => anyhow::Error::new(error).context("a part of the proxy broke"),
            Some(Ok(Ok(()))) | None => anyhow!("a part of the proxy ended by itself"),
        }),
        ended = doors.join_next() => return ended.context("there is no port")?.context("a port broke")?,
    };
    stop.cancel();
    while let Some(ended) = doors.join_next().await {
        ended.context("a port broke")??;
    }
    shared.tell_of_nobody().await;
    fault.map_or(Ok(()), Err)
}

/// Looks at the certificate's files again and again. What cannot be read leaves what there is.
async fn follow(certificate: Arc<Certificate>) -> anyhow::Result<()> {
    loop {
        tokio::time::sleep(LOOK).await;
        if let Err(error) = certificate.look() {
            let error = format!("{error:#}");
            tracing::warn!(error, "the certificate cannot be read again: the one before stays");
        }
    }
}

/// Until a signal, and until those who send browsers here have heard of it.
fn stopped(shared: &Shared, linger: Duration) -> anyhow::Result<impl Future<Output = ()>> {
    let signal = until_signal()?;
    Ok(async move {
        signal.await;
        shared.stopping.store(true, Ordering::Release);
        tokio::time::sleep(linger).await;
    })
}

fn until_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
        }
    })
}
