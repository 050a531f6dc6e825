//! Offline training that remembers how the gradient changed.

use std::ops::ControlFlow;

use linalg::descent::{CurvatureMemory, Point, dot, strong_wolfe};
use linalg::{DMatrix, DVector, Real};

use crate::check::{is_finite, positive};
use crate::shards::Batch;
use crate::{Error, Loss, Mode, Network, Result, Stop, Workspace};

/// L-BFGS: steps of a quasi-Newton method on the whole batch, each as long as a line search finds.
///
/// The direction is −H·g, with H the inverse Hessian that the last few steps s and changes y of the
/// gradient suggest (two-loop recursion); the length satisfies the strong Wolfe conditions
/// φ(t) ≤ φ(0) + 10⁻⁴·t·φ′(0) and |φ′(t)| ≤ 0.9·|φ′(0)|. A pair is taken up only where
/// s·y > 10⁻¹⁰·‖y‖², so that H stays positive definite. There is no rate to choose, and the loss
/// never rises. `cargo xtask verify nn-core/lbfgs` holds it against gradient descent on the digits, pass
/// by pass.
///
/// An evaluation is one pass forward and backward over all samples, usually one or two an iteration;
/// [`Minimization`] counts them. For mini-batches it is not made: the changes of the gradient would
/// be those between batches.
///
/// # References
/// Nocedal & Wright, "Numerical Optimization", 2nd edition, 2006: algorithms 7.4, 7.5, 3.5, 3.6.
///
/// # Examples
/// ```
/// use std::ops::ControlFlow;
///
/// use linalg::DMatrix;
/// use nn_core::{Lbfgs, MeanSquaredError, Network, Tanh};
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let x = DMatrix::from_row_slice(2, 4, &[-1.0, -1.0, 1.0, 1.0, -1.0, 1.0, -1.0, 1.0]);
/// let targets = DMatrix::from_row_slice(1, 4, &[-0.8, 0.8, 0.8, -0.8]);
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
/// let mut network = Network::<f64>::builder(2).dense(8).activation(Tanh).dense(1).build(&mut rng)?;
/// let loss = MeanSquaredError::new(&targets)?;
/// let done = Lbfgs::new().train(&mut network, &x, &loss, 40, |_| ControlFlow::Continue(()))?;
/// assert!(done.losses.last() < Some(&1e-10) && done.evaluations < 80);
/// # Ok::<(), nn_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Lbfgs<T: Real> {
    memory: usize,
    tolerance: f64,
    workspace: Workspace<T>,
}

/// What offline training did.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Minimization {
    /// The loss after each iteration.
    pub losses: Vec<f64>,
    /// The loss before the first.
    pub first_loss: f64,
    /// Passes over all samples.
    pub evaluations: usize,
    /// The largest entry of the gradient at the end.
    pub gradient: f64,
    /// Why it ended.
    pub stop: Stop,
}

/// Where offline training stands, after each iteration.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Iteration<'a, T: Real> {
    /// Iterations finished, this one included.
    pub iteration: usize,
    /// The loss after it.
    pub loss: f64,
    /// The largest entry of the gradient there.
    pub gradient: f64,
    /// Passes over all samples so far.
    pub evaluations: usize,
    /// The network, after it.
    pub network: &'a Network<T>,
}

impl<T: Real> Default for Lbfgs<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Real> Lbfgs<T> {
    /// L-BFGS that remembers 10 steps and stops at a gradient whose largest entry is 10⁻⁷.
    #[must_use]
    pub fn new() -> Self {
        Self { memory: 10, tolerance: 1e-7, workspace: Workspace::new() }
    }

    /// Remembers so many steps; with 0 it is gradient descent with a line search.
    #[must_use]
    pub fn memory(mut self, steps: usize) -> Self {
        self.memory = steps;
        self
    }

    /// Stops where the gradient's largest entry is at most `tolerance`.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless `tolerance` > 0.
    pub fn tolerance(mut self, tolerance: f64) -> Result<Self> {
        positive("tolerance", tolerance)?;
        self.tolerance = tolerance;
        Ok(self)
    }

    /// Trains `network` on all columns of `x` for at most `iterations`, calling `observer` after
    /// each.
    ///
    /// What is random in training is drawn once for all passes.
    ///
    /// # Errors
    /// As [`Network::loss_and_gradient`], and [`Error::Diverged`] where the loss or its gradient is
    /// not a number at the start. Beyond that nothing can diverge.
    pub fn train(
        &mut self,
        network: &mut Network<T>,
        x: &DMatrix<T>,
        loss: &dyn Loss<T>,
        iterations: usize,
        mut observer: impl FnMut(&Iteration<'_, T>) -> ControlFlow<()>,
    ) -> Result<Minimization> {
        /// The seed of dropout and its like: the same in all passes.
        const MODE: Mode = Mode::Training { seed: 0 };
        network.check_loss(x, loss)?;
        let all: Vec<usize> = (0..x.ncols()).collect();
        let batch = Batch { x, samples: &all, loss: Some(loss), mode: MODE };
        let mut evaluations = 1;
        let mut value = network.step_gradient(batch, &mut self.workspace)?;
        if !self.workspace.is_finite(value) {
            let layer = network.first_not_finite(batch)?;
            return Err(Error::Diverged { layer, name: network.describe(layer), loss: value });
        }
        let mut gradient = self.workspace.gradient().clone();
        let mut memory = CurvatureMemory::new(self.memory);
        let mut done = Minimization {
            losses: Vec::with_capacity(iterations.min(1 << 16)),
            first_loss: value,
            evaluations,
            gradient: gradient.amax().to_double(),
            stop: Stop::Finished,
        };
        for iteration in 1..=iterations {
            if done.gradient <= self.tolerance {
                done.stop = Stop::Converged;
                break;
            }
            let mut direction = memory.direction(&gradient);
            let mut slope = dot(&direction, &gradient);
            if !(slope < 0.0 && is_finite(direction.as_slice())) {
                memory.clear();
                direction = -&gradient;
                slope = dot(&direction, &gradient);
            }
            let first = match memory.is_empty() {
                true => (1.0 / direction.lp_norm(1).to_double()).min(1.0),
                false => 1.0,
            };
            let from = network.parameters().clone();
            let start = Point { step: 0.0, value, slope };
            let found = strong_wolfe(start, first, |step| {
                evaluations += 1;
                move_to(network, &from, &direction, step);
                let value = network.step_gradient(batch, &mut self.workspace)?;
                let slope = dot(&direction, self.workspace.gradient());
                let is_number = self.workspace.is_finite(value);
                let value = if is_number { value } else { f64::INFINITY };
                Ok::<_, Error>(Point { step, value, slope })
            })?;
            done.evaluations = evaluations;
            let Some(found) = found else {
                network.parameters_mut().copy_from_slice(from.as_slice());
                if memory.is_empty() {
                    done.stop = Stop::NoDescent;
                    break;
                }
                // Perhaps the memory misleads.
                memory.clear();
                continue;
            };
            // The network stands where the search ended, and the workspace has the gradient there.
            network.update_state(&self.workspace);
            let change = self.workspace.gradient() - &gradient;
            let moved = network.parameters() - &from;
            memory.push(moved, change);
            gradient.copy_from(self.workspace.gradient());
            value = found.value;
            done.losses.push(value);
            done.gradient = gradient.amax().to_double();
            let progress =
                Iteration { iteration, loss: value, gradient: done.gradient, evaluations, network };
            if observer(&progress).is_break() {
                done.stop = Stop::Observer;
                break;
            }
        }
        Ok(done)
    }
}

/// θ = `from` + `step`·`direction`.
fn move_to<T: Real>(
    network: &mut Network<T>,
    from: &DVector<T>,
    direction: &DVector<T>,
    step: f64,
) {
    let step = T::from_double(step);
    let moved = from.iter().zip(direction);
    for (theta, (&from, &d)) in network.parameters_mut().iter_mut().zip(moved) {
        *theta = from + step * d;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MeanSquaredError;

    /// Linear regression: a quadratic, on which n iterations suffice.
    fn linear(scales: &[f64]) -> (Network<f64>, DMatrix<f64>, DMatrix<f64>) {
        let n = scales.len();
        let network =
            Network::builder(n).dense_from(DMatrix::zeros(1, n), vec![0.0]).build_given().unwrap();
        let x = DMatrix::from_fn(n, 4 * n, |row, column| {
            scales[row] * (((row * 31 + column * 17) % 23) as f64 / 11.5 - 1.0)
        });
        let targets = DMatrix::from_fn(1, 4 * n, |_, c| x.column(c).sum() + 0.5);
        (network, x, targets)
    }

    #[test]
    fn a_quadratic_of_bad_condition_is_solved_in_a_few_passes() {
        let (mut network, x, targets) = linear(&[1.0, 10.0, 0.1]);
        let loss = MeanSquaredError::new(&targets).unwrap();
        let done = Lbfgs::new()
            .train(&mut network, &x, &loss, 100, |_| ControlFlow::Continue(()))
            .unwrap();
        assert_eq!(done.stop, Stop::Converged, "{done:?}");
        assert!(done.evaluations <= 40 && done.gradient <= 1e-7, "{done:?}");
        assert!(done.losses.windows(2).all(|pair| pair[1] <= pair[0]), "the loss never rises");
        for theta in &network.parameters().as_slice()[..3] {
            assert!((theta - 1.0).abs() < 1e-4, "{}", network.parameters());
        }
        // Without memory it is steepest descent, which this condition stops.
        let (mut network, ..) = linear(&[1.0, 10.0, 0.1]);
        let steepest = Lbfgs::new()
            .memory(0)
            .train(&mut network, &x, &loss, done.losses.len(), |_| ControlFlow::Continue(()))
            .unwrap();
        assert!(steepest.losses.last() > Some(&(1e3 * done.losses[done.losses.len() - 1])));
    }

    #[test]
    fn the_observer_stops_it_and_a_bad_start_is_an_error() {
        let (mut network, x, targets) = linear(&[1.0, 2.0]);
        let loss = MeanSquaredError::new(&targets).unwrap();
        let done =
            Lbfgs::new().train(&mut network, &x, &loss, 9, |_| ControlFlow::Break(())).unwrap();
        assert_eq!((done.losses.len(), done.stop), (1, Stop::Observer));
        assert!(done.losses[0] < done.first_loss);

        network.parameters_mut().fill(1e200);
        let error = Lbfgs::new()
            .train(&mut network, &x, &loss, 9, |_| ControlFlow::Continue(()))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the step diverged: loss inf, first NaN or infinity in layer 0 (dense 2 -> 1)"
        );
        let text = Lbfgs::<f64>::new().tolerance(0.0).unwrap_err().to_string();
        assert_eq!(text, "tolerance is 0, expected a finite number greater than 0");
    }
}
