//! The API's own description, held against what a running server takes and answers.

use anyhow::{Context as _, ensure};
use berth_harness::{Postgres, Server, ServerOptions};
use berth_integration_tests::{Actor, schemathesis};
use berth_schema::SubjectId;
use berth_schema::access::TokenCreated;
use berth_schema::api::Paged;
use berth_schema::members::Member;
use secrecy::SecretString;
use serde_json::{Value, json};

/// Asks `most` times of each operation in each phase, and looks that it were `at_least` questions.
#[expect(clippy::print_stderr, reason = "a seed is for whoever runs it again")]
async fn answers_as_described(most: u32, at_least: u64) -> anyhow::Result<()> {
    berth_harness::install_crypto();
    let postgres = Postgres::start(None).await?;
    let (dir, database) = (tempfile::tempdir()?, postgres.create_database().await?);
    let server = Server::start(ServerOptions::new(&database, dir.path()).for_load()).await?;
    let first = Actor::new(server.url(), server.first_token()?).await?;
    let asker = json!({ "name": "asker", "role": "owner" });
    let asker: TokenCreated = first.post("tokens", &asker).await?.expect()?;
    let token = SecretString::from(asker.token);
    let known = furnish(&Actor::new(server.url(), token.clone()).await?, asker.details.subject_id).await?;
    let seed = std::env::var("BERTH_API_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    eprintln!("BERTH_API_SEED={seed}");
    let url = server.url();
    let questions = schemathesis::Questions { server: &url, token: &token, known: &known, most, seed };
    let count = schemathesis::ask(&questions).await?;
    eprintln!("{count} questions were answered as described");
    ensure!(count >= at_least, "only {count} questions were asked");
    Ok(())
}

/// Of each kind: many of them are removed while the questions are asked.
const OF_EACH: usize = 60;

/// Something of each kind by the parameter that names it in paths. Of the members without whoever asks, who would suspend themselves.
async fn furnish(
    asker: &Actor,
    whose: Option<SubjectId>,
) -> anyhow::Result<Vec<(&'static str, Vec<String>)>> {
    let kinds = ["agents", "groups", "invitations", "projects", "tokens", "workspaces"];
    let mut known: Vec<_> = kinds.map(|kind| (kind, Vec::new())).into();
    for number in 0..OF_EACH {
        let agent = format!("agent-{number}");
        asker.create_agent(&agent).await?;
        let bodies = [
            json!({ "name": format!("group-{number}") }),
            json!({ "name": format!("somebody {number}"), "role": "viewer" }),
            json!({ "name": format!("project-{number}"), "settings": { "agent": agent } }),
            json!({ "name": format!("token {number}"), "role": "developer" }),
            json!({ "name": format!("workspace-{number}"), "image": "debian:13", "agent": agent }),
        ];
        known[0].1.push(agent);
        for ((kind, made), body) in known.iter_mut().skip(1).zip(bodies) {
            let one: Value = asker.post(kind, &body).await?.expect()?;
            made.push(one["id"].as_str().context("no id")?.to_owned());
        }
    }
    let members: Paged<Member> = asker.get("members?limit=100").await?.expect()?;
    let others = members.items.iter().filter(|member| Some(member.id) != whose);
    known.push(("members", others.map(|member| member.id.to_string()).collect()));
    Ok(known)
}

#[tokio::test]
#[ignore = "draws other questions each time: cargo test --workspace --test scenarios -- --ignored thousands_of_questions"]
async fn a_server_answers_thousands_of_questions_as_its_description_says() -> anyhow::Result<()> {
    answers_as_described(25, 5_000).await
}

#[tokio::test]
#[ignore = "takes an hour: make fuzz-api"]
async fn a_server_answers_a_hundred_thousand_questions_as_its_description_says() -> anyhow::Result<()> {
    answers_as_described(1_000, 100_000).await
}
