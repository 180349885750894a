//! From a cold browser into a workspace, through the proxy; who else is not let in, and how it ends (decision 0059).

use anyhow::{Context as _, ensure};
use berth_harness::{ProxyOptions, ProxyProcess};
use berth_integration_tests::{Browser, Installation, WORKSPACE_IMAGE, proxy_token, sign_in_link};
use berth_schema::ActualState;
use berth_schema::api::Workspace;
use berth_schema::kubernetes::EDITOR_PORT;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{Api, PostParams};
use reqwest::header::{COOKIE, HOST, LOCATION, ORIGIN};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde_json::json;
use tokio::io::AsyncReadExt as _;

use crate::PATIENCE;
use crate::editor::{eventually, type_into_the_terminal};

pub(crate) const ZONE: &str = "workspaces.localhost";
pub(crate) const NAME: &str = "way-in";
pub(crate) const WEB: u16 = 8080;
pub(crate) const SESSION: &str = "__Host-berth-workspace";

/// An editor, and a port that says what it was sent and tries to set cookies that are none of its business.
pub(crate) fn devfile() -> String {
    format!(
        "schemaVersion: 2.2.0
components:
  - name: main
    container:
      image: {WORKSPACE_IMAGE}
      memoryLimit: 1Gi
      endpoints:
        - name: web
          targetPort: {WEB}
commands:
  - id: serve
    exec:
      component: main
      commandLine: |-
        mkdir -p /projects/www/cgi-bin
        cat > /projects/www/cgi-bin/say <<'END'
        #!/bin/sh
        printf 'Content-Type: text/plain\\r\\n'
        printf 'Set-Cookie: own=1\\r\\nSet-Cookie: wide=1; Domain={ZONE}\\r\\n'
        printf 'Set-Cookie: {SESSION}=forged; Secure; Path=/\\r\\n\\r\\n'
        env
        END
        chmod +x /projects/www/cgi-bin/say
        busybox httpd -p {WEB} -h /projects/www
events:
  postStart: [serve]
"
    )
}

pub(crate) struct Way {
    pub(crate) berth: Installation,
    pub(crate) proxy: ProxyProcess,
    pub(crate) workspace: Workspace,
}

impl Way {
    pub(crate) async fn start() -> anyhow::Result<Option<Self>> {
        let Some(berth) = Installation::start_with_tools().await? else { return Ok(None) };
        let created = berth.admin.create_from_devfile(NAME, &devfile()).await?;
        let workspace = berth.admin.reach(&created, ActualState::Running, 2 * PATIENCE).await?.0;
        let proxy = ProxyProcess::start(ProxyOptions {
            server_url: berth.server.url(),
            public_url: public_url(&berth),
            token: proxy_token(&berth.server.url(), &berth.token()?).await?,
            zone: ZONE.to_owned(),
            kubeconfig: berth.cluster.kubeconfig().to_owned(),
            dir: berth.dir().join("proxy"),
        })
        .await?;
        let way = Self { berth, proxy, workspace };
        way.let_the_proxy_in().await?;
        Ok(Some(way))
    }

    /// The proxy of a scenario is a process of this machine, which is not in the namespace that a workspace lets in.
    async fn let_the_proxy_in(&self) -> anyhow::Result<()> {
        let machine = format!("{}/32", self.berth.cluster.host_address());
        let policy = serde_json::from_value(json!({
            "metadata": { "name": "scenario-proxy" },
            "spec": {
                "podSelector": {}, "policyTypes": ["Ingress"],
                "ingress": [{ "from": [{ "ipBlock": { "cidr": machine } }] }],
            },
        }))?;
        let namespace = self.workspace.namespace.as_str();
        let policies = Api::<NetworkPolicy>::namespaced(self.berth.view.client(), namespace);
        policies.create(&PostParams::default(), &policy).await.context("the policy is refused")?;
        Ok(())
    }

    fn editor(&self) -> String {
        self.proxy.origin(EDITOR_PORT, NAME)
    }

    /// A link that signs somebody in, who is made an owner where they are not there yet.
    pub(crate) async fn link(&self, name: &str) -> anyhow::Result<String> {
        sign_in_link(&self.berth.database_url, &public_url(&self.berth), name).await
    }

    /// A program that sends what it likes to a host of the proxy.
    pub(crate) fn client(&self, host: &str) -> anyhow::Result<reqwest::Client> {
        let certificate = reqwest::Certificate::from_pem(&self.proxy.certificate()?)?;
        let builder =
            reqwest::Client::builder().tls_certs_only([certificate]).resolve(host, self.proxy.address());
        Ok(builder.redirect(reqwest::redirect::Policy::none()).build()?)
    }

    pub(crate) fn ask(
        &self,
        method: Method,
        port: u16,
        name: &str,
        path: &str,
    ) -> anyhow::Result<RequestBuilder> {
        let origin = self.proxy.origin(port, name);
        Ok(self.client(&self.proxy.host(port, name))?.request(method, format!("{origin}{path}")))
    }

    /// Asks the editor for the socket that a workbench has.
    async fn socket(&self, cookie: &str, origin: &str) -> anyhow::Result<Response> {
        let path = "/socket?reconnectionToken=6c9e4a2e-1111-4222-8333-444455556666&reconnection=false&skipWebSocketFrames=false";
        let asked =
            self.ask(Method::GET, EDITOR_PORT, NAME, path)?.header(COOKIE, cookie).header(ORIGIN, origin);
        let asked = asked.header("connection", "Upgrade").header("upgrade", "websocket");
        let asked = asked
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        Ok(asked.send().await?)
    }
}

pub(crate) fn public_url(berth: &Installation) -> String {
    format!("http://localhost:{}", berth.server.address().port())
}

/// Signs somebody in at the page that they were led to.
pub(crate) async fn sign_in(browser: &Browser, link: &str) -> anyhow::Result<()> {
    browser.wait_until("return location.pathname === '/sign-in'").await?;
    browser.open(link).await?;
    browser.click("main button").await
}

#[tokio::test]
async fn a_cold_browser_is_led_into_the_workspace_and_nobody_else_is() -> anyhow::Result<()> {
    let Some(way) = Way::start().await? else { return Ok(()) };
    let editor = way.editor();
    let owner = Browser::trusting(way.proxy.key_hash()).await?;
    owner.open(&format!("{editor}/?from=bookmark")).await?;
    sign_in(&owner, &way.berth.server.first_link()?).await?;
    // Led on, let in, and back at what was wanted.
    let arrived =
        format!("return location.origin === '{editor}' && location.search.includes('from=bookmark')");
    owner.wait_until(&arrived).await?;
    type_into_the_terminal(&owner, "echo through the proxy > /projects/typed").await?;
    assert_eq!(
        eventually(&way.berth.view, &way.workspace, "cat /projects/typed").await?,
        "through the proxy\n"
    );
    let protocol = owner.run("return performance.getEntriesByType('navigation')[0].nextHopProtocol").await?;
    ensure!(protocol == "h2", "it speaks {protocol}");
    ensure!(
        owner.run("return document.cookie.includes('berth')").await? == false,
        "a script sees the session"
    );
    owner.screenshot("way-in.png").await?;
    let cookies = owner.cookies().await?;
    let found = cookies.as_array().context("cookies")?.iter().find(|cookie| cookie["name"] == SESSION);
    let session = found.and_then(|cookie| cookie["value"].as_str()).context("no session")?;
    let session = format!("{SESSION}={session}");

    stays_within_its_host(&way, &owner, &session).await?;
    is_nobody_elses(&way, &session).await?;
    cannot_be_begun_for_somebody_else(&way).await?;
    ends_with_the_session(&way, &owner, &session).await?;
    owner.quit().await
}

/// What a workspace is sent, what it may set, and what another host's page gets.
async fn stays_within_its_host(way: &Way, owner: &Browser, session: &str) -> anyhow::Result<()> {
    let web = way.proxy.origin(WEB, NAME);
    owner.open(&format!("{web}/cgi-bin/say")).await?;
    owner.wait_until("return document.body.innerText.includes('HTTP_HOST')").await?;
    // Once more, with the cookies that it has by now.
    owner.open(&format!("{web}/cgi-bin/say?again")).await?;
    let sent = owner.text().await?;
    ensure!(sent.contains("HTTP_COOKIE=own=1\n"), "a cookie of ours reached the workspace, or none: {sent}");
    let host = web.trim_start_matches("https://");
    for said in
        [format!("_HOST={host}"), format!("_FORWARDED_HOST={host}"), "_FORWARDED_PROTO=https".to_owned()]
    {
        ensure!(sent.contains(&said), "{said} is not in {sent}");
    }
    let kept = owner.cookies().await?.to_string();
    ensure!(kept.contains("\"own\"") && !kept.contains("\"wide\"") && !kept.contains("forged"), "{kept}");
    // A page of one host reads nothing of another, opens no socket there and does not get in by a frame.
    let editor = way.editor();
    let page = format!(
        "const of = async (what) => {{ try {{ return await what() }} catch (error) {{ return 'refused' }} }};
         const socket = () => new Promise((resolve) => {{
             const socket = new WebSocket('{}');
             socket.onopen = () => resolve('open'); socket.onerror = () => resolve('refused');
         }});
         return Promise.all([
             of(async () => (await fetch('{editor}/', {{ credentials: 'include' }})).status),
             of(async () => (await fetch('{editor}/', {{ credentials: 'include', method: 'POST', mode: 'no-cors' }})).type),
             of(socket),
         ])",
        editor.replace("https://", "wss://"),
    );
    let tried = owner.run(&page).await?;
    ensure!(tried[0] == "refused" && tried[2] == "refused", "{tried}");
    for (site, mode, dest) in [
        ("same-site", "no-cors", "script"),
        ("same-site", "navigate", "iframe"),
        ("cross-site", "cors", "empty"),
    ] {
        let asked = way.ask(Method::GET, EDITOR_PORT, NAME, "/")?.header(COOKIE, session);
        let asked = asked
            .header("sec-fetch-site", site)
            .header("sec-fetch-mode", mode)
            .header("sec-fetch-dest", dest);
        ensure!(asked.send().await?.status() == 403, "{site} {mode} {dest} passes");
    }
    Ok(())
}

/// The cookie at other hosts, sockets of other origins, other people.
async fn is_nobody_elses(way: &Way, session: &str) -> anyhow::Result<()> {
    let status = async |request: RequestBuilder| anyhow::Ok(request.send().await?.status().as_u16());
    let with = |port, name| anyhow::Ok(way.ask(Method::GET, port, name, "/healthz")?.header(COOKIE, session));
    ensure!(status(with(EDITOR_PORT, NAME)?).await? == 200, "its own host");
    ensure!(status(with(WEB, NAME)?).await? == 401, "the cookie of another port's host");
    ensure!(status(with(EDITOR_PORT, "other")?).await? == 401, "the cookie of another workspace's host");
    // One connection, another host.
    let other = format!("{}:{}", way.proxy.host(WEB, NAME), way.proxy.address().port());
    ensure!(status(with(EDITOR_PORT, NAME)?.header(HOST, other)).await? == 421, "host confusion");
    ensure!(status(with(EDITOR_PORT, NAME)?.header(HOST, "evil.example")).await? == 404, "no host of ours");
    let posted = |origin: &str| {
        let asked = way.ask(Method::POST, EDITOR_PORT, NAME, "/")?.header(COOKIE, session);
        anyhow::Ok(asked.header(ORIGIN, origin))
    };
    ensure!(status(posted("https://evil.example")?).await? == 403, "a form of another origin");
    for origin in ["https://evil.example", &way.proxy.origin(WEB, NAME), "null"] {
        ensure!(way.socket(session, origin).await?.status() == 403, "a socket of {origin}");
    }

    let bob = Browser::trusting(way.proxy.key_hash()).await?;
    bob.open(&way.editor()).await?;
    sign_in(&bob, &way.link("Bob").await?).await?;
    bob.wait_until("return document.body.innerText.includes('There is nothing here')").await?;
    let status = "return performance.getEntriesByType('navigation')[0].responseStatus";
    ensure!(bob.run(status).await? == 404, "another person");
    ensure!(!bob.cookies().await?.to_string().contains(SESSION), "another person has a session");
    // The same as where there is nothing.
    bob.open(&way.proxy.origin(EDITOR_PORT, "nowhere")).await?;
    bob.wait_until("return document.body.innerText.includes('There is nothing here')").await?;
    bob.quit().await?;
    let denied = way.berth.admin.get("audit?limit=50").await?.body.to_string();
    ensure!(denied.contains("connection.open") && denied.contains("\"denied\":\"workspace\""), "{denied}");
    ensure!(denied.contains("connection_opened"), "{denied}");
    Ok(())
}

/// A state that another browser has begun, one that nobody has, and addresses that lead elsewhere.
async fn cannot_be_begun_for_somebody_else(way: &Way) -> anyhow::Result<()> {
    let begin = async |path: &str| {
        let asked = way.ask(Method::GET, EDITOR_PORT, NAME, path)?.header("accept", "text/html");
        let answer = asked.send().await?;
        ensure!(answer.status() == 303, "{path}: {}", answer.status());
        let location: Url = answer.headers()[LOCATION].to_str()?.parse()?;
        ensure!(
            location.as_str().starts_with(&format!("{}/oauth/authorize?", public_url(&way.berth))),
            "{location}"
        );
        let state =
            location.query_pairs().find(|(name, _)| name == "state").context("no state")?.1.into_owned();
        let cookie =
            answer.headers()["set-cookie"].to_str()?.split(';').next().unwrap_or_default().to_owned();
        anyhow::Ok((state, cookie))
    };
    let (mine, theirs) = (begin("/").await?, begin("//evil.example/").await?);
    let callback = async |state: &str, cookie: Option<&str>| {
        let path = format!("/.berth/callback?code=a.b.c&state={state}&iss={}", public_url(&way.berth));
        let asked = way.ask(Method::GET, EDITOR_PORT, NAME, &path)?;
        let asked = match cookie {
            Some(cookie) => asked.header(COOKIE, cookie),
            None => asked,
        };
        let answer = asked.send().await?;
        ensure!(!answer.headers().contains_key(LOCATION), "it leads somewhere");
        anyhow::Ok(answer.status().as_u16())
    };
    ensure!(callback(&theirs.0, None).await? == 400, "a stolen state");
    ensure!(callback(&theirs.0, Some(&mine.1)).await? == 400, "a state of another browser");
    ensure!(callback("x.y", Some(&mine.1)).await? == 400, "a state that was made up");
    ensure!(callback(&mine.0, Some(&mine.1)).await? == 400, "a code that was made up");
    Ok(())
}

/// It is ended in another browser.
async fn ends_with_the_session(way: &Way, owner: &Browser, session: &str) -> anyhow::Result<()> {
    owner.open(&way.editor()).await?;
    owner.find(".monaco-workbench .part.editor").await?;
    let answer = way.socket(session, &way.editor()).await?;
    ensure!(answer.status() == 101, "no socket: {}", answer.status());
    let mut socket = answer.upgrade().await?;
    let elsewhere = Browser::start("http://nowhere.invalid").await?;
    elsewhere.open(&way.link("Administrator").await?).await?;
    elsewhere.click("main button").await?;
    elsewhere.open(&format!("{}/sessions", public_url(&way.berth))).await?;
    elsewhere.click("form[action='/sessions/end-others'] button").await?;
    let mut rest = vec![0; 4_096];
    let cut = async { while socket.read(&mut rest).await.is_ok_and(|length| length > 0) {} };
    tokio::time::timeout(PATIENCE, cut).await.context("the socket stays open")?;
    elsewhere.quit().await?;
    let asked = way.ask(Method::GET, EDITOR_PORT, NAME, "/")?.header(COOKIE, session);
    ensure!(asked.send().await?.status() == 401, "the cookie goes on");
    // The workbench says so by itself.
    owner.wait_until("return /reconnect|disconnected|reload/i.test(document.body.innerText)").await?;
    owner.open(&way.editor()).await?;
    owner.wait_until("return location.pathname === '/sign-in'").await?;
    let log = std::fs::read_to_string(way.proxy.log())?;
    ensure!(!log.contains("reconnectionToken") && !log.contains("from=bookmark"), "a path is in the log");
    ensure!(!log.contains(session.split_once('=').context("a pair")?.1), "a cookie is in the log");
    Ok(())
}
