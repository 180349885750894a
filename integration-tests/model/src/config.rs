//! What is explored: how far, and under which rules.

/// How often each thing may happen. Everything within is explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub workspaces: usize,
    /// Changes of intent by users, over all workspaces.
    pub wishes: u8,
    /// Messages lost, repeated or given up, agents that crash, namespaces that somebody deletes.
    pub faults: u8,
    /// How many leaders there may be, one after the other. A new one does not wait for the end of the old one.
    pub epochs: u8,
}

/// When the agent looks at the generation in the cluster before it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Never: whoever writes last wins.
    None,
    /// On condition that the Deployment which was looked at is still the same; one that is not there is made
    /// without a condition.
    WherePresent,
    /// On that condition, and on condition that it is still absent when it was absent.
    Always,
}

/// Which directives the server repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Those that are not proven by the cluster.
    UntilProven,
    /// Those that were not answered yet.
    UntilAnswered,
    /// Those whose change is not older, by the clock, than the newest report.
    ByTimestamp,
}

/// What the server stores of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// What was reported last, in the order in which it was sent.
    Last,
    /// What arrived last.
    Arrival,
    /// The highest generation ever reported.
    Maximum,
}

/// What ends a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartEnd {
    /// Scaled down at the generation that asked for it.
    Proven,
    /// A report of `Stopped`.
    Stopped,
}

/// The rules of the protocol. [`Rules::default`] are those that are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a rule that is kept or broken")]
pub struct Rules {
    pub guard: Guard,
    pub repeat: Repeat,
    pub proof: Proof,
    pub restart: RestartEnd,
    /// A report counts as told once it was answered by an echo; otherwise once it was sent.
    pub acknowledged_by_echo: bool,
    /// A workspace that was told of is told as missing when it vanishes, even if no answer ever came.
    pub remembers_what_was_told: bool,
    /// The server changes intent by itself only upon the generation that it decided for.
    pub compare_and_swap: bool,
    /// An agent that is told that its epoch is stale stops writing.
    pub deposed_stops: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            guard: Guard::Always,
            repeat: Repeat::UntilProven,
            proof: Proof::Last,
            restart: RestartEnd::Proven,
            acknowledged_by_echo: true,
            remembers_what_was_told: true,
            compare_and_swap: true,
            deposed_stops: true,
        }
    }
}

/// A way to get the protocol wrong that the model has to find.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    pub name: &'static str,
    pub rules: Rules,
    /// Small ones that it shows up in.
    pub bounds: Bounds,
}

/// The known bad variants: each differs from the protocol in one rule.
pub fn bad_variants() -> Vec<Variant> {
    let good = Rules::default();
    let lone = Bounds { workspaces: 1, wishes: 1, faults: 0, epochs: 1 };
    let (faulty, rivals) = (Bounds { faults: 1, ..lone }, Bounds { epochs: 2, ..lone });
    let variant = |name, bounds, rules| Variant { name, rules, bounds };
    vec![
        variant("timestamp rule", lone, Rules { repeat: Repeat::ByTimestamp, ..good }),
        variant("no guard", rivals, Rules { guard: Guard::None, ..good }),
        variant("no guard on creation", rivals, Rules { guard: Guard::WherePresent, ..good }),
        variant("acknowledgement by maximum", faulty, Rules { proof: Proof::Maximum, ..good }),
        variant("acknowledgement in order of arrival", faulty, Rules { proof: Proof::Arrival, ..good }),
        variant("dropped acknowledgement", faulty, Rules { acknowledged_by_echo: false, ..good }),
        variant("forgetting on first answer", faulty, Rules { repeat: Repeat::UntilAnswered, ..good }),
        variant(
            "restart that waits for a Stopped",
            Bounds { wishes: 3, ..lone },
            Rules { restart: RestartEnd::Stopped, ..good },
        ),
        variant(
            "change of intent without comparison",
            Bounds { wishes: 2, ..lone },
            Rules { compare_and_swap: false, ..good },
        ),
        variant(
            "report forgotten before its answer",
            Bounds { faults: 2, ..lone },
            Rules { remembers_what_was_told: false, ..good },
        ),
        variant("deposed agent that goes on", rivals, Rules { deposed_stops: false, ..good }),
    ]
}

/// What is explored of the protocol as it is built: deep with one workspace and one leader, with two leaders at once, and
/// with two workspaces.
pub const EXPLORED: [Bounds; 5] = [
    Bounds { workspaces: 1, wishes: 4, faults: 0, epochs: 1 },
    Bounds { workspaces: 1, wishes: 1, faults: 3, epochs: 1 },
    Bounds { workspaces: 1, wishes: 2, faults: 2, epochs: 1 },
    Bounds { workspaces: 2, wishes: 1, faults: 0, epochs: 1 },
    Bounds { workspaces: 1, wishes: 1, faults: 0, epochs: 2 },
];
