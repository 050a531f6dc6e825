//! A network that guesses the input of another.

use std::ops::ControlFlow;

use linalg::{DMatrix, DMatrixView, DMatrixViewMut, Real};
use nn_core::{
    Adam, Batch, Gradients, Loss, MeanSquaredError, Network, Tanh, Trace, Trainer, schedule,
};
use rand::Rng;
use rand::RngExt;

use crate::Result;
use crate::arguments::{finite, size, some};

/// A network g trained to undo another, f: a start for a search, where no exact inverse exists.
///
/// First g learns pairs (f(x), x). Where several x give one y that teaches it their mean, which need not
/// give y at all; so then it learns to bring f(g(y)) near y, whichever x it takes. Its guess is off by a
/// tenth or so of what f gives. That is no answer, but a better start than 0: from it a search finds an
/// input for targets where it otherwise ends in a local minimum.
///
/// **The wrong turn** is to take the guess for the inverse. It has one or two digits, on targets like
/// those that it was trained on, and none elsewhere.
///
/// # References
/// Jordan & Rumelhart, "Forward models: supervised learning with a distal teacher", Cognitive Science
/// 16, 1992, for the second lesson and why the first is not enough.
///
/// # Examples
/// sin takes each value many times. The guess takes one of the angles, and not their mean:
/// ```
/// use linalg::DMatrix;
/// use nn_core::{Network, Sin};
/// use nn_invert::{LearnedInverse, Lesson};
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let network = Network::builder(1)
///     .dense_from(DMatrix::from_element(1, 1, 1.0), vec![0.0])
///     .activation(Sin)
///     .build_given()?;
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
/// // From 0 to π, where each sine occurs twice, with π/2 as the mean of the two.
/// let x = DMatrix::from_fn(1, 200, |_, j| j as f64 * std::f64::consts::PI / 199.0);
/// let lesson = Lesson::default().hidden(vec![16]).epochs(20, 200);
/// let inverse = LearnedInverse::train(&network, &x, &lesson, &mut rng)?;
///
/// let guess = inverse.guess(&DMatrix::from_element(1, 1, 0.5))?;
/// assert!((guess[0].sin() - 0.5).abs() < 0.1);
/// assert_eq!(inverse.network().inputs(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct LearnedInverse<T: Real> {
    network: Network<T>,
}

/// How a [`LearnedInverse`] is taught.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Lesson {
    /// Units of the hidden layers, by default two of 64.
    pub hidden: Vec<usize>,
    /// Epochs on the pairs, by default 30.
    pub pairs: usize,
    /// Epochs on f(g(y)), by default 60.
    pub outputs: usize,
    /// Samples in a step, by default 64.
    pub batch: usize,
    /// The rate of Adam at the start of each part, by default 3e-3; it falls to 0 on a cosine.
    pub rate: f64,
}

impl Default for Lesson {
    fn default() -> Self {
        Self { hidden: vec![64, 64], pairs: 30, outputs: 60, batch: 64, rate: 3e-3 }
    }
}

impl Lesson {
    /// Sets [`Lesson::hidden`].
    #[must_use]
    pub fn hidden(self, hidden: Vec<usize>) -> Self {
        Self { hidden, ..self }
    }

    /// Sets [`Lesson::pairs`] and [`Lesson::outputs`].
    #[must_use]
    pub fn epochs(self, pairs: usize, outputs: usize) -> Self {
        Self { pairs, outputs, ..self }
    }

    /// Sets [`Lesson::batch`].
    #[must_use]
    pub fn batch(self, batch: usize) -> Self {
        Self { batch, ..self }
    }

    /// Sets [`Lesson::rate`].
    #[must_use]
    pub fn rate(self, rate: f64) -> Self {
        Self { rate, ..self }
    }
}

impl<T: Real> LearnedInverse<T> {
    /// Teaches a network to undo `forward` on what it gives for the columns of `inputs`, which should
    /// be inputs like those that will be asked for.
    ///
    /// # Errors
    /// [`Error::Network`](crate::Error::Network) where `inputs` does not fit, or for a lesson without
    /// samples or with a rate that is not positive.
    pub fn train(
        forward: &Network<T>,
        inputs: &DMatrix<T>,
        lesson: &Lesson,
        rng: &mut impl Rng,
    ) -> Result<Self> {
        some("a step", lesson.batch)?;
        let outputs = forward.predict(inputs)?;
        let mut builder = Network::builder(forward.outputs());
        for &units in &lesson.hidden {
            builder = builder.dense(units).activation(Tanh);
        }
        let mut network = builder.dense(forward.inputs()).build(rng)?;
        let steps = inputs.ncols().div_ceil(lesson.batch) as u64;
        let mut teach = |loss: &dyn Loss<T>, epochs: usize| -> Result<()> {
            let steps = steps * epochs as u64;
            let adam = Adam::new(lesson.rate)?;
            let _ = Trainer::new(adam, Batch::Mini(lesson.batch), rng.random())
                .schedule(move |step| schedule::cosine(step, steps))
                .train(&mut network, &outputs, loss, epochs, |_| ControlFlow::Continue(()))?;
            Ok(())
        };
        teach(&MeanSquaredError::new(inputs)?, lesson.pairs)?;
        teach(&Reached { forward, targets: &outputs }, lesson.outputs)?;
        Ok(Self { network })
    }

    /// A guess at the inputs whose outputs are the columns of `targets`.
    ///
    /// # Errors
    /// [`Error::Network`](crate::Error::Network) where `targets` does not fit or is not finite.
    pub fn guess(&self, targets: &DMatrix<T>) -> Result<DMatrix<T>> {
        size("targets", "rows", targets.nrows(), self.network.inputs())?;
        finite("targets", targets.as_slice(), targets.nrows())?;
        Ok(self.network.predict(targets)?)
    }

    /// The network g.
    #[must_use]
    pub fn network(&self) -> &Network<T> {
        &self.network
    }
}

/// The mean of (f(p) − y)²: whether the guesses p lead to the targets.
#[derive(Debug)]
struct Reached<'a, T: Real> {
    forward: &'a Network<T>,
    targets: &'a DMatrix<T>,
}

impl<T: Real> Loss<T> for Reached<'_, T> {
    fn samples(&self) -> usize {
        self.targets.ncols()
    }

    fn outputs(&self) -> usize {
        self.forward.inputs()
    }

    fn evaluate(
        &self,
        samples: &[usize],
        p: DMatrixView<'_, T>,
        mut dp: DMatrixViewMut<'_, T>,
    ) -> nn_core::Result<f64> {
        let mut trace = Trace::new();
        self.forward.forward(&p.into_owned(), &mut trace)?;
        let mut off = trace.output().into_owned();
        for (mut column, &sample) in off.column_iter_mut().zip(samples) {
            column -= self.targets.column(sample);
        }
        let count = off.len() as f64;
        let loss = off.norm_squared().to_double() / count;
        off *= T::from_double(2.0 / count);
        self.forward.backward(&off, Gradients::Input, &mut trace)?;
        if let Some(gradient) = trace.input_gradient() {
            dp.copy_from(&gradient);
        }
        Ok(loss)
    }
}

#[cfg(test)]
mod tests {
    use linalg::DMatrix;
    use nn_core::Tanh;

    use super::*;
    use crate::testing::{normal, seeded};

    #[test]
    fn the_loss_of_a_guess_is_the_mean_square_of_what_it_misses_by() {
        let mut rng = seeded(1);
        let forward = Network::<f64>::builder(2).dense(3).activation(Tanh).build(&mut rng).unwrap();
        let targets = normal(3, 5, &mut rng);
        let loss = Reached { forward: &forward, targets: &targets };
        assert_eq!((loss.samples(), loss.outputs()), (5, 2));
        let (samples, p) = ([3, 0], normal(2, 2, &mut rng));
        let value = |p: &DMatrix<f64>| {
            let off = forward.predict(p).unwrap() - targets.select_columns(&samples);
            off.norm_squared() / 6.0
        };
        let mut dp = DMatrix::zeros(2, 2);
        let found = loss.evaluate(&samples, p.as_view(), dp.as_view_mut()).unwrap();
        assert!((found - value(&p)).abs() <= 16.0 * f64::EPSILON * found);
        // Central differences: eps^(2/3) of what is of the size of 1.
        let step = f64::EPSILON.cbrt();
        for at in 0..4 {
            let moved = |by: f64| {
                let mut moved = p.clone();
                moved[at] += by;
                value(&moved)
            };
            let slope = (moved(step) - moved(-step)) / (2.0 * step);
            assert!((dp[at] - slope).abs() <= 100.0 * step * step, "{} {slope}", dp[at]);
        }
    }
}
