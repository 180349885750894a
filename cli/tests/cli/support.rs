//! Runs `berth` with a clean environment, beside a server that answers what a test says.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// What must never be printed, except where a test says so.
pub(crate) const TOKEN: &str = "berth_t_THISISSECRET";
pub(crate) const ORGANIZATION: &str = "/api/v1/organizations/main";
pub(crate) const WORKSPACE_ID: &str = "0191e2b4-0000-4000-8000-000000000001";

/// A home of its own and perhaps a server.
pub(crate) struct Berth {
    pub(crate) home: TempDir,
    environment: Vec<(String, String)>,
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Berth {
    /// Knows no server.
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), environment: Vec::new() }
    }

    /// Speaks to this server, in the organisation `main`.
    pub(crate) fn with(server: &MockServer) -> Self {
        Self::at(&server.uri())
    }

    pub(crate) fn at(url: &str) -> Self {
        Self::new().env("BERTH_URL", url).env("BERTH_TOKEN", TOKEN).env("BERTH_ORGANIZATION", "main")
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
        command.args(args).env_clear().env("HOME", self.home.path()).env("COLUMNS", "100");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, "")
    }

    /// With something on standard input.
    pub(crate) fn run_with(&self, args: &[&str], stdin: &str) -> Ran {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A program that does not read its input may be gone before it is written.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        Ran::from(child.wait_with_output().unwrap())
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let ran = Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        assert!(!ran.stdout.contains(TOKEN) && !ran.stderr.contains(TOKEN), "a token was printed: {ran:?}");
        ran
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.exits(0)
    }

    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "'{text}' is not in stderr:\n{}", self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn prints(self, text: &str) -> Self {
        assert_eq!(self.stdout, text, "stderr:\n{}", self.stderr);
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// A workspace named `reef` as the server shows it. Of one generation: proven, with a state that is older.
pub(crate) fn workspace(desired: &str, actual: &str, generation: i64, applied: i64) -> Value {
    json!({
        "id": WORKSPACE_ID, "name": "reef", "namespace": "ws-reef",
        "agent_id": "0191e2b4-0000-4000-8000-000000000002", "agent": "here",
        "image": "debian:13", "desired_state": desired, "actual_state": actual,
        "generation": generation, "applied_generation": applied,
        "created_at": "2026-01-01T00:00:00Z",
        "desired_state_changed_at": "2026-01-01T00:00:10Z",
        "actual_state_changed_at": "2026-01-01T00:00:05Z",
    })
}

/// The same with a reason.
pub(crate) fn because(mut workspace: Value, reason: &str, message: &str) -> Value {
    workspace["reason"] = json!({ "reason": reason, "message": message });
    workspace
}

pub(crate) fn agent(name: &str) -> Value {
    json!({
        "id": "0191e2b4-0000-4000-8000-000000000002", "name": name,
        "created_at": "2026-01-01T00:00:00Z", "workspaces": 3,
    })
}

pub(crate) fn whoami() -> Value {
    json!({
        "organization_id": "0191e2b4-0000-4000-8000-00000000000f", "organization": "main",
        "token_name": "first administrator", "scope": "full",
    })
}

pub(crate) fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

pub(crate) fn problem(status: u16, detail: &str, errors: &Value) -> ResponseTemplate {
    let body = json!({
        "type": "urn:berth:problem:test", "title": "A title", "status": status, "detail": detail,
        "request_id": "request-1", "errors": errors,
    });
    ResponseTemplate::new(status).set_body_raw(body.to_string(), "application/problem+json")
}

/// Answers one after the other; the last one for ever.
pub(crate) struct InTurn {
    answers: Vec<ResponseTemplate>,
    next: AtomicUsize,
}

impl InTurn {
    pub(crate) fn new(answers: impl IntoIterator<Item = ResponseTemplate>) -> Self {
        Self { answers: answers.into_iter().collect(), next: AtomicUsize::new(0) }
    }
}

impl Respond for InTurn {
    fn respond(&self, _request: &Request) -> ResponseTemplate {
        let turn = self.next.fetch_add(1, Ordering::SeqCst);
        self.answers[turn.min(self.answers.len() - 1)].clone()
    }
}

/// Answers a method and a path below the organisation.
pub(crate) async fn answer(server: &MockServer, verb: &str, below: &str, respond: impl Respond + 'static) {
    let path = path(format!("{ORGANIZATION}{below}"));
    Mock::given(method(verb)).and(path).respond_with(respond).mount(server).await;
}

/// Every request as `METHOD path?query`, one a line.
pub(crate) async fn requests(server: &MockServer) -> String {
    let mut lines = String::new();
    for request in server.received_requests().await.unwrap() {
        let query = request.url.query().map(|query| format!("?{query}")).unwrap_or_default();
        writeln!(lines, "{} {}{query}", request.method, request.url.path()).unwrap();
    }
    lines
}

pub(crate) async fn bodies(server: &MockServer) -> Vec<Value> {
    let all = server.received_requests().await.unwrap();
    all.iter().filter(|r| !r.body.is_empty()).map(|r| serde_json::from_slice(&r.body).unwrap()).collect()
}
