//! The simulated cluster and a real API server: what holds of one holds of the other.

mod ground;
mod namespaces;
mod random;
mod watches;
mod writes;

/// A module with two tests for each case: `simulated` and `real`.
macro_rules! on_both {
    ($($case:ident),+ $(,)?) => {$(
        mod $case {
            #[test]
            fn simulated() {
                for seed in 0..20 {
                    let told = berth_simulation::run::alone(seed, |env| async move {
                        super::$case(&crate::ground::Simulated::new(&env).await).await;
                    });
                    assert!(told.is_some(), "seed {seed}: it hangs");
                }
            }

            #[test]
            fn real() {
                crate::ground::real(async |ground| super::$case(ground).await);
            }
        }
    )+};
}
pub(crate) use on_both;
