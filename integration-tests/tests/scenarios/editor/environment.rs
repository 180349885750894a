//! What a user may set, against the editor and sshd.

use super::*;

/// Each of these once moved the editor, opened it to everybody, or kept it or sshd from running; or might have.
const HOSTILE: [(&str, &str); 30] = [
    ("PORT", "3000"),
    ("CODE_SERVER_HOST", "0.0.0.0"),
    ("CODE_SERVER_CONFIG", "/nonexistent/config.yaml"),
    ("CODE_SERVER_PARENT_PID", "1"),
    ("CODE_SERVER_SESSION_SOCKET", "/nonexistent/socket"),
    ("CODE_SERVER_IDLE_TIMEOUT_SECONDS", "1"),
    ("CS_DISABLE_PROXY", "0"),
    ("VSCODE_IPC_HOOK_CLI", "/tmp/x"),
    ("VSCODE_DEV", "1"),
    ("VSCODE_AGENT_FOLDER", "/nonexistent"),
    ("VSCODE_NLS_CONFIG", "nonsense"),
    ("VSCODE_OPTIONS", "nonsense"),
    ("VSCODE_RESOLVING_ENVIRONMENT", "1"),
    ("ELECTRON_RUN_AS_NODE", "1"),
    ("EXTENSIONS_GALLERY", "nonsense"),
    ("PASSWORD", "hunter2"),
    ("HASHED_PASSWORD", "hunter2"),
    ("LOG_LEVEL", "nonsense"),
    ("NODE_OPTIONS", "--no-such-option"),
    ("NODE_PATH", "/nonexistent"),
    ("NODE_CHANNEL_FD", "3"),
    ("NODE_V8_COVERAGE", "/nonexistent"),
    ("OPENSSL_CONF", "/nonexistent"),
    ("PYTHONPATH", "/nonexistent"),
    ("TMPDIR", "/nonexistent"),
    ("XDG_RUNTIME_DIR", "/nonexistent"),
    ("TZDIR", "/nonexistent"),
    ("SHELL", "/bin/true"),
    ("HTTP_PROXY", "http://127.0.0.1:1"),
    ("PATH", "/nonexistent:/usr/local/bin:/usr/bin:/bin"),
];

/// Those that a session of sshd or a terminal of the editor says itself.
const SAID_BY_THE_SESSION: [&str; 3] = ["SHELL", "PATH", "VSCODE_IPC_HOOK_CLI"];

/// What listens in the pod, as addresses and ports.
async fn listeners(view: &ClusterView, workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let tables = view.exec(workspace, "cat /proc/net/tcp /proc/net/tcp6").await?;
    let tables = String::from_utf8(tables)?;
    let mut found: Vec<String> = tables
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let (local, state) = (fields.next()?, fields.nth(1)?);
            (state == "0A").then(|| local.to_owned())
        })
        .collect();
    found.sort();
    Ok(found)
}

/// As the kernel prints it: the address as a number of this machine's byte order, the port as one of the network's.
fn as_in_proc(address: &str, port: u16) -> anyhow::Result<String> {
    let address: std::net::Ipv4Addr = address.parse()?;
    Ok(format!("{:08X}:{port:04X}", u32::from_ne_bytes(address.octets())))
}

/// What a shell prints of a variable: its value, then a line's end.
fn lines_of(names: &[&str]) -> String {
    let lines: Vec<_> = names.iter().map(|name| format!("echo \"{name}=${name}\"; ")).collect();
    lines.concat()
}

fn expected(names: &[&str]) -> String {
    let value = |name: &str| HOSTILE.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value);
    let lines: Vec<_> = names.iter().map(|name| format!("{name}={}\n", value(name))).collect();
    lines.concat()
}

/// A task of the type `process`: the editor starts it in a terminal, but without the user's shell.
async fn run_a_task_when_the_folder_is_opened(
    view: &ClusterView,
    workspace: &Workspace,
    script: &str,
) -> anyhow::Result<()> {
    let tasks = serde_json::json!({ "version": "2.0.0", "tasks": [{
        "label": "show", "type": "process", "command": "/bin/sh", "args": [script], "runOptions": { "runOn": "folderOpen" },
    }] });
    view.exec(workspace, "mkdir -p /projects/.vscode").await?;
    view.write(workspace, "/projects/.vscode/tasks.json", tasks.to_string().as_bytes()).await?;
    change_settings(view, workspace, |settings| settings["task.allowAutomaticTasks"] = "on".into()).await
}

#[tokio::test]
async fn nothing_that_a_user_sets_moves_opens_or_stops_the_editor_or_sshd() -> anyhow::Result<()> {
    let Some(berth) = Installation::start_with_tools().await? else {
        return Ok(());
    };
    let (admin, view) = (&berth.admin, &berth.view);
    let key = Key::generate(&berth).await?;
    let mut variables = vec![variable(VariableKind::File, "ssh_authorized_keys", &key.public)];
    let hostile =
        HOSTILE.iter().map(|(name, value)| variable(VariableKind::Environment, name, value.as_bytes()));
    variables.extend(hostile);
    // What an image or a devfile says comes the same way: into the container's environment.
    let devfile = format!(
        "schemaVersion: 2.2.0
components:
  - name: main
    container:
      image: {WORKSPACE_IMAGE}
      env:
        - name: HOME
          value: /nonexistent
        - name: PORT
          value: '3000'
"
    );
    let created = admin
        .create(&CreateWorkspace {
            idle_after: None,
            name: Some(WorkspaceName::new("hostile")?),
            agent: None,
            devfile: Some(devfile),
            devcontainer: None,
            image: None,
            git_user: None,
            project: None,
            variables,
        })
        .await?;
    let running = started(&berth, &created).await?;
    let editor = editor_answers(view, &running).await?;
    let origin = format!("http://{}", editor.address());
    eventually(view, &running, "test -s /projects/.berth/ssh/host_ed25519_key.pub").await?;
    let names: Vec<&str> =
        HOSTILE.iter().map(|(name, _)| *name).filter(|name| !SAID_BY_THE_SESSION.contains(name)).collect();
    let ssh = key.ssh(view, &running, &lines_of(&names)).await?;
    assert_eq!(ssh, expected(&names), "a session has the user's values");

    let print = lines_of(&names);
    view.write(&running, "/projects/show.sh", format!("{{ {print} }} > /projects/values").as_bytes()).await?;
    view.write(&running, "/projects/task.sh", format!("{{ {print} }} > /projects/task").as_bytes()).await?;
    run_a_task_when_the_folder_is_opened(view, &running, "/projects/task.sh").await?;
    let browser = Browser::start(&origin).await?;
    browser.open(&origin).await?;
    type_into_the_terminal(&browser, ". /projects/show.sh; : > /projects/shown").await?;
    eventually(view, &running, "test -e /projects/shown").await?;
    let values = String::from_utf8(view.exec(&running, "cat /projects/values").await?)?;
    assert_eq!(values, expected(&names), "and so has a terminal of the editor");
    let values = eventually(view, &running, "test -s /projects/task && cat /projects/task").await?;
    assert_eq!(values, expected(&names), "and a task that has no shell of its own");
    browser.quit().await?;

    // The image's own word, which no policy refuses.
    let preloaded =
        format!("LD_PRELOAD=/nonexistent.so LD_LIBRARY_PATH=/lib LD_BIND_NOW=1 {EDITOR_COMMAND} --version");
    view.exec(&running, &preloaded).await?;

    let own = view.pod_address(&running).await?;
    let mut allowed = vec![as_in_proc(&own, EDITOR_PORT)?, as_in_proc(&own, SSH_PORT)?];
    allowed.sort();
    assert_eq!(listeners(view, &running).await?, allowed, "at the pod's address, and nothing else");
    let ends =
        "grep -c 'ended with' /projects/workspace-logs/editor.log /projects/workspace-logs/sshd.log; :";
    let ends = String::from_utf8(view.exec(&running, ends).await?)?;
    assert!(ends.lines().all(|line| line.ends_with(":0")), "neither was started twice: {ends}");
    Ok(())
}
