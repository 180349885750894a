//! What is left in the program's memory of what it was told.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use serde_json::{Value, json};

use crate::process::{command_with_keys, start, tokens};
use crate::support::{Requests, postgres, send};

const PAGE: u64 = 4_096;
/// Of an entry of `pagemap`: the page is in memory.
const PRESENT: u64 = 1 << 63;

/// How often a text stands in what a process has in memory and may write.
fn count(pid: u32, text: &str) -> usize {
    let file = |name: &str| File::open(format!("/proc/{pid}/{name}")).expect("it runs");
    let (memory, pages) = (file("mem"), file("pagemap"));
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("its maps");
    let mut found = 0;
    for line in maps.lines() {
        let mut fields = line.split(' ');
        let (range, rights) = (fields.next().expect("a range"), fields.next().expect("rights"));
        let (from, to) = range.split_once('-').expect("two ends");
        let [from, to] = [from, to].map(|end| u64::from_str_radix(end, 16).expect("a number"));
        let mut entries = vec![0; usize::try_from((to - from) / PAGE * 8).expect("it fits")];
        if !rights.starts_with("rw") || pages.read_exact_at(&mut entries, from / PAGE * 8).is_err() {
            continue;
        }
        // What is reserved and was never touched is not looked at: an allocator reserves a gigabyte.
        let is_present = |entry: &[u8]| u64::from_le_bytes(entry.try_into().expect("8 bytes")) & PRESENT != 0;
        let entries: Vec<_> = entries.chunks_exact(8).map(is_present).collect();
        let mut at = from;
        for run in entries.chunk_by(|one, next| one == next) {
            let mut bytes = vec![0; run.len() * usize::try_from(PAGE).expect("small")];
            if run[0] && memory.read_exact_at(&mut bytes, at).is_ok() {
                found += String::from_utf8_lossy(&bytes).matches(text).count();
            }
            at += bytes.len() as u64;
        }
    }
    found
}

#[tokio::test]
async fn nothing_is_left_of_a_variable_when_its_request_is_over() {
    // In two pieces here, so that the only whole ones are the server's.
    let secret = ["canary-of-the-heap", "5d1c7a90"].join("-");
    let url = postgres::migrated_database().await;
    let directory = tempfile::tempdir().expect("a directory");
    let output = command_with_keys(directory.path())
        .env("DATABASE_URL", postgres::login_url(&url))
        .args(["organization", "create", "acme"])
        .output()
        .await
        .expect("it runs");
    let program = start(&url, directory.path()).await;
    let pid = program.pid();
    let admin = program.admin(tokens(&output).remove(0));
    let agent = admin.create_agent("cluster").await;
    for number in 0..20 {
        let variable = json!({"name": format!("V{number}"), "value": format!("{secret}-{number}")});
        admin.request_variable(&variable).await.expect::<Value>(200);
        let body = json!({"name": format!("w-{number}"), "image": "a", "variables": [variable]});
        admin.create(&body).await.expect::<Value>(201);
    }
    let told = agent.partial(1, vec![]).await;
    assert!(agent.variables(&told, "w-7").is_some());
    send(admin.request(reqwest::Method::GET, "/healthz")).await;
    // Its connections are closed, and with them what they had read.
    drop((admin, agent));
    let mut left = usize::MAX;
    for _ in 0..40 {
        left = count(pid, &secret);
        if left == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    assert_eq!(left, 0, "copies of a secret are left");
    program.terminate().await;
}
