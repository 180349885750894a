//! What a program of somebody who is logged in gets into a workspace by (decision 0063).

use berth_schema::audit::{Details, Outcome};
use berth_schema::{Action, WorkspaceId};
use reqwest::Method;
use serde_json::{Value, json};

use crate::audit::{records, since};
use crate::connections::{Proxy, workspace_of};
use crate::login::Cli;
use crate::sign_in::signed_in;
use crate::support::{App, Reply, Requests, Visitor, send};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAc8WhSh6GkFqvdIg/YXO/gaKRbEo29jXI/1H80oy7Uf";
const SSH: u16 = 60_022;

/// Somebody's command line.
struct Program {
    access: String,
}

impl Program {
    async fn of(app: &App, browser: &mut Visitor) -> Self {
        let tokens = Cli::of(app).log_in(browser).await;
        Self { access: tokens["access_token"].as_str().expect("a token").to_owned() }
    }

    async fn connect(&self, app: &App, workspace: &str, body: &Value) -> Reply {
        let path = format!("/api/v1/organizations/acme/workspaces/{workspace}/connection");
        send(app.anyone(Some(&self.access)).request(Method::POST, &path).json(body)).await
    }
}

async fn decide(app: &App, proxy: &Proxy, grant: &Value, (workspace, port): (&str, u16)) -> Value {
    let path = format!("/api/v1/proxy/decision?workspace={workspace}&name=hers&port={port}");
    let request = app.anyone(Some(&proxy.token)).request(Method::GET, &path);
    send(request.header("berth-grant", grant.as_str().expect("a grant"))).await.expect(200)
}

#[tokio::test]
async fn a_program_begins_by_a_token_and_goes_on_by_a_grant_until_the_session_ends() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let proxy = Proxy::of(&admin, &agent).await;
        let mut ada = signed_in(app, "acme", "Ada").await;
        let workspace = workspace_of(app, &mut ada).await;
        let program = Program::of(app, &mut ada).await;
        let before = records(&admin).await.len();
        let made: Value = program.connect(app, "hers", &json!({"ssh_public_key": KEY})).await.expect(200);
        assert_eq!(made["workspace"], workspace.as_str());
        assert_eq!(made["url"], "https://{port}-hers.workspaces.localhost/");
        assert_eq!(made["tunnel"], "https://60001-hers.workspaces.localhost/.berth/ssh");
        let ssh = &made["ssh"];
        assert_eq!(ssh["user"], "workspace");
        let text = |name: &str| ssh[name].as_str().expect("a text").to_owned();
        assert!(text("certificate").starts_with("ssh-ed25519-cert-v01@openssh.com AAAA"));
        assert!(text("host_key").starts_with("ssh-ed25519 AAAA") && text("host_key") != KEY);
        let left = since(&admin, before).await;
        let [record] = left.as_slice() else { panic!("{left:?}") };
        assert_eq!((record.action.as_str(), &record.outcome), (Action::IssueConnectionToken.as_str(), &Outcome::Done));
        let issued = |details: &Details| {
            matches!(details, Details::ConnectionTokenIssued { agent: its, with_certificate: true, .. } if *its == agent.id)
        };
        assert!(issued(&record.details), "{record:?}");
        let again: Value = program.connect(app, &workspace, &json!({"ssh_public_key": KEY})).await.expect(200);
        assert_eq!(again["ssh"]["host_key"], ssh["host_key"], "it is the same one for good");
        let plain: Value = program.connect(app, "hers", &json!({})).await.expect(200);
        assert_eq!(plain.get("ssh"), None, "nobody asked for it");

        let token = &made["token"];
        for port in [SSH, 8080] {
            let begun = decide(app, &proxy, token, (&workspace, port)).await;
            assert_eq!(begun["decision"], "allowed", "{begun}");
            let goes_on = decide(app, &proxy, &begun["grant"], (&workspace, port)).await;
            assert_eq!((&goes_on["decision"], goes_on.get("grant")), (&json!("allowed"), None));
        }
        let grant = decide(app, &proxy, token, (&workspace, SSH)).await["grant"].take();
        let denied = json!({"decision": "denied", "why": "session"});
        let other = WorkspaceId::random().to_string();
        for shown in [token, &grant] {
            assert_eq!(decide(app, &proxy, shown, (&other, SSH)).await, denied, "another workspace");
        }
        let second = Proxy::of(&admin, &admin.create_agent("second").await).await;
        assert_eq!(decide(app, &second, token, (&workspace, SSH)).await, denied, "another agent's proxy");
        // A browser's grant opens no sshd.
        let opened: Value = proxy.open(app, &proxy.body(&ada, &workspace).await).await.expect(200);
        let of_browser = decide(app, &proxy, &opened["grant"], (&workspace, SSH)).await;
        assert_eq!(of_browser, json!({"decision": "denied", "why": "port"}));

        let mut other = signed_in(app, "acme", "Ada").await;
        assert_eq!(other.submit("/sessions/end-others", &[]).await.status, 303);
        for shown in [token, &grant] {
            assert_eq!(decide(app, &proxy, shown, (&workspace, SSH)).await, denied, "the session has ended");
        }
    })
    .await;
}

#[tokio::test]
async fn nobody_elses_program_gets_a_token_and_it_is_on_record() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let (mut ada, mut bob) = (signed_in(app, "acme", "Ada").await, signed_in(app, "acme", "Bob").await);
        let workspace = workspace_of(app, &mut ada).await;
        let program = Program::of(app, &mut bob).await;
        let before = records(&admin).await.len();
        // An owner sees it, and is told why there is no way in.
        program.connect(app, "hers", &json!({})).await.problem(403, "forbidden");
        let mut left = since(&admin, before).await;
        while left.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            left = since(&admin, before).await;
        }
        assert_eq!(left[0].outcome, Outcome::Denied("is-not-theirs".to_owned()));
        program.connect(app, "nobodys", &json!({})).await.problem(404, "not-found");
        // Whoever has a token of the organisation has no session that it could end with.
        let own = json!({"name": "scripted", "image": "debian:13", "agent": "cluster"});
        admin.create(&own).await.expect::<Value>(201);
        let path = admin.path("/workspaces/scripted/connection");
        admin.post(&path, &json!({})).await.problem(403, "forbidden");
        let hers = Program::of(app, &mut ada).await;
        let wrong = hers.connect(app, &workspace, &json!({"ssh_public_key": "ssh-rsa AAAA"})).await;
        assert_eq!(wrong.wrong_fields(), ["ssh_public_key"]);
    })
    .await;
}
