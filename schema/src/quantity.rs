//! Kubernetes quantities (`500m`, `1.5Gi`, `1e3`), as amounts that can be compared and added.

/// What an amount is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Thousandths: CPU.
    Milli,
    /// Ones: bytes.
    Whole,
}

impl Unit {
    const fn per_one(self) -> u128 {
        match self {
            Self::Milli => 1_000,
            Self::Whole => 1,
        }
    }
}

/// The amount in `unit`, rounded up; `None` for what is not a quantity, is negative or does not fit.
pub fn parse(text: &str, unit: Unit) -> Option<u128> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let number_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(number_end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 30 || fraction.contains('.') {
        return None;
    }
    let (numerator, denominator) = scale(suffix)?;
    let amount = digits.parse::<u128>().ok()?.checked_mul(numerator)?.checked_mul(unit.per_one())?;
    let parts = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?.checked_mul(denominator)?;
    Some(amount.div_ceil(parts))
}

/// The factor of a suffix as numerator and denominator.
fn scale(suffix: &str) -> Option<(u128, u128)> {
    const SMALLER: [&str; 3] = ["m", "u", "n"];
    const DECIMAL: [&str; 6] = ["k", "M", "G", "T", "P", "E"];
    const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let index = |table: &[&str]| {
        table.iter().position(|known| *known == suffix).and_then(|at| u32::try_from(at + 1).ok())
    };
    if suffix.is_empty() {
        return Some((1, 1));
    }
    if let Some(power) = index(&SMALLER) {
        return Some((1, 1_000_u128.pow(power)));
    }
    if let Some(power) = index(&DECIMAL) {
        return Some((1_000_u128.pow(power), 1));
    }
    if let Some(power) = index(&BINARY) {
        return Some((1_024_u128.pow(power), 1));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?.parse::<i32>().ok()?;
    let power = 10_u128.checked_pow(exponent.unsigned_abs())?;
    Some(if exponent < 0 { (1, power) } else { (power, 1) })
}

/// An amount as Kubernetes writes it.
pub fn print(amount: u128, unit: Unit) -> String {
    match unit {
        Unit::Milli if amount.is_multiple_of(1_000) => (amount / 1_000).to_string(),
        Unit::Milli => format!("{amount}m"),
        Unit::Whole => amount.to_string(),
    }
}

/// An amount as a person writes it: the largest unit that leaves a whole number.
pub fn words(amount: u128, unit: Unit) -> String {
    const SUFFIXES: [&str; 6] = ["Ei", "Pi", "Ti", "Gi", "Mi", "Ki"];
    if unit == Unit::Milli || amount == 0 {
        return print(amount, unit);
    }
    let powers = (1..=6_u32).rev().map(|power| 1_u128 << (10 * power));
    let fitting = powers.zip(SUFFIXES).find(|(size, _)| amount.is_multiple_of(*size));
    fitting.map_or_else(|| print(amount, unit), |(size, suffix)| format!("{}{suffix}", amount / size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        for (text, unit, amount) in [
            ("500m", Unit::Milli, 500),
            ("1.5", Unit::Milli, 1_500),
            ("2", Unit::Milli, 2_000),
            ("1Gi", Unit::Whole, 1 << 30),
            ("1.5Ki", Unit::Whole, 1_536),
            ("1e3", Unit::Whole, 1_000),
            ("5E", Unit::Whole, 5_000_000_000_000_000_000),
            ("1Ei", Unit::Whole, 1 << 60),
            ("0.5k", Unit::Whole, 500),
            (".5", Unit::Milli, 500),
            ("1n", Unit::Milli, 1),
        ] {
            assert_eq!(parse(text, unit), Some(amount), "{text}");
        }
        for bad in ["", ".", "Gi", "1.2.3", "-1", "1 Gi", "1e", "9e99", "1gi", "1kb", "1MB", "0x10", "½"] {
            assert_eq!(parse(bad, Unit::Whole), None, "{bad}");
        }
    }

    #[test]
    fn words_have_the_largest_unit_that_fits() {
        for (amount, unit, text) in [
            (1 << 30, Unit::Whole, "1Gi"),
            (1_536 << 20, Unit::Whole, "1536Mi"),
            ((1 << 30) + 1, Unit::Whole, "1073741825"),
            (0, Unit::Whole, "0"),
            (1_500, Unit::Milli, "1500m"),
            (2_000, Unit::Milli, "2"),
        ] {
            assert_eq!(words(amount, unit), text);
        }
    }

    proptest! {
        #[test]
        fn reading_any_text_ends_without_a_panic(text in ".{0,40}") {
            let _ = parse(&text, Unit::Milli);
        }

        #[test]
        fn what_is_printed_is_read_back(amount in 0_u128..1_000_000_000_000) {
            prop_assert_eq!(parse(&print(amount, Unit::Milli), Unit::Milli), Some(amount));
        }
    }
}
