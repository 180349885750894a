//! The developer's command: the local cluster, and everything of `make up`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use berth_harness::cluster::{Provisioner, supervise};
use berth_harness::{Cluster, ClusterConfig, images, paths};
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "berth-dev", about, long_about = None)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The local Kubernetes alone.
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Build the images under images/ and say where their archives are.
    Images,
    /// Run a cluster's components: started by the harness, inside the cluster's namespaces.
    #[command(hide = true)]
    ClusterSupervise { dir: PathBuf },
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
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::INFO)
        .init();
    let cli = Cli::parse();
    // One thread: the supervisor's children are bound to the thread that started them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime
        .context("no runtime")
        .and_then(|runtime| runtime.block_on(run(cli.command)));
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
        Command::Cluster(ClusterCommand::Start { name }) => {
            let dir = paths::state().join("clusters").join(&name);
            let config = ClusterConfig {
                name,
                dir,
                keep_data: true,
                detached: true,
                node: berth_harness::process::is_root(),
            };
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
            for image in [&images::PAUSE, &images::WORKSPACE, &images::AGENT] {
                anstream::println!("{} {}", image.reference, images::archive(image).await?.display());
            }
            Ok(())
        }
        Command::ClusterSupervise { dir } => supervise(&dir).await,
        Command::ProvisionVolumes {
            kubeconfig,
            directory,
            node,
        } => {
            let client = berth_harness::cluster::client(&kubeconfig).await?;
            Provisioner::new(client, directory, node)?.run().await;
            Ok(())
        }
    }
}
