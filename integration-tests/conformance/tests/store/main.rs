//! The simulated store and Postgres: what holds of one holds of the other.

mod failures;
mod ground;
mod random;
mod reports;
mod visibility;
mod writers;

/// A module with two tests for each case: `simulated` and `real`.
macro_rules! on_both {
    ($($case:ident),+ $(,)?) => {$(
        mod $case {
            #[test]
            fn simulated() {
                for seed in 0..20 {
                    let told = berth_simulation::run::alone(seed, |env| async move {
                        super::$case(&crate::ground::Simulated::new(&env)).await;
                    });
                    assert!(told.is_some(), "seed {seed}: it hangs");
                }
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn real() {
                super::$case(&crate::ground::Real::start().await).await;
            }
        }
    )+};
}
pub(crate) use on_both;
