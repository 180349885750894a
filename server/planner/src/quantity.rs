//! Sums of Kubernetes quantities, for quotas.

/// What an amount is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Thousandths: CPU.
    Milli,
    /// Ones: bytes.
    Whole,
}

/// The amount in `unit`, rounded up; `None` for what is not a quantity or does not fit.
pub fn parse(text: &str, unit: Unit) -> Option<u128> {
    let digits_end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits_end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 30 || fraction.contains('.') {
        return None;
    }
    let (numerator, denominator) = scale(suffix)?;
    let per_unit = match unit {
        Unit::Milli => 1_000,
        Unit::Whole => 1,
    };
    let fraction_digits = u32::try_from(fraction.len()).ok()?;
    let amount = digits
        .parse::<u128>()
        .ok()?
        .checked_mul(numerator)?
        .checked_mul(per_unit)?;
    Some(amount.div_ceil(10_u128.checked_pow(fraction_digits)?.checked_mul(denominator)?))
}

/// The factor of a suffix as numerator and denominator.
fn scale(suffix: &str) -> Option<(u128, u128)> {
    Some(match suffix {
        "" => (1, 1),
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1_000),
        "k" => (1_000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?.parse::<i32>().ok()?;
            let power = 10_u128.checked_pow(exponent.unsigned_abs())?;
            if exponent < 0 { (1, power) } else { (power, 1) }
        }
    })
}

/// An amount as Kubernetes writes it.
pub fn print(amount: u128, unit: Unit) -> String {
    match unit {
        Unit::Milli if amount.is_multiple_of(1_000) => (amount / 1_000).to_string(),
        Unit::Milli => format!("{amount}m"),
        Unit::Whole => amount.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        assert_eq!(parse("500m", Unit::Milli), Some(500));
        assert_eq!(parse("1.5", Unit::Milli), Some(1_500));
        assert_eq!(parse("2", Unit::Milli), Some(2_000));
        assert_eq!(parse("1Gi", Unit::Whole), Some(1 << 30));
        assert_eq!(parse("1e3", Unit::Whole), Some(1_000));
        assert_eq!(parse("0.5k", Unit::Whole), Some(500));
        assert_eq!(parse("1n", Unit::Milli), Some(1), "rounded up");
        for bad in ["", "Gi", "1.2.3", "-1", "1 Gi", "1e", "9e99"] {
            assert_eq!(parse(bad, Unit::Whole), None, "{bad}");
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
