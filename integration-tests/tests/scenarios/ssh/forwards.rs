//! Forwarded ports and sockets, and many channels of one connection.

use anyhow::{Context as _, ensure};
use berth_harness::command::command;
use futures::future::try_join_all;
use tokio::process::{Child, Command};

use super::{HOST, World};
use crate::PATIENCE;
use crate::way_in::{NAME, WEB};

fn free() -> anyhow::Result<u16> {
    Ok(berth_harness::free_address(std::net::Ipv4Addr::LOCALHOST.into())?.port())
}

fn curl(world: &World, args: &[&str]) -> Command {
    let mut curl = command("curl");
    curl.args(["-sS", "--fail"]).args(args);
    world.told(curl)
}

/// What an address answers, once there is somebody to answer.
async fn answer(world: &World, going: &mut Child, args: &[&str]) -> anyhow::Result<String> {
    let begin = std::time::Instant::now();
    loop {
        match world.text(curl(world, args)).await {
            Ok(said) => return Ok(said),
            Err(cause) if begin.elapsed() > PATIENCE => return Err(cause),
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(200)).await,
        }
        if let Some(ended) = going.try_wait()? {
            let mut said = String::new();
            let stderr = going.stderr.as_mut().context("no stderr")?;
            tokio::io::AsyncReadExt::read_to_string(stderr, &mut said).await?;
            anyhow::bail!("it ended with {ended}: {said}");
        }
    }
}

pub(super) async fn all_kinds_lead_there(world: &World) -> anyhow::Result<()> {
    let say = format!("http://localhost:{WEB}/cgi-bin/say");
    // The workspace's port here.
    let local = free()?;
    let mut going = world.own(&["port-forward", NAME, &format!("{local}:{WEB}")]).spawn()?;
    let here = format!("http://127.0.0.1:{local}/cgi-bin/say");
    ensure!(answer(world, &mut going, &[&here]).await?.contains("HTTP_HOST"), "port-forward");
    going.kill().await?;

    // Berth's server stands for something of this machine.
    let own = world.way.berth.server.address();
    let home = world.berth.home.path();
    let (socks, socket) = (free()?, home.join("local.sock").display().to_string());
    let dynamic = format!("127.0.0.1:{socks}");
    let back = format!("127.0.0.1:19090:{own}");
    let (theirs, ours) = (format!("/tmp/there.sock:{own}"), format!("{socket}:/tmp/there.sock"));
    let options = [
        "-N",
        "-o",
        "ExitOnForwardFailure=yes",
        "-D",
        &dynamic,
        "-R",
        &back,
        "-R",
        &theirs,
        "-L",
        &ours,
        HOST,
    ];
    let mut going = world.program("ssh", &options).spawn()?;
    let through = ["--socks5-hostname", &dynamic, &say];
    ensure!(answer(world, &mut going, &through).await?.contains("HTTP_HOST"), "-D");
    let health = format!("http://{own}/healthz");
    let expected = world.text(curl(world, &[&health])).await?;
    let by_socket = ["--unix-socket", &socket, "http://localhost/healthz"];
    ensure!(answer(world, &mut going, &by_socket).await? == expected, "a socket there and back");
    let fetch = "curl -sS --fail http://127.0.0.1:19090/healthz";
    ensure!(world.text(world.program("ssh", &[HOST, fetch])).await? == expected, "-R");
    going.kill().await?;
    Ok(())
}

pub(super) async fn a_hundred_channels_share_a_connection(world: &World) -> anyhow::Result<()> {
    let control = world.berth.home.path().join("control").display().to_string();
    let path = format!("ControlPath={control}");
    let mut master = world.program("ssh", &["-N", "-o", "ControlMaster=yes", "-o", &path, HOST]).spawn()?;
    let begin = std::time::Instant::now();
    while !std::path::Path::new(&control).exists() {
        ensure!(begin.elapsed() < PATIENCE && master.try_wait()?.is_none(), "no master");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let channels = (0..100).map(async |n: usize| {
        let mut ssh = command("ssh");
        ssh.args(["-F", "none", "-S", &control, "-o", "BatchMode=yes", HOST]);
        ssh.arg(format!("sleep 1; echo {n}"));
        let said = world.text(world.told(ssh)).await?;
        ensure!(said == format!("{n}\n"), "channel {n}: {said}");
        Ok(())
    });
    try_join_all(channels).await?;
    master.kill().await?;
    Ok(())
}
