//! A softmax policy finds the best of three noisy arms, and shows at each step how sure it is of
//! the way.

#![expect(clippy::print_stdout, reason = "an example shows its result")]

use linalg::DVector;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rl_pg::{Baseline, Categorical, Result, score_function};

fn main() -> Result<()> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    let mut noise = Xoshiro256PlusPlus::seed_from_u64(8);
    let mut logits = DVector::from_column_slice(&[0.0, 0.5, -1.0]);
    println!("step   mean reward      probabilities           gradient ± standard error, per arm");
    for step in 0..=300 {
        let policy = Categorical::from_parameters(logits.as_slice())?;
        let reward = |&arm: &usize| [1.0, 2.0, 0.5][arm] + noise.random_range(-1.0..1.0);
        let estimate = score_function(&policy, reward, 64, Baseline::LeaveOneOut, &mut rng)?;
        if step % 50 == 0 {
            let probabilities = policy.probabilities().iter().map(|p| format!("{p:.3} "));
            let way = estimate.gradient.iter().zip(&estimate.std_error);
            println!(
                "{step:4}   {:.2} ± {:.2}     {}     {}",
                estimate.value,
                estimate.value_std_error,
                probabilities.collect::<String>(),
                way.map(|(g, error)| format!("{g:6.3} ± {error:.3}  ")).collect::<String>()
            );
        }
        logits += estimate.gradient * 0.5;
    }
    Ok(())
}
