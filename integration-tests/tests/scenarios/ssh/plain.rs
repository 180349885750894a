//! OpenSSH alone, with a key that was registered, through the proxy's own port (decision 0092).

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use berth_harness::command::command;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

use super::{
    HOST, World, files_are_copied_by_every_program, forwards, megabytes_pass_while_keys_change, pattern,
};
use crate::PATIENCE;
use crate::login::Visitor;
use crate::way_in::{NAME, public_url};

impl World {
    /// A pair of keys of that kind, and what it is called.
    async fn key(&self, name: &str, kind: &[&str]) -> anyhow::Result<String> {
        let path = self.berth.home.path().join(name).display().to_string();
        let mut keygen = command("ssh-keygen");
        keygen.args(["-q", "-N", "", "-C", name, "-f", &path, "-t"]).args(kind);
        self.ok(self.told(keygen), b"").await?;
        Ok(path)
    }

    async fn register(&self, key: &str) -> anyhow::Result<String> {
        let id = self.text(self.own(&["ssh-keys", "add", &format!("{key}.pub")])).await?;
        Ok(id.trim().to_owned())
    }

    /// What somebody writes who has no `berth`.
    async fn write_config(&self, key: &str) -> anyhow::Result<()> {
        let line = self.text(self.own(&["ssh-keys", "host", NAME])).await?;
        let hosts = self.berth.home.path().join("plain.hosts");
        fs::write(&hosts, &line)?;
        let known_as = line.split(' ').next().context("no host")?;
        let text = format!(
            "Host {HOST}\n  HostName 127.0.0.1\n  HostKeyAlias {known_as}\n  Port {}\n  User {NAME}\n  IdentityFile {key}\n  \
             IdentitiesOnly yes\n  IdentityAgent none\n  BatchMode yes\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile none\n  \
             StrictHostKeyChecking yes\n  UpdateHostKeys yes\n",
            self.way.proxy.ssh().port(),
            hosts.display(),
        );
        Ok(fs::write(&self.config, text)?)
    }

    /// What `ssh` says of that, and how it ends.
    async fn says(&self, args: &[&str]) -> anyhow::Result<(Option<i32>, String)> {
        let output = self.run(self.program("ssh", args), b"").await?;
        Ok((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    async fn waits(&self) -> anyhow::Result<Child> {
        let mut child = self.program("ssh", &[HOST, "echo ready; sleep 3600"]).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("no stdout")?).lines();
        ensure!(lines.next_line().await?.as_deref() == Some("ready"));
        Ok(child)
    }
}

#[tokio::test]
async fn plain_ssh_gets_in_by_a_registered_key_and_by_nothing_else() -> anyhow::Result<()> {
    let Some(mut world) = World::start().await? else { return Ok(()) };
    world.config = world.berth.home.path().join("plain_config");
    let key = world.key("plain", &["ed25519"]).await?;
    let id = world.register(&key).await?;
    world.write_config(&key).await?;
    let parts = [
        ("commands", commands_have_their_streams_signals_and_exit_codes(&world).await),
        ("kinds", keys_of_each_kind_open_it(&world).await),
        ("files", files_are_copied_by_every_program(&world).await),
        ("large files", large_files_come_and_go_by_scp_and_sftp(&world).await),
        ("forwards", forwards::all_kinds_lead_there(&world).await),
        ("channels", forwards::a_hundred_channels_share_a_connection(&world).await),
        ("megabytes", megabytes_pass_while_keys_change(&world).await),
        ("the jump", it_is_a_jump_host_to_the_same_sshd(&world).await),
        ("strangers", a_stranger_learns_nothing(&world).await),
        ("the list", who_is_connected_is_listed_and_ended(&world).await),
        ("the stop", a_workspace_that_is_stopped_says_so(&world).await),
        ("the end", removing_the_key_cuts_it(&world, &id).await),
    ];
    let failed: Vec<_> = parts
        .iter()
        .filter_map(|(name, tried)| tried.as_ref().err().map(|cause| format!("{name}: {cause}")))
        .collect();
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

async fn commands_have_their_streams_signals_and_exit_codes(world: &World) -> anyhow::Result<()> {
    let (exit, said) = world.says(&[HOST, "echo $BERTH_WORKSPACE >&2; exit 7"]).await?;
    ensure!(exit == Some(7) && said == "way-in\n", "{exit:?} {said}");
    let (exit, said) = world.says(&["-v", HOST, "kill -TERM $$"]).await?;
    ensure!(exit == Some(255) && said.contains("exit-signal"), "{exit:?} {said}");
    // Its input's end is its end.
    let sent = pattern(8_000_003);
    ensure!(world.ok(world.program("ssh", &[HOST, "cat"]), &sent).await? == sent, "bytes are lost");
    let both =
        world.run(world.program("ssh", &[HOST, "head -c 5000000 /dev/zero >&2; echo done"]), b"").await?;
    ensure!(both.stderr.len() == 5_000_000 && both.stdout == b"done\n", "{}", both.stderr.len());
    let terminal = world.text(world.program("ssh", &["-tt", HOST, "stty cols 91; stty size; tty"])).await?;
    ensure!(terminal.contains(" 91\r\n/dev/pts/"), "{terminal}");
    let shell = world.ok(world.program("ssh", &["-tt", HOST]), b"echo $((6 * 7)) > typed; exit\n").await?;
    ensure!(world.text(world.program("ssh", &[HOST, "cat typed"])).await? == "42\n", "{shell:?}");
    let alive = ["-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=2", HOST, "sleep 4; echo there"];
    ensure!(world.text(world.program("ssh", &alive)).await? == "there\n");
    // Nobody is told keys that are the workspace's, and not this host's.
    let hosts = fs::read_to_string(world.berth.home.path().join("plain.hosts"))?;
    ensure!(hosts.lines().count() == 1, "{hosts}");
    Ok(())
}

async fn keys_of_each_kind_open_it(world: &World) -> anyhow::Result<()> {
    for kind in [&["ecdsa", "-b", "256"][..], &["ecdsa", "-b", "384"], &["rsa", "-b", "3072"]] {
        let key = world.key(&kind.join(""), kind).await?;
        let id = world.register(&key).await?;
        let option = format!("IdentityFile={key}");
        let open = ["-o", &option, HOST, "true"];
        // The configuration's own key is shown as well; without it this one alone opens.
        let alone = format!("{}.alone", world.config.display());
        let text = fs::read_to_string(&world.config)?;
        let without =
            text.lines().filter(|line| !line.contains("IdentityFile")).collect::<Vec<_>>().join("\n");
        fs::write(&alone, format!("{without}\n"))?;
        let mut ssh = command("ssh");
        ssh.args(["-F", &alone]).args(open);
        world.ok(world.told(ssh), b"").await.with_context(|| kind.join(" "))?;
        world.text(world.own(&["ssh-keys", "remove", &id])).await?;
    }
    let weak = world.key("weak", &["rsa", "-b", "2048"]).await?;
    let refused = world.run(world.own(&["ssh-keys", "add", &format!("{weak}.pub")]), b"").await?;
    let said = String::from_utf8_lossy(&refused.stderr);
    ensure!(!refused.status.success() && said.contains("3072"), "{said}");
    Ok(())
}

async fn large_files_come_and_go_by_scp_and_sftp(world: &World) -> anyhow::Result<()> {
    let home = world.berth.home.path();
    let (there, sent) = (home.join("large"), pattern(64 << 20));
    fs::write(&there, &sent)?;
    let place = |name: &str| home.join(name).display().to_string();
    // The protocol of before, and SFTP.
    for (option, name) in [("-O", "large-scp"), ("-s", "large-sftp")] {
        let remote = format!("{HOST}:{name}");
        world.ok(world.program("scp", &[option, &place("large"), &remote]), b"").await?;
        world.ok(world.program("scp", &[option, &remote, &place(name)]), b"").await?;
        ensure!(fs::read(home.join(name))? == sent, "{name}");
    }
    Ok(())
}

async fn it_is_a_jump_host_to_the_same_sshd(world: &World) -> anyhow::Result<()> {
    // The inner login is by a certificate, as `berth` has it.
    world.ok(world.own(&["ssh", "--prepare", NAME]), b"").await?;
    let address = world.text(world.program("ssh", &[HOST, "echo $BERTH_POD_IP"])).await?;
    let mut ssh = command("ssh");
    let config = world.config.display();
    let jump = format!("ProxyCommand=ssh -F {config} -W {}:60022 {HOST}", address.trim());
    ssh.args(["-F", "none", "-o", &jump, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-i"]);
    ssh.arg(world.file("id_ed25519"));
    ssh.arg("-o").arg(format!("CertificateFile={}", world.file(&format!("{HOST}-cert.pub")).display()));
    ssh.arg("-o").arg(format!("UserKnownHostsFile={}", world.file(&format!("{HOST}.hosts")).display()));
    ssh.args([&format!("workspace@{HOST}"), "echo $BERTH_WORKSPACE"]);
    ensure!(world.text(world.told(ssh)).await? == "way-in\n");
    Ok(())
}

/// Whatever is wrong, they read the same and wait as long.
async fn a_stranger_learns_nothing(world: &World) -> anyhow::Result<()> {
    let other = world.key("other", &["ed25519"]).await?;
    let text = fs::read_to_string(&world.config)?;
    let mut heard = Vec::new();
    for (user, key) in [(NAME, other.as_str()), ("nobodys-own", &other), ("Not_a_name", &other)] {
        let config = format!("{}.stranger", world.config.display());
        let lines = text.lines().map(|line| match line.trim().split(' ').next() {
            Some("User") => format!("  User {user}"),
            Some("IdentityFile") => format!("  IdentityFile {key}"),
            _ => line.to_owned(),
        });
        fs::write(&config, lines.collect::<Vec<_>>().join("\n") + "\n")?;
        let mut ssh = command("ssh");
        ssh.args(["-F", &config, HOST, "true"]);
        let output = world.run(world.told(ssh), b"").await?;
        ensure!(output.status.code() == Some(255), "{user} is let in");
        heard.push(String::from_utf8_lossy(&output.stderr).replace(user, "USER"));
    }
    ensure!(heard.iter().all(|said| *said == heard[0] && said.contains("Permission denied")), "{heard:?}");
    Ok(())
}

async fn who_is_connected_is_listed_and_ended(world: &World) -> anyhow::Result<()> {
    let mut child = world.waits().await?;
    let begin = Instant::now();
    // Those of before are listed for a while, and one that has just come is not yet: what is listed is ended until it is this one.
    let ended = loop {
        if let Some(ended) = child.try_wait()? {
            break ended;
        }
        ensure!(begin.elapsed() < PATIENCE, "it stays open");
        world.run(world.own(&["sessions", "end", NAME, "--all"]), b"").await?;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    };
    ensure!(ended.code() == Some(255), "{ended}");
    // A login has ended what is another session's: that one is proven anew, which a key is by being registered anew.
    let (exit, said) = world.says(&[HOST, "true"]).await?;
    ensure!(exit == Some(255) && said.contains("Permission denied"), "{said}");
    let listed = world.text(world.own(&["ssh-keys", "list", "-o", "name"])).await?;
    for id in listed.lines() {
        world.text(world.own(&["ssh-keys", "remove", id])).await?;
    }
    let person = Visitor::sign_in(&world.way.link("Administrator").await?).await?;
    world.berth.log_in(&public_url(&world.way.berth), &person).await?;
    world.register(&world.berth.home.path().join("plain").display().to_string()).await?;
    world.ok(world.program("ssh", &[HOST, "true"]), b"").await.map(drop)
}

async fn a_workspace_that_is_stopped_says_so(world: &World) -> anyhow::Result<()> {
    let mut child = world.waits().await?;
    world.ok(world.own(&["stop", NAME, "--wait"]), b"").await?;
    let ended = tokio::time::timeout(PATIENCE, child.wait()).await.context("it stays open")??;
    ensure!(ended.code() == Some(255), "{ended}");
    let (exit, said) = world.says(&[HOST, "true"]).await?;
    ensure!(exit == Some(255) && said.contains("berth start"), "{said}");
    world.ok(world.own(&["start", NAME, "--wait"]), b"").await?;
    world.has_sshd().await
}

async fn removing_the_key_cuts_it(world: &World, first: &str) -> anyhow::Result<()> {
    let mut child = world.waits().await?;
    let listed = world.text(world.own(&["ssh-keys", "list", "-o", "name"])).await?;
    ensure!(!listed.contains(first), "the one of before is removed: {listed}");
    let begin = Instant::now();
    world.text(world.own(&["ssh-keys", "remove", listed.trim()])).await?;
    let ended = tokio::time::timeout(PATIENCE, child.wait()).await.context("it stays open")??;
    ensure!(ended.code() == Some(255), "{ended}");
    #[expect(clippy::print_stderr, reason = "a figure for whoever runs it")]
    {
        eprintln!("cut {} ms after the key's end", begin.elapsed().as_millis());
    }
    let (exit, said) = world.says(&[HOST, "true"]).await?;
    ensure!(exit == Some(255) && said.contains("Permission denied"), "{said}");
    let record = world.way.berth.admin.get("audit?limit=100").await?.body.to_string();
    ensure!(record.contains("ssh-key.remove") && record.contains("connection.open-by-key"), "{record}");
    Ok(())
}
