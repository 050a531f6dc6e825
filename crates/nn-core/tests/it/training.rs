//! The training loop: one path for offline, mini-batch and online; stopping; diverging.

use std::ops::ControlFlow;

use linalg::DMatrix;
use nn_core::{
    Adam, Batch, Error, History, MeanSquaredError, Network, Sgd, Stop, Tanh, Trace, Trainer,
};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

fn problem() -> (Network<f64>, DMatrix<f64>, DMatrix<f64>) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    let network = Network::builder(2).dense(6).activation(Tanh).dense(1).build(&mut rng).unwrap();
    let x = DMatrix::from_fn(2, 10, |row, column| ((3 * column + 7 * row) % 10) as f64 / 5.0 - 1.0);
    let targets = DMatrix::from_fn(1, 10, |_, column| 0.5 * x[(0, column)] * x[(1, column)]);
    (network, x, targets)
}

fn train(batch: Batch, seed: u64, runs: &[usize]) -> (Network<f64>, Vec<History>) {
    let (mut network, x, targets) = problem();
    let loss = MeanSquaredError::new(&targets).unwrap();
    let mut trainer = Trainer::new(Adam::new(0.01).unwrap(), batch, seed);
    let histories = runs
        .iter()
        .map(|&epochs| {
            let observer = |_: &nn_core::Progress<'_, f64>| ControlFlow::Continue(());
            trainer.train(&mut network, &x, &loss, epochs, observer).unwrap()
        })
        .collect();
    (network, histories)
}

#[test]
fn every_batch_size_learns_and_takes_its_number_of_steps() {
    for (batch, steps) in [(Batch::Full, 1), (Batch::Mini(4), 3), (Batch::Online, 10)] {
        let (_, histories) = train(batch, 1, &[200]);
        let history = &histories[0];
        assert_eq!((history.losses.len(), history.steps), (200, 200 * steps), "{batch:?}");
        assert!(history.losses[199] < 0.5 * history.losses[0], "{batch:?}: {history:?}");
    }
}

#[test]
fn a_mini_batch_of_all_is_offline_and_of_one_is_online() {
    assert_eq!(
        train(Batch::Mini(10), 1, &[5]).0.parameters(),
        train(Batch::Full, 2, &[5]).0.parameters()
    );
    assert_eq!(
        train(Batch::Mini(99), 1, &[5]).0.parameters(),
        train(Batch::Full, 2, &[5]).0.parameters()
    );
    assert_eq!(
        train(Batch::Mini(1), 1, &[5]).0.parameters(),
        train(Batch::Online, 1, &[5]).0.parameters()
    );
}

#[test]
fn the_seed_decides_the_order_and_nothing_else_does() {
    let run = |seed| train(Batch::Mini(3), seed, &[4]);
    assert_eq!(run(1).0.parameters(), run(1).0.parameters());
    assert_ne!(run(1).0.parameters(), run(2).0.parameters());
}

#[test]
fn training_goes_on_where_it_stopped() {
    let (once, whole) = train(Batch::Mini(3), 1, &[10]);
    let (twice, parts) = train(Batch::Mini(3), 1, &[4, 6]);
    assert_eq!(once.parameters(), twice.parameters());
    assert_eq!(whole[0].losses, [parts[0].losses.clone(), parts[1].losses.clone()].concat());
}

#[test]
fn an_offline_step_is_the_gradient_of_the_batch() {
    let (mut network, x, targets) = problem();
    let loss = MeanSquaredError::new(&targets).unwrap();
    let mut trace = Trace::new();
    let value = network.loss_and_gradient(&x, &loss, &mut trace).unwrap();
    let expected = network.parameters() - trace.gradient() * 0.25;
    let mut trainer = Trainer::new(Sgd::new(0.25, 0.0).unwrap(), Batch::Full, 1);
    let history = trainer.train(&mut network, &x, &loss, 1, |_| ControlFlow::Continue(())).unwrap();
    assert!((history.losses[0] - value).abs() <= 4.0 * f64::EPSILON * value);
    // The step is taken in the product itself, in other roundings: a few of the largest term.
    assert!((network.parameters() - expected).amax() <= 4.0 * f64::EPSILON);
}

#[test]
fn the_observer_sees_every_step_and_can_stop() {
    let (mut network, x, targets) = problem();
    let loss = MeanSquaredError::new(&targets).unwrap();
    let mut trainer = Trainer::new(Sgd::new(0.1, 0.9).unwrap(), Batch::Mini(4), 1);
    let mut seen = Vec::new();
    let history = trainer
        .train(&mut network, &x, &loss, 10, |progress| {
            assert_eq!(progress.steps_per_epoch, 3);
            assert_eq!(progress.epoch_loss.is_some(), progress.step == 3);
            seen.push((progress.epoch, progress.step));
            match progress.epoch {
                1 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        })
        .unwrap();
    assert_eq!(seen, [(0, 1), (0, 2), (0, 3), (1, 1)]);
    assert_eq!((history.steps, history.losses.len()), (4, 1));
    assert_eq!(history.stop, Stop::Observer);
}

#[test]
fn a_run_that_diverges_names_step_and_layer_and_gives_back_the_best_weights() {
    // θ ← θ − 3·(2/3)·14·(θ − 2)·…: the error grows by a fixed factor each step until it overflows.
    let mut network = Network::builder(1)
        .dense_from(DMatrix::from_element(1, 1, 1.0), vec![0.0])
        .build_given()
        .unwrap();
    let x = DMatrix::from_row_slice(1, 3, &[1.0, 2.0, 3.0]);
    let targets = &x * 2.0;
    let loss = MeanSquaredError::new(&targets).unwrap();
    let mut trainer = Trainer::new(Sgd::new(3.0, 0.0).unwrap(), Batch::Full, 1);
    let history =
        trainer.train(&mut network, &x, &loss, 1000, |_| ControlFlow::Continue(())).unwrap();
    let Stop::Diverged { epoch, step, layer, name, .. } = &history.stop else {
        panic!("{:?}", history.stop)
    };
    assert!(*epoch == *step && (50..500).contains(step), "{step}");
    assert_eq!((*layer, name.as_str()), (0, "dense 1 -> 1"));
    // Every step was worse than the one before, so the first weights are the best.
    assert_eq!(network.parameters().as_slice(), [1.0, 0.0]);
    assert_eq!(history.losses.len(), *step);
    let text = Stop::Diverged { epoch: 3, step: 7, layer: 0, name: name.clone(), loss: f64::NAN };
    assert_eq!(
        text.to_string(),
        "diverged after 3 epochs and 7 steps: loss NaN, first NaN or infinity in layer 0 (dense 1 \
         -> 1)"
    );
    assert_eq!(Stop::Finished.to_string(), "all epochs are done");
    assert_eq!(Stop::Observer.to_string(), "stopped by the observer");
}

#[test]
fn the_layer_where_the_overflow_began_is_named_not_the_last() {
    let mut network = Network::builder(1)
        .dense_from(DMatrix::from_element(1, 1, 1e200), vec![0.0])
        .dense_from(DMatrix::from_element(1, 1, 1e200), vec![0.0])
        .dense_from(DMatrix::from_element(1, 1, 1.0), vec![0.0])
        .build_given()
        .unwrap();
    let x = DMatrix::from_element(1, 1, 1.0);
    let targets = DMatrix::zeros(1, 1);
    let loss = MeanSquaredError::new(&targets).unwrap();
    let mut trainer = Trainer::new(Sgd::new(0.1, 0.0).unwrap(), Batch::Online, 1);
    let history = trainer.train(&mut network, &x, &loss, 2, |_| ControlFlow::Continue(())).unwrap();
    let Stop::Diverged { epoch: 0, step: 0, layer: 1, .. } = history.stop else {
        panic!("{:?}", history.stop)
    };
}

#[test]
fn a_mini_batch_of_nothing_is_refused() {
    let (mut network, x, targets) = problem();
    let loss = MeanSquaredError::new(&targets).unwrap();
    let mut trainer = Trainer::new(Sgd::new(0.1, 0.0).unwrap(), Batch::Mini(0), 1);
    let error =
        trainer.train(&mut network, &x, &loss, 1, |_| ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(error, Error::Empty { .. }));
    assert_eq!(error.to_string(), "a mini-batch is empty; at least one is needed");
}
