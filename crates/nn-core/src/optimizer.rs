//! Steps from a gradient: stochastic gradient descent with momentum, Adam.

use std::fmt::Debug;

use linalg::Real;

use crate::check::positive;
use crate::{Error, Result};

/// A rule that moves parameters against a gradient, with a memory of its own.
///
/// The memory belongs to one vector of parameters: it starts at zero, grows with the first step, and
/// starts anew where the number of parameters changes.
pub trait Optimizer<T: Real>: Debug + Send {
    /// Moves `parameters` by one step; `gradient` has as many entries.
    fn step(&mut self, parameters: &mut [T], gradient: &[T]);
}

/// Gradient descent with momentum: v ← μ·v + g, θ ← θ − η·v.
///
/// With a batch of one it is stochastic gradient descent; with μ = 0 the memory stays unused. This
/// is PyTorch's form, in which the rate multiplies the velocity.
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
    rate: T,
    momentum: T,
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
        let (rate, momentum) = (T::from_double(rate), T::from_double(momentum));
        Ok(Self { rate, momentum, velocity: Vec::new() })
    }
}

impl<T: Real> Optimizer<T> for Sgd<T> {
    fn step(&mut self, parameters: &mut [T], gradient: &[T]) {
        if self.momentum == T::zero() {
            for (theta, &g) in parameters.iter_mut().zip(gradient) {
                *theta -= self.rate * g;
            }
            return;
        }
        restart_if_resized(&mut self.velocity, parameters.len());
        for ((theta, &g), v) in parameters.iter_mut().zip(gradient).zip(&mut self.velocity) {
            *v = self.momentum * *v + g;
            *theta -= self.rate * *v;
        }
    }
}

/// Adam: a step of about η in each parameter, whatever the gradient's scale.
///
/// ```text
/// m ← β₁·m + (1 − β₁)·g        v ← β₂·v + (1 − β₂)·g²
/// θ ← θ − η·m̂/(√v̂ + ε)         m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ) at step t
/// ```
///
/// # References
/// Kingma & Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, Algorithm 1, with its
/// β₁ = 0.9, β₂ = 0.999, ε = 1e-8.
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
    mean_decay: f64,
    square_decay: f64,
    epsilon: f64,
    steps: u64,
    mean: Vec<T>,
    square: Vec<T>,
}

impl<T: Real> Adam<T> {
    /// Adam with rate η = `rate` and the constants of the paper.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless `rate` > 0.
    pub fn new(rate: f64) -> Result<Self> {
        positive("rate", rate)?;
        Ok(Self {
            rate,
            mean_decay: 0.9,
            square_decay: 0.999,
            epsilon: 1e-8,
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
        let mean_scale = real(1.0 / (1.0 - self.mean_decay.powi(t)));
        let square_scale = real(1.0 / (1.0 - self.square_decay.powi(t)));
        let (rate, epsilon) = (real(self.rate), real(self.epsilon));
        let (keep_mean, add_mean) = (real(self.mean_decay), real(1.0 - self.mean_decay));
        let (keep_square, add_square) = (real(self.square_decay), real(1.0 - self.square_decay));
        let moments = self.mean.iter_mut().zip(&mut self.square);
        for ((theta, &g), (m, v)) in parameters.iter_mut().zip(gradient).zip(moments) {
            *m = keep_mean * *m + add_mean * g;
            *v = keep_square * *v + add_square * g * g;
            *theta -= rate * (*m * mean_scale) / ((*v * square_scale).sqrt() + epsilon);
        }
    }
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

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "numbers that come out exact")]
mod tests {
    use super::*;

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
        let text = "square is NaN, expected at least 0 and less than 1";
        let adam = Adam::<f64>::new(1.0).unwrap();
        assert_eq!(adam.decays(0.9, f64::NAN).unwrap_err().to_string(), text);
    }
}
