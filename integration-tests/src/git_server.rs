//! A real Git server over HTTP: `git http-backend` behind a password.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinHandle;

/// Decides about a user name and a password.
type Door = dyn Fn(&str, &str) -> bool + Send + Sync;

/// Serves the bare repositories of a directory. It ends when it is dropped.
#[derive(Debug)]
pub struct GitServer {
    address: SocketAddr,
    logins: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

struct Serving {
    root: PathBuf,
    door: Box<Door>,
    logins: Arc<Mutex<Vec<String>>>,
}

impl GitServer {
    pub async fn start(
        ip: IpAddr,
        root: &Path,
        door: impl Fn(&str, &str) -> bool + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((ip, 0)).await.context("no free port")?;
        let (address, logins) = (listener.local_addr()?, Arc::<Mutex<Vec<String>>>::default());
        let serving =
            Arc::new(Serving { root: root.to_owned(), door: Box::new(door), logins: Arc::clone(&logins) });
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = Arc::clone(&serving);
                let service = service_fn(move |request| {
                    let serving = Arc::clone(&serving);
                    async move { Ok::<_, Infallible>(serving.answer(request).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        Ok(Self { address, logins, task })
    }

    /// As git names it.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Passwords that opened the door, in order.
    pub fn logins(&self) -> Vec<String> {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Serving {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if !self.knows(&request) {
            let response = Response::builder().status(StatusCode::UNAUTHORIZED);
            let response = response.header("www-authenticate", "Basic realm=\"git\"");
            return response.body(Full::default()).unwrap_or_default();
        }
        self.backend(request).await.unwrap_or_else(|_| {
            let failed = Response::builder().status(StatusCode::INTERNAL_SERVER_ERROR);
            failed.body(Full::default()).unwrap_or_default()
        })
    }

    fn knows(&self, request: &Request<Incoming>) -> bool {
        let login = request.headers().get("authorization").and_then(|value| {
            let decoded = STANDARD.decode(value.to_str().ok()?.strip_prefix("Basic ")?).ok()?;
            let text = String::from_utf8(decoded).ok()?;
            text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
        });
        let Some((user, password)) = login else { return false };
        let known = (self.door)(&user, &password);
        if known {
            self.logins.lock().unwrap_or_else(PoisonError::into_inner).push(password);
        }
        known
    }

    /// CGI, as git's own documentation has it.
    async fn backend(&self, request: Request<Incoming>) -> anyhow::Result<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let header =
            |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut child = Command::new("git")
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", &self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            // Who has a name may push.
            .env("REMOTE_USER", "workspace")
            .env("REQUEST_METHOD", head.method.as_str())
            .env("PATH_INFO", head.uri.path())
            .env("QUERY_STRING", head.uri.query().unwrap_or_default())
            .env("CONTENT_TYPE", header("content-type"))
            .env("CONTENT_LENGTH", body.len().to_string())
            .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
            .env("GIT_PROTOCOL", header("git-protocol"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut stdin = child.stdin.take().context("no standard input")?;
        stdin.write_all(&body).await?;
        drop(stdin);
        let output = child.wait_with_output().await?;
        let end = output.stdout.windows(4).position(|window| window == b"\r\n\r\n").context("no head")?;
        let mut response = Response::builder();
        for line in std::str::from_utf8(&output.stdout[..end])?.lines() {
            let (name, value) = line.split_once(": ").context("no header")?;
            response = match name {
                "Status" => response.status(value.split(' ').next().unwrap_or("500")),
                _ => response.header(name, value),
            };
        }
        Ok(response.body(Full::from(output.stdout[end + 4..].to_vec()))?)
    }
}

/// A bare repository with one commit of one file.
pub async fn repository(root: &Path, name: &str, file: &str, content: &str) -> anyhow::Result<()> {
    let work = root.join("work");
    std::fs::create_dir_all(&work)?;
    std::fs::write(work.join(file), content)?;
    let bare = root.join(name);
    let (work, bare) = (work.display().to_string(), bare.display().to_string());
    for arguments in [
        vec!["-C", &work, "init", "--quiet", "--initial-branch=main"],
        vec!["-C", &work, "add", "."],
        vec![
            "-C",
            &work,
            "-c",
            "user.name=T",
            "-c",
            "user.email=t@example.com",
            "commit",
            "--quiet",
            "-m",
            "first",
        ],
        vec!["clone", "--quiet", "--bare", &work, &bare],
    ] {
        let status = Command::new("git").args(&arguments).status().await.context("git cannot be started")?;
        ensure!(status.success(), "git {arguments:?} failed");
    }
    Ok(())
}
