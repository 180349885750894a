//! An organisation in which everything can be done.

use std::sync::{Mutex, OnceLock};

use berth_schema::reconcile::{ReconcileRequest, ReconcileResponse, UpdateType};
use berth_schema::{Action, WorkspaceId};
use reqwest::Method;
use serde_json::{Value, json};

use super::CANARY;
use crate::connections::{Proxy, workspace_of};
use crate::login::{Cli, begin_device};
use crate::sign_in::{ids as sessions, signed_in};
use crate::support::authenticator::{Authenticator, Fields};
use crate::support::cluster::settled;
use crate::support::provider::Provider;
use crate::support::sealing::Key;
use crate::support::{Admin, Agent, App, Reply, Requests, Visitor, message, send};

/// Has an agent of its own report that nothing is left of what it had, and tells what has to be confirmed.
async fn suspected_loss(admin: &Admin) -> String {
    let lossy = admin.create_agent("lossy").await;
    for n in 0..6 {
        let body = json!({"name": format!("lost-{n}"), "image": "a", "agent": "lossy"});
        admin.create(&body).await.expect::<Value>(201);
    }
    let directives = lossy.partial(1, vec![]).await.workspaces;
    lossy.partial(2, directives.iter().map(|directive| settled(directive, "1")).collect()).await;
    let empty = ReconcileRequest { update_type: UpdateType::Full, relisted: true, ..message(3, vec![]) };
    lossy.send(&empty).await.expect::<ReconcileResponse>(200);
    let shown: berth_schema::api::Agent = admin.get(&admin.path("/agents/lossy")).await.expect(200);
    shown.suspected_loss.expect("it is suspected").fingerprint.to_string()
}

pub(super) struct World {
    pub(super) admin: Admin,
    pub(super) agent: Agent,
    /// Its agent was revoked.
    stranded: Agent,
    heir: Agent,
    pub(super) orphan: WorkspaceId,
    /// Of the loss that is suspected at an agent of its own.
    loss: String,
    /// An owner who is signed in.
    pub(super) ada: Visitor,
    /// Of a command line of hers.
    access: OnceLock<String>,
    /// Of the one with which she registers keys.
    login: Mutex<String>,
    /// What it begins to read a workspace's logs by.
    reads: OnceLock<String>,
    /// Somebody who is not, by a command line.
    zoe: String,
    /// Another owner's, who decides about what she asks for.
    decides: String,
    /// Of the agent.
    proxy: Proxy,
    provider: Provider,
}

impl World {
    pub(super) async fn new(app: &App) -> Self {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let (stranded, heir) = (admin.create_agent("stranded").await, admin.create_agent("heir").await);
        for name in ["running", "stopping", "going", "rebuilt", "resized", "extended", "again"] {
            let body = json!({"name": name, "image": "debian:13", "agent": "cluster"});
            admin.create(&body).await.expect::<Value>(201);
        }
        let body = json!({"name": "left", "image": "debian:13", "agent": "stranded"});
        admin.create(&body).await.expect::<Value>(201);
        admin.wish("stopping", "stop").await.expect::<Value>(200);
        crate::adoption::tell(&stranded, Some("c1"), &[]).await;
        crate::adoption::tell(&heir, Some("c1"), &[stranded.id]).await;
        let orphan = crate::orphans::report(&agent, 1).await;
        let loss = suspected_loss(&admin).await;
        let ada = signed_in(app, "acme", "Ada").await;
        let decides = log_in(app, &mut signed_in(app, "acme", "Grace").await).await;
        let zoe = log_in(app, &mut signed_in(app, "acme", "Zoe").await).await;
        app.execute("UPDATE subjects SET role = 'developer' WHERE name = 'Zoe'").await;
        let proxy = Proxy::of(&admin, &agent).await;
        let provider = Provider::start().await;
        let (access, reads, login) = (OnceLock::new(), OnceLock::new(), Mutex::default());
        Self {
            admin,
            agent,
            stranded,
            heir,
            orphan,
            loss,
            ada,
            access,
            login,
            reads,
            zoe,
            decides,
            proxy,
            provider,
        }
    }

    /// The request that does this action, when all that has to be before is done.
    pub(super) async fn prepare(&self, app: &App, action: Action) -> (Method, String, Value) {
        let Self { admin, .. } = self;
        let post = |path: &str, body: Value| (Method::POST, admin.path(path), body);
        let put = |path: &str, body: Value| (Method::PUT, admin.path(path), body);
        let wish = |workspace: &str, wish: &str| post(&format!("/workspaces/{workspace}/{wish}"), json!({}));
        let token = async |name: &str| {
            admin.post(&admin.path("/tokens"), &json!({"name": name})).await.expect::<Value>(201);
        };
        match action {
            Action::SetPolicy => put("/policy", json!({"rules": berth_policy::BUILT_IN})),
            Action::ChangeMember => {
                let id = member(admin, "changed").await;
                (Method::PATCH, admin.path(&format!("/members/{id}")), json!({"role": "viewer"}))
            }
            Action::RemoveMember => {
                let id = member(admin, "removed").await;
                (Method::DELETE, admin.path(&format!("/members/{id}")), json!({}))
            }
            Action::Invite => post("/invitations", json!({"name": "Zoe", "role": "developer"})),
            Action::RevokeInvitation => {
                let invite = json!({"name": "Zoe", "role": "developer"});
                let invited: Value = admin.post(&admin.path("/invitations"), &invite).await.expect(201);
                post(&format!("/invitations/{}/revoke", invited["id"].as_str().expect("an id")), json!({}))
            }
            Action::CreateToken => post("/tokens", json!({"name": "one", "scope": "read-only"})),
            Action::RotateToken => {
                token("two").await;
                post("/tokens/two/rotate", json!({"overlap_seconds": 60}))
            }
            Action::RevokeToken => {
                token("three").await;
                post("/tokens/three/revoke", json!({}))
            }
            Action::CreateAgent => post("/agents", json!({"name": "one"})),
            Action::RevokeAgent => post("/agents/stranded/revoke", json!({})),
            Action::CheckNetwork => post("/agents/cluster/check-network", json!({})),
            Action::RotateAgentToken => post("/agents/heir/rotate-token", json!({})),
            Action::ResetEpoch => post("/agents/cluster/reset-epoch", json!({})),
            Action::AdoptWorkspaces => {
                let body = json!({"from": self.stranded.id});
                post(&format!("/agents/{}/adopt", self.heir.id), body)
            }
            Action::AllowAgent => {
                group(admin, "eleven").await;
                post("/agents/heir/allow", json!({"group": "eleven"}))
            }
            Action::DisallowAgent => post("/agents/heir/disallow", json!({"group": "eleven"})),
            Action::ConfirmLoss => post("/agents/lossy/confirm-loss", json!({"fingerprint": self.loss})),
            Action::Configure => put("/agents/cluster/configuration", json!({"labels": {"a": "b"}})),
            Action::RemoveOrphan => {
                post(&format!("/agents/cluster/orphans/{}/remove", self.orphan), json!({}))
            }
            Action::KeepOrphan => post(&format!("/agents/cluster/orphans/{}/keep", self.orphan), json!({})),
            Action::SetVariable => put("/variables", json!({"name": "A", "value": CANARY, "final": true})),
            Action::DeleteVariable => (Method::DELETE, admin.path("/variables/environment/A"), json!({})),
            Action::SetGroupVariable => {
                group(admin, "with-variables").await;
                put("/groups/with-variables/variables", json!({"name": "G", "value": CANARY}))
            }
            Action::DeleteGroupVariable => {
                post("/groups/with-variables/variables/remove", json!({"name": "G"}))
            }
            Action::SetProjectVariable => {
                project(admin, "with-variables").await;
                put("/projects/with-variables/variables", json!({"name": "G", "value": CANARY}))
            }
            Action::DeleteProjectVariable => {
                post("/projects/with-variables/variables/remove", json!({"name": "G"}))
            }
            Action::SetIdleRule => put("/idle", json!({"max_minutes": 600})),
            Action::SetGroupIdleRule => put("/groups/with-variables/idle", json!({"minutes": 60})),
            Action::SetProjectIdleRule => put("/projects/with-variables/idle", json!({"minutes": 30})),
            Action::SetWorkspaceIdleRule => put("/workspaces/extended/idle", json!({"minutes": 45})),
            Action::SetOwnVariable => put("/me/variables", json!({"name": "MINE", "value": CANARY})),
            Action::DeleteOwnVariable => post("/me/variables/remove", json!({"name": "MINE"})),
            Action::SetGroupGitCredential => {
                put("/groups/with-variables/git-credentials", json!({"host": "git.b", "token": CANARY}))
            }
            Action::DeleteGroupGitCredential => {
                post("/groups/with-variables/git-credentials/remove", json!({"host": "git.b"}))
            }
            Action::SetProjectGitCredential => {
                put("/projects/with-variables/git-credentials", json!({"host": "git.b", "token": CANARY}))
            }
            Action::DeleteProjectGitCredential => {
                post("/projects/with-variables/git-credentials/remove", json!({"host": "git.b"}))
            }
            Action::SetOwnGitCredential => {
                put("/me/git-credentials", json!({"host": "git.b", "token": CANARY}))
            }
            Action::DeleteOwnGitCredential => post("/me/git-credentials/remove", json!({"host": "git.b"})),
            Action::SetGitCredential => put("/git-credentials/git.a", json!({"token": CANARY})),
            Action::DeleteGitCredential => (Method::DELETE, admin.path("/git-credentials/git.a"), json!({})),
            Action::SetIdentityProvider => {
                let mut form = self.provider.form();
                form["client_secret"] = json!(CANARY);
                put("/identity-providers/sso", form)
            }
            Action::DeleteIdentityProvider => {
                (Method::DELETE, admin.path("/identity-providers/sso"), json!({}))
            }
            Action::CreateGroup => post("/groups", json!({"name": "one"})),
            Action::CreateSubgroup => {
                group(admin, "two").await;
                post("/groups/two/groups", json!({"name": "three"}))
            }
            Action::ChangeGroup => {
                group(admin, "four").await;
                (Method::PATCH, admin.path("/groups/four"), json!({"path": "five"}))
            }
            Action::DeleteGroup => {
                group(admin, "six").await;
                (Method::DELETE, admin.path("/groups/six"), json!({}))
            }
            Action::GiveRoleInGroup => {
                group(admin, "eight").await;
                let id = member(admin, "given").await;
                put("/groups/eight/members", json!({"member": id, "role": "maintainer"}))
            }
            Action::TakeRoleInGroup => {
                let id = given(admin, "/groups", "nine").await;
                post("/groups/nine/members/remove", json!({"member": id}))
            }
            Action::GiveRoleInProject => {
                project(admin, "eight").await;
                let id = member(admin, "given there").await;
                put("/projects/eight/members", json!({"member": id, "role": "developer"}))
            }
            Action::TakeRoleInProject => {
                let id = given(admin, "/projects", "nine").await;
                post("/projects/nine/members/remove", json!({"member": id}))
            }
            Action::RequestElevation => {
                post("/elevations", json!({"role": "maintainer", "reason": "a deploy", "seconds": 600}))
            }
            Action::RequestElevationInGroup => {
                group(admin, "ten").await;
                post("/groups/ten/elevations", json!({"role": "maintainer", "reason": "a deploy"}))
            }
            Action::RequestElevationInProject => {
                project(admin, "ten").await;
                post("/projects/ten/elevations", json!({"role": "maintainer", "reason": "a deploy"}))
            }
            Action::ApproveElevation => post(&self.asked(app, "approve").await, json!({})),
            Action::RefuseElevation => post(&self.asked(app, "refuse").await, json!({})),
            Action::EndElevation => post(&self.asked(app, "end").await, json!({})),
            Action::CreateProject => post("/projects", json!({"name": "one"})),
            Action::CreateProjectInGroup => {
                group(admin, "seven").await;
                post("/groups/seven/projects", json!({"name": "two"}))
            }
            Action::ChangeProject => {
                project(admin, "three").await;
                (Method::PATCH, admin.path("/projects/three"), json!({"path": "four"}))
            }
            Action::DeleteProject => {
                project(admin, "five").await;
                (Method::DELETE, admin.path("/projects/five"), json!({}))
            }
            Action::CreateWorkspace => {
                let variables = json!([{"name": "B", "value": CANARY}]);
                post(
                    "/workspaces",
                    json!({"name": "new", "image": "a", "agent": "cluster", "variables": variables}),
                )
            }
            Action::CreateWorkspaceInProject => {
                project(admin, "seven").await;
                post(
                    "/projects/seven/workspaces",
                    json!({"name": "made-for-it", "image": "a", "agent": "cluster"}),
                )
            }
            Action::StartWorkspace => wish("stopping", "start"),
            Action::StopWorkspace => wish("running", "stop"),
            Action::RestartWorkspace => wish("again", "restart"),
            Action::TerminateWorkspace => wish("going", "terminate"),
            Action::ForgetWorkspace => {
                let body = json!({"name": "lost", "image": "a", "agent": "lossy"});
                admin.create(&body).await.expect::<Value>(201);
                let revoke = admin.path("/agents/lossy/revoke");
                admin.post(&revoke, &json!({})).await.expect::<Value>(200);
                wish("lost", "forget")
            }
            Action::ExtendWorkspace => post("/workspaces/extended/extend", json!({"hours": 3})),
            Action::RebuildWorkspace => post("/workspaces/rebuilt/rebuild", json!({"image": "debian:14"})),
            Action::ChangeWorkspaceVariables => {
                let body = json!({"set": [{"name": "A", "value": "x"}]});
                (Method::PATCH, admin.path("/workspaces/resized/variables"), body)
            }
            Action::RenewWorkspaceVariables => {
                admin.request_variable(&json!({"name": "LATER", "value": "x"})).await.expect::<Value>(200);
                post("/workspaces/rebuilt/variables/renew", json!({"restart": false}))
            }
            Action::ResizeWorkspace => post("/workspaces/resized/resize", json!({"cpu": "2"})),
            Action::SharePort => {
                let body = json!({"name": "shown", "devfile": crate::ports::DEVFILE, "agent": "cluster"});
                admin.create(&body).await.expect::<Value>(201);
                post("/workspaces/shown/ports/share", json!({"port": 8080, "with": "organization"}))
            }
            Action::PublishPort => {
                crate::ports::let_publish(admin).await;
                post("/workspaces/shown/ports/publish", json!({"port": 9000, "minutes": 5}))
            }
            Action::UnsharePort => post("/workspaces/shown/ports/unshare", json!({"port": 8080})),
            Action::OpenPort => post("/workspaces/shown/ports/open", json!({"port": 3000})),
            Action::ClosePort => post("/workspaces/shown/ports/close", json!({"port": 3000})),
            Action::EndConnection => {
                let ada: berth_schema::members::Member =
                    admin.get(&admin.path("/members/Ada")).await.expect(200);
                let workspace = admin.workspace("extended").await.id;
                crate::connected::tell_of_somebody(app, &self.proxy, workspace, ada.id).await;
                post("/workspaces/extended/connections/end", json!({"id": null}))
            }
            Action::RegisterKey => {
                let key = Key::new(b"another key here");
                (Method::POST, "/api/v1/agent/key".to_owned(), json!({"public_key": key.public}))
            }
            Action::IssueProxyToken => (Method::POST, "/api/v1/agent/proxy-token".to_owned(), json!({})),
            Action::OpenConnection => {
                let mut ada = self.ada.at(app.address());
                let workspace = workspace_of(app, &mut ada).await;
                let body = self.proxy.body(&ada, &workspace).await;
                (Method::POST, "/api/v1/proxy/connections".to_owned(), body)
            }
            Action::IssueConnectionToken => {
                let tokens = Cli::of(app).log_in(&mut self.ada.at(app.address())).await;
                let access = tokens["access_token"].as_str().expect("a token");
                let mine = json!({"name": "mine", "image": "debian:13", "agent": "cluster"});
                let hers = app.anyone(Some(access));
                hers.post(&admin.path("/workspaces"), &mine).await.expect::<Value>(201);
                self.access.set(access.to_owned()).expect("once");
                post("/workspaces/mine/connection", json!({}))
            }
            Action::ReadLogs => {
                let access = self.access.get().expect("it has connected before");
                let path = admin.path("/workspaces/mine/connection");
                let made: Value = app.anyone(Some(access)).post(&path, &json!({})).await.expect(200);
                let token = made["token"].as_str().expect("a token").to_owned();
                self.reads.set(token).expect("once");
                let body = json!({"workspace": made["workspace"], "name": "mine", "follow": true});
                (Method::POST, "/api/v1/proxy/logs".to_owned(), body)
            }
            Action::ConfirmSession | Action::AddPasskey | Action::RemovePasskey => {
                self.prepare_passkey(app, action).await
            }
            Action::AddSshKey | Action::RemoveSshKey | Action::OpenConnectionByKey => {
                self.prepare_ssh_key(app, action).await
            }
            Action::SignOut => (Method::POST, "/sign-out".to_owned(), json!({})),
            Action::EndOtherSessions => {
                signed_in(app, "acme", "Ada").await;
                (Method::POST, "/sessions/end-others".to_owned(), json!({}))
            }
            Action::EndSession => {
                let before = sessions(&self.ada.get("/sessions").await.text);
                signed_in(app, "acme", "Ada").await;
                let mut all = sessions(&self.ada.get("/sessions").await.text);
                all.retain(|session| !before.contains(session));
                (Method::POST, format!("/sessions/{}/end", all[0]), json!({}))
            }
            Action::KnowDevice => {
                let before = sessions(&self.ada.get("/sessions").await.text);
                signed_in(app, "acme", "Ada").await;
                let mut all = sessions(&self.ada.get("/sessions").await.text);
                all.retain(|session| !before.contains(session));
                (Method::POST, format!("/sessions/{}/know-device", all[0]), json!({}))
            }
            Action::DecideDevice => {
                let code = begin_device(app).await;
                (Method::POST, "/device".to_owned(), json!({"user_code": code, "decision": "allow"}))
            }
            Action::DecideLogin => {
                let body = json!({
                    "response_type": "code", "client_id": "berth-cli", "state": "s", "decision": "allow",
                    "redirect_uri": "http://127.0.0.1:49152/callback", "code_challenge_method": "S256",
                    "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
                });
                (Method::POST, "/oauth/authorize".to_owned(), body)
            }
            other => panic!("{other} changes something, and nobody thought of how"),
        }
    }

    /// What Zoe asks for, and how that ends.
    async fn asked(&self, app: &App, how: &str) -> String {
        app.execute("DELETE FROM elevations").await;
        let wanted = json!({"role": "viewer", "reason": "a look"});
        let asked = app.anyone(Some(&self.zoe)).post(&self.admin.path("/elevations"), &wanted).await;
        let asked: Value = asked.expect(201);
        format!("/elevations/{}/{how}", asked["id"].as_str().expect("an id"))
    }

    /// Her browser, which calls the server by a name.
    fn named(&self, app: &App) -> Visitor {
        Visitor::named(app.address(), self.ada.cookie.clone())
    }

    async fn prepare_ssh_key(&self, app: &App, action: Action) -> (Method, String, Value) {
        let tokens = Cli::of(app).log_in(&mut self.ada.at(app.address())).await;
        let login = tokens["access_token"].as_str().expect("a token").to_owned();
        self.login.lock().expect("held by nobody").clone_from(&login);
        let keys = "/api/v1/account/ssh-keys";
        let (line, fingerprint) = crate::ssh_keys::key(u8::from(action == Action::OpenConnectionByKey));
        let body = json!({"name": "laptop", "public_key": line});
        let hers = app.anyone(Some(&login));
        match action {
            Action::AddSshKey => (Method::POST, keys.to_owned(), body),
            Action::RemoveSshKey => {
                let listed: Value = hers.get(keys).await.expect(200);
                let id = listed["items"][0]["id"].as_str().expect("an id");
                (Method::DELETE, format!("{keys}/{id}"), json!({}))
            }
            _ => {
                hers.post(keys, &body).await.expect::<Value>(201);
                let body = json!({"name": "mine", "fingerprint": fingerprint, "ssh_public_key": line});
                (Method::POST, "/api/v1/proxy/ssh-connections".to_owned(), body)
            }
        }
    }

    async fn prepare_passkey(&self, app: &App, action: Action) -> (Method, String, Value) {
        let mut browser = self.named(app);
        let mut authenticator = Authenticator::new();
        let form = |fields: Fields| {
            Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect())
        };
        if action == Action::AddPasskey {
            let page = browser.get("/passkeys/new").await.text;
            let fields = authenticator.make(&page, "a key", &browser);
            return (Method::POST, "/passkeys".to_owned(), form(fields));
        }
        assert_eq!(authenticator.register(&mut browser, "a key").await.status, 303);
        if action == Action::RemovePasskey {
            let page = browser.get("/passkeys").await.text;
            let (_, rest) = page.split_once("action=\"/passkeys/").expect("a passkey");
            let id = rest.split('/').next().expect("an id");
            return (Method::POST, format!("/passkeys/{id}/remove"), json!({}));
        }
        let page = browser.get("/confirm").await.text;
        (Method::POST, "/confirm".to_owned(), form(authenticator.show(&page, &browser)))
    }

    pub(super) async fn ask(
        &self,
        app: &App,
        action: Action,
        (method, path, body): &(Method, String, Value),
    ) -> Reply {
        if matches!(
            action,
            Action::SignOut
                | Action::EndSession
                | Action::KnowDevice
                | Action::EndOtherSessions
                | Action::DecideDevice
                | Action::DecideLogin
                | Action::ConfirmSession
                | Action::AddPasskey
                | Action::RemovePasskey
        ) {
            let fields = body.as_object().expect("an object").iter();
            let fields: Vec<_> =
                fields.map(|(name, value)| (name.as_str(), value.as_str().expect("a text"))).collect();
            return self.named(app).submit(path, &fields).await;
        }
        let request = match action {
            Action::RegisterKey | Action::IssueProxyToken => self.agent.request(method.clone(), path),
            Action::OpenConnection | Action::OpenConnectionByKey => {
                app.anyone(Some(&self.proxy.token)).request(method.clone(), path)
            }
            Action::AddSshKey | Action::RemoveSshKey => {
                let login = self.login.lock().expect("held by nobody").clone();
                app.anyone(Some(&login)).request(method.clone(), path)
            }
            Action::ReadLogs => {
                let request = app.anyone(Some(&self.proxy.token)).request(method.clone(), path);
                request.header("berth-grant", self.reads.get().map_or("", String::as_str))
            }
            Action::IssueConnectionToken => {
                app.anyone(self.access.get().map(String::as_str)).request(method.clone(), path)
            }
            Action::RequestElevation
            | Action::RequestElevationInGroup
            | Action::RequestElevationInProject
            | Action::EndElevation => app.anyone(Some(&self.zoe)).request(method.clone(), path),
            Action::ApproveElevation | Action::RefuseElevation => {
                app.anyone(Some(&self.decides)).request(method.clone(), path)
            }
            _ => self.admin.request(method.clone(), path),
        };
        let has_body = body != &json!({})
            || action == Action::IssueConnectionToken
            || ["/rotate-token", "/revoke", "/rotate"].iter().any(|end| path.ends_with(end));
        let no_body = path.contains("/agents/") && path.ends_with("/revoke");
        send(if has_body && !no_body { request.json(body) } else { request }).await
    }
}

async fn log_in(app: &App, browser: &mut Visitor) -> String {
    let tokens = Cli::of(app).log_in(browser).await;
    tokens["access_token"].as_str().expect("a token").to_owned()
}

/// A service of that name, with a token.
async fn member(admin: &Admin, name: &str) -> String {
    let wanted = json!({"name": name, "role": "developer"});
    let made: Value = admin.post(&admin.path("/tokens"), &wanted).await.expect(201);
    made["subject_id"].as_str().expect("an id").to_owned()
}

async fn group(admin: &Admin, name: &str) {
    admin.post(&admin.path("/groups"), &json!({"name": name})).await.expect::<Value>(201);
}

async fn project(admin: &Admin, name: &str) {
    admin.post(&admin.path("/projects"), &json!({"name": name})).await.expect::<Value>(201);
}

/// Makes what is called so, and somebody a viewer of it.
async fn given(admin: &Admin, kind: &str, name: &str) -> String {
    admin.post(&admin.path(kind), &json!({"name": name})).await.expect::<Value>(201);
    let id = member(admin, &format!("{name} of {}", &kind[1..])).await;
    let give = json!({"member": id, "role": "viewer"});
    admin.put(&admin.path(&format!("{kind}/{name}/members")), &give).await.expect::<Value>(200);
    id
}
