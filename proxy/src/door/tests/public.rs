//! A port that is open to whoever has its address (decision 0082).

use berth_schema::ports::PublicPort;
use berth_schema::{SubjectId, WorkspaceId};
use serde_json::Value;

use super::*;

impl World {
    pub(super) fn workspace(&self) -> WorkspaceId {
        let address = self.shared.zones.parse(HOST_NAME).expect("an address");
        let Place::Workspace(workspace, _) = self.shared.directory().find(&address) else {
            panic!("nowhere")
        };
        workspace
    }

    /// What the server tells the proxy of.
    fn tells(&self, head: u64, public: bool, concerns: Vec<berth_schema::audit::Concern>) {
        let port = PublicPort { workspace: self.workspace(), port: 8080 };
        let public = if public { vec![port] } else { Vec::new() };
        let changes = berth_schema::connection::Changes { head, concerns, public, over: false };
        let _ = self.shared.decisions().hear(changes);
    }

    async fn asked(&self) -> usize {
        self.server.received_requests().await.expect("recorded").len()
    }
}

fn allowed(sharer: SubjectId, seen: u64) -> Value {
    let until = Shared::now() + SignedDuration::from_hours(1);
    json!({"decision": "allowed", "until": until, "grounds": {"sharer": sharer, "seen": seen}})
}

#[tokio::test]
async fn nobody_has_to_sign_in_where_a_port_is_public_and_what_is_ours_stays_out_of_it() {
    let world = World::new().await;
    let sharer = SubjectId::random();
    world.decides(ResponseTemplate::new(200).set_body_json(allowed(sharer, 1))).await;
    // Until it is told, strangers make nobody ask.
    assert_eq!(status(&world.get("/", PAGE).await), "303");
    assert_eq!((status(&world.get("/", "").await), world.asked().await), ("401", 0));
    world.tells(1, true, vec![]);
    for headers in ["", PAGE, "cookie: a=b\r\n"] {
        let answer = world.get("/", headers).await;
        assert!(status(&answer) == "503" && answer.contains("does not run"), "{answer}");
        assert!(!answer.contains("set-cookie") && !answer.contains("location"), "{answer}");
    }
    assert_eq!(world.asked().await, 1, "one answer is good for all, for a minute");
    let asked = world.server.received_requests().await.expect("recorded").remove(0);
    assert!(!asked.headers.contains_key("berth-grant"), "nobody's session");
    // A hook posts without an origin; another site's page does not.
    let post = |headers: &str| {
        format!(
            "POST / HTTP/1.1\r\nhost: {HOST_NAME}\r\nconnection: close\r\ncontent-length: 0\r\n{headers}\r\n"
        )
    };
    assert_eq!(status(&world.say(&post("")).await), "503");
    assert_eq!(status(&world.say(&post("origin: https://evil.example\r\n")).await), "403");
    assert_eq!(status(&world.say(&post("origin: https://8081-a.ws.example\r\n")).await), "403");
    assert_eq!(status(&world.get("/.berth/ssh", "").await), "404", "sshd is nobody's");
    let other = "GET / HTTP/1.1\r\nhost: 9000-a.ws.example\r\nconnection: close\r\n\r\n";
    assert_ne!(status(&world.say(other).await), "503", "another port");
}

#[tokio::test]
async fn what_is_taken_back_is_closed_at_once_and_asked_about_no_more() {
    let world = World::new().await;
    let sharer = SubjectId::random();
    world.decides(ResponseTemplate::new(200).set_body_json(allowed(sharer, 1))).await;
    world.tells(1, true, vec![]);
    assert_eq!(status(&world.get("/", "").await), "503");
    let port =
        Target { workspace: world.workspace(), name: WorkspaceName::new("a").expect("a name"), port: 8080 };
    let stream = world.shared.admit(None, &port, VISIT).await.expect("let in");
    let asking = tokio::spawn(Arc::clone(&world.shared).keep_asking(std::time::Duration::from_secs(3_600)));
    let no = json!({"decision": "denied", "why": "session"});
    world.decides(ResponseTemplate::new(200).set_body_json(no)).await;
    // Whoever shares it was suspended: the workspace is told of as little as its visitors.
    world.tells(2, true, vec![berth_schema::audit::Concern::Subject(sharer)]);
    world.shared.doubt.notify_one();
    stream.cut().cancelled().await;
    asking.abort();
    let before = world.asked().await;
    for _ in 0..3 {
        assert_eq!(status(&world.get("/", "").await), "401");
    }
    assert_eq!(world.asked().await, before, "a no is not asked for again and again");
}

#[tokio::test]
async fn whoever_has_signed_in_and_may_not_is_one_of_all_where_a_port_is_public() {
    let world = World::new().await;
    let denied = json!({"decision": "denied", "why": "workspace"});
    let decision = || Mock::given(method("GET")).and(path("/api/v1/proxy/decision"));
    let his = decision().and(wiremock::matchers::header_exists("berth-grant"));
    his.respond_with(ResponseTemplate::new(200).set_body_json(denied)).mount(&world.server).await;
    let all = ResponseTemplate::new(200).set_body_json(allowed(SubjectId::random(), 1));
    decision().respond_with(all).with_priority(9).mount(&world.server).await;
    let cookie = world.cookie();
    assert_eq!(status(&world.get("/", &format!("{cookie}{PAGE}")).await), "404");
    world.tells(1, true, vec![]);
    let answer = world.get("/", &format!("{cookie}{PAGE}")).await;
    assert!(status(&answer) == "503" && !answer.contains("set-cookie"), "{answer}");
}

#[tokio::test]
async fn a_visitor_of_what_is_shared_is_not_led_to_where_its_owner_waits() {
    let world = World::new().await;
    world.decides(ResponseTemplate::new(200).set_body_json(allowed(SubjectId::random(), 1))).await;
    let answer = world.get("/", &format!("{}{PAGE}", world.cookie())).await;
    assert!(status(&answer) == "503" && !answer.contains("location"), "{answer}");
}

#[tokio::test]
async fn no_service_worker_of_a_workspace_stays_with_its_visitors() {
    let world = World::new().await;
    let cookie = world.cookie();
    let script = format!("{cookie}service-worker: script\r\nsec-fetch-dest: serviceworker\r\n");
    world.decides(ResponseTemplate::new(200).set_body_json(allowed(SubjectId::random(), 1))).await;
    assert_eq!(status(&world.get("/", &cookie).await), "503", "it is shared with them");
    let answer = world.get("/sw.js", &script).await;
    assert!(status(&answer) == "403" && answer.contains("service worker"), "{answer}");
    // Nor with whoever has not signed in.
    world.tells(1, true, vec![]);
    assert_eq!(status(&world.get("/sw.js", "service-worker: script\r\n").await), "403");

    let theirs = World::new().await;
    let until = Shared::now() + SignedDuration::from_hours(1);
    let allowed = json!({"decision": "allowed", "until": until});
    theirs.decides(ResponseTemplate::new(200).set_body_json(allowed)).await;
    let script = format!("{}service-worker: script\r\n", theirs.cookie());
    assert_eq!(status(&theirs.get("/sw.js", &script).await), "503", "editors have one");
}

#[tokio::test]
async fn whoever_was_let_in_is_a_stranger_at_another_workspace_of_that_name() {
    let world = World::new().await;
    let cookie = world.cookie_of(WorkspaceId::random());
    assert_eq!(status(&world.get("/", &format!("{cookie}{PAGE}")).await), "303");
    assert_eq!(status(&world.get("/", &cookie).await), "401");
    assert_eq!(world.asked().await, 0, "whose grant it was is not even asked about");
}

#[tokio::test]
async fn a_browser_forgets_what_it_kept_of_another_workspace_of_that_name() {
    let world = World::new().await;
    let until = Shared::now() + SignedDuration::from_hours(1);
    let opened = json!({"decision": "allowed", "until": until, "grant": "a.b.c", "grant_until": until});
    let answer = ResponseTemplate::new(200).set_body_json(opened);
    Mock::given(method("POST")).respond_with(answer).mount(&world.server).await;
    let first = world.come_back("").await;
    assert_eq!(status(&first), "303", "{first}");
    assert!(first.contains("clear-site-data: \"cache\", \"storage\""), "nobody knows what it kept: {first}");
    let (_, last) = first.split_once("__Host-berth-last=").expect("whose host it was is kept");
    let last = last.split(';').next().expect("a value");
    let again = world.come_back(&format!("; __Host-berth-last={last}")).await;
    assert!(status(&again) == "303" && !again.contains("clear-site-data"), "{again}");
}
