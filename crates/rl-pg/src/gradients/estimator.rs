//! Gradients of a black box from its values: one interface, five methods.

use linalg::{DMatrix, DVector};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use crate::check::{self, real};
use crate::gradients::estimate::Moments;
use crate::gradients::probe::Probe;
use crate::{
    Baseline, Error, GradientEstimate, Result, Simulator, Slopes, gradients::baseline,
    rollouts::each_outcome,
};

/// How to estimate ∇f(x) when only values f(x, seed) can be had: which points to ask for, and how far
/// from x.
///
/// | made by | one repeat | evaluations | estimates |
/// |---|---|---|---|
/// | [`central`](Self::central) | (f(x + heᵢ) − f(x − heᵢ))/2h for every i | 2d | ∇f, up to h²f‴/6 |
/// | [`forward`](Self::forward) | (f(x + heᵢ) − f(x))/h for every i | d + 1 | ∇f, up to hf″/2 |
/// | [`spsa`](Self::spsa) | δ·(f(x + hδ) − f(x − hδ))/2h, δᵢ = ±1 | 2 | ∇f, up to O(h²) |
/// | [`antithetic`](Self::antithetic) | ε·(f(x + σε) − f(x − σε))/2σ, ε ~ N(0, I) | 2 | ∇f̄ |
/// | [`score_function`](Self::score_function) | ε·(f(x + σε) − b)/σ | 1 | ∇f̄ |
///
/// f̄(x) = E[f(x + σε)] is f smoothed over the displacement σ. Its gradient exists where f jumps, and it
/// sees the jump, which no difference over a displacement shorter than the distance to it does.
///
/// The variance of one repeat on f = −|x − c|²/2 with δ = x − c, in d dimensions, where the values carry
/// noise of variance τ² that the two sides do not share:
///
/// | method | trace of the variance | from the noise |
/// |---|---|---|
/// | score function, b = f̄ | (d + 1)·\|δ\|² + σ²d(d + 4)/2 | dτ²/σ² |
/// | antithetic | (d + 1)·\|δ\|² | dτ²/2σ² |
/// | SPSA | (d − 1)·\|δ\|² | dτ²/2h² |
/// | central | 0 | dτ²/2h² |
///
/// So central differences pay off where the values are smooth and noise is low. A displacement of a
/// tenth to a fifth of what matters suits the others; [`StepSearch`](crate::StepSearch) finds a step for
/// differences from noise and curvature.
///
/// # Examples
/// A simulator of 15 numbers with a reward of −|a|²/2:
/// ```
/// use rl_pg::Estimator;
/// let reward = |a: &[f64], _seed: u64| Ok(-0.5 * a.iter().map(|a| a * a).sum::<f64>());
/// let here = [0.1; 15];
/// let exact = Estimator::central(1e-3).gradient(reward, &here, 7)?;
/// assert!(exact.gradient.iter().all(|g| (g + 0.1).abs() < 1e-12)); // −a
/// assert_eq!(exact.evaluations, 2 * 15 + 3); // three to compare slopes
///
/// let cheap = Estimator::spsa(0.1).repeats(50).gradient(reward, &here, 7)?;
/// assert_eq!(cheap.evaluations, 100);
/// for (g, error) in cheap.gradient.iter().zip(&cheap.std_error) {
///     assert!((g + 0.1).abs() < 5.0 * error);
/// }
/// # Ok::<(), rl_pg::Error>(())
/// ```
///
/// # References
/// SPSA: J. C. Spall, IEEE Transactions on Automatic Control 37 (1992). Smoothing: Y. Nesterov and V.
/// Spokoiny, Foundations of Computational Mathematics 17 (2017).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Estimator {
    /// Where to ask.
    pub method: Method,
    /// h or σ: how far from x, in the units of x.
    pub displacement: f64,
    /// How many independent repeats to average. With one there is no standard error; 2 for the score
    /// function, else 1 by default.
    pub repeats: usize,
    /// Whether the evaluations of one repeat share a seed: [`RandomNumbers::Common`] by default.
    pub random_numbers: RandomNumbers,
    /// A second, wider displacement, over which the slope along a random direction is compared with what
    /// the gradient predicts, at the cost of three evaluations: see [`Slopes`]. The larger of 0.1 and 4h for
    /// differences; none for the others, which smooth over jumps.
    pub compared_at: Option<f64>,
}

/// Where an [`Estimator`] asks for values.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Method {
    /// At normal displacements, each on one side only, with a baseline.
    ScoreFunction(Baseline),
    /// At normal displacements and their mirror images.
    Antithetic,
    /// At the corners ±h of a cube, opposite ones in pairs.
    Spsa,
    /// At x and a step along each axis.
    Forward,
    /// A step to both sides along each axis.
    Central,
}

/// Whether values that are compared share the simulator's random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RandomNumbers {
    /// The evaluations of one repeat are given one seed. What noise they have in common cancels in their
    /// difference, wherever it depends smoothly on x.
    Common,
    /// Every evaluation has a seed of its own: what a simulator does whose noise cannot be repeated. Its
    /// variance is up to 1/h² times that of common numbers.
    Independent,
}

impl Estimator {
    /// Central differences with step h along each axis.
    #[must_use]
    pub fn central(step: f64) -> Self {
        let compared_at = Some(wide(step));
        Self { compared_at, ..Self::new(Method::Central, step) }
    }

    /// Forward differences with step h along each axis.
    #[must_use]
    pub fn forward(step: f64) -> Self {
        let compared_at = Some(wide(step));
        Self { compared_at, ..Self::new(Method::Forward, step) }
    }

    /// Simultaneous perturbation: all coordinates are displaced at once, by ±h each.
    #[must_use]
    pub fn spsa(step: f64) -> Self {
        Self::new(Method::Spsa, step)
    }

    /// Pairs of opposite normal displacements with standard deviation σ.
    #[must_use]
    pub fn antithetic(sigma: f64) -> Self {
        Self::new(Method::Antithetic, sigma)
    }

    /// Single normal displacements with standard deviation σ, weighed by the score; two repeats, with the
    /// leave-one-out baseline.
    #[must_use]
    pub fn score_function(sigma: f64) -> Self {
        Self { repeats: 2, ..Self::new(Method::ScoreFunction(Baseline::LeaveOneOut), sigma) }
    }

    fn new(method: Method, displacement: f64) -> Self {
        let random_numbers = RandomNumbers::Common;
        Self { method, displacement, repeats: 1, random_numbers, compared_at: None }
    }

    /// Averages so many independent repeats.
    #[must_use]
    pub fn repeats(mut self, repeats: usize) -> Self {
        self.repeats = repeats;
        self
    }

    /// Sets the baseline of the score function; the other methods have none.
    #[must_use]
    pub fn baseline(mut self, baseline: Baseline) -> Self {
        if let Method::ScoreFunction(own) = &mut self.method {
            *own = baseline;
        }
        self
    }

    /// Sets whether the evaluations of one repeat share a seed.
    #[must_use]
    pub fn random_numbers(mut self, random_numbers: RandomNumbers) -> Self {
        self.random_numbers = random_numbers;
        self
    }

    /// Compares slopes over this displacement, or not at all.
    #[must_use]
    pub fn compared_at(mut self, displacement: Option<f64>) -> Self {
        self.compared_at = displacement;
        self
    }

    /// How often [`Self::gradient`] asks a black box of `d` numbers.
    #[must_use]
    pub fn evaluations(&self, d: usize) -> usize {
        let each = match self.method {
            Method::ScoreFunction(_) => 1,
            Method::Antithetic | Method::Spsa => 2,
            Method::Forward => d + 1,
            Method::Central => 2 * d,
        };
        self.repeats * each + if self.compared_at.is_some() { 3 } else { 0 }
    }

    /// Estimates the gradient of E[f(x, seed)] at x = `at`.
    ///
    /// The same `seed` asks for the same points with the same seeds. A simulator at a context is a
    /// black box by `|action, seed| Ok(simulator.rollout(&context, action, seed)?.reward)`.
    ///
    /// # Errors
    /// [`Error::Empty`] and [`Error::NotFinite`] for `at`, [`Error::OutOfRange`] for a displacement or no
    /// repeats, [`Error::TooFewSamples`] for a baseline of one repeat; what `f` returned, and
    /// [`Error::ValueNotFinite`] at its first value that is NaN or infinite, after which it is not called
    /// again.
    pub fn gradient(
        &self,
        f: impl FnMut(&[f64], u64) -> Result<f64>,
        at: &[f64],
        seed: u64,
    ) -> Result<GradientEstimate> {
        check::not_empty("at", at.len())?;
        check::finite("at", at)?;
        check::positive("displacement", self.displacement)?;
        check::positive("repeats", real(self.repeats))?;
        if let Some(wide) = self.compared_at {
            check::positive("compared_at", wide)?;
        }
        let mut probe = Probe::new(f, at, seed, self.random_numbers);
        let mut moments = Moments::new(at.len());
        let mut values = Moments::new(1);
        match self.method {
            Method::ScoreFunction(baseline) => {
                self.scores(&mut probe, baseline, &mut moments, &mut values)?;
            }
            method => {
                let mut term = vec![0.0; at.len()];
                for repeat in 0..self.repeats {
                    probe.start(repeat);
                    let value = match method {
                        Method::Central => self.central_term(&mut probe, &mut term)?,
                        Method::Forward => self.forward_term(&mut probe, &mut term)?,
                        Method::Spsa => {
                            let mut rng = probe.rng();
                            term.fill_with(|| if rng.random() { 1.0 } else { -1.0 });
                            self.pair_term(&mut probe, &mut term)?
                        }
                        _ => {
                            let mut rng = probe.rng();
                            term.fill_with(|| StandardNormal.sample(&mut rng));
                            self.pair_term(&mut probe, &mut term)?
                        }
                    };
                    moments.push(&term);
                    values.push(&[value]);
                }
            }
        }
        let slopes = match self.compared_at {
            Some(wide) => Some(slopes(&mut probe, moments.mean(), wide)?),
            None => None,
        };
        Ok(moments.estimate(&values, probe.evaluations(), slopes))
    }

    /// As [`Self::gradient`] of a simulator's expected reward at `context` by the action, with all its
    /// rollouts on as many threads as there are simulators and the pool has, in lists for those that
    /// take them. The result has the same bits for any number of either, and those of
    /// [`Self::gradient`] with the same seed.
    ///
    /// # Errors
    /// As [`Self::gradient`] and [`rollouts`](crate::rollouts()).
    ///
    /// # Examples
    /// ```
    /// use rl_pg::{ArmHit, Estimator};
    /// let ball = [2.5, 0.0, -3.75, 2.5]; // hits an arm that stands still
    /// let mut arms = vec![ArmHit::new(); 4];
    /// let pairs = Estimator::antithetic(0.1).repeats(200);
    /// let found = pairs.simulate(&mut arms, &ball, &[0.0; 15], 7)?;
    /// assert_eq!(found.evaluations, 400);
    /// # Ok::<(), rl_pg::Error>(())
    /// ```
    pub fn simulate<S: Simulator>(
        &self,
        simulators: &mut [S],
        context: &[f64],
        at: &[f64],
        seed: u64,
    ) -> Result<GradientEstimate> {
        let mut asked = Asked::default();
        asked.note(self, at, seed)?;
        let contexts = DMatrix::from_fn(context.len(), asked.seeds.len(), |row, _| context[row]);
        let mut answers = asked.answers(simulators, &contexts, at.len())?.into_iter();
        self.gradient(|_, _| Asked::next(&mut answers), at, seed)
    }

    fn scores<F: FnMut(&[f64], u64) -> Result<f64>>(
        &self,
        probe: &mut Probe<'_, F>,
        baseline: Baseline,
        moments: &mut Moments,
        values: &mut Moments,
    ) -> Result<()> {
        let mut scores = DMatrix::zeros(moments.mean().len(), self.repeats);
        let mut found = vec![0.0; self.repeats];
        for (repeat, mut score) in scores.column_iter_mut().enumerate() {
            probe.start(repeat);
            let mut rng = probe.rng();
            score.iter_mut().for_each(|entry| *entry = StandardNormal.sample(&mut rng));
            found[repeat] = probe.along(score.as_slice(), self.displacement)?;
            values.push(&[found[repeat]]);
            score /= self.displacement;
        }
        baseline::weigh(&mut scores, &found, baseline)?;
        scores.column_iter().for_each(|term| moments.push(term.as_slice()));
        Ok(())
    }

    /// Turns the direction in `term` into direction times slope.
    fn pair_term<F: FnMut(&[f64], u64) -> Result<f64>>(
        &self,
        probe: &mut Probe<'_, F>,
        term: &mut [f64],
    ) -> Result<f64> {
        let plus = probe.along(term, self.displacement)?;
        let minus = probe.along(term, -self.displacement)?;
        let slope = (plus - minus) / (2.0 * self.displacement);
        term.iter_mut().for_each(|entry| *entry *= slope);
        Ok(0.5 * (plus + minus))
    }

    fn central_term<F: FnMut(&[f64], u64) -> Result<f64>>(
        &self,
        probe: &mut Probe<'_, F>,
        term: &mut [f64],
    ) -> Result<f64> {
        let mut total = 0.0;
        for (axis, entry) in term.iter_mut().enumerate() {
            let (plus, ahead) = probe.beside(axis, self.displacement)?;
            let (minus, behind) = probe.beside(axis, -self.displacement)?;
            *entry = (plus - minus) / (ahead - behind);
            total += plus + minus;
        }
        Ok(total / real(2 * term.len()))
    }

    fn forward_term<F: FnMut(&[f64], u64) -> Result<f64>>(
        &self,
        probe: &mut Probe<'_, F>,
        term: &mut [f64],
    ) -> Result<f64> {
        let (here, _) = probe.beside(0, 0.0)?;
        for (axis, entry) in term.iter_mut().enumerate() {
            let (plus, ahead) = probe.beside(axis, self.displacement)?;
            *entry = (plus - here) / ahead;
        }
        Ok(here)
    }
}

/// What estimators will ask. Where they ask does not depend on the answers, so an estimator is run twice:
/// once to note its questions, once to be given the answers, which were found on many threads.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// One point after the other.
    points: Vec<f64>,
    pub(crate) seeds: Vec<u64>,
}

impl Asked {
    /// Notes what `estimator` asks around `at`.
    pub(crate) fn note(&mut self, estimator: &Estimator, at: &[f64], seed: u64) -> Result<()> {
        let note = |point: &[f64], seed| {
            self.points.extend_from_slice(point);
            self.seeds.push(seed);
            Ok(0.0)
        };
        let _ = estimator.gradient(note, at, seed)?;
        Ok(())
    }

    /// The rewards of all that was noted, each in the context of its column.
    pub(crate) fn answers<S: Simulator>(
        self,
        simulators: &mut [S],
        contexts: &DMatrix<f64>,
        action_length: usize,
    ) -> Result<Vec<f64>> {
        let actions = DMatrix::from_vec(action_length, self.seeds.len(), self.points);
        each_outcome(simulators, contexts, &actions, &self.seeds, |outcome| outcome.reward)
    }

    /// The next answer; there is one for every question.
    pub(crate) fn next(answers: &mut impl Iterator<Item = f64>) -> Result<f64> {
        answers.next().ok_or(Error::Empty { argument: "answers" })
    }
}

/// What the slope of a difference of step `h` is compared with: a displacement by which parameters of order
/// one are moved.
fn wide(h: f64) -> f64 {
    (4.0 * h).max(0.1)
}

/// The purpose of the random stream that draws the direction of [`slopes`].
const COMPARISON: u64 = 3;

/// Compares what the gradient predicts along a random direction of length 1 with the two-point slope over
/// a wide displacement.
fn slopes<F: FnMut(&[f64], u64) -> Result<f64>>(
    probe: &mut Probe<'_, F>,
    gradient: &DVector<f64>,
    wide: f64,
) -> Result<Slopes> {
    let root = real(gradient.len()).sqrt();
    let mut rng = probe.streams().rng(0, 0, COMPARISON);
    let direction: Vec<f64> =
        gradient.iter().map(|_| if rng.random() { 1.0 } else { -1.0 } / root).collect();
    let plus = probe.along(&direction, wide)?;
    let minus = probe.along(&direction, -wide)?;
    let here = probe.along(&direction, 0.0)?;
    let narrow: f64 = gradient.iter().zip(&direction).map(|(g, along)| g * along).sum();
    let (slope, bend) = ((plus - minus) / (2.0 * wide), (plus + minus - 2.0 * here) / (2.0 * wide));
    let sizes = [slope.abs(), bend.abs(), gradient.norm() / root];
    let scale = sizes.into_iter().fold(narrow.abs(), f64::max);
    Ok(Slopes { narrow, wide: slope, scale })
}

#[cfg(test)]
mod tests;
