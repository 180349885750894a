use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::{Berth, workspace};

/// A server on this machine with a certificate of an authority that no system knows, and the authority as PEM.
fn server() -> (String, String) {
    let body = workspace("Running", "Running", 1, 1).to_string();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let (port, pem) = speaking("localhost", move |_| answer.clone());
    (format!("https://localhost:{port}"), pem)
}

/// One that answers each connection's first request, of which it is told the head. Its port, and its authority.
pub(crate) fn speaking(name: &str, answer: impl Fn(&str) -> String + Send + 'static) -> (u16, String) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec![name.to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let pem = authority.pem();
    thread::spawn(move || serve(&listener, &Arc::new(config), answer));
    (port, pem)
}

/// A client that does not trust us is none.
fn serve(listener: &TcpListener, config: &Arc<ServerConfig>, answer: impl Fn(&str) -> String) {
    for stream in listener.incoming() {
        let connection = ServerConnection::new(Arc::clone(config)).unwrap();
        let mut stream = StreamOwned::new(connection, stream.unwrap());
        let mut head = [0; 8192];
        if let Ok(length) = stream.read(&mut head) {
            let answer = answer(&String::from_utf8_lossy(&head[..length]));
            let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.flush());
        }
    }
}

#[test]
fn a_server_is_trusted_by_the_authority_that_was_given_and_by_no_other() {
    let (url, pem) = server();
    let (_, other_pem) = server();
    let berth = Berth::at(&url);
    let file = |name: &str, pem: &str| {
        let path = berth.home.path().join(name).display().to_string();
        std::fs::write(&path, pem).unwrap();
        path
    };
    let (ours, others) = (file("ours.pem", &pem), file("others.pem", &other_pem));
    berth.run(&["get", "reef", "-o", "name", "--ca-file", &ours]).ok().prints("reef\n");
    berth.run(&["get", "reef", "--ca-file", &others]).exits(1).says("certificate");
    // Without it the system's authorities count; a machine that has none says so.
    berth.run(&["get", "reef"]).exits(1).says("certificate");
}

#[test]
fn an_address_that_speaks_the_other_way_is_told_as_one() {
    let (url, _) = server();
    Berth::at(&url.replace("https:", "http:")).run(&["list"]).exits(1).says("begin with https://");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            if stream.read(&mut [0; 8192]).is_ok() {
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
            }
        }
    });
    Berth::at(&url).run(&["list"]).exits(1).says("begin with http://");
}
