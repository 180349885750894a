//! A registry that refuses every image in words that no database keeps.

use std::fs::File;
use std::net::{SocketAddr, TcpListener as StdListener};

use anyhow::{Context as _, anyhow};
use berth_harness::Cluster;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::os::fd::AsFd as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Answers on the node's own 127.0.0.1, where containerd asks without TLS. It ends when it is dropped.
#[derive(Debug)]
pub struct HostileRegistry {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl HostileRegistry {
    pub async fn on_the_node_of(cluster: &Cluster) -> anyhow::Result<Self> {
        let pid = cluster.component_pid("containerd").await?;
        let listener = listen_in_network_of(pid)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = TcpListener::from_std(listener)?;
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(refuse(client));
            }
        });
        Ok(Self { address, task })
    }

    /// An image that it is asked for.
    pub fn image(&self) -> String {
        format!("{}/evil/image:1", self.address)
    }
}

impl Drop for HostileRegistry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A socket stays in the network that it was made in; a thread of its own, which ends, goes there to make it.
fn listen_in_network_of(pid: u32) -> anyhow::Result<StdListener> {
    let network = File::open(format!("/proc/{pid}/ns/net")).context("the node has no network")?;
    let listening = std::thread::spawn(move || {
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
        StdListener::bind("127.0.0.1:0")
    });
    let listener = listening.join().map_err(|_| anyhow!("the thread panicked"))?;
    listener.context("cannot listen on the node")
}

/// 403, with a NUL in the reason and in the error's message, a terminal's sequence, and a turn of the reading direction.
async fn refuse(mut client: TcpStream) {
    let body = r#"{"errors":[{"code":"DENIED","message":"ja\u0000wohl \u202e\u001b[31m\n denied"}]}"#;
    let head = format!(
        "HTTP/1.1 403 No\0pe\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    // Whoever hangs up first has been refused as well.
    let _ = client.read(&mut [0; 4096]).await;
    let _ = client.write_all(format!("{head}{body}").as_bytes()).await;
    let _ = client.shutdown().await;
}
