//! Who may do what: roles, and the rules of an organisation.

use std::time::Duration;

use berth_schema::access::{Role, Token, TokenCreated};
use berth_schema::api::{Paged, WhoAmI, Workspace};
use berth_schema::policy::{Permission, Policy, PolicyTested, PolicyVersion};
use berth_schema::{FieldError, Problem};
use berth_server::services::policy;
use reqwest::Method;
use serde_json::{Value, json};

use crate::events::Stream;
use crate::support::{Admin, App, Reply, Requests, send};

/// Somebody of that role, with a token of the role's name.
pub(crate) async fn join(owner: &Admin, role: Role) -> Admin {
    let wanted = json!({"name": format!("the {role}"), "role": role});
    let created: TokenCreated = owner.post(&owner.path("/tokens"), &wanted).await.expect(201);
    Admin::new(owner.address(), created.token.parse().expect("a token"))
}

async fn named(who: &Admin, list: &str) -> Vec<String> {
    let page: Paged<Value> = who.get(&who.path(list)).await.expect(200);
    let mut names: Vec<_> =
        page.items.iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect();
    names.sort_unstable();
    names
}

pub(crate) async fn set(who: &Admin, rules: &str) -> Reply {
    send(who.request(Method::PUT, &who.path("/policy")).json(&json!({"rules": rules}))).await
}

fn and(rules: &str) -> String {
    format!("{}\n{rules}", berth_policy::BUILT_IN)
}

fn field_error(problem: &Problem) -> &FieldError {
    let [error] = problem.errors.as_slice() else { panic!("{problem:?}") };
    error
}

#[tokio::test]
async fn lists_and_streams_hold_what_may_be_looked_at() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        owner.create_agent("cluster").await;
        let (developer, viewer) = (join(&owner, Role::Developer).await, join(&owner, Role::Viewer).await);
        let mut to_developer = Stream::of_organization(&developer, None).await;
        let mut to_viewer = Stream::of_organization(&viewer, None).await;
        for stream in [&mut to_developer, &mut to_viewer] {
            assert_eq!(stream.expect().await.name, "open");
        }
        owner.create_workspace("theirs").await;
        developer.create_workspace("mine").await;
        assert_eq!(to_developer.expect().await.workspace().name.as_str(), "mine");
        to_developer.is_quiet().await;
        let mut seen = [to_viewer.expect().await.workspace().name, to_viewer.expect().await.workspace().name];
        seen.sort_unstable();
        assert_eq!(seen.map(|name| name.to_string()), ["mine", "theirs"]);

        assert_eq!(named(&owner, "/workspaces").await, ["mine", "theirs"]);
        assert_eq!(named(&viewer, "/workspaces").await, ["mine", "theirs"]);
        assert_eq!(named(&developer, "/workspaces").await, ["mine"]);
        assert_eq!(named(&developer, "/tokens").await, ["the developer"]);
        assert_eq!(named(&owner, "/tokens").await, ["first administrator", "the developer", "the viewer"]);
        // Where rules name single things, each is asked about.
        let id = owner.get(&owner.path("/workspaces/theirs")).await.expect::<Workspace>(200).id;
        let hidden = format!(
            "@id(\"hidden\") forbid (principal, action == Action::\"workspace.read\", resource == Workspace::\"{id}\")
             when {{ principal.role == \"viewer\" }};"
        );
        set(&owner, &and(&hidden)).await.expect::<Policy>(200);
        assert_eq!(named(&viewer, "/workspaces").await, ["mine"]);
        assert_eq!(named(&developer, "/workspaces").await, ["mine"]);
        assert_eq!(named(&owner, "/workspaces?limit=1").await, ["mine"]);
        assert_eq!(named(&owner, "/workspaces").await, ["mine", "theirs"]);
        assert_eq!(named(&developer, "/tokens").await, ["the developer"]);
        assert_eq!(named(&viewer, "/agents").await, ["cluster"]);
        viewer.get(&viewer.path("/workspaces/theirs")).await.problem(404, "not-found");
    })
    .await;
}

#[tokio::test]
async fn a_stream_ends_when_what_it_was_opened_by_changes() {
    App::run(async |app| {
        app.context.streams.configure(100, Duration::from_millis(100));
        let owner = app.organization("acme").await;
        let viewer = join(&owner, Role::Viewer).await;
        let mut stream = Stream::of_organization(&viewer, None).await;
        assert_eq!(stream.expect().await.name, "open");
        app.execute("UPDATE subjects SET role = 'developer' WHERE role = 'viewer'").await;
        stream.ends().await;
        let mut stream = Stream::of_organization(&viewer, None).await;
        assert_eq!(stream.expect().await.name, "open");
        set(&owner, &and("@id(\"nobody-looks\") forbid (principal, action == Action::\"organization.watch\", resource);"))
            .await
            .expect::<Policy>(200);
        stream.ends().await;
        viewer.get(&viewer.path("/events")).await.problem(403, "forbidden");
    })
    .await;
}

#[tokio::test]
async fn an_organisations_rules_hold_from_the_next_request_on_everywhere() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        owner.create_agent("cluster").await;
        let replica = app.replica().await;
        let developer = join(&owner, Role::Developer).await;
        let there = replica.admin(&developer);
        developer.create_workspace("mine").await;
        let reply = owner.get(&owner.path("/policy")).await;
        assert_eq!(reply.header("etag"), "\"0\"");
        let before: Policy = reply.expect(200);
        assert_eq!((before.details.version, before.details.built_in), (0, true));
        assert!(before.schema.contains("workspace.stop") && before.rules == berth_policy::BUILT_IN);

        there.wish("mine", "stop").await;
        let frozen = and("@id(\"freeze\") forbid (principal, action in Action::\"changes\", resource) unless { principal.role == \"owner\" };");
        let now: Policy = set(&owner, &frozen).await.expect(200);
        assert_eq!((now.details.version, now.details.built_in), (1, false));
        for who in [&developer, &there] {
            let problem = who.post(&who.path("/workspaces/mine/start"), &json!({})).await.problem(403, "forbidden");
            assert_eq!(problem.detail, "the organization's rule 'freeze' forbids 'workspace.start'");
        }
        // Setting the same again changes nothing; what was not seen is not replaced.
        assert_eq!(set(&owner, &frozen).await.expect::<Policy>(200).details.version, 1);
        let request = owner.request(Method::PUT, &owner.path("/policy")).header("if-match", "\"0\"");
        send(request.json(&json!({"built_in": true}))).await.problem(412, "policy-mismatch");
        let request = owner.request(Method::PUT, &owner.path("/policy?dry_run=true"));
        send(request.json(&json!({"built_in": true}))).await.expect::<Policy>(200);
        let request = owner.request(Method::PUT, &owner.path("/policy")).header("if-match", "\"1\"");
        assert_eq!(send(request.json(&json!({"built_in": true}))).await.expect::<Policy>(200).details.version, 2);
        there.wish("mine", "start").await;

        let first: Paged<PolicyVersion> = owner.get(&owner.path("/policy/versions?limit=1")).await.expect(200);
        assert_eq!(first.items[0].version, 2);
        let after = first.next.expect("another page");
        let rest: Paged<PolicyVersion> =
            owner.get(&owner.path(&format!("/policy/versions?after={after}"))).await.expect(200);
        assert_eq!((rest.items.len(), rest.items[0].version, rest.next), (1, 1, None));
        assert!(rest.items[0].created_by.is_some());
        assert_eq!(owner.get(&owner.path("/policy?version=1")).await.expect::<Policy>(200).rules, frozen);
        owner.get(&owner.path("/policy?version=3")).await.problem(422, "invalid");
        replica.stop().await;
    })
    .await;
}

#[tokio::test]
async fn rules_that_are_wrong_or_lock_everybody_out_are_not_taken() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let wrong = "@id(\"a\")\npermit (principal, action == Action::\"workspace.eat\", resource);";
        let problem = set(&owner, wrong).await.problem(422, "invalid");
        let error = field_error(&problem);
        assert_eq!((error.field.as_str(), error.line, error.column), ("rules", Some(2), Some(30)));
        for lockout in [
            "@id(\"a\") permit (principal, action, resource) when { principal.role == \"viewer\" };".to_owned(),
            and("@id(\"a\") forbid (principal, action == Action::\"policy.set\", resource);"),
            and("@id(\"a\") forbid (principal, action, resource) when { context.by == \"token\" };"),
            and("@id(\"a\") forbid (principal, action in Action::\"policy\", resource) unless { context.mfa };"),
        ] {
            let problem = set(&owner, &lockout).await.problem(422, "invalid");
            assert!(field_error(&problem).message.contains("no owner"), "{problem:?}");
        }
        let deep = format!("@id(\"a\") permit (principal, action, resource) when {{ {}true{} }};", "(".repeat(5_000), ")".repeat(5_000));
        for hostile in ["x".repeat(1024 * 1024), deep, "@id(\"\u{202e}\u{0}\")".to_owned()] {
            set(&owner, &hostile).await.problem(422, "invalid");
        }
        for body in [json!({}), json!({"rules": "", "built_in": true}), json!({"rules": 1}), json!({"x": 1})] {
            send(owner.request(Method::PUT, &owner.path("/policy")).json(&body)).await.problem(422, "invalid");
        }
        assert_eq!(owner.get(&owner.path("/policy")).await.expect::<Policy>(200).details.version, 0);
    })
    .await;
}

#[tokio::test]
async fn whoever_is_at_the_servers_machine_gives_an_organisation_its_first_rules_back() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let here =
            and("@id(\"from-here\") forbid (principal, action, resource) unless { context has address };");
        set(&owner, &here).await.expect::<Policy>(200);
        // As a version that does not read them any more: nobody may do anything.
        app.execute("UPDATE policy_versions SET rules = 'permit'").await;
        owner.get(&owner.path("/workspaces")).await.problem(403, "forbidden");
        let run = app.at_the_machine();
        let reset = async || policy::reset(&run.within(owner.organization())).await.expect("reset");
        assert_eq!((reset().await, reset().await), (2, 2));
        owner.get(&owner.path("/workspaces")).await.expect::<Value>(200);
    })
    .await;
}

#[tokio::test]
async fn nobody_gives_a_higher_role_than_they_have() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let maintainer = join(&owner, Role::Maintainer).await;
        let path = owner.path("/tokens");
        let is = async |who: &Admin| who.get("/api/v1/whoami").await.expect::<WhoAmI>(200).role;
        assert_eq!((is(&owner).await, is(&maintainer).await), (Some(Role::Owner), Some(Role::Maintainer)));
        // Another token of one's own has one's own role; one for somebody else is the owners' to make.
        let own = json!({"name": "laptop", "same_subject": true});
        let created: TokenCreated = maintainer.post(&path, &own).await.expect(201);
        assert_eq!(is(&Admin::new(app.address(), created.token.parse().expect("a token"))).await, Some(Role::Maintainer));
        let higher = json!({"name": "x", "same_subject": true, "role": "owner"});
        maintainer.post(&path, &higher).await.problem(422, "invalid");
        let problem = maintainer.post(&path, &json!({"name": "x"})).await.problem(403, "forbidden");
        assert_eq!(problem.detail, "your role does not permit 'token.create' here, and no role for a time does");
        // Where a rule lets them, they give what they are and what that holds.
        set(&owner, &and("@id(\"hire\") permit (principal, action == Action::\"token.create\", resource) when { principal.role == \"maintainer\" };"))
            .await
            .expect::<Policy>(200);
        for role in ["owner", "auditor", "emperor"] {
            let problem = maintainer.post(&path, &json!({"name": "x", "role": role})).await.problem(422, "invalid");
            assert_eq!(field_error(&problem).field, "role");
        }
        let created: TokenCreated = maintainer.post(&path, &json!({"name": "x"})).await.expect(201);
        assert_eq!(is(&Admin::new(app.address(), created.token.parse().expect("a token"))).await, Some(Role::Maintainer));
        maintainer.post(&path, &json!({"name": "y", "role": "viewer"})).await.expect::<TokenCreated>(201);
    })
    .await;
}

#[tokio::test]
async fn the_last_token_of_an_owner_stays_and_others_go() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let developer = join(&owner, Role::Developer).await;
        // A developer's token manages nothing.
        let revoke = "/tokens/first%20administrator/revoke";
        owner.post(&owner.path(revoke), &json!({})).await.problem(409, "last-full-token");
        let own = developer.post(&developer.path("/tokens/the%20developer/revoke"), &json!({})).await;
        assert!(own.expect::<Token>(200).revoked_at.is_some());
    })
    .await;
}

#[tokio::test]
async fn anybody_may_ask_what_they_may_do() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        owner.create_agent("cluster").await;
        let developer = join(&owner, Role::Developer).await;
        let mine = developer.create_workspace("mine").await;
        owner.create_workspace("theirs").await;
        let ask = async |query: &str| developer.get(&developer.path(&format!("/can-i?{query}"))).await;
        let told: Permission = ask("action=workspace.stop&resource=mine").await.expect(200);
        assert_eq!(
            (told.answer.allowed, told.answer.rules),
            (true, vec!["developers-own-workspaces".to_owned()])
        );
        assert_eq!(
            (told.resource, told.role, told.policy_version),
            (mine.id.to_string(), Role::Developer, 0)
        );
        let told: Permission = ask("action=agent.create").await.expect(200);
        assert_eq!(
            (told.answer.allowed, told.answer.reason.as_str(), told.answer.rules.len()),
            (false, "not-permitted", 0)
        );
        // What is not there and what one may not know of are one answer.
        for hidden in ["theirs", "nothing", "x/y", "01890000-0000-7000-8000-000000000000"] {
            ask(&format!("action=workspace.stop&resource={hidden}")).await.problem(404, "not-found");
        }
        for wrong in [
            "",
            "action=workspace.eat",
            "action=workspace.stop",
            "action=agent.create&resource=x",
            "action=orphan.keep&resource=x",
        ] {
            ask(wrong).await.problem(422, "invalid");
        }
    })
    .await;
}

#[tokio::test]
async fn rules_can_be_tried_before_they_are_set() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let questions = json!([
            {"role": "developer", "action": "workspace.stop", "own": true},
            {"role": "developer", "action": "workspace.stop"},
            {"role": "viewer", "action": "workspace.read", "address": "192.0.2.7"},
            {"role": "owner", "action": "workspace.stop", "scope": "read-only"},
        ]);
        let path = owner.path("/policy/test");
        let answers = async |body: &Value| {
            let tested: PolicyTested = owner.post(&path, body).await.expect(200);
            tested.answers.iter().map(|answer| answer.allowed).collect::<Vec<_>>()
        };
        assert_eq!(answers(&json!({"questions": questions})).await, [true, false, true, false]);
        let rules = and("@id(\"away\") forbid (principal, action, resource) when { context has address && context.address.isInRange(ip(\"192.0.2.0/24\")) };");
        assert_eq!(answers(&json!({"rules": rules, "questions": questions})).await, [true, false, false, false]);
        owner.post(&path, &json!({"rules": "x", "questions": []})).await.problem(422, "invalid");
        let wrong = json!({"questions": [{"role": "viewer", "action": "x"}]});
        assert_eq!(field_error(&owner.post(&path, &wrong).await.problem(422, "invalid")).field, "questions[0].action");
        let many = vec![json!({"role": "viewer", "action": "workspace.read"}); 201];
        owner.post(&path, &json!({"questions": many})).await.problem(422, "invalid");
    })
    .await;
}
