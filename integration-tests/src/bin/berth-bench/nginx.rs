//! Debian's nginx before the same upstream, with the same certificate: the floor of a proxy that decides nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use berth_harness::command::command;
use tokio::net::TcpStream;
use tokio::process::Child;

/// A running nginx; killed, with its workers, when this is dropped.
pub(crate) struct Nginx {
    pub(crate) address: SocketAddr,
    pub(crate) pid: u32,
    _process: Child,
}

impl Nginx {
    /// `keys` holds `certificate.pem` and `certificate-key.pem`.
    pub(crate) async fn start(dir: &Path, keys: &Path, upstream: SocketAddr) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let address = berth_harness::free_address(Ipv4Addr::LOCALHOST.into())?;
        let file = dir.join("nginx.conf");
        std::fs::write(&file, configuration(dir, keys, address, upstream))?;
        // In a PID namespace of its own: its workers do not outlive it, however it ends.
        let process = command("unshare")
            .args(["--pid", "--mount-proc", "--fork", "--kill-child", "nginx", "-c"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("nginx cannot be started; `make deps` installs it")?;
        let begun = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            ensure!(begun.elapsed() < Duration::from_secs(30), "nginx does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let pid = process.id().context("nginx has ended")?;
        Ok(Self { address, pid, _process: process })
    }
}

fn configuration(dir: &Path, keys: &Path, address: SocketAddr, upstream: SocketAddr) -> String {
    let (dir, keys) = (dir.display(), keys.display());
    format!(
        "daemon off;
user root;
worker_processes auto;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
events {{ worker_connections 16384; }}
worker_rlimit_nofile 65536;
http {{
    access_log off;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    tcp_nodelay on;
    keepalive_requests 1000000;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    upstream workspace {{ server {upstream}; keepalive 64; keepalive_requests 1000000; }}
    server {{
        listen {address} ssl;
        ssl_certificate {keys}/certificate.pem;
        ssl_certificate_key {keys}/certificate-key.pem;
        ssl_protocols TLSv1.3;
        location / {{
            proxy_pass http://workspace;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_max_temp_file_size 0;
            proxy_read_timeout 1h;
        }}
    }}
}}
"
    )
}
