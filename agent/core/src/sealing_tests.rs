use berth_schema::reconcile::Action;
use berth_schema::sealing::{Encapsulation, PublicKey, SealedBundle};
use berth_schema::variables::SecretValue;
use berth_schema::{ActualState, DesiredState, Generation, NamespaceName, WorkspaceName};
use hpke::{OpModeS, Serializable as _, setup_sender};
use jiff::Timestamp;

use super::*;

const EPOCH: i64 = 7;

struct World {
    agent: AgentId,
    keys: KeyRing,
}

fn keys(byte: u8) -> KeyRing {
    let mut keys = KeyRing::default();
    keys.add(&Zeroizing::new([byte; 32]), Timestamp::UNIX_EPOCH);
    keys
}

fn bundle(value: &[u8]) -> VariableBundle {
    let environment = BTreeMap::from([("A".to_owned(), SecretValue::new(value.to_vec()))]);
    VariableBundle { environment, ..VariableBundle::default() }
}

fn directive(workspace: u128) -> WorkspaceDirective {
    WorkspaceDirective {
        workspace_id: uuid::Uuid::from_u128(workspace).into(),
        name: WorkspaceName::new("w").expect("a name"),
        namespace: NamespaceName::new("berth-w").expect("a name"),
        action: Action::Create,
        desired_state: DesiredState::Running,
        actual_state: ActualState::Unknown,
        deployment_resource_version: None,
        generation: Generation::of(1),
        config_to_apply: None,
        variables: None,
        credentials: None,
    }
}

impl World {
    fn new() -> Self {
        Self { agent: AgentId::random(), keys: keys(1) }
    }

    /// What a server seals: workspaces 1 to `count`, each with its number as the value.
    fn answer(&self, count: u128) -> ReconcileResponse {
        let recipient = self.keys.newest().expect("a key");
        let key = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(recipient.as_bytes()).expect("a key");
        let (encapsulated, mut context) =
            setup_sender::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(&OpModeS::Base, &key, INFO)
                .expect("a context");
        let workspaces = (0..count).map(|number| {
            let mut directive = directive(number + 1);
            let binding = Binding {
                agent: self.agent,
                epoch: EPOCH,
                workspace: directive.workspace_id,
                generation: directive.generation,
            };
            let plain =
                serde_json::to_vec(&bundle(&[u8::try_from(number + 1).expect("small")])).expect("JSON");
            let ciphertext = context.seal(&plain, &binding.associated_data()).expect("sealed");
            let position = u32::try_from(number).expect("small");
            directive.variables = Some(SealedBundle { position, ciphertext });
            directive
        });
        ReconcileResponse {
            workspaces: workspaces.collect(),
            sealing: Some(Encapsulation {
                recipient,
                encapsulated_key: PublicKey::new(encapsulated.to_bytes().0),
            }),
            ..ReconcileResponse::default()
        }
    }

    fn opened(&self, response: &ReconcileResponse) -> Vec<(u128, Vec<u8>)> {
        opened(Opened::of(response, &self.keys, self.agent, EPOCH, Timestamp::UNIX_EPOCH))
    }
}

fn opened(opened: Opened) -> Vec<(u128, Vec<u8>)> {
    let value = |bundle: VariableBundle| bundle.environment["A"].expose().to_vec();
    opened.variables.into_iter().map(|(id, bundle)| (id.as_uuid().as_u128(), value(bundle))).collect()
}

#[test]
fn every_bundle_opens_in_whatever_order_the_workspaces_stand() {
    let world = World::new();
    let mut response = world.answer(3);
    let all = vec![(1, vec![1]), (2, vec![2]), (3, vec![3])];
    assert_eq!(world.opened(&response), all);
    response.workspaces.reverse();
    response.workspaces.insert(1, directive(9));
    assert_eq!(world.opened(&response), all);
}

#[test]
fn another_agent_another_epoch_and_another_key_open_nothing() {
    let world = World::new();
    let response = world.answer(2);
    assert_eq!(
        opened(Opened::of(&response, &world.keys, AgentId::random(), EPOCH, Timestamp::UNIX_EPOCH)),
        []
    );
    assert_eq!(opened(Opened::of(&response, &world.keys, world.agent, EPOCH + 1, Timestamp::UNIX_EPOCH)), []);
    assert_eq!(opened(Opened::of(&response, &keys(2), world.agent, EPOCH, Timestamp::UNIX_EPOCH)), []);
    // Another agent's key under the name of ours.
    let mut claimed = world.answer(1);
    claimed.sealing.as_mut().expect("sealed").recipient = keys(2).newest().expect("a key");
    assert_eq!(opened(Opened::of(&claimed, &keys(2), world.agent, EPOCH, Timestamp::UNIX_EPOCH)), []);
}

#[test]
fn a_bundle_that_was_moved_does_not_open() {
    let world = World::new();
    // To another workspace.
    let mut response = world.answer(1);
    response.workspaces[0].workspace_id = WorkspaceId::random();
    assert_eq!(world.opened(&response), []);
    // To another generation.
    let mut response = world.answer(1);
    response.workspaces[0].generation = Generation::of(2);
    assert_eq!(world.opened(&response), []);
    // Between two workspaces of one answer.
    let mut response = world.answer(2);
    let (first, second) = response.workspaces.split_at_mut(1);
    std::mem::swap(&mut first[0].variables, &mut second[0].variables);
    assert_eq!(world.opened(&response), []);
    // From one answer into another.
    let mut response = world.answer(1);
    response.workspaces[0].variables = world.answer(1).workspaces.remove(0).variables;
    assert_eq!(world.opened(&response), []);
}

#[test]
fn credentials_do_not_open_as_variables_nor_variables_as_credentials() {
    let world = World::new();
    let mut response = world.answer(1);
    response.workspaces[0].credentials = response.workspaces[0].variables.take();
    let opened = Opened::of(&response, &world.keys, world.agent, EPOCH, Timestamp::UNIX_EPOCH);
    assert!(opened.variables.is_empty() && opened.credentials.is_empty());
}

#[test]
fn what_was_sealed_before_a_rotation_opens_after_it() {
    let mut world = World::new();
    let response = world.answer(1);
    world.keys.add(&Zeroizing::new([2; 32]), Timestamp::UNIX_EPOCH);
    assert_eq!(world.opened(&response), [(1, vec![1])]);
    world.keys.add(&Zeroizing::new([3; 32]), Timestamp::UNIX_EPOCH);
    assert_eq!(world.opened(&response), []);
}

#[test]
fn one_changed_bit_spoils_its_bundle_and_those_behind_it_and_nothing_panics() {
    let world = World::new();
    let mut response = world.answer(3);
    response.workspaces[1].variables.as_mut().expect("sealed").ciphertext[0] ^= 1;
    assert_eq!(world.opened(&response), [(1, vec![1])]);
    for length in [0, 1, 15, 16] {
        let mut response = world.answer(1);
        response.workspaces[0].variables.as_mut().expect("sealed").ciphertext.truncate(length);
        assert_eq!(world.opened(&response), []);
    }
    let mut response = world.answer(1);
    response.sealing.as_mut().expect("sealed").encapsulated_key = PublicKey::new([0; 32]);
    assert_eq!(world.opened(&response), []);
    response.sealing = None;
    assert_eq!(world.opened(&response), []);
}
