//! Where somebody waits who came to a host of a workspace that does not run.

use reqwest::Method;
use serde_json::json;

use super::workspaces::press;
use super::{acme, colleague, make};
use crate::sign_in::signed_in;
use crate::support::cluster::settled;
use crate::support::{App, Requests as _, send};

#[tokio::test]
async fn whoever_waits_is_told_why_starts_it_and_is_led_on_when_it_runs() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let agent = admin.create_agent("cluster").await;
        let document = json!({
            "dns_zone": "ws.example", "tools_image": "tools:1", "proxy": {"image": "proxy:1", "public_port": 8443},
        });
        let set = send(admin.request(Method::PUT, &admin.path("/agents/cluster/configuration")).json(&document));
        assert_eq!(set.await.status, 200);
        let mut ada = signed_in(app, "acme", "Ada").await;
        let page = make(&mut ada, "reef").await;
        let wait = format!("{page}/wait?port=60001&to=AbC-_9");
        let onward = "https://60001-reef.ws.example:8443/.berth/onward?to=AbC-_9";

        let waits = ada.get(&wait).await.text;
        assert!(waits.contains("reef does not run yet") && waits.contains("Requested"), "{waits}");
        assert!(waits.contains("<meta http-equiv=\"refresh\" content=\"2\">"), "{waits}");
        assert!(!waits.contains("onward?"), "{waits}");
        let directives = agent.partial(1, vec![]).await.workspaces;
        agent.partial(2, vec![settled(&directives[0], "1")]).await;
        let led = ada.get(&wait).await.text;
        assert!(led.contains(&format!("content=\"1; url={onward}\"")), "{led}");

        assert_eq!(press(&ada, &page, &format!("{page}/stop")).await.status, 303);
        let directives = agent.partial(3, vec![]).await.workspaces;
        agent.partial(4, vec![settled(&directives[0], "2")]).await;
        let stopped = ada.get(&wait).await.text;
        assert!(stopped.contains("reef does not run<") && stopped.contains("id=\"start\""), "{stopped}");
        assert!(!stopped.contains("http-equiv=\"refresh\""), "a person has to act: {stopped}");
        let started = press(&ada, &wait, &format!("{page}/start")).await;
        assert_eq!((started.status, started.header("location")), (303, wait.as_str()), "and waits on");
        assert!(ada.get(&wait).await.text.contains("content=\"2\""));
    })
    .await;
}

#[tokio::test]
async fn nobody_is_led_anywhere_but_to_a_port_of_a_workspace_that_they_may_see() {
    App::run(async |app| {
        let (admin, mut ada) = acme(app).await;
        let page = make(&mut ada, "reef").await;
        assert_eq!(ada.get(&format!("{page}/wait?port=60001")).await.status, 404, "its agent has no proxy");
        let document =
            json!({"dns_zone": "ws.example", "tools_image": "tools:1", "proxy": {"image": "proxy:1"}});
        let set =
            send(admin.request(Method::PUT, &admin.path("/agents/cluster/configuration")).json(&document));
        assert_eq!(set.await.status, 200);
        assert_eq!(ada.get(&format!("{page}/wait?port=60001")).await.status, 200);
        assert_eq!(ada.get(&format!("{page}/wait?port=8080")).await.status, 404, "no port of it");
        for wrong in ["port=60001&to=%22%3E%3Cscript%3E", "port=60001&to=a.b", "port=0", "port=x", "to=A", ""]
        {
            let reply = ada.get(&format!("{page}/wait?{wrong}")).await;
            assert!(
                (400..423).contains(&reply.status) && !reply.text.contains("<script>"),
                "{wrong}: {}",
                reply.text
            );
        }
        let long = format!("{page}/wait?port=60001&to={}", "A".repeat(2_049));
        assert_eq!(ada.get(&long).await.status, 422);
        let bob = colleague(app, "Bob", "auditor").await;
        let seen = bob.get(&format!("{page}/wait?port=60001")).await;
        assert!(!seen.text.contains("id=\"start\""), "{}", seen.text);
    })
    .await;
}
