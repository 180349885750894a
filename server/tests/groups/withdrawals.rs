//! An allowance that is taken back at the very moment that it is used, and workspaces that come to an agent in another way.

use std::collections::BTreeMap;

use berth_schema::Action;
use berth_schema::agents::WorkspacesAdopted;
use berth_schema::api::{Agent as Shown, AgentDisallowed, Workspace};
use berth_schema::audit::{Details, Outcome, Record, What};
use serde_json::{Value, json};

use super::agents::{allow, disallow, made};
use super::{group, project};
use crate::adoption::tell;
use crate::audit::records;
use crate::support::{App, Requests};

/// At least so many, and then until something was refused that had been allowed when it was sent.
const ROUNDS: usize = 8;
const MOST_ROUNDS: usize = 40;

#[tokio::test]
async fn nothing_is_made_or_started_behind_the_record_that_took_its_agent() {
    App::run(async |app| {
        let replica = app.replica().await;
        let owner = app.organization("acme").await;
        let there = replica.admin(&owner);
        owner.create_agent("some").await;
        group(&owner, "data").await;
        project(&owner, "data/lake").await;
        let data = json!({"group": "data"});
        allow(&owner, "some", data.clone()).await.expect::<Shown>(200);
        disallow(&owner, "some", json!({"organization": true})).await.expect::<AgentDisallowed>(200);
        made(&owner, "sleeper", "data/lake", Some("some")).await.expect::<Workspace>(201);
        let mut outcomes: BTreeMap<u16, usize> = BTreeMap::new();
        for round in 0..MOST_ROUNDS {
            if round >= ROUNDS && [201, 409].iter().all(|status| outcomes.contains_key(status)) {
                break;
            }
            owner.wish("sleeper", "stop").await.expect::<Workspace>(200);
            let take = disallow(&owner, "some", json!({"group": "data", "stop_now": true}));
            let makes = (0..4).map(|n| {
                let (there, name) = (&there, format!("w{round}-{n}"));
                async move { made(there, &name, "data/lake", Some("some")).await }
            });
            let (took, makes, start) =
                tokio::join!(take, futures::future::join_all(makes), there.wish("sleeper", "start"));
            took.expect::<AgentDisallowed>(200);
            for reply in makes.iter().chain([&start]) {
                assert!(matches!(reply.status, 200 | 201 | 409 | 503), "{}: {}", reply.status, reply.text);
                *outcomes.entry(reply.status).or_default() += 1;
            }
            let running =
                "SELECT count(*) FROM workspaces WHERE desired_state IN ('Running', 'RestartRequested')";
            assert_eq!(app.count(running).await, 0, "what was before it was stopped by it");
            allow(&owner, "some", data.clone()).await.expect::<Shown>(200);
        }
        let mut is_taken = false;
        for record in records(&owner).await.iter().filter(|record| record.outcome == Outcome::Done) {
            match record.action {
                What::Action(Action::DisallowAgent) => {
                    is_taken = matches!(record.details, Details::AgentDisallowed { group: Some(_), .. });
                }
                What::Action(Action::AllowAgent) => is_taken = false,
                _ => assert!(!(is_taken && begins(record)), "behind it: {record:#?}"),
            }
        }
        assert!(outcomes.contains_key(&409), "none was refused, so that nothing is shown: {outcomes:?}");
        replica.stop().await;
    })
    .await;
}

fn begins(record: &Record) -> bool {
    [Action::CreateWorkspaceInProject, Action::StartWorkspace].map(What::Action).contains(&record.action)
}

#[tokio::test]
async fn nothing_that_is_to_run_is_adopted_by_an_agent_that_does_not_take_it() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        group(&owner, "data").await;
        project(&owner, "data/lake").await;
        let old = owner.create_agent("old").await;
        tell(&old, Some("c1"), &[]).await;
        made(&owner, "lake", "data/lake", Some("old")).await.expect::<Workspace>(201);
        for name in ["bare", "idle"] {
            owner.create(&json!({"name": name, "image": "a", "agent": "old"})).await.expect::<Workspace>(201);
        }
        owner.wish("idle", "stop").await.expect::<Workspace>(200);
        owner.post(&owner.path("/agents/old/revoke"), &json!({})).await.expect::<Shown>(200);
        let new = owner.create_agent("new").await;
        tell(&new, Some("c1"), &[old.id]).await;
        allow(&owner, "new", json!({"group": "data"})).await.expect::<Shown>(200);
        disallow(&owner, "new", json!({"organization": true})).await.expect::<AgentDisallowed>(200);

        let adopt = async || owner.post(&owner.path("/agents/new/adopt"), &json!({"from": old.id})).await;
        let refused = adopt().await;
        refused.problem(409, "not-adopted");
        assert!(refused.text.contains("not allowed for 1 of the workspaces"), "{}", refused.text);
        assert_eq!(owner.workspace("lake").await.agent.as_str(), "old", "all of them or none");

        allow(&owner, "new", json!({"organization": true})).await.expect::<Shown>(200);
        assert_eq!(adopt().await.expect::<WorkspacesAdopted>(200).workspaces, 3);
        disallow(&owner, "new", json!({"organization": true})).await.expect::<AgentDisallowed>(200);
        owner.wish("idle", "start").await.problem(409, "agent-not-allowed");
        owner.wish("lake", "restart").await.expect::<Value>(200);
    })
    .await;
}
