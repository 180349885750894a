//! What a workspace writes, before an API server's answers (decision 0083).

use std::time::Duration;

use berth_proxy_core::READERS_OF_ONE;
use berth_schema::logs::{LOGS, LOGS_PATH};
use wiremock::matchers::query_param;

use super::*;

const LOG: &str = "/api/v1/namespaces/NAMESPACE/pods/a-7f/log";

impl World {
    /// The workspace has a pod from now on.
    fn runs(&self) -> String {
        let workspace = self.workspace();
        let namespace = own_namespace(&WorkspaceName::new("a").expect("a name"), workspace);
        let slice = json!({
            "metadata": {"name": "a-x", "namespace": namespace, "labels": {
                AGENT_ID: self.shared.identity.agent, WORKSPACE_ID: workspace, WORKSPACE_NAME: "a",
                "kubernetes.io/service-name": "a",
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            }},
            "addressType": "IPv4",
            "endpoints": [{
                "addresses": ["10.0.0.7"], "conditions": {"ready": false},
                "targetRef": {"kind": "Pod", "name": "a-7f", "namespace": namespace},
            }],
            "ports": [{"port": 8080}],
        });
        let slice = serde_json::from_value(slice).expect("a slice");
        self.shared.directory().slice(Change::Written(&slice)).expect("believed");
        LOG.replace("NAMESPACE", &namespace)
    }

    /// What the server answers about logs, whoever asks.
    async fn says(&self, answer: &serde_json::Value) {
        self.server.reset().await;
        let logs = Mock::given(method("POST")).and(path("/api/v1/proxy/logs"));
        logs.respond_with(ResponseTemplate::new(200).set_body_json(answer)).mount(&self.server).await;
    }

    /// What the API server has of a container.
    async fn has(&self, log: &str, container: &str, answer: ResponseTemplate) {
        let asked = Mock::given(method("GET")).and(path(log)).and(query_param("container", container));
        asked.respond_with(answer).mount(&self.cluster).await;
    }

    async fn reads(&self, query: &str) -> String {
        self.get(&format!("{LOGS_PATH}{query}"), &format!("berth-token: {}\r\n", token(self))).await
    }
}

fn allowed(candidates: &[&str]) -> serde_json::Value {
    let until = Shared::now() + SignedDuration::from_hours(1);
    json!({
        "decision": "allowed", "until": until, "grant": "d.e.f", "grant_until": until,
        "containers": [{"name": "berth-tools", "init": true}, {"name": "main"}], "candidates": candidates,
    })
}

fn waits() -> ResponseTemplate {
    let message = "container \"main\" in pod \"a-7f\" is waiting to start: PodInitializing";
    ResponseTemplate::new(400).set_body_json(json!({
        "kind": "Status", "status": "Failure", "message": message, "reason": "BadRequest", "code": 400,
    }))
}

#[tokio::test]
async fn a_program_reads_the_first_container_that_has_written_and_is_told_whose_it_is() {
    let world = World::new().await;
    let log = world.runs();
    world.says(&allowed(&["main", "berth-tools"])).await;
    world.has(&log, "main", waits()).await;
    world.has(&log, "berth-tools", ResponseTemplate::new(200).set_body_string("copied\x1b[0m\n")).await;
    let answer = world.reads("?tail=5&since=60&timestamps=true").await;
    assert!(status(&answer) == "200" && answer.contains("copied\x1b[0m\n"), "{answer}");
    assert!(answer.contains("berth-container: berth-tools") && !answer.contains("set-cookie"), "{answer}");
    let asked = world.cluster.received_requests().await.expect("recorded").pop().expect("asked");
    let query = asked.url.query().expect("a query");
    for part in ["container=berth-tools", "tailLines=5", "sinceSeconds=60", "timestamps=true", "limitBytes="]
    {
        assert!(query.contains(part), "{query}");
    }
    assert!(!query.contains("follow") && !query.contains("previous"), "{query}");
    let told = world.server.received_requests().await.expect("recorded").pop().expect("asked");
    assert_eq!(told.headers["berth-grant"], token(&world).as_str());
    let body: serde_json::Value = serde_json::from_slice(&told.body).expect("JSON");
    assert_eq!(body, json!({"workspace": world.workspace(), "name": "a"}));
    // Each reading is asked about: nothing that is known lets anybody read.
    world.says(&json!({"decision": "denied", "why": "policy"})).await;
    assert_eq!(status(&world.reads("").await), "401");
}

#[tokio::test]
async fn whoever_may_is_told_why_there_is_nothing_and_nobody_else_is() {
    let world = World::new().await;
    world.says(&allowed(&["main"])).await;
    let answer = world.reads("").await;
    assert!(status(&answer) == "409" && answer.contains("does not run"), "{answer}");
    let log = world.runs();
    for (code, expected, words) in
        [(403, "503", "berth-proxy-logs"), (404, "409", "does not run"), (500, "502", "no answer")]
    {
        world.cluster.reset().await;
        let refusal = json!({"kind": "Status", "status": "Failure", "message": "secrets", "code": code});
        world.has(&log, "main", ResponseTemplate::new(code).set_body_json(refusal)).await;
        let answer = world.reads("").await;
        assert!(status(&answer) == expected && answer.contains(words), "{answer}");
        assert!(!answer.contains("secrets"), "{answer}");
    }
    world.cluster.reset().await;
    world.has(&log, "main", waits()).await;
    let answer = world.reads("").await;
    assert!(status(&answer) == "409" && answer.contains("PodInitializing"), "{answer}");
    world.says(&allowed(&[])).await;
    let answer = world.reads("?container=other").await;
    assert!(status(&answer) == "400" && answer.contains("main; before those start: berth-tools"), "{answer}");
    assert_eq!(status(&world.reads("?tail=x").await), "400");
    // Who has no good token makes nobody ask.
    world.says(&allowed(&["main"])).await;
    for wrong in ["berth-token: a.b.c\r\n", ""] {
        assert_eq!(status(&world.get(LOGS_PATH, wrong).await), if wrong.is_empty() { "404" } else { "401" });
    }
    let posted = format!(
        "POST {LOGS_PATH} HTTP/1.1\r\nhost: {HOST_NAME}\r\nconnection: close\r\ncontent-length: 0\r\nberth-token: {}\r\n\r\n",
        token(&world)
    );
    assert_eq!(status(&world.say(&posted).await), "404");
    assert!(world.server.received_requests().await.expect("recorded").is_empty(), "the server was asked");
}

#[tokio::test]
async fn what_is_followed_is_cut_by_the_first_no() {
    let world = World::new().await;
    let log = world.runs();
    world.says(&allowed(&["main"])).await;
    // It has a line, and then the cluster says nothing for long.
    let probe = Mock::given(method("GET")).and(path(&log)).and(query_param("tailLines", "0"));
    probe.respond_with(ResponseTemplate::new(200)).mount(&world.cluster).await;
    let quiet = ResponseTemplate::new(200).set_delay(Duration::from_secs(600));
    let follows = Mock::given(method("GET")).and(path(&log)).and(query_param("follow", "true"));
    follows.respond_with(quiet).mount(&world.cluster).await;
    let reading = world.reads("?follow=true");
    let cutting = async {
        while world.shared.streams.count() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let (question, ..) = world.shared.streams.questions().pop().expect("open");
        assert_eq!(question.port, LOGS);
        // The answer has begun, although nothing was written yet.
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(world.shared.streams.cut(&question), 1);
    };
    let (answer, ()) = tokio::join!(reading, cutting);
    assert_eq!(status(&answer), "200");
    assert!(!answer.ends_with("0\r\n\r\n"), "it looks whole: {answer:?}");
    assert!(world.shared.streams.questions().is_empty());
}

#[tokio::test]
async fn so_many_read_at_once_and_no_more() {
    let world = World::new().await;
    let log = world.runs();
    world.says(&allowed(&["main"])).await;
    world.has(&log, "main", ResponseTemplate::new(200).set_body_string("one\n")).await;
    let room = |_| world.shared.readers.enter(world.workspace());
    let readers: Vec<_> = (0..READERS_OF_ONE).map(room).collect();
    assert_eq!(status(&world.reads("").await), "429");
    assert!(world.server.received_requests().await.expect("recorded").is_empty(), "nothing is on record");
    drop(readers);
    for _ in 0..3 * READERS_OF_ONE {
        assert_eq!(status(&world.reads("").await), "200", "whoever has read to the end is not counted");
    }
}

#[tokio::test]
async fn a_browser_is_shown_the_end_as_a_page_that_no_script_reads() {
    let world = World::new().await;
    let log = world.runs();
    world.says(&allowed(&["main"])).await;
    world.has(&log, "main", ResponseTemplate::new(200).set_body_string("<b>one</b>\x1b[31m\n")).await;
    let cookie = world.cookie();
    let get = async |query: &str, headers: &str| world.get(&format!("{LOGS_PATH}{query}"), headers).await;
    let page = get("", &format!("{cookie}{PAGE}")).await;
    assert_eq!(status(&page), "200", "{page}");
    assert!(page.contains("&#60;b&#62;one&#60;/b&#62;[31m") && !page.contains("<b>"), "{page}");
    assert!(page.contains("; sandbox\r\n") && page.contains("default-src 'none'"), "{page}");
    assert!(page.contains("<strong aria-current=\"page\">main</strong>"), "{page}");
    assert!(page.contains("/.berth/logs?container=berth-tools\""), "{page}");
    let asked = world.cluster.received_requests().await.expect("recorded").pop().expect("asked");
    assert!(asked.url.query().is_some_and(|query| query.contains("tailLines=500")), "{}", asked.url);
    // What is fetched, framed or asked for by another site gets nothing.
    for headers in [
        "sec-fetch-mode: cors\r\nsec-fetch-dest: empty\r\nsec-fetch-site: same-origin\r\n",
        "sec-fetch-mode: no-cors\r\nsec-fetch-dest: script\r\nsec-fetch-site: same-origin\r\n",
        "sec-fetch-mode: navigate\r\nsec-fetch-dest: iframe\r\nsec-fetch-site: same-origin\r\n",
        "",
    ] {
        assert_eq!(status(&get("", &format!("{cookie}{headers}")).await), "404", "{headers}");
    }
    // Whoever is not signed in there is led there, and back to the logs.
    let led = get("?container=main", PAGE).await;
    assert!(status(&led) == "303" && led.contains("/oauth/authorize?"), "{led}");
    world.says(&json!({"decision": "denied", "why": "workspace"})).await;
    assert_eq!(status(&get("", &format!("{cookie}{PAGE}")).await), "404", "a visitor of a shared port");
    world.says(&json!({"decision": "denied", "why": "session"})).await;
    assert_eq!(status(&get("", &format!("{cookie}{PAGE}")).await), "303");
    // Of one that does not run the page says so.
    world.says(&allowed(&["main"])).await;
    world.cluster.reset().await;
    world.has(&log, "main", waits()).await;
    let page = get("", &format!("{cookie}{PAGE}")).await;
    assert!(status(&page) == "409" && page.contains("PodInitializing") && page.contains("Reload"), "{page}");
}
