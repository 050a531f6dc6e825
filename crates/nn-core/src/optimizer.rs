//! Steps from a gradient: gradient descent with momentum, RMSProp, Adam and AdamW.

use std::fmt::Debug;

use linalg::Real;
use linalg::lanes::{Task, Vectors, run};

use crate::check::positive;
use crate::{Descent, Error, Result};

/// A rule that moves parameters against a gradient, with a memory of its own.
///
/// The memory belongs to one vector of parameters: it starts at zero, grows with the first step, and
/// starts anew where the number of parameters changes.
pub trait Optimizer<T: Real>: Debug + Send {
    /// Moves `parameters` by one step; `gradient` has as many entries.
    fn step(&mut self, parameters: &mut [T], gradient: &[T]);

    /// Makes the rate of the steps that follow `factor` times what it was made with: how a schedule
    /// is followed.
    ///
    /// # Examples
    /// ```
    /// use nn_core::{Optimizer, Sgd};
    /// let (mut descent, mut theta) = (Sgd::<f64>::new(0.25, 0.0)?, [1.0]);
    /// descent.scale_rate(0.5);
    /// descent.step(&mut theta, &[2.0]);
    /// assert_eq!(theta, [0.75]);
    /// # Ok::<(), nn_core::Error>(())
    /// ```
    fn scale_rate(&mut self, factor: f64);

    /// The next step, where it is plain gradient descent: layers then take it on the way back, and
    /// no gradient is written down. `None` by default.
    fn descent(&self) -> Option<Descent<T>> {
        None
    }

    /// The memory, to be written down. None by default.
    fn memory(&self) -> OptimizerMemory<T> {
        OptimizerMemory { steps: 0, vectors: Vec::new() }
    }

    /// Takes up a memory that was written down.
    ///
    /// # Errors
    /// [`Error::State`] where it is not that of such an optimizer.
    fn restore(&mut self, memory: &OptimizerMemory<T>) -> Result<()> {
        restore(memory, [])
    }
}

/// What an optimizer remembers, as plain data.
#[derive(Debug, Clone, PartialEq)]
pub struct OptimizerMemory<T> {
    /// Steps taken, where they count.
    pub steps: u64,
    /// Named vectors with an entry for each parameter; empty before the first step.
    pub vectors: Vec<(String, Vec<T>)>,
}

/// Gradient descent with momentum: v ← μ·v + g, θ ← θ − η·v.
///
/// With a batch of one it is stochastic gradient descent; with μ = 0 the memory stays unused. This
/// is PyTorch's form, in which the rate multiplies the velocity; with [`Sgd::nesterov`] the step is
/// θ ← θ − η·(g + μ·v), and [`Sgd::weight_decay`] adds λ·θ to g first.
///
/// # Examples
/// ```
/// use nn_core::{Optimizer, Sgd};
/// let mut sgd = Sgd::new(0.5, 0.9)?;
/// let mut theta = [1.0];
/// sgd.step(&mut theta, &[1.0]);
/// assert_eq!(theta, [1.0 - 0.5]);
/// sgd.step(&mut theta, &[1.0]);
/// assert_eq!(theta, [0.5 - 0.5 * 1.9]);
/// # Ok::<(), nn_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Sgd<T: Real> {
    rate: f64,
    factor: f64,
    momentum: T,
    nesterov: bool,
    decay: f64,
    velocity: Vec<T>,
}

impl<T: Real> Sgd<T> {
    /// Gradient descent with rate η = `rate` and momentum μ = `momentum`; 0 for none.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless `rate` > 0 and 0 ≤ `momentum` < 1.
    pub fn new(rate: f64, momentum: f64) -> Result<Self> {
        positive("rate", rate)?;
        fraction("momentum", momentum)?;
        let momentum = T::from_double(momentum);
        Ok(Self { rate, factor: 1.0, momentum, nesterov: false, decay: 0.0, velocity: Vec::new() })
    }

    /// Looks ahead along the velocity: Nesterov's momentum, as PyTorch has it.
    #[must_use]
    pub fn nesterov(mut self) -> Self {
        self.nesterov = true;
        self
    }

    /// Adds λ·θ to the gradient, λ = `decay`; 0 by default.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless `decay` ≥ 0.
    pub fn weight_decay(mut self, decay: f64) -> Result<Self> {
        self.decay = not_negative("decay", decay)?;
        Ok(self)
    }
}

impl<T: Real> Optimizer<T> for Sgd<T> {
    fn step(&mut self, parameters: &mut [T], gradient: &[T]) {
        if let Some(descent) = self.descent() {
            descent.apply(parameters, gradient);
            return;
        }
        restart_if_resized(&mut self.velocity, parameters.len());
        let (rate, decay) = (T::from_double(self.rate * self.factor), T::from_double(self.decay));
        let momentum = self.momentum;
        let ahead = if self.nesterov { momentum } else { T::zero() };
        let own = if self.nesterov { T::one() } else { T::zero() };
        let behind = T::one() - own;
        for ((theta, &g), v) in parameters.iter_mut().zip(gradient).zip(&mut self.velocity) {
            let g = g + decay * *theta;
            *v = momentum * *v + g;
            *theta -= rate * (own * g + (ahead + behind) * *v);
        }
    }

    fn scale_rate(&mut self, factor: f64) {
        self.factor = factor;
    }

    fn descent(&self) -> Option<Descent<T>> {
        let rate = self.rate * self.factor;
        let keep = T::from_double(1.0 - rate * self.decay);
        (self.momentum == T::zero()).then(|| Descent { keep, rate: T::from_double(rate) })
    }

    fn memory(&self) -> OptimizerMemory<T> {
        OptimizerMemory { steps: 0, vectors: vec![("velocity".into(), self.velocity.clone())] }
    }

    fn restore(&mut self, memory: &OptimizerMemory<T>) -> Result<()> {
        restore(memory, [("velocity", &mut self.velocity)])
    }
}

/// RMSProp: a step of η·g over the root of the mean square of recent gradients.
///
/// ```text
/// v ← α·v + (1 − α)·g²        θ ← θ − η·g/(√v + ε)
/// ```
///
/// α = 0.99 and ε = 1e-8 as in PyTorch, whose ε stands outside the root. With momentum μ, the step
/// is θ ← θ − η·b, b ← μ·b + g/(√v + ε).
///
/// # References
/// Tieleman & Hinton, lecture 6.5 of "Neural Networks for Machine Learning", Coursera 2012.
#[derive(Debug, Clone)]
pub struct RmsProp<T: Real> {
    rate: f64,
    factor: f64,
    square_decay: f64,
    momentum: f64,
    decay: f64,
    square: Vec<T>,
    velocity: Vec<T>,
}

impl<T: Real> RmsProp<T> {
    /// RMSProp with rate η = `rate`, without momentum.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless `rate` > 0.
    pub fn new(rate: f64) -> Result<Self> {
        positive("rate", rate)?;
        let (square, velocity) = (Vec::new(), Vec::new());
        let (factor, square_decay, momentum, decay) = (1.0, 0.99, 0.0, 0.0);
        Ok(Self { rate, factor, square_decay, momentum, decay, square, velocity })
    }

    /// Sets α.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless 0 ≤ `square` < 1.
    pub fn decays(mut self, square: f64) -> Result<Self> {
        fraction("square", square)?;
        self.square_decay = square;
        Ok(self)
    }

    /// Sets μ.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless 0 ≤ `momentum` < 1.
    pub fn momentum(mut self, momentum: f64) -> Result<Self> {
        fraction("momentum", momentum)?;
        self.momentum = momentum;
        Ok(self)
    }

    /// Adds λ·θ to the gradient, λ = `decay`; 0 by default.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless `decay` ≥ 0.
    pub fn weight_decay(mut self, decay: f64) -> Result<Self> {
        self.decay = not_negative("decay", decay)?;
        Ok(self)
    }
}

impl<T: Real> Optimizer<T> for RmsProp<T> {
    fn step(&mut self, parameters: &mut [T], gradient: &[T]) {
        restart_if_resized(&mut self.square, parameters.len());
        restart_if_resized(&mut self.velocity, parameters.len());
        let real = T::from_double;
        let (rate, decay) = (real(self.rate * self.factor), real(self.decay));
        let (keep, add) = (real(self.square_decay), real(1.0 - self.square_decay));
        let (momentum, epsilon) = (real(self.momentum), real(EPSILON));
        let memory = self.square.iter_mut().zip(&mut self.velocity);
        for ((theta, &g), (v, b)) in parameters.iter_mut().zip(gradient).zip(memory) {
            let g = g + decay * *theta;
            *v = keep * *v + add * g * g;
            *b = momentum * *b + g / (v.sqrt() + epsilon);
            *theta -= rate * *b;
        }
    }

    fn scale_rate(&mut self, factor: f64) {
        self.factor = factor;
    }

    fn memory(&self) -> OptimizerMemory<T> {
        let vectors = vec![
            ("square".into(), self.square.clone()),
            ("velocity".into(), self.velocity.clone()),
        ];
        OptimizerMemory { steps: 0, vectors }
    }

    fn restore(&mut self, memory: &OptimizerMemory<T>) -> Result<()> {
        restore(memory, [("square", &mut self.square), ("velocity", &mut self.velocity)])
    }
}

/// Adam: a step of about η in each parameter, whatever the gradient's scale.
///
/// ```text
/// m ← β₁·m + (1 − β₁)·g        v ← β₂·v + (1 − β₂)·g²
/// θ ← θ − η·m̂/(√v̂ + ε)         m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ) at step t
/// ```
///
/// [`Adam::weight_decay`] adds λ·θ to g, which Adam then scales like everything else, so that it
/// hardly decays what has large gradients; [`Adam::decoupled_decay`] is AdamW: θ ← (1 − η·λ)·θ
/// before the step.
///
/// # References
/// Kingma & Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, Algorithm 1, with its
/// β₁ = 0.9, β₂ = 0.999, ε = 1e-8. Loshchilov & Hutter, "Decoupled Weight Decay Regularization",
/// ICLR 2019.
///
/// # Examples
/// ```
/// use nn_core::{Adam, Optimizer};
/// let mut theta = [1.0_f64, 1.0];
/// Adam::new(0.01)?.step(&mut theta, &[1000.0, -0.001]);
/// assert!((theta[0] - 0.99).abs() < 1e-6 && (theta[1] - 1.01).abs() < 1e-6);
/// # Ok::<(), nn_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Adam<T: Real> {
    rate: f64,
    factor: f64,
    mean_decay: f64,
    square_decay: f64,
    decay: f64,
    decoupled: f64,
    steps: u64,
    mean: Vec<T>,
    square: Vec<T>,
}

/// What keeps a quotient by the root of a mean square finite.
const EPSILON: f64 = 1e-8;

impl<T: Real> Adam<T> {
    /// Adam with rate η = `rate` and the constants of the paper.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless `rate` > 0.
    pub fn new(rate: f64) -> Result<Self> {
        positive("rate", rate)?;
        Ok(Self {
            rate,
            factor: 1.0,
            mean_decay: 0.9,
            square_decay: 0.999,
            decay: 0.0,
            decoupled: 0.0,
            steps: 0,
            mean: Vec::new(),
            square: Vec::new(),
        })
    }

    /// Sets β₁ and β₂.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless both are at least 0 and less than 1.
    pub fn decays(mut self, mean: f64, square: f64) -> Result<Self> {
        fraction("mean", mean)?;
        fraction("square", square)?;
        (self.mean_decay, self.square_decay) = (mean, square);
        Ok(self)
    }

    /// Adds λ·θ to the gradient, λ = `decay`; 0 by default.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless `decay` ≥ 0.
    pub fn weight_decay(mut self, decay: f64) -> Result<Self> {
        self.decay = not_negative("decay", decay)?;
        Ok(self)
    }

    /// Shrinks the parameters by η·λ a step, λ = `decay`: AdamW, where PyTorch's default is 0.01.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless `decay` ≥ 0.
    pub fn decoupled_decay(mut self, decay: f64) -> Result<Self> {
        self.decoupled = not_negative("decay", decay)?;
        Ok(self)
    }
}

impl<T: Real> Optimizer<T> for Adam<T> {
    fn step(&mut self, parameters: &mut [T], gradient: &[T]) {
        if restart_if_resized(&mut self.mean, parameters.len()) {
            self.steps = 0;
        }
        restart_if_resized(&mut self.square, parameters.len());
        self.steps += 1;
        // βᵗ is 0 in floating point long before t leaves the range of an i32.
        let t = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let real = T::from_double;
        let eta = self.rate * self.factor;
        run(AdamStep {
            lists: (parameters, gradient, &mut self.mean, &mut self.square),
            rate: real(eta / (1.0 - self.mean_decay.powi(t))),
            root: real((1.0 - self.square_decay.powi(t)).sqrt()),
            keep: real(1.0 - eta * self.decoupled),
            decay: real(self.decay),
            mean: (real(self.mean_decay), real(1.0 - self.mean_decay)),
            square: (real(self.square_decay), real(1.0 - self.square_decay)),
        });
    }

    fn scale_rate(&mut self, factor: f64) {
        self.factor = factor;
    }

    fn memory(&self) -> OptimizerMemory<T> {
        let vectors =
            vec![("mean".into(), self.mean.clone()), ("square".into(), self.square.clone())];
        OptimizerMemory { steps: self.steps, vectors }
    }

    fn restore(&mut self, memory: &OptimizerMemory<T>) -> Result<()> {
        restore(memory, [("mean", &mut self.mean), ("square", &mut self.square)])?;
        self.steps = memory.steps;
        Ok(())
    }
}

/// A step of Adam, in the machine's vectors.
struct AdamStep<'a, T> {
    /// θ, g, m and v.
    lists: (&'a mut [T], &'a [T], &'a mut [T], &'a mut [T]),
    rate: T,
    /// √(1 − β₂ᵗ).
    root: T,
    keep: T,
    decay: T,
    /// How much of m stays, and how much of g is added.
    mean: (T, T),
    square: (T, T),
}

impl<T: Real> Task<T> for AdamStep<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, _vectors: V) {
        let Self { lists: (parameters, gradient, mean, square), rate, root, keep, decay, .. } =
            self;
        let epsilon = T::from_double(EPSILON);
        for ((theta, &g), (m, v)) in
            parameters.iter_mut().zip(gradient).zip(mean.iter_mut().zip(square))
        {
            let g = g + decay * *theta;
            *m = self.mean.0 * *m + self.mean.1 * g;
            *v = self.square.0 * *v + self.square.1 * g * g;
            *theta = keep * *theta - rate * *m / (v.sqrt() / root + epsilon);
        }
    }
}

/// Fills `vectors` with those of the same names, which must be all.
fn restore<T: Real, const N: usize>(
    memory: &OptimizerMemory<T>,
    vectors: [(&str, &mut Vec<T>); N],
) -> Result<()> {
    if let Some((name, vector)) =
        memory.vectors.iter().find(|(name, _)| vectors.iter().all(|(known, _)| known != name))
    {
        return Err(Error::State { vector: name.clone(), found: vector.len(), expected: 0 });
    }
    let expected = memory.vectors.first().map_or(0, |(_, vector)| vector.len());
    let written = |name: &str| {
        let found = memory.vectors.iter().find(|(known, _)| known == name);
        found.map_or(&[][..], |(_, vector)| vector)
    };
    // All are looked at before any is taken.
    if let Some((name, _)) = vectors.iter().find(|(name, _)| written(name).len() != expected) {
        let (vector, found) = ((*name).to_owned(), written(name).len());
        return Err(Error::State { vector, found, expected });
    }
    for (name, target) in vectors {
        target.clear();
        target.extend_from_slice(written(name));
    }
    Ok(())
}

/// Zeros where `memory` has not `len` entries; whether that was so.
fn restart_if_resized<T: Real>(memory: &mut Vec<T>, len: usize) -> bool {
    let resized = memory.len() != len;
    if resized {
        *memory = vec![T::zero(); len];
    }
    resized
}

fn fraction(argument: &'static str, value: f64) -> Result<()> {
    if (0.0..1.0).contains(&value) {
        Ok(())
    } else {
        Err(Error::OutOfRange { argument, value, expected: "at least 0 and less than 1" })
    }
}

fn not_negative(argument: &'static str, value: f64) -> Result<f64> {
    if value >= 0.0 && value.is_finite() {
        Ok(value)
    } else {
        Err(Error::OutOfRange { argument, value, expected: "a finite number not less than 0" })
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "numbers that come out exact")]
mod tests {
    use super::*;

    #[test]
    fn three_steps_of_each_are_pytorch_s() {
        // torch 2.15, float64: torch.optim with the options in the names below.
        fn run(mut optimizer: impl Optimizer<f64>) -> [f64; 3] {
            let mut theta = [1.0, -2.0, 0.5];
            for g in [[2.0, -0.5, 1e-3], [-1.0, 0.25, 4.0], [0.5, 3.0, -2.0]] {
                optimizer.step(&mut theta, &g);
            }
            theta
        }
        let sgd = |momentum| Sgd::new(0.1, momentum).unwrap();
        let rms = RmsProp::new(0.01).unwrap().decays(0.9).unwrap().momentum(0.5).unwrap();
        let adam = || Adam::new(0.01).unwrap();
        let cases = [
            (run(sgd(0.9).weight_decay(0.01).unwrap()), [0.593054599, -2.200954548, -0.0626732206]),
            (run(sgd(0.9).nesterov()), [0.4882, -2.4658, -0.2043439]),
            (run(sgd(0.0).weight_decay(0.3).unwrap()), [0.771493, -2.102551, 0.26824241]),
            (
                run(rms.weight_decay(0.1).unwrap()),
                [0.9555083770680872, -1.9792944588116337, 0.4115952308298537],
            ),
            (
                run(adam().weight_decay(0.1).unwrap()),
                [0.9827485017786578, -1.9889025087540717, 0.48001014042579004],
            ),
            (
                run(adam().decoupled_decay(0.1).unwrap()),
                [0.9809579905841741, -1.9872686950502019, 0.4787984288729932],
            ),
        ];
        for (found, expected) in cases {
            for (found, expected) in found.iter().zip(expected) {
                // A dozen roundings of numbers near 1.
                assert!((found - expected).abs() <= 16.0 * f64::EPSILON, "{found} {expected}");
            }
        }
    }

    #[test]
    fn a_memory_written_down_goes_on_and_another_s_is_refused() {
        let mut one = Adam::<f64>::new(0.1).unwrap();
        let (mut theta, mut copy) = ([1.0, 2.0], [1.0, 2.0]);
        one.step(&mut theta, &[3.0, -1.0]);
        let memory = one.memory();
        let mut other = Adam::<f64>::new(0.1).unwrap();
        other.restore(&memory).unwrap();
        copy.copy_from_slice(&theta);
        one.step(&mut theta, &[1.0, 5.0]);
        other.step(&mut copy, &[1.0, 5.0]);
        assert_eq!(theta, copy);

        let text = Sgd::<f64>::new(0.1, 0.9).unwrap().restore(&memory).unwrap_err().to_string();
        assert_eq!(text, "the state has 2 numbers in \"mean\", expected 0");
        let partial = OptimizerMemory { vectors: memory.vectors[..1].to_vec(), ..memory };
        let text = other.restore(&partial).unwrap_err().to_string();
        assert_eq!(text, "the state has 0 numbers in \"square\", expected 2");
    }

    #[test]
    fn two_steps_of_adam_by_hand() {
        let mut adam = Adam::<f64>::new(0.1).unwrap().decays(0.5, 0.75).unwrap();
        let mut theta = [0.0];
        // t = 1: m = 1, m̂ = 2, v = 1, v̂ = 4; the step is 0.1·2/2.
        adam.step(&mut theta, &[2.0]);
        assert!((theta[0] + 0.1).abs() < 1e-9);
        // t = 2: m = −1.5, m̂ = −2, v = 4.75, v̂ = 4.75/0.4375.
        adam.step(&mut theta, &[-4.0]);
        let expected = -0.1 + 0.1 * 2.0 / (4.75_f64 / 0.4375).sqrt();
        assert!((theta[0] - expected).abs() < 1e-9, "{} {expected}", theta[0]);
    }

    #[test]
    fn the_memory_starts_anew_with_other_parameters() {
        let mut sgd = Sgd::<f64>::new(1.0, 0.5).unwrap();
        sgd.step(&mut [0.0, 0.0], &[1.0, 1.0]);
        let mut one = [0.0];
        sgd.step(&mut one, &[1.0]);
        assert_eq!(one, [-1.0]);
    }

    #[test]
    fn constants_outside_their_range_are_refused() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let expected = format!("rate is {rate}, expected a finite number greater than 0");
            assert_eq!(Sgd::<f64>::new(rate, 0.0).unwrap_err().to_string(), expected);
            assert_eq!(Adam::<f64>::new(rate).unwrap_err().to_string(), expected);
        }
        let text = "momentum is 1, expected at least 0 and less than 1";
        assert_eq!(Sgd::<f64>::new(1.0, 1.0).unwrap_err().to_string(), text);
        let text = "decay is -1, expected a finite number not less than 0";
        let sgd = Sgd::<f64>::new(1.0, 0.0).unwrap();
        assert_eq!(sgd.weight_decay(-1.0).unwrap_err().to_string(), text);
        let text = "square is NaN, expected at least 0 and less than 1";
        let adam = Adam::<f64>::new(1.0).unwrap();
        assert_eq!(adam.decays(0.9, f64::NAN).unwrap_err().to_string(), text);
    }
}
