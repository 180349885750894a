//! The supervisor's socket: one line of JSON asks, one answers.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

const SOCKET: &str = "control.sock";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Request {
    /// The component's pid, in the cluster's PID namespace.
    Pid(String),
    /// SIGKILL.
    Kill(String),
    Start(String),
    /// Which components do not run.
    Missing,
    Stop,
}

pub(super) type Answer = Result<String, String>;
type Asked = (Request, oneshot::Sender<Answer>);

/// Listens in the cluster's directory and hands on what is asked.
pub(super) fn listen(root: &Path) -> anyhow::Result<mpsc::Receiver<Asked>> {
    let path = root.join(SOCKET);
    if path.exists() {
        std::fs::remove_file(&path).context("the socket of an earlier run cannot be removed")?;
    }
    let listener = UnixListener::bind(&path).with_context(|| format!("{} cannot be made", path.display()))?;
    let (sender, receiver) = mpsc::channel(8);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                // The other side has gone away: nobody is left to be told.
                let _ = answer(stream, sender).await;
            });
        }
    });
    Ok(receiver)
}

async fn answer(stream: UnixStream, sender: mpsc::Sender<Asked>) -> anyhow::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let (reply, answered) = oneshot::channel();
    sender.send((serde_json::from_str(&line)?, reply)).await?;
    // A dropped reply means that everything stops, which is an answer too.
    let answer = answered.await.unwrap_or_else(|_| Ok(String::new()));
    stream.get_mut().write_all(&serde_json::to_vec(&answer)?).await?;
    Ok(())
}

/// Asks the supervisor of the cluster in `dir`.
pub(super) async fn ask(dir: &Path, request: Request) -> anyhow::Result<String> {
    let path = dir.join(SOCKET);
    let exchange = async {
        let mut stream = BufReader::new(UnixStream::connect(&path).await?);
        let mut line = serde_json::to_vec(&request)?;
        line.push(b'\n');
        stream.get_mut().write_all(&line).await?;
        let mut answer = String::new();
        stream.read_line(&mut answer).await?;
        anyhow::Ok(serde_json::from_str::<Answer>(&answer)?)
    };
    let answer = timeout(Duration::from_secs(15), exchange)
        .await
        .context("the cluster's supervisor does not answer")?
        .context("the cluster's supervisor cannot be asked")?;
    answer.map_err(|cause| anyhow!(cause))
}
