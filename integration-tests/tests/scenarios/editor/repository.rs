//! What a repository brings along, as people write it: its commands find its files, in their order.

use berth_harness::images;
use berth_integration_tests::Installation;
use berth_schema::WorkspaceName;
use berth_schema::api::{CreateWorkspace, ProjectInput};

use super::{GitServer, eventually, started};

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
    let created = admin
        .create(&CreateWorkspace {
            name: Some(WorkspaceName::new("ordered")?),
            agent: None,
            devfile: Some(devfile),
            devcontainer: None,
            image: None,
            git_user: None,
            project: None,
            variables: vec![],
        })
        .await?;
    assert_eq!(created.project.as_ref().map(|project| project.url.to_string()), Some(git.url.clone()));
    let running = started(&berth, &created).await?;
    let order = "cd /projects/site; n=0; all=; while read -r line; do all=\"$all $line\"; n=$((n+1)); done < order; test $n = 3 && echo $all";
    assert_eq!(eventually(view, &running, order).await?, "first second third\n");
    Ok(())
}
