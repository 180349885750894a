//! What the organisation, its groups, projects and workspaces say of idleness, and which of it holds (decision 0090).

use berth_schema::access::Role;
use berth_schema::api::Workspace;
use berth_schema::audit::Details;
use berth_schema::idle::{IdleAfter, IdleBy, IdleInForce, IdleRule, IdleView};
use berth_schema::why::Why;
use berth_schema::{DesiredState, GroupId};
use reqwest::Method;
use serde_json::{Value, json};

use crate::activity::{heard, minutes, pass, rule};
use crate::audit::{records, since};
use crate::policy::join;
use crate::support::{Admin, App, Reply, Requests, send};

async fn say(who: &Admin, place: &str, said: &Value) -> Reply {
    who.put(&who.path(&format!("{place}/idle")), said).await
}

async fn said(who: &Admin, place: &str) -> IdleView {
    who.get(&who.path(&format!("{place}/idle"))).await.expect(200)
}

/// A group in a group with a project, and a workspace of that.
async fn tree(admin: &Admin) -> Workspace {
    admin.create_agent("cluster").await;
    for (at, name) in [
        ("/groups", "platform"),
        ("/groups/platform/groups", "payments"),
        ("/groups/platform%2Fpayments/projects", "api"),
    ] {
        admin.post(&admin.path(at), &json!({"name": name})).await.expect::<Value>(201);
    }
    let body = json!({"name": "w", "image": "debian:13", "agent": "cluster"});
    admin.post(&admin.path(&format!("{PROJECT}/workspaces")), &body).await.expect(201)
}

const GROUP: &str = "/groups/platform";
const SUBGROUP: &str = "/groups/platform%2Fpayments";
const PROJECT: &str = "/projects/platform%2Fpayments%2Fapi";
const WORKSPACE: &str = "/workspaces/w";

async fn in_force(admin: &Admin) -> Option<String> {
    admin.workspace("w").await.idle_rule.map(|rule| rule.to_string())
}

#[tokio::test]
async fn each_level_takes_the_place_of_the_one_before_and_each_is_named() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        tree(&admin).await;
        assert_eq!(in_force(&admin).await, None, "nobody says anything");
        let levels = [
            ("", json!({"minutes": 60}), "60 minutes, by the organization"),
            (GROUP, json!({"minutes": 90}), "90 minutes, by group 'platform'"),
            (SUBGROUP, json!({"minutes": "never"}), "never, by group 'platform/payments'"),
            (PROJECT, json!({"minutes": 45}), "45 minutes, by project 'platform/payments/api'"),
            (WORKSPACE, json!({"minutes": 480}), "480 minutes, by the workspace's own rule"),
        ];
        for (place, body, expected) in &levels {
            say(&admin, place, body).await.expect::<Value>(200);
            assert_eq!(in_force(&admin).await.as_deref(), Some(*expected));
        }
        // What is taken back leaves what is further out.
        for ((place, ..), (.., expected)) in levels.iter().skip(1).rev().zip(levels.iter().rev().skip(1)) {
            say(&admin, place, &json!({})).await.expect::<Value>(200);
            assert_eq!(in_force(&admin).await.as_deref(), Some(*expected));
        }
        // Other organisations and what is of no project have their own.
        let umbrella = app.organization("umbrella").await;
        tree(&umbrella).await;
        assert_eq!(in_force(&umbrella).await, None);
    })
    .await;
}

#[tokio::test]
async fn nothing_nearer_lifts_a_maximum_and_whoever_tries_is_told_whose_it_is() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        tree(&admin).await;
        say(&admin, WORKSPACE, &json!({"minutes": "never"})).await.expect::<Value>(200);
        let view: IdleView = say(&admin, "", &json!({"minutes": 30, "max_minutes": 120})).await.expect(200);
        assert_eq!(view.rule, IdleRule { stop_after: Some(IdleAfter::Minutes(30)), max_minutes: Some(120) });
        assert_eq!(
            in_force(&admin).await.as_deref(),
            Some(
                "120 minutes, by the organization, which is the most; the workspace's own rule would be never"
            ),
            "what was wished for before is cut down"
        );
        for (place, body) in [
            (PROJECT, json!({"minutes": 121})),
            (GROUP, json!({"minutes": "never"})),
            (WORKSPACE, json!({"minutes": "never"})),
        ] {
            let refused = say(&admin, place, &body).await;
            assert_eq!(refused.wrong_fields(), ["minutes"], "{place}");
            assert!(
                refused.text.contains("must be at most 120 minutes: the organization sets that maximum"),
                "{}",
                refused.text
            );
        }
        assert_eq!(say(&admin, PROJECT, &json!({"max_minutes": 240})).await.wrong_fields(), ["max_minutes"]);
        say(&admin, PROJECT, &json!({"minutes": 60, "max_minutes": 90})).await.expect::<Value>(200);
        let lasts = said(&admin, PROJECT).await.in_force.expect("a rule");
        assert_eq!(lasts.max.map(|max| max.minutes), Some(90));
        assert!(in_force(&admin).await.expect("a rule").starts_with("90 minutes, by project"));
        // An agent's figure cannot be lifted either, as ever.
        say(&admin, "", &json!({})).await.expect::<Value>(200);
        say(&admin, PROJECT, &json!({})).await.expect::<Value>(200);
        assert_eq!(in_force(&admin).await.as_deref(), Some("never, by the workspace's own rule"));
        rule(&admin, Some(40)).await;
        assert!(in_force(&admin).await.expect("a rule").starts_with("40 minutes, by agent 'cluster'"));
        assert_eq!(say(&admin, WORKSPACE, &json!({"minutes": 41})).await.wrong_fields(), ["minutes"]);
        let body = json!({"name": "x", "image": "a", "agent": "cluster", "idle_after": "never"});
        assert_eq!(admin.create(&body).await.wrong_fields(), ["idle_after"]);
    })
    .await;
}

#[tokio::test]
async fn what_is_no_rule_is_refused_by_its_field() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        tree(&admin).await;
        for (body, field) in [
            (json!({"minutes": 14}), "minutes"),
            (json!({"minutes": 43_201}), "minutes"),
            (json!({"minutes": 10_000_000_000_u64}), "minutes"),
            (json!({"max_minutes": 0}), "max_minutes"),
            (json!({"minutes": 61, "max_minutes": 60}), "minutes"),
        ] {
            for place in ["", GROUP, PROJECT] {
                assert_eq!(say(&admin, place, &body).await.wrong_fields(), [field], "{place} {body}");
            }
        }
        assert_eq!(say(&admin, WORKSPACE, &json!({"max_minutes": 60})).await.wrong_fields(), ["max_minutes"]);
        for body in [
            json!({"minutes": -1}),
            json!({"minutes": "Never"}),
            json!({"most": 60}),
            json!([]),
            json!({"minutes": "x".repeat(70_000)}),
        ] {
            for place in ["", GROUP, PROJECT, WORKSPACE] {
                assert!((400..423).contains(&say(&admin, place, &body).await.status), "{place}");
            }
        }
        admin.wish("w", "terminate").await.expect::<Value>(200);
        assert_eq!(say(&admin, WORKSPACE, &json!({"minutes": 60})).await.status, 409);
        assert_eq!(in_force(&admin).await, None, "what is gone is not stopped");
    })
    .await;
}

#[tokio::test]
async fn a_rule_of_each_level_stops_what_is_idle_and_a_change_is_in_force_with_the_next_look() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let begin = tree(&admin).await.created_at;
        admin.create_workspace("of-no-project").await;
        let mut at = begin;
        for (place, after) in [("", 200), (GROUP, 100), (PROJECT, 50), (WORKSPACE, 20)] {
            // It was looked at, and nothing is due for long.
            heard(app, at + minutes(1)).await;
            pass(app, at + minutes(1)).await;
            say(&admin, place, &json!({"minutes": after})).await.expect::<Value>(200);
            heard(app, at + minutes(after)).await;
            pass(app, at + minutes(after)).await;
            assert_eq!(admin.workspace("w").await.desired_state, DesiredState::Running, "{place}");
            heard(app, at + minutes(after + 3)).await;
            pass(app, at + minutes(after + 3)).await;
            assert_eq!(admin.workspace("w").await.desired_state, DesiredState::Stopped, "{place}");
            let why: Why = admin.get(&admin.path("/workspaces/w/why")).await.expect(200);
            let told = format!("nothing happened in it for {after} minutes, as ");
            assert!(why.cause.contains(&told), "{}", why.cause);
            admin.wish("w", "start").await.expect::<Value>(200);
            at += minutes(after + 3);
            app.execute(&format!("UPDATE workspaces SET desired_state_changed_at = '{at}', actual_state_changed_at = '{at}' WHERE name = 'w'")).await;
        }
        // Nobody else's rule holds for what is of no project.
        assert_eq!(admin.workspace("of-no-project").await.desired_state, DesiredState::Stopped, "by the organisation's");
    })
    .await;
}

#[tokio::test]
async fn what_shall_never_be_stopped_is_not_and_what_is_moved_goes_by_the_rules_of_where_it_is() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let begin = tree(&admin).await.created_at;
        say(&admin, "", &json!({"minutes": 30})).await.expect::<Value>(200);
        say(&admin, PROJECT, &json!({"minutes": "never"})).await.expect::<Value>(200);
        heard(app, begin + minutes(300)).await;
        assert_eq!(pass(app, begin + minutes(300)).await.idle, 0);
        assert_eq!(admin.workspace("w").await.idle_stop, None);
        // Below another group its own rule still holds, and that group's maximum.
        admin.post(&admin.path("/groups"), &json!({"name": "strict"})).await.expect::<Value>(201);
        say(&admin, "/groups/strict", &json!({"max_minutes": 60})).await.expect::<Value>(200);
        let moved =
            send(admin.request(Method::PATCH, &admin.path(GROUP)).json(&json!({"path": "strict/platform"})))
                .await;
        moved.expect::<Value>(200);
        let told = in_force(&admin).await.expect("a rule");
        assert!(told.starts_with("60 minutes, by group 'strict'"), "{told}");
        assert_eq!(pass(app, begin + minutes(301)).await.idle, 1, "it is looked at again at once");
    })
    .await;
}

#[tokio::test]
async fn a_rule_is_on_record_with_what_was_said_before_and_what_changes_nothing_is_not() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        tree(&admin).await;
        let before = records(&admin).await.len();
        for _ in 0..2 {
            say(&admin, "", &json!({"minutes": 60})).await.expect::<Value>(200);
        }
        say(&admin, "", &json!({"minutes": 60, "max_minutes": 90})).await.expect::<Value>(200);
        for _ in 0..2 {
            say(&admin, WORKSPACE, &json!({"minutes": 15})).await.expect::<Value>(200);
        }
        say(&admin, WORKSPACE, &json!({})).await.expect::<Value>(200);
        let told = since(&admin, before).await;
        let told: Vec<_> =
            told.iter().map(|record| (record.action.as_str(), record.details.clone())).collect();
        let rule = |stop_after: Option<u32>, max_minutes| IdleRule {
            stop_after: stop_after.map(IdleAfter::Minutes),
            max_minutes,
        };
        let set = |before, rule| Details::IdleRuleSet { before, rule };
        assert_eq!(
            told,
            [
                ("idle-rule.set", set(rule(None, None), rule(Some(60), None))),
                ("idle-rule.set", set(rule(Some(60), None), rule(Some(60), Some(90)))),
                ("workspace.set-idle-rule", set(rule(None, None), rule(Some(15), None))),
                ("workspace.set-idle-rule", set(rule(Some(15), None), rule(None, None))),
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn whoever_makes_a_workspace_says_with_it_how_long_and_developers_set_nobody_elses() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        tree(&admin).await;
        say(&admin, "", &json!({"minutes": 30})).await.expect::<Value>(200);
        let ada = join(&admin, Role::Developer).await;
        let body = json!({"name": "hers", "image": "a", "agent": "cluster", "idle_after": 240});
        let made: Workspace = ada.create(&body).await.expect(201);
        let IdleInForce { said: own, .. } = made.idle_rule.expect("a rule");
        assert_eq!((own.stop_after, own.by), (IdleAfter::Minutes(240), IdleBy::Workspace));
        say(&ada, "/workspaces/hers", &json!({"minutes": 60})).await.expect::<Value>(200);
        // What she may read and not set, and what is not there for her.
        assert!(said(&ada, PROJECT).await.in_force.is_some());
        for place in ["", GROUP, PROJECT] {
            assert_eq!(say(&ada, place, &json!({"minutes": 60})).await.status, 403, "{place}");
        }
        assert_eq!(say(&ada, WORKSPACE, &json!({"minutes": 60})).await.status, 404);
        let unknown = format!("/groups/{}", GroupId::random());
        assert_eq!(say(&admin, &unknown, &json!({"minutes": 60})).await.status, 404);
    })
    .await;
}
