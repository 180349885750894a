//! A command line that is let in by a browser, here or elsewhere (decision 0054).

mod code;
mod device;
mod session;

use reqwest::Method;
use serde_json::Value;

use crate::support::{App, Reply, Visitor};

const REDIRECT: &str = "http://127.0.0.1:49152/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A command line.
pub(crate) struct Cli {
    visitor: Visitor,
}

impl Cli {
    pub(crate) fn of(app: &App) -> Self {
        Self { visitor: Visitor::new(app.address()) }
    }

    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("client_id", "berth-cli").extend_pairs(fields);
        let request = self
            .visitor
            .request(Method::POST, path)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.finish());
        Reply::of(request.send().await.expect("an answer")).await
    }

    async fn token(&self, fields: &[(&str, &str)]) -> Reply {
        self.post("/oauth/token", fields).await
    }

    pub(crate) async fn refresh(&self, tokens: &Value) -> Reply {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", text(tokens, "refresh_token"))]).await
    }

    async fn poll(&self, device: &Value) -> Reply {
        let grant = "urn:ietf:params:oauth:grant-type:device_code";
        self.token(&[("grant_type", grant), ("device_code", text(device, "device_code"))]).await
    }

    async fn begin(&self) -> Value {
        self.post("/oauth/device_authorization", &[("device_name", "ada's laptop")]).await.expect(200)
    }

    /// Gives the session up.
    pub(crate) async fn log_out(&self, tokens: &Value) -> Reply {
        self.post("/oauth/revoke", &[("token", text(tokens, "refresh_token"))]).await
    }

    /// Lets a device in.
    pub(crate) async fn log_in(&self, browser: &mut Visitor) -> Value {
        let device = self.begin().await;
        let fields = [("user_code", text(&device, "user_code")), ("decision", "allow")];
        assert_eq!(browser.submit("/device", &fields).await.status, 200);
        self.poll(&device).await.expect(200)
    }

    pub(crate) async fn get(&self, tokens: &Value, path: &str) -> Reply {
        self.get_as(text(tokens, "access_token"), path, None).await
    }

    async fn get_as(&self, token: &str, path: &str, organization: Option<&str>) -> Reply {
        let request = self.visitor.request(Method::GET, path).bearer_auth(token);
        let request = match organization {
            Some(organization) => request.header("berth-organization", organization),
            None => request,
        };
        Reply::of(request.send().await.expect("an answer")).await
    }
}

/// A device that asks to be let in: its code for people.
pub(crate) async fn begin_device(app: &App) -> String {
    text(&Cli::of(app).begin().await, "user_code").to_owned()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value}"))
}

fn refused(reply: &Reply) -> String {
    let value: Value = serde_json::from_str(&reply.text).expect("JSON");
    format!("{} {}", reply.status, text(&value, "error"))
}
