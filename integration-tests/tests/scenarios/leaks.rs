//! A thousand secrets pass through all of Berth and stand nowhere on the way.

use berth_harness::pg_dump;
use berth_integration_tests::{Hunt, Installation, WORKSPACE_IMAGE, spell, unique, variable};
use berth_schema::WorkspaceName;
use berth_schema::api::{CreateWorkspace, VariableInput};
use berth_schema::variables::VariableKind;
use serde_json::{Value, json};

const WORKSPACES: usize = 4;
const EACH: usize = 250;
const GIT_HOSTS: usize = 20;

/// Text that every encoding has to change.
fn secret(number: usize) -> Vec<u8> {
    format!("{}/+&=%\"\\ü {number:04}", unique("planted")).into_bytes()
}

fn variables(secrets: &[Vec<u8>]) -> Vec<VariableInput> {
    let kind = |number| if number % 2 == 0 { VariableKind::Environment } else { VariableKind::File };
    let all = secrets.iter().enumerate();
    all.map(|(number, secret)| variable(kind(number), &format!("S{number}"), secret)).collect()
}

#[tokio::test]
async fn a_thousand_secrets_stand_in_no_dump_no_log_and_on_no_wire() -> anyhow::Result<()> {
    let Some((mut berth, wire)) = Installation::start_recorded().await? else {
        return Ok(());
    };
    let secrets: Vec<Vec<u8>> = (0..WORKSPACES * EACH).map(secret).collect();
    let tokens: Vec<String> = (0..GIT_HOSTS).map(|number| unique(&format!("planted+/=%-{number}"))).collect();
    for (number, token) in tokens.iter().enumerate() {
        let path = format!("git-credentials/git-{number}.example.com");
        berth.admin.put(&path, &json!({"token": token})).await?.expect::<Value>()?;
    }
    let mut created = Vec::new();
    for (number, secrets) in secrets.chunks(EACH).enumerate() {
        let workspace = CreateWorkspace {
            idle_after: None,
            name: Some(WorkspaceName::new(unique(&format!("leak-{number}")))?),
            agent: None,
            devfile: None,
            devcontainer: None,
            image: Some(WORKSPACE_IMAGE.to_owned()),
            git_user: None,
            project: None,
            variables: variables(secrets),
        };
        created.push(berth.admin.create(&workspace).await?);
    }
    for (workspace, secrets) in created.iter().zip(secrets.chunks(EACH)) {
        let running = berth.admin.running(workspace).await?;
        // They do arrive.
        assert_eq!(berth.view.exec(&running, r#"printf %s "$S248""#).await?, secrets[248]);
        assert_eq!(berth.view.exec(&running, "cat /.berth/variables/S249").await?, secrets[249]);
        let credential = format!("username=berth\npassword={}\n", tokens[19]);
        let read = berth.view.exec(&running, "cat /.berth/git/https-git-19.example.com").await?;
        assert_eq!(read, credential.as_bytes());
    }
    berth.agent.stop().await?;

    let said = wire.said();
    let logs = berth.logs()?.into_bytes();
    let dump = pg_dump(&berth.database_url)?;
    assert!(logs.windows(5).any(|word| word == b"TRACE"), "the logs are not at their loudest");
    assert!(said.windows(10).any(|word| word == b"ciphertext"), "the wire was not recorded");
    assert!(dump.windows(19).any(|word| word == b"workspace_variables"), "the dump holds no variables");
    assert!(dump.windows(15).any(|word| word == b"git_credentials"), "the dump holds no Git credentials");
    let secrets = [secrets, tokens.into_iter().map(String::into_bytes).collect()].concat();
    let hunt = Hunt::new(&secrets)?;
    for (place, text) in [("the dump", &dump), ("the logs", &logs), ("the wire", &said)] {
        assert_eq!(hunt.find(text), None, "{place} holds a secret");
        // The same check finds one that is put there.
        for (spelling, leak) in spell(&secrets[777]).into_iter().chain(spell(&secrets[1_007])) {
            let planted = [&text[..text.len() / 2], &leak, &text[text.len() / 2..]].concat();
            assert!(hunt.find(&planted).is_some(), "planted in {place} as {spelling} and not found");
        }
    }
    Ok(())
}
