//! A first day, from the one-time link to a developer who works: the log in `docs/first-day.md`, every command typed and every
//! button pressed. `BLESS=1` writes what was printed into it.

mod log;

use std::fmt::Write as _;
use std::process::Stdio;

use anyhow::{Context as _, bail, ensure};
use berth_harness::authority::Authority;
use berth_harness::paths;
use berth_integration_tests::{Browser, WORKSPACE_IMAGE};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;

use crate::PATIENCE;
use crate::login::Berth;
use crate::page::Look;
use crate::way_in::public_url;
use crate::way_in_installed::Installed;
use log::Part;

const DOCUMENT: &str = "docs/first-day.md";
/// What the document says for what this machine has.
const SERVER: &str = "https://berth.example.com";
const IMAGE: &str = "registry.example.com/team/workspace:1";
const HERE: &str = "/organizations/default";

/// Somebody with a browser and a command line.
struct Person {
    browser: Browser,
    berth: Berth,
}

struct Day {
    installed: Installed,
    url: String,
    grace: Person,
    ada: Person,
    /// What the last command printed as it was.
    last: String,
}

impl Day {
    fn person(&self, who: &str) -> anyhow::Result<&Person> {
        match who {
            "grace" => Ok(&self.grace),
            "ada" => Ok(&self.ada),
            _ => bail!("nobody is called {who}"),
        }
    }

    /// Types a command, and gives what it printed as the document has it.
    async fn types(&mut self, who: &str, typed: &str) -> anyhow::Result<String> {
        let real = typed.replace(SERVER, &self.url).replace(IMAGE, WORKSPACE_IMAGE);
        let mut command = self.person(who)?.berth.shell(&real)?;
        let ca = Authority::open(&self.installed.berth.dir().join("authority"))?.certificate();
        command.env("BERTH_CA_FILE", ca).kill_on_drop(true);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut stderr = BufReader::new(child.stderr.take().context("no stderr")?);
        let mut stdout = child.stdout.take().context("no stdout")?;
        let person = self.person(who)?;
        let told = async {
            let mut told = String::new();
            loop {
                let mut line = String::new();
                if stderr.read_line(&mut line).await? == 0 {
                    return anyhow::Ok(told);
                }
                told.push_str(&line);
                if let Some(code) = line.strip_prefix("and enter the code ") {
                    person.lets_in(&self.url, code.trim()).await?;
                }
            }
        };
        let mut printed = String::new();
        let both = async { tokio::try_join!(told, async { Ok(stdout.read_to_string(&mut printed).await?) }) };
        let (told, _) = tokio::time::timeout(4 * PATIENCE, both).await.context("it does not end")??;
        let status = child.wait().await?;
        self.last = format!("{printed}{told}");
        let mut all = self.last.clone();
        if !status.success() {
            let _ = writeln!(all, "(exit code {})", status.code().unwrap_or_default());
        }
        let home = self.person(who)?.berth.home.path().display().to_string();
        let (_, host) = self.url.split_once("://").context("no URL")?;
        let all =
            all.replace(&self.url, SERVER).replace(host, "berth.example.com").replace(WORKSPACE_IMAGE, IMAGE);
        Ok(log::same_every_time(&all.replace(&home, &format!("/home/{who}"))))
    }

    /// Where browsers find the pages.
    fn origin(&self) -> String {
        public_url(&self.installed.berth)
    }

    async fn presses(&mut self, step: &str) -> anyhow::Result<()> {
        let (grace, ada, origin) = (&self.grace.browser, &self.ada.browser, self.origin());
        match step {
            "grace signs in" => {
                grace.open(&self.installed.berth.server.first_link()?).await?;
                grace.click("main button").await?;
                grace.wait_at(&format!("{HERE}/workspaces")).await
            }
            "ada accepts" => {
                ada.open(self.last.lines().find(|line| line.contains("token=")).context("no link")?).await?;
                Look::new(ada).at("invitation").await?;
                ada.click("main button").await?;
                ada.wait_for_text("You are viewer here").await
            }
            "grace sets a variable" => {
                let group = "return [...document.querySelectorAll('main a')].find((a) => a.innerText === 'platform').click()";
                grace.open(&format!("{origin}{HERE}/groups")).await?;
                grace.run(group).await?;
                grace.wait_for_text("Set the variable").await?;
                grace.fill("form[action$='/variables'] input[name=name]", "LOG_LEVEL").await?;
                grace.fill("form[action$='/variables'] textarea", "info").await?;
                Look::new(grace).at("group").await?;
                grace.click("form[action$='/variables'] button").await?;
                grace.wait_for_text("environment").await?;
                Look::new(grace).at("group-variables").await
            }
            "grace approves" => {
                grace.open(&format!("{origin}{HERE}/elevations")).await?;
                grace.wait_for_text("For you to decide").await?;
                Look::new(grace).at("elevations").await?;
                grace.click("form[action$='/approve'] button").await?;
                grace.wait_for_text("decided by").await?;
                ada.open(&format!("{origin}{HERE}/workspaces")).await?;
                ada.wait_for_text("End it").await?;
                Look::new(ada).at("elevated").await
            }
            "ada ends it" => {
                ada.click("form[action$='/end'] button").await?;
                ada.wait_until("return !document.querySelector(\"form[action$='/end']\")").await
            }
            "ada sees that she is out" => {
                ada.wait_until("return !document.body.innerText.includes('New workspace')").await
            }
            _ => bail!("nobody knows how: {step}"),
        }
    }
}

impl Person {
    /// Allows a login by its code, in the browser in which they are signed in.
    async fn lets_in(&self, origin: &str, code: &str) -> anyhow::Result<()> {
        self.browser.open(&format!("{origin}/device?user_code={code}")).await?;
        self.browser.click("button[value=allow]").await?;
        self.browser.wait_for_text("close").await
    }
}

impl Berth {
    /// A line of a shell in which `berth` is found.
    fn shell(&self, line: &str) -> anyhow::Result<Command> {
        let programs =
            paths::program("berth")?.parent().context("a program is in a folder")?.display().to_string();
        let mut command = berth_harness::command::command("sh");
        command.args(["-c", line]).env_clear().current_dir(self.home.path());
        command.env("HOME", self.home.path()).env("PATH", format!("{programs}:/usr/bin:/bin"));
        Ok(command)
    }
}

#[tokio::test]
async fn the_first_day_of_an_administrator_goes_as_it_is_written() -> anyhow::Result<()> {
    let Some(installed) = Installed::start().await? else { return Ok(()) };
    let (key_hash, _door, _window) = installed.answer().await?;
    let person =
        async || anyhow::Ok(Person { browser: Browser::trusting(&key_hash).await?, berth: Berth::new()? });
    let (grace, ada) = (person().await?, person().await?);
    let url = public_url(&installed.berth);
    let mut day = Day { installed, url, grace, ada, last: String::new() };
    let file = paths::repository().join(DOCUMENT);
    let mut parts = log::read(&std::fs::read_to_string(&file)?);
    let bless = std::env::var_os("BLESS").is_some_and(|value| value == "1");
    let mut wrong = String::new();
    for part in &mut parts {
        match part {
            Part::Text(_) => {}
            Part::Browser(step) => {
                let done = day.presses(step).await;
                done.with_context(|| format!("in the browser: {step}"))?;
            }
            Part::Command { who, text, printed } => {
                let now = day.types(who, text).await.with_context(|| format!("{who}$ {text}"))?;
                if log::compared(&now) != log::compared(printed) {
                    let _ = writeln!(wrong, "{who}$ {text}\n--- written:\n{printed}--- printed:\n{now}");
                    *printed = now;
                }
            }
        }
    }
    if bless {
        std::fs::write(&file, log::write(&parts))?;
    } else {
        ensure!(wrong.is_empty(), "BLESS=1 writes it anew:\n{wrong}");
    }
    let Day { grace, ada, .. } = day;
    grace.browser.quit().await?;
    ada.browser.quit().await
}
