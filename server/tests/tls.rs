//! The server's own TLS.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use berth_server::config::HttpOptions;
use reqwest::tls::Version;
use reqwest::{Certificate, Client};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{App, Requests as _};

/// A certificate of this name, signed by itself, and its key.
fn write(folder: &Path) -> Certificate {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = folder.join("key.pem");
    std::fs::write(folder.join("chain.pem"), made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("its owner's");
    Certificate::from_pem(made.cert.pem().as_bytes()).expect("a certificate")
}

fn with_tls(folder: &Path) -> impl FnOnce(&mut HttpOptions) {
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    move |http| {
        http.tls_listen = vec!["127.0.0.1:0".parse().expect("an address")];
        (http.certificate_file, http.certificate_key_file) = (Some(chain), Some(key));
        http.head_seconds = 1;
    }
}

fn client(trusted: &Certificate, version: Version) -> Client {
    let builder = Client::builder().tls_certs_only([trusted.clone()]).pool_max_idle_per_host(0);
    builder.tls_version_min(version).tls_version_max(version).build().expect("a client")
}

fn url(address: SocketAddr, path: &str) -> String {
    format!("https://localhost:{}{path}", address.port())
}

#[tokio::test]
async fn tls_of_both_versions_is_spoken_and_another_certificate_is_taken_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = write(folder.path());
    App::run_with(with_tls(folder.path()), async |app| {
        let address = app.tls_address();
        for version in [Version::TLS_1_2, Version::TLS_1_3] {
            let ask = client(&first, version).get(url(address, "/healthz"));
            let reply = ask.try_clone().expect("no body").send().await.expect("an answer");
            assert_eq!(reply.status(), 200);
            assert!(!reply.headers().contains_key("strict-transport-security"), "localhost is everybody's");
            let reply = ask.header("host", "berth.example").send().await.expect("an answer");
            assert_eq!(reply.headers()["strict-transport-security"], "max-age=31536000");
        }
        let plain = app.anyone(None).get("/healthz").await;
        assert!(plain.status == 200 && !plain.headers.contains_key("strict-transport-security"));
        // A page that came by TLS takes a form that says so, and no other.
        for (scheme, status) in [("https", 401), ("http", 401)] {
            let origin = format!("{scheme}://localhost:{}", address.port());
            let form =
                client(&first, Version::TLS_1_3).post(url(address, "/sign-in/link")).header("origin", origin);
            let form = form.header("content-type", "application/x-www-form-urlencoded").body("token=x");
            let reply = form.send().await.expect("an answer");
            assert_eq!(reply.status(), status);
            let text = reply.text().await.expect("a page");
            assert_eq!(text.contains("was not sent by a page of this server"), scheme == "http", "{text}");
        }
        let second = write(folder.path());
        let asks =
            async || client(&second, Version::TLS_1_3).get(url(address, "/healthz")).send().await.is_ok();
        let mut tries = 0;
        while !asks().await {
            tries += 1;
            assert!(tries < 300, "the new certificate is not taken up");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        client(&first, Version::TLS_1_3).get(url(address, "/healthz")).send().await.expect_err("the old one");
    })
    .await;
}

#[tokio::test]
async fn whoever_begins_no_handshake_or_does_not_end_it_is_let_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let trusted = write(folder.path());
    App::run_with(with_tls(folder.path()), async |app| {
        let address = app.tls_address();
        // A record's head that promises more than comes, nothing at all, and another language.
        for said in [&b"\x16\x03\x01\x02\x00\x01"[..], b"", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"] {
            let mut stream = TcpStream::connect(address).await.expect("connected");
            stream.write_all(said).await.expect("sent");
            let mut answer = Vec::new();
            let ended = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
            let _ = ended.expect("it is let go");
            assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1"), "{answer:?}");
        }
        let client = client(&trusted, Version::TLS_1_3);
        assert_eq!(client.get(url(address, "/healthz")).send().await.expect("an answer").status(), 200);
    })
    .await;
}
