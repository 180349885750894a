//! Ages as kubectl shows them: two units where the second still matters.

use jiff::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// `5s`, `3m20s`, `45m`, `3h5m`, `30h`, `3d4h`, `200d`, `2y30d`. A time to come (a clock that is off) is `0s`.
pub(super) fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    let two = |big: i64, big_unit: char, small: i64, small_unit: char| {
        let (whole, rest) = (seconds / big, seconds % big / small);
        if rest == 0 { format!("{whole}{big_unit}") } else { format!("{whole}{big_unit}{rest}{small_unit}") }
    };
    match seconds {
        s if s < 2 * MINUTE => format!("{s}s"),
        s if s < 10 * MINUTE => two(MINUTE, 'm', 1, 's'),
        s if s < 3 * HOUR => format!("{}m", s / MINUTE),
        s if s < 8 * HOUR => two(HOUR, 'h', MINUTE, 'm'),
        s if s < 2 * DAY => format!("{}h", s / HOUR),
        s if s < 8 * DAY => two(DAY, 'd', HOUR, 'h'),
        s if s < 2 * YEAR => format!("{}d", s / DAY),
        s if s < 8 * YEAR => two(YEAR, 'y', DAY, 'd'),
        s => format!("{}y", s / YEAR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_those_of_kubectl() {
        for (seconds, expected) in [
            (-5, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (200, "3m20s"),
            (3_599, "59m"),
            (3 * HOUR, "3h"),
            (3 * HOUR + 300, "3h5m"),
            (30 * HOUR, "30h"),
            (3 * DAY + 4 * HOUR, "3d4h"),
            (200 * DAY, "200d"),
            (2 * YEAR + 30 * DAY, "2y30d"),
            (9 * YEAR, "9y"),
        ] {
            let now = Timestamp::from_second(2_000_000_000).expect("a time");
            let since = Timestamp::from_second(2_000_000_000 - seconds).expect("a time");
            assert_eq!(age(since, now), expected, "{seconds}");
        }
    }
}
