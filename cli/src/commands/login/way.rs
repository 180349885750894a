//! How somebody logs in: as they said, or as the machine lets them.

use std::ffi::OsString;

use super::Args;
use crate::error::Error;
use crate::sign_in::{self, Opens};

/// With a token, or by a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Token,
    Browser(sign_in::Way),
}

/// What there is to log in with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Surroundings {
    /// BERTH_TOKEN is set.
    pub(super) has_token: bool,
    /// Somebody reads what is written.
    pub(super) is_watched: bool,
    pub(super) has_browser: bool,
}

impl Surroundings {
    pub(super) fn of_this_process(has_token: bool) -> Self {
        Self {
            has_token,
            is_watched: std::io::IsTerminal::is_terminal(&std::io::stderr()),
            has_browser: has_browser(cfg!(target_os = "linux"), |name| std::env::var_os(name)),
        }
    }
}

/// A browser that is opened here is seen by whoever sits here: not by somebody who came over SSH, and on Linux only where there is
/// a display.
fn has_browser(is_linux: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    !is_set("SSH_CONNECTION") && (!is_linux || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY"))
}

/// # Errors
/// Nobody would see the code that has to be entered.
pub(super) fn way(args: &Args, here: Surroundings) -> Result<Way, Error> {
    if args.device {
        return Ok(Way::Browser(sign_in::Way::Device));
    }
    if args.no_browser {
        return Ok(Way::Browser(sign_in::Way::Browser(Opens::Person)));
    }
    if args.token_stdin || args.token || here.has_token {
        return Ok(Way::Token);
    }
    if here.has_browser {
        return Ok(Way::Browser(sign_in::Way::Browser(Opens::Command)));
    }
    if here.is_watched {
        return Ok(Way::Browser(sign_in::Way::Device));
    }
    Err(Error::Usage {
        message: "there is no browser, and no terminal to show a code on".to_owned(),
        hint: Some(
            "give a token on standard input with --token-stdin, or as BERTH_TOKEN; --device shows the code anyway"
                .to_owned(),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_counts_before_what_is_there() {
        let device = Way::Browser(sign_in::Way::Device);
        let browser = |opens| Way::Browser(sign_in::Way::Browser(opens));
        let all = Surroundings { has_token: true, is_watched: true, has_browser: true };
        let way = |args: Args, here| way(&args, here).ok();
        assert_eq!(way(Args { device: true, ..Args::default() }, all), Some(device));
        assert_eq!(way(Args { no_browser: true, ..Args::default() }, all), Some(browser(Opens::Person)));
        assert_eq!(way(Args { token: true, ..Args::default() }, all), Some(Way::Token));
        assert_eq!(way(Args::default(), all), Some(Way::Token));
        let no_token = Surroundings { has_token: false, ..all };
        assert_eq!(way(Args::default(), no_token), Some(browser(Opens::Command)));
        assert_eq!(way(Args::default(), Surroundings { has_browser: false, ..no_token }), Some(device));
        assert_eq!(way(Args::default(), Surroundings::default()), None);
        assert_eq!(way(Args { token_stdin: true, ..Args::default() }, no_token), Some(Way::Token));
    }

    #[test]
    fn a_browser_needs_somebody_who_sits_here() {
        let has = |is_linux, set: &[(&str, &str)]| {
            has_browser(is_linux, |name| {
                set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
            })
        };
        assert!(has(true, &[("DISPLAY", ":0")]));
        assert!(has(true, &[("WAYLAND_DISPLAY", "wayland-0")]));
        assert!(!has(true, &[]));
        assert!(!has(true, &[("DISPLAY", "")]));
        assert!(!has(true, &[("DISPLAY", ":0"), ("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22")]));
        assert!(has(false, &[]));
        assert!(!has(false, &[("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22")]));
    }
}
