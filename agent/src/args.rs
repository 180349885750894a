//! Options of the program, each with its environment variable, its unit and its default.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use berth_agent_core::{Allowances, NAMESPACE, PROXY_NAMESPACE, Reach};
use berth_schema::kubernetes::{SHARED_NAMESPACE, may_be_shared};
use berth_schema::server_url::InTheClear;
use berth_schema::{AgentId, AgentToken, NameError, NamespaceName, ServerUrl, TokenUrl};
use clap::{Parser, ValueEnum};
use ipnet::IpNet;
use tracing_subscriber::EnvFilter;

use crate::token::TokenSource;

/// Berth's agent: runs the workspaces of one cluster as its server asks.
#[derive(Debug, Parser)]
#[command(name = "berth-agent", version, after_help = AFTER_HELP)]
pub struct Args {
    /// Where the server answers, for example https://berth.example.com
    #[arg(long, env = "BERTH_SERVER_URL")]
    pub server_url: ServerUrl,

    /// File that holds the agent's token, read again before each request; else the token itself is read from the environment variable BERTH_AGENT_TOKEN
    #[arg(long, env = "BERTH_AGENT_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,

    /// The agent's own namespace: where its Lease is, and where no workspace may be
    #[arg(long, env = "BERTH_AGENT_NAMESPACE", default_value = NAMESPACE)]
    pub namespace: String,

    /// The namespace where the agent may install what the proxy needs, and nothing else
    #[arg(long, env = "BERTH_PROXY_NAMESPACE", default_value = PROXY_NAMESPACE)]
    pub proxy_namespace: String,

    /// Where the proxy asks the server, if not where the agent does
    #[arg(long, env = "BERTH_PROXY_SERVER_URL")]
    pub proxy_server_url: Option<ServerUrl>,

    /// File for the agent's own keys, made if it is missing (mode 0600); without it they are in a Secret of that namespace
    #[arg(long, env = "BERTH_AGENT_KEY_FILE")]
    pub key_file: Option<PathBuf>,
    /// The one namespace that workspaces may share, if the server's configuration asks for it: `berth-shared`, or
    /// `berth-shared-` and more. It is yours to make; it must enforce Pod Security
    #[arg(long, env = "BERTH_SHARED_NAMESPACE", value_parser = shared_namespace)]
    pub shared_namespace: Option<NamespaceName>,

    #[command(flatten)]
    pub allowances: AllowanceArgs,

    /// Image of the two pods that try whether NetworkPolicy is enforced, when that is asked for: an image of the agent. In a
    /// cluster it is the agent's own
    #[arg(long, env = "BERTH_CANARY_IMAGE")]
    pub canary_image: Option<String>,

    /// PEM file with the certificate authorities of the server; only these are trusted then
    #[arg(long, env = "BERTH_CA_FILE")]
    pub ca_file: Option<PathBuf>,

    /// Allow http:// to a server that is not on this machine: the token travels in the clear
    #[arg(long, env = "BERTH_ALLOW_HTTP")]
    pub allow_http: bool,

    /// Outside a cluster: the kubeconfig context to work in; the current one if KUBECONFIG is set
    #[arg(long, env = "BERTH_KUBE_CONTEXT")]
    pub context: Option<String>,

    /// Where /healthz, /readyz and /metrics answer
    #[arg(long, env = "BERTH_HEALTH_LISTEN", default_value = "0.0.0.0:8081")]
    pub health_listen: SocketAddr,

    /// The name in the Lease, different for each process; the pod's name by default
    #[arg(long, env = "POD_NAME")]
    pub identity: Option<String>,

    #[arg(long, env = "BERTH_LOG_FORMAT", default_value = "json")]
    pub log_format: LogFormat,

    /// What is logged, for example info or berth_agent=debug,kube=info
    #[arg(long, env = "BERTH_LOG", default_value = "info", value_parser = filter)]
    pub log: String,
}

/// What only the cluster's administrator can let a server ask for. Without these the agent refuses it, whatever the
/// configuration on the server says.
#[derive(Clone, Debug, clap::Args)]
pub struct AllowanceArgs {
    /// Ids of agents of this cluster that are gone and lived in the same namespace, whose workspaces this one may take over
    /// when an administrator of the server says so (`berth agents adopt`)
    #[arg(long, env = "BERTH_ADOPTS", value_name = "AGENT_ID", value_delimiter = ',')]
    pub adopts: Vec<AgentId>,

    /// Allow pods with a runtime class or a user namespace of their own to gain rights (sudo), and Pod Security 'baseline'
    #[arg(long, env = "BERTH_ALLOW_PRIVILEGE_ESCALATION")]
    pub allow_privilege_escalation: bool,

    /// Allow pods to tolerate every taint, and those of the nodes that the cluster itself runs on
    #[arg(long, env = "BERTH_ALLOW_CONTROL_PLANE")]
    pub allow_control_plane: bool,

    /// Allow workspaces without a NetworkPolicy
    #[arg(long, env = "BERTH_ALLOW_OPEN_NETWORK")]
    pub allow_open_network: bool,

    /// Allow workspaces to reach these ranges of the addresses of clouds and nodes, separated by commas, for example
    /// 169.254.20.10/32 for a DNS cache on each node
    #[arg(long, env = "BERTH_ALLOW_EGRESS", value_delimiter = ',')]
    pub allow_egress: Vec<IpNet>,

    #[command(flatten)]
    pub proxy: ProxyAllowanceArgs,
}

/// What may be installed as the proxy.
#[derive(Clone, Debug, clap::Args)]
pub struct ProxyAllowanceArgs {
    /// Image of the proxy that the agent may install where the server says so, or, without tag and digest, its repository;
    /// several, separated by commas
    #[arg(long = "proxy-image", env = "BERTH_PROXY_IMAGE", value_name = "IMAGE", value_delimiter = ',')]
    pub proxy_images: Vec<String>,

    /// Allow the proxy's Service to have an address outside of the cluster (LoadBalancer)
    #[arg(long, env = "BERTH_ALLOW_LOAD_BALANCER")]
    pub allow_load_balancer: bool,
}

impl From<AllowanceArgs> for Allowances {
    fn from(args: AllowanceArgs) -> Self {
        Self {
            privilege_escalation: args.allow_privilege_escalation,
            control_plane: args.allow_control_plane,
            open_network: args.allow_open_network,
            egress: args.allow_egress,
            adopts: args.adopts,
            proxy_images: args.proxy.proxy_images.into_iter().filter(|image| !image.is_empty()).collect(),
            load_balancer: args.proxy.allow_load_balancer,
        }
    }
}

const AFTER_HELP: &str = "\
In a cluster the agent uses its service account; outside it needs --context or KUBECONFIG.

Example:
  BERTH_AGENT_TOKEN=… berth-agent --server-url http://127.0.0.1:8080 --context kind-berth --log-format text";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Json,
    Text,
}

/// Refused here, where the words reach the terminal: without a filter nothing can be logged.
fn filter(text: &str) -> Result<String, String> {
    let parsed = EnvFilter::try_new(text).map_err(|error| error.to_string());
    parsed.map(|_| text.to_owned())
}

fn shared_namespace(text: &str) -> Result<NamespaceName, String> {
    if !may_be_shared(text) {
        return Err(format!("must be {SHARED_NAMESPACE}, or begin with {SHARED_NAMESPACE}-"));
    }
    text.parse().map_err(|error: NameError| error.to_string())
}

impl Args {
    /// The token, from the file, which is read again and again, or from the environment.
    pub fn token(&self) -> anyhow::Result<TokenSource> {
        if let Some(path) = &self.token_file {
            return TokenSource::file(path.clone());
        }
        let missing = "no token: set BERTH_AGENT_TOKEN_FILE to its file, or BERTH_AGENT_TOKEN to the token";
        let text = std::env::var("BERTH_AGENT_TOKEN").context(missing)?;
        let token: AgentToken = text.trim().parse().context("the token in BERTH_AGENT_TOKEN")?;
        Ok(TokenSource::fixed(token))
    }

    /// The server, unless the token would travel to it in the clear.
    pub fn server(&self) -> anyhow::Result<TokenUrl> {
        self.server_url.for_token(self.allow_http).context(InTheClear::HINT)
    }

    /// How the proxy reaches the server. `authorities`: what is in `ca_file`.
    pub fn reach(&self, authorities: Option<&[u8]>) -> anyhow::Result<Reach> {
        let url = self.proxy_server_url.as_ref().unwrap_or(&self.server_url);
        url.for_token(self.allow_http).context(InTheClear::HINT)?;
        let authorities = authorities.map(|pem| String::from_utf8(pem.to_vec())).transpose();
        Ok(Reach {
            url: url.to_string(),
            allow_http: self.allow_http,
            authorities: authorities.context("the file of authorities is no PEM")?,
        })
    }

    /// The name in the Lease.
    pub fn lease_identity(&self) -> String {
        self.identity.clone().unwrap_or_else(|| {
            let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            format!("{}-{}", host.trim(), std::process::id())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn args(url: &str, more: &[&str]) -> Args {
        let args = ["berth-agent", "--server-url", url].into_iter().chain(more.iter().copied());
        Args::try_parse_from(args).expect("valid options")
    }

    #[test]
    fn the_options_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_token_does_not_travel_in_the_clear_unless_it_is_asked_for() {
        for url in
            ["https://berth.example.com", "http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost"]
        {
            args(url, &[]).server().expect(url);
        }
        for url in ["http://10.0.0.1:8080", "http://localhost.evil.example"] {
            let error = format!("{:#}", args(url, &[]).server().expect_err("http"));
            assert!(error.contains("BERTH_ALLOW_HTTP") && error.contains(url), "{error}");
            args(url, &["--allow-http"]).server().expect("allowed");
        }
        Args::try_parse_from(["berth-agent", "--server-url", "ftp://10.0.0.1", "--allow-http"])
            .expect_err("ftp");
    }
}
