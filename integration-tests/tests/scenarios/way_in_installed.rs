//! The proxy as the agent installs it: from a configuration to a browser in VS Code, pods that come and go, and its end (decision 0061).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use berth_harness::authority::{Authority, Signed};
use berth_harness::binaries::Binaries;
use berth_harness::{Door, Forward, free_address, images, paths};
use berth_integration_tests::{Browser, Installation, proxy_options, unique};
use berth_schema::ActualState;
use berth_schema::kubernetes::EDITOR_PORT;
use berth_schema::kubernetes::proxy::{CLOSED, NAME, POD_LABEL};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use reqwest::header::COOKIE;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::PATIENCE;
use crate::editor::{eventually, type_into_the_terminal};
use crate::way_in::{SESSION, ZONE, devfile, public_url, sign_in};
use crate::way_in_opened::is_there_while_it_is_open;

const WORKSPACE: &str = "installed";
const CERTIFICATE: &str = "berth-proxy-certificate";
/// How often what the agent and Kubernetes do by themselves is looked at.
const LOOK: std::time::Duration = std::time::Duration::from_millis(200);

pub(crate) struct Installed {
    pub(crate) berth: Installation,
    namespace: String,
    client: Client,
    /// Where browsers of this machine find the proxy.
    address: SocketAddr,
}

impl Installed {
    pub(crate) async fn start() -> anyhow::Result<Option<Self>> {
        let namespace = unique("berth-proxy");
        let Some(berth) = Installation::start_with_proxy(&namespace).await? else { return Ok(None) };
        grant(&berth, &namespace).await?;
        let client = berth.view.client();
        let address = free_address(IpAddr::V4(Ipv4Addr::LOCALHOST))?;
        Ok(Some(Self { berth, namespace, client, address }))
    }

    /// Until the proxy answers browsers of this machine that trust the key of that hash, for as long as both others are held.
    pub(crate) async fn answer(&self) -> anyhow::Result<(String, Door, Forward)> {
        self.configure("agent", &self.namespace, true).await?;
        let authority = Authority::open(&self.berth.dir().join("authority"))?;
        let signed = authority.sign(&[format!("*.{ZONE}")])?;
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        until("the proxy's namespace is not made", async || {
            Ok(namespaces.get_opt(&self.namespace).await?.is_some())
        })
        .await?;
        self.certify(&signed).await?;
        self.ready().await?;
        let door = self.berth.cluster.door_in(&self.namespace).await?;
        let window = self.open(&door).await?;
        Ok((signed.key_hash()?, door, window))
    }

    /// What an administrator does with a certificate.
    async fn certify(&self, signed: &Signed) -> anyhow::Result<()> {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": { "name": CERTIFICATE },
            "stringData": { "tls.crt": signed.certificate, "tls.key": signed.key },
        });
        let secrets: Api<Secret> = self.all();
        secrets.patch(CERTIFICATE, &PatchParams::apply("administrator"), &Patch::Apply(&secret)).await?;
        Ok(())
    }

    /// The agent's configuration, with the section of the proxy or without.
    async fn configure(&self, agent: &str, namespace: &str, runs: bool) -> anyhow::Result<()> {
        let mut document = json!({ "proxy_namespace": namespace, "dns_zone": ZONE });
        if runs {
            let to = |address: SocketAddr| json!({ "allow": format!("{}/32", address.ip()), "ports": [{ "port": address.port() }] });
            let cluster = self.berth.cluster;
            let server = SocketAddr::new(cluster.host_address(), self.berth.server.address().port());
            document["proxy"] = json!({
                "image": images::PROXY.reference, "replicas": 2, "public_port": self.address.port(),
                "egress": [to(cluster.api_address()), to(server)],
            });
        }
        let path = format!("agents/{agent}/configuration");
        self.berth.admin.put(&path, &document).await?.expect::<Value>().map(drop)
    }

    /// What the agent tells of the proxy's objects that are not as they should be.
    async fn problems(&self, agent: &str) -> anyhow::Result<Vec<String>> {
        let agent: Value = self.berth.admin.get(&format!("agents/{agent}")).await?.expect()?;
        let manifests = agent["prerequisites"]["manifests"].as_array().cloned().unwrap_or_default();
        let wrong = manifests.iter().filter(|report| report["error"].is_string());
        Ok(wrong
            .map(|report| format!("{}/{}: {}", report["kind"], report["name"], report["error"]))
            .collect())
    }

    fn all<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Until both pods are ready, of the Deployment as it is now.
    async fn ready(&self) -> anyhow::Result<()> {
        let deployments: Api<Deployment> = self.all();
        let both = async || {
            let Some(found) = deployments.get_opt(NAME).await? else { return Ok(false) };
            let status = found.status.unwrap_or_default();
            let seen = status.observed_generation == found.metadata.generation;
            Ok(seen && status.available_replicas == Some(2) && status.updated_replicas == Some(2))
        };
        let waited = until("the proxy is not ready", both).await;
        let Err(cause) = waited else { return Ok(()) };
        Err(cause.context(format!("{:#?}", self.problems("agent").await?)))
    }

    async fn pods(&self) -> anyhow::Result<Vec<String>> {
        let pods: Api<Pod> = self.all();
        let list = pods.list(&ListParams::default().labels(&format!("{POD_LABEL}={NAME}"))).await?;
        let running = list.items.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
        Ok(running.filter_map(|pod| pod.metadata.name).collect())
    }

    pub(crate) fn origin_of(&self, port: u16) -> String {
        format!("https://{port}-{WORKSPACE}.{ZONE}:{}", self.address.port())
    }

    fn origin(&self) -> String {
        self.origin_of(EDITOR_PORT)
    }

    /// The way from a port of this machine to the proxy's Service.
    async fn open(&self, door: &Door) -> anyhow::Result<Forward> {
        let services: Api<Service> = self.all();
        let ip = services.get(NAME).await?.spec.and_then(|spec| spec.cluster_ip).context("no address")?;
        door.forward(self.address.port(), SocketAddr::new(ip.parse()?, 443)).await
    }

    /// One request on a connection of its own: its status.
    async fn ask(&self, authority: &Authority, session: &str) -> anyhow::Result<u16> {
        let asked = self.request(authority, "/healthz")?.header(COOKIE, session);
        Ok(asked.send().await?.status().as_u16())
    }

    fn request(&self, authority: &Authority, path: &str) -> anyhow::Result<reqwest::RequestBuilder> {
        let certificate = reqwest::Certificate::from_pem(&std::fs::read(authority.certificate())?)?;
        let origin = self.origin();
        let host = origin.trim_start_matches("https://").split(':').next().context("a host")?;
        let client = reqwest::Client::builder().tls_certs_only([certificate]).resolve(host, self.address);
        Ok(client.timeout(PATIENCE).build()?.get(format!("{origin}{path}")))
    }
}

/// What an administrator applies with the agent, for the proxy's account in this namespace.
async fn grant(berth: &Installation, namespace: &str) -> anyhow::Result<()> {
    let read = |file| std::fs::read_to_string(paths::repository().join("manifests").join(file));
    let text = [read("base/proxy.yaml")?, read("components/logs/role.yaml")?].join("\n---\n");
    let text = text.replace("namespace: berth-proxy", &format!("namespace: {namespace}"));
    let kubectl = Binaries::ensure().await?.kubectl();
    let mut apply = tokio::process::Command::new(kubectl)
        .arg("--kubeconfig")
        .arg(berth.cluster.kubeconfig())
        .args(["apply", "--server-side", "--filename", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    apply.stdin.take().context("no way in")?.write_all(text.as_bytes()).await?;
    ensure!(apply.wait().await?.success(), "the rights are refused");
    Ok(())
}

async fn until(otherwise: &str, holds: impl AsyncFn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let waited = async {
        while !holds().await? {
            tokio::time::sleep(LOOK).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(2 * PATIENCE, waited).await.with_context(|| otherwise.to_owned())?
}

#[tokio::test]
async fn an_installed_proxy_lets_a_browser_in_outlives_its_pods_and_goes() -> anyhow::Result<()> {
    let Some(installed) = Installed::start().await? else { return Ok(()) };
    let berth = &installed.berth;
    installed.configure("agent", &installed.namespace, true).await?;
    let created = berth.admin.create_from_devfile(WORKSPACE, &devfile()).await?;
    let authority = Authority::open(&berth.dir().join("authority"))?;

    // The certificate is somebody else's to bring, and until then it is said what is missing.
    until("nobody says that the certificate is missing", async || {
        let problems = installed.problems("agent").await?;
        Ok(problems.iter().any(|told| told.contains(CERTIFICATE) && told.contains("is not there")))
    })
    .await?;
    let signed = authority.sign(&[format!("*.{ZONE}")])?;
    installed.certify(&signed).await?;
    installed.ready().await?;
    until("what was missing is told of still", async || Ok(installed.problems("agent").await?.is_empty()))
        .await?;

    let workspace = berth.admin.reach(&created, ActualState::Running, 2 * PATIENCE).await?.0;
    let door = berth.cluster.door_in(&installed.namespace).await?;
    let _window = installed.open(&door).await?;
    let owner = Browser::trusting(&signed.key_hash()?).await?;
    owner.open(&format!("{}/", installed.origin())).await?;
    sign_in(&owner, &berth.server.first_link()?).await?;
    owner.wait_until(&format!("return location.origin === '{}'", installed.origin())).await?;
    type_into_the_terminal(&owner, "echo through a pod > /projects/typed").await?;
    assert_eq!(eventually(&berth.view, &workspace, "cat /projects/typed").await?, "through a pod\n");
    ensure!(public_url(berth).starts_with("http://localhost:"), "the server is another site");
    let cookies = owner.cookies().await?;
    let found = cookies.as_array().context("cookies")?.iter().find(|cookie| cookie["name"] == SESSION);
    let session = found.and_then(|cookie| cookie["value"].as_str()).context("no session")?;
    let session = format!("{SESSION}={session}");
    is_there_while_it_is_open(&installed, &workspace, &owner).await?;
    owner.quit().await?;

    reads_logs_and_no_pod(&installed, &authority, &session).await?;
    outlives_its_pods(&installed, &authority, &session).await?;
    is_put_right(&installed).await?;
    another_agent_has_its_own(&installed).await?;
    installed.ready().await?;
    ensure!(installed.ask(&authority, &session).await? == 200, "the session is lost");
    goes_when_nobody_wants_it(&installed).await
}

/// By the rights that an administrator has applied, and none beside them.
async fn reads_logs_and_no_pod(
    installed: &Installed,
    authority: &Authority,
    session: &str,
) -> anyhow::Result<()> {
    let asked = installed.request(authority, "/.berth/logs?container=berth-tools")?.header(COOKIE, session);
    let asked = asked.header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document");
    let page = asked.send().await?;
    let status = page.status();
    ensure!(status == 200, "{status}: {}", page.text().await?);
    let reviews: Api<SubjectAccessReview> = Api::all(installed.client.clone());
    let may = async |verb: &str, resource: &str, subresource: &str| {
        let review = serde_json::from_value(json!({"spec": {
            "user": format!("system:serviceaccount:{}:{NAME}", installed.namespace),
            "resourceAttributes": {"verb": verb, "resource": resource, "subresource": subresource},
        }}))?;
        let review = reviews.create(&PostParams::default(), &review).await?;
        anyhow::Ok(review.status.is_some_and(|status| status.allowed))
    };
    ensure!(may("get", "pods", "log").await?);
    for (verb, resource, subresource) in [
        ("get", "pods", ""),
        ("list", "pods", ""),
        ("watch", "pods", ""),
        ("create", "pods", "exec"),
        ("get", "pods", "exec"),
        ("get", "pods", "proxy"),
        ("list", "secrets", ""),
        ("get", "secrets", ""),
        ("get", "configmaps", ""),
        ("get", "nodes", "proxy"),
    ] {
        ensure!(!may(verb, resource, subresource).await?, "{verb} {resource}/{subresource}");
    }
    Ok(())
}

/// One is killed, and the other answers; one is taken away in order, and nobody notices.
async fn outlives_its_pods(
    installed: &Installed,
    authority: &Authority,
    session: &str,
) -> anyhow::Result<()> {
    let pods: Api<Pod> = installed.all();
    ensure!(installed.ask(authority, session).await? == 200, "it answers");
    let before = installed.pods().await?;
    ensure!(before.len() == 2, "{before:?}");
    pods.delete(&before[0], &DeleteParams::default().grace_period(0)).await?;
    until("nobody answers after a pod was killed", async || {
        Ok(installed.ask(authority, session).await.is_ok_and(|status| status == 200))
    })
    .await?;
    installed.ready().await?;

    let leaving = installed.pods().await?.into_iter().next().context("a pod")?;
    pods.delete(&leaving, &DeleteParams::default()).await?;
    let mut asked = 0;
    while pods.get_opt(&leaving).await?.is_some() {
        let status =
            installed.ask(authority, session).await.with_context(|| format!("after {asked} requests"))?;
        ensure!(status == 200, "{status} after {asked} requests");
        asked += 1;
    }
    ensure!(asked > 10, "{asked} requests are too few to show anything");
    installed.ready().await
}

/// What somebody deletes comes back, and what they open is closed.
async fn is_put_right(installed: &Installed) -> anyhow::Result<()> {
    let deployments: Api<Deployment> = installed.all();
    let uid = async || anyhow::Ok(deployments.get_opt(NAME).await?.and_then(|found| found.metadata.uid));
    let before = uid().await?;
    deployments.delete(NAME, &DeleteParams::background()).await?;
    until("a Deployment that was deleted is not made again", async || {
        let now = uid().await?;
        Ok(now.is_some() && now != before)
    })
    .await?;
    let policies: Api<NetworkPolicy> = installed.all();
    let open = json!({ "spec": { "ingress": [{}] } });
    policies.patch(CLOSED, &PatchParams::default(), &Patch::Merge(&open)).await?;
    until("a policy that was opened is not closed again", async || {
        let spec = policies.get(CLOSED).await?.spec.unwrap_or_default();
        Ok(spec.ingress.unwrap_or_default().is_empty())
    })
    .await?;
    installed.ready().await
}

/// Two agents in one cluster, each with its proxy.
async fn another_agent_has_its_own(installed: &Installed) -> anyhow::Result<()> {
    let berth = &installed.berth;
    let deployments: Api<Deployment> = installed.all();
    let before = deployments.get(NAME).await?.metadata;
    let namespace = unique("berth-proxy");
    let token = berth.admin.create_agent("second").await?.token.context("no token")?;
    installed.configure("second", &namespace, true).await?;
    let environment = proxy_options(&berth.server, berth.cluster, &namespace).to_vec();
    let mut second = berth.another_agent(token.into(), "second", environment).await?;
    let theirs: Api<Deployment> = Api::namespaced(installed.client.clone(), &namespace);
    until("the second agent installs no proxy", async || Ok(theirs.get_opt(NAME).await?.is_some())).await?;
    until("the second agent does not say what is missing", async || {
        let problems = installed.problems("second").await?;
        Ok(problems.iter().any(|told| told.contains(CERTIFICATE)))
    })
    .await?;
    let now = deployments.get(NAME).await?.metadata;
    ensure!((now.uid, now.generation) == (before.uid, before.generation), "the first proxy was written");
    // What the copies that were put right before lacked may be told of still.
    until("the first agent is disturbed", async || Ok(installed.problems("agent").await?.is_empty())).await?;
    second.stop().await?;
    let namespaces: Api<Namespace> = Api::all(installed.client.clone());
    namespaces.delete(&namespace, &DeleteParams::default()).await?;
    Ok(())
}

/// Without an image in the configuration the place stays, closed and empty.
async fn goes_when_nobody_wants_it(installed: &Installed) -> anyhow::Result<()> {
    installed.configure("agent", &installed.namespace, false).await?;
    let (deployments, services): (Api<Deployment>, Api<Service>) = (installed.all(), installed.all());
    let budgets: Api<PodDisruptionBudget> = installed.all();
    let policies: Api<NetworkPolicy> = installed.all();
    until("the proxy stays", async || {
        let gone = deployments.get_opt(NAME).await?.is_none()
            && services.get_opt(NAME).await?.is_none()
            && budgets.get_opt(NAME).await?.is_none()
            && policies.get_opt(NAME).await?.is_none();
        Ok(gone && installed.pods().await?.is_empty())
    })
    .await?;
    ensure!(policies.get_opt(CLOSED).await?.is_some(), "the place is open");
    let secrets: Api<Secret> = installed.all();
    ensure!(secrets.get_opt(CERTIFICATE).await?.is_some(), "what is an administrator's is gone");
    let namespaces: Api<Namespace> = Api::all(installed.client.clone());
    namespaces.delete(&installed.namespace, &DeleteParams::default()).await?;
    Ok(())
}
