//! OpenSSH, as `berth` calls it and by itself, through a real proxy into a real pod (decisions 0063 and 0066).

mod connected;
mod forwards;
mod idle;
mod plain;

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use berth_harness::command::command;
use berth_schema::connection::{ProgramConnection, TOKEN_HEADER};
use berth_schema::kubernetes::EDITOR_PORT;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::PATIENCE;
use crate::editor::eventually;
use crate::login::{Berth, Visitor};
use crate::way_in::{NAME, WEB, Way, public_url};

/// What OpenSSH calls the workspace.
const HOST: &str = "way-in.berth";

/// A workspace, and its creator's command line and OpenSSH.
struct World {
    way: Way,
    berth: Berth,
    /// OpenSSH's configuration.
    config: PathBuf,
}

impl World {
    async fn start() -> anyhow::Result<Option<Self>> {
        let Some(way) = Box::pin(Way::start()).await? else { return Ok(None) };
        let (port, ssh) = (way.proxy.address().port(), way.proxy.ssh().port());
        let port = json!({"proxy": {"public_port": port, "ssh_port": ssh}});
        way.berth.admin.put("agents/agent/configuration", &port).await?;
        let person = Visitor::sign_in(&way.berth.server.first_link()?).await?;
        let berth = Berth::new()?;
        berth.log_in(&public_url(&way.berth), &person).await?;
        let config = berth.home.path().join("ssh_config");
        let world = Self { way, berth, config };
        let config = world.config.display().to_string();
        world.ok(world.own(&["ssh-config", "--install", "--file", &config]), b"").await?;
        world.has_sshd().await?;
        Ok(Some(world))
    }

    /// It starts beside the workspace's own program.
    async fn has_sshd(&self) -> anyhow::Result<()> {
        let greets = "busybox nc -w 5 $BERTH_POD_IP 60022 < /dev/null | grep -q SSH-2.0";
        eventually(&self.way.berth.view, &self.way.workspace, greets).await.map(drop)
    }

    /// A session that says that it is there, and then nothing.
    async fn session(&self) -> anyhow::Result<Child> {
        let mut child = self.own(&["ssh", NAME, "--", "echo ready; sleep 3600"]).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("no stdout")?).lines();
        ensure!(lines.next_line().await?.as_deref() == Some("ready"));
        Ok(child)
    }

    /// Of the folder that OpenSSH's files are in.
    fn file(&self, name: &str) -> PathBuf {
        self.berth.home.path().join(".config/berth/ssh").join(name)
    }

    fn told(&self, mut command: Command) -> Command {
        command.env("HOME", self.berth.home.path()).env("PATH", "/usr/bin:/bin");
        command.env("BERTH_CA_FILE", self.berth.home.path().join("proxy.pem"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// `berth`.
    fn own(&self, args: &[&str]) -> Command {
        self.told(self.berth.command(args))
    }

    /// A program that uses OpenSSH, with the configuration that `berth` has written.
    fn program(&self, program: &str, args: &[&str]) -> Command {
        let mut command = command(program);
        command.args(["-F".as_ref(), self.config.as_os_str()]).args(args);
        self.told(command)
    }

    async fn run(&self, mut command: Command, stdin: &[u8]) -> anyhow::Result<Output> {
        std::fs::write(self.berth.home.path().join("proxy.pem"), self.way.proxy.certificate()?)?;
        let mut child = command.spawn()?;
        let mut to = child.stdin.take().context("no stdin")?;
        let write = async {
            // Who does not read it closes it.
            let _ = to.write_all(stdin).await;
            drop(to);
        };
        let ((), output) = tokio::join!(write, tokio::time::timeout(4 * PATIENCE, child.wait_with_output()));
        Ok(output.context("it does not end")??)
    }

    async fn ok(&self, command: Command, stdin: &[u8]) -> anyhow::Result<Vec<u8>> {
        let words = format!("{:?}", command.as_std());
        let output = self.run(command, stdin).await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{words}: {} {said}", output.status);
        Ok(output.stdout)
    }

    async fn text(&self, command: Command) -> anyhow::Result<String> {
        Ok(String::from_utf8(self.ok(command, b"").await?)?)
    }
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((at / 3 + at * 7) % 251).unwrap_or_default()).collect()
}

#[tokio::test]
async fn openssh_gets_in_through_the_proxy_and_nobody_else_does() -> anyhow::Result<()> {
    let Some(world) = World::start().await? else { return Ok(()) };
    let parts = [
        ("commands", commands_have_their_words_streams_and_exit_codes(&world).await),
        ("files", files_are_copied_by_every_program(&world).await),
        ("forwards", forwards::all_kinds_lead_there(&world).await),
        ("channels", forwards::a_hundred_channels_share_a_connection(&world).await),
        ("megabytes", megabytes_pass_while_keys_change(&world).await),
        ("header", a_token_in_a_header_opens_ports(&world).await),
        ("certificates", no_other_certificate_opens_it(&world).await),
        ("others", nobody_else_gets_in(&world).await),
        ("the stop", its_pods_end_cuts_it(&world).await),
        ("the end", the_sessions_end_cuts_it(&world).await),
    ];
    // Each is tried, whatever became of those before it.
    let failed: Vec<_> = parts
        .iter()
        .filter_map(|(name, tried)| tried.as_ref().err().map(|cause| format!("{name}: {cause}")))
        .collect();
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

async fn commands_have_their_words_streams_and_exit_codes(world: &World) -> anyhow::Result<()> {
    let output = world.run(world.own(&["ssh", NAME, "--", "echo $BERTH_WORKSPACE; exit 7"]), b"").await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(7) && output.stdout == b"way-in\n", "{:?} {said}", output.status);
    let words = ["exec", NAME, "--", "printf", "%s|", "a b", "it's", "$HOME", "`id`", ""];
    ensure!(world.text(world.own(&words)).await? == "a b|it's|$HOME|`id`||");
    let sent = pattern(8_000_003);
    ensure!(world.ok(world.own(&["exec", NAME, "--", "cat"]), &sent).await? == sent, "bytes are lost");
    let terminal = world.text(world.own(&["ssh", NAME, "--", "-tt", "stty cols 91; stty size; tty"])).await?;
    ensure!(terminal.contains(" 91\r\n/dev/pts/"), "{terminal}");
    let shell = world.ok(world.own(&["ssh", NAME, "--", "-tt"]), b"echo $((6 * 7)) > typed; exit\n").await?;
    ensure!(world.text(world.program("ssh", &[HOST, "cat typed"])).await? == "42\n", "{shell:?}");
    // A client's environment is taken, but for what the container has itself.
    let chosen =
        ["-o", "SetEnv=GREETING=hello BERTH_WORKSPACE=forged", HOST, "echo $GREETING $BERTH_WORKSPACE"];
    ensure!(world.text(world.program("ssh", &chosen)).await? == "hello way-in\n");
    // The host's key is known beforehand, and another one is refused.
    let known = world.file(&format!("{HOST}.hosts"));
    let right = std::fs::read_to_string(&known)?;
    ensure!(right.starts_with("way-in.berth ssh-ed25519 "), "{right}");
    let forged = world.file("forged.hosts");
    let own = std::fs::read_to_string(world.file("id_ed25519.pub"))?;
    std::fs::write(&forged, format!("{HOST} {own}"))?;
    let option = format!("UserKnownHostsFile={}", forged.display());
    let output = world.run(world.program("ssh", &["-o", &option, HOST, "true"]), b"").await?;
    ensure!(output.status.code() == Some(255), "another host's key is taken");
    Ok(())
}

async fn files_are_copied_by_every_program(world: &World) -> anyhow::Result<()> {
    let home = world.berth.home.path();
    let (tree, sent) = (home.join("tree"), pattern(3_000_001));
    std::fs::create_dir_all(tree.join("sub folder"))?;
    std::fs::write(tree.join("sub folder/it's"), &sent)?;
    let here = tree.display().to_string();
    let back = |name: &str| {
        let read = std::fs::read(home.join(name).join("sub folder/it's"));
        read.is_ok_and(|read| read == sent)
    };
    let place = |name: &str| home.join(name).display().to_string();
    world.ok(world.own(&["cp", "-r", &here, "way-in:copied"]), b"").await?;
    world.ok(world.own(&["cp", "-r", "way-in:/projects/copied", &place("by-cp")]), b"").await?;
    ensure!(back("by-cp"), "berth cp");
    let there = format!("{HOST}:/projects/copied");
    world.ok(world.program("scp", &["-r", &there, &place("by-scp")]), b"").await?;
    ensure!(back("by-scp"), "scp");
    let batch = format!("put -R \"{here}\" by-sftp\nget -R by-sftp \"{}\"\n", place("by-sftp"));
    world.ok(world.program("sftp", &["-b", "-", HOST]), batch.as_bytes()).await?;
    ensure!(back("by-sftp"), "sftp");
    let shell = format!("ssh -F {}", world.config.display());
    let mut rsync = command("rsync");
    rsync.args(["-a", "-e", &shell, &format!("{here}/"), &format!("{HOST}:by-rsync/")]);
    world.ok(world.told(rsync), b"").await?;
    let mut rsync = command("rsync");
    rsync.args(["-a", "-e", &shell, &format!("{HOST}:by-rsync/"), &place("by-rsync")]);
    world.ok(world.told(rsync), b"").await?;
    ensure!(back("by-rsync"), "rsync");
    let make = "git init -q -b main site && cd site && echo three > README && git add . && \
                git -c user.name=t -c user.email=t@example.com commit -q -m x";
    world.text(world.program("ssh", &[HOST, make])).await?;
    let mut git = command("git");
    git.args(["clone", "-q", &format!("ssh://{HOST}/projects/site"), &place("by-git")]);
    git.env("GIT_SSH_COMMAND", &shell);
    world.ok(world.told(git), b"").await?;
    ensure!(std::fs::read_to_string(home.join("by-git/README"))? == "three\n", "git");
    Ok(())
}

/// While the keys of the connection are exchanged anew a hundred times.
async fn megabytes_pass_while_keys_change(world: &World) -> anyhow::Result<()> {
    let sent = pattern(32 << 20);
    let options = ["-o", "RekeyLimit=512K", HOST, "cat"];
    ensure!(world.ok(world.program("ssh", &options), &sent).await? == sent, "bytes are lost");
    let begin = Instant::now();
    let script = "head -c 1073741824 /dev/zero";
    let counted = format!("ssh -F {} {HOST} '{script}' | wc -c", world.config.display());
    let mut count = command("sh");
    count.args(["-c", &counted]);
    ensure!(world.text(world.told(count)).await?.trim() == "1073741824");
    #[expect(clippy::print_stderr, reason = "a figure for whoever runs it")]
    {
        eprintln!("one GiB came out in {:.1} s", begin.elapsed().as_secs_f64());
    }
    Ok(())
}

async fn a_token_in_a_header_opens_ports(world: &World) -> anyhow::Result<()> {
    let way = &world.way;
    let http = reqwest::Client::builder().tls_certs_only([]).build()?;
    let path =
        format!("{}/api/v1/organizations/default/workspaces/{NAME}/connection", way.berth.server.url());
    let asked = http.post(path).bearer_auth(world.berth.token("access_token:")?).json(&json!({}));
    let connection: ProgramConnection = asked.send().await?.error_for_status()?.json().await?;
    ensure!(connection.url.replace("{port}", "8080") == format!("{}/", way.proxy.origin(WEB, NAME)));
    let token = connection.token.expose();
    let ask =
        |port, name, path| anyhow::Ok(way.ask(Method::GET, port, name, path)?.header(TOKEN_HEADER, token));
    let answer = ask(WEB, NAME, "/cgi-bin/say")?.send().await?;
    ensure!(answer.status() == 200, "{}", answer.status());
    let cookies: Vec<_> = answer.headers().get_all("set-cookie").iter().cloned().collect();
    ensure!(cookies.len() == 1 && cookies[0] == "own=1", "a token makes a cookie: {cookies:?}");
    let said = answer.text().await?;
    ensure!(said.contains("HTTP_HOST=") && !said.to_ascii_lowercase().contains("token"), "{said}");
    let socket = "/socket?reconnectionToken=6c9e4a2e-1111-4222-8333-444455556666&reconnection=false&skipWebSocketFrames=false";
    let upgrade = |origin: Option<&str>| {
        let asked = ask(EDITOR_PORT, NAME, socket)?
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        anyhow::Ok(match origin {
            Some(origin) => asked.header("origin", origin),
            None => asked,
        })
    };
    ensure!(upgrade(None)?.send().await?.status() == 101, "a socket of a program");
    ensure!(upgrade(Some("https://evil.example"))?.send().await?.status() == 403, "of a page");
    ensure!(ask(EDITOR_PORT, "other", "/")?.send().await?.status() == 401, "another workspace");
    let bare = way.ask(Method::GET, WEB, NAME, &format!("/?berth-token={token}"))?;
    ensure!(bare.send().await?.status() == 401, "a token in an address");
    Ok(())
}

/// One of another workspace, and none at all.
async fn no_other_certificate_opens_it(world: &World) -> anyhow::Result<()> {
    world.ok(world.own(&["create", "other", "--image", "debian:13"]), b"").await?;
    world.ok(world.own(&["ssh", "--prepare", "other"]), b"").await?;
    world.ok(world.own(&["ssh", "--prepare", NAME]), b"").await?;
    let with = async |certificate: Option<&str>| {
        let mut ssh = command("ssh");
        let proxy = format!("ProxyCommand={} ssh --stdio {NAME}", program(world).display());
        ssh.args(["-F", "none", "-o", &proxy, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-i"]);
        ssh.arg(world.file("id_ed25519"));
        ssh.arg("-o").arg(format!("UserKnownHostsFile={}", world.file(&format!("{HOST}.hosts")).display()));
        if let Some(certificate) = certificate {
            ssh.arg("-o").arg(format!("CertificateFile={}", world.file(certificate).display()));
        }
        ssh.args([&format!("workspace@{HOST}"), "true"]);
        let output = world.run(world.told(ssh), b"").await?;
        anyhow::Ok((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()))
    };
    let right = with(Some("way-in.berth-cert.pub")).await?;
    ensure!(right.0 == Some(0), "{right:?}");
    for certificate in [Some("other.berth-cert.pub"), None] {
        let (exit, said) = with(certificate).await?;
        ensure!(
            exit == Some(255) && said.contains("Permission denied (publickey)"),
            "{certificate:?}: {said}"
        );
    }
    let mut read = command("ssh-keygen");
    read.arg("-L").arg("-f").arg(world.file("way-in.berth-cert.pub"));
    let read = world.text(world.told(read)).await?;
    ensure!(read.contains(&world.way.workspace.id.to_string()) && read.contains("Valid: from"), "{read}");
    Ok(())
}

fn program(world: &World) -> PathBuf {
    world.berth.command(&[]).as_std().get_program().into()
}

async fn nobody_else_gets_in(world: &World) -> anyhow::Result<()> {
    let bob = Visitor::sign_in(&world.way.link("Bob").await?).await?;
    let berth = Berth::new()?;
    berth.log_in(&public_url(&world.way.berth), &bob).await?;
    let output = berth.run(&["ssh", NAME, "--", "true"]).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    // Another owner sees that it is there.
    ensure!(output.status.code() == Some(5) && said.contains("alone enters it"), "{said}");
    Ok(())
}

/// It is ended in another browser.
/// The pod's last words may be lost with its network: whoever is in it is told all the same.
async fn its_pods_end_cuts_it(world: &World) -> anyhow::Result<()> {
    let mut child = world.session().await?;
    world.ok(world.own(&["stop", NAME, "--wait"]), b"").await?;
    let ended = tokio::time::timeout(PATIENCE, child.wait()).await.context("it stays open")??;
    ensure!(ended.code() == Some(255), "{ended}");
    world.ok(world.own(&["start", NAME, "--wait"]), b"").await?;
    world.has_sshd().await
}

async fn the_sessions_end_cuts_it(world: &World) -> anyhow::Result<()> {
    let mut child = world.session().await?;
    let elsewhere = Visitor::sign_in(&world.way.link("Administrator").await?).await?;
    let begin = Instant::now();
    elsewhere.submit("/sessions/end-others", &[]).await?;
    let ended = tokio::time::timeout(PATIENCE, child.wait()).await.context("it stays open")??;
    ensure!(ended.code() == Some(255), "{ended}");
    #[expect(clippy::print_stderr, reason = "a figure for whoever runs it")]
    {
        eprintln!("cut {} ms after the session's end", begin.elapsed().as_millis());
    }
    let output = world.run(world.own(&["ssh", NAME, "--", "true"]), b"").await?;
    ensure!(output.status.code() == Some(4), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
