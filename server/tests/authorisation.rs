//! Every route, asked by everybody.

use std::sync::LazyLock;

use berth_policy::{Asked, Asker, At, Circumstances, Policies, Proof, Resource, Who};
use berth_schema::access::{Role, SubjectKind, TokenCreated, TokenScope};
use berth_schema::identity_providers::IdentityProvider;
use berth_schema::members::Invited;
use berth_schema::{
    AccessToken, Action, Effect, ElevationId, OpaqueAccessToken, OrganizationId, ResourceKind, SubjectId,
};
use berth_server::clock;
use berth_server::routes::{self, Audience, Renderer, Route};
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;

use crate::support::provider::Provider;
use crate::support::{Admin, Anyone, App, Requests, send};

/// `PASSES` is anything but 401, 403 and 404.
pub(crate) const PASSES: u16 = 0;

const ASKERS: [&str; 11] = [
    "nobody",
    "garbage",
    "forged",
    "forged signature",
    "administrator",
    "administrator by a token of before",
    "agent",
    "administrator of another organisation",
    "revoked",
    "expired",
    "read-only",
];

const OPEN: [u16; 11] = [PASSES; 11];
const OWN: [u16; 11] = [401, 401, 401, 401, PASSES, PASSES, 403, PASSES, 401, 401, PASSES];
/// What changes nothing.
const LOOKS: [u16; 11] = [401, 401, 401, 401, PASSES, PASSES, 403, 404, 401, 401, PASSES];
const CHANGES: [u16; 11] = [401, 401, 401, 401, PASSES, PASSES, 403, 404, 401, 401, 403];
/// A person's own: no token of an organisation leads there.
const PERSON: [u16; 11] = [401, 401, 401, 401, 403, 403, 403, 403, 401, 401, 403];
/// What needs somebody to be there: no token does it.
const SESSIONS_ALONE: [Action; 4] = [
    Action::RequestElevation,
    Action::RequestElevationInGroup,
    Action::RequestElevationInProject,
    Action::ApproveElevation,
];
/// What the built-in rules permit nobody.
const NOBODYS: [Action; 1] = [Action::PublishPort];
const NO_TOKEN: [u16; 11] = [401, 401, 401, 401, 403, 403, 403, 404, 401, 401, 403];
const AGENT: [u16; 11] = [401, 401, 401, 401, 403, 403, PASSES, 403, 401, 401, 403];
/// What proves a proxy is nothing of these.
const PROXY: [u16; 11] = [401; 11];

/// What each asker gets, in the order of [`ASKERS`]: what the route table says, and nothing else.
fn expected(route: &Route) -> [u16; 11] {
    let below_an_organization = route.path.contains("{organization}");
    if route.action().is_some_and(|action| SESSIONS_ALONE.contains(&action) || NOBODYS.contains(&action)) {
        return NO_TOKEN;
    }
    match (route.audience(), route.action().map(Action::effect)) {
        (Audience::Everyone, None) => OPEN,
        (Audience::Member, Some(Effect::Reads)) if below_an_organization => LOOKS,
        (Audience::Member, Some(Effect::Changes)) if below_an_organization => CHANGES,
        (Audience::Member, Some(Effect::Reads)) => OWN,
        (Audience::Person, Some(_)) => PERSON,
        (Audience::Agent, Some(_)) => AGENT,
        (Audience::Proxy, Some(_)) => PROXY,
        odd => panic!("{} {} is for {odd:?}, which nobody thought of", route.method, route.path),
    }
}

#[tokio::test]
async fn every_route_is_open_to_whom_the_route_table_says() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let victim = admin.create_agent("victim").await;
        let workspace = admin.create(&json!({"name": "w", "image": "a", "agent": "cluster"})).await;
        workspace.expect::<serde_json::Value>(201);
        let orphan = crate::orphans::report(&victim, 1).await;
        let tokens = tokens(app, &admin.token, &agent.token).await;

        let at = Provider::start().await;
        let sso = admin.path("/identity-providers/sso");
        let set: IdentityProvider = admin.put(&sso, &at.form()).await.expect(200);
        let provider = set.id.to_string();
        let theirs = Theirs::make(app, &admin).await;
        // Pages take no token: `sign_in` and `pages` try them, and what they load, which has a name of its own.
        let is_tried =
            |route: &&Route| !route.renderer.is_for_a_browser() && route.renderer != Renderer::Forever;
        for route in routes::all().filter(is_tried) {
            let expected = expected(route);
            for organization in [admin.organization().to_string(), "acme".to_owned()] {
                let path = route.path.replace("{organization}", &organization);
                let path = path.replace("{agent}", &victim.id.to_string()).replace("{workspace}", "w");
                let path =
                    path.replace("{orphan}", &orphan.to_string()).replace("{token}", "first%20administrator");
                let path =
                    path.replace("{kind}", "environment").replace("{name}", "A").replace("{host}", "git.a");
                let path = theirs.fill(&path);
                // Its own address names it by its id.
                let by_name = path.starts_with("/api/");
                let path = path.replace("{provider}", if by_name { "sso" } else { provider.as_str() });
                for ((asker, token), expected) in ASKERS.iter().zip(&tokens).zip(expected) {
                    if *asker == ASKERS[0] || route.method == "DELETE" {
                        prepare(app, &admin, &at).await;
                    }
                    let status = ask(&app.anyone(token.as_deref()), route.method, &path).await;
                    let passed = !matches!(status, 401 | 403 | 404 | 500..);
                    let right = if expected == PASSES { passed } else { status == expected };
                    assert!(right, "{} {path} for {asker}: {status}, not {expected}", route.method);
                }
            }
        }
    })
    .await;
}

/// Whose the thing is that a route is tried on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Own,
    Anothers,
}

static BUILT_IN: LazyLock<Policies> = LazyLock::new(|| Policies::built_in().expect("right"));

/// Whether the built-in rules let somebody do that, to what is theirs or not. What they say is reviewed in `berth-policy`.
fn may(asker: &Asker, action: Action, whose: Whose) -> bool {
    let (Who::Subject { id: me, .. }, other) = (asker.who, SubjectId::random()) else { return false };
    let organization = asker.organization;
    let resource = match action.resource() {
        ResourceKind::Organization => Resource::organization(organization),
        kind => Resource::new(kind, "x".to_owned(), organization),
    };
    let owner = if whose == Whose::Own { me } else { other };
    let resource = match action.resource() {
        ResourceKind::Elevation => {
            resource.asking(Asked { role: Role::Maintainer, seconds: 3600, at: At::Organization })
        }
        _ => resource,
    };
    BUILT_IN.decide(asker, action, &resource.owned_by(owner)).allowed
}

/// What somebody of a role gets by a token.
pub(crate) fn expected_of(role: Role, action: Action, whose: Whose) -> u16 {
    let asker = Asker {
        who: Who::Subject { id: SubjectId::random(), kind: SubjectKind::User, role, suspended: false },
        organization: OrganizationId::random(),
        elevations: Vec::new(),
        circumstances: Circumstances { proof: Proof::Token(TokenScope::Full), mfa: false, address: None },
    };
    verdict(&asker, action, whose)
}

/// What somebody gets: what they may not do is refused, what they may not know of is not there.
pub(crate) fn verdict(asker: &Asker, action: Action, whose: Whose) -> u16 {
    let sight = match action.resource() {
        ResourceKind::Workspace => Some(Action::ReadWorkspace),
        ResourceKind::Token => Some(Action::ReadToken),
        ResourceKind::Agent => Some(Action::ReadAgent),
        ResourceKind::Orphan => Some(Action::ListOrphans),
        ResourceKind::Variable => Some(Action::ListVariables),
        ResourceKind::GitCredential => Some(Action::ListGitCredentials),
        ResourceKind::IdentityProvider => Some(Action::ListIdentityProviders),
        ResourceKind::Member => Some(Action::ReadMember),
        ResourceKind::Invitation => Some(Action::ListInvitations),
        ResourceKind::Group => Some(Action::ReadGroup),
        ResourceKind::Project => Some(Action::ReadProject),
        ResourceKind::Elevation => Some(Action::ReadElevation),
        ResourceKind::Organization | ResourceKind::Account | ResourceKind::Session => None,
    };
    match sight {
        _ if may(asker, action, whose) => PASSES,
        Some(sight) if !may(asker, sight, whose) => 404,
        _ => 403,
    }
}

/// Somebody of a role, with a token and a workspace of their own.
struct Colleague {
    role: Role,
    admin: Admin,
    subject: SubjectId,
    token: String,
    workspace: String,
}

impl Colleague {
    async fn join(app: &App, owner: &Admin, role: Role) -> Self {
        let wanted = json!({"name": format!("the {role}"), "role": role});
        let created: TokenCreated = owner.post(&owner.path("/tokens"), &wanted).await.expect(201);
        let subject = created.details.subject_id.expect("a subject");
        let admin = Admin::new(app.address(), created.token.parse().expect("a token"));
        let become_a = async |role: Role| {
            app.execute(&format!("UPDATE subjects SET role = '{role}' WHERE id = '{subject}'")).await;
        };
        // Whoever only looks may have made it before.
        become_a(Role::Developer).await;
        let workspace = format!("of-{role}");
        let made = admin.create(&json!({"name": workspace, "image": "a", "agent": "cluster"})).await;
        made.expect::<serde_json::Value>(201);
        become_a(role).await;
        Self { role, admin, subject, token: created.details.id.to_string(), workspace }
    }
}

#[tokio::test]
async fn every_route_is_open_to_each_role_as_far_as_the_rules_say() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let stranger = app.organization("stranger").await;
        owner.create_agent("cluster").await;
        let victim = owner.create_agent("victim").await;
        let made = owner.create(&json!({"name": "w", "image": "a", "agent": "cluster"})).await;
        made.expect::<serde_json::Value>(201);
        let orphan = crate::orphans::report(&victim, 1).await.to_string();
        let at = Provider::start().await;
        let theirs = Theirs::make(app, &owner).await;
        let mut colleagues = Vec::new();
        for role in Role::ALL {
            colleagues.push(Colleague::join(app, &owner, role).await);
        }
        let routes = || routes::all().filter(|route| !route.renderer.is_for_a_browser());
        let mut asked = 0;
        for (route, action) in routes().filter_map(|route| Some((route, route.action()?))) {
            if route.audience() != Audience::Member {
                continue;
            }
            for colleague in &colleagues {
                for whose in [Whose::Own, Whose::Anothers] {
                    let (workspace, token) = match whose {
                        Whose::Own => (colleague.workspace.as_str(), colleague.token.as_str()),
                        Whose::Anothers => ("w", "first%20administrator"),
                    };
                    let path = |organization: &str| {
                        let path = route.path.replace("{organization}", organization);
                        let path =
                            path.replace("{agent}", &victim.id.to_string()).replace("{orphan}", &orphan);
                        let path = path.replace("{workspace}", workspace).replace("{token}", token);
                        path.replace("{kind}", "environment")
                            .replace("{name}", "A")
                            .replace("{host}", "git.a")
                            .replace("{provider}", "sso")
                    };
                    let path = |organization: &str| theirs.fill(&path(organization));
                    prepare(app, &owner, &at).await;
                    let anyone = app.anyone(Some(colleague.admin.token.expose()));
                    let status = ask(&anyone, route.method, &path("acme")).await;
                    // Nobody here has asked for that one.
                    let is_somebodys = action.resource() == ResourceKind::Elevation;
                    let whose = if is_somebodys { Whose::Anothers } else { whose };
                    let expected = expected_of(colleague.role, action, whose);
                    let passed = !matches!(status, 401 | 403 | 404 | 500..);
                    let right = if expected == PASSES { passed } else { status == expected };
                    let case = format!("{} {} {whose:?} for {}", route.method, route.path, colleague.role);
                    assert!(right, "{case}: {status}, not {expected}");
                    asked += 1;
                    if route.path.contains("{organization}") {
                        let path = path(&stranger.organization().to_string());
                        let status = ask(&anyone, route.method, &path).await;
                        assert_eq!(status, 404, "{case} in another organisation");
                    }
                }
            }
        }
        assert!(asked > 400, "{asked}");
        for colleague in &colleagues {
            let subject = colleague.subject;
            app.execute(&format!("UPDATE subjects SET suspended_at = now() WHERE id = '{subject}'")).await;
            let anyone = app.anyone(Some(colleague.admin.token.expose()));
            for route in routes().filter(|route| route.action().is_some()) {
                let path = route.path.replace("{organization}", "acme").replace("{workspace}", "w");
                assert_eq!(ask(&anyone, route.method, &path).await, 401, "{path} for {}", colleague.role);
            }
        }
    })
    .await;
}

/// What everybody tries their hands on. The group is named by its path.
pub(crate) struct Theirs {
    member: String,
    invitation: String,
    /// Asked for by the bystander.
    elevation: String,
}

const GROUP: &str = "platform%2Fpayments";

impl Theirs {
    pub(crate) async fn make(app: &App, owner: &Admin) -> Self {
        let bystander = json!({"name": "bystander", "role": Role::Viewer});
        let made: TokenCreated = owner.post(&owner.path("/tokens"), &bystander).await.expect(201);
        let invite = json!({"name": "Zoe", "role": Role::Viewer});
        let invited: Invited = owner.post(&owner.path("/invitations"), &invite).await.expect(201);
        let member = made.details.subject_id.expect("a subject").to_string();
        let elevation = ElevationId::random().to_string();
        app.execute(&format!(
            "INSERT INTO elevations (organization_id, id, subject_id, role, reason, seconds, created_at, decide_by, due_at)
             VALUES ('{}', '{elevation}', '{member}', 'maintainer', 'x', 60, now(), now() + interval '1 day', now() + interval '1 day')",
            owner.organization()
        ))
        .await;
        Self { member, invitation: invited.details.id.to_string(), elevation }
    }

    pub(crate) fn fill(&self, path: &str) -> String {
        let path = path.replace("{member}", &self.member).replace("{invitation}", &self.invitation);
        let path = path.replace("{elevation}", &self.elevation);
        path.replace("{group}", GROUP).replace("{project}", "api")
    }
}

/// What is deleted by those who may has to be there before.
pub(crate) async fn prepare(app: &App, owner: &Admin, at: &Provider) {
    app.execute("UPDATE subjects SET removed_at = NULL, suspended_at = NULL WHERE name = 'bystander'").await;
    let variable = owner.request(Method::PUT, &owner.path("/variables"));
    send(variable.json(&json!({"name": "A", "value": "x"}))).await.expect::<serde_json::Value>(200);
    let credential = owner.request(Method::PUT, &owner.path("/git-credentials/git.a"));
    send(credential.json(&json!({"token": "t"}))).await.expect::<serde_json::Value>(200);
    for (at, name) in [("/groups", "platform"), ("/groups/platform/groups", "payments"), ("/projects", "api")]
    {
        let made = owner.post(&owner.path(at), &json!({"name": name})).await;
        assert!(matches!(made.status, 201 | 409), "{}", made.text);
    }
    let provider = owner.path("/identity-providers/sso");
    owner.put(&provider, &at.form()).await.expect::<serde_json::Value>(200);
}

async fn tokens(app: &App, administrator: &AccessToken, agent: &str) -> [Option<String>; 11] {
    let stranger = app.organization("stranger").await;
    let revoked = app.token(administrator.organization(), None).await;
    app.revoke(&revoked).await;
    let past = clock::now().checked_sub(SignedDuration::from_secs(1)).expect("a time");
    let expired = app.token(administrator.organization(), Some(past)).await;
    // The right ids with another secret.
    let forged = OpaqueAccessToken::new(administrator.organization(), administrator.token_id(), &[7; 32]);
    let unsigned = administrator.expose().rsplit_once('.').expect("a signature").0;
    let unsigned = format!("{unsigned}.{}", "A".repeat(86));
    let before = app.opaque_token(administrator).await;
    let text = |token: &AccessToken| Some(token.expose().to_owned());
    let reader = app.read_only_token(administrator.organization()).await;
    [
        None,
        Some("garbage".to_owned()),
        Some(forged.expose().to_owned()),
        Some(unsigned),
        text(administrator),
        Some(before.expose().to_owned()),
        Some(agent.to_owned()),
        text(&stranger.token),
        text(&revoked),
        text(&expired),
        text(&reader),
    ]
}

pub(crate) async fn ask(who: &Anyone, method: &str, path: &str) -> u16 {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let request = who.request(method.clone(), path);
    if path.ends_with("/events") {
        // A stream that was opened has no end to wait for.
        let opened = request.try_clone().expect("no body").send().await.expect("the server answers");
        if opened.status() == 200 {
            return 200;
        }
    }
    // A body that is refused shows that the asker passed; nothing is changed by it.
    let reply = send(if method == Method::POST || method == Method::PUT {
        request.json(&json!({"unknown": 1}))
    } else {
        request
    })
    .await;
    match reply.status {
        401 => {
            reply.problem(401, "unauthenticated");
            assert!(reply.header("www-authenticate").starts_with("Bearer"));
        }
        403 => {
            reply.problem(403, "forbidden");
        }
        404 => {
            reply.problem(404, "not-found");
        }
        _ => {}
    }
    reply.status
}

#[tokio::test]
async fn a_stranger_is_refused_before_anything_else_is_looked_at() {
    App::run(async |app| {
        let stranger = app.anyone(None);
        let path = "/api/v1/organizations/acme/workspaces";
        stranger.get(&format!("{path}?limit=0")).await.problem(401, "unauthenticated");
        let large = json!({"image": "x".repeat(5 * 1024 * 1024)});
        stranger.post(path, &large).await.problem(401, "unauthenticated");
        let request = stranger.request(Method::POST, &format!("{path}/w/stop")).header("if-match", "broken");
        send(request).await.problem(401, "unauthenticated");
    })
    .await;
}

#[tokio::test]
async fn a_revoked_agents_token_opens_nothing() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        agent.partial(1, vec![]).await;
        let revoked = admin.post(&admin.path("/agents/cluster/revoke"), &json!({})).await;
        assert!(revoked.expect::<berth_schema::api::Agent>(200).revoked_at.is_some());
        agent.send(&crate::support::message(2, vec![])).await.problem(401, "unauthenticated");
    })
    .await;
}

#[tokio::test]
async fn what_is_not_in_the_table_is_a_problem() {
    App::run(async |app| {
        let anyone = app.anyone(None);
        anyone.get("/index.html").await.problem(404, "not-found");
        anyone.get("/api/v1/organizations").await.problem(404, "not-found");
        let reply = anyone.post("/healthz", &json!({})).await;
        reply.problem(405, "method-not-allowed");
        assert_eq!(reply.header("allow"), "GET");
        let reply = send(anyone.request(Method::DELETE, "/api/v1/organizations/a/agents")).await;
        reply.problem(405, "method-not-allowed");
        assert_eq!(reply.header("allow"), "POST, GET");
        // Where a browser's address bar ends up by a form that was refused.
        let visitor = crate::support::Visitor::new(app.address());
        let led = visitor.get("/organizations/acme/agents/here/allow").await;
        assert_eq!((led.status, led.header("location")), (303, "/organizations/acme/agents/here"));
    })
    .await;
}
