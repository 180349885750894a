//! What a plain YAML scalar means, by the core schema of YAML 1.2.

use crate::node::Value;

pub(crate) fn resolve(plain: &str) -> Value {
    match plain {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Boolean(true),
        "false" | "False" | "FALSE" => Value::Boolean(false),
        _ if is_number(plain) => Value::Number(plain.to_owned()),
        _ => Value::Text(plain.to_owned()),
    }
}

fn is_number(text: &str) -> bool {
    let digits_of = |prefix: &str, allowed: fn(&char) -> bool| {
        text.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| allowed(&c)))
    };
    if digits_of("0x", char::is_ascii_hexdigit) || digits_of("0o", |c| ('0'..='7').contains(c)) {
        return true;
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    // Rust reads more than YAML does ("inf", "nan"), all of it beginning with a letter.
    let begins = unsigned.strip_prefix('.').unwrap_or(unsigned).starts_with(|c: char| c.is_ascii_digit());
    begins && unsigned.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        for number in ["0", "-1", "+1", "1.5", ".5", "1e3", "1.", "0x1F", "0o17", ".inf", "-.INF", ".nan"] {
            assert!(matches!(resolve(number), Value::Number(_)), "{number}");
        }
        for text in ["2.2.0", "yes", "on", "inf", "nan", "1_000", "0x", "-", ".", "1Gi", "500m", "12:30"] {
            assert!(matches!(resolve(text), Value::Text(_)), "{text}");
        }
        assert!(matches!(resolve("~"), Value::Null));
        assert!(matches!(resolve("True"), Value::Boolean(true)));
    }
}
