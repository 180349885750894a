use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;
use wiremock::ResponseTemplate;

use super::server::{access, organization, refresh, server};
use super::{file, stored};
use crate::support::{Berth, problem, requests};

#[tokio::test]
async fn a_machine_without_a_browser_is_let_in_by_a_code() {
    let ((server, fake), berth) = (server().await, Berth::new());
    fake.state().polls = vec!["authorization_pending"];
    let ran = berth.run(&["login", &server.uri(), "--device"]).ok().prints("");
    let ran = ran.says(&format!("  {}/device\n", server.uri())).says("enter the code WDJB-MJHT\n");
    // The person's name comes from the server.
    ran.says(r"as 'Zoë \u{1b}[2J' in organisation 'main' (owner)").says("The login ends on 2026-12-31");
    assert_eq!(fs::metadata(file(&berth)).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(stored(&berth).contains(&access(1)) && stored(&berth).contains(&refresh(1)));
    let line = format!("*\t{}\t{}\tmain\tlogin\n", server.address(), server.uri());
    let heads = "CURRENT\tNAME\tSERVER\tORGANISATION\tHOLDS\n";
    berth.run(&["contexts", "list"]).ok().prints(&format!("{heads}{line}"));
    berth.run(&["list", "-o", "name"]).ok().prints("");
    let whoami = berth.run(&["whoami"]).ok().stdout;
    for pair in ["Organisation\tmain\n", "Role\towner\n", "Account\tZoë \\u{1b}[2J\n", "Expires\t2026-12-31"]
    {
        assert!(whoami.contains(pair), "{whoami}");
    }
    assert_eq!(berth.run(&["whoami", "-o", "json"]).ok().json()["organizations"][0]["name"], "main");
    let mut elevated = organization("main", "developer", false);
    elevated["elevations"] = json!([{
        "id": "8d7e6f5a-0000-4000-8000-000000000001", "role": "maintainer", "group": "platform",
        "ends_at": "2026-11-30T10:00:00Z",
    }]);
    fake.state().organizations = json!([elevated]);
    let whoami = berth.run(&["whoami"]).ok().stdout;
    let told = "Role\tdeveloper\nFor a time\tmaintainer at group 'platform' until 2026-11-30T10:00:00Z\n";
    assert!(whoami.contains(told), "{whoami}");
}

#[tokio::test]
async fn the_server_is_asked_more_slowly_when_it_says_so_and_no_longer_when_somebody_has_said_no() {
    let ((server, fake), berth) = (server().await, Berth::new());
    fake.state().polls = vec!["access_denied"];
    berth.run(&["login", &server.uri(), "--device"]).exits(5).says("the login was refused in the browser");
    fake.state().polls = vec!["expired_token"];
    berth.run(&["login", &server.uri(), "--device"]).exits(4).says("nobody has entered the code in time");
    fake.state().device["expires_in"] = json!(3);
    fake.state().polls = vec!["slow_down"; 9];
    berth.run(&["login", &server.uri(), "--device"]).exits(4).says("nobody has entered the code in time");
    assert_eq!(fake.state().polls.len(), 8, "the second poll would have come after the end");
    assert!(!file(&berth).exists());
}

#[tokio::test]
async fn the_organisation_is_the_only_one_or_the_one_that_is_named() {
    let ((server, fake), berth) = (server().await, Berth::new());
    let (uri, device) = (server.uri(), "--device");
    fake.state().organizations =
        json!([organization("acme", "owner", false), organization("main", "viewer", false)]);
    let ran = berth.run(&["login", &uri, device]).exits(2);
    ran.says("which organisation? There are acme, main").says("--organization NAME");
    assert_eq!(fake.state().revoked, [refresh(1)], "a session that leads nowhere is ended");
    berth.run(&["login", &uri, device, "--organization", "other"]).exits(3).says("belong to: acme, main");
    berth
        .run(&["login", &uri, device, "--organization", "main"])
        .ok()
        .says("in organisation 'main' (viewer)");
    let heads = "CURRENT\tNAME\tROLE\tSTATE\n";
    let list = berth.run(&["organizations", "list"]).ok();
    list.prints(&format!("{heads}\tacme\towner\tActive\n*\tmain\tviewer\tActive\n"));
    let list = berth.run(&["organizations", "list", "--organization", "acme"]).ok();
    list.prints(&format!("{heads}*\tacme\towner\tActive\n\tmain\tviewer\tActive\n"));
    let list = berth.run(&["organizations", "list", "-o", "json"]).ok().json();
    assert_eq!(list["items"][1]["current"], true);
    // Again: the context has its organisation, and the session before is ended.
    let before = fake.state().revoked.len();
    berth.run(&["login", device]).ok().says("in organisation 'main'");
    assert_eq!(fake.state().revoked.len(), before + 1);
    fake.state().organizations = json!([]);
    berth.run(&["login", device]).exits(5).says("belongs to no organisation");
    fake.state().organizations = json!([organization("main", "viewer", true)]);
    berth.run(&["login", device]).exits(5).says("suspended in every organisation");
}

#[tokio::test]
async fn no_person_is_sent_to_another_place() {
    let ((server, fake), berth) = (server().await, Berth::new());
    for elsewhere in
        ["https://evil.test/device", "javascript:alert(1)", "file:///etc/passwd", "http://127.0.0.1:1/device"]
    {
        fake.state().device["verification_uri"] = json!(elsewhere);
        let ran = berth.run(&["login", &server.uri(), "--device"]).exits(2).says("none of Berth's");
        assert!(!ran.stderr.contains(elsewhere), "{}", ran.stderr);
    }
    fake.state().issuer = "https://evil.test".to_owned();
    let ran = berth.run(&["login", &server.uri(), "--device"]).exits(2);
    ran.says("says that it is https://evil.test").says("--public-url");
}

#[tokio::test]
async fn hostile_answers_are_bounded_and_obeyed_by_no_terminal() {
    let ((server, fake), berth) = (server().await, Berth::new());
    let login = || berth.run(&["login", &server.uri(), "--device"]);
    fake.state().polls = vec!["\u{1b}]0;owned\u{7}"];
    let ran = login().exits(1).says(r"the server says \u{1b}]0;owned\u{7}: because \u{1b}[2J of it");
    assert!(!ran.stderr.contains('\u{1b}'));
    let body = |text: String| Some(ResponseTemplate::new(200).set_body_raw(text, "application/json"));
    fake.state().instead = body("x".repeat(11 * 1024 * 1024));
    login().exits(1).says("is larger than 10 MiB");
    fake.state().instead = body("[".repeat(100_000));
    login().exits(1).says("words that are not Berth's");
    fake.state().instead = Some(problem(503, "busy \u{1b}[2J", &json!([])));
    login().exits(1).says(r"busy \u{1b}[2J");
    let long = json!({ "error": "e".repeat(100_000), "error_description": "d".repeat(100_000) });
    fake.state().instead = Some(ResponseTemplate::new(400).set_body_json(long));
    assert!(login().exits(1).stderr.len() < 2_000);
    for (access, kind) in [("a\nb", "Bearer"), ("", "Bearer"), ("a", "mac")] {
        fake.state().instead = body(
            json!({
                "access_token": access, "token_type": kind, "expires_in": u64::MAX, "refresh_token": "r",
                "device_code": "d", "user_code": "WDJB-MJHT", "interval": 1,
                "verification_uri": format!("{}/device", server.uri()),
            })
            .to_string(),
        );
        login().exits(1).says("words that are not Berth's");
    }
    assert!(!file(&berth).exists());
}

#[tokio::test]
async fn a_server_that_knows_no_logins_says_so() {
    let (server, berth) = (wiremock::MockServer::start().await, Berth::new());
    let ran = berth.run(&["login", &server.uri(), "--device"]).exits(2);
    ran.says("knows no login by browser").says("--token asks for a token instead");
    assert_eq!(requests(&server).await, "GET /.well-known/oauth-authorization-server\n");
}
