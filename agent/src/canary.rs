//! Finding out whether the cluster enforces NetworkPolicy: this program as two pods for a moment.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::Path;
use std::slice;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use berth_agent_core::Kind;
use berth_agent_core::canary::{self, Canary, NO_EGRESS, NO_INGRESS, OPEN, OfInterface, Reached};
use berth_schema::kubernetes::{CANARY_OF, FIELD_MANAGER};
use berth_schema::network_check::{NetworkCheckReport, NetworkVerdict};
use berth_schema::{Message, NetworkCheckId};
use clap::Parser;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::cluster::Cluster;
use crate::failure::{Failure, during};

/// How long pods may take to be started and to tell.
const LIMIT: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(500);
/// How long an engine may take to follow a policy that is there before the pods.
const TRIES: Duration = Duration::from_secs(30);
/// How long one connection may take.
const CONNECT: Duration = Duration::from_secs(2);
/// Where the kubelet reads what a container leaves.
const TERMINATION_MESSAGE: &str = "/dev/termination-log";

/// Where the image of the two pods is named.
#[derive(Clone, Debug)]
pub struct Source {
    /// On purpose.
    pub image: Option<String>,
    /// Else by the agent's own pod.
    pub namespace: String,
    pub pod: String,
}

/// Makes the check that was asked for. It always comes to a result.
pub async fn check(cluster: &Cluster, source: &Source, id: NetworkCheckId) -> NetworkCheckReport {
    let (verdict, reason) = match image(cluster, source).await {
        Ok(image) => {
            let canary = Canary { agent: cluster.agent, home: source.namespace.clone(), image };
            let result = tried(cluster, &canary).await;
            if let Err(failure) = remove(cluster, &canary).await {
                tracing::warn!(%failure, "what tried the network is not removed");
            }
            result.unwrap_or_else(|failure| unknown(&failure.to_string()))
        }
        Err(reason) => unknown(&reason),
    };
    tracing::info!(verdict = verdict.as_str(), %reason, "the network was checked");
    NetworkCheckReport { id, verdict, reason }
}

fn unknown(reason: &str) -> (NetworkVerdict, Message) {
    (NetworkVerdict::Unknown, reason.into())
}

/// What the cluster is known to have: the image that this process is in.
async fn image(cluster: &Cluster, source: &Source) -> Result<String, String> {
    if let Some(image) = &source.image {
        return Ok(image.clone());
    }
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &source.namespace);
    let own = pods.list(&ListParams::default().fields(&format!("metadata.name={}", source.pod))).await;
    let own = own.map_err(|error| during("looking for the agent's own pod".to_owned())(error).to_string())?;
    let image = own.items.into_iter().find_map(|pod| pod.spec?.containers.into_iter().next()?.image);
    image.ok_or_else(|| {
        "the agent does not run as a pod here: name an image of it in its option --canary-image".to_owned()
    })
}

async fn tried(cluster: &Cluster, canary: &Canary) -> Result<(NetworkVerdict, Message), Failure> {
    let until = Instant::now() + LIMIT;
    // What a killed agent left.
    remove(cluster, canary).await?;
    while cluster.metadata(Kind::Namespace, "", &canary.namespace()).await?.is_some() {
        if Instant::now() > until {
            return Ok(unknown("the namespace of an earlier check does not go"));
        }
        sleep(PAUSE).await;
    }
    for object in canary.before() {
        apply(cluster, &object).await?;
    }
    let target = loop {
        let pods = pods(cluster, canary, "target").await?;
        match canary::address(&pods) {
            Some(address) => break address,
            None if Instant::now() > until => return Ok(not_run(&pods)),
            None => sleep(PAUSE).await,
        }
    };
    apply(cluster, &canary.prober(target)).await?;
    loop {
        let pods = pods(cluster, canary, "prober").await?;
        match canary::reached(&pods) {
            Some(reached) => return Ok(reached.verdict()),
            None if Instant::now() > until => return Ok(not_run(&pods)),
            None => sleep(PAUSE).await,
        }
    }
}

fn not_run(pods: &[Pod]) -> (NetworkVerdict, Message) {
    let seconds = LIMIT.as_secs();
    unknown(&format!("the pods that try it had no result within {seconds} s: {}", canary::obstacle(pods)))
}

async fn pods(cluster: &Cluster, canary: &Canary, role: &str) -> Result<Vec<Pod>, Failure> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &canary.namespace());
    let list = pods.list(&ListParams::default().labels(&canary.selector(role))).await;
    Ok(list.map_err(during("looking at the pods that try the network".to_owned()))?.items)
}

async fn apply(cluster: &Cluster, object: &Value) -> Result<(), Failure> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (name, namespace) = (text(&object["metadata"]["name"]), text(&object["metadata"]["namespace"]));
    let kind = match object["kind"].as_str() {
        Some("Namespace") => Kind::Namespace,
        Some("NetworkPolicy") => Kind::NetworkPolicy,
        _ => Kind::Deployment,
    };
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    let patched =
        cluster.api(kind, &namespace).patch_metadata(&name, &parameters, &Patch::Apply(object)).await;
    patched.map(drop).map_err(during(format!("applying {}/{name}", kind.as_str())))
}

/// Deletes the namespace with all that is in it, if it is this agent's.
async fn remove(cluster: &Cluster, canary: &Canary) -> Result<(), Failure> {
    let name = canary.namespace();
    let Some(found) = cluster.metadata(Kind::Namespace, "", &name).await? else { return Ok(()) };
    let owner = found.labels.as_ref().and_then(|labels| labels.get(CANARY_OF));
    if owner != Some(&cluster.agent.to_string()) || cluster.identity().is_anothers(&found) {
        return Err(Failure::Foreign { kind: Kind::Namespace.as_str(), name });
    }
    cluster.delete(Kind::Namespace, "", &found).await
}

/// What this program is in one of the two pods: `berth-agent canary …`.
#[derive(Debug, Parser)]
#[command(name = "berth-agent canary", about = "One of two pods that try whether NetworkPolicy is enforced")]
pub enum Program {
    /// Accept connections until the pod is removed.
    Serve,
    /// Try which ports of the other are reached, and leave it as the termination message.
    Ask { target: IpAddr },
}

impl Program {
    /// Runs it.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Serve => {
                let (open, ingress, egress) =
                    tokio::try_join!(listen(OPEN), listen(NO_INGRESS), listen(NO_EGRESS))?;
                let mine: Vec<String> = addresses().iter().map(|found| found.address.to_string()).collect();
                let mine = mine.join("\n");
                tokio::join!(accept(open, mine.as_bytes()), accept(ingress, &[]), accept(egress, &[]));
                Ok(())
            }
            Self::Ask { target } => {
                let reached = ask(target).await;
                std::fs::write(Path::new(TERMINATION_MESSAGE), reached.to_line())
                    .context("the result cannot be left")
            }
        }
    }
}

async fn listen(port: u16) -> std::io::Result<TcpListener> {
    // Both families where there are two.
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind(("0.0.0.0", port)).await,
    }
}

/// The pod's IPv6 addresses; none where there is no IPv6.
fn addresses() -> Vec<OfInterface> {
    canary::of_interfaces(&std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default())
}

/// Accepts, says the words, and closes.
async fn accept(listener: TcpListener, words: &[u8]) {
    loop {
        match listener.accept().await {
            // Whoever does not take them does not want them.
            Ok((mut stream, _)) => drop(stream.write_all(words).await),
            Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn ask(target: IpAddr) -> Reached {
    let begin = Instant::now();
    let known = SocketAddr::new(target, 0);
    let mut as_wanted = 0;
    loop {
        let elsewhere = match told(known).await {
            Some(text) => elsewhere(target, &text),
            None => Vec::new(),
        };
        let (open, at_known, at_others) =
            tokio::join!(reaches(known, OPEN), forbidden(slice::from_ref(&known)), forbidden(&elsewhere));
        let reached = Reached {
            open,
            no_ingress: at_known.0 || at_others.0,
            no_egress: at_known.1 || at_others.1,
            elsewhere: at_known == (false, false) && at_others != (false, false),
        };
        as_wanted = if reached.is_as_wanted() { as_wanted + 1 } else { 0 };
        // Twice, since a connection may fail for once.
        if as_wanted >= 2 || begin.elapsed() > TRIES {
            return reached;
        }
        sleep(PAUSE).await;
    }
}

/// The other's addresses that Kubernetes was not told of, each by every way to it: a link-local one is looked for on each link.
fn elsewhere(known: IpAddr, text: &str) -> Vec<SocketAddr> {
    let mut links: Vec<u32> = addresses().iter().map(|own| own.index).collect();
    links.dedup();
    let mut ways = Vec::new();
    for address in canary::addresses_of(text).into_iter().filter(|address| known != *address) {
        if address.is_unicast_link_local() {
            ways.extend(links.iter().map(|link| SocketAddr::from(SocketAddrV6::new(address, 0, 0, *link))));
        } else {
            ways.push(SocketAddr::new(address.into(), 0));
        }
    }
    ways
}

/// Whether any of these is reached at the port that may not be entered, and at the one to which nothing may go out.
async fn forbidden(ways: &[SocketAddr]) -> (bool, bool) {
    let any = async |port| {
        let tries = ways.iter().map(|way| reaches(*way, port));
        futures::future::join_all(tries).await.contains(&true)
    };
    tokio::join!(any(NO_INGRESS), any(NO_EGRESS))
}

async fn connected(mut to: SocketAddr, port: u16) -> Option<TcpStream> {
    to.set_port(port);
    timeout(CONNECT, TcpStream::connect(to)).await.ok()?.ok()
}

async fn reaches(to: SocketAddr, port: u16) -> bool {
    connected(to, port).await.is_some()
}

/// What the other says of itself at the port that is open.
async fn told(to: SocketAddr) -> Option<String> {
    let stream = connected(to, OPEN).await?;
    let mut text = String::new();
    timeout(CONNECT, stream.take(4_096).read_to_string(&mut text)).await.ok()?.ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_any_policy_everything_is_reached() {
        let target = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = listen(0).await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        tokio::spawn(accept(listener, b"fe80::1\n"));
        assert!(reaches(target, port).await);
        let closed = TcpListener::bind(target).await.expect("a port");
        let free = closed.local_addr().expect("its address").port();
        drop(closed);
        assert!(!reaches(target, free).await);
    }

    #[test]
    fn the_programs_are_called_as_the_pods_call_them() {
        let agent = berth_schema::AgentId::random();
        let canary = Canary { agent, home: "h".to_owned(), image: "i".to_owned() };
        for deployment in [&canary.before()[3], &canary.prober(IpAddr::from([10, 0, 0, 1]))] {
            let arguments = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
            let arguments: Vec<String> = serde_json::from_value(arguments.clone()).expect("words");
            assert_eq!(arguments[0], "canary");
            Program::try_parse_from(&arguments).expect("it is understood");
        }
    }
}
