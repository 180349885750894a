//! Every route, asked by somebody who is an owner for a time, was one until just now, or is suspended.

use berth_policy::{Asker, At, Circumstances, Elevation, Proof, Who};
use berth_schema::access::{Role, SubjectKind};
use berth_schema::{Action, ElevationId, OrganizationId, SubjectId};
use berth_server::routes::{self, Audience};
use jiff::Timestamp;
use serde_json::json;

use super::Person;
use crate::authorisation::{PASSES, Theirs, Whose, ask, prepare, verdict};
use crate::support::App;
use crate::support::provider::Provider;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Elevated,
    Ended,
    Expired,
    Suspended,
}

impl Kind {
    /// Gives the role, or has it be over.
    async fn begin(self, app: &App, elevation: ElevationId, subject: SubjectId) {
        let change = match self {
            Self::Elevated => {
                "UPDATE elevations SET ended_at = NULL, ends_at = now() + interval '1 hour', due_at = now() + interval '1 hour'"
            }
            Self::Ended => "UPDATE elevations SET ended_at = now(), due_at = NULL",
            Self::Expired => "UPDATE elevations SET ended_at = NULL, ends_at = now(), due_at = now()",
            Self::Suspended => {
                let suspend = format!("UPDATE subjects SET suspended_at = now() WHERE id = '{subject}'");
                return app.execute(&suspend).await;
            }
        };
        app.execute(&format!("{change} WHERE id = '{elevation}'")).await;
    }

    fn expected(self, asker: &Asker, action: Action, whose: Whose) -> u16 {
        match self {
            Self::Elevated => verdict(asker, action, whose),
            Self::Ended | Self::Expired => verdict(&asker.lasting(), action, whose),
            Self::Suspended => 404,
        }
    }
}

#[tokio::test]
async fn every_route_is_open_by_a_role_for_a_time_as_far_as_the_rules_say_and_not_behind_it() {
    App::run(async |app| {
        let owner = app.organization("acme").await;
        owner.create_agent("cluster").await;
        let victim = owner.create_agent("victim").await;
        owner.create(&json!({"name": "w", "image": "a", "agent": "cluster"})).await.expect::<serde_json::Value>(201);
        let orphan = crate::orphans::report(&victim, 1).await.to_string();
        let at = Provider::start().await;
        let theirs = Theirs::make(app, &owner).await;
        let mut ada = Person::join(app, &owner, "Ada", Role::Developer).await;
        crate::connections::workspace_of(app, &mut ada.browser).await;
        let elevation = ElevationId::random();
        let (organization, subject) = (owner.organization(), ada.id);
        app.execute(&format!(
            "INSERT INTO elevations (organization_id, id, subject_id, role, reason, seconds, created_at, decide_by,
                 decided_at, decided_by, is_approved, ends_at, due_at)
             SELECT '{organization}', '{elevation}', '{subject}', 'owner', 'x', 60, now(), now(), now(), id, true, now(), now()
             FROM subjects WHERE organization_id = '{organization}' AND id <> '{subject}' LIMIT 1"
        ))
        .await;
        let her = asker(subject, organization, elevation);
        let mut asked = 0;
        for kind in [Kind::Elevated, Kind::Ended, Kind::Expired, Kind::Suspended] {
            kind.begin(app, elevation, subject).await;
            let routes = routes::all().filter(|route| !route.renderer.is_for_a_browser());
            let routes = routes.filter(|route| route.audience() == Audience::Member);
            for route in routes.filter(|route| route.path.contains("{organization}")) {
                let action = route.action().expect("an action");
                for (whose, workspace) in [(Whose::Own, "hers"), (Whose::Anothers, "w")] {
                    let path = route.path.replace("{organization}", "acme").replace("{workspace}", workspace);
                    let path = path.replace("{agent}", &victim.id.to_string()).replace("{orphan}", &orphan);
                    let path = path.replace("{kind}", "environment").replace("{name}", "A");
                    let path = path.replace("{host}", "git.a").replace("{provider}", "sso");
                    let path = theirs.fill(&path.replace("{token}", "first%20administrator"));
                    // Only the workspace is hers of what there is to be named.
                    let is_hers = whose == Whose::Own && route.path.contains("{workspace}");
                    let whose = if is_hers { Whose::Own } else { Whose::Anothers };
                    if kind == Kind::Elevated {
                        prepare(app, &owner, &at).await;
                    }
                    let status = ask(&ada.at(app), route.method, &path).await;
                    let expected = kind.expected(&her, action, whose);
                    let passed = !matches!(status, 401 | 403 | 404 | 500..);
                    let right = if expected == PASSES { passed } else { status == expected };
                    assert!(right, "{} {path} {whose:?} {kind:?}: {status}, not {expected}", route.method);
                    asked += 1;
                }
            }
        }
        assert!(asked > 600, "{asked}");
    })
    .await;
}

/// Her, by her command line.
fn asker(id: SubjectId, organization: OrganizationId, elevation: ElevationId) -> Asker {
    Asker {
        who: Who::Subject { id, kind: SubjectKind::User, role: Role::Developer, suspended: false },
        organization,
        circumstances: Circumstances { proof: Proof::JUST_NOW, mfa: false, address: None },
        elevations: vec![Elevation {
            id: elevation,
            role: Role::Owner,
            at: At::Organization,
            ends_at: Timestamp::MAX,
        }],
    }
}
