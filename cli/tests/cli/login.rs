use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer};

use crate::support::{Berth, TOKEN, ok, problem, whoami};

/// A server that knows the token.
async fn server() -> MockServer {
    let server = MockServer::start().await;
    let bearer = header("authorization", format!("Bearer {TOKEN}").as_str());
    Mock::given(method("GET"))
        .and(path("/api/v1/whoami"))
        .and(bearer)
        .respond_with(ok(whoami()))
        .mount(&server)
        .await;
    let refused = problem(401, "the token is not known", &serde_json::json!([]));
    Mock::given(path("/api/v1/whoami")).respond_with(refused).with_priority(9).mount(&server).await;
    server
}

fn file(berth: &Berth) -> PathBuf {
    berth.home.path().join(".config/berth/config.yaml")
}

fn login(berth: &Berth, args: &[&str]) -> crate::support::Ran {
    berth.run_with(&[&["login"], args, &["--token-stdin"]].concat(), &format!("{TOKEN}\n"))
}

#[tokio::test]
async fn a_login_is_verified_and_stored_for_its_owner_alone() {
    let (server, berth) = (server().await, Berth::new());
    login(&berth, &[&server.uri()]).ok().says("as 'first administrator' of organisation 'main'").prints("");
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(file(&berth)), 0o600);
    assert_eq!(mode(berth.home.path().join(".config/berth")), 0o700);
    assert!(fs::read_to_string(file(&berth)).unwrap().contains(TOKEN));
    let seen = berth.run(&["whoami", "-o", "json"]).ok().json();
    assert_eq!(seen, whoami());
}

#[tokio::test]
async fn a_token_that_the_server_does_not_know_is_not_stored() {
    let (server, berth) = (server().await, Berth::new());
    let ran = berth.run_with(&["login", &server.uri(), "--token-stdin"], "another-token");
    let ran = ran.exits(4).says("the token is not known").says("request id: request-1").says("hint: ");
    assert!(!ran.stderr.contains("another-token"));
    assert!(!file(&berth).exists());
}

#[tokio::test]
async fn contexts_are_chosen_and_forgotten() {
    let (server, berth) = (server().await, Berth::new());
    login(&berth, &[&server.uri(), "--context", "one"]).ok();
    login(&berth, &[&server.uri(), "--context", "two"]).ok();
    let line = |name: &str, mark: &str| format!("{mark}\t{name}\t{}\tmain\ttoken\n", server.uri());
    let heads = "CURRENT\tNAME\tSERVER\tORGANISATION\tHOLDS\n";
    let list = |one, two| format!("{heads}{}{}", line("one", one), line("two", two));
    berth.run(&["contexts", "list"]).ok().prints(&list("", "*"));
    berth.run(&["contexts", "use", "one"]).ok();
    berth.run(&["contexts", "list"]).ok().prints(&list("*", ""));
    berth.run(&["contexts", "use", "three"]).exits(3).says("there is no context 'three'").says("berth login");
    berth.run(&["contexts", "delete", "one"]).ok();
    berth.run(&["whoami"]).exits(4).says("not logged in").says("berth login");
    berth.run(&["whoami", "--context", "two"]).ok();
    assert_eq!(fs::metadata(file(&berth)).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_second_login_renews_the_token_of_the_current_context() {
    let (server, berth) = (server().await, Berth::new());
    login(&berth, &[&server.uri(), "--context", "one"]).ok();
    login(&berth, &[]).ok().says("Context 'one'");
    login(&Berth::new(), &[]).exits(2).says("which server?");
}

#[tokio::test]
async fn a_context_on_the_command_line_sets_the_environment_aside() {
    let (server, berth) = (server().await, Berth::new());
    login(&berth, &[&server.uri(), "--context", "one"]).ok();
    let berth = berth.env("BERTH_URL", "http://127.0.0.1:1").env("BERTH_TOKEN", "of-another-server");
    berth.run(&["whoami"]).exits(1).says("no connection to http://127.0.0.1:1");
    berth.run(&["whoami", "--context", "one"]).ok();
}

#[test]
fn without_a_terminal_the_token_must_come_from_somewhere() {
    let ran = Berth::new().run(&["login", "http://127.0.0.1:1"]).exits(2);
    ran.says("no terminal to show a code on").says("--token-stdin").says("--device");
    let ran = Berth::new().run(&["login", "http://127.0.0.1:1", "--token"]).exits(2);
    ran.says("no terminal to ask").says("--token-stdin");
    login(&Berth::new(), &["ftp://example.com"]).exits(2).says("must begin with https://");
}

#[test]
fn a_token_that_is_given_where_a_url_belongs_is_not_repeated() {
    let ran = Berth::new().run(&["login", "--token", TOKEN]).exits(2);
    ran.says("the server's URL ").says("--token takes no value");
}

#[test]
fn a_token_goes_in_the_clear_over_no_network_unless_that_is_said() {
    // Documentation addresses: nothing is there.
    for url in ["http://192.0.2.1:9", "http://[::ffff:192.0.2.1]:9", "http://localhost.example:9"] {
        login(&Berth::new(), &[url]).exits(2).says("is not encrypted").says("hint: ").says("--allow-http");
        Berth::at(url).run(&["whoami"]).exits(2).says("is not encrypted").says("--allow-http");
        Berth::new().env("BERTH_TOKEN", TOKEN).run(&["list", "--url", url]).exits(2).says("is not encrypted");
    }
}

#[tokio::test]
async fn what_is_not_encrypted_goes_to_no_proxy_of_the_environment_and_localhost_is_this_machine() {
    let (server, proxy) = (server().await, MockServer::start().await);
    let port = server.address().port();
    for url in [server.uri(), format!("http://localhost:{port}"), format!("http://[::ffff:127.0.0.1]:{port}")]
    {
        let mut berth = Berth::at(&url);
        for name in ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"] {
            berth = berth.env(name, &proxy.uri());
        }
        berth.run(&["whoami"]).ok();
    }
    assert_eq!(proxy.received_requests().await.unwrap().len(), 0);
}

#[test]
fn a_login_that_says_so_is_remembered_and_warned_about() {
    // Nothing answers there, which is told after the warning.
    let berth = Berth::new().env("BERTH_ALLOW_HTTP", "true");
    login(&berth, &["http://255.255.255.255:9"])
        .exits(1)
        .says("warning: http://255.255.255.255:9 is not https");
}

#[test]
fn a_broken_configuration_is_named_and_its_tokens_are_not_shown() {
    let berth = Berth::new();
    fs::create_dir_all(file(&berth).parent().unwrap()).unwrap();
    for broken in [
        format!("contexts:\n  one:\n    token: {TOKEN}\n    url: 7\n"),
        format!("contexts:\n  one: {TOKEN}\n"),
        format!("contexts: [\n{TOKEN}\n"),
        format!("current: one\n{TOKEN}: one\n"),
    ] {
        fs::write(file(&berth), broken).unwrap();
        berth.run(&["list"]).exits(1).says("config.yaml is not understood").says("hint: ");
    }
}

#[test]
fn a_configuration_that_others_may_read_is_warned_about() {
    let berth = Berth::new();
    fs::create_dir_all(file(&berth).parent().unwrap()).unwrap();
    fs::write(file(&berth), "contexts: {}\n").unwrap();
    fs::set_permissions(file(&berth), fs::Permissions::from_mode(0o644)).unwrap();
    berth.run(&["list"]).exits(4).says("warning: ").says("chmod 600");
}
