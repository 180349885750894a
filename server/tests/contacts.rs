//! A workspace's state is known for as long as its agent is heard of, by any server.

use std::time::Duration;

use berth_schema::AgentId;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{App, Requests as _};

#[tokio::test]
async fn what_a_silent_agent_said_last_is_marked_until_any_server_hears_of_it() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent: AgentId = admin.create_agent("cluster").await.id;
        admin.create(&json!({"image": "debian:13", "name": "reef"})).await.expect::<Value>(201);
        let silent_since = async || {
            let one = admin.get(&admin.path("/workspaces/reef")).await.expect::<Value>(200);
            let all = admin.get(&admin.path("/workspaces")).await.expect::<Value>(200);
            assert_eq!(all["items"][0]["agent_silent_since"], one["agent_silent_since"]);
            one["agent_silent_since"].as_str().map(|at| at.parse::<Timestamp>().expect("a time"))
        };
        assert_eq!(silent_since().await, None, "it was not to be heard of yet");
        let then = Timestamp::now() - SignedDuration::from_mins(10);
        app.context.contacts.heard(agent, then);
        assert_eq!(silent_since().await.map(Timestamp::as_second), Some(then.as_second()));

        let other = app.replica().await;
        let now = Timestamp::now();
        other.context.contacts.heard(agent, now);
        berth_server::tell_of_contacts(&other.run_at(now), &app.database_url).await.expect("told");
        while silent_since().await.is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        other.stop().await;
    })
    .await;
}
