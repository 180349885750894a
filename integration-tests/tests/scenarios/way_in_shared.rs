//! A port that is shared lets in whom it is shared with, there and for as long as it is (decision 0082).

use anyhow::{Context as _, ensure};
use berth_integration_tests::Browser;
use berth_schema::kubernetes::EDITOR_PORT;
use reqwest::Method;
use reqwest::header::COOKIE;
use serde_json::{Value, json};

use crate::PATIENCE;
use crate::editor::eventually;
use crate::way_in::{NAME, SESSION, WEB, Way, sign_in};

/// Says something each tenth of a second, as long as anybody listens.
const DRIPS: &str = "printf '#!/bin/sh\\nprintf \"Content-Type: text/plain\\\\r\\\\n\\\\r\\\\n\"\\n\
                     while echo on; do sleep 0.1; done\\n' > /projects/www/cgi-bin/drip \
                     && chmod +x /projects/www/cgi-bin/drip && echo made";

#[tokio::test]
async fn a_shared_port_opens_for_whom_it_is_shared_with_and_is_closed_as_it_is_taken_back()
-> anyhow::Result<()> {
    let Some(way) = Way::start().await? else { return Ok(()) };
    ensure!(eventually(&way.berth.view, &way.workspace, DRIPS).await? == "made\n");
    let (web, editor) = (way.proxy.origin(WEB, NAME), way.proxy.origin(EDITOR_PORT, NAME));
    let bob = Browser::trusting(way.proxy.key_hash()).await?;
    let nothing = "return document.body.innerText.includes('There is nothing here')";
    bob.open(&web).await?;
    sign_in(&bob, &way.link("Bob").await?).await?;
    bob.wait_until(nothing).await?;

    let share = json!({"port": WEB, "with": {"user": "Bob"}, "minutes": 5});
    change(&way, "share", &share).await?;
    bob.open(&format!("{web}/cgi-bin/say")).await?;
    bob.wait_until("return document.body.innerText.includes('HTTP_HOST')").await?;
    bob.open(&format!("{web}/cgi-bin/say?again")).await?;
    let sent = bob.text().await?;
    ensure!(sent.contains("HTTP_COOKIE=own=1\n"), "a cookie of ours reached the workspace: {sent}");
    let cookies = bob.cookies().await?;
    let found = cookies.as_array().context("cookies")?.iter().find(|cookie| cookie["name"] == SESSION);
    let session = found.and_then(|cookie| cookie["value"].as_str()).map(|value| format!("{SESSION}={value}"));
    bob.open(&editor).await?;
    bob.wait_until(nothing).await?;

    // What he has open is closed as it is taken back, and nothing opens any more.
    let dripping = async |cookie: Option<&str>| {
        let asked = way.ask(Method::GET, WEB, NAME, "/cgi-bin/drip")?;
        let asked = match cookie {
            Some(cookie) => asked.header(COOKIE, cookie),
            None => asked,
        };
        let mut answer = asked.send().await?;
        ensure!(answer.status() == 200, "{}", answer.status());
        ensure!(answer.chunk().await?.is_some(), "nothing comes");
        anyhow::Ok(answer)
    };
    let his = dripping(Some(session.as_deref().context("no session")?)).await?;
    change(&way, "unshare", &json!({"port": WEB})).await?;
    is_cut(his).await?;
    bob.open(&web).await?;
    bob.wait_until(nothing).await?;

    // Public, once the organisation's rules let it be: nobody has to sign in.
    let publish = json!({"port": WEB, "minutes": 5});
    let refused = way.berth.admin.post(&format!("workspaces/{NAME}/ports/publish"), &publish).await?;
    ensure!(refused.status == 403, "{}", refused.body);
    let rules = "@id(\"all\") permit (principal, action, resource);";
    let answer = way.berth.admin.put("policy", &json!({"rules": rules})).await?;
    ensure!(answer.status == 200, "{}", answer.body);
    let asked = async || anyhow::Ok(way.ask(Method::GET, WEB, NAME, "/cgi-bin/say")?.send().await?);
    ensure!(asked().await?.status() == 401, "it is public already");
    change(&way, "publish", &publish).await?;
    let told = async {
        while !asked().await.is_ok_and(|answer| answer.status() == 200) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.context("the proxy does not let strangers in")?;
    let text = asked().await?.text().await?;
    ensure!(text.contains("HTTP_HOST") && !text.contains("HTTP_COOKIE"), "{text}");
    let of_the_editor = way.ask(Method::GET, EDITOR_PORT, NAME, "/")?.send().await?;
    ensure!(of_the_editor.status() == 401, "the editor is public");
    let anybodys = dripping(None).await?;
    change(&way, "unshare", &json!({"port": WEB, "with": "public"})).await?;
    is_cut(anybodys).await?;
    ensure!(asked().await?.status() == 401, "it is public still");
    bob.quit().await
}

async fn change(way: &Way, how: &str, body: &Value) -> anyhow::Result<()> {
    let answer = way.berth.admin.post(&format!("workspaces/{NAME}/ports/{how}"), body).await?;
    ensure!(answer.status == 200, "{how}: {}", answer.body);
    Ok(())
}

/// What is open ends by being taken back, be it in the middle of something: long before the decision would have to be renewed.
async fn is_cut(mut answer: reqwest::Response) -> anyhow::Result<()> {
    let cut = async { while answer.chunk().await.is_ok_and(|chunk| chunk.is_some()) {} };
    tokio::time::timeout(std::time::Duration::from_secs(30), cut).await.context("it goes on")
}
