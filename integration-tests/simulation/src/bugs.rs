//! Known mistakes, made on purpose by the simulator around the real code: a simulation that does not find them proves
//! nothing.

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Bug {
    /// Intent is sent when its timestamp is not older than the agent's last report, instead of by generation.
    TimestampRule,
    /// The agent applies what it is told without looking at what the cluster has, and unconditionally.
    NoGuard,
    /// The agent takes a report for acknowledged whose answer it never got.
    DroppedAcknowledgement,
    /// The server forgets a directive once it has answered with it.
    ForgettingOnFirstAnswer,
    /// The server keeps the highest generation that was ever proven instead of the last.
    AcknowledgementByMaximum,
    /// The agent creates a Deployment that it has not found by an apply, which writes over one that came in between.
    UnconditionalCreation,
    /// After a list that was doubted the agent looks whether the objects are there, and not what they are by now.
    SecondLookAtNamesOnly,
    /// What cannot be read of one workspace is an error of the whole round.
    PoisonEndsTheRound,
    /// A workspace whose row cannot be read is left out, its termination too.
    PoisonIsPassedOver,
    /// A restart ends at a report of `Stopped` after something else, instead of at a proof.
    RestartWaitsForStopped,
}
