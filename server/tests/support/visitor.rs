//! A browser as far as the server sees one: it keeps the cookie and says where its forms come from.

use std::net::SocketAddr;

use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder};

use super::Reply;
use super::actors::builder;

pub(crate) struct Visitor {
    client: Client,
    origin: String,
    pub(crate) cookie: Option<String>,
    /// By which it is known again.
    pub(crate) device: Option<String>,
}

impl Visitor {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let client = builder().redirect(Policy::none()).build().expect("a client");
        Self { client, origin: format!("http://{address}"), cookie: None, device: None }
    }

    /// A browser that calls the server by a name, as passkeys need it.
    pub(crate) fn named(address: SocketAddr, cookie: Option<String>) -> Self {
        Self { origin: format!("http://localhost:{}", address.port()), ..Self::with(address, cookie) }
    }

    /// A browser that holds that cookie.
    pub(crate) fn with(address: SocketAddr, cookie: Option<String>) -> Self {
        Self { cookie, ..Self::new(address) }
    }

    /// A browser in which somebody was signed in before.
    pub(crate) fn in_browser(address: SocketAddr, device: Option<String>) -> Self {
        Self { device, ..Self::new(address) }
    }

    /// The same browser at another server of the same database.
    pub(crate) fn at(&self, address: SocketAddr) -> Self {
        Self { device: self.device.clone(), ..Self::with(address, self.cookie.clone()) }
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.origin));
        let cookies: Vec<_> = [&self.cookie, &self.device].into_iter().flatten().cloned().collect();
        if cookies.is_empty() { request } else { request.header("cookie", cookies.join("; ")) }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        Reply::of(self.request(Method::GET, path).send().await.expect("an answer")).await
    }

    /// A form of this server's own page. The cookie that comes back is kept.
    pub(crate) async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self
            .request(Method::POST, path)
            .header("origin", &self.origin)
            .header("sec-fetch-site", "same-origin")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let reply = Reply::of(request.send().await.expect("an answer")).await;
        if let Some(set) = reply.headers.get("set-cookie") {
            let pair = set.to_str().expect("ASCII").split(';').next().expect("a pair").to_owned();
            self.cookie = Some(pair).filter(|pair| !pair.ends_with('='));
        }
        let all = reply.headers.get_all("set-cookie").iter().filter_map(|set| set.to_str().ok());
        let device =
            all.filter_map(|set| set.split(';').next()).find(|pair| pair.starts_with("__Host-berth-device="));
        self.device = device.map(str::to_owned).or(self.device.take());
        reply
    }

    pub(crate) async fn sign_in(&mut self, link: &str) -> Reply {
        self.submit("/sign-in/link", &[("token", link)]).await
    }

    /// Whether the first page is theirs, not the one that asks to sign in.
    pub(crate) async fn is_signed_in(&self) -> bool {
        let reply = self.get("/").await;
        match reply.status {
            200 => true,
            303 => {
                assert_eq!(reply.header("location"), "/sign-in");
                false
            }
            other => panic!("{other}: {}", reply.text),
        }
    }
}
