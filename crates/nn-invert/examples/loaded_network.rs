//! Loads a network that PyTorch has trained and asks it for inputs: which angles of a robot arm's two
//! joints put the hand at a given place? `data/arm.py` made the file.
//!
//! `cargo run --release -p nn-invert --example loaded_network`

use std::error::Error;
use std::ops::ControlFlow;

use linalg::DVector;
use nn_core::{Initializer, Network, Tanh};
use nn_invert::{MultiStart, SearchOptions, local};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

#[expect(clippy::print_stdout, reason = "this is a program")]
fn main() -> Result<(), Box<dyn Error>> {
    // The layers as in torch.nn.Sequential; what they start from is overwritten.
    let mut network = Network::<f64>::builder(2)
        .initializer(Initializer::PyTorch)
        .dense(32)
        .activation(Tanh)
        .dense(32)
        .activation(Tanh)
        .dense(2)
        .build(&mut Xoshiro256PlusPlus::seed_from_u64(1))?;
    network.load(concat!(env!("CARGO_MANIFEST_DIR"), "/data/arm.safetensors"))?;

    // The network widens from 2 to 32 and narrows again: layer by layer it has no inverse, and a chain of
    // pseudo-inverses would be none. Each search may end at another of the solutions.
    let reach = [1.6, 2.6];
    let bounds = DVector::from_column_slice(&reach);
    let options = SearchOptions::default().bounds(-&bounds, bounds);
    let starts = MultiStart::new(20, 1).all();
    for target in [[1.2, 0.6], [0.9, -0.8], [1.79, 0.1], [1.7, 1.2]] {
        let target = DVector::from_column_slice(&target);
        let seed = DVector::zeros(2);
        let found =
            starts.search(&network, &target, &seed, &options, |_| ControlFlow::Continue(()))?;
        println!("hand at ({}, {}):", target[0], target[1]);
        for solution in &found.solutions {
            let angles = &solution.search.input;
            let about = local(&network, &target, angles)?;
            // Where the arm itself puts the hand: what the network has learned is not the arm.
            let (shoulder, both) = (angles[0], angles[0] + angles[1]);
            let hand = [shoulder.cos() + 0.8 * both.cos(), shoulder.sin() + 0.8 * both.sin()];
            println!(
                "  shoulder {:7.2}°, elbow {:8.2}°   residual {:.0e}, error to expect {:.0e}, the arm is off \
                 by {:.3}   ({} of {} starts)",
                angles[0].to_degrees(),
                angles[1].to_degrees(),
                about.residual,
                about.predicted_error,
                (hand[0] - target[0]).hypot(hand[1] - target[1]),
                solution.hits,
                found.starts,
            );
        }
        if found.solutions.is_empty() {
            println!(
                "  out of reach as far as {} starts show: the nearest is off by {:.3}",
                found.starts, found.best.residual
            );
        }
    }
    Ok(())
}
