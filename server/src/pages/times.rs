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
}
