//! Workspaces of which nobody says more than their repository.

mod honest;
mod hostile;
mod page;

use berth_schema::api::Workspace;
use serde_json::{Value, json};

use crate::support::{Admin, App, Reply};

const DEVFILE: &[u8] = b"schemaVersion: 2.2.2
metadata: {name: shop}
components:
  - name: app
    container:
      image: registry.example/shop:1
      endpoints: [{name: web, targetPort: 3000}]
commands:
  - id: install
    exec: {component: app, commandLine: npm ci}
events: {postStart: [install]}
";

/// Its only organisation, with an agent.
async fn acme(app: &App) -> Admin {
    let admin = app.organization("acme").await;
    admin.create_agent("cluster").await;
    admin
}

async fn of(admin: &Admin, project: Value) -> Reply {
    admin.create(&json!({"project": project})).await
}

/// What is told of the one field that is wrong.
fn wrong(reply: &Reply, field: &str) -> String {
    assert_eq!(reply.wrong_fields(), [field], "{}", reply.text);
    reply.text.clone()
}

/// The file and the commit that a workspace was made of.
fn found(workspace: &Workspace) -> (Option<&str>, &str) {
    let found = workspace.found.as_ref().expect("it was looked for");
    (found.path.as_ref().map(berth_schema::RepositoryPath::as_str), &found.commit)
}
