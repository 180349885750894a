use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use berth_integration_tests::{ClusterView, Installation, WORKSPACE_IMAGE, variable};
use berth_schema::api::{CreateWorkspace, Workspace};
use berth_schema::kubernetes::{FIELD_MANAGER, environment_secret, file_secret};
use berth_schema::variables::VariableKind;
use berth_schema::{ActualState, WorkspaceName};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::PATIENCE;

const NASTY: &str = "line one\nline \"two\" 'three' $(GREETING) ${HOME} $$ `id` \\n \t ünï🦀 =end ";

fn every_byte() -> Vec<u8> {
    (0..=255).collect()
}

/// What the secrets may not stand in, in several spellings.
fn spellings(value: &[u8]) -> Vec<String> {
    use base64::Engine as _;
    let hex = value.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let base64 = base64::engine::general_purpose::STANDARD.encode(value);
    vec![String::from_utf8_lossy(value).into_owned(), hex, base64]
}

async fn check_inside(view: &ClusterView, workspace: &Workspace) -> anyhow::Result<()> {
    assert_eq!(String::from_utf8(view.exec(workspace, r#"printf %s "$NASTY""#).await?)?, NASTY);
    assert_eq!(view.exec(workspace, "cat /.berth/variables/every-byte").await?, every_byte());
    assert_eq!(view.exec(workspace, r#"printf %s "$EMPTY-""#).await?, b"-");
    Ok(())
}

#[tokio::test]
async fn variables_arrive_byte_for_byte_and_come_back_when_they_are_lost() -> anyhow::Result<()> {
    let Some(berth) = Installation::start().await? else {
        return Ok(());
    };
    let canary = format!("canary-{}", berth_integration_tests::unique("secret"));
    let created = berth
        .admin
        .create(&CreateWorkspace {
            idle_after: None,
            name: Some(WorkspaceName::new("secrets")?),
            agent: None,
            devfile: None,
            devcontainer: None,
            image: Some(WORKSPACE_IMAGE.to_owned()),
            git_user: None,
            project: None,
            variables: vec![
                variable(VariableKind::Environment, "NASTY", NASTY.as_bytes()),
                variable(VariableKind::Environment, "EMPTY", b""),
                variable(VariableKind::Environment, "CANARY", canary.as_bytes()),
                variable(VariableKind::File, "every-byte", &every_byte()),
                variable(VariableKind::File, "canary", canary.as_bytes()),
            ],
        })
        .await?;
    let running = berth.admin.running(&created).await?;
    check_inside(&berth.view, &running).await?;

    // Nothing of them is where objects are commonly read, or in a log.
    let deployment = berth.view.deployment(&running).await?;
    let seen = serde_json::to_string(&deployment)? + &berth.logs()?;
    for spelling in spellings(canary.as_bytes()) {
        assert!(!seen.contains(&spelling), "a secret leaked as {spelling}");
    }
    let secret = berth.view.secret(&running, &file_secret(&running.name)).await?.expect("the Secret");
    let annotations = format!("{:?}", secret.annotations());
    assert!(!annotations.contains(&spellings(canary.as_bytes())[2]));

    // Removed by somebody: put back within a round, as they were.
    for name in [environment_secret(&running.name), file_secret(&running.name)] {
        berth.view.delete_secret(&running, &name).await?;
        let deadline = Instant::now() + PATIENCE;
        while berth.view.secret(&running, &name).await?.is_none() {
            assert!(Instant::now() < deadline, "{name} was not put back");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let restart = berth.admin.wish("secrets", "restart").await?;
    let running = berth.admin.running(&restart).await?;
    check_inside(&berth.view, &running).await?;

    // Another file is there while the pod runs on, and another environment once it has started anew.
    let pod = berth.view.exec(&running, "hostname").await?;
    let change = json!({
        "set": [{"name": "canary", "kind": "file", "value": "a file that was changed"}, {"name": "CANARY", "value": "later"}],
        "remove": [{"name": "EMPTY"}],
    });
    let changed = berth.admin.change_variables("secrets", &change).await?;
    assert_eq!(changed.generation, running.generation.next());
    // The kubelet looks at what is mounted once a minute or so.
    let deadline = Instant::now() + PATIENCE + Duration::from_secs(120);
    while berth.view.exec(&running, "cat /.berth/variables/canary").await? != b"a file that was changed" {
        ensure!(Instant::now() < deadline, "the file is still the one of before");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(berth.view.exec(&running, "hostname").await?, pod, "nothing has started anew");
    assert_eq!(berth.view.exec(&running, r#"printf %s "$CANARY""#).await?, canary.as_bytes());
    let change = json!({"set": [{"name": "MORE", "value": "x"}], "restart": true});
    let restart = berth.admin.change_variables("secrets", &change).await?;
    let running = berth.admin.running(&restart).await?;
    let script = r#"printf %s "$CANARY $MORE ${EMPTY-gone}"; cat /.berth/variables/canary"#;
    assert_eq!(berth.view.exec(&running, script).await?, b"later x gonea file that was changed");
    assert_eq!(berth.view.exec(&running, "cat /.berth/variables/every-byte").await?, every_byte());
    Ok(())
}

/// Waits until a Secret holds these values and no others.
async fn is_put_back(
    berth: &Installation,
    workspace: &Workspace,
    name: &str,
    as_it_was: &Secret,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = berth.view.secret(workspace, name).await?;
        if now.is_some_and(|now| now.data == as_it_was.data && now.immutable.is_none()) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{name} was not put back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn secrets_that_somebody_changes_are_put_back_whoever_it_says_to_be() -> anyhow::Result<()> {
    let Some(mut berth) = Installation::start().await? else {
        return Ok(());
    };
    let variables = vec![
        variable(VariableKind::Environment, "GREETING", b"hello"),
        variable(VariableKind::File, "greeting", b"hello"),
    ];
    let created = berth
        .admin
        .create(&CreateWorkspace {
            idle_after: None,
            name: Some(WorkspaceName::new("changed")?),
            agent: None,
            devfile: None,
            devcontainer: None,
            image: Some(WORKSPACE_IMAGE.to_owned()),
            git_user: None,
            project: None,
            variables,
        })
        .await?;
    let running = berth.admin.running(&created).await?;
    let name = environment_secret(&running.name);
    let as_it_was = berth.view.secret(&running, &name).await?.context("the Secret")?;

    let person = PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
    let impostor = PatchParams::apply(FIELD_MANAGER).force();
    let of = |data: Value| json!({ "data": data });
    // Whoever applies it by that name without its labels takes these off, too.
    let applied = |labels: Value, data: Value| {
        let metadata = json!({ "name": name, "labels": labels });
        Patch::Apply(
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data }),
        )
    };
    let labels = json!(as_it_was.labels());
    let ways: [(&str, &PatchParams, Patch<Value>); 6] = [
        ("a value", &person, Patch::Merge(of(json!({ "GREETING": "aGVsbA==" })))),
        ("one more", &person, Patch::Merge(of(json!({ "LD_PRELOAD": "L3RtcC94" })))),
        ("one less", &person, Patch::Merge(of(json!({ "GREETING": null })))),
        ("without labels", &impostor, applied(json!({}), json!({ "GREETING": "aGVsbA==" }))),
        ("by the agent's name", &impostor, applied(labels, json!({ "GREETING": "aGVsbA==" }))),
        ("for good", &person, Patch::Merge(json!({ "immutable": true, "data": { "GREETING": "aGVsbA==" } }))),
    ];
    for (what, somebody, change) in ways {
        berth.view.change_secret(&running, &name, somebody, &change).await?;
        is_put_back(&berth, &running, &name, &as_it_was).await.context(what)?;
    }

    // While nobody looks: what is in the cluster tells the next agent.
    berth.agent.kill9()?;
    let change = Patch::Merge(of(json!({ "GREETING": "aGVsbA==" })));
    berth.view.change_secret(&running, &name, &person, &change).await?;
    berth.agent.start_again().await?;
    is_put_back(&berth, &running, &name, &as_it_was).await?;

    let restart = berth.admin.wish("changed", "restart").await?;
    let running = berth.admin.running(&restart).await?;
    assert_eq!(berth.view.exec(&running, r#"printf %s "$GREETING-$LD_PRELOAD""#).await?, b"hello-");
    assert_eq!(berth.view.exec(&running, "cat /.berth/variables/greeting").await?, b"hello");
    Ok(())
}

#[tokio::test]
async fn a_workspace_that_was_stopped_before_it_ever_ran_gets_its_variables_when_it_starts()
-> anyhow::Result<()> {
    let Some(mut berth) = Installation::start().await? else {
        return Ok(());
    };
    berth.agent.kill9()?;
    berth
        .admin
        .create(&CreateWorkspace {
            idle_after: None,
            name: Some(WorkspaceName::new("later")?),
            agent: None,
            devfile: None,
            devcontainer: None,
            image: Some(WORKSPACE_IMAGE.to_owned()),
            git_user: None,
            project: None,
            variables: vec![variable(VariableKind::Environment, "NASTY", NASTY.as_bytes())],
        })
        .await?;
    let stop = berth.admin.wish("later", "stop").await?;
    berth.agent.start_again().await?;
    berth.admin.reach(&stop, ActualState::Stopped, PATIENCE).await?;
    let start = berth.admin.wish("later", "start").await?;
    let (running, seen) = berth.admin.reach(&start, ActualState::Running, PATIENCE).await?;
    assert!(!seen.contains(&ActualState::Failed), "it waited for its variables: {seen:?}");
    assert_eq!(String::from_utf8(berth.view.exec(&running, r#"printf %s "$NASTY""#).await?)?, NASTY);
    Ok(())
}
