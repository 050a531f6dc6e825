//! The training loop: one path for offline, mini-batch and online; stopping; diverging.

use std::ops::ControlFlow;

use linalg::{DMatrix, DVector};
use nn_core::{
    Adam, Batch, Clip, Error, History, MeanSquaredError, Network, Plan, Sgd, SoftmaxCrossEntropy,
    Stop, Tanh, Trace, Trainer,
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

#[test]
fn a_resumed_run_has_the_same_bits() {
    // Interrupted in the middle of an epoch, with a schedule, momentum and clipping.
    let make = || {
        Trainer::new(Adam::new(0.01).unwrap(), Batch::Mini(3), 9)
            .schedule(|step| nn_core::schedule::cosine(step, 60))
            .clip(Clip::Norm(0.5))
            .unwrap()
    };
    let (mut network, x, targets) = problem();
    let loss = MeanSquaredError::new(&targets).unwrap();
    let mut whole = network.clone();
    let observer = |_: &nn_core::Progress<'_, f64>| ControlFlow::Continue(());
    let history = make().train(&mut whole, &x, &loss, 10, observer).unwrap();

    let mut first = make();
    let part = first
        .train(&mut network, &x, &loss, 10, |progress| match (progress.epoch, progress.step) {
            (4, 2) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
        .unwrap();
    assert_eq!((part.losses.len(), part.steps), (4, 18));
    let state = first.state();
    assert_eq!((state.epoch, state.step_in_epoch, state.steps), (4, 2, 18));
    drop(first);
    let mut second = make();
    second.resume(&state).unwrap();
    assert_eq!(second.state(), state);
    let rest = second.train(&mut network, &x, &loss, 6, observer).unwrap();
    assert_eq!(network.parameters(), whole.parameters());
    assert_eq!(part.losses.iter().chain(&rest.losses).copied().collect::<Vec<_>>(), history.losses);
    // Another seed is another run.
    let mut other = make();
    other.resume(&nn_core::TrainerState { seed: 10, ..state.clone() }).unwrap();
    assert_eq!(other.state().seed, 10);
    let mut wrong = state;
    wrong.best.push(0.0);
    let text = other.resume(&wrong).unwrap_err().to_string();
    assert_eq!(text, "best has 26 entries, expected 25");
}

#[test]
fn micro_batches_give_the_gradient_of_the_batch() {
    let (_, x, _) = problem();
    let labels = [0, 1, 2, 0, 9, 2, 1, 9, 0, 1];
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    let network =
        Network::<f64>::builder(2).dense(5).activation(Tanh).dense(3).build(&mut rng).unwrap();
    // Weights and ignored samples make micro-batches of the same size count differently.
    let loss = SoftmaxCrossEntropy::ignoring(&labels, 3, 9).unwrap();
    let loss = loss.class_weights(&[1.0, 3.0, 0.5]).unwrap();
    let step = |micro: Option<usize>| {
        let mut network = network.clone();
        let trainer = Trainer::new(Sgd::new(1.0, 0.5).unwrap(), Batch::Full, 1);
        let mut trainer = match micro {
            None => trainer,
            Some(size) => trainer.micro_batches(size).unwrap(),
        };
        let value = trainer.step(&mut network, &x, &loss).unwrap();
        (value, network.parameters().clone())
    };
    let (value, whole) = step(None);
    for size in [1, 3, 4, 9, 10, 99] {
        let (part_value, part) = step(Some(size));
        assert!((value - part_value).abs() <= 16.0 * f64::EPSILON, "{size}");
        assert!((&whole - part).amax() <= 16.0 * f64::EPSILON, "{size}");
    }
    let trainer = Trainer::<f64>::new(Sgd::new(1.0, 0.0).unwrap(), Batch::Full, 1);
    let text = trainer.micro_batches(0).unwrap_err().to_string();
    assert_eq!(text, "a micro-batch is empty; at least one is needed");
}

#[test]
fn a_clipped_gradient_keeps_its_direction_or_its_signs() {
    let (network, x, targets) = problem();
    let loss = MeanSquaredError::new(&targets).unwrap();
    let mut trace = Trace::new();
    network.loss_and_gradient(&x, &loss, &mut trace).unwrap();
    let gradient = trace.gradient().clone();
    let moved = |clip: Clip| {
        let mut network = network.clone();
        let trainer = Trainer::new(Sgd::new(1.0, 0.0).unwrap(), Batch::Full, 1);
        trainer.clip(clip).unwrap().step(&mut network, &x, &loss).unwrap();
        network.parameters().clone()
    };
    let near = |a: DVector<f64>, b: DVector<f64>| (a - b).amax() <= 16.0 * f64::EPSILON;
    let limit = gradient.norm() / 4.0;
    assert!(near(moved(Clip::Norm(limit)), network.parameters() - &gradient / 4.0));
    assert!(near(moved(Clip::Norm(8.0 * limit)), network.parameters() - &gradient));
    let limit = gradient.amax() / 2.0;
    let cut = gradient.map(|g| g.clamp(-limit, limit));
    assert!(near(moved(Clip::Value(limit)), network.parameters() - cut));
    let trainer = Trainer::<f64>::new(Sgd::new(1.0, 0.0).unwrap(), Batch::Full, 1);
    assert_eq!(
        trainer.clip(Clip::Value(f64::NAN)).unwrap_err().to_string(),
        "the limit of a gradient is NaN, expected a finite number greater than 0"
    );
}

#[test]
fn the_schedule_multiplies_the_rate_of_each_step() {
    // θ ← θ − η·f(t)·2(θ − 2)·x² at x = 1: every step multiplies the error by 1 − 2·η·f(t).
    let mut network =
        Network::builder(1).dense_from(DMatrix::zeros(1, 1), vec![0.0]).build_given().unwrap();
    let x = DMatrix::from_row_slice(1, 2, &[1.0, -1.0]);
    let targets = &x * 2.0;
    let loss = MeanSquaredError::new(&targets).unwrap();
    let mut trainer = Trainer::new(Sgd::new(0.25, 0.0).unwrap(), Batch::Full, 1)
        .schedule(|step| if step == 0 { 1.0 } else { 0.5 / step as f64 });
    let _ = trainer.train(&mut network, &x, &loss, 3, |_| ControlFlow::Continue(())).unwrap();
    let expected: f64 = 2.0 - 2.0 * 0.5 * 0.75 * 0.875;
    assert!((network.parameters()[0] - expected).abs() < 1e-15);
}

#[test]
fn early_stopping_gives_back_the_weights_of_the_best_epoch() {
    // Trained towards 2, judged by nearness to 1, which it passes.
    let mut network =
        Network::builder(1).dense_from(DMatrix::zeros(1, 1), vec![0.0]).build_given().unwrap();
    let x = DMatrix::from_row_slice(1, 2, &[1.0, -1.0]);
    let (targets, judged) = (&x * 2.0, x.clone());
    let (loss, judge) =
        (MeanSquaredError::new(&targets).unwrap(), MeanSquaredError::new(&judged).unwrap());
    let mut trainer = Trainer::new(Sgd::new(0.05, 0.0).unwrap(), Batch::Full, 1);
    let plan = Plan::epochs(100).validate(&x, &judge, 3);
    let history =
        trainer.train(&mut network, &x, &loss, plan, |_| ControlFlow::Continue(())).unwrap();
    // 2 − 2·0.9ᵏ is nearest to 1 at k = 7, the seventh epoch.
    assert_eq!((history.best_epoch, history.stop), (Some(6), Stop::NoImprovement { epochs: 4 }));
    assert_eq!((history.validation.len(), history.losses.len()), (11, 11));
    assert!((network.parameters()[0] - (2.0 - 2.0 * 0.9_f64.powi(7))).abs() < 1e-14);
    assert!((network.loss(&x, &judge).unwrap() - history.validation[6]).abs() < 1e-15);
    let text = Stop::NoImprovement { epochs: 4 }.to_string();
    assert_eq!(text, "the validation loss has not fallen for 4 epochs");
    assert_eq!(Stop::Converged.to_string(), "the gradient is small enough");
    assert_eq!(Stop::NoDescent.to_string(), "no step along the gradient lowers the loss");
}

#[test]
fn a_step_that_diverges_is_an_error_that_names_the_layer() {
    let mut network = Network::builder(1)
        .dense_from(DMatrix::from_element(1, 1, 1e200), vec![0.0])
        .activation(Tanh)
        .dense_from(DMatrix::from_element(1, 1, 1e200), vec![0.0])
        .build_given()
        .unwrap();
    let before = network.parameters().clone();
    let x = DMatrix::from_element(1, 1, 1e-190);
    let targets = DMatrix::zeros(1, 1);
    let loss = MeanSquaredError::new(&targets).unwrap();
    let mut trainer = Trainer::new(Sgd::new(0.1, 0.0).unwrap(), Batch::Full, 1);
    let error = trainer.step(&mut network, &x, &loss).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the step diverged: loss inf, first NaN or infinity in layer 2 (dense 1 -> 1)"
    );
    assert_eq!(network.parameters(), &before);
}
