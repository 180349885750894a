//! Agents that are allowed for some groups alone.

use berth_schema::access::Role;
use berth_schema::api::{Agent as Shown, AgentDisallowed, Workspace};
use berth_schema::audit::{Details, Outcome, What};
use berth_schema::policy::Permission;
use berth_schema::why::{Situation, Why};
use berth_schema::{Action, DesiredState, GroupId};
use reqwest::Method;
use serde_json::{Value, json};

use super::{escaped, forbid, get, group, moved, project};
use crate::audit::records;
use crate::policy::join;
use crate::support::cluster::settled;
use crate::support::{Admin, App, Reply, Requests, send};

pub(super) async fn allow(who: &Admin, agent: &str, whom: Value) -> Reply {
    who.post(&who.path(&format!("/agents/{agent}/allow")), &whom).await
}

pub(super) async fn disallow(who: &Admin, agent: &str, whom: Value) -> Reply {
    who.post(&who.path(&format!("/agents/{agent}/disallow")), &whom).await
}

pub(super) async fn made(who: &Admin, name: &str, project: &str, agent: Option<&str>) -> Reply {
    let path = who.path(&format!("/projects/{}/workspaces", escaped(project)));
    let mut body = json!({"name": name, "image": "debian:13"});
    if let Some(agent) = agent {
        body["agent"] = agent.into();
    }
    who.post(&path, &body).await
}

async fn why(who: &Admin, workspace: &str) -> Why {
    who.get(&who.path(&format!("/workspaces/{workspace}/why"))).await.expect(200)
}

fn refused(reply: &Reply) {
    let fields: Vec<_> =
        reply.problem(409, "agent-not-allowed").errors.into_iter().map(|error| error.field).collect();
    assert_eq!(fields, ["agent"], "{}", reply.text);
}

/// An organisation with agents `all` and `some`, of which the latter is for `platform/payments` alone, and projects around that.
async fn acme(app: &App) -> Admin {
    let owner = app.organization("acme").await;
    for path in ["platform", "platform/payments", "platform/payments/deep", "data"] {
        group(&owner, path).await;
    }
    for path in ["platform/web", "platform/payments/api", "platform/payments/deep/tool", "data/lake", "top"] {
        project(&owner, path).await;
    }
    owner.create_agent("some").await;
    allow(&owner, "some", json!({"group": "platform/payments"})).await.expect::<Shown>(200);
    disallow(&owner, "some", json!({"organization": true})).await.expect::<AgentDisallowed>(200);
    owner
}

#[tokio::test]
async fn an_agent_of_groups_takes_workspaces_of_their_projects_and_no_others() {
    App::run(async |app| {
        let owner = acme(app).await;
        owner.create_agent("all").await;
        for (n, inside) in ["platform/payments/api", "platform/payments/deep/tool"].into_iter().enumerate() {
            made(&owner, &format!("in-{n}"), inside, Some("some")).await.expect::<Workspace>(201);
        }
        for outside in ["platform/web", "data/lake", "top"] {
            let reply = made(&owner, "outside", outside, Some("some")).await;
            refused(&reply);
            assert!(reply.text.contains("berth agents allow some"), "{}", reply.text);
            made(&owner, &format!("other-{}", outside.replace('/', "-")), outside, Some("all"))
                .await
                .expect::<Workspace>(201);
        }
        refused(&owner.create(&json!({"name": "none", "image": "a", "agent": "some"})).await);
        assert_eq!(app.count("SELECT count(*) FROM workspaces WHERE name IN ('outside', 'none')").await, 0);

        // Where nobody says which, it is the only one that takes it.
        let only: Workspace = made(&owner, "only", "top", None).await.expect(201);
        assert_eq!(only.agent.as_str(), "all");
        let bare: Workspace = owner.create(&json!({"name": "bare", "image": "a"})).await.expect(201);
        assert_eq!(bare.agent.as_str(), "all");
        let both = made(&owner, "both", "platform/payments/api", None).await;
        assert_eq!(both.wrong_fields(), ["agent"]);
        assert!(both.text.contains("'all'") && both.text.contains("'some'"), "{}", both.text);
        let asked = owner.path("/can-i?action=project.create-workspace&resource=platform%2Fpayments%2Fapi");
        let permission: Permission = owner.get(&asked).await.expect(200);
        assert_eq!(permission.objection, None, "whoever names one is not refused");
        disallow(&owner, "all", json!({"organization": true})).await.expect::<AgentDisallowed>(200);
        let only: Workspace = made(&owner, "both", "platform/payments/api", None).await.expect(201);
        assert_eq!(only.agent.as_str(), "some");
        let nobody = made(&owner, "nobody", "top", None).await;
        assert_eq!(nobody.wrong_fields(), ["agent"]);
        assert!(nobody.text.contains("'some' is not allowed for project 'top'"), "{}", nobody.text);
        assert!(nobody.text.contains("no agent of the organization takes this"), "{}", nobody.text);
        for asked in ["workspace.create", "project.create-workspace&resource=top"] {
            let asked = owner.path(&format!("/can-i?action={asked}"));
            let permission: Permission = owner.get(&asked).await.expect(200);
            assert!(permission.answer.allowed && permission.objection.is_some(), "{permission:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_allowed_is_shown_on_record_and_asked_for_in_one_way() {
    App::run(async |app| {
        let owner = acme(app).await;
        let shown: Shown = owner.get(&owner.path("/agents/some")).await.expect(200);
        let takes = shown.takes.expect("it is told");
        assert!(!takes.organization);
        let paths: Vec<_> = takes.groups.iter().map(|group| group.path.as_str()).collect();
        assert_eq!(paths, ["platform/payments"]);
        let group = takes.groups[0].id;

        // The same once more changes nothing.
        let before = records(&owner).await.len();
        allow(&owner, "some", json!({"group": group})).await.expect::<Shown>(200);
        let again = disallow(&owner, "some", json!({"organization": true, "stop_now": true})).await;
        let again: AgentDisallowed = again.expect(200);
        assert!(again.stopped == 0 && again.unchanged, "{again:?}");
        assert_eq!(records(&owner).await.len(), before);
        let on_record: Vec<_> = records(&owner)
            .await
            .into_iter()
            .filter(|record| {
                [Action::AllowAgent, Action::DisallowAgent].map(What::Action).contains(&record.action)
            })
            .map(|record| (record.outcome, record.details))
            .collect();
        let expected = [
            (Outcome::Done, Details::AgentAllowed { group: Some(group) }),
            (Outcome::Done, Details::AgentDisallowed { group: None, stopped: 0 }),
        ];
        assert_eq!(on_record, expected);

        for wrong in [
            json!({}),
            json!({"organization": true, "group": "data"}),
            json!({"group": "nothing"}),
            json!({"group": GroupId::random()}),
            json!({"group": "a//b\u{202e}"}),
        ] {
            assert_eq!(allow(&owner, "some", wrong.clone()).await.wrong_fields(), ["group"], "{wrong}");
            assert_eq!(disallow(&owner, "some", wrong.clone()).await.wrong_fields(), ["group"], "{wrong}");
        }
        allow(&owner, "nobody", json!({"organization": true})).await.problem(404, "not-found");
        owner.post(&owner.path("/agents/some/revoke"), &json!({})).await.expect::<Shown>(200);
        allow(&owner, "some", json!({"group": "data"})).await.problem(409, "agent-revoked");
    })
    .await;
}

#[tokio::test]
async fn another_organisation_has_its_own() {
    App::run(async |app| {
        let owner = acme(app).await;
        let other = app.organization("other").await;
        other.create_agent("some").await;
        let theirs = group(&other, "platform").await;
        assert_eq!(allow(&owner, "some", json!({"group": theirs.id})).await.wrong_fields(), ["group"]);
        other.create(&json!({"name": "w", "image": "a", "agent": "some"})).await.expect::<Workspace>(201);
        let path = format!("/api/v1/organizations/{}/agents/some/allow", other.organization());
        owner.post(&path, &json!({"organization": true})).await.problem(404, "not-found");
    })
    .await;
}

#[tokio::test]
async fn moves_count_at_once_and_what_runs_goes_on_until_its_next_start() {
    App::run(async |app| {
        let owner = acme(app).await;
        for name in ["runs", "stops"] {
            made(&owner, name, "platform/payments/api", Some("some")).await.expect::<Workspace>(201);
        }
        owner.wish("stops", "stop").await.expect::<Workspace>(200);
        moved(&owner, "projects", "platform/payments/api", "data/api").await.expect::<Value>(200);

        assert_eq!(owner.workspace("runs").await.desired_state, DesiredState::Running);
        refused(&owner.wish("stops", "start").await);
        let asked = owner.path("/can-i?action=workspace.start&resource=stops");
        let permission: Permission = owner.get(&asked).await.expect(200);
        let objection = permission.objection.expect("it would be refused");
        assert!(permission.answer.allowed && objection.field == "agent", "{objection:?}");
        assert!(objection.message.contains("`berth agents allow some --group data`"), "{objection:?}");
        refused(&owner.wish("runs", "restart").await);
        let rebuild = owner.path("/workspaces/runs/rebuild");
        refused(&owner.post(&rebuild, &json!({"image": "debian:14"})).await);
        refused(&owner.post(&owner.path("/workspaces/runs/resize"), &json!({"cpu": "2"})).await);
        // What does not start it is done.
        let stopped = owner.path("/workspaces/stops/rebuild");
        owner.post(&stopped, &json!({"image": "debian:14"})).await.expect::<Workspace>(200);
        owner.wish("runs", "stop").await.expect::<Workspace>(200);
        refused(&owner.wish("runs", "start").await);

        // A group that is moved takes all that is in it along, and so does its way back.
        moved(&owner, "groups", "data", "platform/payments/data").await.expect::<Value>(200);
        owner.wish("stops", "start").await.expect::<Workspace>(200);
        moved(&owner, "groups", "platform/payments/data", "data").await.expect::<Value>(200);
        refused(&owner.wish("runs", "start").await);
        allow(&owner, "some", json!({"group": "data"})).await.expect::<Shown>(200);
        owner.wish("runs", "start").await.expect::<Workspace>(200);
    })
    .await;
}

#[tokio::test]
async fn what_an_agent_does_not_take_any_more_can_be_stopped_at_once_and_is_never_lost() {
    App::run(async |app| {
        let owner = acme(app).await;
        let agent = owner.create_agent("all").await;
        for (name, project) in [("inside", "data/lake"), ("outside", "top"), ("idle", "top")] {
            made(&owner, name, project, Some("all")).await.expect::<Workspace>(201);
        }
        let bare = json!({"name": "bare", "image": "a", "agent": "all"});
        owner.create(&bare).await.expect::<Workspace>(201);
        owner.wish("idle", "stop").await.expect::<Workspace>(200);
        let directives = agent.partial(1, vec![]).await.workspaces;
        agent.partial(2, directives.iter().map(|directive| settled(directive, "1")).collect()).await;

        allow(&owner, "all", json!({"group": "data"})).await.expect::<Shown>(200);
        let told: AgentDisallowed = disallow(&owner, "all", json!({"organization": true})).await.expect(200);
        assert_eq!(told.stopped, 0);
        for name in ["inside", "outside", "bare"] {
            assert_eq!(owner.workspace(name).await.desired_state, DesiredState::Running, "{name} goes on");
        }
        let answer = why(&owner, "outside").await;
        assert_eq!(answer.situation, Situation::Running);
        assert!(answer.cause.contains("goes on until its next start"), "{}", answer.cause);
        let answer = why(&owner, "idle").await;
        assert_eq!(answer.situation, Situation::AgentNotAllowed);
        let action = answer.next.expect("a step").action;
        assert!(action.contains("`berth agents allow all --whole-organization`"), "{action}");
        assert!(!why(&owner, "inside").await.cause.contains("next start"));

        // It is not too late to stop it.
        let told = disallow(&owner, "all", json!({"organization": true, "stop_now": true})).await;
        assert_eq!(told.expect::<AgentDisallowed>(200).stopped, 2);
        assert_eq!(owner.workspace("inside").await.desired_state, DesiredState::Running);
        for name in ["outside", "bare"] {
            assert_eq!(owner.workspace(name).await.desired_state, DesiredState::Stopped, "{name}");
        }
        let last = records(&owner).await.pop().expect("a record");
        assert_eq!(last.details, Details::AgentDisallowed { group: None, stopped: 2 });
        let stopped = agent.partial(3, vec![]).await.workspaces;
        assert_eq!(stopped.len(), 2, "the agent is told");
        owner.wish("outside", "terminate").await.expect::<Workspace>(200);
    })
    .await;
}

#[tokio::test]
async fn a_configuration_narrows_what_owners_allow() {
    App::run(async |app| {
        let owner = acme(app).await;
        owner.create_agent("all").await;
        let configuration = owner.path("/agents/all/configuration");
        let bad = owner.put(&configuration, &json!({"allowed_groups": ["Developers"]})).await;
        assert_eq!(bad.wrong_fields(), ["allowed_groups[0]"]);
        made(&owner, "before", "top", Some("all")).await.expect::<Workspace>(201);
        let narrowed = json!({"allowed_groups": ["platform", "later"]});
        let told: Value = owner.put(&configuration, &narrowed).await.expect(200);
        assert_eq!((&told["not_taken"], &told["unknown_groups"]), (&json!(1), &json!(["later"])));
        let takes = async |who: &Admin| {
            who.get(&who.path("/agents/all")).await.expect::<Shown>(200).takes.expect("it is told")
        };
        let narrowed = takes(&owner).await.words();
        assert!(narrowed.contains("the whole organization; its configuration"), "{narrowed}");
        assert!(narrowed.contains("those of projects in platform ('later': no such group"), "{narrowed}");
        made(&owner, "web", "platform/web", Some("all")).await.expect::<Workspace>(201);
        for outside in ["data/lake", "top"] {
            let reply = made(&owner, "outside", outside, Some("all")).await;
            refused(&reply);
            assert!(reply.text.contains("allowed_groups"), "{}", reply.text);
        }
        refused(&owner.create(&json!({"name": "none", "image": "a", "agent": "all"})).await);
        refused(&owner.wish("before", "restart").await);
        // Both have to allow it: what owners have not allowed no configuration does.
        let some = owner.path("/agents/some/configuration");
        owner.put(&some, &json!({"allowed_groups": ["data"]})).await.expect::<Value>(200);
        refused(&made(&owner, "lake", "data/lake", Some("some")).await);
        refused(&made(&owner, "api", "platform/payments/api", Some("some")).await);
        // A name is that of the group which has it.
        moved(&owner, "groups", "data", "later").await.expect::<Value>(200);
        made(&owner, "lake", "later/lake", Some("all")).await.expect::<Workspace>(201);
        // What a version before has stored is no group's name, and opens nothing.
        app.execute(
            "UPDATE agents SET configuration = '{\"allowed_groups\": [\"Developers\"]}' WHERE name = 'all'",
        )
        .await;
        refused(&made(&owner, "old", "platform/web", Some("all")).await);
    })
    .await;
}

#[tokio::test]
async fn whoever_may_not_know_of_an_agent_or_a_group_is_told_of_neither() {
    App::run(async |app| {
        let owner = acme(app).await;
        let shown: Shown = owner.get(&owner.path("/agents/some")).await.expect(200);
        let payments = get(&owner, "groups", "platform/payments").await.expect::<Value>(200)["id"].clone();
        let zoe = join(&owner, Role::Developer).await;
        forbid(
            &owner,
            &format!(
                "@id(\"hidden-group\") forbid (principal, action in [Action::\"group.read\", Action::\"project.read\"], resource in Group::{payments})
                 unless {{ context.roles.contains(\"owner\") }};"
            ),
        )
        .await;
        let seen: Shown = zoe.get(&zoe.path("/agents/some")).await.expect(200);
        assert_eq!(seen.takes.expect("it is told").groups, [], "the group is not hers to know");
        refused(&made(&zoe, "known", "top", Some("some")).await);
        allow(&zoe, "some", json!({"organization": true})).await.problem(403, "forbidden");

        forbid(
            &owner,
            &format!(
                "@id(\"hidden-agent\") forbid (principal, action == Action::\"agent.read\", resource == Agent::\"{}\")
                 unless {{ context.roles.contains(\"owner\") }};",
                shown.id
            ),
        )
        .await;
        let hidden = made(&zoe, "hidden", "top", Some("some")).await;
        let nothing = made(&zoe, "hidden", "top", Some("nothing")).await;
        assert_eq!((hidden.status, hidden.wrong_fields()), (422, vec!["agent".to_owned()]));
        assert!(hidden.text.contains("'some' is not an agent of this organization"), "{}", hidden.text);
        let told = |reply: &Reply| reply.problem(422, "invalid").detail;
        assert_eq!(told(&nothing).replace("'nothing'", "'some'"), told(&hidden));
        allow(&zoe, "some", json!({"organization": true})).await.problem(404, "not-found");
    })
    .await;
}

#[tokio::test]
async fn a_project_says_an_agent_that_there_is_and_whoever_makes_a_workspace_by_it_is_told_where_it_stands() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        for agent in ["here", "gone"] {
            owner.create_agent(agent).await;
        }
        let wanted = |agent: &str| json!({"name": "api", "settings": {"agent": agent}});
        let make = async |agent| owner.post(&owner.path("/projects"), &wanted(agent)).await;
        for wrong in ["nowhere", "gone"] {
            if wrong == "gone" {
                owner.post(&owner.path("/agents/gone/revoke"), &json!({})).await.expect::<Shown>(200);
            }
            let reply = make(wrong).await;
            assert_eq!(reply.wrong_fields(), ["settings.agent"], "{wrong}");
            assert!(reply.text.contains(&format!("'{wrong}'")), "{}", reply.text);
        }
        make("here").await.expect::<Value>(201);
        let change = owner.path("/projects/api");
        let set = async |settings: Value| {
            send(owner.request(Method::PATCH, &change).json(&json!({"settings": settings}))).await
        };
        assert_eq!(set(json!({"agent": "nowhere"})).await.wrong_fields(), ["settings.agent"]);
        owner.post(&owner.path("/agents/here/revoke"), &json!({})).await.expect::<Shown>(200);
        let refused = made(&owner, "w", "api", None).await;
        assert_eq!(refused.wrong_fields(), ["agent"]);
        for part in ["'here' was revoked", "project 'api' says that one", "berth projects set api --agent"] {
            assert!(refused.text.contains(part), "{part}: {}", refused.text);
        }
        // What it says already is no obstacle to another setting.
        let repository = json!({"url": "https://git.example.com/a.git"});
        set(json!({"agent": "here", "repository": repository})).await.expect::<Value>(200);
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_was_never_heard_is_in_nobodys_way_who_names_none() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let (works, _) = (owner.create_agent("works").await, owner.create_agent("tried-once").await);
        let unsaid = async |name: &str| owner.create(&json!({"name": name, "image": "a"})).await;
        assert_eq!(unsaid("none").await.wrong_fields(), ["agent"], "neither was heard: it has to be said");
        works.partial(1, Vec::new()).await;
        let made: Workspace = unsaid("one").await.expect(201);
        assert_eq!(made.agent.as_str(), "works");
        let named = json!({"name": "two", "image": "a", "agent": "tried-once"});
        let made: Workspace = owner.create(&named).await.expect(201);
        assert_eq!(made.agent.as_str(), "tried-once", "whoever names it gets it");
    })
    .await;
}
