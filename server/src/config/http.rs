//! Listening, and how much of everything a client gets.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use berth_schema::reconcile::MAX_MESSAGE_BYTES;
use clap::Args;

use super::EdgeOptions;
use crate::edge::Times;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "HTTP")]
pub struct HttpOptions {
    /// Addresses to serve on without TLS, separated by commas: this machine's alone, unless --trusted-proxies says who comes there.
    #[arg(long, env = "BERTH_LISTEN", default_value = "127.0.0.1:8080", value_delimiter = ',')]
    pub listen: Vec<SocketAddr>,
    /// Addresses to serve on by TLS, separated by commas: HTTP/1.1, TLS 1.2 and 1.3.
    #[arg(
        long,
        env = "BERTH_TLS_LISTEN",
        value_delimiter = ',',
        requires_all = ["certificate_file", "certificate_key_file"]
    )]
    pub tls_listen: Vec<SocketAddr>,
    /// PEM file with the certificate and those between it and its authority; read again when it changes.
    #[arg(long, env = "BERTH_CERTIFICATE_FILE", value_name = "PATH")]
    pub certificate_file: Option<PathBuf>,
    /// PEM file with the certificate's private key, its owner's alone.
    #[arg(long, env = "BERTH_CERTIFICATE_KEY_FILE", value_name = "PATH")]
    pub certificate_key_file: Option<PathBuf>,
    /// Address of the metrics, which need no token: not for the public.
    #[arg(long, env = "BERTH_METRICS_LISTEN", default_value = "127.0.0.1:9090")]
    pub metrics_listen: SocketAddr,
    /// Threads that serve requests.
    #[arg(long, env = "BERTH_WORKERS", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,
    /// The largest body, in bytes, also after decompression.
    #[arg(long, env = "BERTH_MAX_BODY_BYTES", default_value_t = MAX_MESSAGE_BYTES)]
    pub max_body_bytes: usize,
    /// Seconds that a body may take to arrive, beside one for each 64 KiB of it.
    #[arg(long, env = "BERTH_BODY_SECONDS", default_value_t = 10)]
    pub body_seconds: u64,
    /// Seconds that a handler may take, beside the time for its body and for a held answer.
    #[arg(long, env = "BERTH_HANDLER_SECONDS", default_value_t = 30)]
    pub handler_seconds: u64,
    /// Seconds that the head of a request may take to arrive.
    #[arg(long, env = "BERTH_HEAD_SECONDS", default_value_t = 10)]
    pub head_seconds: u64,
    /// Seconds that an idle connection is kept.
    #[arg(long, env = "BERTH_KEEP_ALIVE_SECONDS", default_value_t = 75)]
    pub keep_alive_seconds: u64,
    /// The most streams of events that are open at a time.
    #[arg(long, env = "BERTH_MAX_STREAMS", default_value_t = 1_000)]
    pub max_streams: usize,
    /// Seconds after which it is looked again whether a stream's token is still valid.
    #[arg(long, env = "BERTH_STREAM_RECHECK_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub stream_recheck_seconds: u64,
    /// Seconds that a client may leave an answer unread, beside one for each 16 KiB of it.
    #[arg(long, env = "BERTH_WRITE_SECONDS", default_value_t = 30)]
    pub write_seconds: u64,
    #[command(flatten)]
    pub edge: EdgeOptions,
    /// Seconds that requests in flight get to end when the server is stopped.
    #[arg(long, env = "BERTH_DRAIN_SECONDS", default_value_t = 30)]
    pub drain_seconds: u64,
}

impl HttpOptions {
    /// The time for each phase of a connection.
    pub fn times(&self) -> Times {
        let seconds = Duration::from_secs;
        Times {
            head: seconds(self.head_seconds),
            body: seconds(self.body_seconds),
            write: seconds(self.write_seconds),
            idle: seconds(self.keep_alive_seconds),
            // Chunks and what is between them.
            body_bytes: 2 * self.max_body_bytes as u64 + 64 * 1024,
        }
    }

    /// Whether what comes without TLS comes from this machine or from proxies that are known.
    ///
    /// # Errors
    /// An address in words for whoever starts the server.
    pub fn check(&self) -> Result<(), String> {
        let is_public = |address: &&SocketAddr| !address.ip().to_canonical().is_loopback();
        match self.listen.iter().find(is_public) {
            Some(address) if self.edge.trusted_proxies.is_empty() => Err(format!(
                "--listen {address} is open to other machines without TLS: serve there by TLS (--tls-listen, --certificate-file, \
                 --certificate-key-file), or name the reverse proxies that end it with --trusted-proxies"
            )),
            _ => Ok(()),
        }
    }

    pub fn limits(&self) -> Limits {
        Limits {
            body_bytes: self.max_body_bytes,
            body_time: Duration::from_secs(self.body_seconds),
            handler_time: Duration::from_secs(self.handler_seconds),
        }
    }
}

/// What one request may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub body_bytes: usize,
    pub body_time: Duration,
    pub handler_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: MAX_MESSAGE_BYTES,
            body_time: Duration::from_secs(10),
            handler_time: Duration::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        http: HttpOptions,
    }

    fn check(arguments: &[&str]) -> Result<(), String> {
        let arguments = std::iter::once(&"berth-server").chain(arguments);
        Cli::try_parse_from(arguments).expect("options").http.check()
    }

    #[test]
    fn without_tls_other_machines_are_let_in_as_known_proxies_alone() {
        check(&[]).expect("this machine alone");
        check(&["--listen", "127.0.0.1:1,[::1]:1,[::ffff:127.0.0.1]:2"]).expect("this machine alone");
        for public in ["0.0.0.0:80", "[::]:80", "10.0.0.1:80", "127.0.0.1:80,192.0.2.1:80"] {
            let refused = check(&["--listen", public]).expect_err("public");
            assert!(refused.contains("--tls-listen") && refused.contains("--trusted-proxies"), "{refused}");
            check(&["--listen", public, "--trusted-proxies", "10.0.0.0/8"]).expect("behind a proxy");
        }
    }
}
