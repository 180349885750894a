//! What agents and the server itself change is on record as theirs.

use berth_schema::audit::{Details, Who};
use berth_schema::git::GitAsk;
use berth_schema::reconcile::ReconcileResponse;
use serde_json::{Value, json};

use super::{CANARY, records, since};
use crate::support::cluster::settled;
use crate::support::{App, Requests, message};

#[tokio::test]
async fn an_agents_round_is_on_record_for_what_it_changes_and_is_given() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let set = admin.path("/git-credentials/git.a");
        admin.put(&set, &json!({"token": CANARY})).await.expect::<Value>(200);
        let variables = json!([{"name": "A", "value": CANARY}]);
        let body = json!({"name": "w", "image": "a", "variables": variables});
        admin.create(&body).await.expect::<Value>(201);

        let before = records(&admin).await.len();
        let mut request = message(1, vec![]);
        request.git = Some(GitAsk { version: 0, wanted: vec![] });
        let directives = agent.send(&request).await.expect::<ReconcileResponse>(200);
        let given = since(&admin, before).await;
        let words: Vec<&str> = given.iter().map(|record| record.action.as_str()).collect();
        assert_eq!(words, ["agent.take-epoch", "workspace.hand-out-variables", "git-credential.issue"]);
        assert!(given.iter().all(|record| record.who == Who::Agent { agent: agent.id }));
        assert!(matches!(given[0].details, Details::EpochTaken { before: 0, epoch: 1, suspicion: None }));
        assert!(matches!(given[1].details, Details::VariablesHandedOut { count: 1, .. }));

        // Reports of state are none of it, a restart's end is.
        let before = records(&admin).await.len();
        let directive = &directives.workspaces[0];
        agent.partial(2, vec![settled(directive, "1")]).await;
        agent.partial(3, vec![settled(directive, "2")]).await;
        assert_eq!(since(&admin, before).await, []);
        admin.wish("w", "restart").await.expect::<Value>(200);
        let before = records(&admin).await.len();
        let down = agent.partial(4, vec![]).await.workspaces.remove(0);
        agent.partial(5, vec![settled(&down, "3")]).await;
        let settled = since(&admin, before).await;
        assert_eq!(settled[0].action.as_str(), "workspace.settle", "{settled:?}");
        let all = format!("{:?}", records(&admin).await);
        assert!(!all.contains(CANARY) && !all.contains(&agent.token), "a secret is on record");
    })
    .await;
}

#[tokio::test]
async fn the_servers_own_changes_are_on_record_with_whose_they_are() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        let created = admin.create_workspace("w").await;
        let first = &records(&admin).await[0];
        assert_eq!(first.action.as_str(), "organization.create");
        assert_eq!(first.who, Who::Command { name: "test".to_owned() });

        let before = records(&admin).await.len();
        let later = created.created_at + jiff::SignedDuration::from_hours(36);
        let mut queue = berth_server::lifecycle::queue(&app.database_url).expect("a URL");
        berth_server::lifecycle::pass(&app.run_at(later), &mut queue).await.expect("a pass");
        let acted = since(&admin, before).await;
        let [record] = acted.as_slice() else { panic!("{acted:?}") };
        assert_eq!(record.action.as_str(), "workspace.end-period");
        assert_eq!(record.who, Who::Task { name: "test".to_owned() });
        assert_eq!(record.resource.id(), Some(created.id.to_string().as_str()));
    })
    .await;
}
