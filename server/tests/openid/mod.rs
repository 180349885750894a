//! People signed in by their organisation's provider, and everything that a provider, or somebody who pretends to be one, may try.

mod factors;
mod honest;
mod hostile;
pub(crate) mod logout;
mod setting;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use berth_schema::identity_providers::IdentityProvider;
use reqwest::header::SET_COOKIE;
use serde_json::Value;

use crate::support::provider::Provider;
use crate::support::{Admin, App, Reply, Requests as _, Visitor};

/// A browser that keeps every cookie.
#[derive(Default)]
pub(crate) struct Browser {
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(crate) async fn get(&mut self, address: SocketAddr, path: &str) -> Reply {
        let reply = self.visitor(address).get(path).await;
        self.keep(&reply);
        reply
    }

    pub(crate) async fn submit(&mut self, address: SocketAddr, path: &str) -> Reply {
        let reply = self.visitor(address).submit(path, &[]).await;
        self.keep(&reply);
        reply
    }

    pub(crate) fn visitor(&self, address: SocketAddr) -> Visitor {
        let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Visitor::with(address, Some(pairs.join("; ")).filter(|pairs| !pairs.is_empty()))
    }

    fn keep(&mut self, reply: &Reply) {
        for set in reply.headers.get_all(SET_COOKIE) {
            let set = set.to_str().expect("ASCII");
            for part in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
                assert!(set.contains(part), "{set}");
            }
            let (name, value) = set.split(';').next().and_then(|pair| pair.split_once('=')).expect("a pair");
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Sent to a provider: where the browser goes.
    pub(crate) async fn begin(&mut self, address: SocketAddr, provider: &IdentityProvider) -> String {
        let reply = self.get(address, &format!("/sign-in/with/{}", provider.id)).await;
        assert_eq!(reply.status, 303, "{}", reply.text);
        reply.header("location").to_owned()
    }

    /// There and back.
    pub(crate) async fn sign_in(&mut self, app: &App, at: &Provider, provider: &IdentityProvider) -> Reply {
        let location = self.begin(app.address(), provider).await;
        let back = at.authorize(&location);
        self.get(app.address(), &back).await
    }

    pub(crate) async fn is_signed_in(&self, address: SocketAddr) -> bool {
        self.visitor(address).is_signed_in().await
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.get(name).cloned()
    }
}

/// Sets a provider of an organisation.
pub(crate) async fn set(admin: &Admin, name: &str, form: &Value) -> IdentityProvider {
    admin.put(&admin.path(&format!("/identity-providers/{name}")), form).await.expect(200)
}

/// A test with room for many strangers.
pub(crate) async fn run(test: impl AsyncFnOnce(&App)) {
    App::run_with(|http| http.edge.unproven_burst = 1_000_000, test).await;
}
