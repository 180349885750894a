//! The messages between agent and server.

use super::*;

#[test]
fn the_reconcile_request_keeps_its_shape() {
    check(
        "reconcile-request",
        &ReconcileRequest {
            message_type: MessageType::Prerequisites,
            prerequisites: Some(prerequisites()),
            network_check: Some(NetworkCheckReport {
                id: NetworkCheckId::from_uuid(Uuid::from_u128(0xb)),
                verdict: NetworkVerdict::NotEnforced,
                reason: "seen".into(),
            }),
            update_type: UpdateType::Full,
            epoch: 4,
            term: Some(TermId::from_uuid(Uuid::from_u128(0xa))),
            sequence: 15,
            wait_seconds: 50,
            workspace_agent_infos: vec![info()].into(),
            received: vec![Received { workspace_id: workspace_id(), generation: Generation::of(4) }],
            page: Some(Page { number: 0, last: true }),
            present: vec![workspace_id()],
            relisted: true,
            git: Some(GitAsk { version: 3, wanted: vec![workspace_id()] }),
        },
    );
}

#[test]
fn the_reconcile_response_keeps_its_shape() {
    check(
        "reconcile-response",
        &ReconcileResponse {
            workspaces: vec![WorkspaceDirective {
                workspace_id: workspace_id(),
                name: workspace_name(),
                namespace: namespace(),
                action: Action::Create,
                desired_state: DesiredState::Running,
                actual_state: ActualState::CreationRequested,
                deployment_resource_version: Some("815".into()),
                generation: Generation::of(1),
                config_to_apply: Some(vec![serde_json::json!({"kind": "Namespace"})]),
                variables: Some(SealedBundle { position: 0, ciphertext: vec![0, 255] }),
                credentials: Some(SealedBundle { position: 1, ciphertext: vec![255, 0] }),
            }],
            orphans: vec![Orphan {
                workspace_id: workspace_id(),
                name: workspace_name(),
                namespace: namespace(),
                verdict: OrphanVerdict::Keep,
            }],
            settings: Settings::default(),
            sealing: Some(Encapsulation {
                recipient: PublicKey::new([1; 32]),
                encapsulated_key: PublicKey::new([2; 32]),
            }),
            manifests: Some(vec![serde_json::json!({"kind": "Namespace"})]),
            full_reconcile_requested: true,
            sealing_key_requested: true,
            network_check: Some(NetworkCheckId::from_uuid(Uuid::from_u128(0xb))),
            git_version: 3,
        },
    );
}

#[test]
fn what_is_sealed_keeps_its_shape() {
    let bundle = VariableBundle {
        environment: BTreeMap::from([("GREETING".to_owned(), SecretValue::new(b"hello".to_vec()))]),
        files: BTreeMap::from([("key.bin".to_owned(), SecretValue::new(vec![0, 255]))]),
    };
    check("variable-bundle", &bundle);
    let public_key = PublicKey::new([1; 32]);
    check("register-key", &RegisterKey { public_key });
    check("registered-key", &RegisteredKey { public_key, registered_at: Timestamp::UNIX_EPOCH });
}

#[test]
fn an_empty_message_of_a_newer_version_is_understood() {
    let request: ReconcileRequest =
        serde_json::from_str(r#"{"update_type":"partial","epoch":1,"sequence":1,"something_new":{}}"#)
            .expect("unknown fields are ignored");
    assert!(request.workspace_agent_infos.is_empty() && request.wait_seconds == 0);
}
