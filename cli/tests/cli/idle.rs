use serde_json::{Value, json};
use wiremock::MockServer;

use crate::support::{Berth, answer, bodies, ok, problem, workspace};

fn view(rule: &Value, in_force: Option<&Value>) -> Value {
    let mut view = json!({"rule": rule});
    if let Some(in_force) = in_force {
        view["in_force"] = in_force.clone();
    }
    view
}

#[tokio::test]
async fn a_rule_is_set_where_it_is_said_and_what_holds_is_told() {
    let server = MockServer::start().await;
    let in_force =
        json!({"minutes": 60, "by": {"project": "web"}, "max": {"minutes": 480, "by": "organization"}});
    let rule = json!({"minutes": 60});
    let places = [
        (vec![], "/idle"),
        (vec!["--group", "platform/payments"], "/groups/platform%2Fpayments/idle"),
        (vec!["--project", "web"], "/projects/web/idle"),
    ];
    for (args, path) in &places {
        answer(&server, "PUT", path, ok(view(&rule, Some(&in_force)))).await;
        let words = [vec!["idle", "set", "--after", "1h"], args.clone()].concat();
        let ran = Berth::with(&server).run(&words).ok().prints("60 minutes\n");
        ran.says("In force there within a minute: 60 minutes, by project 'web'.");
    }
    assert_eq!(bodies(&server).await, vec![rule; 3]);
    answer(&server, "GET", "/projects/web/idle", ok(view(&json!({}), Some(&in_force)))).await;
    let shown = Berth::with(&server).run(&["idle", "get", "--project", "web"]).ok().stdout;
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(
        lines,
        [
            "Stopped after\tnothing is said here",
            "At most\tnothing is said here",
            "In force\t60 minutes, by project 'web'",
            "Maximum\t480 minutes, by the organization",
        ]
    );
}

#[tokio::test]
async fn a_workspace_says_its_own_and_takes_it_back() {
    let server = MockServer::start().await;
    let mut one = workspace("Running", "Running", 3, 3);
    one["idle_rule"] = json!({
        "minutes": 120, "by": "organization", "in_place_of": {"minutes": "never", "by": "workspace"},
        "max": {"minutes": 120, "by": "organization"},
    });
    answer(&server, "PUT", "/workspaces/reef/idle", ok(one.clone())).await;
    answer(&server, "GET", "/workspaces/reef", ok(one)).await;
    let berth = Berth::with(&server);
    let cut = "120 minutes, by the organization, which is the most; the workspace's own rule would be never";
    let ran = berth.run(&["idle", "set", "--workspace", "reef", "--after", "never"]).ok().prints("reef\n");
    ran.says(&format!("In force there within a minute: {cut}."));
    berth.run(&["idle", "delete", "--workspace", "reef"]).ok();
    assert_eq!(bodies(&server).await, [json!({"minutes": "never"}), json!({})]);
    let shown = berth.run(&["get", "reef"]).ok().stdout;
    assert!(shown.lines().any(|line| line == format!("Idle rule\t{cut}")), "{shown}");
}

#[tokio::test]
async fn what_is_wrong_is_told_before_anything_is_sent_and_what_is_refused_says_whose_maximum_it_is() {
    let server = MockServer::start().await;
    let berth = Berth::with(&server);
    for wrong in [
        vec!["idle", "set"],
        vec!["idle", "set", "--after", "30"],
        vec!["idle", "set", "--after", "soon"],
        vec!["idle", "set", "--at-most", "never"],
        vec!["idle", "set", "--after", "1h", "--group", "a", "--project", "b"],
        vec!["idle", "set", "--after", "1h", "--workspace", "reef", "--project", "b"],
        vec!["idle", "set", "--workspace", "reef", "--at-most", "1h"],
        vec!["create", "--image", "a", "--idle-after", "30"],
    ] {
        berth.run(&wrong).exits(2);
    }
    assert!(server.received_requests().await.expect("recorded").is_empty());
    let detail = "minutes: must be at most 60 minutes: group 'platform' sets that maximum";
    answer(&server, "PUT", "/projects/web/idle", problem(422, detail, &json!([]))).await;
    berth.run(&["idle", "set", "--project", "web", "--after", "never"]).exits(1).says(detail);
}
