//! One line for each stage, with the time that it took.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

/// What a stage found or did, in a few words.
pub(crate) type Outcome = String;

/// Prints the stages and adds up their times.
#[derive(Debug)]
pub(crate) struct Stages {
    begin: Instant,
}

impl Stages {
    pub(crate) fn new() -> Self {
        Self { begin: Instant::now() }
    }

    /// Runs one stage. Its name is printed when it ends; a stage that takes long says first that it began.
    pub(crate) async fn run<T>(
        &self,
        name: &str,
        stage: impl Future<Output = anyhow::Result<(T, Outcome)>>,
    ) -> anyhow::Result<T> {
        let begin = Instant::now();
        let mut stage = Box::pin(stage);
        let result = tokio::select! {
            result = &mut stage => result,
            () = tokio::time::sleep(Duration::from_secs(3)) => {
                anstream::println!("  {:>7}  {name} …", "");
                stage.await
            }
        };
        let seconds = begin.elapsed().as_secs_f32();
        match result {
            Ok((value, outcome)) => {
                anstream::println!("  {seconds:>5.1} s  {name}: {outcome}");
                Ok(value)
            }
            Err(cause) => {
                anstream::println!("  {seconds:>5.1} s  {name}: failed");
                Err(cause)
            }
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }
}
