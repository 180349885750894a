//! Makes devfiles for tests: any number of them, from a seed, each with what the reader has to say of it.
//!
//! Behind the feature `generate`, for the tests of this crate and of those that render what it reads.

mod faults;
mod model;
mod random;

use serde_json::Value;

use self::random::Random;

/// A devfile and whether it is right.
#[derive(Clone, Debug)]
pub struct Generated {
    pub text: String,
    /// `None`: it has to be accepted. Otherwise one of its diagnostics has to hold this text.
    pub fault: Option<&'static str>,
}

/// One devfile; about two of five have a fault. The same seed gives the same devfile.
pub fn devfile(seed: u64) -> Generated {
    let mut random = Random::new(seed);
    let mut model = model::devfile(&mut random);
    let fault = random.one_in(5, 2).then(|| faults::plant(&mut model, &mut random));
    Generated { text: render(&model, &mut random), fault }
}

/// One devfile that has to be accepted.
pub fn accepted(seed: u64) -> String {
    let mut random = Random::new(seed);
    let model = model::devfile(&mut random);
    render(&model, &mut random)
}

/// Three ways to write the same: a person's YAML, JSON for people, JSON for machines.
fn render(model: &Value, random: &mut Random) -> String {
    match random.below(4) {
        0 => model.to_string(),
        1 => format!("{model:#}\n"),
        _ => {
            let mut text = "# made for a test\n".to_owned();
            block(model, 0, &mut text);
            text
        }
    }
}

/// YAML in block style; scalars are JSON, which is YAML.
fn block(value: &Value, indent: usize, text: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                text.extend([&pad, key, ":"]);
                block_value(value, indent + 2, text);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                text.extend([&pad, "-"]);
                block_value(item, indent + 2, text);
            }
        }
        flat => text.extend([&pad, &flat.to_string(), "\n"]),
    }
}

fn block_value(value: &Value, indent: usize, text: &mut String) {
    let nested = match value {
        Value::Object(entries) => !entries.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if nested {
        text.push('\n');
        block(value, indent, text);
    } else {
        text.extend([" ", &value.to_string(), "\n"]);
    }
}
