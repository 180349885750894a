//! The whole agent: its tasks, each owned, and their orderly end.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use berth_agent_core::Identity;
use berth_schema::reconcile::Settings;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::args::Args;
use crate::canary::Source;
use crate::cluster::{self, Cluster};
use crate::keys::KeyStore;
use crate::leader::{Elector, Verdict};
use crate::rounds::{Desk, Term};
use crate::server::Server;
use crate::shared::Shared;
use crate::{health, watch as watches};

/// Runs until a signal or a fault. Whatever ends by itself ends the process: a half-dead agent would look alive.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let url = args.server()?;
    let token = args.token()?;
    let agent = token.current().agent();
    let authorities = match &args.ca_file {
        Some(path) => Some(std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?),
        None => None,
    };
    let server = Server::new(&url, token, authorities.as_deref())?;
    let client = cluster::connect(args.context.as_deref()).await?;
    let identity = Identity {
        agent,
        namespace: args.namespace.clone(),
        proxy_namespace: args.proxy_namespace.clone(),
        shared_namespace: args.shared_namespace.clone(),
        reach: args.reach(authorities.as_deref())?,
        allowances: args.allowances.clone().into(),
    };
    let cluster = Cluster::new(client, identity.clone());
    let shared = Arc::new(Shared::new(identity));
    let listener = health::listen(args.health_listen).await?;
    tracing::info!(%agent, server = %url, health = %args.health_listen, "starting");

    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    watches::start(&cluster, &shared, &mut tasks);
    tasks.spawn(health::serve(listener, Arc::clone(&shared)));
    let identity_name = args.lease_identity();
    let (elector, leads, verdicts) =
        Elector::new(&cluster, &args.namespace, identity_name.clone(), Arc::clone(&shared));
    let keys = match args.key_file {
        Some(path) => KeyStore::file(path)?,
        None => KeyStore::secret(cluster.client.clone(), &args.namespace, agent),
    };
    let canary = Source { image: args.canary_image, namespace: args.namespace, pod: identity_name };
    let desk = Desk { cluster, server, keys, shared, canary };
    tasks.spawn(terms(desk, leads, verdicts));
    let mut election = tokio::spawn(elector.run(stop.clone()));

    let fault = tokio::select! {
        () = until_signal()? => None,
        ended = tasks.join_next() => Some(fault(ended)),
        ended = &mut election => return Err(fault(Some(ended))),
    };
    // Writing ends before the Lease is given back.
    tasks.abort_all();
    stop.cancel();
    election.await.context("the election ended badly")??;
    fault.map_or(Ok(()), Err)
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

fn fault(ended: Option<Result<anyhow::Result<()>, tokio::task::JoinError>>) -> anyhow::Error {
    match ended {
        Some(Ok(Err(error))) => error,
        Some(Err(error)) => anyhow::Error::new(error).context("a part of the agent broke"),
        Some(Ok(Ok(()))) | None => anyhow::anyhow!("a part of the agent ended by itself"),
    }
}

/// Leads whenever the Lease says so; everything that a term has begun ends with it.
async fn terms(
    desk: Desk,
    mut leads: watch::Receiver<Option<i64>>,
    verdicts: mpsc::Sender<Verdict>,
) -> anyhow::Result<()> {
    let mut settings = Settings::default();
    loop {
        let epoch = *leads.borrow_and_update();
        let Some(epoch) = epoch else {
            if leads.changed().await.is_err() {
                bail!("nobody holds an election");
            }
            continue;
        };
        let accepted = verdicts.clone();
        let mut term = Term::new(desk.clone(), epoch, settings, move || {
            // A verdict that finds the election busy is superseded by that one.
            let _ = accepted.try_send(Verdict::Accepted);
        });
        tokio::select! {
            _ = term.run() => verdicts.send(Verdict::Stale).await.context("nobody holds an election")?,
            changed = leads.changed() => changed.context("nobody holds an election")?,
        }
        settings = term.settings();
        drop(term);
        tracing::info!(epoch, "the term is over");
        // The elector answers a verdict with another epoch.
        leads.wait_for(|current| *current != Some(epoch)).await.context("nobody holds an election")?;
    }
}
