//! From a link that signs in to the page that it leads to, as a browser asks for them: one after the other, on one connection.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use berth_harness::{Postgres, Server, ServerOptions};
use berth_integration_tests::sign_in_link;
use reqwest::Client;
use reqwest::header::COOKIE;

use crate::door::{from_a_page, kept, location, url_encoded};
use crate::figure::{Figures, Goal, percentile};

/// So many are let in by links from one address before they are asked to wait.
const ROUNDS: usize = 20;

pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let postgres = Postgres::start(None).await?;
    let url = postgres.create_database().await?;
    let dir = tempfile::tempdir()?;
    let server = Server::start(ServerOptions::new(&url, dir.path()).for_load()).await?;
    let public_url = format!("http://localhost:{}", server.address().port());
    let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let (mut signed_in, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let started = Instant::now();
        for _ in 0..3 {
            client.get(format!("{public_url}/healthz")).send().await?.bytes().await?;
        }
        floor.push(started.elapsed());

        let link = sign_in_link(&url, &public_url, "Administrator").await?;
        let (_, token) = link.split_once("token=").context("no link")?;
        let form = url_encoded(&[("token", token)]);
        let started = Instant::now();
        let posted = client.post(format!("{public_url}/sign-in/link"));
        let answer = from_a_page(posted, &public_url).body(form).send().await?;
        let leads_to = location(&answer)?;
        let cookies: Vec<_> = kept(&answer).iter().map(|(name, value)| format!("{name}={value}")).collect();
        let ask = async |path: &str| {
            client.get(format!("{public_url}{path}")).header(COOKIE, cookies.join("; ")).send().await
        };
        // From there to the organisation that one is in.
        let page = ask(&location(&ask(&leads_to).await?)?).await?;
        ensure!(page.status() == 200, "the first page: {}", page.status());
        ensure!(page.text().await?.contains("</html>"), "the first page is no page");
        signed_in.push(started.elapsed());
    }
    for (share, name) in [(0.5, "p50"), (0.95, "p95")] {
        figures.add(
            format!("sign-in by a link to the first page, three requests, {name}"),
            "ms",
            percentile(&mut signed_in, share),
            Some(percentile(&mut floor, share)),
            Goal::None,
        );
    }
    Ok(())
}
