//! What takes somebody's rights, and what they do at the same moment: the record says which was first, and behind the one there is
//! nothing of the other (decision 0069).

use std::collections::HashMap;

use berth_schema::Action;
use berth_schema::access::TokenCreated;
use berth_schema::api::Paged;
use berth_schema::audit::{Outcome, Record, What};
use berth_schema::members::Member;
use reqwest::Method;
use serde_json::json;

use crate::audit::records;
use crate::support::{Admin, App, Reply, Requests, send};

/// At least so many, and then until somebody was overtaken: without that nothing is shown.
const ROUNDS: usize = 12;
/// Of tries that were never overtaken nobody has seen a tenth as many.
const MOST_ROUNDS: usize = 120;

/// What somebody does who is an owner until now.
async fn act(who: &Admin, round: usize, kind: usize) -> Reply {
    match kind {
        0 => {
            let token = json!({"name": format!("t{round}"), "role": "owner"});
            who.post(&who.path("/tokens"), &token).await
        }
        1 => {
            let invitation = json!({"name": format!("i{round}"), "role": "owner"});
            who.post(&who.path("/invitations"), &invitation).await
        }
        2 => who.post(&who.path("/groups"), &json!({"name": format!("g{round}")})).await,
        3 => who.request_variable(&json!({"name": format!("V{round}"), "value": "x"})).await,
        _ => who.post(&who.path("/agents"), &json!({"name": format!("a{round}")})).await,
    }
}

#[tokio::test]
async fn nothing_of_somebody_is_on_record_behind_their_suspension_role_or_removal() {
    App::run(async |app| {
        let replica = app.replica().await;
        let owner = app.organization("acme").await;
        let mut outcomes: HashMap<u16, usize> = HashMap::new();
        let mut taken = Vec::new();
        for round in 0..MOST_ROUNDS {
            if round >= ROUNDS && outcomes.contains_key(&503) {
                break;
            }
            let wanted = json!({"name": format!("owner {round}"), "role": "owner"});
            let made: TokenCreated = owner.post(&owner.path("/tokens"), &wanted).await.expect(201);
            let them = Admin::new(replica.address(), made.token.parse().expect("a token"));
            let newest: Paged<Member> = owner.get(&owner.path("/members?limit=1")).await.expect(200);
            let member = newest.items[0].id;
            let path = owner.path(&format!("/members/{member}"));
            let take = async {
                match round % 3 {
                    0 => send(owner.request(Method::PATCH, &path).json(&json!({"suspended": true}))).await,
                    1 => send(owner.request(Method::PATCH, &path).json(&json!({"role": "viewer"}))).await,
                    _ => send(owner.request(Method::DELETE, &path)).await,
                }
            };
            let acts = futures::future::join_all((0..5).map(|kind| act(&them, round, kind)));
            let (took, done) = tokio::join!(take, acts);
            assert_eq!(took.status, 200, "{}", took.text);
            for reply in done {
                let is_known = matches!(reply.status, 200 | 201 | 204 | 401 | 403 | 503);
                assert!(is_known, "{}: {}", reply.status, reply.text);
                *outcomes.entry(reply.status).or_default() += 1;
            }
            taken.push(member);
        }
        let records = records(&owner).await;
        for member in taken {
            let either = [What::Action(Action::ChangeMember), What::Action(Action::RemoveMember)];
            let id = member.to_string();
            let is_taking = |record: &Record| {
                either.contains(&record.action) && record.resource.id() == Some(id.as_str())
            };
            let end = records.iter().position(is_taking).expect("it is on record");
            let is_theirs =
                |record: &&Record| record.outcome == Outcome::Done && record.who.subject() == Some(member);
            let behind: Vec<_> = records[end..].iter().filter(is_theirs).collect();
            assert!(behind.is_empty(), "{behind:#?}");
        }
        assert!(outcomes.contains_key(&503), "none was overtaken, so that nothing is shown: {outcomes:?}");
        replica.stop().await;
    })
    .await;
}
