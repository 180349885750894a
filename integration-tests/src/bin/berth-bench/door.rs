//! A workspace's door without a node: a pod that is nowhere but in its status, whose address is an upstream of this machine, and
//! proxies that let its owner in.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use berth_harness::{ProxyOptions, ProxyProcess};
use berth_integration_tests::{proxy_token, sign_in_link};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use kube::ResourceExt as _;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use reqwest::header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Client, RequestBuilder, Response, Url};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::site::Site;
use crate::upstream::Upstream;

const ZONE: &str = "workspaces.localhost";
pub(crate) const NAME: &str = "door";
/// Who the first token is of.
const OWNER: &str = "Administrator";
const SESSION: &str = "__Host-berth-workspace";
const LIMIT: Duration = Duration::from_secs(60);

/// Everything of one measurement.
pub(crate) struct Door {
    pub(crate) proxies: Vec<ProxyProcess>,
    pub(crate) upstream: Upstream,
    _node: Node,
    pub(crate) site: Site,
}

impl Door {
    pub(crate) async fn open(proxies: usize) -> anyhow::Result<Self> {
        let site = Site::start().await?;
        let upstream = Upstream::start().await?;
        let workspace = site.admin.create_from_devfile(NAME, &devfile(upstream.address.port())).await?;
        site.applied(&workspace).await?;
        let pods: Api<Pod> = Api::namespaced(site.client.clone(), workspace.namespace.as_str());
        let begun = Instant::now();
        let pod = loop {
            if let Some(pod) = pods.list(&ListParams::default()).await?.items.first() {
                break pod.name_any();
            }
            ensure!(begun.elapsed() < LIMIT, "no pod was made");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let node = Node::start(site.client.clone()).await?;
        node.takes(&pods, &pod).await?;
        let ip = upstream.address.ip().to_string();
        let status = json!({"status": {
            "phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}],
            "conditions": [{"type": "Ready", "status": "True"}],
        }});
        pods.patch_status(&pod, &PatchParams::default(), &Patch::Strategic(status)).await?;
        let slices: Api<EndpointSlice> = Api::namespaced(site.client.clone(), workspace.namespace.as_str());
        let begun = Instant::now();
        loop {
            let all = slices.list(&ListParams::default()).await?.items;
            let mut endpoints = all.iter().flat_map(|slice| &slice.endpoints);
            let is_ready = |endpoint: &Endpoint| {
                endpoint.conditions.as_ref().and_then(|conditions| conditions.ready) == Some(true)
            };
            if endpoints.any(is_ready) {
                break;
            }
            ensure!(begun.elapsed() < LIMIT, "no endpoint is ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut door = Self { proxies: Vec::new(), upstream, _node: node, site };
        for number in 0..proxies {
            let proxy = door.another(&format!("proxy-{number}")).await?;
            door.proxies.push(proxy);
        }
        Ok(door)
    }

    async fn another(&self, name: &str) -> anyhow::Result<ProxyProcess> {
        let site = &self.site;
        ProxyProcess::start(ProxyOptions {
            server_url: site.server.url(),
            public_url: self.public_url(),
            token: proxy_token(&site.server.url(), &site.token).await?,
            zone: ZONE.to_owned(),
            kubeconfig: site.cluster.kubeconfig().to_owned(),
            dir: site.dir.path().join(name),
        })
        .await
    }

    fn public_url(&self) -> String {
        format!("http://localhost:{}", self.site.server.address().port())
    }

    pub(crate) fn port(&self) -> u16 {
        self.upstream.address.port()
    }

    /// One more client, with connections of its own, that trusts every proxy here.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        let mut trusted = Vec::new();
        for proxy in &self.proxies {
            trusted.push(reqwest::Certificate::from_pem(&proxy.certificate()?)?);
        }
        let host = format!("{}-{NAME}.{ZONE}", self.port());
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let builder = Client::builder().tls_certs_only(trusted).http1_only().no_gzip().resolve(&host, here);
        Ok(builder.redirect(reqwest::redirect::Policy::none()).build()?)
    }

    /// Somebody who signs in: the same person each time, in a session of its own.
    pub(crate) async fn visitor(&self) -> anyhow::Result<Visitor> {
        let link = sign_in_link(&self.site.database_url, &self.public_url(), OWNER).await?;
        let (_, token) = link.split_once("token=").context("no link")?;
        let (client, public_url) = (self.client()?, self.public_url());
        let form = url_encoded(&[("token", token)]);
        let asked = from_a_page(client.post(format!("{public_url}/sign-in/link")), &public_url).body(form);
        let answer = asked.send().await?;
        ensure!(answer.status() == 303, "not signed in: {}", answer.status());
        let cookies = kept(&answer);
        let cookie = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
        Ok(Visitor { client, public_url, cookie: cookie.join("; ") })
    }
}

/// A node in name: controllers believe in pods of nodes that are there and well.
struct Node(JoinHandle<()>);

impl Drop for Node {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Node {
    const NAME: &str = "nowhere";
    const BEAT: Duration = Duration::from_secs(10);

    async fn start(client: kube::Client) -> anyhow::Result<Self> {
        let nodes: Api<k8s_openapi::api::core::v1::Node> = Api::all(client);
        let node = serde_json::from_value(json!({ "metadata": { "name": Self::NAME } }))?;
        nodes.create(&PostParams::default(), &node).await?;
        Self::beat(&nodes).await?;
        Ok(Self(tokio::spawn(async move {
            loop {
                tokio::time::sleep(Self::BEAT).await;
                // The next one comes soon.
                let _ = Self::beat(&nodes).await;
            }
        })))
    }

    async fn beat(nodes: &Api<k8s_openapi::api::core::v1::Node>) -> anyhow::Result<()> {
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let ready = json!({
            "type": "Ready", "status": "True", "reason": "Measured", "message": "",
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        });
        let status = json!({ "status": { "conditions": [ready] } });
        nodes.patch_status(Self::NAME, &PatchParams::default(), &Patch::Strategic(status)).await?;
        Ok(())
    }

    async fn takes(&self, pods: &Api<Pod>, pod: &str) -> anyhow::Result<()> {
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding", "metadata": { "name": pod },
            "target": { "apiVersion": "v1", "kind": "Node", "name": Self::NAME },
        });
        let bound: Result<serde_json::Value, _> =
            pods.create_subresource("binding", pod, &PostParams::default(), &binding).await;
        bound.context("the pod cannot be bound")?;
        Ok(())
    }
}

/// A browser, as far as is needed to be let in.
pub(crate) struct Visitor {
    client: Client,
    public_url: String,
    cookie: String,
}

impl Visitor {
    /// Is led through the server and back, and keeps what the proxy gives.
    pub(crate) async fn enter(&self, proxy: &ProxyProcess, port: u16) -> anyhow::Result<String> {
        let led = navigates(self.client.get(format!("{}/", proxy.origin(port, NAME)))).send().await?;
        let attempt = kept(&led).into_iter().map(|(name, value)| format!("{name}={value}")).next();
        let attempt = attempt.with_context(|| format!("not led to the server: {}", led.status()))?;
        let there = navigates(self.client.get(location(&led)?)).header(COOKIE, &self.cookie).send().await?;
        let back = navigates(self.client.get(refresh(there).await?)).header(COOKIE, attempt).send().await?;
        let session = kept(&back).remove(SESSION);
        let session = session.with_context(|| format!("not let in: {}", back.status()))?;
        Ok(format!("{SESSION}={session}"))
    }

    /// Ends the session.
    pub(crate) async fn sign_out(&self) -> anyhow::Result<()> {
        let asked = self.client.post(format!("{}/sign-out", self.public_url)).header(COOKIE, &self.cookie);
        let answer = from_a_page(asked, &self.public_url).send().await?;
        ensure!(answer.status() == 303, "not signed out: {}", answer.status());
        Ok(())
    }
}

fn navigates(request: RequestBuilder) -> RequestBuilder {
    request
        .header("accept", "text/html")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document")
}

pub(crate) fn from_a_page(request: RequestBuilder, origin: &str) -> RequestBuilder {
    request
        .header(ORIGIN, origin)
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "application/x-www-form-urlencoded")
}

pub(crate) fn url_encoded(fields: &[(&str, &str)]) -> String {
    let mut url = Url::parse("http://localhost/").unwrap_or_else(|_| unreachable!("it is a URL"));
    url.query_pairs_mut().extend_pairs(fields);
    url.query().unwrap_or_default().to_owned()
}

pub(crate) fn location(response: &Response) -> anyhow::Result<String> {
    let status = response.status();
    let to = response.headers().get(LOCATION).with_context(|| format!("not led on: {status}"))?;
    Ok(to.to_str()?.to_owned())
}

/// Where a page leads by itself.
async fn refresh(page: Response) -> anyhow::Result<String> {
    let status = page.status();
    let text = page.text().await?;
    let (_, rest) =
        text.split_once("content=\"0; url=").with_context(|| format!("not led back: {status}"))?;
    let (url, _) = rest.split_once('"').context("no end of the address")?;
    Ok(url.replace("&amp;", "&").replace("&#38;", "&"))
}

/// The cookies that are set to something.
pub(crate) fn kept(response: &Response) -> HashMap<String, String> {
    let all = response.headers().get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = all.filter_map(|text| text.split(';').next()?.split_once('='));
    let named = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    named.filter(|(_, value)| !value.is_empty()).collect()
}

fn devfile(port: u16) -> String {
    format!(
        "schemaVersion: 2.2.0
components:
  - name: main
    container:
      image: registry.example/dev:1
      endpoints:
        - name: web
          targetPort: {port}
"
    )
}
