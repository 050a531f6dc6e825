//! Which input of a network of your own gives this output? The network comes from a safetensors file.
//!
//! ```text
//! cargo run --release -p nn-invert --example from_safetensors -- weights.safetensors 2-32-tanh-32-tanh-2 1.2 0.6
//! ```
//!
//! The layers are those of a `torch.nn.Sequential`: the number of inputs, then for each `Linear` its width
//! and for each activation its name: `elu`, `gelu`, `leaky_relu` with its slope of 0.01, `relu`, `sigmoid`,
//! `silu`, `softplus`, `tanh`. The output that is wanted follows. Without arguments it asks the robot arm
//! that comes with the crate.

use std::error::Error;
use std::ops::ControlFlow;
use std::process::ExitCode;

use linalg::DVector;
use nn_core::{Elu, Gelu, Initializer, LeakyRelu, Network, Relu, Sigmoid, Silu, Softplus, Tanh};
use nn_invert::{LayerwiseInverse, MultiStart, Reach, SearchOptions, local, reach};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

#[expect(clippy::print_stderr, reason = "this is a program")]
fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "this is a program")]
fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.is_empty() {
        let arm = concat!(env!("CARGO_MANIFEST_DIR"), "/data/arm.safetensors");
        arguments = [arm, "2-32-tanh-32-tanh-2", "1.2", "0.6"].map(str::to_owned).to_vec();
    }
    let [file, layers, target @ ..] = &arguments[..] else {
        return Err(
            "a file and its layers are needed, as in weights.safetensors 2-8-tanh-1 0.5".into()
        );
    };
    let mut network = network_of(layers)?;
    network.load(file)?;
    let target: Vec<f64> =
        target.iter().map(|text| text.parse::<f64>()).collect::<Result<_, _>>()?;
    let target = DVector::from_vec(target);

    // Layer by layer: exact, and if it fails it says where. Widths that rise and then fall have no such inverse.
    match LayerwiseInverse::new(&network).and_then(|inverse| inverse.invert(&target)) {
        Ok(answer) => match &answer.fault {
            None => println!(
                "layer by layer: {:.6?}, {:.0} digits",
                answer.input.as_slice(),
                answer.digits()
            ),
            Some(fault) => println!("layer by layer: {fault}"),
        },
        Err(refused) => println!("layer by layer: {refused}"),
    }

    // As a whole, from many starts, each of which may end at another of the solutions.
    let starts = MultiStart::new(20, 1).all();
    let (seed, options) = (DVector::zeros(network.inputs()), SearchOptions::default());
    let found = starts.search(&network, &target, &seed, &options, |_| ControlFlow::Continue(()))?;
    for solution in &found.solutions {
        let input = &solution.search.input;
        let about = local(&network, &target, input)?;
        println!(
            "search: {:.6?}, residual {:.0e}, error to expect {:.0e} ({} of {} starts)",
            input.as_slice(),
            about.residual,
            about.predicted_error,
            solution.hits,
            found.starts
        );
    }
    if found.solutions.is_empty() {
        println!(
            "search: none of {} starts; the nearest is off by {:.3e}",
            found.starts, found.best.residual
        );
        match reach(&network, &target) {
            Ok(Reach::Unreachable(_)) => println!("proved: no input gives this"),
            _ => println!("not proved: more starts may find one"),
        }
    }
    Ok(())
}

/// A network of these layers, whose weights the file replaces.
fn network_of(layers: &str) -> Result<Network<f64>, Box<dyn Error>> {
    let mut words = layers.split('-');
    let inputs = words.next().unwrap_or_default().parse::<usize>()?;
    let mut network = Network::<f64>::builder(inputs).initializer(Initializer::PyTorch);
    for word in words {
        network = match word {
            "elu" => network.activation(Elu::default()),
            "gelu" => network.activation(Gelu),
            "leaky_relu" => network.activation(LeakyRelu::new(0.01)?),
            "relu" => network.activation(Relu),
            "sigmoid" => network.activation(Sigmoid),
            "silu" => network.activation(Silu),
            "softplus" => network.activation(Softplus),
            "tanh" => network.activation(Tanh),
            width => {
                network.dense(width.parse().map_err(|_| format!("no layer is called {width}"))?)
            }
        };
    }
    Ok(network.build(&mut Xoshiro256PlusPlus::seed_from_u64(1))?)
}
