//! Rules as an organisation writes them: what is taken, what is refused and where.

use berth_policy::{
    Asker, BUILT_IN, Circumstances, Place, Proof, Reason, Resource, Rules, organization_schema,
    platform_schema,
};
use berth_schema::access::Role;
use berth_schema::{Action, ResourceKind};

use crate::asked::{asker, built_in, organization, policies, somebody, things};

#[test]
fn the_schema_that_rules_are_checked_against_is_reviewed() {
    insta::assert_snapshot!(organization_schema());
    let mut actions = Action::ALL.iter().filter(|action| Place::of(**action).is_in_organizations());
    assert!(actions.all(|action| platform_schema().contains(&format!("action \"{action}\" in"))));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let errors = |text: &str| {
        let errors = Rules::check(text).expect_err("it is wrong");
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let cases = [
        ("no rule", "owners may do everything"),
        ("an end is missing", "@id(\"a\")\npermit (principal, action, resource)"),
        (
            "an action that there is not",
            "@id(\"a\")\npermit (principal, action == Action::\"workspace.eat\", resource);",
        ),
        (
            "an attribute that there is not",
            "@id(\"a\")\npermit (principal, action, resource)\nwhen { principal.rôle == \"owner\" };",
        ),
        (
            "an attribute that may be absent",
            "@id(\"a\")\nforbid (principal, action, resource)\nwhen { context.address.isLoopback() };",
        ),
        (
            "another type",
            "@id(\"a\")\npermit (principal, action, resource)\nwhen { principal.suspended == \"no\" };",
        ),
        ("no name", "// Everything.\n  permit (principal, action, resource);"),
        ("a name of the platform's", "@id(\"platform.suspended\")\npermit (principal, action, resource);"),
        (
            "one name twice",
            "@id(\"a\")\npermit (principal, action, resource);\n@id(\"a\")\nforbid (principal, action, resource);",
        ),
        ("a template", "@id(\"a\")\npermit (principal == ?principal, action, resource);"),
        (
            "what is not theirs",
            "@id(\"a\")\nforbid (principal, action == Action::\"agent.reconcile\", resource);",
        ),
        (
            "what never applies",
            "@id(\"a\")\npermit (principal is Agent, action == Action::\"workspace.read\", resource);",
        ),
    ];
    let told: Vec<_> = cases.iter().map(|(what, text)| format!("# {what}\n{}\n", errors(text))).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn an_organisation_decides_by_circumstances() {
    let policies = policies(&format!(
        "{BUILT_IN}
         @id(\"office-only\")
         forbid (principal, action in Action::\"settings\", resource)
         unless {{ context has address && context.address.isInRange(ip(\"10.0.0.0/8\")) }};
         @id(\"fresh\")
         forbid (principal, action in Action::\"agent-admission\", resource)
         unless {{ context.mfa && context has session_age_seconds && context.session_age_seconds < 300 }};"
    ));
    let ask = |action: Action, circumstances: Circumstances| {
        let asker = Asker { circumstances, ..asker(Role::Owner) };
        policies.decide(&asker, action, &things(action)[0])
    };
    let from = |address: &str| Circumstances {
        address: Some(address.parse().expect("an address")),
        ..asker(Role::Owner).circumstances
    };
    assert!(ask(Action::SetVariable, from("10.1.2.3")).allowed);
    for outside in [from("192.0.2.1"), from("2001:db8::1"), asker(Role::Owner).circumstances] {
        let denied = ask(Action::SetVariable, outside);
        assert_eq!((denied.reason, denied.rules), (Reason::Forbidden, vec!["office-only".to_owned()]));
    }
    let session = |age_seconds, mfa| Circumstances {
        proof: Proof::Session { age_seconds, idle_seconds: 0 },
        mfa,
        address: None,
    };
    assert!(ask(Action::CreateAgent, session(299, true)).allowed);
    assert!(!ask(Action::CreateAgent, session(300, true)).allowed);
    assert!(!ask(Action::CreateAgent, session(u64::MAX, true)).allowed);
    assert!(!ask(Action::CreateAgent, session(1, false)).allowed);
    assert!(!ask(Action::CreateAgent, from("10.1.2.3")).allowed);
}

#[test]
fn an_organisation_says_how_long_a_session_may_do_nothing_there() {
    let policies = policies(&format!(
        "{BUILT_IN}
         @id(\"idle\")
         forbid (principal, action, resource)
         when {{ context has session_idle_seconds && context.session_idle_seconds > 900 }};"
    ));
    let by = |proof| Asker {
        circumstances: Circumstances { proof, ..asker(Role::Owner).circumstances },
        ..asker(Role::Owner)
    };
    let idle = |idle_seconds| by(Proof::Session { age_seconds: 20_000, idle_seconds });
    let thing = &things(Action::ListAgents)[0];
    assert!(policies.decide(&idle(900), Action::ListAgents, thing).allowed);
    let away = idle(901);
    let denied = policies.decide(&away, Action::ListAgents, thing);
    assert_eq!((denied.reason, denied.rules), (Reason::Forbidden, vec!["idle".to_owned()]));
    let confirmed = away.stepped_up().expect("they have a session");
    assert!(policies.decide(&confirmed, Action::ListAgents, thing).allowed);
    assert!(policies.decide(&asker(Role::Owner), Action::ListAgents, thing).allowed, "a token is never idle");
}

#[test]
fn a_rule_that_cannot_be_evaluated_denies() {
    let policies = policies(&format!(
        "{BUILT_IN}
         @id(\"sum\")
         forbid (principal, action == Action::\"workspace.read\", resource)
         when {{ context has session_age_seconds && context.session_age_seconds + 9223372036854775807 < 0 }};"
    ));
    let thing = things(Action::ReadWorkspace)[0].clone();
    let by_token = asker(Role::Owner);
    assert!(policies.decide(&by_token, Action::ReadWorkspace, &thing).allowed);
    let circumstances =
        Circumstances { proof: Proof::Session { age_seconds: 1, idle_seconds: 1 }, ..by_token.circumstances };
    let by_session = Asker { circumstances, ..by_token };
    let decision = policies.decide(&by_session, Action::ReadWorkspace, &thing);
    assert_eq!((decision.allowed, decision.reason), (false, Reason::Failed));
    assert_eq!(decision.rules, ["sum"]);
}

#[test]
fn a_workspace_without_an_owner_is_nobodys() {
    let thing = Resource::new(ResourceKind::Workspace, somebody().to_string(), organization());
    let decision = built_in().decide(&asker(Role::Developer), Action::ReadWorkspace, &thing);
    assert_eq!((decision.allowed, decision.reason), (false, Reason::Failed));
}

#[test]
fn whom_rules_keep_out_as_idle_is_found_without_knowing_the_rules() {
    let idle = |idle_seconds| {
        let circumstances = Circumstances {
            proof: Proof::Session { age_seconds: 500, idle_seconds },
            mfa: false,
            address: None,
        };
        Asker { circumstances, ..asker(Role::Developer) }
    };
    let rule = |action: &str| {
        format!(
            "{BUILT_IN}\n@id(\"idle\")\nforbid (principal, {action}, resource)\n\
             when {{ context has session_idle_seconds && context.session_idle_seconds >= 60 }};"
        )
    };
    for all in [rule("action"), rule("action == Action::\"workspace.stop\"")] {
        let rules = policies(&all);
        assert!(rules.keeps_out_as_idle(&idle(60)) && !rules.keeps_out_as_idle(&idle(59)));
        assert!(!rules.keeps_out_as_idle(&asker(Role::Developer)), "a token is never idle");
    }
    // What somebody may not do anyway does not count, nor how long ago they signed in.
    assert!(!policies(&rule("action == Action::\"policy.set\"")).keeps_out_as_idle(&idle(60)));
    assert!(!built_in().keeps_out_as_idle(&idle(1_000_000)));
}
