//! The pages of workspaces, as a browser without scripts asks for them: by addresses and forms.

mod admin;
mod create;
mod given;
mod hostile;
mod live;
mod tree;
mod wait;
mod who;
mod workspaces;

use serde_json::json;

use crate::sign_in::signed_in;
use crate::support::{Admin, App, Visitor};

/// An organisation with one agent, and an owner of it at a browser.
pub(crate) async fn acme(app: &App) -> (Admin, Visitor) {
    let admin = app.organization("acme").await;
    admin.create_agent("cluster").await;
    (admin, signed_in(app, "acme", "Ada").await)
}

/// Somebody of that role at a browser.
async fn colleague(app: &App, name: &str, role: &str) -> Visitor {
    let visitor = signed_in(app, "acme", name).await;
    app.execute(&format!("UPDATE subjects SET role = '{role}' WHERE name = '{name}'")).await;
    visitor
}

/// Has an owner's browser make a workspace, and gives the page that it is led to.
async fn make(visitor: &mut Visitor, name: &str) -> String {
    let form = [("name", name), ("image", "debian:13"), ("intent", "create")];
    let reply = visitor.submit("/organizations/acme/workspaces", &form).await;
    assert_eq!(reply.status, 303, "{}", reply.text);
    reply.header("location").to_owned()
}

/// The value of the form's hidden field.
pub(crate) fn key_of(page: &str) -> String {
    let found = page.split("name=\"key\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    found.unwrap_or_else(|| panic!("no key: {page}")).to_owned()
}

async fn by_the_api(admin: &Admin, name: &str) {
    let body = json!({"name": name, "image": "debian:13"});
    admin.create(&body).await.expect::<serde_json::Value>(201);
}
