//! `berth logs`, before a proxy on this machine.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use wiremock::MockServer;

use crate::support::{Berth, WORKSPACE_ID, answer, ok};
use crate::tls::speaking;

const HOST: &str = "60001-reef.ws.localhost";

/// A `berth` whose workspace `reef` is behind a proxy that answers so, and what the proxy was asked.
async fn berth(proxy: impl Fn(&str) -> String + Send + 'static) -> (MockServer, Berth, Arc<Mutex<String>>) {
    let asked = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&asked);
    let (port, pem) = speaking(HOST, move |head| {
        head.clone_into(&mut heard.lock().unwrap());
        proxy(head)
    });
    let server = MockServer::start().await;
    answer(&server, "POST", "/workspaces/reef/connection", ok(connection("https", port))).await;
    let berth = Berth::with(&server);
    let file = berth.home.path().join("proxy.pem");
    std::fs::write(&file, pem).unwrap();
    let berth = berth.env("BERTH_CA_FILE", &file.display().to_string());
    (server, berth, asked)
}

fn connection(scheme: &str, port: u16) -> Value {
    json!({
        "workspace": WORKSPACE_ID, "name": "reef", "token": "a.b.c", "expires_at": "2030-01-01T00:00:00Z",
        "url": format!("{scheme}://{{port}}-reef.ws.localhost:{port}/"),
        "tunnel": format!("https://{HOST}:{port}/.berth/ssh"),
    })
}

fn says(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_is_printed_as_it_was_written_and_stderr_says_whose_it_is() {
    let written = "one\x1b[31m\ntwo";
    let given = move |_: &str| {
        format!(
            "HTTP/1.1 200 OK\r\nberth-container: main\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{written}\r\n0\r\n\r\n",
            written.len()
        )
    };
    let (_server, berth, asked) = berth(given).await;
    berth.run(&["logs", "reef"]).ok().says("Logs of container 'main'").prints(written);
    let head = asked.lock().unwrap().clone();
    assert!(head.starts_with("GET /.berth/logs HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("berth-token: a.b.c\r\n"), "{head}");
    let all = ["logs", "reef", "-c", "main", "-f", "--since", "10m", "--tail", "5", "--timestamps"];
    let ran = berth.run(&all).ok().says("has ended").prints(written);
    assert!(!ran.stderr.contains("Logs of container"), "{}", ran.stderr);
    let head = asked.lock().unwrap().clone();
    let query = "/.berth/logs?container=main&follow=true&tail=5&since=600&timestamps=true ";
    assert!(head.contains(query), "{head}");
    berth.run(&["logs", "reef", "--previous"]).ok();
    assert!(asked.lock().unwrap().contains("?previous=true "));
    for wrong in [
        &["logs", "reef", "-c", "../x"][..],
        &["logs", "reef", "--since", "0s"],
        &["logs", "reef", "--tail", "-1"],
        &["logs", "reef", "--tail", "9999999"],
    ] {
        berth.run(wrong).exits(2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_is_cut_off_is_no_whole_one() {
    let cut = "HTTP/1.1 200 OK\r\nberth-container: main\r\ntransfer-encoding: chunked\r\n\r\n4\r\none\n\r\n";
    let (_server, berth, _) = berth(move |_| cut.to_owned()).await;
    berth.run(&["logs", "reef", "-f"]).exits(1).says("were cut off").says("signed out").prints("one\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_says_what_to_do() {
    let status = Arc::new(Mutex::new(""));
    let (told, word) = (Arc::clone(&status), "the proxy's word.\n");
    let (server, berth, _) = berth(move |_| says(&told.lock().unwrap(), word)).await;
    for (answer, exit, hint) in [
        ("400 Bad Request", 2, word),
        ("401 Unauthorized", 1, "berth auth can-i workspace.read-logs reef"),
        ("404 Not Found", 1, "of a version that gives no logs"),
        ("409 Conflict", 1, "`berth start reef` starts it"),
        ("429 Too Many Requests", 1, "berth why reef"),
        ("503 Service Unavailable", 1, "berth why reef"),
    ] {
        *status.lock().unwrap() = answer;
        berth.run(&["logs", "reef"]).exits(exit).says("the proxy's word.").says(hint.trim()).prints("");
    }
    // The token goes nowhere in the clear.
    server.reset().await;
    answer(&server, "POST", "/workspaces/reef/connection", ok(connection("http", 1))).await;
    berth.run(&["logs", "reef"]).exits(1).says("no address that begins with https://");
}
