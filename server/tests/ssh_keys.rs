//! Keys that people register for plain `ssh`, and what one opens (decision 0092).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use berth_schema::Action;
use berth_schema::audit::{Details, Outcome};
use berth_schema::ssh::wire::Writer;
use reqwest::Method;
use serde_json::{Value, json};

use crate::audit::{records, since};
use crate::connections::{Proxy, workspace_of};
use crate::login::Cli;
use crate::policy;
use crate::sign_in::signed_in;
use crate::support::{App, Reply, Requests, Visitor, send};

const KEYS: &str = "/api/v1/account/ssh-keys";
const SSH: u16 = 60_022;

/// A public key, and how `ssh-keygen -l` shows it.
pub(crate) fn key(seed: u8) -> (String, String) {
    let mut blob = Writer::default();
    blob.text("ssh-ed25519").string(&[seed; 32]);
    let hash = ring::digest::digest(&ring::digest::SHA256, &blob.0);
    (
        format!("ssh-ed25519 {} ada@laptop", STANDARD.encode(&blob.0)),
        berth_schema::ssh::user_key::fingerprint(hash.as_ref()),
    )
}

/// Somebody's command line.
struct Login(String);

impl Login {
    async fn of(app: &App, browser: &mut Visitor) -> Self {
        let tokens = Cli::of(app).log_in(browser).await;
        Self(tokens["access_token"].as_str().expect("a token").to_owned())
    }

    async fn add(&self, app: &App, name: &str, key: &str) -> Reply {
        app.anyone(Some(&self.0)).post(KEYS, &json!({"name": name, "public_key": key})).await
    }

    async fn list(&self, app: &App) -> Vec<Value> {
        let listed: Value = app.anyone(Some(&self.0)).get(KEYS).await.expect(200);
        listed["items"].as_array().expect("items").clone()
    }

    async fn remove(&self, app: &App, id: &Value) -> Reply {
        let path = format!("{KEYS}/{}", id.as_str().expect("an id"));
        send(app.anyone(Some(&self.0)).request(Method::DELETE, &path)).await
    }
}

/// Somebody has shown the proxy that a key is theirs.
async fn come(app: &App, proxy: &Proxy, name: &str, fingerprint: &str) -> Value {
    let body = json!({"name": name, "fingerprint": fingerprint, "ssh_public_key": key(200).0});
    app.anyone(Some(&proxy.token)).post("/api/v1/proxy/ssh-connections", &body).await.expect(200)
}

async fn goes_on(app: &App, proxy: &Proxy, opened: &Value) -> Value {
    let workspace = opened["entry"]["workspace"].as_str().expect("a workspace");
    let path = format!("/api/v1/proxy/decision?workspace={workspace}&name=hers&port={SSH}");
    let request = app.anyone(Some(&proxy.token)).request(Method::GET, &path);
    send(request.header("berth-grant", opened["grant"].as_str().expect("a grant"))).await.expect(200)
}

fn denied() -> Value {
    json!({"decision": "denied", "why": "session"})
}

#[tokio::test]
async fn a_key_is_its_persons_and_nobody_learns_whether_somebody_else_has_it() {
    App::run(async |app| {
        app.organization("acme").await;
        let (mut ada, mut eve) = (signed_in(app, "acme", "Ada").await, signed_in(app, "acme", "Eve").await);
        let (mine, hers) = (Login::of(app, &mut ada).await, Login::of(app, &mut eve).await);
        assert_eq!(mine.list(app).await, Vec::<Value>::new());
        let (line, fingerprint) = key(1);
        let added: Value = mine.add(app, " laptop ", &line).await.expect(201);
        assert_eq!((&added["name"], &added["fingerprint"]), (&json!("laptop"), &json!(fingerprint)));
        assert_eq!(added["public_key"], line.trim_end_matches(" ada@laptop"));
        assert_eq!(mine.list(app).await, std::slice::from_ref(&added));
        mine.add(app, "again", &line).await.problem(422, "invalid");
        // It is hers as well as mine, and neither is told.
        let theirs: Value = hers.add(app, "laptop", &line).await.expect(201);
        assert_ne!(theirs["id"], added["id"]);
        hers.remove(app, &added["id"]).await.problem(422, "invalid");
        assert_eq!(mine.list(app).await.len(), 1);
        assert!(ada.get("/sessions").await.text.contains("by an SSH key"));
        assert_eq!(mine.remove(app, &added["id"]).await.expect::<Value>(200)["id"], added["id"]);
        assert_eq!((mine.list(app).await.len(), hers.list(app).await.len()), (0, 1));
        assert!(!ada.get("/sessions").await.text.contains("by an SSH key"));
    })
    .await;
}

#[tokio::test]
async fn what_is_no_key_that_is_taken_is_refused_by_its_field_and_there_is_room_for_twenty() {
    App::run(async |app| {
        app.organization("acme").await;
        let mut ada = signed_in(app, "acme", "Ada").await;
        let login = Login::of(app, &mut ada).await;
        let line = key(1).0;
        for (name, text, field) in [
            ("", line.as_str(), "name"),
            (&*"x".repeat(101), &line, "name"),
            ("a\u{1b}[2J", &line, "name"),
            ("laptop", "", "public_key"),
            ("laptop", "ssh-dss AAAA", "public_key"),
            ("laptop", &format!("no-pty {line}"), "public_key"),
            ("laptop", "-----BEGIN OPENSSH PRIVATE KEY-----", "public_key"),
        ] {
            let refused: Value = login.add(app, name, text).await.expect(422);
            assert!(refused.to_string().contains(&format!("\"{field}\"")), "{refused}");
            assert!(!refused.to_string().contains("AAAAC3"), "{refused}");
        }
        for seed in 0..20 {
            login.add(app, "laptop", &key(seed).0).await.expect::<Value>(201);
        }
        login.add(app, "laptop", &key(20).0).await.problem(422, "invalid");
        // One that has ended makes room, and may be registered again.
        app.execute("UPDATE sessions SET ended_at = now() WHERE client = 'ssh-key' AND id = (SELECT session_id FROM ssh_keys LIMIT 1)").await;
        assert_eq!(login.list(app).await.len(), 19);
        login.add(app, "laptop", &key(20).0).await.expect::<Value>(201);
        assert_eq!(app.count("SELECT count(*) FROM ssh_keys").await, 20);
    })
    .await;
}

#[tokio::test]
async fn a_key_lets_in_whoever_made_the_workspace_until_it_is_removed_and_each_time_is_on_record() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let proxy = Proxy::of(&admin, &agent).await;
        let (mut ada, mut eve) = (signed_in(app, "acme", "Ada").await, signed_in(app, "acme", "Eve").await);
        let workspace = workspace_of(app, &mut ada).await;
        let (mine, hers) = (Login::of(app, &mut ada).await, Login::of(app, &mut eve).await);
        let ((line, fingerprint), (other, others)) = (key(1), key(2));
        let added: Value = mine.add(app, "laptop", &line).await.expect(201);
        hers.add(app, "laptop", &other).await.expect::<Value>(201);
        let before = records(&admin).await.len();
        let opened = come(app, &proxy, "hers", &fingerprint).await;
        assert_eq!(opened["decision"], "allowed", "{opened}");
        assert_eq!(opened["entry"]["workspace"], workspace.as_str());
        let ssh = &opened["entry"]["ssh"];
        assert!(ssh["certificate"].as_str().expect("one").starts_with("ssh-ed25519-cert-v01@openssh.com AAAA"));
        assert_eq!(goes_on(app, &proxy, &opened).await["decision"], "allowed");
        let left = since(&admin, before).await;
        let [record] = left.as_slice() else { panic!("{left:?}") };
        assert_eq!((record.action.as_str(), &record.outcome), (Action::OpenConnectionByKey.as_str(), &Outcome::Done));
        let by_it = |details: &Details| {
            matches!(details, Details::ConnectionOpened { port: SSH, ssh_key: Some(id), .. } if added["id"] == id.to_string())
        };
        assert!(by_it(&record.details), "{record:?}");
        assert!(mine.list(app).await[0]["last_used_at"].is_null(), "within a minute it is not written down");

        // Somebody else's key, nobody's, and a workspace that there is not: one and the same.
        for (name, shown) in [("hers", &others), ("hers", &key(3).1), ("nobodys", &fingerprint)] {
            assert_eq!(come(app, &proxy, name, shown).await, denied(), "{name} {shown}");
        }
        let second = Proxy::of(&admin, &admin.create_agent("second").await).await;
        assert_eq!(come(app, &second, "hers", &fingerprint).await["decision"], "denied", "another agent's");

        mine.remove(app, &added["id"]).await.expect::<Value>(200);
        assert_eq!(goes_on(app, &proxy, &opened).await, denied());
        assert_eq!(come(app, &proxy, "hers", &fingerprint).await, denied());
        // The login that has registered it goes on.
        let again: Value = mine.add(app, "laptop", &line).await.expect(201);
        assert_eq!(come(app, &proxy, "hers", &fingerprint).await["decision"], "allowed");
        let mut browser = signed_in(app, "acme", "Ada").await;
        assert_eq!(browser.submit("/sessions/end-others", &[]).await.status, 303);
        assert_eq!(come(app, &proxy, "hers", &fingerprint).await, denied(), "{again}");
    })
    .await;
}

#[tokio::test]
async fn who_is_suspended_or_has_to_show_a_second_factor_is_let_in_by_no_key() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let proxy = Proxy::of(&admin, &agent).await;
        let mut ada = signed_in(app, "acme", "Ada").await;
        workspace_of(app, &mut ada).await;
        let login = Login::of(app, &mut ada).await;
        let (line, fingerprint) = key(1);
        app.execute("UPDATE sessions SET verified_at = now()").await;
        login.add(app, "laptop", &line).await.expect::<Value>(201);
        let decision = async || come(app, &proxy, "hers", &fingerprint).await["decision"].clone();
        let rules = format!(
            "{}\n@id(\"second-factor\") forbid (principal, action == Action::\"connection.open\", resource)\n\
             unless {{ context.mfa }};",
            berth_policy::BUILT_IN
        );
        assert_eq!(decision().await, "allowed");
        // Whatever was shown when it was registered, and whatever its row says: who has its file has all of it.
        app.execute("UPDATE sessions SET verified_at = now()").await;
        policy::set(&admin, &rules).await.expect::<Value>(200);
        assert_eq!(decision().await, "denied");
        let rules = format!(
            "{}\n@id(\"no-keys\") forbid (principal, action == Action::\"connection.open-by-key\", resource);",
            berth_policy::BUILT_IN
        );
        policy::set(&admin, &rules).await.expect::<Value>(200);
        assert_eq!(decision().await, "denied");
        policy::set(&admin, berth_policy::BUILT_IN).await.expect::<Value>(200);
        assert_eq!(decision().await, "allowed");
        app.execute("UPDATE subjects SET suspended_at = now() WHERE name = 'Ada'").await;
        assert_eq!(decision().await, "denied");
        app.execute("UPDATE subjects SET suspended_at = NULL").await;
        app.execute("UPDATE accounts SET suspended_at = now() WHERE name = 'Ada'").await;
        assert_eq!(decision().await, "denied");
    })
    .await;
}

#[tokio::test]
async fn a_key_is_registered_soon_after_somebody_has_proven_who_they_are_and_ends_as_a_login_does() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let proxy = Proxy::of(&admin, &agent).await;
        let mut ada = signed_in(app, "acme", "Ada").await;
        workspace_of(app, &mut ada).await;
        let login = Login::of(app, &mut ada).await;
        let (line, fingerprint) = key(1);
        app.execute("UPDATE sessions SET authenticated_at = authenticated_at - interval '11 minutes'").await;
        login.add(app, "laptop", &line).await.problem(403, "forbidden");
        let login = Login::of(app, &mut signed_in(app, "acme", "Ada").await).await;
        login.add(app, "laptop", &line).await.expect::<Value>(201);
        let allowed = come(app, &proxy, "hers", &fingerprint).await;
        assert_eq!(allowed["decision"], "allowed");
        for over in ["last_used_at = now() - interval '73 hours'", "expires_at = now()"] {
            app.execute(&format!("UPDATE sessions SET {over} WHERE client = 'ssh-key'")).await;
            assert_eq!(come(app, &proxy, "hers", &fingerprint).await, denied(), "{over}");
            assert_eq!(goes_on(app, &proxy, &allowed).await, denied(), "{over}");
            assert_eq!(login.list(app).await, Vec::<Value>::new(), "{over}");
        }
        // A token of the organisation is nobody's account.
        app.anyone(Some(admin.token.expose())).get(KEYS).await.problem(403, "forbidden");
    })
    .await;
}

#[tokio::test]
async fn each_agents_proxies_are_known_by_a_key_of_their_own_for_good() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let (one, other) = (admin.create_agent("one").await, admin.create_agent("other").await);
        let (one, other) = (Proxy::of(&admin, &one).await, Proxy::of(&admin, &other).await);
        let seed = async |proxy: &Proxy| {
            let given: Value =
                app.anyone(Some(&proxy.token)).get("/api/v1/proxy/ssh-host-key").await.expect(200);
            given["seed"].as_str().expect("a seed").to_owned()
        };
        let first = seed(&one).await;
        assert_eq!(STANDARD.decode(&first).expect("base64").len(), 32);
        assert_eq!(seed(&one).await, first);
        assert_ne!(seed(&other).await, first);
    })
    .await;
}
