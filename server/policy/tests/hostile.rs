//! Texts that somebody sends to hurt: refused, clearly, within bounds.

use berth_policy::{MAX_BYTES, MAX_RULES, Policies, Rules};
use berth_schema::Action;
use berth_schema::access::Role;

use crate::asked::{asker, things};

fn rule(condition: &str) -> String {
    format!("@id(\"a\") permit (principal, action, resource) when {{ {condition} }};")
}

fn refused(text: &str) -> String {
    let errors = Rules::check(text).expect_err("it is refused");
    assert!((1..=20).contains(&errors.len()), "{} errors", errors.len());
    for error in &errors {
        assert!(error.message.chars().count() <= 401, "{} characters", error.message.len());
        assert!(error.line >= 1 && error.column >= 1);
    }
    errors[0].to_string()
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    assert!(refused(&"x".repeat(1024 * 1024)).contains("at most 65536"));
    assert!(refused(&" ".repeat(MAX_BYTES + 1)).contains("at most 65536"));
    let rules = |number: usize| -> String {
        let rule = |n| format!("@id(\"r{n}\") permit (principal, action, resource);\n");
        (0..number).map(rule).collect::<Vec<_>>().concat()
    };
    assert!(Rules::check(&rules(MAX_RULES)).is_ok());
    assert_eq!(
        refused(&rules(MAX_RULES + 1)),
        format!("line {}, column 1: at most 100 rules are taken", MAX_RULES + 1)
    );
}

#[test]
fn what_is_nested_deep_or_chained_long_is_refused() {
    let deep = |open: &str, close: &str| {
        rule(&format!("{}true{}", open.repeat(20_000), close.repeat(20_000 / close.len().max(1))))
    };
    for text in [
        deep("(", ")"),
        deep("[", "]"),
        deep("(", ""),
        deep("{a:", "}"),
        deep("!", ""),
        deep("-", ""),
        rule(&format!("{}true", "if true then true else ".repeat(2_500))),
        rule(&format!("{}true", "if ".repeat(20_000))),
        rule(&format!("{}true", "true && ".repeat(7_000))),
        rule(&format!("{}1 == 1", "1+".repeat(30_000))),
        rule(&format!("principal{} == 1", ".a".repeat(30_000))),
        rule(&format!("principal{} == 1", "[\"a\"]".repeat(12_000))),
        rule(&format!("principal{} == 1", " has a".repeat(10_000))),
        "@id(\"a\")".repeat(7_000),
        "permit (".repeat(8_000),
        ")".repeat(60_000),
        ";".repeat(60_000),
        "\"".repeat(60_001),
        format!("//{}", "\u{202e}".repeat(20_000)) + "\n@",
    ] {
        refused(&text);
    }
}

#[test]
fn the_largest_rule_that_is_taken_is_decided_on_a_small_stack() {
    let work = || {
        for condition in [
            format!("{}true", "true && ".repeat(57)),
            format!("{}1 == 1", "1+".repeat(114)),
            format!("{}true{}", "(".repeat(13), ")".repeat(13)),
            format!("{}true", "if true then true else ".repeat(38)),
        ] {
            let rules = Rules::check(&rule(&condition)).expect("it is taken");
            let policies = Policies::new(&rules).expect("policies");
            let action = Action::ReadWorkspace;
            let decision = policies.decide(&asker(Role::Viewer), action, &things(action)[0]);
            assert!(decision.rules == ["a"] || !decision.allowed, "{decision:?}");
            assert_ne!(decision.reason, berth_policy::Reason::Failed, "{condition}");
        }
    };
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(work).expect("a thread");
    thread.join().expect("it did not overflow");
}

#[test]
fn any_characters_are_taken_or_refused_with_their_place() {
    assert_eq!(
        refused("@id(\"ä\u{202e}\")\n\u{1f600} permit"),
        refused("@id(\"ä\u{202e}\")\n\u{1f600} permit"),
    );
    let text = "// 日本語 \u{1f600}\n@id(\"a\") permit (principal, action, resource) when { principal.kind == \"\u{1f600}ä\" && principal.rank == 1 };";
    assert!(refused(text).starts_with("line 2, column "), "{}", refused(text));
    for text in ["\0", "\u{feff}", "\r", "@id(\"a\u{0}\")", "permit\u{a0}(principal, action, resource);"] {
        refused(&format!("{text}x"));
    }
    assert!(Rules::check("").is_ok(), "no rules at all are rules: nothing is permitted");
}
