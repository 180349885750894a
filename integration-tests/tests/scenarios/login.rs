//! A person's command line: let in on the server's pages, kept good, ended.

use std::path::PathBuf;
use std::process::{Output, Stdio};

use anyhow::{Context as _, ensure};
use berth_harness::command::command;
use berth_harness::{Postgres, Server, ServerOptions, paths};
use futures::future::try_join_all;
use reqwest::header::{CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, Url};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, Command};

/// A browser without a window: one cookie, and forms that are sent as pages send them.
pub(crate) struct Visitor {
    http: Client,
    origin: String,
    cookie: String,
}

impl Visitor {
    /// Signed in by the link of the first start.
    pub(crate) async fn sign_in(link: &str) -> anyhow::Result<Self> {
        let http = Client::builder().redirect(Policy::none()).build()?;
        let (origin, token) = link.split_once("/sign-in/link?token=").context("no link")?;
        let mut visitor = Self { http, origin: origin.to_owned(), cookie: String::new() };
        let answer = visitor.submit("/sign-in/link", &[("token", token)]).await?;
        let cookie = answer.headers().get(SET_COOKIE).context("no cookie")?.to_str()?;
        cookie.split(';').next().unwrap_or_default().clone_into(&mut visitor.cookie);
        Ok(visitor)
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.origin)).header(COOKIE, &self.cookie)
    }

    pub(crate) async fn page(&self, path: &str) -> anyhow::Result<String> {
        let answer = self.request(Method::GET, path).send().await?;
        ensure!(answer.status() == 200, "{path}: {}", answer.status());
        Ok(answer.text().await?)
    }

    pub(crate) async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> anyhow::Result<Response> {
        let mut form = Url::parse(&self.origin)?;
        form.query_pairs_mut().extend_pairs(fields);
        let request = self.request(Method::POST, path).header(ORIGIN, &self.origin);
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = request.body(form.query().unwrap_or_default().to_owned()).send().await?;
        ensure!(answer.status().as_u16() < 400, "{path}: {}", answer.status());
        Ok(answer)
    }
}

/// The command line of somebody with a home of their own.
pub(crate) struct Berth {
    program: PathBuf,
    pub(crate) home: tempfile::TempDir,
}

impl Berth {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { program: paths::program("berth")?, home: tempfile::tempdir()? })
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = command(&self.program);
        command.args(args).env_clear().env("HOME", self.home.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) async fn run(&self, args: &[&str]) -> anyhow::Result<Output> {
        Ok(self.command(args).output().await?)
    }

    pub(crate) async fn ok(&self, args: &[&str]) -> anyhow::Result<String> {
        let output = self.run(args).await?;
        ensure!(output.status.success(), "berth {}: {}", args.join(" "), text(&output.stderr));
        Ok(text(&output.stdout))
    }

    /// Logs in as somebody who is signed in and says yes.
    pub(crate) async fn log_in(&self, url: &str, person: &Visitor) -> anyhow::Result<()> {
        let mut login = Waiting::start(self, &["login", url, "--device", "--device-name", "laptop"])?;
        let code = login.line("and enter the code ").await?;
        person.submit("/device", &[("user_code", &code), ("decision", "allow")]).await?;
        let (exit, said) = login.ends().await?;
        ensure!(exit == Some(0), "{said}");
        Ok(())
    }

    /// That nobody is logged in any more.
    async fn is_ended(&self) -> anyhow::Result<()> {
        let output = self.run(&["list"]).await?;
        let said = text(&output.stderr);
        ensure!(output.status.code() == Some(4) && said.contains("your login has ended"), "{said}");
        Ok(())
    }

    fn file(&self) -> PathBuf {
        self.home.path().join(".config/berth/config.yaml")
    }

    fn stored(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.file())?)
    }

    /// As if ten minutes had passed.
    fn let_access_end(&self) -> anyhow::Result<()> {
        let lines = self.stored()?;
        let lines = lines.lines().map(|line| match line.split_once("expires_at:") {
            Some((before, _)) => format!("{before}expires_at: 2026-01-01T00:00:00Z\n"),
            None => format!("{line}\n"),
        });
        Ok(std::fs::write(self.file(), lines.collect::<String>())?)
    }

    /// A stored token by its name; YAML may write it on a line of its own.
    pub(crate) fn token(&self, name: &str) -> anyhow::Result<String> {
        let stored = self.stored()?;
        let (_, rest) = stored.split_once(name).with_context(|| format!("no {name} is stored"))?;
        let mut words = rest.split_whitespace().filter(|word| word.len() > 10);
        Ok(words.next().context("a token is longer")?.to_owned())
    }
}

/// A login that waits for somebody to answer in a browser.
struct Waiting {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Waiting {
    fn start(berth: &Berth, args: &[&str]) -> anyhow::Result<Self> {
        let mut child = berth.command(args).spawn()?;
        let stderr = BufReader::new(child.stderr.take().context("no stderr")?);
        Ok(Self { child, stderr })
    }

    /// What follows the prefix on the first line that begins with it.
    async fn line(&mut self, prefix: &str) -> anyhow::Result<String> {
        loop {
            let mut line = String::new();
            ensure!(self.stderr.read_line(&mut line).await? > 0, "no line begins with '{prefix}'");
            if let Some(rest) = line.strip_prefix(prefix) {
                return Ok(rest.trim_end().to_owned());
            }
        }
    }

    async fn ends(mut self) -> anyhow::Result<(Option<i32>, String)> {
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).await?;
        Ok((self.child.wait().await?.code(), rest))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn a_command_line_is_let_in_by_a_code_is_kept_good_and_ends_with_its_session() -> anyhow::Result<()> {
    berth_harness::install_crypto();
    let postgres = Postgres::start(None).await?;
    let dir = tempfile::tempdir()?;
    let server = Server::start(ServerOptions::new(&postgres.create_database().await?, dir.path())).await?;
    let person = Visitor::sign_in(&server.first_link()?).await?;
    let berth = Berth::new()?;

    let url = server.url();
    let mut login = Waiting::start(&berth, &["login", &url, "--device", "--device-name", "the old laptop"])?;
    let page = login.line("  ").await?;
    ensure!(page == format!("{}/device", person.origin), "people are signed in at {}: {page}", person.origin);
    let code = login.line("and enter the code ").await?;
    let asked = person.page(&format!("/device?user_code={code}")).await?;
    ensure!(asked.contains("the old laptop"), "{asked}");
    person.submit("/device", &[("user_code", &code), ("decision", "allow")]).await?;
    let (exit, said) = login.ends().await?;
    ensure!(exit == Some(0) && said.contains("in organisation 'default' (owner)"), "{said}");
    ensure!(berth.ok(&["organizations", "list", "-o", "name"]).await? == "default\n");
    ensure!(berth.ok(&["whoami"]).await?.contains("Role\towner\n"));
    berth.ok(&["list"]).await?;
    berth.ok(&["tokens", "list"]).await?;

    // An access token that has ended, and one that only the server knows to be bad.
    let first = berth.token("refresh_token:")?;
    berth.let_access_end()?;
    berth.ok(&["list"]).await?;
    let second = berth.token("refresh_token:")?;
    ensure!(first != second, "each refresh token opens once");
    let access = berth.token("access_token:")?;
    std::fs::write(berth.file(), berth.stored()?.replace(&access, &format!("{access}x")))?;
    berth.ok(&["list"]).await?;
    berth.let_access_end()?;
    try_join_all((0..8).map(|_| berth.ok(&["list"]))).await?;

    // What is kept of a login that was left opens nothing.
    let left = berth.stored()?;
    berth.ok(&["logout"]).await?;
    let page = person.page("/sessions").await?;
    let (told, going_on) = page.split_once("Signed in now").context("a new device is told of")?;
    ensure!(told.contains("the old laptop") && told.contains("that session has ended"), "{page}");
    ensure!(!going_on.contains("the old laptop"), "{page}");
    std::fs::write(berth.file(), left)?;
    berth.is_ended().await
}

#[tokio::test]
async fn a_command_line_is_let_in_by_the_browser_and_ended_there() -> anyhow::Result<()> {
    berth_harness::install_crypto();
    let postgres = Postgres::start(None).await?;
    let dir = tempfile::tempdir()?;
    let server = Server::start(ServerOptions::new(&postgres.create_database().await?, dir.path())).await?;
    let person = Visitor::sign_in(&server.first_link()?).await?;
    let berth = Berth::new()?;

    let url = server.url();
    let args = ["login", &url, "--no-browser", "--device-name", "my laptop"];
    let answered = async |decision| {
        let mut login = Waiting::start(&berth, &args)?;
        let page = login.line("  ").await?;
        let path = page.strip_prefix(&person.origin).context("another server's page")?;
        ensure!(person.page(path).await?.contains("my laptop"));
        // The page's form repeats what it was asked with.
        let asked = Url::parse(&page)?;
        let asked: Vec<_> = asked.query_pairs().collect();
        let mut fields: Vec<_> = asked.iter().map(|(name, value)| (&**name, &**value)).collect();
        fields.push(("decision", decision));
        let answer = person.submit("/oauth/authorize", &fields).await?;
        let back = answer.headers().get(LOCATION).context("the page leads nowhere")?.to_str()?.to_owned();
        let shown = person.http.get(&back).send().await?;
        ensure!(shown.status() == 200 && shown.text().await?.contains("You can close this window"));
        login.ends().await
    };
    let (exit, said) = answered("refuse").await?;
    ensure!(exit == Some(5) && said.contains("refused in the browser"), "{said}");
    let (exit, said) = answered("allow").await?;
    ensure!(exit == Some(0) && said.contains("Logged in to"), "{said}");
    berth.ok(&["list"]).await?;

    let sessions = person.page("/sessions").await?;
    let (_, mine) = sessions.split_once("my laptop").context("the session is not on the page")?;
    let end = mine.split("action=\"").nth(1).and_then(|rest| rest.split('"').next()).context("no button")?;
    person.submit(end, &[]).await?;
    berth.is_ended().await
}
