//! Another generation of the key-encryption key while agents ask: nobody notices.

use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use berth_schema::ActualState;
use berth_schema::api::Workspace;
use berth_server::crypto::{KeyRing, Keys};
use berth_server::services::rewrap::{Progress, rewrap};
use ring::rand::SystemRandom;
use serde_json::{Value, json};

use crate::support::App;

pub(crate) fn line(id: &str, byte: u8) -> String {
    format!("{id} {}\n", base64::engine::general_purpose::STANDARD.encode([byte; 32]))
}

pub(crate) async fn rewrap_all(app: &App, keys: &KeyRing) -> Progress {
    let organizations = berth_db::every_organization(&app.database_url).await.expect("a list");
    rewrap(&app.at_the_machine(), keys, &SystemRandom::new(), &organizations, |_| ()).await.expect("done")
}

#[tokio::test]
async fn keys_rotate_under_load_without_a_failed_reconcile() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("kek");
    berth_secret_file::replace(&file, line("k1", 1).as_bytes()).expect("a file");
    let keys = Keys::of_file(file.clone(), KeyRing::read(&file).expect("keys"));
    App::run_with_keys(keys, async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let variables: Vec<_> =
            (0..5).map(|n| json!({"name": format!("V{n}"), "value": format!("value {n}")})).collect();
        admin.request_variable(&json!({"name": "SHARED", "value": "of all"})).await.expect::<Value>(200);
        for number in 0..250 {
            let body = json!({"name": format!("w-{number}"), "image": "a", "variables": variables});
            admin.create(&body).await.expect::<Workspace>(201);
        }
        let done = AtomicBool::new(false);
        let load = async {
            let (mut rounds, mut sequence) = (0, 0);
            while !done.load(Ordering::Relaxed) || rounds < 5 {
                sequence += 1;
                let response = agent.partial(sequence, vec![]).await;
                for directive in &response.workspaces {
                    assert_ne!(directive.actual_state, ActualState::Error, "{}", directive.name);
                }
                let bundle = agent.variables(&response, "w-7").expect("it opens");
                assert_eq!(bundle.environment["V3"].expose(), b"value 3");
                rounds += 1;
            }
            rounds
        };
        let rotation = async {
            for (id, byte) in [("k2", 2), ("k3", 3)] {
                let text = std::fs::read_to_string(&file).expect("a file") + &line(id, byte);
                berth_secret_file::replace(&file, text.as_bytes()).expect("a file");
                assert!(app.context.keys.reload().expect("readable"));
                let progress = rewrap_all(app, &app.context.keys.current()).await;
                assert_eq!((progress.rewrapped, progress.failed), (251, 0));
                assert_eq!(progress.in_use, [(id.to_owned(), 251)].into());
            }
            done.store(true, Ordering::Relaxed);
        };
        let (rounds, ()) = tokio::join!(load, rotation);
        assert!(rounds >= 5, "{rounds}");

        // The old generations are reported unused, and can go.
        let keys = app.context.keys.current();
        let progress = rewrap_all(app, &keys).await;
        assert_eq!(progress.rewrapped, 0);
        assert_eq!(progress.unused(&keys).collect::<Vec<_>>(), ["k1", "k2"]);
        std::fs::write(&file, line("k3", 3)).expect("a file");
        assert!(app.context.keys.reload().expect("readable"));
        let response = agent.partial(100_000, vec![]).await;
        assert!(agent.variables(&response, "w-249").is_some());
        admin.create(&json!({"image": "a"})).await.expect::<Workspace>(201);
    })
    .await;
}

#[tokio::test]
async fn a_job_that_was_stopped_goes_on_where_it_was_and_one_bad_key_stops_nothing() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        for number in 0..120 {
            let body = json!({"name": format!("w-{number}"), "image": "a", "variables": [{"name": "A", "value": "x"}]});
            admin.create(&body).await.expect::<Workspace>(201);
        }
        let client = crate::support::postgres::client(&app.database_url).await;
        let statement = "UPDATE workspace_data_keys SET commitment = decode(repeat('00', 32), 'hex')
            WHERE workspace_id = (SELECT id FROM workspaces WHERE name = 'w-3')";
        client.execute(statement, &[]).await.expect("the owner may do anything");
        let keys: KeyRing = (line("test", 1) + &line("k2", 2)).parse().expect("keys");
        let organizations = berth_db::every_organization(&app.database_url).await.expect("a list");
        // Given up after its first batch.
        let random = SystemRandom::new();
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let run = app.at_the_machine();
        tokio::select! {
            _ = rewrap(&run, &keys, &random, &organizations, |_| { let _ = tell.send(()); }) => panic!("too fast"),
            _ = told.recv() => {}
        }
        let half = app.count("SELECT count(*) FROM workspace_data_keys WHERE kek_id = 'k2'").await;
        assert!((90..=100).contains(&half), "{half}");
        let progress = rewrap_all(app, &keys).await;
        assert_eq!(progress.failed, 1);
        assert_eq!(progress.in_use, [("k2".to_owned(), 119), ("test".to_owned(), 1)].into());
        assert_eq!(progress.unused(&keys).count(), 0, "the old one is still needed");
    })
    .await;
}
