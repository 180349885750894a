//! The server's background tasks, as its operator sees them.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::App;

async fn status(address: &str) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_berth-server"))
        .args(["status", "--address", address])
        .stdin(Stdio::null())
        .output()
        .await
        .expect("it runs");
    (output.status.success(), String::from_utf8(output.stdout).expect("text"))
}

#[tokio::test]
async fn every_task_is_listed_with_its_runs() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        admin.create_agent("cluster").await;
        admin.create(&json!({"image": "debian:13"})).await.expect::<Value>(201);
        let address = app.metrics_address();
        let runs = async || {
            let url = format!("http://{address}/tasks");
            let tasks: Value = reqwest::get(url).await.expect("an answer").json().await.expect("tasks");
            tasks["listener"]["runs"].as_u64().expect("the listener is a task")
        };
        while runs().await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let (fine, table) = status(&address.to_string()).await;
        assert!(fine, "{table}");
        let names: Vec<_> = table.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(names, ["TASK", "denials", "lifecycle", "listener", "signing-keys", "token-uses"]);
        let metrics = reqwest::get(format!("http://{address}/metrics")).await.expect("an answer");
        let metrics = metrics.text().await.expect("text");
        for name in ["denials", "lifecycle", "token-uses"] {
            let period = format!("berth_task_period_seconds{{task=\"{name}\"}} 60.0");
            assert!(metrics.contains(&period), "{metrics}");
        }
    })
    .await;
}

#[tokio::test]
async fn where_no_server_is_the_command_says_so() {
    let (fine, table) = status("127.0.0.1:1").await;
    assert!(!fine && table.is_empty());
}
