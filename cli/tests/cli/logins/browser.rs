use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use url::Url;

use super::server::{Fake, server};
use super::stored;
use crate::support::{Berth, Ran, TOKEN};

/// A login that waits for the browser.
struct Waiting {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    seen: String,
}

impl Waiting {
    fn start(berth: &Berth, args: &[&str]) -> Self {
        let mut command = berth.command(args);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr, seen: String::new() }
    }

    /// The page that is to be opened, as it is shown.
    fn page(&mut self) -> Url {
        loop {
            let mut line = String::new();
            assert_ne!(self.stderr.read_line(&mut line).unwrap(), 0, "{}", self.seen);
            self.seen.push_str(&line);
            if let Some(url) = line.strip_prefix("  http") {
                return format!("http{}", url.trim_end()).parse().unwrap();
            }
        }
    }

    fn ends(mut self) -> Ran {
        self.stderr.read_to_string(&mut self.seen).unwrap();
        let mut output = self.child.wait_with_output().unwrap();
        output.stderr = self.seen.into_bytes();
        output.into()
    }
}

fn parameter(page: &Url, name: &str) -> String {
    page.query_pairs().find(|(known, _)| known == name).unwrap().1.into_owned()
}

/// What the server's page does when somebody has decided: the address that the browser is sent to.
fn decided(fake: &Fake, page: &Url, answer: (&str, &str)) -> Url {
    let mut state = fake.state();
    assert!(page.as_str().starts_with(&format!("{}/oauth/authorize?", state.uri)), "{page}");
    let at = |name| parameter(page, name);
    assert_eq!((at("response_type"), at("client_id")), ("code".to_owned(), "berth-cli".to_owned()));
    assert_eq!((at("code_challenge_method"), at("device_name")), ("S256".to_owned(), "a machine".to_owned()));
    state.asked = Some((at("code_challenge"), at("redirect_uri")));
    let mut back: Url = at("redirect_uri").parse().unwrap();
    let issuer = state.issuer.clone();
    back.query_pairs_mut()
        .append_pair(answer.0, answer.1)
        .append_pair("state", &at("state"))
        .append_pair("iss", &issuer);
    back
}

async fn visit(url: Url) -> (u16, String) {
    // The only provider of the process, as in the program itself.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let response = reqwest::get(url).await.unwrap();
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    (response.status().as_u16(), response.text().await.unwrap())
}

const CODE: &str = "berth_t_THISISSECRET_code";

fn arguments(uri: &str) -> [&str; 5] {
    ["login", uri, "--no-browser", "--device-name", "a machine"]
}

#[tokio::test]
async fn the_browser_brings_the_answer_of_this_login_and_of_no_other() {
    assert!(CODE.starts_with(TOKEN));
    let ((server, fake), berth) = (server().await, Berth::new());
    let mut login = Waiting::start(&berth, &arguments(&server.uri()));
    let page = login.page();
    let back = decided(&fake, &page, ("code", CODE));
    let port = back.port().unwrap();
    assert_eq!(back.host_str(), Some("127.0.0.1"));
    // A connection that nobody uses, as browsers open them.
    let silent = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    for wrong in [back.as_str().replace("state=", "state=x"), back.as_str().replace("code=", "cod=")] {
        let (status, text) = visit(wrong.parse().unwrap()).await;
        assert!(status == 400 && !text.contains("close this window"), "{text}");
    }
    assert_eq!(
        visit(format!("http://localhost:{port}{}", &back[url::Position::BeforePath..]).parse().unwrap())
            .await
            .0,
        404
    );
    let (status, text) = visit(back).await;
    assert!(
        status == 200 && text.contains("You can close this window") && !text.contains("<script"),
        "{text}"
    );
    login.ends().ok().says("Logged in to").says("in organisation 'main'");
    drop(silent);
    assert!(stored(&berth).contains("refresh_token: "));
    berth.run(&["list", "-o", "name"]).ok();
}

#[tokio::test]
async fn who_says_no_or_is_another_server_lets_nothing_in() {
    let ((server, fake), berth) = (server().await, Berth::new());
    let mut login = Waiting::start(&berth, &arguments(&server.uri()));
    let back = decided(&fake, &login.page(), ("error", "access_denied"));
    let (_, text) = visit(back).await;
    assert!(text.contains("not let in"), "{text}");
    login.ends().exits(5).says("the login was refused in the browser");
    let mut login = Waiting::start(&berth, &arguments(&server.uri()));
    let back = decided(&fake, &login.page(), ("code", CODE));
    let elsewhere = back.as_str().replace(&format!("{}", server.address().port()), "1");
    let elsewhere = elsewhere.replace("127.0.0.1%3A1", "evil.test%3A1");
    visit(elsewhere.parse().unwrap()).await;
    login.ends().exits(1).says("is not the answer of http://127.0.0.1");
    assert_eq!(stored(&berth), "");
    assert_eq!(fake.state().good, Some(0), "no code was redeemed");
}

#[tokio::test]
async fn a_browser_is_opened_where_there_is_one_to_see() {
    let ((server, fake), berth) = (server().await, Berth::new());
    let programs = berth.home.path().join("bin");
    fs::create_dir(&programs).unwrap();
    let (opener, written) = (programs.join("xdg-open"), berth.home.path().join("opened"));
    let script = format!("#!/bin/sh\nprintf '%s' \"$1\" > {0}.new && mv {0}.new {0}\n", written.display());
    fs::write(&opener, script).unwrap();
    fs::set_permissions(&opener, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", programs.display());
    let berth = berth.env("PATH", &path).env("DISPLAY", ":0");
    let mut login = Waiting::start(&berth, &["login", &server.uri(), "--device-name", "a machine"]);
    let page = login.page();
    assert_eq!(wait_for(&written), page.as_str(), "what is shown is what is opened");
    visit(decided(&fake, &page, ("code", CODE))).await;
    login.ends().ok().says("Your browser opens a page").says("Logged in to");
}

fn wait_for(file: &Path) -> String {
    let started = Instant::now();
    loop {
        match fs::read_to_string(file) {
            Ok(text) => return text,
            Err(error) => assert!(started.elapsed() < Duration::from_secs(20), "{error}"),
        }
        #[expect(clippy::disallowed_methods, reason = "nothing else runs on this thread")]
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test]
async fn ctrl_c_ends_the_wait_for_a_browser() {
    let ((server, _), berth) = (server().await, Berth::new());
    let mut login = Waiting::start(&berth, &arguments(&server.uri()));
    login.page();
    kill_process(Pid::from_child(&login.child), Signal::INT).unwrap();
    login.ends().exits(130);
    let mut login = Waiting::start(&berth, &["login", &server.uri(), "--device"]);
    login.page();
    kill_process(Pid::from_child(&login.child), Signal::INT).unwrap();
    login.ends().exits(130);
}
