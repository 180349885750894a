//! What the server is told of those who are connected (decision 0084).

use std::time::Duration;

use berth_schema::connected::{ConnectionKind, TellConnected};
use berth_schema::{ConnectionId, SessionId, SubjectId};

use super::*;

const SOON: Duration = Duration::from_millis(10);

async fn told(world: &World) -> Vec<TellConnected> {
    let requests = world.server.received_requests().await.expect("recorded");
    let bodies = requests.iter().filter(|request| request.url.path() == "/api/v1/proxy/connected");
    bodies.map(|request| serde_json::from_slice(&request.body).expect("what is told")).collect()
}

async fn until(world: &World, is_so: impl Fn(&[TellConnected]) -> bool) -> Vec<TellConnected> {
    loop {
        let told = told(world).await;
        if is_so(&told) {
            return told;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl World {
    /// Lets everybody in, as that connection.
    async fn knows(&self, connection: ConnectionId, answer: u16) {
        let until = Shared::now() + SignedDuration::from_hours(1);
        let grounds = json!({"connection": connection, "session": SessionId::random(), "subject": SubjectId::random(), "seen": 1});
        let allowed = json!({"decision": "allowed", "until": until, "grounds": grounds});
        self.decides(ResponseTemplate::new(200).set_body_json(allowed)).await;
        let telling = Mock::given(method("POST")).and(path("/api/v1/proxy/connected"));
        telling.respond_with(ResponseTemplate::new(answer)).mount(&self.server).await;
    }
}

#[tokio::test]
async fn whoever_is_let_in_is_told_of_once_and_gone_as_they_are_cut() {
    let world = World::new().await;
    let connection = ConnectionId::random();
    world.knows(connection, 204).await;
    let telling = tokio::spawn(Arc::clone(&world.shared).keep_telling_who(SOON));
    assert_eq!(status(&world.get("/", &format!("{}{PAGE}", world.cookie())).await), "303");
    let all = until(&world, |told| !told.is_empty()).await;
    let [one] = all[0].open.as_slice() else { panic!("{all:?}") };
    assert_eq!(one.whose.map(|whose| whose.connection), Some(connection));
    assert_eq!((one.kind, one.port, one.open), (ConnectionKind::Browser, 8080, 0), "a page that is read");
    assert_eq!(one.address, "192.0.2.1".parse().ok());
    tokio::time::sleep(20 * SOON).await;
    assert_eq!(told(&world).await.len(), 1, "what goes on as it is, is no news");
    // It opens something that stays, and that is cut.
    let port =
        Target { workspace: one.workspace, name: WorkspaceName::new("a").expect("a name"), port: 8080 };
    let grant = "a.b.c".to_owned().into();
    let stream = world.shared.admit(Some(&grant), &port, VISIT).await.expect("let in");
    let all = until(&world, |told| told.len() == 2).await;
    assert_eq!(all[1].open[0].open, 1);
    world.shared.streams.cut(stream.question());
    let all = until(&world, |told| told.len() == 3).await;
    assert!(all[2].open.is_empty(), "{all:?}");
    assert!(all.iter().all(|message| message.proxy == all[0].proxy), "one copy has one name");
    drop(stream);
    assert!(World::new().await.shared.copy != world.shared.copy, "and no other has it");
    telling.abort();
}

#[tokio::test]
async fn nobody_is_told_of_whom_the_server_lets_not_in_or_has_no_name_for() {
    let world = World::new().await;
    world.knows(ConnectionId::random(), 204).await;
    let denied = json!({"decision": "denied", "why": "workspace"});
    world.decides(ResponseTemplate::new(200).set_body_json(denied)).await;
    assert_eq!(status(&world.get("/", &world.cookie()).await), "404");
    assert_eq!(world.shared.who(), []);
    let until = Shared::now() + SignedDuration::from_hours(1);
    let before = json!({"decision": "allowed", "until": until});
    world.decides(ResponseTemplate::new(200).set_body_json(before)).await;
    assert_eq!(status(&world.get("/", &world.cookie()).await), "503");
    assert_eq!(world.shared.who(), [], "a server of before");
}

#[tokio::test]
async fn a_server_that_does_not_take_it_is_not_told_at_every_look() {
    let world = World::new().await;
    world.knows(ConnectionId::random(), 404).await;
    let telling = tokio::spawn(Arc::clone(&world.shared).keep_telling_who(SOON));
    world.get("/", &world.cookie()).await;
    until(&world, |told| !told.is_empty()).await;
    tokio::time::sleep(20 * SOON).await;
    assert_eq!(told(&world).await.len(), 1);
    telling.abort();
    // The last word is said, and waits for nobody.
    world.shared.tell_of_nobody().await;
    assert!(told(&world).await.pop().expect("told").open.is_empty());
}
