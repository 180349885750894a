//! A Git host of a test: git's own `http-backend` behind TLS and a password, honest unless it is told otherwise.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use berth_oidc::Reachable;
use berth_server::repository::Rules;
use rustls_pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

pub(crate) struct GitHost {
    directory: TempDir,
    port: u16,
    scheme: &'static str,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
pub(crate) struct State {
    /// Who is let in; `None`: everybody.
    pub(crate) password: Option<String>,
    pub(crate) behaviour: Behaviour,
    /// Method and path of each request.
    pub(crate) asked: Vec<String>,
    /// User and password of each request that brought them.
    pub(crate) logins: Vec<(String, String)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Behaviour {
    #[default]
    Honest,
    Slow,
    Redirect(String),
    Status(u16),
    Garbage,
}

/// What a host leaves out where it is asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filters {
    All,
    FilesAlone,
    None,
}

impl GitHost {
    pub(crate) async fn start() -> Self {
        Self::begin(true).await
    }

    pub(crate) async fn without_tls() -> Self {
        Self::begin(false).await
    }

    async fn begin(tls: bool) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]);
        let made = made.expect("a certificate");
        std::fs::write(directory.path().join("ca.pem"), made.cert.pem()).expect("written");
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|config| {
                config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key)
            });
        let acceptor = tls.then(|| TlsAcceptor::from(Arc::new(config.expect("a configuration"))));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(Mutex::new(State::default()));
        let (shared, root) = (Arc::clone(&state), directory.path().to_owned());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (shared, root, acceptor) = (Arc::clone(&shared), root.clone(), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => answer(stream, &shared, &root).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                answer(stream, &shared, &root).await;
                            }
                        }
                    }
                });
            }
        });
        Self { directory, port, scheme: if tls { "https" } else { "http" }, state, task }
    }

    pub(crate) fn set(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// By name, which somebody has to look up.
    pub(crate) fn url(&self, repository: &str) -> String {
        format!("{}://localhost:{}/{repository}", self.scheme, self.port)
    }

    pub(crate) fn name(&self) -> String {
        format!("localhost:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Of a server that may ask this host and trusts it.
    pub(crate) fn rules(&self) -> Rules {
        Rules {
            reachable: own_machine(),
            authorities: Some(self.directory.path().join("ca.pem")),
            ..Rules::default()
        }
    }

    /// A repository of these files, with the branch `main` and the tag `v1`; the hash of its commit. What begins with `->` is a link.
    pub(crate) async fn repository(&self, name: &str, files: &[(&str, &[u8])]) -> String {
        let work = tempfile::tempdir().expect("a directory");
        git(work.path(), &["init", "--quiet", "--initial-branch=main"]).await;
        for (path, content) in files {
            let path = work.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            match content.strip_prefix(b"->") {
                Some(to) => {
                    std::os::unix::fs::symlink(String::from_utf8_lossy(to).as_ref(), path).expect("a link");
                }
                None => std::fs::write(path, content).expect("written"),
            }
        }
        git(work.path(), &["add", "--all"]).await;
        git(work.path(), &["commit", "--quiet", "--allow-empty", "--message=first"]).await;
        git(work.path(), &["tag", "--annotate", "v1", "--message=one"]).await;
        let bare = self.directory.path().join(name);
        let bare = bare.to_str().expect("a path");
        git(work.path(), &["clone", "--quiet", "--bare", ".", bare]).await;
        self.filters(name, Filters::All).await;
        git(work.path(), &["rev-parse", "HEAD"]).await
    }

    /// Commits the same files again, with that message.
    pub(crate) async fn commit_again(&self, name: &str, message: &[u8]) {
        let bare = self.directory.path().join(name);
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), message).expect("written");
        let path = file.path().to_str().expect("a path");
        let commit = git(&bare, &["commit-tree", "main^{tree}", "-F", path]).await;
        git(&bare, &["update-ref", "refs/heads/main", &commit]).await;
    }

    pub(crate) async fn filters(&self, name: &str, filters: Filters) {
        let bare = self.directory.path().join(name);
        let allowed = (filters != Filters::None).to_string();
        git(&bare, &["config", "uploadpack.allowFilter", &allowed]).await;
        let trees = (filters == Filters::All).to_string();
        git(&bare, &["config", "uploadpackfilter.tree.allow", &trees]).await;
    }
}

impl Drop for GitHost {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn own_machine() -> Reachable {
    Reachable::new(vec!["127.0.0.0/8".parse().expect("a network")])
}

async fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "core.hooksPath=/dev/null"])
        .args(arguments)
        .current_dir(directory)
        .output()
        .await
        .expect("git starts");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, state: &Mutex<State>, root: &Path) {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        let mut chunk = vec![0; 16_384];
        let Ok(read @ 1..) = stream.read(&mut chunk).await else { return };
        bytes.extend_from_slice(&chunk[..read]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let length = header(&head, "content-length").parse().unwrap_or(0);
        if bytes.len() >= end + 4 + length {
            break (head, bytes[end + 4..].to_vec());
        }
    };
    let line: Vec<&str> = head.lines().next().unwrap_or_default().split(' ').collect();
    let [method, target, _] = line.as_slice() else { return };
    let (behaviour, is_let_in) = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.asked.push(format!("{method} {target}"));
        let login = header(&head, "authorization").strip_prefix("Basic ").and_then(|encoded| {
            let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
            text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
        });
        state.logins.extend(login.clone());
        let wanted = state.password.as_ref();
        (state.behaviour.clone(), wanted.is_none_or(|wanted| login.is_some_and(|login| login.1 == *wanted)))
    };
    let reply = match behaviour {
        _ if !is_let_in => reply(401, "www-authenticate: Basic realm=\"git\"\r\n", b""),
        Behaviour::Honest => backend(root, (method, target), &head, &body).await,
        Behaviour::Slow => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n0").await;
            tokio::time::sleep(Duration::from_secs(60)).await;
            return;
        }
        Behaviour::Redirect(to) => reply(302, &format!("location: {to}\r\n"), b""),
        Behaviour::Status(status) => reply(status, "", b"hunter2"),
        Behaviour::Garbage => reply(200, "content-type: text/html\r\n", b"<html>hunter2"),
    };
    let _ = stream.write_all(&reply).await;
    let _ = stream.shutdown().await;
}

fn reply(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status} X\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value.trim())
}

/// CGI, as git's own documentation has it.
async fn backend(root: &Path, (method, target): (&str, &str), head: &str, body: &[u8]) -> Vec<u8> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header(head, "content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header(head, "content-encoding"))
        .env("GIT_PROTOCOL", header(head, "git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("git starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let _ = stdin.write_all(body).await;
    drop(stdin);
    let output = child.wait_with_output().await.expect("it ends").stdout;
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(output.len());
    let (mut status, mut headers) = (200, String::new());
    for (name, value) in
        String::from_utf8_lossy(&output[..end]).lines().filter_map(|line| line.split_once(": "))
    {
        match name {
            "Status" => status = value.split(' ').next().and_then(|code| code.parse().ok()).unwrap_or(500),
            _ => headers = format!("{headers}{name}: {value}\r\n"),
        }
    }
    reply(status, &headers, output.get(end + 4..).unwrap_or_default())
}
