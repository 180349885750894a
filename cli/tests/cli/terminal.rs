//! What is different on a terminal, tried on a real one.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use serde_json::json;
use tokio::time::sleep;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer};

use crate::logins;
use crate::support::{
    Berth, InTurn, TOKEN, WORKSPACE_ID, agent, answer, because, ok, requests, whoami, workspace,
};

/// A program on a terminal of 60 columns.
struct OnTerminal {
    child: Child,
    keyboard: File,
    screen: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl OnTerminal {
    fn run(berth: &Berth, args: &[&str]) -> Self {
        Self::of_columns(60, berth, args)
    }

    fn of_columns(columns: u16, berth: &Berth, args: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        // Who does not know the one knows neither.
        let rows = if columns == 0 { 0 } else { 24 };
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = OpenOptions::new().read(true).write(true).open(name).unwrap();
        let stdio = || Stdio::from(OwnedFd::from(slave.try_clone().unwrap()));
        let mut command = berth.command(args);
        command.env("TERM", "xterm-256color").stdin(stdio()).stdout(stdio()).stderr(stdio());
        let child = command.spawn().unwrap();
        let mut output = File::from(master);
        let keyboard = output.try_clone().unwrap();
        let screen = Arc::new(Mutex::new(String::new()));
        let written = Arc::clone(&screen);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            // A terminal whose last program has gone gives an error and not an end.
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                written.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        });
        Self { child, keyboard, screen, reader }
    }

    async fn waits_for(&self, text: &str) {
        let started = Instant::now();
        while !self.screen.lock().unwrap().contains(text) {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "no '{text}' in {}",
                self.screen.lock().unwrap()
            );
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Until what is typed is not shown any more.
    async fn stops_echoing(&self) {
        while tcgetattr(&self.keyboard).unwrap().local_modes.contains(LocalModes::ECHO) {
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
    }

    fn interrupt(&self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::INT).unwrap();
    }

    /// The exit code and everything that was written.
    fn end(mut self) -> (i32, String) {
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        self.reader.join().unwrap();
        let screen = self.screen.lock().unwrap().clone();
        (code, screen)
    }
}

#[tokio::test]
async fn the_way_to_a_state_is_a_line_that_is_redrawn_and_never_wraps() {
    let server = MockServer::start().await;
    let long = "ContainerCreatingWithAReasonThatIsFarTooLongForANarrowTerminal";
    let creating = ok(because(workspace("Running", "Starting", 2, 2), long, "…"));
    answer(&server, "POST", "/workspaces/reef/start", ok(workspace("Running", "Stopped", 2, 1))).await;
    let looks = InTurn::new([creating.clone(), creating, ok(workspace("Running", "Running", 2, 2))]);
    answer(&server, "GET", &format!("/workspaces/{WORKSPACE_ID}"), looks).await;
    let berth = Berth::with(&server);
    let (code, screen) = OnTerminal::run(&berth, &["start", "reef", "--wait"]).end();
    assert_eq!(code, 0, "{screen}");
    let redrawn: Vec<_> =
        screen.split('\r').filter(|part| part.contains("Starting (") && part.contains('…')).collect();
    assert!(redrawn.len() >= 3, "{screen:?}");
    for part in redrawn {
        let visible = part.trim_start_matches("\u{1b}[2K").trim_end();
        assert!(visible.chars().count() < 60, "{visible:?}");
    }
    assert!(screen.contains("Running\r\nreef\r\n"), "{screen:?}");
}

#[tokio::test]
async fn a_table_on_a_terminal_is_aligned_and_coloured_unless_no_color_is_set() {
    let server = MockServer::start().await;
    answer(&server, "GET", "/workspaces", ok(json!({ "items": [workspace("Running", "Running", 1, 1)] })))
        .await;
    let (_, screen) = OnTerminal::run(&Berth::with(&server), &["list"]).end();
    assert!(screen.contains('\u{1b}') && !screen.contains('\t'), "{screen:?}");
    for berth in [Berth::with(&server).env("NO_COLOR", "1"), Berth::with(&server).env("TERM", "dumb")] {
        let (_, screen) = OnTerminal::run(&berth, &["list", "--color", "never"]).end();
        assert!(!screen.contains('\u{1b}'), "{screen:?}");
    }
    let (_, plain) = OnTerminal::run(&Berth::with(&server).env("NO_COLOR", "1"), &["list"]).end();
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
    let (head, row) = plain.split_once("\r\n").unwrap();
    assert_eq!(head.find("AGENT"), row.find("here"), "{plain}");
    let (_, wide) = OnTerminal::run(&Berth::with(&server), &["list", "-o", "wide"]).end();
    assert_eq!(wide.lines().count(), 2, "a row is not wrapped: {wide}");
}

#[tokio::test]
async fn a_terminal_that_does_not_know_its_width_wraps_nothing() {
    let server = MockServer::start().await;
    let creating = because(workspace("Running", "Starting", 2, 2), "ContainerCreating", "…");
    let running = || ok(workspace("Running", "Running", 2, 2));
    answer(&server, "GET", "/workspaces/reef", running()).await;
    answer(&server, "GET", "/workspaces", ok(json!({ "items": [workspace("Running", "Running", 2, 2)] })))
        .await;
    answer(&server, "POST", "/workspaces/reef/start", ok(creating.clone())).await;
    let looks = InTurn::new([ok(creating.clone()), ok(creating), running()]);
    answer(&server, "GET", &format!("/workspaces/{WORKSPACE_ID}"), looks).await;
    for berth in [Berth::with(&server), Berth::with(&server).env("NO_COLOR", "1")] {
        for (args, whole) in [
            (&["get", "reef"][..], "2026-01-01T00:00:00Z ("),
            (&["list", "-o", "wide"], "debian:13"),
            (&["start", "reef", "--wait"], "Starting (ContainerCreating)"),
            (&["start", "--help"], "--no-wait"),
        ] {
            let (code, screen) = OnTerminal::of_columns(0, &berth, args).end();
            assert_eq!(code, 0, "{screen}");
            assert!(screen.contains(whole), "{args:?}: {screen}");
        }
    }
}

#[tokio::test]
async fn a_deletion_is_confirmed_by_a_person() {
    let server = MockServer::start().await;
    answer(&server, "POST", "/workspaces/reef/terminate", ok(workspace("Terminated", "Running", 2, 1))).await;
    let berth = Berth::with(&server);
    for (answer, code) in [("n", 1), ("\r", 1), ("y", 0)] {
        let mut terminal = OnTerminal::run(&berth, &["delete", "reef"]);
        terminal.waits_for("Delete 'reef' with everything on its volume?").await;
        assert_eq!(requests(&server).await, "", "nothing happens before the answer");
        terminal.types(answer);
        let (ended, screen) = terminal.end();
        assert_eq!(ended, code, "{screen}");
    }
    assert_eq!(requests(&server).await.lines().count(), 1);
}

#[tokio::test]
async fn a_revocation_says_first_what_it_leaves_behind() {
    let server = MockServer::start().await;
    answer(&server, "GET", "/agents/here", ok(agent("here"))).await;
    answer(&server, "POST", "/agents/here/revoke", ok(agent("here"))).await;
    let berth = Berth::with(&server);
    let mut terminal = OnTerminal::run(&berth, &["agents", "revoke", "here"]);
    terminal.waits_for("Take the token of agent 'here' away for good?").await;
    terminal.waits_for("its 3 workspaces").await;
    terminal.types("n");
    let (ended, screen) = terminal.end();
    assert_eq!(ended, 1, "{screen}");
    assert!(!requests(&server).await.contains("POST"), "nothing happens before the answer");
}

#[tokio::test]
async fn a_token_that_is_typed_is_not_shown() {
    let server = MockServer::start().await;
    Mock::given(path("/api/v1/whoami")).respond_with(ok(whoami())).mount(&server).await;
    let mut terminal = OnTerminal::run(&Berth::new(), &["login", &server.uri(), "--token"]);
    terminal.waits_for("Token for http://127.0.0.1").await;
    terminal.stops_echoing().await;
    terminal.types(&format!("{TOKEN}\n"));
    let (code, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("Logged in to") && !screen.contains(TOKEN), "{screen}");
}

#[tokio::test]
async fn a_person_without_a_browser_is_shown_a_code_and_chooses_the_organisation() {
    let ((server, fake), berth) = (logins::server().await, Berth::new());
    fake.state().organizations =
        json!([logins::organization("acme", "owner", false), logins::organization("main", "viewer", false)]);
    let start = || OnTerminal::run(&berth, &["login", &server.uri()]);
    let mut terminal = start();
    terminal.waits_for("enter the code WDJB-MJHT").await;
    terminal.waits_for("main (viewer)").await;
    terminal.types("\u{3}");
    let (code, screen) = terminal.end();
    assert_eq!(code, 130, "{screen}");
    assert!(screen.contains("\u{1b}[?25h"), "the cursor is there again: {screen:?}");
    assert_eq!(fake.state().revoked.len(), 1, "a session that leads nowhere is ended");
    let mut terminal = start();
    terminal.waits_for("main (viewer)").await;
    terminal.types("\u{1b}[B\r");
    let (code, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    berth.run(&["organizations", "list", "-o", "name"]).ok().prints("acme\nmain\n");
    berth.run(&["whoami"]).ok();
    assert!(berth.run(&["contexts", "list"]).ok().stdout.ends_with("\tmain\tlogin\n"));
}

#[tokio::test]
async fn an_interrupted_wait_says_that_the_request_stays() {
    let server = MockServer::start().await;
    answer(&server, "POST", "/workspaces/reef/start", ok(workspace("Running", "Stopped", 2, 1))).await;
    answer(&server, "GET", &format!("/workspaces/{WORKSPACE_ID}"), ok(workspace("Running", "Stopped", 2, 1)))
        .await;
    let terminal = OnTerminal::run(&Berth::with(&server), &["start", "reef", "--wait"]);
    terminal.waits_for("Stopped").await;
    terminal.interrupt();
    let (code, screen) = terminal.end();
    assert_eq!(code, 130, "{screen}");
    assert!(screen.contains("Stopped\r\nerror: ") || screen.contains("interrupted"), "{screen:?}");
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_error() {
    let server = MockServer::start().await;
    let many = vec![workspace("Running", "Running", 1, 1); 100];
    answer(&server, "GET", "/workspaces", ok(json!({ "items": many }))).await;
    let mut command = Berth::with(&server).command(&["list", "-o", "json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()));
}
