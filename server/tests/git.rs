//! Credentials of Git hosts: set and never read back; issued to agents that ask, and to no others.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_schema::api::{Paged, Workspace};
use berth_schema::git::{CredentialBundle, GitAsk, GitCredential, GitMethod};
use berth_schema::reconcile::{Action, ReconcileRequest, ReconcileResponse};
use berth_schema::why::Why;
use berth_schema::{ActualState, WorkspaceId};
use berth_server::clock;
use reqwest::Method;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::support::{Admin, Agent, App, Reply, Requests, cluster, message, send};

async fn set(admin: &Admin, host: &str, form: &Value) -> Reply {
    send(admin.request(Method::PUT, &admin.path(&format!("/git-credentials/{host}"))).json(form)).await
}

async fn delete(admin: &Admin, host: &str) -> Reply {
    send(admin.request(Method::DELETE, &admin.path(&format!("/git-credentials/{host}")))).await
}

/// A message of an agent that knows `version` of the hosts and asks for the credentials of `wanted`.
fn asking(sequence: i64, version: i64, wanted: &[WorkspaceId]) -> ReconcileRequest {
    let git = Some(GitAsk { version, wanted: wanted.to_vec() });
    ReconcileRequest { git, ..message(sequence, vec![]) }
}

async fn ask(agent: &Agent, request: &ReconcileRequest) -> ReconcileResponse {
    agent.send(request).await.expect(200)
}

fn texts(bundle: &CredentialBundle) -> Vec<(String, String)> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    bundle.files.iter().map(|(name, value)| (name.clone(), text(value.expose()))).collect()
}

/// A workspace that runs, as its agent has reported.
async fn running(admin: &Admin, agent: &Agent, name: &str, sequence: i64) -> WorkspaceId {
    let created = admin.create_workspace(name).await;
    let response = ask(agent, &asking(sequence, 0, &[])).await;
    let directive = response.workspaces.iter().find(|directive| directive.workspace_id == created.id);
    agent.partial(sequence + 1, vec![cluster::settled(directive.expect("a directive"), "1")]).await;
    assert_eq!(admin.workspace(name).await.actual_state, ActualState::Running);
    created.id
}

#[tokio::test]
async fn tokens_go_in_and_never_come_out() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let reply = set(&admin, "git.example.com:8443", &json!({"token": "recognisable"})).await;
        let credential: GitCredential = reply.expect(200);
        assert_eq!((credential.method, credential.username.as_str()), (GitMethod::Token, "berth"));
        let list = admin.get(&admin.path("/git-credentials")).await;
        assert!(!reply.text.contains("recognisable") && !list.text.contains("recognisable"));
        let listed: Paged<GitCredential> = list.expect(200);
        assert_eq!(listed.items, [credential]);
        let query = "SELECT count(*) FROM git_credentials t WHERE t::text LIKE '%' || encode('recognisable', 'hex') || '%'";
        assert_eq!(app.count(query).await, 0);
        let deleted = delete(&admin, "git.example.com:8443").await;
        assert!(!deleted.text.contains("recognisable"));
        deleted.expect::<GitCredential>(200);
        delete(&admin, "git.example.com:8443").await.problem(404, "not-found");
        delete(&admin, "no%20host").await.problem(404, "not-found");
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_is_told_by_its_field_and_without_the_token() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        for (host, form, fields) in [
            ("git.a", json!({}), vec!["token"]),
            ("Git.a", json!({"token": "t"}), vec!["host"]),
            ("git.a", json!({"token": "t", "audience": "a"}), vec!["audience"]),
            ("git.a", json!({"token": "hunter2\nhost=evil"}), vec!["token"]),
            ("git.a", json!({"token": "t", "username": ""}), vec!["username"]),
            ("git.a", json!({"token": "t", "tokens": "t"}), vec!["tokens"]),
        ] {
            let reply = set(&admin, host, &form).await;
            assert!(!reply.text.contains("hunter2"));
            assert_eq!(reply.wrong_fields(), fields, "{form}");
        }
        assert_eq!(app.count("SELECT count(*) FROM git_credentials").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_new_workspace_gets_them_with_its_configuration_and_an_agent_that_takes_none_gets_none() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        set(&admin, "git.a:81", &json!({"token": "t1", "plain_http": true})).await.expect::<Value>(200);
        set(&admin, "git.b", &json!({"token": "t2", "username": "u"})).await.expect::<Value>(200);
        let body = json!({"name": "w", "image": "a", "variables": [{"name": "A", "value": "x"}]});
        admin.create(&body).await.expect::<Workspace>(201);
        let response = ask(&agent, &asking(1, 0, &[])).await;
        assert_eq!(response.git_version, 2);
        let bundle = agent.credentials(&response, "w").expect("credentials that open");
        assert_eq!((bundle.version, bundle.renew_after_seconds), (2, None));
        let file = |user: &str, token: &str| format!("username={user}\npassword={token}\n");
        let expected = [("http-git.a_81", file("berth", "t1")), ("https-git.b", file("u", "t2"))];
        assert_eq!(texts(&bundle), expected.map(|(name, text)| (name.to_owned(), text)));
        assert_eq!(agent.variables(&response, "w").expect("variables").environment["A"].expose(), b"x");
        let response = agent.partial(2, vec![]).await;
        assert!(response.workspaces[0].credentials.is_none());
        assert!(agent.variables(&response, "w").is_some(), "which open as before");
    })
    .await;
}

#[tokio::test]
async fn who_runs_gets_them_when_its_agent_asks_and_a_change_wakes_the_agent() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let id = running(&admin, &agent, "w", 1).await;
        // With nothing to tell, the poll is held until somebody sets a host.
        let waiting = {
            let (agent, request) =
                (agent.clone(), ReconcileRequest { wait_seconds: 20, ..asking(3, 0, &[]) });
            tokio::spawn(async move { ask(&agent, &request).await })
        };
        tokio::time::sleep(Duration::from_millis(200)).await;
        let began = Instant::now();
        set(&admin, "git.a", &json!({"token": "t1"})).await.expect::<Value>(200);
        let woken = waiting.await.expect("answered");
        assert!(began.elapsed() < Duration::from_secs(5) && woken.workspaces.is_empty());
        assert_eq!(woken.git_version, 1);
        let response = ask(&agent, &asking(4, 1, &[id])).await;
        assert_eq!(response.workspaces[0].action, Action::None);
        assert_eq!(agent.credentials(&response, "w").expect("credentials").files.len(), 1);
        // Deleted: an empty bundle takes the place of the one before.
        delete(&admin, "git.a").await.expect::<Value>(200);
        let response = ask(&agent, &asking(5, 2, &[id])).await;
        let bundle = agent.credentials(&response, "w").expect("credentials");
        assert!(bundle.version == 2 && bundle.files.is_empty());
    })
    .await;
}

#[tokio::test]
async fn nobody_gets_credentials_for_a_workspace_of_another_agent_or_one_that_is_to_be_gone() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let other = admin.create_agent("other").await;
        set(&admin, "git.a", &json!({"token": "t1"})).await.expect::<Value>(200);
        let body = json!({"name": "w", "image": "a", "agent": "cluster"});
        let created: Workspace = admin.create(&body).await.expect(201);
        assert!(ask(&other, &asking(1, 1, &[created.id])).await.workspaces.is_empty());
        let stranger = app.organization("stranger").await.create_agent("cluster").await;
        assert!(ask(&stranger, &asking(1, 0, &[created.id])).await.workspaces.is_empty());
        admin.wish("w", "terminate").await.expect::<Workspace>(200);
        let response = ask(&agent, &asking(1, 1, &[created.id])).await;
        assert!(response.workspaces.iter().all(|directive| directive.credentials.is_none()));
    })
    .await;
}

#[tokio::test]
async fn where_one_vanished_a_workspace_keeps_what_it_has() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let id = running(&admin, &agent, "w", 1).await;
        for (host, token) in [("git.a", "t1"), ("git.b", "t2")] {
            set(&admin, host, &json!({"token": token})).await.expect::<Value>(200);
        }
        // One whose host a newer version wrote is as good as gone.
        for damage in [
            "UPDATE git_credentials SET host = 'NOT A HOST' WHERE host = 'git.b'",
            "DELETE FROM git_credentials WHERE host = 'git.a'",
        ] {
            app.execute(damage).await;
            let response = ask(&agent, &asking(3, 2, &[id])).await;
            assert!(response.workspaces.iter().all(|directive| directive.credentials.is_none()), "{damage}");
            admin.get(&admin.path("/git-credentials")).await.expect::<Value>(200);
        }
    })
    .await;
}

#[tokio::test]
async fn where_one_cannot_be_had_a_workspace_keeps_what_it_has_and_a_new_one_gets_the_others() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let id = running(&admin, &agent, "w", 1).await;
        for (host, token) in [("git.a", "t1"), ("git.b", "t2")] {
            set(&admin, host, &json!({"token": token})).await.expect::<Value>(200);
        }
        // A row moved from another host is not what was stored.
        app.execute(
            "UPDATE git_credentials g SET nonce = o.nonce, ciphertext = o.ciphertext FROM git_credentials o
             WHERE g.host = 'git.a' AND o.host = 'git.b'",
        )
        .await;
        let response = ask(&agent, &asking(3, 2, &[id])).await;
        assert!(response.workspaces[0].credentials.is_none());
        admin.create(&json!({"name": "new", "image": "a"})).await.expect::<Workspace>(201);
        let response = ask(&agent, &asking(4, 2, &[])).await;
        let bundle = agent.credentials(&response, "new").expect("credentials");
        assert_eq!(bundle.files.keys().collect::<Vec<_>>(), ["https-git.b"]);
    })
    .await;
}

/// The claims of a token that the published keys verify.
async fn verified(app: &App, token: &str) -> Value {
    let keys: Value = app.anyone(None).get("/.well-known/jwks.json").await.expect(200);
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64");
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let (header, claims) = signed.split_once('.').expect("two parts");
    let header: Value = serde_json::from_slice(&decode(header)).expect("JSON");
    assert_eq!((&header["alg"], &header["typ"]), (&json!("ES256"), &json!("JWT")));
    let keys = keys["keys"].as_array().expect("keys");
    let key = keys.iter().find(|key| key["kid"] == header["kid"]).expect("the key that it names");
    let coordinate = |name: &str| decode(key[name].as_str().expect("a coordinate"));
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    public.verify(signed.as_bytes(), &decode(signature)).expect("it verifies");
    serde_json::from_slice(&decode(claims)).expect("JSON")
}

#[tokio::test]
async fn a_signed_token_is_each_workspaces_own_lives_for_minutes_and_verifies_with_the_published_keys() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let form = json!({"audience": "https://git.a", "username": "oauth2"});
        let credential: GitCredential = set(&admin, "git.a", &form).await.expect(200);
        assert_eq!(
            (credential.method, credential.audience.as_deref()),
            (GitMethod::Jwt, Some("https://git.a"))
        );
        let audience = format!("https://git.a/organization/{}", admin.organization());
        assert_eq!(credential.token_audience.as_deref(), Some(audience.as_str()));
        let first = admin.create_workspace("one").await;
        admin.create_workspace("two").await;
        let response = ask(&agent, &asking(1, 1, &[])).await;
        let now = clock::now().as_second();
        let mut ids = BTreeSet::new();
        for name in ["one", "two"] {
            let bundle = agent.credentials(&response, name).expect("credentials");
            assert_eq!(bundle.renew_after_seconds, Some(300), "half of its life");
            let file = &texts(&bundle)[0].1;
            let lines: Vec<&str> = file.lines().collect();
            let [user, token, expiry] = lines[..] else { panic!("three lines") };
            assert_eq!(user, "username=oauth2");
            let claims = verified(app, token.strip_prefix("password=").expect("a password")).await;
            let expires = claims["exp"].as_i64().expect("a time");
            assert_eq!(expiry, format!("password_expiry_utc={expires}"));
            assert!((590..=600).contains(&(expires - now)), "{claims}");
            assert_eq!(
                (&claims["iss"], &claims["aud"]),
                (&json!("https://berth.example.com"), &json!(audience))
            );
            let subject = claims["sub"].as_str().expect("a subject").to_owned();
            assert!(subject.starts_with(&format!("organization/{}/workspace/", admin.organization())));
            assert!(name == "two" || subject.ends_with(&first.id.to_string()));
            ids.extend([subject, claims["jti"].as_str().expect("an id").to_owned()]);
        }
        assert_eq!(ids.len(), 4, "no two workspaces and no two tokens are the same");
        let discovery: Value = app.anyone(None).get("/.well-known/openid-configuration").await.expect(200);
        assert_eq!(discovery["issuer"], "https://berth.example.com");
        assert_eq!(discovery["jwks_uri"], "https://berth.example.com/.well-known/jwks.json");
    })
    .await;
}

#[tokio::test]
async fn no_organisation_gets_a_token_that_another_ones_host_accepts() {
    App::run(async |app| {
        let mut audiences = BTreeSet::new();
        for name in ["victim", "evil"] {
            let admin = app.organization(name).await;
            let agent = admin.create_agent("cluster").await;
            let form = json!({"audience": "https://git.victim.example"});
            set(&admin, "git.victim.example", &form).await.expect::<GitCredential>(200);
            admin.create_workspace("w").await;
            let response = ask(&agent, &asking(1, 1, &[])).await;
            let bundle = agent.credentials(&response, "w").expect("credentials");
            let file = &texts(&bundle)[0].1;
            let token = file.lines().find_map(|line| line.strip_prefix("password=")).expect("a password");
            audiences.insert(verified(app, token).await["aud"].to_string());
        }
        assert_eq!(audiences.len(), 2, "{audiences:?}");
    })
    .await;
}

#[tokio::test]
async fn why_names_a_host_whose_credential_cannot_be_had() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        running(&admin, &agent, "w", 1).await;
        set(&admin, "git.a", &json!({"token": "t1"})).await.expect::<Value>(200);
        let why = async || admin.get(&admin.path("/workspaces/w/why")).await.expect::<Why>(200);
        assert_eq!(why().await.git_problems, []);
        app.execute("UPDATE git_credentials SET version = version + 1").await;
        let problems = why().await.git_problems;
        assert_eq!((problems.len(), problems[0].host.as_str()), (1, "git.a"));
        assert!(problems[0].cause.contains("changed, added or removed"), "{problems:?}");
    })
    .await;
}
