//! The natural gradient of a network's policy: steepest ascent where distance is measured between what
//! policies do.

use std::cell::RefCell;

use linalg::krylov::{self, Options, Stop};
use linalg::{DMatrix, DVector, LinearOperator, Real};
use nn_core::{Direction, Gradients, Trace};

use crate::learning::data::Data;
use crate::learning::learner::LARGEST_LOG_RATIO;
use crate::{Actor, Error, Learner, Policy, Result, check};

/// A direction of steepest ascent between policies, with how well it was solved for.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct NaturalDirection {
    /// x ≈ (F + damping·I)⁻¹ g, an entry for each of [`Actor::parameters`].
    pub direction: DVector<f64>,
    /// gᵀ x: a step of √(2δ/gᵀx) times the direction moves the policy by KL ≈ δ.
    pub slope: f64,
    /// ‖g − (F + damping·I)·x‖/‖g‖; 0 for g = 0.
    pub residual: f64,
    /// Products with F that it took.
    pub iterations: usize,
}

/// How often a natural step is halved at most: a thousandth of it moves no policy.
const HALVINGS: usize = 10;

/// What is left of the residual when conjugate gradients stop, and after how many steps they stop anyway: g is
/// never known so well.
const TOLERANCE: f64 = 1e-4;
const ITERATIONS: usize = 50;

impl<T: Real, P: Policy> Actor<T, P> {
    /// (F + damping·I)⁻¹ g with the Fisher information F of the policy over these observations,
    /// a column each: what [`natural_gradient`](crate::natural_gradient) is for a policy without a network.
    ///
    /// ```text
    /// F = (1/N) Σₙ Jₙᵀ Fₙ Jₙ,   Jₙ = ∂(policy's parameters)/∂θ at observation n,   Fₙ = Policy::fisher
    /// ```
    ///
    /// F is never written down: conjugate gradients ask for F·v, which is a forward pass along v, the Fₙ
    /// and a backward pass. `gradient` is ∇J as [`Actor::weighted_scores`] makes it. How the network is
    /// parameterized drops out: scale a layer up and the next down, and the natural gradient moves the
    /// policy as before, which the plain one does not. `damping` is for the directions that move the
    /// policy hardly at all; a hundredth to a tenth of F's diagonal.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotFinite`], [`Error::Empty`], [`Error::OutOfRange`] for a damping that
    /// is not positive, and those of the head.
    ///
    /// # Examples
    /// A bandit: softmax over two logits, which are a network's biases. The natural gradient is the reward
    /// less the plain mean over the arms.
    /// ```
    /// use linalg::{DMatrix, DVector};
    /// use nn_core::Network;
    /// use rl_pg::{Actor, Categorical, Policy};
    ///
    /// let network = Network::<f64>::builder(1).dense_from(DMatrix::zeros(2, 1), vec![0.0, 3.0]);
    /// let actor = Actor::new(network.build_given()?, Vec::new(), Categorical::from_parameters)?;
    /// let (nothing, r) = (DMatrix::zeros(1, 1), [4.0, 1.0]);
    /// let pi = actor.policy(&[0.0])?.probabilities()[0]; // 0.047, of the better arm
    /// let slope = pi * (1.0 - pi) * (r[0] - r[1]);
    /// let gradient = DVector::from_vec(vec![0.0, 0.0, slope, -slope]); // weights, biases
    /// let natural = actor.natural_gradient(&nothing, &gradient, 1e-9)?;
    /// assert!((natural.direction[2] - 1.5).abs() < 1e-6 && (natural.direction[3] + 1.5).abs() < 1e-6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # References
    /// S. Kakade (2001), as in [`natural_gradient`](crate::natural_gradient); the products by conjugate
    /// gradients: J. Schulman, S. Levine, P. Moritz, M. Jordan and P. Abbeel, "Trust region policy
    /// optimization", ICML 2015, appendix C.
    pub fn natural_gradient(
        &self,
        observations: &DMatrix<f64>,
        gradient: &DVector<f64>,
        damping: f64,
    ) -> Result<NaturalDirection> {
        if observations.ncols() == 0 {
            return Err(Error::Empty { argument: "observations" });
        }
        let x = self.inputs(observations.as_slice())?;
        let parameters = self.network.parameters().len() + self.free.len();
        check::numbers("gradient", gradient.as_slice(), parameters)?;
        self.natural_direction(&x, gradient.as_slice(), damping)
    }

    /// As [`Actor::natural_gradient`], of network inputs and a gradient that is known to fit.
    pub(crate) fn natural_direction(
        &self,
        x: &DMatrix<T>,
        gradient: &[f64],
        damping: f64,
    ) -> Result<NaturalDirection> {
        check::positive("damping", damping)?;
        let mut trace = Trace::new();
        self.network.forward(x, &mut trace)?;
        let (p, mut room) = (trace.output().into_owned(), Vec::new());
        let heads = p
            .column_iter()
            .map(|outputs| Ok(self.head_of(outputs.as_slice(), &mut room)?.fisher()));
        let heads = heads.collect::<Result<Vec<_>>>()?;
        let trace = RefCell::new(trace);
        let fisher = Fisher { actor: self, heads, damping, trace };
        let options = Options::default().tolerance(TOLERANCE).iterations(ITERATIONS);
        let solution = krylov::cg(&fisher, gradient, options)?;
        if solution.stop == Stop::NotFinite {
            let (argument, index) = ("the product with the Fisher information", 0);
            return Err(Error::NotFinite { argument, index, value: f64::NAN });
        }
        let slope = solution.x.iter().zip(gradient).map(|(x, g)| x * g).sum();
        let (residual, iterations) = (solution.relative_residual, solution.iterations);
        Ok(NaturalDirection { direction: solution.x, slope, residual, iterations })
    }
}

impl<T: Real, P: Policy> Learner<T, P> {
    /// One step along the natural gradient of all samples; how far it moved the policy.
    pub(crate) fn natural_step(
        &mut self,
        damping: f64,
        data: &Data<T>,
        actions: &[(usize, usize)],
    ) -> Result<f64> {
        let all: Vec<usize> = (0..actions.len()).collect();
        let _ = self.policy_gradient(&all, data, actions)?;
        let network = self.pass.gradient().iter().map(|g| g.to_double());
        // Uphill, where optimizers go down.
        let gradient: Vec<f64> =
            network.chain(self.pass.free().iter().copied()).map(|g| -g).collect();
        let natural = self.actor.natural_direction(&data.x, &gradient, damping)?;
        if !(natural.slope > 0.0) {
            return Ok(0.0);
        }
        let from = self.actor.parameters();
        let mut length = (2.0 * self.options.divergence / natural.slope).sqrt();
        let mut divergence = 0.0;
        for _ in 0..HALVINGS {
            let moved = from.iter().zip(&natural.direction).map(|(theta, x)| theta + length * x);
            self.actor.put(&moved.collect::<Vec<f64>>());
            self.actor.hold_free();
            divergence = self.divergence(data, actions)?;
            if divergence <= 1.5 * self.options.divergence {
                break;
            }
            length *= 0.5;
        }
        Ok(divergence)
    }

    /// The mean of ρ − 1 − log ρ over the samples.
    fn divergence(&mut self, data: &Data<T>, actions: &[(usize, usize)]) -> Result<f64> {
        let policies = self.actor.policies_of(&data.x, &mut self.workspace)?;
        let mut sum = 0.0;
        for ((policy, &(batch, step)), start) in policies.iter().zip(actions).zip(&data.start) {
            let log_ratio = policy.log_probability(&self.kept[batch].actions[step])? - start;
            sum += log_ratio.min(LARGEST_LOG_RATIO).exp() - 1.0 - log_ratio;
        }
        Ok(sum / actions.len() as f64)
    }
}

/// F + damping·I.
struct Fisher<'a, T: Real, P> {
    actor: &'a Actor<T, P>,
    /// The Fisher information of each observation's policy by its own parameters.
    heads: Vec<DMatrix<f64>>,
    damping: f64,
    /// The forward pass over the observations, and room for those along a direction.
    trace: RefCell<Trace<T>>,
}

impl<T: Real, P: Policy> Fisher<'_, T, P> {
    fn product(&self, v: &[f64], y: &mut [f64]) -> Result<()> {
        let trace = &mut self.trace.borrow_mut();
        let network = &self.actor.network;
        let (along, free) = v.split_at(network.parameters().len());
        let along = DVector::from_iterator(along.len(), along.iter().map(|&v| T::from_double(v)));
        let moved = network.jvp(Direction::Parameters(&along), trace)?;
        let (outputs, share) = (network.outputs(), 1.0 / check::real(self.heads.len()));
        let mut back = DMatrix::zeros(outputs, self.heads.len());
        let (to_network, to_free) = y.split_at_mut(along.len());
        to_free.iter_mut().zip(free).for_each(|(y, v)| *y = self.damping * v);
        let mut rate = DVector::zeros(outputs + free.len());
        for (sample, head) in self.heads.iter().enumerate() {
            for (rate, moved) in rate.iter_mut().zip(moved.column(sample).iter()) {
                *rate = moved.to_double();
            }
            rate.as_mut_slice()[outputs..].copy_from_slice(free);
            let pull = head * &rate * share;
            for (back, pull) in back.column_mut(sample).iter_mut().zip(pull.iter()) {
                *back = T::from_double(*pull);
            }
            to_free.iter_mut().zip(&pull.as_slice()[outputs..]).for_each(|(y, pull)| *y += pull);
        }
        network.backward(&back, Gradients::Parameters, trace)?;
        for ((y, g), v) in to_network.iter_mut().zip(trace.gradient().iter()).zip(v) {
            *y = g.to_double() + self.damping * v;
        }
        Ok(())
    }
}

impl<T: Real, P: Policy> LinearOperator<f64> for Fisher<'_, T, P> {
    fn nrows(&self) -> usize {
        self.actor.network.parameters().len() + self.actor.free.len()
    }

    fn ncols(&self) -> usize {
        self.nrows()
    }

    fn apply(&self, x: &[f64], y: &mut [f64]) -> linalg::Result<()> {
        if self.product(x, y).is_err() {
            // The network refuses what is no number; the solver stops at it.
            y.fill(f64::NAN);
        }
        Ok(())
    }

    fn apply_adjoint(&self, x: &[f64], y: &mut [f64]) -> linalg::Result<()> {
        self.apply(x, y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DiagonalGaussian, natural_gradient};
    use nn_core::{Network, Tanh};
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    fn actor() -> Actor<f64, DiagonalGaussian> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        let network = Network::builder(2).dense(4).activation(Tanh).dense(2).build(&mut rng);
        let head = DiagonalGaussian::from_parameters;
        Actor::new(network.unwrap(), vec![-0.5, 0.2], head).unwrap()
    }

    fn observations() -> DMatrix<f64> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
        DMatrix::from_fn(2, 40, |_, _| rng.random_range(-1.0..1.0))
    }

    /// F by its definition, E[score·scoreᵀ], from the Jacobian of each observation.
    fn fisher(actor: &Actor<f64, DiagonalGaussian>, x: &DMatrix<f64>) -> DMatrix<f64> {
        let n = actor.parameters().len();
        let mut sum = DMatrix::zeros(n, n);
        for x in x.column_iter() {
            let own = actor.network().parameter_jacobian(&x.into_owned()).unwrap();
            let mut jacobian = DMatrix::zeros(4, n);
            jacobian.view_mut((0, 0), (2, n - 2)).copy_from(&own);
            (jacobian[(2, n - 2)], jacobian[(3, n - 1)]) = (1.0, 1.0);
            let head = actor.policy(x.as_slice()).unwrap().fisher();
            sum += jacobian.transpose() * head * jacobian;
        }
        sum / x.ncols() as f64
    }

    #[test]
    fn it_solves_the_fisher_information_written_down() {
        let (actor, x, damping) = (actor(), observations(), 0.05);
        let n = actor.parameters().len();
        let gradient = DVector::from_fn(n, |k, _| (1.0 + 3.0 * k as f64).sin());
        let found = actor.natural_gradient(&x, &gradient, damping).unwrap();
        let back = fisher(&actor, &x) * &found.direction + damping * &found.direction;
        let residual = (back - &gradient).norm() / gradient.norm();
        // What conjugate gradients say is left, and rounding.
        assert!(residual < 2.0 * TOLERANCE && found.residual < TOLERANCE, "{residual}");
        assert!(found.iterations <= n, "{}", found.iterations);
        assert!((found.slope / gradient.dot(&found.direction) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_step_along_it_moves_the_policy_as_far_as_it_says() {
        let (actor, x) = (actor(), observations());
        let n = actor.parameters().len();
        // Nothing where no parameter moves the policy: there F says nothing of a step.
        let gradient =
            fisher(&actor, &x) * DVector::from_fn(n, |k, _| (2.0 + 5.0 * k as f64).cos());
        let found = actor.natural_gradient(&x, &gradient, 1e-3).unwrap();
        let delta = 1e-10f64;
        let mut moved = actor.clone();
        let step = (2.0 * delta / found.slope).sqrt() * &found.direction;
        let to: Vec<f64> = actor.parameters().iter().zip(&step).map(|(a, b)| a + b).collect();
        moved.set_parameters(&to).unwrap();
        let pairs = actor.policies(x.as_slice()).unwrap().into_iter();
        let pairs = pairs.zip(moved.policies(x.as_slice()).unwrap());
        let divergence: f64 = pairs.map(|(a, b)| a.divergence(&b).unwrap()).sum::<f64>() / 40.0;
        // δ is of F + damping·I, of which damping·|step|²/2 moves nothing; the rest is of third order.
        let expected = delta - 0.5e-3 * step.norm_squared();
        assert!((divergence / expected - 1.0).abs() < 0.02, "{divergence} {expected}");
    }

    #[test]
    fn without_a_network_it_is_the_natural_gradient_of_the_policy() {
        let network = Network::builder(1).dense_from(DMatrix::zeros(2, 1), vec![0.3, -0.2]);
        let head = DiagonalGaussian::from_parameters;
        let actor = Actor::new(network.build_given().unwrap(), vec![-1.0, 0.5], head).unwrap();
        let policy = actor.policy(&[0.0]).unwrap();
        let gradient = DVector::from_column_slice(&[1.0, -2.0, 0.5, 3.0]);
        let expected = natural_gradient(&policy, &gradient, 0.1).unwrap();
        let mut own = DVector::zeros(6);
        own.rows_mut(2, 4).copy_from(&gradient);
        let found = actor.natural_gradient(&DMatrix::zeros(1, 3), &own, 0.1).unwrap();
        assert!((found.direction.rows(2, 4) - &expected).norm() < 1e-3 * expected.norm());
    }

    #[test]
    fn bad_input_is_named() {
        let (actor, x) = (actor(), observations());
        let gradient = DVector::zeros(actor.parameters().len());
        let zero = actor.natural_gradient(&x, &gradient, 0.1).unwrap();
        assert_eq!((zero.direction.norm(), zero.slope), (0.0, 0.0));
        let text = |x: &DMatrix<f64>, gradient: &DVector<f64>, damping| {
            actor.natural_gradient(x, gradient, damping).unwrap_err().to_string()
        };
        assert_eq!(text(&x, &gradient, 0.0), "damping is 0, and must be positive and finite");
        assert_eq!(
            text(&x, &DVector::zeros(3), 0.1),
            format!("gradient has 3 entries, expected {}", gradient.len())
        );
        assert_eq!(
            text(&DMatrix::zeros(2, 0), &gradient, 0.1),
            "observations is empty, and at least one entry is needed"
        );
    }
}
