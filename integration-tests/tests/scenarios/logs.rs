//! What workspaces write is read by whoever made them, above all of those that do not start (decision 0083).

use std::process::{Output, Stdio};

use anyhow::{Context as _, ensure};
use berth_harness::{ProxyOptions, ProxyProcess};
use berth_integration_tests::{Browser, Installation, WORKSPACE_IMAGE, proxy_token, sign_in_link};
use berth_schema::ActualState;
use berth_schema::api::Workspace;
use berth_schema::kubernetes::EDITOR_PORT;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;

use crate::PATIENCE;
use crate::login::{Berth, Visitor};
use crate::way_in::{ZONE, public_url, sign_in};

/// A main container that runs this, and what goes before it.
fn devfile(script: &str, before: &str) -> String {
    let script = serde_json::to_string(script).unwrap_or_default();
    format!(
        "schemaVersion: 2.2.0
components:
  - name: main
    attributes: {{overrideCommand: false}}
    container:
      image: {WORKSPACE_IMAGE}
      command: [sh, -c]
      args: [{script}]
      memoryLimit: 128Mi
{before}"
    )
}

const BEFORE: &str = "commands:
  - id: prepare
    exec: {component: main, commandLine: 'echo preparing; echo cannot >&2; exit 3'}
events:
  preStart: [prepare]
";
/// Two streams of a container come in no order.
const ENDS: &str = "exec 2>&1; n=$(( $(cat /projects/runs 2>/dev/null || echo 0) + 1 )); echo $n > /projects/runs; \
                    echo run $n; echo it cannot go on >&2; exit 3";
const TICKS: &str = "n=0; while :; do n=$((n + 1)); echo tick $n; sleep 0.2; done";

struct World {
    berth: Installation,
    proxy: ProxyProcess,
    person: Visitor,
    own: Berth,
}

impl World {
    async fn start() -> anyhow::Result<Option<Self>> {
        let Some(berth) = Installation::start().await? else { return Ok(None) };
        let proxy = ProxyProcess::start(ProxyOptions {
            server_url: berth.server.url(),
            public_url: public_url(&berth),
            token: proxy_token(&berth.server.url(), &berth.token()?).await?,
            zone: ZONE.to_owned(),
            kubeconfig: berth.cluster.kubeconfig().to_owned(),
            dir: berth.dir().join("proxy"),
        })
        .await?;
        let port = json!({"proxy": {"public_port": proxy.address().port()}});
        berth.admin.put("agents/agent/configuration", &port).await?;
        let person = Visitor::sign_in(&berth.server.first_link()?).await?;
        let own = Berth::new()?;
        own.log_in(&public_url(&berth), &person).await?;
        Ok(Some(Self { berth, proxy, person, own }))
    }

    async fn create(&self, name: &str, devfile: &str, state: ActualState) -> anyhow::Result<Workspace> {
        let created = self.berth.admin.create_from_devfile(name, devfile).await?;
        Ok(self.berth.admin.reach(&created, state, 2 * PATIENCE).await?.0)
    }

    fn command(&self, berth: &Berth, args: &[&str]) -> anyhow::Result<Command> {
        let file = berth.home.path().join("proxy.pem");
        std::fs::write(&file, self.proxy.certificate()?)?;
        let mut command = berth.command(args);
        command.env("BERTH_CA_FILE", file).stdin(Stdio::null()).kill_on_drop(true);
        Ok(command)
    }

    async fn logs(&self, args: &[&str]) -> anyhow::Result<Output> {
        let args = [&["logs"], args].concat();
        let output = tokio::time::timeout(PATIENCE, self.command(&self.own, &args)?.output()).await;
        Ok(output.context("it does not end")??)
    }

    /// What is printed, and what is said.
    async fn read(&self, args: &[&str]) -> anyhow::Result<(String, String)> {
        let output = self.logs(args).await?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{args:?}: {said}");
        Ok((String::from_utf8(output.stdout)?, said))
    }
}

#[tokio::test]
async fn what_a_workspace_that_does_not_start_has_written_is_read_by_its_owner_alone() -> anyhow::Result<()> {
    let Some(world) = World::start().await? else { return Ok(()) };
    world.create("ends", &devfile(ENDS, ""), ActualState::Failed).await?;
    ends_at_once(&world).await?;
    world.create("before", &devfile(TICKS, BEFORE), ActualState::Failed).await?;
    fails_before_the_others(&world).await?;
    is_shown_as_a_page(&world).await?;
    is_nobody_elses(&world).await?;
    world.create("ticks", &devfile(TICKS, ""), ActualState::Running).await?;
    is_followed_until_the_session_ends(&world).await
}

/// Its first process ends, again and again.
async fn ends_at_once(world: &World) -> anyhow::Result<()> {
    let run = |text: &str| -> anyhow::Result<u32> {
        let (number, rest) = text
            .strip_prefix("run ")
            .and_then(|rest| rest.split_once('\n'))
            .with_context(|| format!("{text:?} is no run"))?;
        ensure!(rest == "it cannot go on\n", "{text}");
        Ok(number.parse()?)
    };
    // The node says so in their place, while it is about to remove what a run before has left.
    let kept = async |args: &[&str]| loop {
        let read = world.read(args).await?;
        if !read.0.starts_with("unable to retrieve container logs") {
            return anyhow::Ok(read);
        }
    };
    let (before, _) = kept(&["ends", "--previous"]).await.context("the run before")?;
    let (printed, said) = kept(&["ends"]).await?;
    ensure!(said.contains("Logs of container 'main'"), "{said}");
    // While Kubernetes holds it back, the last run is the one before, too.
    let (earlier, now) = (run(&before)?, run(&printed)?);
    ensure!(1 <= earlier && earlier <= now, "{earlier} is before {now}");
    let (last, said) = kept(&["ends", "-c", "main", "--tail", "1", "--timestamps"]).await?;
    let (time, line) = last.split_once(' ').context("a time")?;
    ensure!(time.parse::<jiff::Timestamp>().is_ok() && line == "it cannot go on\n", "{last}");
    ensure!(said.is_empty(), "{said}");
    // What is stopped has no pod.
    world.berth.admin.wish("ends", "stop").await?;
    let stopped = world.berth.admin.workspace("ends").await?;
    world.berth.admin.reach(&stopped, ActualState::Stopped, PATIENCE).await?;
    let output = world.logs(&["ends"]).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1) && said.contains("does not run"), "{said}");
    ensure!(said.contains("`berth start ends` starts it"), "{said}");
    Ok(())
}

/// What runs before the others fails: it is read without being named.
async fn fails_before_the_others(world: &World) -> anyhow::Result<()> {
    let (printed, said) = world.read(&["before"]).await?;
    ensure!(said.contains("Logs of container 'berth-pre-start-prepare'"), "{said}");
    ensure!(printed == "preparing\ncannot\n", "{printed}");
    let output = world.logs(&["before", "-c", "main"]).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1) && said.contains("waiting to start"), "{said}");
    let output = world.logs(&["before", "-c", "other"]).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(2), "{:?}", output.status);
    ensure!(said.contains("main; before those start: berth-pre-start-prepare"), "{said}");
    Ok(())
}

async fn is_shown_as_a_page(world: &World) -> anyhow::Result<()> {
    let browser = Browser::trusting(world.proxy.key_hash()).await?;
    browser.open(&format!("{}/.berth/logs", world.proxy.origin(EDITOR_PORT, "before"))).await?;
    let link = sign_in_link(&world.berth.database_url, &public_url(&world.berth), "Administrator").await?;
    sign_in(&browser, &link).await?;
    browser.wait_for_text("preparing").await?;
    browser.screenshot("logs.png").await?;
    browser.click("a[href='/.berth/logs?container=main']").await?;
    browser.wait_for_text("waiting to start").await?;
    ensure!(browser.run("return window.origin").await? == "null", "what runs in the workspace reads it");
    browser.quit().await
}

/// Somebody who owns the organisation.
async fn is_nobody_elses(world: &World) -> anyhow::Result<()> {
    let link = sign_in_link(&world.berth.database_url, &public_url(&world.berth), "Bob").await?;
    let (bob, his) = (Visitor::sign_in(&link).await?, Berth::new()?);
    his.log_in(&public_url(&world.berth), &bob).await?;
    let output = world.command(&his, &["logs", "before"])?.output().await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(5) && said.contains("alone enters it"), "{said}");
    let record = world.berth.admin.get("audit?limit=50").await?.body.to_string();
    ensure!(record.contains("logs_read") && record.contains("berth-pre-start-prepare"), "{record}");
    Ok(())
}

/// Ended in a browser, while the command line follows.
async fn is_followed_until_the_session_ends(world: &World) -> anyhow::Result<()> {
    let mut follows = world.command(&world.own, &["logs", "ticks", "-f", "--tail", "1"])?.spawn()?;
    let mut lines = BufReader::new(follows.stdout.take().context("no stdout")?).lines();
    for _ in 0..5 {
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.context("nothing comes")??;
        ensure!(line.as_deref().is_some_and(|line| line.starts_with("tick ")), "{line:?}");
    }
    world.person.submit("/sessions/end-others", &[]).await?;
    let exit = tokio::time::timeout(PATIENCE, async {
        while lines.next_line().await?.is_some() {}
        follows.wait().await
    });
    let exit = exit.await.context("it goes on")??;
    let mut said = String::new();
    follows.stderr.take().context("no stderr")?.read_to_string(&mut said).await?;
    ensure!(exit.code() == Some(1) && said.contains("were cut off"), "{exit} {said}");
    Ok(())
}
