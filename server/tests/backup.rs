//! A backup of a running server, and the server on what was restored.

use std::sync::atomic::{AtomicU32, Ordering};

use berth_db::backup;
use berth_schema::api::{Orphans, Paged, Workspace};
use berth_schema::reconcile::{OrphanVerdict, ReconcileRequest, ReconcileResponse, UpdateType};
use berth_server::config::Cli;
use clap::Parser as _;
use serde_json::{Value, json};

use crate::support::{App, Requests, cluster, message, postgres};

#[tokio::test]
async fn a_restored_database_serves_the_same_tokens_and_agents_and_nothing_is_there_twice() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        for number in 0..5 {
            let variables = json!([{"name": "A", "value": format!("value {number}")}]);
            admin
                .create(&json!({"name": format!("before-{number}"), "image": "a", "variables": variables}))
                .await
                .expect::<Workspace>(201);
        }
        let response = agent.partial(1, vec![]).await;
        let reports: Vec<_> =
            response.workspaces.iter().map(|directive| cluster::settled(directive, "1")).collect();
        agent.partial(2, reports.clone()).await;
        admin.wish("before-1", "stop").await.expect::<Value>(200);

        // While people write.
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("berth.backup");
        let (written, done) = (AtomicU32::new(0), AtomicU32::new(0));
        let writes = async {
            // One page holds them all.
            while done.load(Ordering::Relaxed) == 0 && written.load(Ordering::Relaxed) < 80 {
                let number = written.fetch_add(1, Ordering::Relaxed);
                admin
                    .create(&json!({"name": format!("during-{number}"), "image": "a"}))
                    .await
                    .expect::<Workspace>(201);
            }
        };
        let saving = async {
            let saved = backup::back_up(&app.database_url, &file).await.expect("saved");
            done.store(1, Ordering::Relaxed);
            saved
        };
        let ((), saved) = tokio::join!(writes, saving);
        let late = admin.create_workspace("late").await;
        let mut everything = reports;
        let response = agent.partial(3, vec![]).await;
        let late_directive = response
            .workspaces
            .iter()
            .find(|directive| directive.workspace_id == late.id)
            .expect("a directive");
        everything.push(cluster::settled(late_directive, "1"));

        let copy = postgres::empty_database().await;
        assert_eq!(backup::restore(&copy, &file).await.expect("restored"), saved);
        let arguments = ["berth-server", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
        let restored = App::start(copy, &Cli::parse_from(arguments).serve.http).await;
        {
            let admin = restored.admin(&admin);
            let listed: Paged<Workspace> = admin.get(&admin.path("/workspaces?limit=100")).await.expect(200);
            assert_eq!(listed.items.len() as u64, saved["workspaces"]);
            assert!(listed.items.iter().all(|workspace| workspace.name.as_str() != "late"));

            // The agent goes on with its own token and a full report: it is ahead of what the backup heard of it.
            let agent = restored.agent(&agent);
            let full = ReconcileRequest { update_type: UpdateType::Full, ..message(4, everything) };
            let response: ReconcileResponse = agent.send(&full).await.expect(200);
            let orphan =
                response.orphans.iter().find(|orphan| orphan.workspace_id == late.id).expect("an orphan");
            assert_eq!(orphan.verdict, OrphanVerdict::Keep, "what is younger than the backup is kept");
            let orphans: Orphans = admin.get(&admin.path("/agents/cluster/orphans")).await.expect(200);
            assert_eq!(orphans.items.len(), 1);
            // What was asked for before the backup and not done yet is asked for again, with the values of before.
            let response = agent.partial(5, vec![]).await;
            let ids: Vec<_> = response.workspaces.iter().map(|directive| directive.workspace_id).collect();
            let mut unique = ids.clone();
            unique.sort_unstable();
            unique.dedup();
            assert_eq!(ids.len(), unique.len(), "nothing is told twice");
            let again: Paged<Workspace> = admin.get(&admin.path("/workspaces?limit=100")).await.expect(200);
            assert_eq!(again.items.len(), listed.items.len());
            admin.wish("before-2", "restart").await.expect::<Value>(200);
            admin.create(&json!({"name": "after", "image": "a"})).await.expect::<Workspace>(201);
        }
        restored.stop().await;
    })
    .await;
}
