//! The tools injector: an editor, sshd and the project's clone in images that have none of them.

mod environment;
mod repository;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use berth_harness::command::{command, output};
use berth_harness::{Forward, images};
use berth_integration_tests::browser::keys::{ENTER, ESCAPE, F1};
use berth_integration_tests::{Browser, ClusterView, Installation, WORKSPACE_IMAGE, variable};
use berth_schema::api::{CreateWorkspace, ProjectInput, Workspace};
use berth_schema::kubernetes::{EDITOR_PORT, SSH_PORT};
use berth_schema::variables::VariableKind;
use berth_schema::{ActualState, WorkspaceName};

use crate::PATIENCE;

/// Waits until a shell command in the main container succeeds; gives what it prints.
pub(crate) async fn eventually(
    view: &ClusterView,
    workspace: &Workspace,
    script: &str,
) -> anyhow::Result<String> {
    let begin = Instant::now();
    loop {
        match view.exec(workspace, script).await {
            Ok(printed) => return Ok(String::from_utf8(printed)?),
            Err(cause) if begin.elapsed() > PATIENCE => {
                let logs = "cd /projects/workspace-logs && for log in *; do echo \"== $log\"; while read -r line; do echo \"$line\"; done < \"$log\"; done";
                let logs = view.exec(workspace, logs).await.unwrap_or_default();
                return Err(cause.context(String::from_utf8_lossy(&logs).into_owned()));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
        }
    }
}

/// Waits until the workspace runs: the tools have to be copied first, which takes long on a busy machine.
async fn started(berth: &Installation, workspace: &Workspace) -> anyhow::Result<Workspace> {
    Ok(berth.admin.reach(workspace, ActualState::Running, 2 * PATIENCE).await?.0)
}

/// Waits until the editor serves. It is reached as long as what is given is held.
async fn editor_answers(view: &ClusterView, workspace: &Workspace) -> anyhow::Result<Forward> {
    let forward = view.forward(workspace, EDITOR_PORT).await?;
    let origin = format!("http://{}", forward.address());
    let begin = Instant::now();
    while !berth_harness::answers(&format!("{origin}/healthz")).await {
        ensure!(begin.elapsed() < PATIENCE, "the editor does not answer at {origin}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(forward)
}

/// A user's key pair.
struct Key {
    file: PathBuf,
    public: Vec<u8>,
}

impl Key {
    async fn generate(berth: &Installation) -> anyhow::Result<Self> {
        let file = berth.dir().join("id_ed25519");
        output(command("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&file)).await?;
        let public = std::fs::read(file.with_extension("pub"))?;
        Ok(Self { file, public })
    }

    /// What a command prints over SSH. The host's key must be the one in `known_hosts`, which the first login fills.
    async fn ssh(&self, view: &ClusterView, workspace: &Workspace, script: &str) -> anyhow::Result<String> {
        let known_hosts = self.file.with_file_name("known_hosts");
        let forward = view.forward(workspace, SSH_PORT).await?;
        let mut ssh = command("ssh");
        ssh.arg("-i").arg(&self.file).arg("-p").arg(forward.address().port().to_string());
        ssh.arg("-o").arg(format!("UserKnownHostsFile={}", known_hosts.display()));
        // The address changes with each pod, the host's name for its key does not.
        ssh.args(["-o", "HostKeyAlias=workspace", "-o", "StrictHostKeyChecking=accept-new"]);
        ssh.args(["-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]);
        ssh.arg(format!("workspace@{}", forward.address().ip())).arg(script);
        output(&mut ssh).await
    }
}

/// What the pod's processes may and may not do, read in the pod.
async fn check_confinement(view: &ClusterView, workspace: &Workspace) -> anyhow::Result<()> {
    let status =
        String::from_utf8(view.exec(workspace, "cat /proc/self/status; cat /proc/self/uid_map").await?)?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(field("Uid:"), "5001 5001 5001 5001");
    assert_eq!(field("Gid:"), "0 0 0 0");
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("Seccomp:"), "2", "a filter");
    let map: Vec<_> = status.lines().last().unwrap_or_default().split_whitespace().collect();
    assert_eq!(map[0], "0");
    assert_ne!(map[1], "0", "root of the pod is not root of the node");
    view.exec(workspace, "test ! -e /var/run/secrets/kubernetes.io").await?;
    Ok(())
}

/// Installs an extension that has nothing in it, by the editor's own command.
async fn install_extension(berth: &Installation, workspace: &Workspace) -> anyhow::Result<()> {
    let manifest = r#"{"name":"nothing","publisher":"berth","version":"1.0.0","engines":{"vscode":"*"}}"#;
    let vsix = r#"<PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011"><Metadata><Identity Language="en-US" Id="nothing" Version="1.0.0" Publisher="berth"/></Metadata><Installation><InstallationTarget Id="Microsoft.VisualStudio.Code"/></Installation><Assets><Asset Type="Microsoft.VisualStudio.Code.Manifest" Path="extension/package.json"/></Assets></PackageManifest>"#;
    let folder = berth.dir().join("vsix");
    std::fs::create_dir_all(folder.join("extension"))?;
    std::fs::write(folder.join("extension/package.json"), manifest)?;
    std::fs::write(folder.join("extension.vsixmanifest"), vsix)?;
    // A VSIX is a ZIP archive, which git knows to make.
    let git = |words: &[&str]| {
        let mut git = command("git");
        git.arg("-C").arg(&folder).args(["-c", "user.name=t", "-c", "user.email=t@example.com"]).args(words);
        git
    };
    output(&mut git(&["init", "-q"])).await?;
    output(&mut git(&["add", "."])).await?;
    output(&mut git(&["commit", "-q", "-m", "x"])).await?;
    output(&mut git(&["archive", "--format=zip", "--output=nothing.vsix", "HEAD"])).await?;
    let archive = std::fs::read(folder.join("nothing.vsix"))?;
    berth.view.write(workspace, "/tmp/nothing.vsix", &archive).await?;
    berth.view.exec(workspace, &format!("{EDITOR_COMMAND} --install-extension /tmp/nothing.vsix")).await?;
    Ok(())
}

/// As a user does in the editor, whose settings are a file.
async fn change_settings(
    view: &ClusterView,
    workspace: &Workspace,
    change: impl FnOnce(&mut serde_json::Value),
) -> anyhow::Result<()> {
    const SETTINGS: &str = "/projects/.berth/editor/data/User/settings.json";
    let settings = view.exec(workspace, &format!("cat {SETTINGS}")).await?;
    let mut settings: serde_json::Value = serde_json::from_slice(&settings)?;
    change(&mut settings);
    view.write(workspace, SETTINGS, settings.to_string().as_bytes()).await
}

const EDITOR_COMMAND: &str = "/projects/.berth/tools/current/bin/code-server";

pub(crate) async fn type_into_the_terminal(browser: &Browser, line: &str) -> anyhow::Result<()> {
    const SHOWN: &str = "return [...document.querySelectorAll('.quick-input-list .monaco-list-row')].some(row => row.textContent.includes('Create New Terminal'))";
    browser.find(".monaco-workbench .part.editor").await?;
    // What is typed while the workbench still starts is lost: the palette is asked again until it has the command.
    let begin = Instant::now();
    loop {
        browser.press(F1).await?;
        browser.find(".quick-input-widget input").await?;
        browser.press("Terminal: Create New Terminal").await?;
        let shown = tokio::time::timeout(Duration::from_secs(10), browser.wait_until(SHOWN)).await;
        if matches!(shown, Ok(Ok(()))) {
            break;
        }
        ensure!(begin.elapsed() < PATIENCE, "the palette has no command for a terminal");
        browser.press(ESCAPE).await?;
    }
    browser.press(ENTER).await?;
    browser.find(".terminal.xterm.focus, .xterm-helper-textarea:focus").await?;
    browser.press(&format!("{line}{ENTER}")).await
}

#[tokio::test]
async fn the_editor_in_a_browser_runs_commands_in_the_pod_and_keeps_what_the_user_changed()
-> anyhow::Result<()> {
    let Some(berth) = Installation::start_with_tools().await? else {
        return Ok(());
    };
    let (admin, view) = (&berth.admin, &berth.view);
    let (key, git) = (Key::generate(&berth).await?, GitServer::start(&berth).await?);
    let created = admin
        .create(&CreateWorkspace {
            idle_after: None,
            name: Some(WorkspaceName::new("edited")?),
            agent: None,
            devfile: None,
            devcontainer: None,
            image: Some(WORKSPACE_IMAGE.to_owned()),
            git_user: None,
            project: Some(ProjectInput { url: git.url.clone(), reference: None, devfile_path: None }),
            variables: vec![
                variable(VariableKind::Environment, "LINES_OF", b"one\ntwo $(x)"),
                variable(VariableKind::File, "ssh_authorized_keys", &key.public),
            ],
        })
        .await?;
    let running = started(&berth, &created).await?;
    editor_answers(view, &running).await?;
    check_confinement(view, &running).await?;
    eventually(view, &running, "test -s /projects/.berth/ssh/host_ed25519_key.pub").await?;
    assert_eq!(key.ssh(view, &running, r#"id -u; echo "$LINES_OF""#).await?, "5001\none\ntwo $(x)\n");
    install_extension(&berth, &running).await?;
    change_settings(view, &running, |settings| {
        settings["workbench.colorTheme"] = "Default Light Modern".into();
        settings["workbench.startupEditor"] = "readme".into();
    })
    .await?;

    // What is on the disk is not copied again: what somebody put beside it stays.
    eventually(view, &running, "test ! -e /projects/.berth/tools/.unsafe").await?;
    view.exec(&running, ": > /projects/.berth/tools/current/stays").await?;
    let restart = admin.wish("edited", "restart").await?;
    let running = started(&berth, &restart).await?;
    let editor = editor_answers(view, &running).await?;
    let origin = format!("http://{}", editor.address());
    view.exec(&running, "test -e /projects/.berth/tools/current/stays").await?;
    // The same host key, or this login would be refused.
    assert_eq!(key.ssh(view, &running, "echo again").await?, "again\n");
    let extensions = view.exec(&running, &format!("{EDITOR_COMMAND} --list-extensions")).await?;
    assert!(String::from_utf8(extensions)?.contains("berth.nothing"));

    let browser = Browser::start(&origin).await?;
    browser.open(&origin).await?;
    type_into_the_terminal(&browser, "echo typed by $(id -u) > /projects/typed; uname -sm").await?;
    assert_eq!(eventually(view, &running, "cat /projects/typed").await?, "typed by 5001\n");
    browser.wait_until("return document.querySelector('.monaco-workbench.vs') !== null").await?;
    browser.screenshot("editor.png").await?;
    browser.quit().await?;

    // It dies and is there again, and the container never noticed.
    view.exec(&running, "pkill -9 -f '[o]ut/node/entry.js'").await?;
    eventually(view, &running, "grep -q 'next start in' /projects/workspace-logs/editor.log").await?;
    editor_answers(view, &running).await?;
    let containers = view.pod(&running).await?.status.and_then(|status| status.container_statuses);
    assert!(containers.unwrap_or_default().iter().all(|container| container.restart_count == 0));
    Ok(())
}

/// A Git server on the host with a repository of three commits; it speaks the protocol that allows shallow clones.
struct GitServer {
    url: String,
    _httpd: tokio::process::Child,
}

impl GitServer {
    async fn start(berth: &Installation) -> anyhow::Result<Self> {
        use std::os::unix::fs::PermissionsExt as _;
        berth.let_out_to_this_machine("agent").await?;
        let root = berth.dir().join("git");
        let work = root.join("work");
        std::fs::create_dir_all(&work)?;
        let git = |words: &[&str]| {
            let mut git = command("git");
            git.arg("-C")
                .arg(&work)
                .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
                .args(words);
            git
        };
        output(&mut git(&["init", "-q", "-b", "main"])).await?;
        for content in ["one", "two", "three"] {
            std::fs::write(work.join("README"), content)?;
            output(&mut git(&["add", "."])).await?;
            output(&mut git(&["commit", "-q", "-m", content])).await?;
        }
        output(&mut git(&["clone", "-q", "--bare", ".", "../site.git"])).await?;
        let script = root.join("cgi-bin/git");
        std::fs::create_dir_all(root.join("cgi-bin"))?;
        let text = format!(
            "#!/bin/sh\nexport GIT_PROJECT_ROOT={} GIT_HTTP_EXPORT_ALL=1\ngit config --global --replace-all safe.directory '*'\nexec git http-backend\n",
            root.display()
        );
        std::fs::write(&script, text)?;
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
        let address = berth_harness::free_address(berth.cluster.host_address())?;
        let mut httpd = command("busybox");
        httpd.env("HOME", &root).args(["httpd", "-f", "-p", &address.to_string(), "-h"]).arg(&root);
        let httpd = httpd.spawn().context("no HTTP server")?;
        Ok(Self { url: format!("http://{address}/cgi-bin/git/site.git"), _httpd: httpd })
    }
}

#[tokio::test]
async fn an_image_with_nothing_but_a_shell_gets_the_project_an_editor_and_ssh() -> anyhow::Result<()> {
    let Some(berth) = Installation::start_with_tools().await? else {
        return Ok(());
    };
    let (admin, view) = (&berth.admin, &berth.view);
    let (key, git) = (Key::generate(&berth).await?, GitServer::start(&berth).await?);
    let devfile = format!(
        "schemaVersion: 2.2.0
components:
  - name: main
    container:
      image: {}
commands:
  - id: before
    exec:
      component: main
      commandLine: git --version; echo before > /projects/before
  - id: after
    exec:
      component: main
      workingDir: /projects/site
      commandLine: cat README; echo; cat /projects/before
events:
  preStart: [before]
  postStart: [after]
",
        images::SHELL.reference
    );
    let created = admin
        .create(&CreateWorkspace {
            idle_after: None,
            name: Some(WorkspaceName::new("bare")?),
            agent: None,
            devfile: Some(devfile),
            devcontainer: None,
            image: None,
            git_user: None,
            project: Some(ProjectInput {
                url: git.url.clone(),
                reference: Some("main".to_owned()),
                devfile_path: None,
            }),
            variables: vec![variable(VariableKind::File, "ssh_authorized_keys", &key.public)],
        })
        .await?;
    let running = started(&berth, &created).await?;
    editor_answers(view, &running).await?;
    // The shell's own words: the image has no other program.
    let log = "read -r line < /projects/workspace-logs/post-start-after.log && echo \"$line\"";
    assert_eq!(eventually(view, &running, log).await?, "three\n");
    eventually(view, &running, "test -e /projects/.berth/project/history").await?;
    let log = "read -r line < /projects/workspace-logs/pre-start-before.log && echo \"$line\"";
    assert!(
        eventually(view, &running, log).await?.starts_with("git version "),
        "the tools' git is there already"
    );
    let log = "while read -r line; do echo \"$line\"; done < /projects/workspace-logs/project-clone.log";
    let log = String::from_utf8(view.exec(&running, log).await?)?;
    assert!(log.contains(&git.url) && log.contains("the project's files are in /projects/site"), "{log}");
    let count =
        "git -C /projects/site rev-list --count HEAD; git -C /projects/site status --short; which git";
    let printed = key.ssh(view, &running, count).await?;
    assert_eq!(printed, "3\n/projects/.berth/tools/current/path/git\n");
    Ok(())
}

/// Makes the volume as another version of the tools would have left it, and prints the version that was there.
const OTHER_VERSION: &str = "cd /projects/.berth/tools && version=$(readlink current) && mv $version other && ln -sfn other current && : > other/old && echo $version";

#[tokio::test]
async fn tools_of_another_version_are_replaced_and_a_project_that_cannot_be_cloned_leaves_the_workspace_alone()
-> anyhow::Result<()> {
    let Some(berth) = Installation::start_with_tools().await? else {
        return Ok(());
    };
    let project = ProjectInput {
        url: "http://127.0.0.1:1/nobody/nothing.git".to_owned(),
        reference: None,
        devfile_path: None,
    };
    let created = berth
        .admin
        .create(&CreateWorkspace {
            idle_after: None,
            name: Some(WorkspaceName::new("unreachable")?),
            agent: None,
            devfile: None,
            devcontainer: None,
            image: Some(WORKSPACE_IMAGE.to_owned()),
            git_user: None,
            project: Some(project),
            variables: vec![],
        })
        .await?;
    let running = started(&berth, &created).await?;
    let failed = "grep 'could not be cloned' /projects/workspace-logs/project-clone.log";
    eventually(&berth.view, &running, failed).await?;
    berth.view.exec(&running, "test ! -e /projects/.berth/project/files").await?;
    editor_answers(&berth.view, &running).await?;

    let version = String::from_utf8(berth.view.exec(&running, OTHER_VERSION).await?)?;
    let restart = berth.admin.wish("unreachable", "restart").await?;
    let running = started(&berth, &restart).await?;
    editor_answers(&berth.view, &running).await?;
    let tools =
        "cd /projects/.berth/tools && readlink current && test ! -e current/old && set -- * && echo $#";
    let tools = String::from_utf8(berth.view.exec(&running, tools).await?)?;
    assert_eq!(tools, format!("{version}2\n"), "that version, `current`, and nothing else");

    // The volume is the user's: nothing that is put in the way of the tools keeps the workspace from starting.
    for in_the_way in
        ["echo mine > /projects/.berth", "mkdir -p /projects/.berth/tools && chmod 0 /projects/.berth"]
    {
        // Renamed: what runs writes into it.
        let script = format!("mv /projects/.berth /projects/was-$$ && {in_the_way}");
        berth.view.exec(&running, &script).await?;
        let restart = berth.admin.wish("unreachable", "restart").await?;
        let running = started(&berth, &restart).await?;
        editor_answers(&berth.view, &running).await?;
        assert_eq!(berth.view.exec(&running, "cat /projects/.berth.aside-*").await?, b"mine\n");
    }
    Ok(())
}
