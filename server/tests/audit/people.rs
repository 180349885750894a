//! What people do outside of organisations is on record in each of theirs, and nowhere else.

use std::time::Duration;

use berth_schema::audit::{By, Details, Record, Who};
use berth_schema::{AccountId, SignInLinkId, SignInToken, SubjectId};
use serde_json::Value;

use super::{records, since, why};
use crate::login::Cli;
use crate::sign_in::{link, signed_in};
use crate::support::{Admin, App, Visitor};

/// Ada, an owner of acme, is a user of umbrella as well, and of no other organisation.
struct World {
    acme: Admin,
    umbrella: Admin,
    stranger: Admin,
}

impl World {
    async fn new(app: &App) -> Self {
        let acme = app.organization("acme").await;
        let umbrella = app.organization("umbrella").await;
        let stranger = app.organization("stranger").await;
        link(app, "acme", "Ada").await;
        app.execute(
            "INSERT INTO subjects (organization_id, id, kind, name, created_at, account_id, role)
             SELECT o.id, gen_random_uuid(), 'user', 'Ada', now(), a.id, 'viewer'
             FROM organizations o, accounts a WHERE o.name = 'umbrella' AND a.name = 'Ada'",
        )
        .await;
        Self { acme, umbrella, stranger }
    }

    /// How many records there are in each.
    async fn counts(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        for (count, admin) in counts.iter_mut().zip([&self.acme, &self.umbrella, &self.stranger]) {
            *count = records(admin).await.len();
        }
        counts
    }

    /// What has come since in acme and umbrella. The same number in both, and nothing elsewhere.
    async fn since(&self, before: [usize; 3]) -> (Vec<Record>, Vec<Record>) {
        let (acme, umbrella) = (since(&self.acme, before[0]).await, since(&self.umbrella, before[1]).await);
        assert_eq!(acme.len(), umbrella.len(), "{acme:?} {umbrella:?}");
        assert_eq!(since(&self.stranger, before[2]).await, []);
        (acme, umbrella)
    }

    /// The same when so many are there, which whoever was refused does not wait for.
    async fn soon(&self, before: [usize; 3], count: usize) -> (Vec<Record>, Vec<Record>) {
        for _ in 0..500 {
            let there = self.counts().await;
            if there[0] >= before[0] + count && there[1] >= before[1] + count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.since(before).await
    }
}

fn by(record: &Record) -> (SubjectId, String) {
    match &record.who {
        Who::Subject { subject, by: By::Token(token) } => (*subject, token.to_string()),
        other => panic!("{other:?}"),
    }
}

fn words(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| record.action.as_str()).collect()
}

#[tokio::test]
async fn a_link_a_sign_in_and_its_end_are_on_record_wherever_one_is_a_user() {
    App::run(async |app| {
        let world = World::new(app).await;
        let first = records(&world.acme).await;
        let [created, owner] = first.as_slice() else { panic!("{first:?}") };
        let Details::OrganizationCreated { owner: administrator, .. } = created.details else {
            panic!("{created:?}")
        };
        assert_eq!(words(&first), ["organization.create", "user.make-owner"]);
        assert!(matches!(owner.details, Details::SignInLinkMade { .. }));
        assert_ne!(owner.resource.id(), Some(administrator.to_string().as_str()));

        let before = world.counts().await;
        let token = link(app, "acme", "Ada").await;
        let mut ada = Visitor::new(app.address());
        assert_eq!(ada.sign_in(&token).await.status, 303);
        // Where the session becomes one of its user's tokens.
        assert_eq!(ada.get("/organizations/acme").await.status, 200);
        let tablet = signed_in(app, "acme", "Ada").await;
        assert_eq!(ada.submit("/sessions/end-others", &[]).await.status, 303);
        assert!(!tablet.is_signed_in().await);
        assert_eq!(ada.submit("/sign-out", &[]).await.status, 303);

        let (acme, umbrella) = world.since(before).await;
        let expected = [
            "user.make-sign-in-link",
            "account.sign-in",
            "user.make-sign-in-link",
            "account.sign-in",
            "session.end-others",
            "account.sign-out",
        ];
        for there in [&acme, &umbrella] {
            assert_eq!(words(there), expected);
            assert_eq!(there[0].who, Who::Command { name: "test".to_owned() });
            let (subject, session) = by(&there[1]);
            assert_eq!(there[0].resource.id(), Some(subject.to_string().as_str()), "whose link it is");
            assert_eq!(there[1].resource.id(), Some(session.as_str()));
            assert!(
                matches!(&there[1].details, Details::SignedIn { method, .. } if method == "link"),
                "{there:?}"
            );
            assert_ne!(by(&there[3]).1, session, "another session");
            assert!(matches!(there[4].details, Details::SessionsEnded { count: 1 }));
            assert_eq!((by(&there[4]), by(&there[5])), (by(&there[1]), by(&there[1])));
            assert!(there[1..].iter().all(|record| record.request.is_some() == record.peer.is_some()));
        }
        assert_ne!(by(&acme[1]).0, by(&umbrella[1]).0, "each knows her as a subject of its own");
        let all = format!("{acme:?} {umbrella:?} {first:?}");
        assert!(!all.contains("Ada") && !all.contains(&token), "{all}");
    })
    .await;
}

#[tokio::test]
async fn a_command_line_that_is_let_in_and_its_end_are_on_record_and_its_refreshes_are_not() {
    App::run(async |app| {
        let world = World::new(app).await;
        let mut ada = signed_in(app, "acme", "Ada").await;
        let before = world.counts().await;
        let cli = Cli::of(app);
        let first = cli.log_in(&mut ada).await;
        let second: Value = cli.refresh(&first).await.expect(200);
        let third: Value = cli.refresh(&second).await.expect(200);
        // Somebody has kept an old one.
        assert_eq!(cli.refresh(&first).await.status, 400);
        assert_eq!(cli.refresh(&third).await.status, 400);
        let (acme, umbrella) = world.since(before).await;
        for there in [&acme, &umbrella] {
            assert_eq!(words(there), ["login.decide-device", "account.sign-in", "account.end-session"]);
            assert!(matches!(there[0].details, Details::LoginDecided { is_allowed: true }));
            assert_eq!(by(&there[1]), by(&there[2]), "the session itself");
            assert!(there.iter().all(|record| record.request.is_some() && record.peer.is_some()));
        }
        let all = format!("{acme:?}");
        assert!(!all.contains("laptop") && !all.contains("eyJ"), "{all}");
    })
    .await;
}

#[tokio::test]
async fn who_is_not_let_in_is_on_record_once_a_minute_and_nowhere_for_nobody() {
    App::run(async |app| {
        let world = World::new(app).await;
        let used = link(app, "acme", "Ada").await;
        let real: SignInToken = used.parse().expect("a link");
        assert_eq!(Visitor::new(app.address()).sign_in(&used).await.status, 303);
        let before = world.counts().await;
        let replica = app.replica().await;
        let try_it = async |link: &str| {
            let mut visitor = Visitor::new(replica.address());
            assert_eq!(visitor.sign_in(link).await.status, 401);
        };
        for link in [
            SignInToken::new(AccountId::random(), real.link(), &[9; 32]),
            SignInToken::new(AccountId::random(), SignInLinkId::random(), &[9; 32]),
        ] {
            try_it(link.expose()).await;
        }
        let guessed = SignInToken::new(real.account(), real.link(), &[9; 32]);
        let invented = SignInToken::new(real.account(), SignInLinkId::random(), &[9; 32]);
        for _ in 0..5 {
            try_it(guessed.expose()).await;
            try_it(invented.expose()).await;
        }
        try_it(&used).await;
        world.soon(before, 2).await;
        // What was counted is on record when the server stops.
        replica.drain().await;
        let (acme, umbrella) = world.since(before).await;
        for there in [&acme, &umbrella] {
            assert_eq!(words(there), ["account.sign-in"; 3]);
            let mut told: Vec<_> = there
                .iter()
                .map(|record| match record.details {
                    Details::Denied { times } => (record.outcome.clone(), times),
                    ref other => panic!("{other:?}"),
                })
                .collect();
            told.sort_by_key(|(outcome, times)| (format!("{outcome:?}"), *times));
            assert_eq!(told, [(why("link-over"), 1), (why("unknown-link"), 1), (why("unknown-link"), 9)]);
            for record in there {
                let Who::Unproven { subject } = record.who else { panic!("{record:?}") };
                assert_eq!(record.resource.id(), Some(subject.to_string().as_str()));
                assert!(record.peer.is_some() && record.request.is_some());
            }
        }
        assert_ne!(acme[0].who, umbrella[0].who);
        let all = format!("{acme:?}");
        assert!(!all.contains(guessed.expose()) && !all.contains(&used), "{all}");
    })
    .await;
}

#[tokio::test]
async fn who_is_signed_in_and_asks_for_what_is_not_theirs_is_on_record() {
    App::run(async |app| {
        let world = World::new(app).await;
        let ada = signed_in(app, "acme", "Ada").await;
        let before = world.counts().await;
        for _ in 0..3 {
            assert_eq!(
                ada.get(&format!("/organizations/{}", world.stranger.organization())).await.status,
                404
            );
        }
        let (acme, umbrella) = world.since(before).await;
        for there in [&acme, &umbrella] {
            let [record] = there.as_slice() else { panic!("{there:?}") };
            assert_eq!(
                (record.action.as_str(), &record.outcome),
                ("organization.read", &why("other-organization"))
            );
            assert_eq!(record.resource.id(), None, "which one it was is none of theirs");
            by(record);
        }
        // Where she is known and must not be, it is theirs alone.
        app.execute("UPDATE subjects SET suspended_at = now() WHERE role = 'viewer' AND name = 'Ada'").await;
        let before = world.counts().await;
        assert_eq!(ada.get("/organizations/umbrella").await.status, 404);
        assert_eq!(since(&world.acme, before[0]).await, []);
        let refused = since(&world.umbrella, before[1]).await;
        let [record] = refused.as_slice() else { panic!("{refused:?}") };
        assert_eq!(record.outcome, why("suspended"));
        assert_eq!(by(record), by(&umbrella[0]));
    })
    .await;
}
