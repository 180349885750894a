//! A developer's first way, by keyboard alone: signed in by a link, a workspace made by the form, watched until it runs, VS Code
//! opened in it, stopped and deleted (decision 0064).

mod seen;

use anyhow::ensure;
use berth_integration_tests::browser::keys::{ENTER, TAB};
use berth_integration_tests::{Browser, WORKSPACE_IMAGE};
use berth_schema::ActualState;

use crate::PATIENCE;
use crate::editor::{eventually, type_into_the_terminal};
use crate::way_in_installed::Installed;
pub(crate) use seen::Look;

const NAME: &str = "first";
const LIST: &str = "/organizations/default/workspaces";

/// So many keys no page needs.
const MOST_TABS: usize = 60;

/// Goes from control to control until the focus is at that one.
async fn tab_to(browser: &Browser, selector: &str) -> anyhow::Result<()> {
    browser.find(selector).await?;
    let is_there = format!("return !!document.activeElement && document.activeElement.matches({selector:?})");
    for _ in 0..MOST_TABS {
        if browser.run(&is_there).await? == true {
            return Ok(());
        }
        browser.press(TAB).await?;
    }
    anyhow::bail!("no number of tabs leads to {selector}")
}

async fn enter(browser: &Browser, selector: &str) -> anyhow::Result<()> {
    tab_to(browser, selector).await?;
    browser.press(ENTER).await
}

/// Waits for a page that is another than the marked one: a form may lead back to where it was sent from, and until it is answered the
/// old page is still there.
async fn at(browser: &Browser, path: &str) -> anyhow::Result<()> {
    browser
        .wait_until(&format!(
            "return location.pathname === {path:?} && document.readyState === 'complete' && !window.isTheSame"
        ))
        .await
}

/// From here on a page that was loaded anew is known.
async fn mark(browser: &Browser) -> anyhow::Result<()> {
    browser.run("window.isTheSame = true; return true").await.map(drop)
}

async fn becomes(browser: &Browser, selector: &str) -> anyhow::Result<()> {
    browser.wait_until(&format!("return !!document.querySelector({selector:?})")).await?;
    ensure!(browser.run("return window.isTheSame === true").await? == true, "the page was loaded anew");
    Ok(())
}

#[tokio::test]
async fn who_has_never_seen_berth_gets_into_an_editor_by_keyboard_alone() -> anyhow::Result<()> {
    let Some(installed) = Installed::start().await? else { return Ok(()) };
    let (key_hash, _door, _window) = installed.answer().await?;
    let berth = &installed.berth;
    let browser = Browser::trusting(&key_hash).await?;
    let mut look = Look::new(&browser);

    browser.open(&berth.server.first_link()?).await?;
    look.at("sign-in").await?;
    enter(&browser, "main button").await?;
    at(&browser, LIST).await?;
    look.at("empty").await?;
    enter(&browser, "main .empty a").await?;
    at(&browser, "/organizations/default/new").await?;
    look.at("new").await?;
    // What is wrong is told at its place, and stays to be put right.
    tab_to(&browser, "#name").await?;
    browser.press("Not a name").await?;
    enter(&browser, "button[value=create]").await?;
    browser.wait_until("return !!document.querySelector('#name[aria-invalid=true]')").await?;
    look.at("new-wrong").await?;
    enter(&browser, "summary").await?;
    tab_to(&browser, "#image").await?;
    browser.press(WORKSPACE_IMAGE).await?;
    tab_to(&browser, "#name").await?;
    // The focus that comes by the keyboard selects all of it.
    browser.press(NAME).await?;
    enter(&browser, "button[value=create]").await?;
    let page = format!("{LIST}/{NAME}");
    at(&browser, &page).await?;
    mark(&browser).await?;
    look.at("starting").await?;
    becomes(&browser, "#state .good").await?;
    becomes(&browser, "#open-editor").await?;
    look.at("running").await?;

    enter(&browser, "#open-editor").await?;
    browser.window(1).await?;
    type_into_the_terminal(&browser, "echo by the page > /projects/typed").await?;
    let created = berth.admin.workspace(NAME).await?;
    let workspace = berth.admin.reach(&created, ActualState::Running, PATIENCE).await?.0;
    assert_eq!(eventually(&berth.view, &workspace, "cat /projects/typed").await?, "by the page\n");

    browser.window(0).await?;
    look.quiet().await?;
    enter(&browser, "#stop").await?;
    // The same page again, which follows what happens.
    at(&browser, &page).await?;
    mark(&browser).await?;
    becomes(&browser, "#start").await?;
    browser.wait_until("return document.querySelector('#state').innerText.includes('Stopped')").await?;
    look.at("stopped").await?;
    enter(&browser, "#delete").await?;
    at(&browser, &format!("{page}/delete")).await?;
    look.at("delete").await?;
    enter(&browser, "main button.danger").await?;
    at(&browser, LIST).await?;
    mark(&browser).await?;
    look.at("deleting").await?;
    becomes(&browser, ".empty").await?;
    look.quiet().await?;
    browser.quit().await
}
