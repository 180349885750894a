//! The running server: its listeners, what runs beside them, and how all of it ends.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::{Compress, from_fn};
use actix_web::{App, web};
use anyhow::Context as _;
use berth_certificate::{Certificate, LOOK};
use berth_db::{Event, LifecycleQueue};
use futures::Stream;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{error, info, warn};
use tracing_actix_web::TracingLogger;

use crate::config::HttpOptions;
use crate::edge::{self, Edge};
use crate::http::observe;
use crate::identity::Run;
use crate::lifecycle::Scheduler;
use crate::services::signing_keys;
use crate::tasks::{self, Task};
use crate::{Context, Error, denials, listener, metrics, routes, uses};

/// How long the feeds of events, and the background tasks, get to end.
const TASKS: Duration = Duration::from_secs(5);

/// A server that serves. It must be stopped by [`Running::stop`].
#[derive(Debug)]
pub struct Running {
    context: Context,
    addresses: Vec<SocketAddr>,
    metrics_address: SocketAddr,
    drain: Duration,
    server: Part,
    metrics: Part,
    /// Ends only if it breaks.
    listener: JoinHandle<()>,
    /// They end when the server drains, and only then.
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Part {
    handle: ServerHandle,
    task: JoinHandle<std::io::Result<()>>,
}

impl Part {
    fn spawn(server: Server) -> Self {
        Self { handle: server.handle(), task: tokio::spawn(server) }
    }

    async fn stop(self, graceful: bool) {
        self.handle.stop(graceful).await;
        ended("a listener", &self.task.await);
    }
}

fn ended(what: &str, result: &Result<std::io::Result<()>, JoinError>) {
    match result {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => error!(what, error = berth_logging::causes(failure), "ended with an error"),
        Err(failure) => error!(what, error = berth_logging::causes(failure), "ended with a panic"),
    }
}

/// Binds every address and serves. Ready when it returns.
pub fn start(
    context: &Context,
    options: &HttpOptions,
    events: impl Stream<Item = Event> + Send + 'static,
    due: LifecycleQueue,
) -> anyhow::Result<Running> {
    options.check().map_err(anyhow::Error::msg)?;
    context.streams.configure(options.max_streams, Duration::from_secs(options.stream_recheck_seconds));
    let certificate = certificate(options)?;
    let mut listeners = Vec::new();
    for address in &options.listen {
        listeners.push((edge::bind(address)?, None));
    }
    for address in &options.tls_listen {
        let tls = certificate.as_ref().context("--tls-listen needs a certificate")?.config(&["http/1.1"])?;
        listeners.push((edge::bind(address)?, Some(TlsAcceptor::from(Arc::new(tls)))));
    }
    let metrics_listener = edge::bind(&options.metrics_listen)?;
    let addresses =
        listeners.iter().map(|(listener, _)| listener.local_addr()).collect::<Result<Vec<_>, _>>()?;
    let metrics_address = metrics_listener.local_addr()?;
    let metrics = metrics::serve(
        metrics_listener,
        &Edge::new(options, 1),
        context.metrics.clone(),
        context.database.clone(),
        context.tasks.clone(),
    )?;
    let mut running = JoinSet::new();
    let shared = Arc::new(context.clone());
    running.spawn(tasks::keep(Arc::clone(&shared), Scheduler(due)));
    running.spawn(tasks::keep(Arc::clone(&shared), denials::Recorder));
    running.spawn(tasks::keep(Arc::clone(&shared), signing_keys::Supplier));
    if let Some(certificate) = certificate {
        running.spawn(tasks::keep(Arc::clone(&shared), Watcher(certificate)));
    }
    running.spawn(tasks::keep(shared, uses::Keeper));
    Ok(Running {
        context: context.clone(),
        addresses,
        metrics_address,
        drain: Duration::from_secs(options.drain_seconds),
        server: Part::spawn(application(context, options, listeners)?),
        metrics: Part::spawn(metrics),
        listener: tokio::spawn(listener::run(events, context.clone())),
        tasks: running,
    })
}

/// What TLS is served with; `None`: it is not served.
fn certificate(options: &HttpOptions) -> anyhow::Result<Option<Arc<Certificate>>> {
    match (&options.certificate_file, &options.certificate_key_file) {
        (Some(chain), Some(key)) => Ok(Some(Arc::new(Certificate::load(chain, key)?))),
        _ => Ok(None),
    }
}

/// Takes up another certificate when its files change.
struct Watcher(Arc<Certificate>);

impl Task for Watcher {
    const NAME: &'static str = "certificate";
    const PERIOD: Duration = LOOK;

    async fn run(&mut self, _: &Run<Arc<Context>>) -> Result<(), Error> {
        self.0.look().map_err(Error::internal)
    }
}

fn application(
    context: &Context,
    options: &HttpOptions,
    listeners: Vec<(TcpListener, Option<TlsAcceptor>)>,
) -> anyhow::Result<Server> {
    let limits = web::Data::new(options.limits());
    let metrics = web::Data::new(context.metrics.clone());
    let edge = Edge::new(options, context.database.pool_size());
    let in_front = web::Data::new(edge.clone());
    let context = web::Data::new(context.clone());
    let mut server = Server::build()
        .workers(usize::from(options.workers))
        .shutdown_timeout(options.drain_seconds)
        .disable_signals();
    for listener in listeners {
        let (context, limits) = (web::Data::clone(&context), web::Data::clone(&limits));
        let (metrics, in_front) = (web::Data::clone(&metrics), web::Data::clone(&in_front));
        server = edge::listen(server, listener, &edge, move || {
            App::new()
                .app_data(web::Data::clone(&context))
                .app_data(web::Data::clone(&limits))
                .app_data(web::Data::clone(&metrics))
                .app_data(web::Data::clone(&in_front))
                .configure(routes::configure)
                .wrap(from_fn(edge::admit))
                .wrap(from_fn(observe::around))
                .wrap(Compress::default())
                .wrap(from_fn(observe::encoding))
                .wrap(TracingLogger::<observe::RequestSpan>::new())
                .wrap(from_fn(edge::answered))
        })?;
    }
    Ok(server.run())
}

impl Running {
    /// Where it serves, in the order of the options; a port 0 was replaced by the real one.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    pub const fn metrics_address(&self) -> SocketAddr {
        self.metrics_address
    }

    /// Runs a task for as long as the server runs.
    pub(crate) fn own(&mut self, task: impl Task) {
        self.tasks.spawn(tasks::keep(Arc::new(self.context.clone()), task));
    }

    /// Ends when a part of the server has ended by itself, which none should: what is left must be stopped then.
    pub async fn broken(&mut self) {
        tokio::select! {
            result = &mut self.server.task => ended("the server", &result),
            result = &mut self.metrics.task => ended("the metrics", &result),
            _ = &mut self.listener => error!("the listener for changes of intent has ended"),
            Some(_) = self.tasks.join_next() => error!("a background task has ended"),
        }
    }

    /// Stops in order: not ready any more, held answers out, requests in flight to their end, everything else after. Not
    /// graceful: at once, whatever is in flight.
    pub async fn stop(mut self, graceful: bool) {
        let started = Instant::now();
        info!("draining");
        self.context.draining.cancel();
        self.server.stop(graceful).await;
        self.context.drained.cancel();
        if graceful && started.elapsed() >= self.drain {
            warn!(seconds = self.drain.as_secs(), "requests in flight were cut off");
        }
        // They end by themselves as soon as the server drains; one that hangs at the database is not waited for.
        if timeout(TASKS, self.context.streams.ended()).await.is_err() {
            warn!("a feed of events did not end");
        }
        // What they have in hand they may finish; a transaction that is cut off is rolled back.
        if timeout(TASKS, async { while self.tasks.join_next().await.is_some() {} }).await.is_err() {
            self.tasks.shutdown().await;
        }
        self.listener.abort();
        self.metrics.stop(graceful).await;
        info!("stopped");
    }
}
