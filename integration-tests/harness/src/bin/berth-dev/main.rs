//! The developer's command: the local cluster, and everything of `make up`.

mod agent;
mod berth;
mod detached;
mod down;
mod overlay;
mod proxy;
mod server;
mod site;
mod stages;
mod target;
mod up;
mod window;
mod workspace;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use berth_harness::binaries::Binaries;
use berth_harness::cluster::{Provisioner, supervise};
use berth_harness::process::is_root;
use berth_harness::{Cluster, ClusterConfig, Node, images, paths};
use clap::{Args, Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "berth-dev", about, long_about = None)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// From nothing to a running workspace in a real Kubernetes.
    Up(Wishes),
    /// Stop everything that `up` started; the data is kept.
    Down {
        /// Remove the data too.
        #[arg(long)]
        purge: bool,
    },
    /// Build what the tests need and nothing starts by itself: the cluster's programs and images.
    Prepare,
    /// The local Kubernetes alone.
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Build the images under images/ and say where their archives are.
    Images,
    /// Run a cluster's components: started by the harness, inside the cluster's namespaces.
    #[command(hide = true)]
    ClusterSupervise { dir: PathBuf },
    /// Keep a port of this machine open behind which the proxy is: started by `up`.
    #[command(hide = true)]
    Window {
        /// The cluster's directory.
        #[arg(long)]
        cluster: PathBuf,
        #[arg(long)]
        port: u16,
        #[arg(long)]
        to: SocketAddr,
    },
    /// Serve volume claims: started by a cluster's supervisor.
    #[command(hide = true)]
    ProvisionVolumes {
        #[arg(long)]
        kubeconfig: PathBuf,
        #[arg(long)]
        directory: PathBuf,
        #[arg(long)]
        node: String,
    },
}

/// Another cluster than the local one. An empty variable counts as none, since make sets them all.
#[derive(Debug, Args)]
struct Wishes {
    /// Use a cluster that this tool makes: kind, k3d or minikube.
    #[arg(long, env = "CLUSTER", value_parser = some)]
    cluster: Option<Given>,
    /// Use the cluster of this context of your kubeconfig.
    #[arg(long, env = "KUBE_CONTEXT", value_parser = some)]
    kube_context: Option<Given>,
    /// Run the agent there from this image; without one it runs as a process of this machine.
    #[arg(long, env = "AGENT_IMAGE", value_parser = some)]
    agent_image: Option<Given>,
    /// The image of the proxy; by default our own where it can be loaded.
    #[arg(long, env = "PROXY_IMAGE", value_parser = some)]
    proxy_image: Option<Given>,
    /// The image of the sample workspace.
    #[arg(long, env = "WORKSPACE_IMAGE", value_parser = some)]
    workspace_image: Option<Given>,
    /// The image of the tools injector, or `none` for workspaces without an editor.
    #[arg(long, env = "TOOLS_IMAGE", value_parser = some)]
    tools_image: Option<Given>,
    /// Where that cluster's pods reach this machine's server.
    #[arg(long, env = "SERVER_URL", value_parser = some)]
    server_url: Option<Given>,
}

/// A value, or nothing where the text is empty.
#[derive(Clone, Debug)]
struct Given(Option<String>);

#[expect(clippy::unnecessary_wraps, reason = "the form of a parser")]
fn some(text: &str) -> Result<Given, std::convert::Infallible> {
    Ok(Given(Some(text.to_owned()).filter(|text| !text.is_empty())))
}

impl From<Wishes> for target::Wish {
    fn from(wishes: Wishes) -> Self {
        let given = |wish: Option<Given>| wish.and_then(|Given(text)| text);
        Self {
            tool: given(wishes.cluster),
            context: given(wishes.kube_context),
            agent_image: given(wishes.agent_image),
            proxy_image: given(wishes.proxy_image),
            workspace_image: given(wishes.workspace_image),
            tools_image: given(wishes.tools_image),
            server_url: given(wishes.server_url),
        }
    }
}

#[derive(Debug, Subcommand)]
enum ClusterCommand {
    /// Start it, or find it running; its data is kept.
    Start { name: String },
    /// Import an image archive into its node.
    Import { name: String, archive: PathBuf },
    /// Stop it.
    Stop { name: String },
}

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::INFO).init();
    let cli = Cli::parse();
    // One thread: the supervisor's children are bound to the thread that started them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.context("no runtime").and_then(|runtime| runtime.block_on(run(cli.command)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            anstream::eprintln!("berth-dev: {cause:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Up(wishes) => up::up(wishes.into()).await,
        Command::Down { purge } => down::down(purge).await,
        Command::Prepare => prepare().await,
        Command::Cluster(ClusterCommand::Start { name }) => {
            let dir = site::Site::open()?.clusters().join(&name);
            let config =
                ClusterConfig { name, dir, keep_data: true, detached: true, node: Node::if_possible() };
            let cluster = Cluster::start(config).await?;
            anstream::println!("export KUBECONFIG={}", cluster.kubeconfig().display());
            Ok(())
        }
        Command::Cluster(ClusterCommand::Stop { name }) => {
            match Cluster::attach(&paths::state().join("clusters").join(&name)) {
                Some(cluster) => cluster.stop().await,
                None => Ok(()),
            }
        }
        Command::Cluster(ClusterCommand::Import { name, archive }) => {
            let cluster = Cluster::attach(&paths::state().join("clusters").join(&name));
            cluster.with_context(|| format!("no cluster {name} runs"))?.import_image(&archive).await
        }
        Command::Images => {
            for image in images::ALL {
                anstream::println!("{} {}", image.reference, images::archive(image).await?.display());
            }
            Ok(())
        }
        Command::ClusterSupervise { dir } => supervise(&dir).await,
        Command::Window { cluster, port, to } => window::keep_open(&cluster, port, to).await,
        Command::ProvisionVolumes { kubeconfig, directory, node } => {
            let client = berth_harness::cluster::client(&kubeconfig).await?;
            Provisioner::new(client, directory, node)?.run().await;
            Ok(())
        }
    }
}

async fn prepare() -> anyhow::Result<()> {
    Binaries::ensure().await?;
    if is_root() {
        for image in images::ALL {
            images::archive(image).await?;
        }
    }
    Ok(())
}
