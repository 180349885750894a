//! Who is connected is listed, and an end to one cuts that one alone (decision 0084).

use std::time::Duration;

use anyhow::{Context as _, ensure};
use berth_integration_tests::Browser;
use berth_schema::connected::{AllConnected, Connected, ConnectionKind};
use berth_schema::kubernetes::EDITOR_PORT;

use super::World;
use crate::PATIENCE;
use crate::way_in::{NAME, sign_in};

#[tokio::test]
async fn one_of_two_who_are_connected_is_ended_and_the_other_goes_on() -> anyhow::Result<()> {
    let Some(world) = World::start().await? else { return Ok(()) };
    let mut ssh = world.session().await?;
    let editor = world.way.proxy.origin(EDITOR_PORT, NAME);
    let browser = Browser::trusting(world.way.proxy.key_hash()).await?;
    browser.open(&editor).await?;
    sign_in(&browser, &world.way.link("Administrator").await?).await?;
    browser.find(".monaco-workbench .part.editor").await?;

    // What is told when somebody comes is what they had until then: an editor is more than that.
    let is_told = |one: &Connected| one.open > 0 && one.bytes_to_person > 100_000;
    let all = world.listed_until(|all| of(all, ConnectionKind::Browser).is_some_and(is_told)).await?;
    let (hers, terminal) = (of(&all, ConnectionKind::Browser), of(&all, ConnectionKind::Ssh));
    let (hers, terminal) = (hers.context("no browser")?, terminal.context("no ssh")?);
    ensure!((hers.port, terminal.open) == (EDITOR_PORT, 1) && all.len() == 2, "{all:?}");
    for one in [hers, terminal] {
        ensure!(one.address.is_some_and(|address| address.is_loopback()), "{one:?}");
        ensure!(one.who.as_ref().is_some_and(|who| who.name == "Administrator"), "{one:?}");
    }

    // Her command line ends what the browser has open.
    let id = hers.id.context("no id")?.to_string();
    world.ok(world.own(&["sessions", "end", NAME, &id]), b"").await?;
    browser.wait_until("return /reconnect|disconnected|reload/i.test(document.body.innerText)").await?;
    browser.open(&editor).await?;
    browser.wait_until("return location.pathname === '/confirm'").await?;
    ensure!(ssh.try_wait()?.is_none(), "the terminal was cut as well");
    let left = world.listed_until(|all| all.len() == 1).await?;
    ensure!(of(&left, ConnectionKind::Ssh).and_then(|one| one.id) == terminal.id, "{left:?}");

    world.ok(world.own(&["sessions", "end", NAME, "--all"]), b"").await?;
    let ended = tokio::time::timeout(PATIENCE, ssh.wait()).await.context("the terminal stays open")??;
    ensure!(ended.code() == Some(255), "{ended}");
    // It was ended by the login that it was of, which goes on.
    world.ok(world.own(&["ssh", NAME, "--", "true"]), b"").await?;
    let record = world.way.berth.admin.get("audit?limit=50&action=connection.end").await?.body.to_string();
    ensure!(record.contains(&id) && record.contains("connections_ended"), "{record}");
    browser.quit().await
}

fn of(all: &[Connected], kind: ConnectionKind) -> Option<&Connected> {
    all.iter().find(|one| one.kind == kind)
}

impl World {
    /// Who is connected, once that is so.
    async fn listed_until(&self, is_so: impl Fn(&[Connected]) -> bool) -> anyhow::Result<Vec<Connected>> {
        let looking = async {
            loop {
                let listed = self.text(self.own(&["sessions", "list", NAME, "-o", "json"])).await?;
                let all: AllConnected = serde_json::from_str(&listed)?;
                if is_so(&all.items) {
                    return anyhow::Ok(all.items);
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::time::timeout(PATIENCE, looking).await.context("it is not listed")?
    }
}
