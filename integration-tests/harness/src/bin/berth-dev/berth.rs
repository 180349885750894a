//! Calls of the command line `berth`, as a user types them.

use std::path::PathBuf;

use anyhow::Context as _;
use berth_harness::command::{command, output};
use berth_harness::paths;
use serde_json::Value;

use crate::server::Serving;
use crate::site::Site;
use crate::stages::Outcome;

/// The command line, logged in.
#[derive(Clone, Debug)]
pub(crate) struct Berth {
    program: PathBuf,
}

/// The context that the login makes.
pub(crate) const CONTEXT: &str = "local";

impl Berth {
    /// Logs in with the first administrator's token, unless that is done.
    pub(crate) async fn login(site: &Site, server: &Serving) -> anyhow::Result<(Self, Outcome)> {
        let berth = Self { program: paths::program("berth")? };
        let url = server.public_url();
        // Without JSON it says where, too.
        if berth.run(&["whoami"]).await.is_ok_and(|told| told.contains(&url)) {
            return Ok((berth, format!("logged in to {url} as the context '{CONTEXT}'")));
        }
        let token = std::fs::File::open(site.first_token())
            .with_context(|| format!("the server wrote no {}", site.first_token().display()))?;
        let mut login = command(&berth.program);
        login.args(["--context", CONTEXT, "login", &url, "--token-stdin"]).stdin(token);
        login.arg("--ca-file").arg(&server.authority);
        output(&mut login).await?;
        Ok((berth, format!("logged in to {url}; the context is '{CONTEXT}'")))
    }

    /// Runs a command and gives what it prints.
    pub(crate) async fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut berth = command(&self.program);
        output(berth.args(["--context", CONTEXT]).args(arguments)).await
    }

    /// Runs a command with its output as JSON.
    pub(crate) async fn json(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let text = self.run(&[arguments, &["--output", "json"]].concat()).await?;
        serde_json::from_str(&text).context("the command line did not print JSON")
    }

    /// The program as it is typed from the top of the sources.
    pub(crate) fn shown(&self) -> String {
        self.program.strip_prefix(paths::repository()).unwrap_or(&self.program).display().to_string()
    }
}
