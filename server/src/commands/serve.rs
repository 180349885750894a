//! `berth-server serve`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, bail};
use berth_db::embedded::{EmbeddedConfig, EmbeddedPostgres};
use jiff::SignedDuration;
use ring::rand::SystemRandom;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info};

use super::first;
use crate::config::{GitOptions, ServeOptions};
use crate::contacts::Teller;
use crate::crypto::{KeyRing, Keys};
use crate::edge;
use crate::identity::{Actor, Run};
use crate::issuer::Issuer;
use crate::openid::Providers;
use crate::serve::{self, Running};
use crate::services::git::Signer;
use crate::services::key_check::check_keys;
use crate::services::organizations::{self, First};
use crate::services::rewrap::Rewrapper;
use crate::services::sign_in::FIRST_PERSON;
use crate::services::signing_keys;
use crate::services::subjects::Filler;
use crate::services::workspaces::NewSpec;
use crate::services::{connections, elevations};
use crate::{Context, lifecycle, logging};

pub(super) async fn run(mut options: ServeOptions) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    logging::start(&options.logging)?;
    // Nothing is made where nothing will be served.
    options.http.check().map_err(anyhow::Error::msg)?;
    // Before anything is started that would have to be stopped.
    let mut signals = Signals::new()?;
    let postgres = if options.dev.dev { own_postgres(&mut options).await? } else { None };
    let result = tokio::select! {
        result = up(&options) => result.map(Some),
        () = signals.received() => Ok(None),
    };
    let result = match result {
        Ok(Some(mut running)) => {
            let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            info!(addresses = ?running.addresses(), metrics = %running.metrics_address(), milliseconds, "ready");
            let broken = tokio::select! {
                () = running.broken() => true,
                () = ended(postgres.as_ref()) => true,
                () = signals.received() => false,
            };
            // What is broken is not waited for.
            running.stop(!broken).await;
            if broken { Err(anyhow::anyhow!("a part of the server has ended by itself")) } else { Ok(()) }
        }
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    if let Some(postgres) = postgres {
        postgres.stop().await.context("cannot stop the own Postgres")?;
    }
    result.map(|()| ExitCode::SUCCESS)
}

/// Ends when the own Postgres has ended by itself.
async fn ended(postgres: Option<&EmbeddedPostgres>) {
    match postgres {
        Some(postgres) => error!(how = postgres.ended().await, "Postgres has ended"),
        None => std::future::pending().await,
    }
}

/// Everything from the migrations to the open ports.
async fn up(options: &ServeOptions) -> anyhow::Result<Running> {
    let url = options.database.url()?;
    let (key_file, keys) = keys(options)?;
    let default_spec = default_spec(options.default_devfile.as_deref())?;
    let database = super::database::open(&options.database, &options.owner).await?;
    super::database::refuse_part(&url).await?;
    let run = Run::begin(Actor::Command("serve"), database.clone());
    let generations = berth_db::generations_in_use(&url).await.context("cannot look at the data keys")?;
    check_keys(&run, &keys.current(), &generations)
        .await
        .with_context(|| format!("--kek-file {}", key_file.display()))?;
    let issuer = Arc::new(Issuer::new(&issuer_name(options)));
    let context = Context {
        default_spec: Arc::new(default_spec),
        signer: options.git.issuer.as_ref().map(|_| Arc::new(signer(&issuer, &options.git))),
        issuer,
        projects: (&options.projects).into(),
        repositories: options.repositories.repositories()?,
        sessions: options.sign_in.rules(),
        openid: Arc::new(Providers::new(options.sign_in.openid.fetcher()?)),
        public_url: options.sign_in.public_url(),
        guardrails: Arc::new((&options.guardrails).into()),
        ..Context::new(database, keys, options.agents.configuration()?)
    };
    let context = context.speaking((&options.protocol).into());
    signing_keys::of(&context, run.now).await.context("cannot take up the signing keys")?;
    let first = organizations::create_first(&run, &context.issuer, &SystemRandom::new()).await?;
    if let Some(first) = first {
        show(&first, options)?;
    }
    let mut http = options.http.clone();
    http.edge.max_connections = http.edge.max_connections.min(edge::raise_descriptors());
    let events = berth_db::listen(&url)?;
    let mut running = serve::start(&context, &http, events, lifecycle::queue(&url)?)?;
    running.own(Rewrapper::new(url.clone()));
    running.own(elevations::Recorder::new(url.clone()));
    running.own(connections::Forgetter::new(url.clone()));
    running.own(Teller::new(url.clone()));
    running.own(Filler::new(url));
    Ok(running)
}

/// What a workspace is made of when nobody says it.
fn default_spec(devfile: Option<&Path>) -> anyhow::Result<NewSpec> {
    let Some(path) = devfile else { return Ok(NewSpec::built_in()) };
    let named = || format!("--default-devfile {}", path.display());
    let text = std::fs::read_to_string(path).with_context(named)?;
    NewSpec::of_devfile(text).map_err(|found| {
        let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}:\n{}", named(), lines.join("\n"))
    })
}

/// The keys, and the file that they are in.
fn keys(options: &ServeOptions) -> anyhow::Result<(PathBuf, Keys)> {
    let (path, ring) = match (&options.keys.kek_file, options.dev.dev) {
        (Some(path), _) => {
            let ring = KeyRing::read(path).with_context(|| format!("--kek-file {}", path.display()))?;
            (path.clone(), ring)
        }
        (None, true) => {
            let path = options.dev.state_dir.join("kek");
            let ring = KeyRing::read_or_create(&path, "dev-1", &SystemRandom::new())
                .with_context(|| path.display().to_string())?;
            (path, ring)
        }
        (None, false) => {
            bail!("--kek-file (BERTH_KEK_FILE) is needed: the variables of workspaces are encrypted with it")
        }
    };
    info!(kek = ring.newest().id(), "key-encryption key");
    Ok((path.clone(), Keys::of_file(path, ring)))
}

/// Who signs: as Git hosts know it, else as browsers do, else as this machine does.
fn issuer_name(options: &ServeOptions) -> String {
    let named = options.git.issuer.clone().or_else(|| options.sign_in.public.public_url.clone());
    named.unwrap_or_else(|| {
        let port = options.http.listen.first().map_or(0, std::net::SocketAddr::port);
        format!("http://localhost:{port}")
    })
}

fn signer(issuer: &Arc<Issuer>, options: &GitOptions) -> Signer {
    let lifetime = SignedDuration::from_secs(options.git_token_seconds.into());
    Signer { issuer: Arc::clone(issuer), lifetime }
}

fn show(new: &First, options: &ServeOptions) -> anyhow::Result<()> {
    let public_url = options.sign_in.public.public_url.as_deref();
    if options.dev.dev {
        let state = &options.dev.state_dir;
        let (token, link) = (state.join("first-token"), state.join("first-link"));
        first::write(new.token.expose(), &token)?;
        first::write(&first::address(&new.link, public_url), &link)?;
        info!(token = %token.display(), link = %link.display(), "organization 'default' created; what its first administrator needs is in these files");
    }
    match &options.first_token_file {
        Some(path) => first::write(new.token.expose(), path)?,
        None => first::print_token(&new.token, &organizations::first_name())?,
    }
    match &options.sign_in.first_link_file {
        Some(path) => first::write(&first::address(&new.link, public_url), path),
        None => first::print_link(&new.link, public_url, FIRST_PERSON, true),
    }
}

/// Starts Postgres for this server alone, unless a database was named.
async fn own_postgres(options: &mut ServeOptions) -> anyhow::Result<Option<EmbeddedPostgres>> {
    let state = &options.dev.state_dir;
    std::fs::create_dir_all(state).with_context(|| format!("--state-dir {}", state.display()))?;
    if options.database.login.is_given() {
        return Ok(None);
    }
    let postgres = EmbeddedPostgres::start(&EmbeddedConfig::new(state.join("postgres"))).await?;
    berth_db::roles::ensure(&postgres.url()).await?;
    // For the commands that need the database: `--database-url-file`, and `--migrations-database-url-file` for its owner.
    first::write(&postgres.login_url(), &state.join("database-url"))?;
    first::write(&postgres.url(), &state.join("owner-database-url"))?;
    options.owner.migrations_database_url = Some(postgres.url());
    options.database.login.database_url = Some(postgres.login_url());
    Ok(Some(postgres))
}

/// What asks a server to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
