//! Times as people read them.

use jiff::{SignedDuration, Timestamp};

/// How long ago, in one unit: `5 min`.
pub(super) fn ago(time: Timestamp, now: Timestamp) -> String {
    let past = now.duration_since(time);
    if past < SignedDuration::from_mins(1) {
        return "just now".to_owned();
    }
    let minutes = past.as_mins();
    let (count, unit) = match minutes {
        ..60 => (minutes, "min"),
        60..1_440 => (minutes / 60, "h"),
        _ => (minutes / 1_440, "d"),
    };
    format!("{count} {unit} ago")
}

/// To the minute, in UTC: `2026-11-29 03:05 UTC`.
pub(super) fn at(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// To the second, in UTC: `2026-11-29 03:05:10`.
pub(super) fn to_the_second(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// How long something took, in at most two units: `0.4 s`, `12 s`, `2 min 5 s`, `3 h 20 min`, `2 d 1 h`.
pub(super) fn took(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let two = |whole: i64, unit: &str, rest: i64, lesser: &str| match rest {
        0 => format!("{whole} {unit}"),
        rest => format!("{whole} {unit} {rest} {lesser}"),
    };
    match seconds {
        ..10 => format!("{:.1} s", duration.as_secs_f64().max(0.0)),
        10..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_the_unit_that_fits() {
        let now: Timestamp = "2026-11-29T03:05:10Z".parse().expect("a time");
        let before = |seconds| ago(now - SignedDuration::from_secs(seconds), now);
        let told = [0, 59, 60, 3_599, 3_600, 86_399, 86_400, 8_640_000].map(before);
        assert_eq!(
            told,
            [
                "just now",
                "just now",
                "1 min ago",
                "59 min ago",
                "1 h ago",
                "23 h ago",
                "1 d ago",
                "100 d ago"
            ]
        );
        assert_eq!(ago(now + SignedDuration::from_secs(5), now), "just now");
        assert_eq!(at(now), "2026-11-29 03:05 UTC");
    }

    #[test]
    fn what_something_took_is_told_in_at_most_two_units() {
        let told = [0, 400, 9_940, 12_300, 60_000, 125_000, 12_000_000, 176_400_000];
        let told = told.map(|milliseconds| took(SignedDuration::from_millis(milliseconds)));
        assert_eq!(told, ["0.0 s", "0.4 s", "9.9 s", "12 s", "1 min", "2 min 5 s", "3 h 20 min", "2 d 1 h"]);
        assert_eq!(took(SignedDuration::from_secs(-5)), "0.0 s", "a clock that was set back");
    }
}
