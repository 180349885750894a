//! What a repository brings along, as people write it: its commands find its files, in their order, and those of the creation run
//! once.

use anyhow::Context as _;
use berth_harness::images;
use berth_integration_tests::{Installation, repository, unique};
use berth_schema::api::{CreateWorkspace, ProjectInput, Workspace};
use berth_schema::{RepositoryPath, WorkspaceName};
use serde_json::{Value, json};

use super::{GitServer, eventually, started};

const LOGS: &str = "/projects/workspace-logs";

/// Of a repository that is opened in other tools, too.
const DEVCONTAINER: &str = r#"{
    // As it is for Codespaces.
    "name": "site",
    "image": "IMAGE",
    "workspaceFolder": "/workspaces/${localWorkspaceFolderBasename}",
    "remoteUser": "vscode",
    "customizations": {"vscode": {"extensions": ["a.b"]}},
    "hostRequirements": {"memory": "600mb"},
    "remoteEnv": {"PATH": "${containerEnv:PATH}:/added", "SITE": "${containerWorkspaceFolder}"},
    "onCreateCommand": "echo create >> created; read -r line < README; echo \"$line\" > read",
    "updateContentCommand": "echo \"it's broken",
    "postCreateCommand": {"where": "echo '${containerWorkspaceFolder}' > where", "path": "echo \"$PATH\" > path; echo \"$SITE\" > site"},
    "postStartCommand": "echo start >> started; : > \"${containerWorkspaceFolder}/done-${containerEnv:HOSTNAME}\"",
}"#;

#[tokio::test]
async fn a_devcontainers_commands_find_the_project_and_those_of_the_creation_run_once() -> anyhow::Result<()>
{
    let Some(berth) = Installation::start_with_tools().await? else {
        return Ok(());
    };
    let (admin, view) = (&berth.admin, &berth.view);
    let git = GitServer::start(&berth).await?;
    let created = admin
        .create(&CreateWorkspace {
            idle_after: None,
            name: Some(WorkspaceName::new("brought")?),
            agent: None,
            devfile: None,
            devcontainer: Some(DEVCONTAINER.replace("IMAGE", images::SHELL.reference)),
            image: None,
            git_user: None,
            project: Some(ProjectInput { url: git.url.clone(), reference: None, devfile_path: None }),
            variables: vec![],
        })
        .await?;
    let warned: Vec<&str> = created.warnings.iter().map(|warning| warning.path.as_str()).collect();
    assert_eq!(warned, ["workspaceFolder", "remoteUser", "customizations"]);
    let running = started(&berth, &created).await?;
    let pod = view.pod(&running).await?;
    let memory = pod
        .spec
        .as_ref()
        .and_then(|spec| Some(spec.containers[0].resources.as_ref()?.requests.as_ref()?["memory"].0.clone()));
    assert_eq!(memory.as_deref(), Some("600Mi"), "it gets what it asks for");
    let name = pod.metadata.name.unwrap_or_default();
    eventually(view, &running, &format!("test -e /projects/site/done-{name}")).await?;
    let read = |file: &str| format!("read -r line < {file} && echo \"$line\"");
    let in_project = |file: &str| read(&format!("/projects/site/{file}"));
    assert_eq!(eventually(view, &running, &in_project("read")).await?, "three\n");
    assert_eq!(eventually(view, &running, &in_project("where")).await?, "/projects/site\n");
    assert_eq!(eventually(view, &running, &in_project("site")).await?, "/projects/site\n");
    assert!(eventually(view, &running, &in_project("path")).await?.ends_with(":/added\n"));
    let log = format!("while read -r line; do echo \"$line\"; done < {LOGS}/post-start-update-content.log");
    let log = eventually(view, &running, &log).await?;
    assert!(log.ends_with("ended with 2\n") && log.lines().count() > 1, "its own failure alone: {log}");

    let running = started(&berth, &admin.wish("brought", "restart").await?).await?;
    let name = view.pod(&running).await?.metadata.name.unwrap_or_default();
    eventually(view, &running, &format!("test -e /projects/site/done-{name}")).await?;
    let count = "cd /projects/site; for file in created started; do n=0; while read -r line; do n=$((n+1)); done < $file; echo $n; done";
    assert_eq!(eventually(view, &running, count).await?, "1\n2\n");
    Ok(())
}

#[tokio::test]
async fn the_commands_of_two_containers_wait_for_the_project_and_for_each_other() -> anyhow::Result<()> {
    let Some(berth) = Installation::start_with_tools().await? else {
        return Ok(());
    };
    let (admin, view) = (&berth.admin, &berth.view);
    let git = GitServer::start(&berth).await?;
    let devfile = format!(
        "schemaVersion: 2.1.0
components:
  - {{name: tools, container: {{image: '{image}', args: [tail, -f, /dev/null], mountSources: true, memoryLimit: 128Mi}}}}
  - {{name: helper, attributes: {{overrideCommand: true}}, container: {{image: '{image}', memoryLimit: 64Mi}}}}
commands:
  - id: first
    exec: {{component: tools, commandLine: 'sleep 2; test -e README && echo first >> order', workingDir: $PROJECT_SOURCE, group: {{kind: build}}}}
  - id: second
    exec: {{component: helper, commandLine: 'test -e README && echo second >> order'}}
  - id: third
    exec: {{component: tools, commandLine: 'echo third >> order', workingDir: '${{PROJECTS_ROOT}}/site'}}
events: {{postStart: [first, second, third]}}
projects:
  - {{name: site, git: {{remotes: {{origin: '{url}'}}}}}}
",
        image = images::SHELL.reference,
        url = git.url,
    );
    let created = admin.create_from_devfile("ordered", &devfile).await?;
    assert_eq!(created.project.as_ref().map(|project| project.url.to_string()), Some(git.url.clone()));
    let running = started(&berth, &created).await?;
    let order = "cd /projects/site; n=0; all=; while read -r line; do all=\"$all $line\"; n=$((n+1)); done < order; test $n = 3 && echo $all";
    assert_eq!(eventually(view, &running, order).await?, "first second third\n");
    Ok(())
}

#[tokio::test]
async fn the_link_to_a_private_repository_becomes_a_workspace_of_what_is_in_it() -> anyhow::Result<()> {
    let Some(berth) = Installation::start_with_tools().await? else {
        return Ok(());
    };
    let token = unique("token");
    berth.let_out_to_this_machine("agent").await?;
    let devcontainer = json!({"image": images::SHELL.reference, "postCreateCommand": "echo made > made"});
    repository(berth.dir(), "shop.git", ".devcontainer.json", &devcontainer.to_string()).await?;
    let opens = token.clone();
    let door = move |_: &str, given: &str| given == opens;
    let git =
        berth_integration_tests::GitServer::start(berth.cluster.host_address(), berth.dir(), door).await?;
    let body = json!({"name": "linked", "project": {"url": format!("http://{}/shop.git", git.host())}});
    let refused = berth.admin.post("workspaces", &body).await?;
    anyhow::ensure!(refused.expect::<Workspace>().is_err(), "nobody has shown a credential");
    let form = json!({"token": token, "plain_http": true});
    berth.admin.put(&format!("git-credentials/{}", git.host()), &form).await?.expect::<Value>()?;
    let created: Workspace = berth.admin.post("workspaces", &body).await?.expect()?;
    let found = created.found.as_ref().context("it says what it is made of")?;
    assert_eq!(found.path.as_ref().map(RepositoryPath::as_str), Some(".devcontainer.json"));
    let running = started(&berth, &created).await?;
    let made = "read -r line < /projects/shop/made && echo \"$line\"";
    assert_eq!(eventually(&berth.view, &running, made).await?, "made\n");
    assert!(!berth.logs()?.contains(&token));
    Ok(())
}
