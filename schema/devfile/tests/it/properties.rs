//! Whatever the text is, reading it ends with a spec or with at least one diagnostic, in order and within bounds.

use berth_devfile::{Diagnostic, MAX_DIAGNOSTICS, Options, devcontainer, generate, image_spec, parse};
use berth_schema::WorkspaceSpec;
use proptest::prelude::*;

fn check(result: &Result<WorkspaceSpec, Vec<Diagnostic>>) -> Result<(), TestCaseError> {
    match result {
        Ok(spec) => prop_assert!(spec.main().is_some(), "a spec has a main container"),
        Err(found) => {
            prop_assert!(!found.is_empty(), "a refusal says why");
            prop_assert!(found.len() <= MAX_DIAGNOSTICS);
            prop_assert!(found.is_sorted_by_key(|diagnostic| (diagnostic.line, diagnostic.column)));
            for diagnostic in found {
                prop_assert!(diagnostic.line >= 1 && diagnostic.column >= 1);
                prop_assert!(
                    diagnostic.message.len() < 600 && !diagnostic.message.contains('\n'),
                    "{diagnostic}"
                );
            }
        }
    }
    Ok(())
}

/// A devfile with a few bytes removed, repeated, replaced or exchanged for syntax.
fn mutated() -> impl Strategy<Value = String> {
    const SYNTAX: [&str; 24] = [
        "{",
        "}",
        "[",
        "]",
        ":",
        "- ",
        "&a ",
        "*a",
        "!x ",
        "!!str ",
        "\"",
        "'",
        "|\n",
        ">-\n",
        "#",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "\t",
        "\0",
        "\u{feff}",
        "<<: ",
        "? ",
        "{{word}}",
    ];
    let edit = (any::<prop::sample::Index>(), 0_usize..8, any::<prop::sample::Index>());
    (any::<u64>(), prop::collection::vec(edit, 1..6)).prop_map(|(seed, edits)| {
        let mut characters: Vec<char> = generate::devfile(seed).text.chars().collect();
        for (at, removed, syntax) in edits {
            let start = at.index(characters.len() + 1);
            let end = (start + removed).min(characters.len());
            let inserted: Vec<char> = SYNTAX[syntax.index(SYNTAX.len())].chars().collect();
            characters.splice(start..end, inserted);
        }
        characters.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_to_an_end(text in ".{0,400}") {
        check(&parse(&text, &Options::default()))?;
        check(&devcontainer::translate(&text, &Options::default()))?;
        let _ = image_spec(&text);
    }

    #[test]
    fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes);
        check(&parse(&text, &Options::default()))?;
        check(&devcontainer::translate(&text, &Options::default()))?;
    }

    #[test]
    fn any_syntax_is_read_to_an_end(text in "[-\\[\\]{}:,&*!|>'\"%@`?#ab1 \n\t]{0,200}") {
        check(&parse(&text, &Options::default()))?;
        check(&devcontainer::translate(&text, &Options::default()))?;
    }

    #[test]
    fn a_damaged_devfile_is_read_to_an_end(text in mutated()) {
        check(&parse(&text, &Options::default()))?;
        check(&devcontainer::translate(&text, &Options::default()))?;
    }

    #[test]
    fn a_devfile_that_is_right_is_accepted(seed: u64) {
        let result = parse(&generate::accepted(seed), &Options::default());
        prop_assert!(result.is_ok(), "{result:?}");
    }
}
