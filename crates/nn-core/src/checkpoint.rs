//! A training run as a file: the network, and all that its trainer remembers.

use std::path::Path;

use linalg::Real;
use safetensors::tensor::{Dtype, SafeTensors};

use crate::files::{
    Saved, TRAINER, contents, deserialize, dtype_of, serialize, unwritten, values_of,
};
use crate::{Error, Network, OptimizerMemory, Result, Trainer, TrainerState};

/// The beginning of the names of what the optimizer remembers.
const OPTIMIZER: &str = "trainer.optimizer.";
const COUNTS: [&str; 5] =
    ["trainer.seed", "trainer.epoch", "trainer.steps", "trainer.step_in_epoch", "trainer.updates"];
const LOSSES: [&str; 3] = ["trainer.loss_sum", "trainer.weight_sum", "trainer.best_loss"];
const BEST: &str = "trainer.best";
const START: &str = "trainer.start";

impl<T: Real> Trainer<T> {
    /// The run as the contents of a safetensors file: the tensors of
    /// [`Network::to_safetensors`], and beside them [`Trainer::state`] under names that begin with
    /// `trainer.`.
    ///
    /// The same run gives the same bytes. [`Network::load_safetensors`] takes the weights alone.
    ///
    /// # Errors
    /// As [`Network::to_safetensors`].
    ///
    /// # Examples
    /// Five epochs, a file, and five more are ten epochs, to the bit.
    /// ```
    /// use linalg::DMatrix;
    /// use nn_core::{Adam, Batch, MeanSquaredError, Network, Trainer};
    /// use std::ops::ControlFlow;
    ///
    /// let x = DMatrix::from_row_slice(1, 4, &[-1.0, 0.0, 1.0, 2.0]);
    /// let targets = &x * 2.0;
    /// let loss = MeanSquaredError::new(&targets)?;
    /// let go_on = |_: &nn_core::Progress<'_, f64>| ControlFlow::Continue(());
    /// let make = || {
    ///     let start = Network::builder(1).dense_from(DMatrix::zeros(1, 1), vec![0.0]);
    ///     let trainer = Trainer::new(Adam::new(0.1)?, Batch::Mini(3), 7);
    ///     Ok::<_, nn_core::Error>((start.build_given()?, trainer))
    /// };
    /// let (mut whole, mut trainer) = make()?;
    /// trainer.train(&mut whole, &x, &loss, 10, go_on)?;
    ///
    /// let (mut network, mut trainer) = make()?;
    /// trainer.train(&mut network, &x, &loss, 5, go_on)?;
    /// let bytes = trainer.to_safetensors(&network)?;
    ///
    /// let (mut network, mut trainer) = make()?;
    /// trainer.load_safetensors(&mut network, &bytes)?;
    /// trainer.train(&mut network, &x, &loss, 5, go_on)?;
    /// assert_eq!(network.parameters(), whole.parameters());
    /// # Ok::<(), nn_core::Error>(())
    /// ```
    pub fn to_safetensors(&self, network: &Network<T>) -> Result<Vec<u8>> {
        let state = self.state();
        let OptimizerMemory { steps: updates, vectors } = &state.optimizer;
        let counts = [state.seed, state.epoch, state.steps, state.step_in_epoch, *updates];
        let losses = [state.loss_sum, state.weight_sum, state.best_loss];
        let vector = |name: &str, values: &[T]| {
            Saved::of(name.to_owned(), &[values.len()], values.iter().copied())
        };
        let mut saved = network.saved(&network.numbered())?;
        saved.extend(COUNTS.iter().zip(counts).map(|(name, count)| Saved {
            name: (*name).to_owned(),
            dtype: Dtype::U64,
            shape: Vec::new(),
            bytes: count.to_le_bytes().to_vec(),
        }));
        saved.extend(LOSSES.iter().zip(losses).map(|(name, loss)| Saved {
            name: (*name).to_owned(),
            dtype: Dtype::F64,
            shape: Vec::new(),
            bytes: loss.to_le_bytes().to_vec(),
        }));
        saved.extend([vector(BEST, &state.best), vector(START, &state.start)]);
        saved.extend(vectors.iter().map(|(name, v)| vector(&format!("{OPTIMIZER}{name}"), v)));
        serialize(&saved)
    }

    /// Goes on from what [`Trainer::to_safetensors`] wrote: this trainer, made with the same optimizer
    /// and options, and `network`, made of the same layers, do what those written down would have
    /// done, to the bit.
    ///
    /// # Errors
    /// As [`Network::load_safetensors`] and [`Trainer::resume`], and [`Error::TensorType`] where the
    /// file is of another precision, which would not go on to the same bits. `network` is then as it
    /// was, and so is the trainer.
    pub fn load_safetensors(&mut self, network: &mut Network<T>, bytes: &[u8]) -> Result<()> {
        let file = deserialize(bytes)?;
        let (parameters, network_state) = network.read(&file, &network.numbered())?;
        let entries = parameters.len();
        let mut names = file.names();
        names.sort_unstable();
        let mut vectors = Vec::new();
        for name in names {
            let known = [BEST, START].contains(&name) || !name.starts_with(TRAINER);
            if let Some(vector) = name.strip_prefix(OPTIMIZER) {
                vectors.push((vector.to_owned(), numbers(&file, name, entries)?));
            } else if known {
                of_type(&file, name, dtype_of::<T>())?;
            } else if !COUNTS.contains(&name) && !LOSSES.contains(&name) {
                return Err(Error::UnexpectedTensor { name: name.to_owned() });
            }
        }
        let count = |name| Ok::<_, Error>(u64::from_le_bytes(word(&file, name, Dtype::U64)?));
        let loss = |name| Ok::<_, Error>(f64::from_le_bytes(word(&file, name, Dtype::F64)?));
        let [seed, epoch, steps, step_in_epoch, updates] = COUNTS.map(count);
        let [loss_sum, weight_sum, best_loss] = LOSSES.map(loss);
        self.resume(&TrainerState {
            seed: seed?,
            epoch: epoch?,
            steps: steps?,
            step_in_epoch: step_in_epoch?,
            loss_sum: loss_sum?,
            weight_sum: weight_sum?,
            best_loss: best_loss?,
            best: numbers(&file, BEST, entries)?,
            start: numbers(&file, START, entries)?,
            optimizer: OptimizerMemory { steps: updates?, vectors },
        })?;
        network.take(&parameters, &network_state);
        Ok(())
    }

    /// Writes [`Trainer::to_safetensors`] to a file: first to `path` with `.new` at its end, which then
    /// takes the place of `path`, so that no moment is without a whole checkpoint.
    ///
    /// # Errors
    /// As there, and [`Error::Write`] with the path.
    pub fn save(&self, network: &Network<T>, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let new = Path::new(&new);
        std::fs::write(new, self.to_safetensors(network)?)
            .map_err(|error| unwritten(new, &error))?;
        std::fs::rename(new, path).map_err(|error| unwritten(path, &error))
    }

    /// Reads [`Trainer::load_safetensors`] from a file.
    ///
    /// # Errors
    /// As there, and [`Error::Open`] with the path.
    pub fn load(&mut self, network: &mut Network<T>, path: impl AsRef<Path>) -> Result<()> {
        self.load_safetensors(network, &contents(path.as_ref())?)
    }
}

/// The numbers of a vector that has an entry for each of so many parameters, or none.
fn numbers<T: Real>(file: &SafeTensors<'_>, name: &str, entries: usize) -> Result<Vec<T>> {
    of_type(file, name, dtype_of::<T>())?;
    let view = tensor(file, name)?;
    if view.shape() != [0] && view.shape() != [entries] {
        let (name, found) = (name.to_owned(), view.shape().to_vec());
        return Err(Error::TensorShape { name, found, expected: vec![entries] });
    }
    values_of(name, &view)
}

/// The eight bytes of a tensor that is one number.
fn word(file: &SafeTensors<'_>, name: &str, dtype: Dtype) -> Result<[u8; 8]> {
    of_type(file, name, dtype)?;
    let view = tensor(file, name)?;
    view.data().try_into().map_err(|_| Error::TensorShape {
        name: name.to_owned(),
        found: view.shape().to_vec(),
        expected: Vec::new(),
    })
}

fn tensor<'a>(file: &SafeTensors<'a>, name: &str) -> Result<safetensors::tensor::TensorView<'a>> {
    file.tensor(name).map_err(|_| Error::MissingTensor { name: name.to_owned() })
}

/// Refuses a tensor of numbers of another type.
fn of_type(file: &SafeTensors<'_>, name: &str, dtype: Dtype) -> Result<()> {
    let found = tensor(file, name)?.dtype();
    if found == dtype {
        return Ok(());
    }
    let expected = match dtype {
        Dtype::U64 => "U64",
        Dtype::F32 => "F32",
        _ => "F64",
    };
    Err(Error::TensorType { name: name.to_owned(), found: format!("{found:?}"), expected })
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use linalg::DMatrix;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::{Adam, Batch, Clip, MeanSquaredError, Progress, RmsProp, Sgd, Tanh, schedule};

    /// A network with state and dropout, whose resumption needs the random numbers too.
    fn network<T: Real>() -> Network<T> {
        let builder = Network::builder(2).dense(5).batch_norm().activation(Tanh).dropout(0.2);
        builder.dense(1).build(&mut Xoshiro256PlusPlus::seed_from_u64(3)).unwrap()
    }

    fn trainer<T: Real>() -> Trainer<T> {
        let trainer = Trainer::new(Adam::new(0.02).unwrap(), Batch::Mini(3), 9);
        trainer.schedule(|step| schedule::cosine(step, 60)).clip(Clip::Norm(0.5)).unwrap()
    }

    fn problem<T: Real>() -> (DMatrix<T>, DMatrix<T>) {
        let value = |row, column| ((3 * column + 7 * row) % 10) as f64 / 5.0 - 1.0;
        let x = DMatrix::from_fn(2, 11, |row, column| T::from_double(value(row, column)));
        let t = DMatrix::from_fn(1, 11, |_, column| x[(0, column)] * x[(1, column)]);
        (x, t)
    }

    /// Trains for `epochs`, or until the observer has seen `last`, an epoch and a step.
    fn train<T: Real>(
        trainer: &mut Trainer<T>,
        network: &mut Network<T>,
        epochs: usize,
        last: Option<(usize, usize)>,
    ) {
        let (x, targets) = problem::<T>();
        let loss = MeanSquaredError::new(&targets).unwrap();
        let observer = |progress: &Progress<'_, T>| match last {
            Some(last) if last == (progress.epoch, progress.step) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        let _ = trainer.train(network, &x, &loss, epochs, observer).unwrap();
    }

    /// A run that was interrupted in an epoch, and its file.
    fn interrupted<T: Real>() -> (Trainer<T>, Network<T>, Vec<u8>) {
        let (mut trainer, mut network) = (trainer(), network());
        train(&mut trainer, &mut network, 10, Some((4, 2)));
        let bytes = trainer.to_safetensors(&network).unwrap();
        (trainer, network, bytes)
    }

    fn resumes_to_the_bit<T: Real>() {
        let (mut whole, mut expected) = (trainer::<T>(), network::<T>());
        train(&mut whole, &mut expected, 10, None);
        let (first, written, bytes) = interrupted::<T>();
        assert_eq!(first.to_safetensors(&written).unwrap(), bytes, "the same bytes every time");

        let (mut second, mut network) = (trainer::<T>(), network::<T>());
        second.load_safetensors(&mut network, &bytes).unwrap();
        assert_eq!(second.state(), first.state());
        assert_eq!(network.parameters(), written.parameters());
        train(&mut second, &mut network, 6, None);
        assert_eq!(network.parameters(), expected.parameters());
        assert_eq!(network.state(), expected.state());
        assert_eq!(second.state(), whole.state());
    }

    #[test]
    fn a_run_resumed_from_its_file_has_the_same_bits() {
        resumes_to_the_bit::<f32>();
        resumes_to_the_bit::<f64>();
    }

    #[test]
    fn the_file_replaces_the_one_before_and_is_a_network_s_too() {
        let (mut first, mut written, bytes) = interrupted::<f32>();
        let path = std::env::temp_dir().join(format!("checkpoint-{}", std::process::id()));
        first.save(&written, &path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        train(&mut first, &mut written, 1, None);
        first.save(&written, &path).unwrap();
        let (mut second, mut other) = (trainer::<f32>(), network::<f32>());
        second.load(&mut other, &path).unwrap();
        assert_eq!((other.parameters(), other.state()), (written.parameters(), written.state()));
        let mut weights = network::<f32>();
        weights.load(&path).unwrap();
        assert_eq!(weights.parameters(), written.parameters());
        std::fs::remove_file(&path).unwrap();

        let text = first.load(&mut other, &path).unwrap_err().to_string();
        assert_eq!(text, format!("cannot open {}: entity not found", path.display()));
        let text = first.save(&other, "no/such/run").unwrap_err().to_string();
        assert_eq!(text, "cannot write no/such/run.new: entity not found");
    }

    #[test]
    fn what_does_not_fit_is_named_and_changes_nothing() {
        let (first, written, bytes) = interrupted::<f64>();
        let refused = |trainer: Trainer<f64>, bytes: &[u8]| {
            let (mut trainer, mut network) = (trainer, network::<f64>());
            let (before, memory) = (network.clone(), trainer.state());
            let text = trainer.load_safetensors(&mut network, bytes).unwrap_err().to_string();
            assert_eq!(
                (network.parameters(), network.state()),
                (before.parameters(), before.state())
            );
            assert_eq!(trainer.state(), memory, "{text}");
            text
        };
        let single = interrupted::<f32>().2;
        assert_eq!(refused(trainer(), &single), "tensor \"0.bias\" holds F32, expected F64");
        let weights = written.to_safetensors().unwrap();
        assert_eq!(refused(trainer(), &weights), "the file has no tensor \"trainer.seed\"");
        let of = |optimizer| Trainer::new(optimizer, Batch::Online, 1);
        assert_eq!(
            refused(of(Sgd::new(0.1, 0.9).unwrap()), &bytes),
            "the state has 31 numbers in \"mean\", expected 0"
        );
        let other = Trainer::new(RmsProp::new(0.1).unwrap(), Batch::Online, 1);
        assert_eq!(refused(other, &bytes), "the state has 31 numbers in \"mean\", expected 0");

        // The good file with one tensor replaced, added or, with no bytes, left out.
        let with = |name: &str, dtype, shape: &[usize], content: &[u8]| {
            let file = deserialize(&bytes).unwrap();
            let mut saved: Vec<Saved> = Vec::new();
            for (name, view) in file.tensors().into_iter().filter(|(found, _)| found != name) {
                let (shape, bytes) = (view.shape().to_vec(), view.data().to_vec());
                saved.push(Saved { name, dtype: view.dtype(), shape, bytes });
            }
            let (shape, bytes) = (shape.to_vec(), content.to_vec());
            saved.push(Saved { name: name.to_owned(), dtype, shape, bytes });
            refused(trainer(), &serialize(&saved).unwrap())
        };
        assert_eq!(
            with("trainer.mood", Dtype::F64, &[], &[0; 8]),
            "the file has a tensor \"trainer.mood\", for which the network has no place"
        );
        assert_eq!(
            with("trainer.best", Dtype::F64, &[2], &[0; 16]),
            "tensor \"trainer.best\" has the shape [2], expected [31]"
        );
        assert_eq!(
            with("trainer.epoch", Dtype::I64, &[], &[0; 8]),
            "tensor \"trainer.epoch\" holds I64, expected U64"
        );
        assert_eq!(
            with("trainer.epoch", Dtype::U64, &[2], &[0; 16]),
            "tensor \"trainer.epoch\" has the shape [2], expected []"
        );
        assert_eq!(
            with("trainer.epoch", Dtype::U64, &[], &u64::MAX.to_le_bytes()),
            "epoch is 1.8446744073709552e19, expected a count up to 2^53"
        );
        assert_eq!(
            with("trainer.loss_sum", Dtype::F64, &[], &f64::NAN.to_le_bytes()),
            "loss_sum is NaN, expected a finite number"
        );
        assert_eq!(
            with("trainer.optimizer.square", Dtype::F64, &[31], &f64::NAN.to_le_bytes().repeat(31)),
            "entry 0 of tensor \"trainer.optimizer.square\" is NaN, which is not finite in the \
             network's precision"
        );
        assert_eq!(first.state(), interrupted::<f64>().0.state());
    }

    #[test]
    fn no_mutation_of_a_file_panics_or_is_half_taken() {
        let bytes = interrupted::<f32>().2;
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
        let (start, untrained) = (network::<f32>(), trainer::<f32>().state());
        let mut taken = 0;
        for _ in 0..10_000 {
            let mut mutated = bytes.clone();
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..mutated.len());
                match rng.random_range(0..8) {
                    0 => mutated.truncate(at.max(1)),
                    1 => mutated.insert(at, rng.random()),
                    _ => mutated[at] = rng.random(),
                }
            }
            let (mut trainer, mut network) = (trainer::<f32>(), start.clone());
            match trainer.load_safetensors(&mut network, &mutated) {
                Ok(()) => {
                    // Whatever the numbers, it trains, or says that it diverged.
                    taken += 1;
                    train(&mut trainer, &mut network, 2, None);
                }
                Err(_) => {
                    assert_eq!(network.parameters(), start.parameters());
                    assert_eq!(trainer.state(), untrained);
                }
            }
        }
        assert!((1000..9000).contains(&taken), "{taken}");
    }
}
