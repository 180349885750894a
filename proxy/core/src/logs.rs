//! What a request for a workspace's output asks for, and what of it is let through. See decision 0083.

use std::time::Duration;

use berth_schema::logs::{LogContainer, LogOptions, is_container_name};

/// The most lines that can be asked for by their number.
const MAX_TAIL: u32 = 1_000_000;
/// The farthest back that can be asked for, in seconds: longer than a node keeps anything.
const MAX_SINCE: u32 = 366 * 24 * 3_600;
/// The most that is given of what was written before, in bytes. Nodes keep 10 MiB of a container, unless they are told otherwise.
pub const MAX_BYTES: i64 = 64 << 20;
/// How fast it is given, in bytes a second: nobody reads faster, and the API server and the node have others to serve.
const BYTES_A_SECOND: u64 = 4 << 20;
/// So many read at once of one workspace, which is one person,
pub const READERS_OF_ONE: usize = 8;
/// and at one proxy: each has a connection of the API server's.
pub const READERS: usize = 200;

/// Why a query asks for nothing that there is. Who asked is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongOption {
    #[error("there is no option of that name")]
    Unknown,
    #[error("the option '{0}' is said twice")]
    Twice(&'static str),
    #[error("container: must be the name of a container")]
    Container,
    #[error("{0}: must be true or false")]
    NoFlag(&'static str),
    #[error("tail: must be a number of lines, up to 1000000")]
    Tail,
    #[error("since: must be a number of seconds, from 1 to a year's")]
    Since,
}

/// The options of a query, which is there already as pairs.
///
/// # Errors
/// What is wrong with it.
pub fn log_options<'q>(
    pairs: impl IntoIterator<Item = (impl AsRef<str> + 'q, impl AsRef<str> + 'q)>,
) -> Result<LogOptions, WrongOption> {
    let mut options = LogOptions::default();
    let mut said: Vec<&'static str> = Vec::new();
    for (name, value) in pairs {
        let value = value.as_ref();
        let name = match name.as_ref() {
            "container" => {
                let name = Some(value).filter(|name| is_container_name(name));
                options.container = Some(name.ok_or(WrongOption::Container)?.to_owned());
                "container"
            }
            "tail" => {
                options.tail = Some(number(value, 0..=MAX_TAIL).ok_or(WrongOption::Tail)?);
                "tail"
            }
            "since" => {
                options.since = Some(number(value, 1..=MAX_SINCE).ok_or(WrongOption::Since)?);
                "since"
            }
            "previous" => flag("previous", value, &mut options.previous)?,
            "follow" => flag("follow", value, &mut options.follow)?,
            "timestamps" => flag("timestamps", value, &mut options.timestamps)?,
            _ => return Err(WrongOption::Unknown),
        };
        if said.contains(&name) {
            return Err(WrongOption::Twice(name));
        }
        said.push(name);
    }
    Ok(options)
}

fn number(text: &str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
    text.parse().ok().filter(|number| range.contains(number))
}

fn flag(name: &'static str, text: &str, flag: &mut bool) -> Result<&'static str, WrongOption> {
    *flag = text.parse().map_err(|_| WrongOption::NoFlag(name))?;
    Ok(name)
}

/// The containers that there are, for somebody who has asked for another one.
pub fn listed(containers: &[LogContainer]) -> String {
    let of = |init| {
        let names = containers.iter().filter(|container| container.init == init);
        names.map(|container| container.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    match (of(false), of(true)) {
        (main, before) if before.is_empty() => main,
        (main, before) => format!("{main}; before those start: {before}"),
    }
}

/// How far what was given is ahead of [`BYTES_A_SECOND`].
#[derive(Debug, Default)]
pub struct Pace {
    ahead: Duration,
}

impl Pace {
    /// So many bytes are given, so long after those before. Answers how long nothing is given then: a second's worth comes at once.
    pub fn give(&mut self, bytes: usize, since: Duration) -> Duration {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let takes = Duration::from_micros(bytes.saturating_mul(1_000) / (BYTES_A_SECOND / 1_000));
        self.ahead = self.ahead.saturating_sub(since).saturating_add(takes);
        self.ahead.saturating_sub(Duration::from_secs(1))
    }
}

/// What is shown of an output in a page: plain lines, each no longer than that. What a terminal would obey is left out.
pub fn lines_of_a_page(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    text.lines().map(|line| berth_schema::text::plain(line, MAX_LINE).into_owned()).collect()
}

/// In bytes.
const MAX_LINE: usize = 4_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<LogOptions, WrongOption> {
        log_options(pairs.iter().copied())
    }

    #[test]
    fn options_are_kubernetes_own_and_each_is_said_once() {
        assert_eq!(of(&[]), Ok(LogOptions::default()));
        let all = of(&[
            ("container", "berth-pre-start-install"),
            ("follow", "true"),
            ("tail", "0"),
            ("since", "3600"),
            ("timestamps", "true"),
        ]);
        let expected = LogOptions {
            container: Some("berth-pre-start-install".to_owned()),
            previous: false,
            follow: true,
            tail: Some(0),
            since: Some(3_600),
            timestamps: true,
        };
        assert_eq!(all, Ok(expected));
        assert_eq!(of(&[("previous", "true")]).map(|options| options.previous), Ok(true));
    }

    #[test]
    fn whatever_else_is_asked_for_is_refused_and_nothing_of_it_is_repeated() {
        for (wrong, expected) in [
            (("insecureSkipTLSVerifyBackend", "true"), WrongOption::Unknown),
            (("", ""), WrongOption::Unknown),
            (("container", ""), WrongOption::Container),
            (("container", "../secrets"), WrongOption::Container),
            (("container", "a&follow=true"), WrongOption::Container),
            (("tail", "-1"), WrongOption::Tail),
            (("tail", "1000001"), WrongOption::Tail),
            (("tail", "1e3"), WrongOption::Tail),
            (("since", "0"), WrongOption::Since),
            (("since", "99999999999"), WrongOption::Since),
            (("follow", "yes"), WrongOption::NoFlag("follow")),
        ] {
            assert_eq!(of(&[wrong]), Err(expected.clone()), "{wrong:?}");
            assert!(wrong.1.len() < 8 || !expected.to_string().contains(wrong.1), "{expected}");
        }
        assert_eq!(of(&[("tail", "1"), ("tail", "2")]), Err(WrongOption::Twice("tail")));
    }

    #[test]
    fn what_there_is_is_named_in_the_order_of_its_start() {
        let container = |name: &str, init| LogContainer { name: name.to_owned(), init };
        let all = [container("berth-tools", true), container("main", false), container("db", false)];
        assert_eq!(listed(&all), "main, db; before those start: berth-tools");
        assert_eq!(listed(&all[1..]), "main, db");
    }

    #[test]
    fn a_second_of_it_comes_at_once_and_the_rest_at_its_pace() {
        let seconds = Duration::from_secs;
        let second = usize::try_from(BYTES_A_SECOND).expect("a number");
        let mut pace = Pace::default();
        assert_eq!(pace.give(second / 2, seconds(0)), seconds(0));
        assert_eq!(pace.give(second / 2, seconds(0)).as_millis(), 0);
        assert_eq!(pace.give(second, seconds(0)).as_millis(), 1_000);
        assert_eq!(pace.give(second, seconds(1)).as_millis(), 1_000, "it is as far ahead as before");
        // Whoever has said nothing for an hour says no hour's worth at once.
        assert_eq!(pace.give(3 * second, seconds(3_600)).as_millis(), 2_000);
        assert!(Pace::default().give(usize::MAX, seconds(0)) > seconds(3_600));
    }

    #[test]
    fn a_page_shows_nothing_that_a_terminal_would_obey() {
        let lines = lines_of_a_page(b"one\x1b[31m\r\n<script>\xff\n\xe2\x80\xaetwo\n");
        assert_eq!(lines, ["one[31m", "<script>\u{fffd}", "two"]);
        assert_eq!(lines_of_a_page("a".repeat(10_000).as_bytes())[0].len(), MAX_LINE);
    }
}
