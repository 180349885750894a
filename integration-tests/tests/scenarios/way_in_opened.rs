//! A port that no devfile declares, through a proxy and a NetworkPolicy of the cluster's own (decision 0085).

use anyhow::ensure;
use berth_integration_tests::Browser;
use berth_schema::api::Workspace;
use serde_json::{Value, json};

use crate::editor::eventually;
use crate::way_in_installed::Installed;

const PORT: u16 = 3000;
/// Listens on all addresses, as long as the workspace runs.
const SERVES: &str = "mkdir -p /projects/opened && echo nobody declared this > /projects/opened/index.html \
                      && busybox httpd -p 3000 -h /projects/opened && echo serves";

/// In its owner's browser it is there while it is open, and before and afterwards they read how to open it. Nothing of the workspace is
/// applied or started anew for it.
pub(crate) async fn is_there_while_it_is_open(
    installed: &Installed,
    workspace: &Workspace,
    owner: &Browser,
) -> anyhow::Result<()> {
    let berth = &installed.berth;
    ensure!(eventually(&berth.view, workspace, SERVES).await? == "serves\n");
    let (name, address) = (&workspace.name, installed.origin_of(PORT));
    let shows = |words: &str| format!("return document.body.innerText.includes('{words}')");
    let is_not_open = shows(&format!("berth ports open {name} {PORT}"));
    owner.open(&address).await?;
    owner.wait_until(&is_not_open).await?;
    let pod = berth.view.pod_address(workspace).await?;

    let change = async |how: &str| {
        let path = format!("workspaces/{name}/ports/{how}");
        berth.admin.post(&path, &json!({ "port": PORT })).await?.expect::<Value>()
    };
    let ports = change("open").await?;
    let opened = ports["items"].as_array().is_some_and(|items| {
        items.iter().any(|item| item["port"] == PORT && item["url"] == format!("{address}/"))
    });
    ensure!(opened, "{ports}");
    // At once: nothing in the cluster has to follow.
    owner.open(&address).await?;
    owner.wait_until(&shows("nobody declared this")).await?;
    let now: Workspace = berth.admin.get(&format!("workspaces/{name}")).await?.expect()?;
    ensure!(now.generation == workspace.generation, "it was applied anew");
    ensure!(berth.view.pod_address(workspace).await? == pod, "another pod has its place");

    change("close").await?;
    owner.open(&address).await?;
    owner.wait_until(&is_not_open).await
}
