//! Policy gradients: how to move a distribution over actions towards better rewards when the reward
//! is a black box, and how sure to be of the direction.
//!
//! ```
//! use linalg::DVector;
//! use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
//! use rl_pg::{Baseline, Categorical, score_function};
//!
//! let reward = |&arm: &usize| [1.0, 2.0, 0.5][arm]; // the simulator: only values, no slopes
//! let mut logits = DVector::from_column_slice(&[0.0, 0.5, -1.0]);
//! let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
//! for _ in 0..200 {
//!     let policy = Categorical::from_parameters(logits.as_slice())?;
//!     let estimate = score_function(&policy, reward, 32, Baseline::LeaveOneOut, &mut rng)?;
//!     logits += estimate.gradient; // uphill, with a step of 1
//! }
//! let policy = Categorical::from_parameters(logits.as_slice())?;
//! assert!(policy.probabilities()[1] > 0.95); // it began at 0.55
//! # Ok::<(), rl_pg::Error>(())
//! ```
//!
//! # First decide: what does the simulator show?
//!
//! | it shows | and you have | use |
//! |---|---|---|
//! | a reward for each action | a distribution | [`score_function`] |
//! | a reward for a whole run ([`Simulator`]) | a network, and a smooth reward | [`Chain`] |
//! | the same, noisy or with jumps | a network | [`Learner::train`] |
//! | a reward for each step ([`Environment`]) | a network | [`Learner::train_environment`] |
//! | any of these, in another program | a command that starts it | [`process`] |
//!
//! # "How does the gradient of log-policy move the distribution to better scores?"
//!
//! What is to be raised is J(θ) = Σₐ π(a; θ) r(a), the expected reward. Its gradient is Σₐ ∇π(a; θ)
//! r(a): for each action the slope of its probability times its reward. That sum runs over all
//! actions, and a simulator shows only those that are tried. Writing ∇π = π ∇log π turns it into an
//! expectation,
//!
//! ```text
//! ∇J = E[r(a) ∇log π(a; θ)],   a ~ π(·; θ),
//! ```
//!
//! so the mean of r ∇log π over sampled actions estimates it without bias ([`score_function`]).
//! ∇log π(a), the *score*, is the direction that makes a more likely. A sample pulls θ along its
//! score as hard as its reward is high, and since the scores average to zero, what is left of all
//! the pulls is towards actions that pay more than the mean. For softmax logits: ∂J/∂θₐ = πₐ (rₐ −
//! J), up for arms above the mean, down for those below.
//!
//! The reward's own slope never enters, and neither does the simulator's: how a state follows from
//! an action does not depend on θ, so it drops out of ∇ log of the whole trajectory's probability.
//! That is the point of the method.
//!
//! ## Wrong turns
//!
//! - *Rewards times ∇π.* The draw has already brought the factor π; this counts it twice, and rare
//!   good actions are never found.
//! - *"Set the gradient to zero."* J is known only through samples, so one climbs. And a zero is
//!   not an optimum: with logits (0, 0, 20) for rewards (1, 2, ½) the policy is all but certain of
//!   the worst arm, and the gradient is 5e-9.
//! - *The sign.* This is ascent on a reward. For a loss, subtract.
//! - *"The integral is approximated by an expectation."* It is the expectation; the sample mean
//!   approximates it, and [`GradientEstimate::std_error`] says how well.
//! - *No baseline.* In the example above subtracting the mean reward divides the variance by seven,
//!   the best number by twelve, and the best number for each parameter by twenty-six.
//! - *The batch mean as an unbiased baseline.* It holds each sample's own reward, and the
//!   estimate's expectation is (1 − 1/N) times the gradient. [`Baseline::LeaveOneOut`] costs the
//!   same and has no bias. Dividing by the batch's standard deviation changes the expectation too,
//!   and not by a common factor.
//! - *A NaN reward replaced by 0.* It teaches that failing is average. Here it is an error that
//!   names the action.
//!
//! # "My loss is a simulator with no gradient: robot arm, ball, trajectory weights"
//!
//! A simulator that takes a whole trajectory and pays once is a [`Simulator`]: a context and an action
//! in, a reward out. One that is asked step by step is an [`Environment`]. [`rollouts`] and [`episodes`]
//! run many of them on all cores, with the same bits on any number; each draws its noise from its own
//! stream ([`Streams`]).
//!
//! [`ArmHit`] is the question's robot: 15 weights of a swing, and a reward for where the ball lands.
//! [`CartPole`], [`Bandit`] and [`TwoStates`] are what else methods are compared on. [`RadialBases`] and
//! [`MovementPrimitive`] turn a few weights into smooth movements, for a robot of yours.
//!
//! ```
//! use linalg::DMatrix;
//! use rl_pg::{ArmHit, rollouts};
//! let contexts = ArmHit::halton_contexts(2000); // balls, the same in any language
//! let actions = DMatrix::from_fn(15, 2000, |i, _| 0.3 * (1.0 + i as f64).sin()); // one swing for all
//! let mut arms = vec![ArmHit::new(); 4]; // one for each thread
//! let outcomes = rollouts(&mut arms, &contexts, &actions, &[0; 2000])?;
//! let successes: f64 = outcomes.iter().map(|outcome| outcome.metrics[1]).sum();
//! assert_eq!(successes, 291.0);
//! # Ok::<(), rl_pg::Error>(())
//! ```
//!
//! ## "Estimate the simulator's gradient C and multiply the output by it"
//!
//! A network maps what it sees, X, to P, the 15 weights; the simulator maps P to a loss L. In
//!
//! ```text
//! dL/dθ = (∂P/∂θ)ᵀ C,   C = ∂L/∂P at P,
//! ```
//!
//! the network's part is exact, by backpropagation, and only C, one number per output, has to be
//! estimated from values. [`Chain`] is that in one call, with an [`Estimator`] for C and a standard error for
//! every entry of dL/dθ. To train on it is to repeat it:
//! ```
//! use linalg::DMatrix;
//! use nn_core::{Adam, Network, Optimizer, Tanh};
//! use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
//! use rl_pg::{ArmHit, Chain, Estimator, Simulator};
//!
//! let (contexts, mut arm) = (ArmHit::halton_contexts(16), ArmHit::new());
//! let mut seen = DMatrix::zeros(4, 16);
//! for (context, mut column) in contexts.column_iter().zip(seen.column_iter_mut()) {
//!     arm.observe(context.as_slice(), 0, column.as_mut_slice())?;
//! }
//! let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
//! let mut network = Network::<f64>::builder(4).dense(32).activation(Tanh).dense(15).build(&mut rng)?;
//! let mut optimizer = Adam::new(3e-3)?;
//! let (chain, pairs) = (Chain::of_reward().clip(5.0), Estimator::antithetic(0.1));
//!
//! let mut rewards = Vec::new();
//! for step in 0..100 {
//!     let mut simulator = |sample: usize, weights: &[f64], seed| {
//!         Ok(arm.rollout(contexts.column(sample).as_slice(), weights, seed)?.reward)
//!     };
//!     let found = chain.estimate(&pairs, &network, &seen, &mut simulator, step)?; // 32 rollouts
//!     optimizer.step(network.parameters_mut(), found.gradient.as_slice()); // of −reward: downhill
//!     rewards.push(found.value);
//! }
//! assert!(rewards[90..].iter().sum::<f64>() / 10.0 > rewards[0] + 0.5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The recipe is right, and often written down imprecisely. Each of these was measured, in
//! `cargo xtask verify rl-pg/seeds-recipe`, and none is the gradient:
//!
//! - *The mean of C·P as a loss.* It is the *sum* over the outputs: a vector-Jacobian product. The mean shrinks
//!   the step by their number.
//! - *C attached to the graph.* C is a constant, a number measured at P. Differentiated along, it adds the
//!   second derivative of the loss times P.
//! - *The simulator run on C·P.* It is run at P, the network's own output. "The numerical derivative of P" must
//!   read "of L, at P".
//! - *C·P through a squared loss*: another loss altogether.
//! - *One C for the batch.* Each sample has its own; averaged first, they cancel.
//! - *The sign.* C of a reward, subtracted, makes it worse. [`Chain::of_reward`] and [`Chain::of_loss`] say which.
//!
//! What is usually not said at all decides the outcome. Central differences cost two rollouts per output and
//! sample. The step follows from noise and curvature ([`StepSearch`]), not from habit: with noise of 1e-3
//! a step of 1e-5 is ten thousand times worse than the best. Both sides of a difference need the same random
//! numbers ([`RandomNumbers`]). And where the reward jumps, as where a swing just misses the ball, the gradient over
//! a tiny step is exact and wrong; [`ChainGradient::disagreeing`] names the samples, and Gaussian displacements see
//! the jump. For the arm at rest, a rollout is worth, as |E g|²/variance in thousandths ([`GradientReport`]):
//!
//! | estimator | per rollout |
//! |---|---|
//! | central differences, h = 0.05, 30 rollouts | 0.5 |
//! | score function, σ = 0.15, no baseline | 2.0 |
//! | antithetic pairs, σ = 0.15 | 2.6 |
//! | simultaneous perturbation (SPSA), h = 0.15 | 2.8 |
//!
//! ## Wrong turns
//!
//! - *Contact at the end of a time step.* The reward looks right, off by less than a hundredth. Its
//!   numerical derivative is off by a fifth, with any small step: the time of contact moves in jumps. Find
//!   the root, or take steps well above what a time step changes.
//! - *Trusting an exact gradient at an edge.* Where a swing just misses, the reward falls by one at
//!   once. No derivative sees it.
//! - *One random generator for all workers.* Results then depend on who comes first.
//! - *A truncated episode counted as terminated.* After 500 steps the pole still stands; a learner that
//!   takes the value there for zero learns that balancing is worthless. [`End`] keeps the two apart, and
//!   [`Episode::last`] is the true last observation.
//!
//! # "How do I train a network through it?"
//!
//! An [`Actor`] makes a policy of a network: the outputs, and parameters that do not depend on what is
//! seen, go through a head such as [`DiagonalGaussian::from_parameters`]. A [`Learner`] trains it, by
//! [`Learner::train`] on a simulator that is asked once per episode and by
//! [`Learner::train_environment`] step by step: the same update, since one action per episode is an
//! episode of one step. The default [`LearnOptions`] are proximal policy optimization that uses recent
//! batches again; [`LearnOptions::reinforce`] is the plain method. Both want a second network that
//! learns what to expect ([`Learner::with_value`]). An observer sees every [`Update`] and may stop;
//! [`Plan`] has the test set and when to stop early; [`Learner::state`] is a checkpoint from which
//! training goes on to the same bits, in the middle of an episode too.
//!
//! `cargo run --release -p rl-pg --example arm_hit` teaches the robot and draws it; `--example
//! cart_pole` balances the pole. Both print a table with `-- --seeds 10`.
//!
//! ## Wrong turns
//!
//! - *γᵗ dropped.* Most libraries weigh each score with the reward-to-go alone. On [`TwoStates`] that
//!   direction is off by 13 %, and it is no gradient of anything ([`Discounting`]).
//! - *The whole return for every action.* Rewards from before an action say nothing about it, and
//!   doubled the variance there.
//! - *The weights as a checkpoint.* Without the optimizers' moments, the counters and the value network a
//!   resumed run is another run.
//! - *The last weights as the result.* They fluctuate; [`Learner::averaged`] does not, and reached 95 %
//!   on the robot with far fewer rollouts in the worst run.
//! - *Optimizing each context by itself, then fitting a network.* Neighboring contexts have optima that
//!   are no neighbors: 120 solved balls taught a network to return 18 % of others.
//! - *Deviation of equal rewards.* It is 0, and dividing by it fills the weights with NaN. Here it is
//!   taken for 1.
//!
//! # What is here
//!
//! *Policies*: [`Categorical`], [`Bernoulli`], [`DiagonalGaussian`], [`FullGaussian`], [`SquashedGaussian`] and
//! [`Beta`], each with its score, entropy, divergence and Fisher information, and with `from_parameters`, so that
//! numbers from a network make a policy; [`Policy`] makes any distribution of yours one.
//!
//! *Gradients*: [`score_function`] for a policy, with every [`Baseline`]; [`Estimator`] for a black box of
//! numbers, [`pgpe`] for whole parameter vectors, [`natural_gradient`], through a network
//! [`Actor::natural_gradient`]; [`Chain`] into a network. [`Estimator::simulate`] and [`Chain::simulate`] ask
//! simulators on all cores. What they
//! return is a [`GradientEstimate`] or has the same fields.
//!
//! *Evidence*: standard errors everywhere, [`Slopes`] at two displacements, [`GradientReport`] on what a rollout is
//! worth, where the noise comes from and how large a batch should be.
//!
//! *Simulators elsewhere*: a Python function, a Gymnasium environment or any other process, see [`process`].
//! On the ranks of a cluster: [`Farm`], with the team of the crate `ranks`.

mod check;
mod episodes;
mod error;
mod failure;
mod farm;
mod gradients;
mod learning;
mod policies;
mod policy;
#[cfg(feature = "process")]
pub mod process;
mod rollouts;
mod simulator;
mod simulators;
mod streams;

pub use episodes::{Episode, episodes};
pub use error::{Error, Result};
pub use failure::{FailedRollout, Failure};
pub use farm::Farm;
pub use gradients::{
    Baseline, Chain, ChainGradient, ChosenStep, Estimator, GradientEstimate, GradientReport,
    Method, Objective, Quotient, RandomNumbers, ReportPlan, Shares, Slopes, StepSearch,
    natural_gradient, pgpe, score_function, score_function_batch,
};
pub use learning::{
    Actor, Ascent, Collect, Discounting, Experience, History, LearnOptions, Learner, LearnerState,
    NaturalDirection, Plan, Point, Progress, Standardize, StoredAction, Surrogate, TrainingStop,
    Update, generalized_advantages, rewards_to_go,
};
pub use policies::{
    Bernoulli, Beta, Categorical, DiagonalGaussian, FullGaussian, Squashed, SquashedGaussian,
};
pub use policy::Policy;
#[cfg(feature = "process")]
pub use process::PYTHON_SHIM;
pub use rollouts::rollouts;
pub use simulator::{Differentiable, End, Environment, Outcome, Simulator, Step};
pub use simulators::{
    ArmHit, Bandit, CartPole, Contact, MovementPrimitive, RadialBases, TwoStates,
};
pub use streams::Streams;
