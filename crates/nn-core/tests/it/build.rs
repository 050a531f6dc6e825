//! Networks that do not fit together, and what is said about them.

use linalg::DMatrix;
use nn_core::{Dense, Initializer, Network, Relu, Tanh};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

fn rng() -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(1)
}

#[test]
fn layers_that_do_not_fit_are_both_named() {
    let text = Network::<f64>::builder(64)
        .dense(32)
        .activation(Tanh)
        .layer(Dense::new(16, 10, Initializer::HeNormal))
        .build(&mut rng())
        .unwrap_err()
        .to_string();
    let expected = "layer 1 (tanh 32) gives 32, but layer 2 (dense 16 -> 10) takes 16";
    assert_eq!(text, expected);

    let first = Network::<f64>::builder(64).layer(Dense::new(63, 10, Initializer::HeNormal));
    assert_eq!(
        first.build(&mut rng()).unwrap_err().to_string(),
        "the network's input is 64, but layer 0 (dense 63 -> 10) takes 63"
    );
}

#[test]
fn only_the_first_misfit_is_reported() {
    let text = Network::<f64>::builder(2)
        .layer(Dense::new(3, 4, Initializer::HeNormal))
        .layer(Dense::new(5, 6, Initializer::HeNormal))
        .build(&mut rng())
        .unwrap_err()
        .to_string();
    assert_eq!(text, "the network's input is 2, but layer 0 (dense 3 -> 4) takes 3");
}

#[test]
fn nothing_is_built_from_nothing() {
    let text = |result: nn_core::Result<Network<f64>>| result.unwrap_err().to_string();
    let none = Network::builder(2).build(&mut rng());
    assert_eq!(text(none), "the list of layers is empty; at least one is needed");
    let none = Network::builder(0).dense(2).build(&mut rng());
    assert_eq!(text(none), "the network's input is empty; at least one is needed");
    let none = Network::builder(2).dense(0).build(&mut rng());
    assert_eq!(text(none), "a layer's output is empty; at least one is needed");
    let none = Network::builder(2).dense(3).build_given();
    assert_eq!(text(none), "the layer's given parameters has 0 entries, expected 9");
}

#[test]
fn given_parameters_are_checked_and_kept() {
    let text = |weight: DMatrix<f64>, bias: Vec<f64>| {
        Network::builder(2).dense_from(weight, bias).build_given().unwrap_err().to_string()
    };
    let weight = DMatrix::from_row_slice(1, 2, &[1.0, 2.0]);
    assert_eq!(text(weight.clone(), vec![1.0, 2.0]), "bias has 2 entries, expected 1");
    assert_eq!(
        text(DMatrix::from_row_slice(1, 2, &[1.0, f64::NAN]), vec![1.0]),
        "weight[0, 1] is NaN, and every entry must be finite"
    );
    assert_eq!(
        text(weight.clone(), vec![f64::INFINITY]),
        "bias[0, 0] is inf, and every entry must be finite"
    );
    let network = Network::builder(2).dense_from(weight, vec![3.0]).build_given().unwrap();
    assert_eq!(network.parameters().as_slice(), [1.0, 2.0, 3.0]);
    assert_eq!((network.inputs(), network.outputs()), (2, 1));
}

#[test]
fn a_batch_that_does_not_fit_is_refused() {
    let network = Network::<f64>::builder(2).dense(3).activation(Relu).build(&mut rng()).unwrap();
    let text = |x: &DMatrix<f64>| network.predict(x).unwrap_err().to_string();
    assert_eq!(text(&DMatrix::zeros(3, 1)), "x has 3 rows, expected 2");
    assert_eq!(text(&DMatrix::zeros(2, 0)), "the batch is empty; at least one is needed");
    let mut nan = DMatrix::zeros(2, 5);
    nan[(1, 3)] = f64::NAN;
    assert_eq!(text(&nan), "x[1, 3] is NaN, and every entry must be finite");
}

#[test]
fn the_same_seed_builds_the_same_network() {
    let build = |seed| {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        Network::<f64>::builder(5).dense(4).dense(3).build(&mut rng).unwrap()
    };
    assert_eq!(build(7).parameters(), build(7).parameters());
    assert_ne!(build(7).parameters(), build(8).parameters());
}
