//! The chain: an estimated dL/dP of a black box into the backpropagation of a network.

use std::ops::Range;

use linalg::parallel::{inside, join};
use linalg::{DMatrix, DVector, Real};
use nn_core::{Gradients, Network, Trace};

use crate::check;
use crate::gradients::estimate::Moments;
use crate::gradients::estimator::Asked;
use crate::{Error, Estimator, Result, Simulator, Streams};

/// The gradient of a network's parameters under a black box that judges its outputs, one output per sample.
///
/// The network maps each column of X to an output P; the black box, a simulator, maps P to a number. With L the
/// mean loss over N samples,
///
/// ```text
/// dL/dθ = (1/N) Σₙ (∂Pₙ/∂θ)ᵀ Cₙ,   Cₙ = ∂lossₙ/∂P at P = Pₙ.
/// ```
///
/// Cₙ is estimated from values of the black box ([`Self::estimate`]) or known ([`Self::exact`]); (∂P/∂θ)ᵀ·C is
/// what backpropagation computes, exactly, when it is handed C. C is a constant there: a number per output and
/// sample, not a function of θ.
///
/// **Which way is down.** The result is always the gradient of a *loss*, to be subtracted, which is what
/// [`nn_core::Optimizer`] does with it. [`Chain::of_reward`] takes the loss to be −reward.
///
/// # Examples
/// A black box that no one can differentiate, for what is in fact |P − target|²/2:
/// ```
/// use linalg::DMatrix;
/// use nn_core::{Adam, Network, Optimizer, Tanh};
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
/// use rl_pg::{Chain, Estimator};
///
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
/// let mut network = Network::<f64>::builder(1).dense(8).activation(Tanh).dense(2).build(&mut rng)?;
/// let x = DMatrix::from_row_slice(1, 4, &[-1.0, -0.3, 0.3, 1.0]);
/// let simulator = |sample: usize, p: &[f64], _seed: u64| {
///     let x = [-1.0f64, -0.3, 0.3, 1.0][sample];
///     Ok(0.5 * ((p[0] - x.sin()).powi(2) + (p[1] - x * x).powi(2)))
/// };
/// let (chain, estimator) = (Chain::of_loss(), Estimator::central(1e-4));
/// let mut optimizer = Adam::new(0.03)?;
/// let mut last = f64::INFINITY;
/// for step in 0..400 {
///     let found = chain.estimate(&estimator, &network, &x, simulator, step)?;
///     optimizer.step(network.parameters_mut(), found.gradient.as_slice());
///     last = found.value;
/// }
/// assert!(last < 1e-3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Chain {
    /// What the black box returns.
    pub objective: Objective,
    /// The largest Euclidean length of a sample's Cₙ; a longer one is shortened to it. None by default. Near
    /// an edge of contact single slopes are huge, and one of them decides the step of a whole batch. What is
    /// shortened is no longer without bias.
    pub clip: Option<f64>,
}

/// What a black box returns: whether more of it is worse or better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objective {
    /// A loss, to be lowered.
    Loss,
    /// A reward, to be raised.
    Reward,
}

/// The gradient of a network's parameters, with its evidence.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct ChainGradient<T: Real> {
    /// dL/dθ of the mean *loss*, as [`Network::parameters`] are arranged: subtract a multiple of it.
    pub gradient: DVector<T>,
    /// The standard error of each entry, from the spread of the samples: contexts and estimates together;
    /// infinite for a single sample.
    pub std_error: DVector<f64>,
    /// The mean of what the black box returned, loss or reward.
    pub value: f64,
    /// The standard error of `value` over the samples; infinite for a single one.
    pub value_std_error: f64,
    /// How often the black box was asked.
    pub evaluations: usize,
    /// P, outputs × samples: where the gradients were taken.
    pub outputs: DMatrix<T>,
    /// C, outputs × samples: ∂loss/∂P of each sample, clipped, without the factor 1/N.
    pub output_gradients: DMatrix<f64>,
    /// How many columns of C were shortened.
    pub clipped: usize,
    /// The samples whose slopes at two displacements disagree by more than half ([`Slopes`](crate::Slopes)):
    /// a jump lies near, and C does not see it. Empty where the estimator does not compare.
    pub disagreeing: Vec<usize>,
}

/// Purposes of its random streams.
const ESTIMATE: u64 = 0;
const OBSERVATION: u64 = 1;

impl Chain {
    /// For a black box that returns a loss.
    #[must_use]
    pub fn of_loss() -> Self {
        Self { objective: Objective::Loss, clip: None }
    }

    /// For a black box that returns a reward: the loss is its negative.
    #[must_use]
    pub fn of_reward() -> Self {
        Self { objective: Objective::Reward, clip: None }
    }

    /// Shortens each sample's C to this Euclidean length.
    #[must_use]
    pub fn clip(mut self, length: f64) -> Self {
        self.clip = Some(length);
        self
    }

    /// dL/dθ for the columns of `x`, inputs × samples, with C estimated from values.
    ///
    /// `black_box` gets the index of the sample, an output near the network's P for it, and a seed; with a
    /// [`Simulator`](crate::Simulator) it is `|sample, action, seed| Ok(simulator.rollout(context(sample),
    /// action, seed)?.reward)`. The same `seed` asks the same questions; give every call its own.
    ///
    /// # Errors
    /// [`Error::Network`] for a batch that the network refuses, [`Error::OutOfRange`] for a clip; those of
    /// [`Estimator::gradient`].
    pub fn estimate<T: Real>(
        &self,
        estimator: &Estimator,
        network: &Network<T>,
        x: &DMatrix<T>,
        mut black_box: impl FnMut(usize, &[f64], u64) -> Result<f64>,
        seed: u64,
    ) -> Result<ChainGradient<T>> {
        let streams = Streams::new(seed);
        let (mut evaluations, mut disagreeing) = (0, Vec::new());
        let slope = |sample: usize, output: &[f64], slope: &mut [f64]| {
            let own = |point: &[f64], seed: u64| black_box(sample, point, seed);
            let found = estimator.gradient(own, output, streams.key(0, sample as u64, ESTIMATE))?;
            slope.copy_from_slice(found.gradient.as_slice());
            evaluations += found.evaluations;
            if found.slopes.is_some_and(|slopes| slopes.disagree()) {
                disagreeing.push(sample);
            }
            Ok(found.value)
        };
        let chained = self.exact(network, x, slope)?;
        Ok(ChainGradient { evaluations, disagreeing, ..chained })
    }

    /// As [`Self::estimate`] through a simulator: the network sees what [`Simulator::observe`] shows of
    /// each column of `contexts`, and its output is the action. All rollouts of the batch are one list, on
    /// as many threads as there are simulators and the pool has; the result has the same bits for any
    /// number of either, and those of [`Self::estimate`] with the same seed.
    ///
    /// # Errors
    /// As [`Self::estimate`] and [`rollouts`](crate::rollouts), and [`Error::Empty`] without simulators.
    ///
    /// # Examples
    /// ```
    /// use nn_core::{Network, Tanh};
    /// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
    /// use rl_pg::{ArmHit, Chain, Estimator};
    ///
    /// let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    /// let network = Network::<f32>::builder(4).dense(32).activation(Tanh).dense(15).build(&mut rng)?;
    /// let (balls, mut arms) = (ArmHit::halton_contexts(16), vec![ArmHit::new(); 4]);
    /// let pairs = Estimator::antithetic(0.1);
    /// let found = Chain::of_reward().simulate(&pairs, &network, &mut arms, &balls, 7)?;
    /// assert_eq!(found.evaluations, 32);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn simulate<T: Real, S: Simulator>(
        &self,
        estimator: &Estimator,
        network: &Network<T>,
        simulators: &mut [S],
        contexts: &DMatrix<f64>,
        seed: u64,
    ) -> Result<ChainGradient<T>> {
        let Some(first) = simulators.first() else {
            return Err(Error::Empty { argument: "simulators" });
        };
        let streams = Streams::new(seed);
        let mut seen = DMatrix::zeros(first.observation_length(), contexts.ncols());
        for (sample, mut seen) in seen.column_iter_mut().enumerate() {
            let context = contexts.column(sample);
            let own = streams.key(0, sample as u64, OBSERVATION);
            first.observe(context.as_slice(), own, seen.as_mut_slice())?;
        }
        let x = seen.map(T::from_double);
        let (mut asked, mut columns) = (Asked::default(), Vec::new());
        for (sample, output) in network.predict(&x)?.column_iter().enumerate() {
            let output: Vec<f64> = output.iter().map(|p| p.to_double()).collect();
            asked.note(estimator, &output, streams.key(0, sample as u64, ESTIMATE))?;
            columns.resize(asked.seeds.len(), sample);
        }
        let of_each = DMatrix::from_fn(contexts.nrows(), columns.len(), |row, question| {
            contexts[(row, columns[question])]
        });
        let answers = asked.answers(simulators, &of_each, network.outputs())?;
        let mut answers = answers.into_iter();
        self.estimate(estimator, network, &x, |_, _, _| Asked::next(&mut answers), seed)
    }

    /// dL/dθ for the columns of `x`, inputs × samples, where the black box knows its slope, or where another
    /// method than [`Estimator`] finds it.
    ///
    /// `black_box` gets the index of the sample and the network's output for it, writes the gradient of what it
    /// returns by that output, and returns the loss or the reward. With a
    /// [`Differentiable`](crate::Differentiable) simulator it is `|sample, action, slope|
    /// Ok(simulator.rollout_with_gradient(context(sample), action, seed, slope)?.reward)`.
    ///
    /// # Errors
    /// [`Error::Network`] for a batch that the network refuses, [`Error::OutOfRange`] for a clip, what
    /// `black_box` returned, [`Error::NotFinite`] for an entry of its gradient, and
    /// [`Error::ValueNotFinite`] for its value.
    pub fn exact<T: Real>(
        &self,
        network: &Network<T>,
        x: &DMatrix<T>,
        mut black_box: impl FnMut(usize, &[f64], &mut [f64]) -> Result<f64>,
    ) -> Result<ChainGradient<T>> {
        if let Some(clip) = self.clip {
            check::positive("clip", clip)?;
        }
        let sign = match self.objective {
            Objective::Loss => 1.0,
            Objective::Reward => -1.0,
        };
        let outputs = network.predict(x)?;
        let mut output_gradients = DMatrix::zeros(outputs.nrows(), outputs.ncols());
        let (mut clipped, mut values) = (0, Moments::new(1));
        let mut output = vec![0.0; outputs.nrows()];
        for (sample, mut slope) in output_gradients.column_iter_mut().enumerate() {
            for (entry, p) in output.iter_mut().zip(outputs.column(sample).iter()) {
                *entry = p.to_double();
            }
            let value = black_box(sample, &output, slope.as_mut_slice())?;
            if !value.is_finite() {
                let (evaluation, point) = (sample, format!("{output:?}"));
                return Err(Error::ValueNotFinite { evaluation, point, value });
            }
            check::finite("slope", slope.as_slice())?;
            values.push(&[value]);
            slope *= sign;
            let length = slope.norm();
            if let Some(clip) = self.clip
                && length > clip
            {
                slope *= clip / length;
                clipped += 1;
            }
        }
        let samples = 0..outputs.ncols();
        let moments = inside(|| backpropagate(network, x, &output_gradients, samples))?;
        Ok(ChainGradient {
            gradient: moments.mean().map(T::from_double),
            std_error: moments.std_error(),
            value: values.mean()[0],
            value_std_error: values.std_error()[0],
            evaluations: outputs.ncols(),
            outputs,
            output_gradients,
            clipped,
            disagreeing: Vec::new(),
        })
    }
}

/// Samples that one thread takes: always as many, so that the sums are the same for any number of threads.
const SHARD: usize = 64;

/// The moments over these samples of (∂Pₙ/∂θ)ᵀ Cₙ, of which there is at least one.
fn backpropagate<T: Real>(
    network: &Network<T>,
    x: &DMatrix<T>,
    output_gradients: &DMatrix<f64>,
    samples: Range<usize>,
) -> Result<Moments> {
    if samples.len() > SHARD {
        let middle = samples.start + samples.len().div_ceil(2 * SHARD) * SHARD;
        let half = |samples| move || backpropagate(network, x, output_gradients, samples);
        let (left, right) = join(half(samples.start..middle), half(middle..samples.end));
        return Ok(left?.join(&right?));
    }
    // A sample at a time: that is what their spread is seen from.
    let mut trace = Trace::new();
    let mut moments = Moments::new(network.parameters().len());
    let mut column = DMatrix::zeros(x.nrows(), 1);
    let mut delta = DMatrix::zeros(output_gradients.nrows(), 1);
    let mut term = vec![0.0; network.parameters().len()];
    for sample in samples {
        column.copy_from(&x.column(sample));
        network.forward(&column, &mut trace)?;
        let own = output_gradients.column(sample);
        delta.iter_mut().zip(&own).for_each(|(delta, &c)| *delta = T::from_double(c));
        network.backward(&delta, Gradients::Parameters, &mut trace)?;
        term.iter_mut().zip(trace.gradient()).for_each(|(term, g)| *term = g.to_double());
        moments.push(&term);
    }
    Ok(moments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ArmHit;
    use nn_core::Tanh;
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand_distr::{Distribution, StandardNormal};

    fn network() -> Network<f64> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        Network::builder(4).dense(8).activation(Tanh).dense(15).build(&mut rng).unwrap()
    }

    fn batch(rows: usize, samples: usize) -> DMatrix<f64> {
        let wave =
            |row: usize, column: usize| (1.0 + 7.0 * check::real(row * samples + column)).sin();
        DMatrix::from_fn(rows, samples, wave)
    }

    /// A smooth loss of 15 numbers that is not a sum over them, with its gradient.
    fn loss(sample: usize, p: &[f64]) -> (f64, Vec<f64>) {
        let shift = 0.1 * check::real(sample);
        let sum: f64 = p.iter().map(|p| (p - shift).powi(2)).sum();
        let turn = p[0] * p[14];
        let mut gradient: Vec<f64> = p.iter().map(|p| (p - shift) / (1.0 + sum)).collect();
        gradient[0] += turn.cos() * p[14];
        gradient[14] += turn.cos() * p[0];
        (0.5 * sum.ln_1p() + turn.sin(), gradient)
    }

    /// The true gradient of the mean loss: one batched backward pass with exact C/N.
    fn truth(network: &Network<f64>, x: &DMatrix<f64>) -> DVector<f64> {
        let mut trace = Trace::new();
        network.forward(x, &mut trace).unwrap();
        let p = trace.output().into_owned();
        let mut delta = DMatrix::zeros(p.nrows(), p.ncols());
        for n in 0..p.ncols() {
            let gradient = loss(n, p.column(n).as_slice()).1;
            delta.set_column(n, &DVector::from_vec(gradient));
        }
        delta /= check::real(p.ncols());
        network.backward(&delta, Gradients::Parameters, &mut trace).unwrap();
        trace.gradient().clone()
    }

    fn relative(found: &DVector<f64>, truth: &DVector<f64>) -> f64 {
        (found - truth).norm() / truth.norm()
    }

    #[test]
    fn the_chain_is_the_true_gradient() {
        let (network, x) = (network(), batch(4, 5));
        let truth = truth(&network, &x);
        let black_box = |n: usize, p: &[f64], _: u64| Ok(loss(n, p).0);
        // f‴ is of order one: h²/6 is 2e-11, and rounding over h is 2e-11.
        let central = Estimator::central(1e-5);
        let found = Chain::of_loss().estimate(&central, &network, &x, black_box, 7).unwrap();
        assert!(relative(&found.gradient, &truth) < 1e-9, "{}", relative(&found.gradient, &truth));
        assert_eq!(found.evaluations, 5 * 33);
        assert!(found.disagreeing.is_empty() && found.clipped == 0);
        let exact = |n: usize, p: &[f64], slope: &mut [f64]| {
            let (value, gradient) = loss(n, p);
            slope.copy_from_slice(&gradient);
            Ok(value)
        };
        let known = Chain::of_loss().exact(&network, &x, exact).unwrap();
        assert!(relative(&known.gradient, &truth) < 1e-14);
        assert!((known.value - found.value).abs() < 1e-9);
        assert_eq!(known.evaluations, 5);
    }

    #[test]
    fn a_reward_is_a_loss_with_the_other_sign() {
        let (network, x) = (network(), batch(4, 5));
        let central = Estimator::central(1e-5);
        let down = |n: usize, p: &[f64], _: u64| Ok(loss(n, p).0);
        let up = |n: usize, p: &[f64], _: u64| Ok(-loss(n, p).0);
        let of_loss = Chain::of_loss().estimate(&central, &network, &x, down, 7).unwrap();
        let of_reward = Chain::of_reward().estimate(&central, &network, &x, up, 7).unwrap();
        assert_eq!(of_loss.gradient, of_reward.gradient);
        assert!((of_loss.value + of_reward.value).abs() < 1e-15);
    }

    #[test]
    fn unbiased_estimators_meet_the_truth_within_their_errors() {
        let (network, x) = (network(), batch(4, 400));
        // |P − t|²/2, which every estimator differentiates without bias.
        let targets = batch(15, 400);
        let off = |n: usize, p: &[f64]| DVector::from_column_slice(p) - targets.column(n);
        let black_box = |n: usize, p: &[f64], _: u64| Ok(0.5 * off(n, p).norm_squared());
        let known = |n: usize, p: &[f64], slope: &mut [f64]| {
            slope.copy_from_slice(off(n, p).as_slice());
            Ok(0.5 * off(n, p).norm_squared())
        };
        let truth = Chain::of_loss().exact(&network, &x, known).unwrap().gradient;
        for estimator in [
            Estimator::antithetic(0.1),
            Estimator::spsa(0.1),
            Estimator::score_function(0.1).repeats(4),
            Estimator::central(0.1),
        ] {
            let found = Chain::of_loss().estimate(&estimator, &network, &x, black_box, 7).unwrap();
            if estimator == Estimator::central(0.1) {
                assert!(relative(&found.gradient, &truth) < 1e-12);
                continue;
            }
            // The contexts are the same in both: their share of the spread makes this generous.
            for (k, (found_k, error)) in found.gradient.iter().zip(&found.std_error).enumerate() {
                let z = (found_k - truth[k]) / error;
                assert!(z.abs() < 5.0, "{estimator:?} {k}: {z}");
            }
        }
    }

    #[test]
    fn rollouts_on_threads_give_the_bits_of_one_after_the_other() {
        let (network, contexts) = (network(), ArmHit::halton_contexts(12));
        let mut arm = ArmHit::noisy();
        let mut x = DMatrix::zeros(4, 12);
        for (n, mut seen) in x.column_iter_mut().enumerate() {
            let own = Streams::new(7).key(0, n as u64, OBSERVATION);
            arm.observe(contexts.column(n).as_slice(), own, seen.as_mut_slice()).unwrap();
        }
        let one = |n: usize, action: &[f64], seed: u64| {
            Ok(arm.rollout(contexts.column(n).as_slice(), action, seed)?.reward)
        };
        let (chain, spsa) = (Chain::of_reward().clip(1.0), Estimator::spsa(0.1).repeats(3));
        let expected = chain.estimate(&spsa, &network, &x, one, 7).unwrap();
        assert_eq!(expected.evaluations, 72);
        for threads in [1, 2, 3, 4, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut arms = vec![ArmHit::noisy(); threads];
            let found =
                pool.install(|| chain.simulate(&spsa, &network, &mut arms, &contexts, 7)).unwrap();
            assert_eq!(found, expected, "{threads}");
        }
    }

    #[test]
    fn the_exact_slope_at_a_drawn_action_has_the_variance_of_its_curvature() {
        // Reparametrised: for R = −|a − c|²/2 and a = μ + σε it is −(μ − c) − σε, of variance dσ².
        let (samples, sigma, mean) = (20_000, 0.5, [0.5, -0.4, 0.0]);
        let weight = DMatrix::zeros(3, 1);
        let network = Network::builder(1).dense_from(weight, mean.to_vec()).build_given().unwrap();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
        let drawn = |_: usize, mean: &[f64], slope: &mut [f64]| {
            let mut reward = 0.0;
            for ((slope, mean), c) in slope.iter_mut().zip(mean).zip([0.1, 0.2, 0.3]) {
                let noise: f64 = StandardNormal.sample(&mut rng);
                *slope = c - (mean + sigma * noise);
                reward -= 0.5 * slope.powi(2);
            }
            Ok(reward)
        };
        let x = DMatrix::from_element(1, samples, 1.0);
        let found = Chain::of_reward().exact(&network, &x, drawn).unwrap();
        for (k, delta) in [0.4, -0.6, -0.3].into_iter().enumerate() {
            // Of the loss −R, by the bias, which is the mean.
            let z = (found.gradient[3 + k] - delta) / found.std_error[3 + k];
            assert!(z.abs() < 5.0, "{k}: {z}");
        }
        let squares = found.std_error.rows(3, 3).norm_squared() * check::real(samples);
        // The variance of 60,000 normal terms, to 5·√(2/60,000).
        assert!((squares / (3.0 * sigma * sigma) - 1.0).abs() < 0.03, "{squares}");
    }

    #[test]
    fn a_clip_shortens_what_is_longer_and_nothing_else() {
        let (network, x) = (network(), batch(4, 2));
        let slopes = |n: usize, _: &[f64], slope: &mut [f64]| {
            slope.fill(0.0);
            slope[3] = if n == 0 { 4.0 } else { -0.25 };
            Ok(0.0)
        };
        let found = Chain::of_loss().clip(0.5).exact(&network, &x, slopes).unwrap();
        assert_eq!((found.output_gradients[(3, 0)], found.output_gradients[(3, 1)]), (0.5, -0.25));
        assert_eq!(found.clipped, 1);
    }

    #[test]
    fn single_precision_goes_through_as_well() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let narrow = Network::<f32>::builder(4).dense(8).activation(Tanh).dense(15);
        let narrow = narrow.build(&mut rng).unwrap();
        let x = batch(4, 5).map(f32::from_double);
        let black_box = |n: usize, p: &[f64], _: u64| Ok(loss(n, p).0);
        let central = Estimator::central(1e-5);
        let found = Chain::of_loss().estimate(&central, &narrow, &x, black_box, 7).unwrap();
        let mut wide = network();
        for (wide, narrow) in wide.parameters_mut().iter_mut().zip(narrow.parameters()) {
            *wide = f64::from(*narrow);
        }
        let truth = truth(&wide, &x.map(f64::from));
        assert!(relative(&found.gradient.map(f64::from), &truth) < 1e-5);
    }

    #[test]
    fn bad_input_is_named() {
        let network = network();
        let central = Estimator::central(1e-5);
        let text = |chain: Chain, x: &DMatrix<f64>, value: f64| {
            let black_box = |_: usize, _: &[f64], _: u64| Ok(value);
            chain.estimate(&central, &network, x, black_box, 7).unwrap_err().to_string()
        };
        let chain = Chain::of_loss();
        let mut x = batch(4, 3);
        assert_eq!(
            text(chain.clip(f64::NAN), &x, 0.0),
            "clip is NaN, and must be positive and finite"
        );
        assert!(
            text(chain, &x, f64::NAN).starts_with("the black box returned NaN at evaluation 0")
        );
        let slope = |_: usize, _: &[f64], slope: &mut [f64]| {
            slope[2] = f64::NAN;
            Ok(0.0)
        };
        assert_eq!(
            chain.exact(&network, &x, slope).unwrap_err().to_string(),
            "slope[2] is NaN, and every entry must be finite"
        );
        x[(1, 2)] = f64::NAN;
        let refused = network.predict(&x).unwrap_err();
        assert_eq!(text(chain, &x, 0.0), refused.to_string());
        let empty = DMatrix::zeros(4, 0);
        assert_eq!(text(chain, &empty, 0.0), network.predict(&empty).unwrap_err().to_string());
        let balls = ArmHit::halton_contexts(2);
        let none = chain.simulate::<_, ArmHit>(&central, &network, &mut [], &balls, 7);
        assert_eq!(
            none.unwrap_err().to_string(),
            "simulators is empty, and at least one entry is needed"
        );
    }
}
