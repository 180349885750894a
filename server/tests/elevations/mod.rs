//! Roles for a time (decision 0077).

mod ends;
mod lasting;
mod matrix;
mod pages;
mod races;
mod step_up;

use berth_schema::SubjectId;
use berth_schema::access::Role;
use berth_schema::elevations::{Elevation, ElevationState};
use berth_schema::members::Member;
use reqwest::Method;
use serde_json::{Value, json};

use crate::audit::records;
use crate::login::Cli;
use crate::sign_in::signed_in;
use crate::support::{Admin, Anyone, App, Reply, Requests, Visitor, send};

/// Somebody who is signed in, in a browser and by a command line.
pub(crate) struct Person {
    pub(crate) browser: Visitor,
    access: String,
    pub(crate) id: SubjectId,
}

impl Person {
    pub(crate) async fn join(app: &App, owner: &Admin, name: &str, role: Role) -> Self {
        let mut browser = signed_in(app, "acme", name).await;
        let tokens = Cli::of(app).log_in(&mut browser).await;
        let access = tokens["access_token"].as_str().expect("a token").to_owned();
        let id = owner.get(&owner.path(&format!("/members/{name}"))).await.expect::<Member>(200).id;
        app.execute(&format!("UPDATE subjects SET role = '{role}' WHERE id = '{id}'")).await;
        Self { browser, access, id }
    }

    pub(crate) fn at(&self, app: &App) -> Anyone {
        app.anyone(Some(&self.access))
    }

    pub(crate) async fn post(&self, app: &App, path: &str, body: Value) -> Reply {
        self.at(app).post(&format!("/api/v1/organizations/acme{path}"), &body).await
    }

    pub(crate) async fn get(&self, app: &App, path: &str) -> Reply {
        self.at(app).get(&format!("/api/v1/organizations/acme{path}")).await
    }

    pub(crate) async fn asks(&self, app: &App, path: &str, role: Role) -> Elevation {
        let wanted = json!({"role": role, "reason": "a deploy"});
        self.post(app, &format!("{path}/elevations"), wanted).await.expect(201)
    }

    async fn decides(&self, app: &App, elevation: &Elevation, how: &str) -> Reply {
        self.post(app, &format!("/elevations/{}/{how}", elevation.id), json!({})).await
    }

    /// Whether their role lets them set a variable of the organisation: maintainers may.
    pub(crate) async fn sets_variable(&self, app: &App) -> u16 {
        let path = "/api/v1/organizations/acme/variables";
        self.at(app).put(path, &json!({"name": "A", "value": "x"})).await.status
    }
}

async fn found(owner: &Admin, elevation: &Elevation) -> Elevation {
    owner.get(&owner.path(&format!("/elevations/{}", elevation.id))).await.expect(200)
}

/// Its time is over.
pub(crate) async fn pass_time(app: &App, elevation: &Elevation) {
    let id = elevation.id;
    app.execute(&format!("UPDATE elevations SET ends_at = now(), due_at = now() WHERE id = '{id}'")).await;
}

#[tokio::test]
async fn somebody_else_gives_a_role_for_a_time_and_it_holds_on_every_server_until_it_is_ended() {
    App::run(async |app| {
        let replica = app.replica().await;
        let owner = app.organization("acme").await;
        let boss = Person::join(app, &owner, "Grace", Role::Owner).await;
        let ada = Person::join(app, &owner, "Ada", Role::Developer).await;
        assert_eq!(ada.sets_variable(app).await, 403);

        let asked = ada.asks(app, "", Role::Maintainer).await;
        assert_eq!((asked.state, asked.seconds, asked.member), (ElevationState::Pending, 3600, ada.id));
        assert_eq!(ada.sets_variable(app).await, 403, "to ask gives nothing");
        let given: Elevation = boss.decides(app, &asked, "approve").await.expect(200);
        assert_eq!(given.state, ElevationState::Active);
        assert_eq!((given.decided_by, given.decided_by_name.as_deref()), (Some(boss.id), Some("Grace")));
        for at in [app, &replica] {
            assert_eq!(ada.sets_variable(at).await, 200);
        }
        // Said where people look, and on record of what they do by it.
        let whoami = ada.at(app).request(Method::GET, "/api/v1/whoami").header("berth-organization", "acme");
        let whoami: Value = send(whoami).await.expect(200);
        assert_eq!(
            (&whoami["role"], &whoami["elevations"][0]["role"]),
            (&json!("developer"), &json!("maintainer"))
        );
        let shown: Member = owner.get(&owner.path(&format!("/members/{}", ada.id))).await.expect(200);
        assert_eq!((shown.role, shown.elevations[0].id), (Role::Developer, asked.id));
        let all = records(&owner).await;
        let set =
            all.iter().rev().find(|record| record.action.as_str() == "variable.set").expect("on record");
        assert_eq!((set.who.subject(), set.elevation), (Some(ada.id), Some(asked.id)));
        // What she may do anyway is not done by it.
        let token = json!({"name": "mine", "same_subject": true});
        let made: Value = ada.post(app, "/tokens", token).await.expect(201);
        let all = records(&owner).await;
        assert_eq!(all.last().map(|record| record.elevation), Some(None), "{all:?}");
        // No token has it, and no token outlasts it with it.
        let by_token = app.anyone(made["token"].as_str());
        let variable = json!({"name": "A", "value": "y"});
        let put = by_token.put("/api/v1/organizations/acme/variables", &variable).await;
        assert_eq!(put.status, 403);

        let ended: Elevation = ada.decides(app, &asked, "end").await.expect(200);
        assert_eq!(ended.state, ElevationState::Ended);
        for at in [app, &replica] {
            assert_eq!(ada.sets_variable(at).await, 403);
        }
        let words: Vec<_> = records(&owner).await.iter().map(|record| record.action.as_str()).collect();
        for word in ["elevation.request", "elevation.approve", "elevation.end"] {
            assert_eq!(words.iter().filter(|known| **known == word).count(), 1, "{word}");
        }
        replica.stop().await;
    })
    .await;
}

#[tokio::test]
async fn nobody_approves_their_own_and_nobody_gives_more_than_they_are_for_good() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let boss = Person::join(app, &owner, "Grace", Role::Owner).await;
        let lead = Person::join(app, &owner, "Linus", Role::Maintainer).await;
        let ada = Person::join(app, &owner, "Ada", Role::Developer).await;

        // Not herself, whatever she is; nor her token, nor a token of an owner, which has no session.
        let asked = ada.asks(app, "", Role::Owner).await;
        app.execute(&format!("UPDATE subjects SET role = 'owner' WHERE id = '{}'", ada.id)).await;
        for how in ["approve", "refuse"] {
            let own = ada.decides(app, &asked, how).await.problem(403, "forbidden");
            assert!(own.detail.contains("somebody else") && !own.step_up, "{own:?}");
        }
        app.execute(&format!("UPDATE subjects SET role = 'developer' WHERE id = '{}'", ada.id)).await;
        let approve = format!("/elevations/{}/approve", asked.id);
        let by_token = owner.post(&owner.path(&approve), &json!({})).await.problem(403, "forbidden");
        assert!(by_token.detail.contains("berth login") && !by_token.step_up, "{by_token:?}");
        let by_token = json!({"role": "owner", "reason": "x"});
        owner.post(&owner.path("/elevations"), &by_token).await.problem(403, "forbidden");

        // A maintainer decides about nothing of the organisation itself, and is not told of it.
        assert_eq!(lead.decides(app, &asked, "approve").await.status, 404);
        // Nor somebody who is an owner for a time.
        boss.decides(app, &asked, "approve").await.expect::<Elevation>(200);
        let other = lead.asks(app, "", Role::Owner).await;
        let by_elevated = ada.decides(app, &other, "approve").await.problem(403, "forbidden");
        assert!(!by_elevated.step_up, "{by_elevated:?}");
        for how in ["refuse", "end"] {
            ada.decides(app, &other, how).await.problem(403, "forbidden");
        }
        assert_eq!(found(&owner, &other).await.state, ElevationState::Pending);

        // Whoever is an owner for a time makes nobody one for good, lets nobody in and sets no rules.
        let me = format!("/api/v1/organizations/acme/members/{}", ada.id);
        let patch = ada.at(app).request(Method::PATCH, &me).json(&json!({"role": "owner"}));
        assert!(matches!(send(patch).await.status, 403 | 422));
        let victim = format!("/api/v1/organizations/acme/members/{}", lead.id);
        let patch = ada.at(app).request(Method::PATCH, &victim).json(&json!({"role": "viewer"}));
        assert!(matches!(send(patch).await.status, 403 | 422));
        for (path, body) in [
            ("/invitations", json!({"name": "Eve", "role": "developer"})),
            ("/tokens", json!({"name": "others"})),
            ("/tokens/first%20administrator/rotate", json!({})),
            ("/agents", json!({"name": "hers"})),
        ] {
            assert_eq!(ada.post(app, path, body).await.status, 403, "{path}");
        }
        let rules = json!({"rules": berth_policy::BUILT_IN});
        let set = ada.at(app).put("/api/v1/organizations/acme/policy", &rules).await;
        assert_eq!(set.status, 403, "{}", set.text);
    })
    .await;
}

#[tokio::test]
async fn a_role_at_a_group_holds_in_all_that_is_in_it_and_nowhere_else() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        owner.create_agent("cluster").await;
        for (at, name) in
            [("/groups", "platform"), ("/groups", "finance"), ("/groups/platform/groups", "payments")]
        {
            owner.post(&owner.path(at), &json!({"name": name})).await.expect::<Value>(201);
        }
        let project = json!({"name": "api"});
        owner.post(&owner.path("/groups/platform%2Fpayments/projects"), &project).await.expect::<Value>(201);
        let lead = Person::join(app, &owner, "Linus", Role::Viewer).await;
        let ada = Person::join(app, &owner, "Ada", Role::Viewer).await;
        let eve = Person::join(app, &owner, "Eve", Role::Viewer).await;
        let lead_there = json!({"member": lead.id, "role": "maintainer"});
        owner.put(&owner.path("/groups/platform/members"), &lead_there).await.expect::<Value>(200);

        let asked = ada.asks(app, "/groups/platform", Role::Developer).await;
        assert_eq!(asked.place.group.as_deref(), Some("platform"));
        // Who is nothing there is told of nothing.
        assert_eq!(eve.get(app, &format!("/elevations/{}", asked.id)).await.status, 404);
        assert_eq!(eve.decides(app, &asked, "approve").await.status, 404);
        let listed = |reply: Reply| reply.expect::<Value>(200)["items"].as_array().expect("items").len();
        assert_eq!(listed(eve.get(app, "/elevations").await), 0);
        assert_eq!(listed(lead.get(app, "/elevations").await), 1);
        assert_eq!(listed(ada.get(app, "/elevations").await), 1);
        // More than the one who decides is there: not by them.
        let more = ada.asks(app, "/projects/platform%2Fpayments%2Fapi", Role::Owner).await;
        assert_eq!(lead.decides(app, &more, "approve").await.wrong_fields(), ["role"]);

        let workspace = json!({"image": "debian:13", "agent": "cluster"});
        let make = async |at: &str, name: &str| {
            let mut body = workspace.clone();
            body["name"] = json!(name);
            ada.post(app, at, body).await.status
        };
        let there = "/projects/platform%2Fpayments%2Fapi/workspaces";
        assert_eq!(make(there, "one").await, 403);
        lead.decides(app, &asked, "approve").await.expect::<Elevation>(200);
        assert_eq!(make(there, "one").await, 201);
        assert_eq!(make("/workspaces", "two").await, 403);
        assert_eq!(listed(ada.get(app, "/workspaces").await), 1);
        pass_time(app, &asked).await;
        assert_eq!(make(there, "three").await, 403);
        assert_eq!(found(&owner, &asked).await.state, ElevationState::Expired);
    })
    .await;
}

#[tokio::test]
async fn a_wish_is_bounded_in_all_that_it_says_and_in_number() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        let ada = Person::join(app, &owner, "Ada", Role::Developer).await;
        let ask = async |body: Value| ada.post(app, "/elevations", body).await;
        let wrong = ask(json!({"role": "developer", "reason": "", "seconds": 28_801})).await;
        assert_eq!(wrong.wrong_fields(), ["role", "seconds", "reason"]);
        for body in [
            json!({"role": "emperor", "reason": "x"}),
            json!({"role": "owner", "reason": "x", "seconds": 59}),
            json!({"role": "owner", "reason": "x".repeat(501)}),
            json!({"role": "owner", "reason": "x", "for": "ever"}),
            json!({"role": "owner"}),
        ] {
            ask(body).await.problem(422, "invalid");
        }
        let asked = ada.asks(app, "", Role::Owner).await;
        for _ in 1..5 {
            ada.asks(app, "", Role::Owner).await;
        }
        ask(json!({"role": "owner", "reason": "x"})).await.problem(403, "quota-exceeded");
        ada.decides(app, &asked, "end").await.expect::<Elevation>(200);
        ada.asks(app, "", Role::Owner).await;
    })
    .await;
}
