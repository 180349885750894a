//! The cluster that workspaces run in: the local one, or one that the user names on purpose.

use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use berth_harness::binaries::Binaries;
use berth_harness::command::{command, is_installed, logged, output};
use berth_harness::process::is_root;
use berth_harness::{Cluster, ClusterConfig, Node, images, packages};
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::process::Command;

use crate::site::Site;
use crate::stages::Stages;

/// What the user asked for by variables of make.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    /// `kind`, `k3d` or `minikube`.
    pub(crate) tool: Option<String>,
    /// A context of the user's kubeconfig.
    pub(crate) context: Option<String>,
    pub(crate) agent_image: Option<String>,
    pub(crate) proxy_image: Option<String>,
    pub(crate) workspace_image: Option<String>,
    /// The tools injector's; `none`: no editor.
    pub(crate) tools_image: Option<String>,
    /// Where pods of a cluster that is not local reach the server.
    pub(crate) server_url: Option<String>,
}

/// A cluster to use.
#[derive(Debug)]
pub(crate) struct Target {
    /// Present when it is ours.
    pub(crate) local: Option<Cluster>,
    pub(crate) context: String,
    /// `None`: the user's own.
    pub(crate) kubeconfig: Option<PathBuf>,
    kubectl: PathBuf,
    pub(crate) workspace_image: String,
    /// Without one workspaces have no editor.
    pub(crate) tools_image: Option<String>,
    /// Without one workspaces are not reached by a browser.
    pub(crate) proxy_image: Option<String>,
}

/// What `TOOLS_IMAGE` says when no editor is wanted.
const NO_TOOLS: &str = "none";

/// The name of what a tool makes for us.
const NAME: &str = "berth";

impl Target {
    pub(crate) async fn ensure(site: &Site, wish: &Wish, stages: &Stages) -> anyhow::Result<Self> {
        match (&wish.tool, &wish.context) {
            (None, None) => Self::ensure_local(site, wish, stages).await,
            (Some(tool), None) => Self::ensure_by_tool(site, tool, wish, stages).await,
            (None, Some(context)) => {
                let image = wish.workspace_image.clone();
                let image = image.context(
                    "with KUBE_CONTEXT give WORKSPACE_IMAGE too: an image that this cluster can pull",
                )?;
                let tools = wish.tools_image.clone().filter(|image| image != NO_TOOLS);
                // Without a way to the server its pods could ask nobody.
                let proxy = wish.proxy_image.clone().filter(|_| wish.server_url.is_some());
                Self::foreign(context.clone(), image, tools, proxy)
            }
            (Some(_), Some(_)) => bail!("CLUSTER and KUBE_CONTEXT exclude each other"),
        }
    }

    async fn ensure_local(site: &Site, wish: &Wish, stages: &Stages) -> anyhow::Result<Self> {
        ensure!(
            is_root(),
            "the local cluster's node needs root: use `sudo make up`, or your own cluster with CLUSTER=kind or KUBE_CONTEXT=name"
        );
        let needs = [packages::CLUSTER, packages::IMAGES].concat();
        stages.run("packages", install(&needs)).await?;
        let binaries = stages.run("Kubernetes programs", programs()).await?;
        // Another image of the tools could only come from a registry, which this cluster has none of.
        let tools = wish.tools_image.as_deref() != Some(NO_TOOLS);
        let mut images = vec![&images::PAUSE, &images::WORKSPACE, &images::AGENT, &images::PROXY];
        images.extend(tools.then_some(&images::TOOLS_INJECTOR));
        stages.run("images", build_images(&images)).await?;
        let cluster = stages.run("Kubernetes", start(site)).await?;
        stages.run("images in the node", import(&cluster, &images)).await?;
        Ok(Self {
            context: cluster.context(),
            kubeconfig: Some(cluster.kubeconfig().to_owned()),
            kubectl: binaries.kubectl(),
            workspace_image: images::WORKSPACE.reference.to_owned(),
            tools_image: tools.then(|| images::TOOLS_INJECTOR.reference.to_owned()),
            proxy_image: Some(images::PROXY.reference.to_owned()),
            local: Some(cluster),
        })
    }

    async fn ensure_by_tool(site: &Site, tool: &str, wish: &Wish, stages: &Stages) -> anyhow::Result<Self> {
        let (context, exists, create, load) = tool_commands(tool)?;
        ensure!(is_installed(tool), "{tool} is not installed");
        let log = site.log(tool);
        stages
            .run(tool, async {
                if output(&mut words(&exists)).await.is_ok_and(|list| list.contains(NAME)) {
                    return Ok(((), "runs".to_owned()));
                }
                logged(&mut words(&create), &log).await?;
                Ok(((), "created".to_owned()))
            })
            .await?;
        let own = |image: &'static images::Image| {
            let (load, log) = (&load, &log);
            stages.run("image", async move {
                let archive = images::archive(image).await?;
                logged(words(load).arg(&archive), log).await?;
                Ok((image.reference.to_owned(), format!("loaded {}", image.name())))
            })
        };
        let workspace = match wish.workspace_image.clone() {
            Some(image) => image,
            None => own(&images::WORKSPACE).await?,
        };
        let tools = match wish.tools_image.clone() {
            Some(image) => Some(image).filter(|image| image != NO_TOOLS),
            None => Some(own(&images::TOOLS_INJECTOR).await?),
        };
        let proxy = match (&wish.server_url, wish.proxy_image.clone()) {
            (None, _) => None,
            (Some(_), Some(image)) => Some(image),
            (Some(_), None) => Some(own(&images::PROXY).await?),
        };
        Self::foreign(context, workspace, tools, proxy)
    }

    fn foreign(
        context: String,
        workspace_image: String,
        tools_image: Option<String>,
        proxy_image: Option<String>,
    ) -> anyhow::Result<Self> {
        ensure!(is_installed("kubectl"), "kubectl is not installed");
        Ok(Self {
            local: None,
            context,
            kubeconfig: None,
            kubectl: "kubectl".into(),
            workspace_image,
            tools_image,
            proxy_image,
        })
    }

    /// `kubectl` for this cluster and no other.
    pub(crate) fn kubectl(&self) -> Command {
        let mut kubectl = command(&self.kubectl);
        if let Some(kubeconfig) = &self.kubeconfig {
            kubectl.env("KUBECONFIG", kubeconfig);
        }
        kubectl.args(["--context", &self.context]);
        kubectl
    }

    pub(crate) async fn client(&self) -> anyhow::Result<Client> {
        let file = match &self.kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        };
        let options =
            KubeConfigOptions { context: Some(self.context.clone()), ..KubeConfigOptions::default() };
        let config = kube::Config::from_custom_kubeconfig(file.context("no kubeconfig")?, &options).await;
        Client::try_from(config.with_context(|| format!("the context {} cannot be used", self.context))?)
            .context("no client for the cluster")
    }

    /// The address of this machine that only the local cluster's pods reach.
    pub(crate) fn host_address(&self) -> Option<IpAddr> {
        self.local.as_ref().map(Cluster::host_address)
    }
}

type ToolCommands = (String, Vec<&'static str>, Vec<&'static str>, Vec<&'static str>);

/// Context, and how to list, create and load.
fn tool_commands(tool: &str) -> anyhow::Result<ToolCommands> {
    Ok(match tool {
        "kind" => (
            format!("kind-{NAME}"),
            vec!["kind", "get", "clusters"],
            vec!["kind", "create", "cluster", "--name", NAME, "--wait", "120s"],
            vec!["kind", "load", "image-archive", "--name", NAME],
        ),
        "k3d" => (
            format!("k3d-{NAME}"),
            vec!["k3d", "cluster", "list", "--no-headers"],
            vec!["k3d", "cluster", "create", NAME, "--wait"],
            vec!["k3d", "image", "import", "--cluster", NAME],
        ),
        "minikube" => (
            NAME.to_owned(),
            vec!["minikube", "profile", "list", "--output", "json"],
            vec!["minikube", "start", "--profile", NAME, "--wait", "all"],
            vec!["minikube", "--profile", NAME, "image", "load"],
        ),
        other => bail!("CLUSTER={other} is not known: kind, k3d or minikube"),
    })
}

fn words(words: &[&str]) -> Command {
    let mut command = command(words[0]);
    command.args(&words[1..]);
    command
}

async fn install(needs: &[packages::Need]) -> anyhow::Result<((), String)> {
    let missing = packages::missing(needs);
    packages::install(&missing).await?;
    let outcome =
        if missing.is_empty() { "complete".to_owned() } else { format!("installed {}", missing.join(" ")) };
    Ok(((), outcome))
}

async fn programs() -> anyhow::Result<(Binaries, String)> {
    if let Some(cached) = Binaries::cached()? {
        return Ok((cached, "cached".to_owned()));
    }
    anstream::println!(
        "           building Kubernetes from its Go modules takes about 12 minutes on two cores, once"
    );
    Ok((Binaries::ensure().await?, "built".to_owned()))
}

async fn build_images(images: &[&images::Image]) -> anyhow::Result<((), String)> {
    let mut built = Vec::new();
    for image in images {
        if !images::is_cached(image)? {
            built.push(image.name());
        }
        images::archive(image).await?;
    }
    Ok(((), if built.is_empty() { "cached".to_owned() } else { format!("built {}", built.join(", ")) }))
}

async fn start(site: &Site) -> anyhow::Result<(Cluster, String)> {
    let config = ClusterConfig {
        name: "local".to_owned(),
        dir: site.cluster(),
        keep_data: true,
        detached: true,
        node: Node::Full,
    };
    let mut outcome = "started";
    if let Some(running) = Cluster::attach(&config.dir) {
        let missing =
            running.missing_components().await.unwrap_or_else(|_| vec!["its supervisor".to_owned()]);
        if missing.is_empty() {
            running.wait_for_api().await?;
            let outcome = format!("runs, API server at {}", running.node_address());
            return Ok((running, outcome));
        }
        anstream::println!(
            "           {} ended by itself; see {}/log",
            missing.join(", "),
            running.dir().display()
        );
        running.stop().await?;
        outcome = "started again";
    }
    let cluster = Cluster::start(config).await?;
    let outcome = format!("{outcome}, node {} is ready", cluster.node_name());
    Ok((cluster, outcome))
}

async fn import(cluster: &Cluster, images: &[&images::Image]) -> anyhow::Result<((), String)> {
    let mut imported = Vec::new();
    // The sandbox's image is imported when the node starts.
    for image in images.iter().filter(|image| image.reference != images::PAUSE.reference) {
        if cluster.ensure_image(image).await? {
            imported.push(image.name());
        }
    }
    Ok((
        (),
        if imported.is_empty() { "present".to_owned() } else { format!("imported {}", imported.join(", ")) },
    ))
}
