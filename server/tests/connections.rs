//! Who is let into a workspace by a browser (decision 0059).

use berth_schema::Action;
use berth_schema::audit::{Details, Outcome, Who};
use reqwest::Method;
use serde_json::{Value, json};

use crate::audit::{records, since};
use crate::login::Cli;
use crate::sign_in::signed_in;
use crate::support::{Admin, Agent, App, Reply, Requests, Visitor, send};

pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(crate) const REDIRECT: &str = "https://8080-hers.workspaces.localhost/.berth/callback";

/// An agent's proxy.
pub(crate) struct Proxy {
    pub(crate) token: String,
    client_id: String,
}

impl Proxy {
    pub(crate) async fn of(admin: &Admin, agent: &Agent) -> Self {
        let issued: Value = send(agent.request(Method::POST, "/api/v1/agent/proxy-token")).await.expect(201);
        let token = issued["token"].as_str().expect("a token").to_owned();
        Self { token, client_id: format!("proxy/{}/{}", admin.organization(), agent.id) }
    }

    /// What the server answers a browser that the proxy has sent there.
    pub(crate) async fn lead(&self, browser: &Visitor, redirect_uri: &str) -> Reply {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("code_challenge", CHALLENGE)
            .append_pair("code_challenge_method", "S256")
            .append_pair("state", "a.b")
            .finish();
        browser.get(&format!("/oauth/authorize?{query}")).await
    }

    /// The code that the browser brings back.
    async fn code(&self, browser: &Visitor) -> String {
        let page = self.lead(browser, REDIRECT).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let (_, url) = page.text.split_once("content=\"0; url=").expect("it leads on");
        let url = url.split('"').next().expect("an address").replace("&#38;", "&").replace("&amp;", "&");
        let url: url::Url = url.parse().expect("an address");
        assert!(url.as_str().starts_with(&format!("{REDIRECT}?code=")), "{url}");
        let of =
            |name: &str| url.query_pairs().find(|(known, _)| known == name).expect("there").1.into_owned();
        assert_eq!((of("state"), of("iss")), ("a.b".to_owned(), browser.origin().to_owned()));
        of("code")
    }

    pub(crate) async fn body(&self, browser: &Visitor, workspace: &str) -> Value {
        json!({
            "code": self.code(browser).await, "redirect_uri": REDIRECT, "code_verifier": VERIFIER,
            "workspace": workspace, "name": "hers", "port": 8080,
        })
    }

    pub(crate) async fn open(&self, app: &App, body: &Value) -> Reply {
        send(app.anyone(Some(&self.token)).request(Method::POST, "/api/v1/proxy/connections").json(body))
            .await
    }

    pub(crate) async fn decide(&self, app: &App, grant: &Value, workspace: &str) -> Value {
        let path = format!("/api/v1/proxy/decision?workspace={workspace}&name=hers&port=8080");
        let request = app.anyone(Some(&self.token)).request(Method::GET, &path);
        send(request.header("berth-grant", grant.as_str().expect("a grant"))).await.expect(200)
    }
}

/// A workspace that is hers: made with her command line.
pub(crate) async fn workspace_of(app: &App, browser: &mut Visitor) -> String {
    let tokens = Cli::of(app).log_in(browser).await;
    let access = tokens["access_token"].as_str().expect("a token");
    let body = json!({"name": "hers", "devfile": crate::ports::DEVFILE, "agent": "cluster"});
    let path = "/api/v1/organizations/acme/workspaces";
    let made: Value =
        send(app.anyone(Some(access)).request(Method::POST, path).json(&body)).await.expect(201);
    made["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn whoever_made_a_workspace_is_let_in_once_by_each_code_and_until_their_session_ends() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let proxy = Proxy::of(&admin, &agent).await;
        let mut ada = signed_in(app, "acme", "Ada").await;
        let workspace = workspace_of(app, &mut ada).await;
        let before = records(&admin).await.len();
        let body = proxy.body(&ada, &workspace).await;
        assert_eq!(since(&admin, before).await, [], "to be led on is nothing yet");
        let opened: Value = proxy.open(app, &body).await.expect(200);
        assert_eq!(opened["decision"], "allowed", "{opened}");
        let left = since(&admin, before).await;
        let [record] = left.as_slice() else { panic!("{left:?}") };
        assert_eq!(record.action.as_str(), Action::OpenConnection.as_str());
        assert!(matches!(record.who, Who::Subject { .. }) && record.outcome == Outcome::Done);
        let expected = |details: &Details| matches!(details, Details::ConnectionOpened { agent: its, port: 8080, .. } if *its == agent.id);
        assert!(expected(&record.details), "{record:?}");
        // The code is used up; the grant goes on.
        proxy.open(app, &body).await.problem(422, "invalid");
        assert_eq!(proxy.decide(app, &opened["grant"], &workspace).await["decision"], "allowed");
        assert_eq!(since(&admin, before).await.len(), 1, "to ask again changes nothing");

        let mut other = signed_in(app, "acme", "Ada").await;
        assert_eq!(other.submit("/sessions/end-others", &[]).await.status, 303);
        let denied = proxy.decide(app, &opened["grant"], &workspace).await;
        assert_eq!(denied, json!({"decision": "denied", "why": "session"}));
        assert_eq!(proxy.decide(app, &json!("a.b.c"), &workspace).await, denied, "no grant is as good");
    })
    .await;
}

#[tokio::test]
async fn a_session_that_no_provider_of_the_organisation_has_proven_opens_none_of_its_workspaces() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let proxy = Proxy::of(&admin, &agent).await;
        let mut ada = signed_in(app, "acme", "Ada").await;
        let workspace = workspace_of(app, &mut ada).await;
        let body = proxy.body(&ada, &workspace).await;
        let opened: Value = proxy.open(app, &body).await.expect(200);
        assert_eq!(opened["decision"], "allowed", "{opened}");
        let waiting = proxy.body(&ada, &workspace).await;
        app.execute("UPDATE subjects SET is_provided = true; UPDATE sessions SET method = 'openid'").await;
        let denied = json!({"decision": "denied", "why": "membership"});
        assert_eq!(proxy.decide(app, &opened["grant"], &workspace).await, denied);
        assert_eq!(proxy.open(app, &waiting).await.expect::<Value>(200), denied);
        assert_eq!(proxy.lead(&ada, REDIRECT).await.status, 404);
    })
    .await;
}

#[tokio::test]
async fn nobody_else_is_and_it_is_on_record() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let proxy = Proxy::of(&admin, &agent).await;
        let (mut ada, bob) = (signed_in(app, "acme", "Ada").await, signed_in(app, "acme", "Bob").await);
        let workspace = workspace_of(app, &mut ada).await;
        let denied = json!({"decision": "denied", "why": "workspace"});
        let before = records(&admin).await.len();
        let body = proxy.body(&bob, &workspace).await;
        assert_eq!(proxy.open(app, &body).await.expect::<Value>(200), denied, "an owner of the organisation");
        // The denial is put on record aside.
        let mut left = since(&admin, before).await;
        while left.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            left = since(&admin, before).await;
        }
        assert_eq!(left[0].outcome, Outcome::Denied("workspace".to_owned()));
        // Another name, a workspace that there is not, sshd's port.
        let with = async |field: &str, value: Value| {
            let mut body = proxy.body(&ada, &workspace).await;
            body[field] = value;
            proxy.open(app, &body).await.expect::<Value>(200)
        };
        assert_eq!(with("name", json!("other")).await, denied);
        assert_eq!(with("workspace", json!(berth_schema::WorkspaceId::random())).await, denied);
        assert_eq!(with("port", json!(60_022)).await["why"], "port");
        // What the code is bound to.
        for (field, value) in [
            ("code", json!("a.b.c")),
            ("code_verifier", json!(CHALLENGE)),
            ("redirect_uri", json!("https://8081-hers.workspaces.localhost/.berth/callback")),
        ] {
            let mut body = proxy.body(&ada, &workspace).await;
            body[field] = value;
            proxy.open(app, &body).await.problem(422, "invalid");
        }
        let second = admin.create_agent("second").await;
        let other = Proxy::of(&admin, &second).await;
        other.open(app, &proxy.body(&ada, &workspace).await).await.problem(422, "invalid");
        let of_other = other.body(&ada, &workspace).await;
        assert_eq!(other.open(app, &of_other).await.expect::<Value>(200), denied, "it is not that agent's");
    })
    .await;
}

#[tokio::test]
async fn a_browser_is_led_to_hosts_of_that_agent_alone() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let proxy = Proxy::of(&admin, &agent).await;
        let ada = signed_in(app, "acme", "Ada").await;
        for wrong in [
            "https://evil.example/.berth/callback",
            "https://a.b.workspaces.localhost/.berth/callback",
            "https://workspaces.localhost/.berth/callback",
            "https://8080-hers.workspaces.localhost/",
            "http://8080-hers.workspaces.localhost/.berth/callback",
            "https://8080-hers.workspaces.localhost.evil.example/.berth/callback",
        ] {
            let reply = proxy.lead(&ada, wrong).await;
            assert_eq!(reply.status, 422, "{wrong}");
            assert!(!reply.text.contains("http-equiv"), "{wrong}");
        }
        assert_eq!(
            proxy.lead(&ada, "https://8080-x.workspaces.localhost:8443/.berth/callback").await.status,
            200
        );
        let asked = proxy.lead(&Visitor::new(app.address()), REDIRECT).await;
        assert_eq!((asked.status, asked.header("location")), (303, "/sign-in"), "whoever is not signed in");
        // Once a proxy listens there: at another port another program of that machine would be given the code.
        for (port, led, refused) in
            [(8443, ":8443", ["", ":443", ":8444"]), (443, "", [":8443", ":80", ":1"])]
        {
            let document =
                json!({"tools_image": "tools:1", "proxy": {"image": "proxy:1", "public_port": port}});
            let set = send(
                admin.request(Method::PUT, &admin.path("/agents/cluster/configuration")).json(&document),
            );
            assert_eq!(set.await.status, 200);
            let at = |port: &str| format!("https://8080-x.workspaces.localhost{port}/.berth/callback");
            assert_eq!(proxy.lead(&ada, &at(led)).await.status, 200, "{port}");
            for other in refused {
                assert_eq!(proxy.lead(&ada, &at(other)).await.status, 422, "{port}: {other}");
            }
        }
        // Another organisation, and one of another organisation.
        let umbrella = app.organization("umbrella").await;
        let theirs = Proxy::of(&umbrella, &umbrella.create_agent("cluster").await).await;
        assert_eq!(theirs.lead(&ada, REDIRECT).await.status, 404);
        let mixed = Proxy { client_id: format!("proxy/{}/{}", umbrella.organization(), agent.id), ..proxy };
        assert_eq!(mixed.lead(&ada, REDIRECT).await.status, 404);
    })
    .await;
}

#[tokio::test]
async fn a_proxys_token_opens_what_a_proxy_does_and_ends_with_its_agent() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let proxy = Proxy::of(&admin, &agent).await;
        let as_proxy = app.anyone(Some(&proxy.token));
        as_proxy.get("/api/v1/organizations/acme/workspaces").await.problem(401, "unauthenticated");
        as_proxy.get("/api/v1/account").await.problem(401, "unauthenticated");
        let own = send(as_proxy.request(Method::POST, "/api/v1/agent/proxy-token")).await;
        own.problem(401, "unauthenticated");
        let nobody = json!({"unknown": 1});
        proxy.open(app, &nobody).await.problem(422, "invalid");
        for other in [agent.token.as_str(), admin.token.expose()] {
            let proxy = Proxy { token: other.to_owned(), client_id: String::new() };
            proxy.open(app, &nobody).await.problem(401, "unauthenticated");
        }
        admin.post(&admin.path("/agents/cluster/revoke"), &json!({})).await.expect::<Value>(200);
        proxy.open(app, &nobody).await.problem(401, "unauthenticated");
    })
    .await;
}
