//! Which input gives this output? Inverts the network one already has, and says what the answer is
//! worth.
//!
//! ```
//! use linalg::{DMatrix, DVector};
//! use nn_core::{Network, Tanh};
//! use nn_invert::LayerwiseInverse;
//!
//! let network = Network::builder(2)
//!     .dense_from(DMatrix::from_row_slice(2, 2, &[2.0, 1.0, 1.0, 3.0]), vec![0.25, -0.5])
//!     .activation(Tanh)
//!     .build_given()?;
//! let target = DVector::from_vec(vec![0.75_f64.tanh(), 0.375_f64.tanh()]);
//!
//! let inverse = LayerwiseInverse::new(&network)?; // factors once, for many targets
//! let answer = inverse.invert(&target)?;
//! assert!((answer.input - DVector::from_vec(vec![0.125, 0.25])).norm() <= answer.error_bound);
//! assert!(answer.residual < 1e-15 && answer.error_bound < 1e-14);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # First decide: how do the widths run?
//!
//! | the network | use |
//! |---|---|
//! | widths that only fall, only rise, or stay | [`LayerwiseInverse`]: an input, or why there is none |
//! | widths that rise and then fall | [`search`] from a seed, [`MultiStart`] where that ends elsewhere |
//! | N of 10,000 and more | a [`Chain`] of operators, undone by structure or by iteration |
//! | a recurrence | [`SequenceInverse`]; [`recover_states`] for what came before |
//! | one input of many is wanted, or all | [`Preimages`] |
//! | is there any? | [`reach`] |
//!
//! Targets and inputs are columns; the network is `nn-core`'s, in `f32` or `f64`. Use `f64`: inversion
//! divides by the slopes of the activations, and a tanh at |z| = 5 leaves an `f32` half of its digits.
//!
//! # "Which input X gives this output Y? My network has N inputs, N outputs and hidden layers"
//!
//! If every layer is square, every matrix regular and every activation one to one, there is exactly one
//! such X or none, and it is found going back layer by layer:
//!
//! ```text
//! a = f(z)          z = f⁻¹(a)              for a in the range of f, else there is no X
//! z = W·h + b       h = W⁻¹·(z − b)
//! ```
//!
//! [`LayerwiseInverse`] does that for one target or for many; what was factored serves all of them.
//!
//! # "And if layers have more inputs than outputs, or fewer? If there is a ReLU?"
//!
//! A *wide* matrix has many h for one z: the shortest is taken, and where the activation before cannot
//! give that, one that it can. On random 30-20-10 tanh networks this is the difference between 40 % and
//! 100 % of the targets inverted. A *tall* one has one h or none, and which of the two is checked. A
//! *ReLU* has a set for 0, any z ≤ 0, among which the layer before chooses: [`Folds::Rising`].
//! Pseudo-inverses report their rank and how clear it is ([`LayerwiseInverse::layers`]).
//!
//! This inverts every reachable target where widths do not rise and then fall. Where they do, what a wide
//! layer chooses is seldom what the tall one before it can give, and **a chain of pseudo-inverses is then
//! no least-squares solution of anything**: the answer names the layer ([`Fault::Unreachable`] with
//! [`chosen_by`](Fault::Unreachable::chosen_by)), and is a start for solving the network as a whole.
//!
//! # "N is 10,000 to 100,000"
//!
//! A dense matrix of N = 10,000 is 0.8 GB, as are its factors, once for all targets; with
//! [`Factors::Single`] they are 0.4 GB and the answer has the same digits. One of N = 100,000 is 80 GB:
//! it is refused with that number before anything is allocated ([`Error::TooLarge`]). Nobody has such a
//! matrix in full, but sparse, banded, of low rank plus a diagonal, as a convolution, or as a function:
//! [`Chain`] takes these, and undoes them by their structure or by iteration; [`Circulant`] is a convolution
//! around the circle. Of the set of all inputs with one output nothing is made but vectors either:
//! [`Preimages`] projects by least squares.
//!
//! ```
//! use linalg::operator::LowRankPlusDiagonal;
//! use linalg::{DMatrix, DVector};
//! use nn_core::Tanh;
//! use nn_invert::{Chain, LayerwiseInverse, LayerwiseOptions, Map, Undone};
//!
//! let n = 100_000;
//! let thin = DMatrix::from_fn(n, 2, |i, j| ((i * (j + 1)) as f64).sin() / 500.0);
//! let weight = LowRankPlusDiagonal::new(DVector::from_element(n, 1.5), thin.clone(), thin)?;
//! let chain = Chain::new(n).operator(weight, vec![0.1; n])?.activation(Tanh);
//! let x = DVector::from_fn(n, |i, _| (i as f64).cos());
//! let y = chain.value(&x)?;
//!
//! let inverse = LayerwiseInverse::with_options(chain, LayerwiseOptions::default())?;
//! assert_eq!(inverse.layers()[0].undone, Undone::Structure);
//! let answer = inverse.invert(&y)?;
//! let error = (answer.input - &x).norm();
//! assert!(error <= 10.0 * answer.predicted_error && error <= 1e-13 * x.norm());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Iterations do not always converge: for 2·I plus random entries they do while the spectral radius of
//! those is below 2, and nothing here does beyond. What was reached is returned then, and says so:
//! [`Fault::NotConverged`].
//!
//! # "Start from a seed and descend: does the answer resemble the seed?"
//!
//! [`search`] descends from any x, for any [`Map`]: Levenberg-Marquardt with the Jacobian made or only
//! multiplied with, L-BFGS, Adam; within bounds, with inputs that are fixed and outputs that are not
//! known, near the seed or smooth. Does the answer resemble the seed? [`Search::seed_distance`] says how
//! much, and [`Preimages::nearest`] finds the nearest input there is, which satisfies
//! x − seed ∈ range(Jᵀ). Through one linear layer the two are the same point, seed + W⁺·(y − W·seed); through
//! 30-20-10 tanh networks the search ends a few percent to twice as far away. Through a ReLU the set has edges,
//! and the nearest input often lies on one: [`Nearest::kinks`] names the units that are at their kinks there, and
//! the conditions are those of all pieces that meet.
//!
//! ```
//! use std::ops::ControlFlow;
//!
//! use linalg::{DMatrix, DVector};
//! use nn_core::{Network, Tanh};
//! use nn_invert::{Preimages, SearchOptions, SearchStop, search};
//!
//! let network = Network::<f64>::builder(3)
//!     .dense_from(DMatrix::from_row_slice(1, 3, &[1.0, 2.0, 2.0]), vec![0.0])
//!     .activation(Tanh)
//!     .build_given()?;
//! let target = DVector::from_element(1, 0.9_f64.tanh());
//! let seed = DVector::from_vec(vec![1.0, 0.0, 0.0]);
//! let options = SearchOptions::default();
//! let found = search(&network, &target, &seed, &options, |_| ControlFlow::Continue(()))?;
//! assert_eq!(found.stop, SearchStop::Converged);
//!
//! let set = Preimages::new(&network, &target, &found.input)?;
//! assert_eq!(set.dimension(), 2); // a plane of inputs with this output
//! let nearest = set.nearest(&seed)?;
//! assert!((nearest.distance - 0.1 / 3.0).abs() < 1e-12); // the plane's distance from the seed
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Where widths rise and fall again, one descent of ten or more ends in a minimum that is no solution
//! ([`SearchStop::Stationary`]): [`MultiStart`] tries others and tells distinct solutions apart. On
//! 10-20-20-10 tanh networks of gain 1.5, 76 of 100 targets need one start, and all at most twenty, each of
//! which takes a tenth of the time of SciPy's `least_squares` or less (`benches/peers/invert_search.py`).
//! [`LayerwiseInverse::polish`] begins where undoing the layers ends, and else at zero: a layer-wise answer
//! that was clipped into the range of a tanh is no place to begin, since its gradients are dead.
//!
//! **The wrong turn**: to ask a classifier for the image it believes in most by its scores alone. Ten scores
//! of 64 pixels leave 54 dimensions free, and what fills them is the seed and noise. Say what an image is,
//! by `bounds` and `smooth`, and start from a typical one
//! (`cargo run --release -p nn-invert --example believed_digit`).
//!
//! # "Is there any input at all? Is it the only one?"
//!
//! [`reach`] proves that a target is out of reach: a direction in which it lies beyond everything that the
//! last hidden layer can give, to be checked by two products. That a descent ends is no such proof, and
//! neither is a hidden vector of least norm outside the range: others may be inside. [`unique`] proves
//! (Kantorovich) that an exact solution lies within a stated radius of a computed one, and no other
//! within another. [`local`] has rank, dimension and condition of the whole map at an input, and the error to
//! expect there.
//!
//! # Wrong turns
//!
//! - *Subtracting the bias last*, "multiply by the inverse of W, minus the bias": W⁻¹·z − b is the
//!   input of another network.
//! - *The transpose for the inverse*. Wᵀ carries gradients back, not values; it is W⁻¹ for orthogonal
//!   W alone.
//! - *Clipping a target into the range of tanh*. An output of 1 has no input at all, 0.999 has one at
//!   3.8 and 0.999999 one at 7.25: the clip decides the answer. Such a target is refused, naming the
//!   layer, the unit and the excess.
//! - *Trusting the residual*. f(x) may agree with y in every digit while x has none: where a tanh is
//!   saturated, or a layer nearly singular, inputs far apart have the same rounded output. Hence
//!   [`Inversion::predicted_error`] and [`Inversion::error_bound`]. In `f64`, half of the digits of a
//!   unit are gone at |z| = 10 and all of them at 18.7.
//! - *The product of the layers' condition numbers as an error bound*. It leaves out the slopes of the
//!   activations and is exceeded.
//!
//! ```
//! use linalg::{DMatrix, DVector};
//! use nn_core::{Network, Tanh};
//! use nn_invert::{Error, LayerwiseInverse};
//!
//! let network = Network::<f64>::builder(1)
//!     .dense_from(DMatrix::identity(1, 1), vec![0.0])
//!     .activation(Tanh)
//!     .build_given()?;
//! let inverse = LayerwiseInverse::new(&network)?;
//! let saturated = inverse.invert(&DVector::from_element(1, 10.0_f64.tanh()))?;
//! assert!(saturated.residual <= f64::EPSILON);
//! assert!((saturated.input[0] - 10.0).abs() > 1e-10); // not the digits that one might think
//! assert!(saturated.digits() < 10.0);
//!
//! let beyond = inverse.invert(&DVector::from_element(1, 1.25)).unwrap_err();
//! assert!(matches!(beyond, Error::OutOfRange { layer: 1, index: 0, excess: 0.25, .. }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # "And recurrences? Which input sequence gave these outputs, which state came before?"
//!
//! [`SequenceInverse`] takes an output sequence back to its input sequence. Through an Elman layer,
//! read out as y = V·h + c, that is exact, and errors do not add up along the sequence, since both states
//! come from the outputs:
//!
//! ```text
//! hₜ = V⁻¹·(yₜ − c)        xₜ = U⁻¹·(atanh hₜ − W·hₜ₋₁ − b)
//! ```
//!
//! Through a GRU or an LSTM each step is searched from the state before; where that ends early,
//! [`SequenceInversion::fault`] says whether nothing leads on, gates are saturated, or an earlier step has
//! another input. [`recover_states`] goes the
//! other way, from a state to the ones before it, and stops where its digits end, which is after 5 to 15
//! steps for random weights: a recurrence forgets. An [`Equilibrium`] rests where h = f(W·h + U·x + b),
//! and its input is one solve. Where steps are mixed or outputs too few, the sequence is an input like any
//! other, for [`search`].
//!
//! **The wrong turns**: to leave out W·hₜ₋₁, and to believe a state recovered forty steps back because,
//! stepped forward again, it leads to the last one in every digit.
//!
//! # "Can I train a network so that it is invertible?"
//!
//! [`Coupling`], [`Mixing`] and [`Residual`] layers are invertible whatever their weights (a residual
//! block while it contracts), are trained as any layer of `nn-core`, and are undone by [`Flow`] with
//! log|det| and with what the inverse may magnify errors by. **The wrong turns**: affine couplings without
//! a clamp, sixteen of which leave no digit; and a fixed number of iterations for a residual block, which
//! is not an inverse once training has made it steep.
//!
//! # "There is no inverse. Can one be learned?"
//!
//! A [`LearnedInverse`] guesses an input, off by a tenth or so, and [`search`] makes an answer of the
//! guess: on networks that widen and then narrow, one search from a random start finds an input for 3
//! targets in 10, and from the guess for 9. A [`BeliefNetwork`] of [`RestrictedBoltzmann`] machines
//! reconstructs what it has learned to expect, a [`TiedAutoencoder`] what its principal components say.
//! **The wrong turn** is to take any of these for the inverse.
//!
//! # What is here, and what is not
//!
//! Dense layers, convolutions, average pooling, batch normalization (in inference), dropout and flatten
//! (which do nothing then), softmax, and every activation of `nn-core` but sin; one's own, where it has an
//! [`inverse`](nn_core::Activation::inverse) or a [`fold`](nn_core::Activation::fold). Max pooling, layer
//! normalization and embeddings have no view that could be undone by itself ([`Error::NoView`]), and a
//! recurrent layer only as part of a sequence; a network with them is a [`Map`] all the same.
//!
//! [`Evidence::Bound`] needs the inverse of each matrix, about 2·N³ multiply-adds: made for N up to a
//! few thousand. [`Evidence::Estimate`] solves for nine right-hand sides instead of one, and
//! [`Evidence::Residual`] is as fast as solving is.

mod affine;
mod answer;
mod arguments;
mod bound;
mod bounded;
mod chain;
mod circulant;
mod error;
mod fixed_point;
mod invertible;
mod layerwise;
mod learned;
mod local;
mod map;
mod multistart;
mod network_map;
mod options;
mod pass;
mod perceptron;
mod polish;
mod preimages;
mod reach;
mod recurrent;
mod search;
#[cfg(test)]
mod testing;
mod undo;

pub use affine::Undone;
pub use answer::{Fault, Inversion, Inversions, LayerReport, saturation_digits};
pub use bounded::{Boxed, nearest_in_box};
pub use chain::Chain;
pub use circulant::Circulant;
pub use error::{Error, Result};
pub use fixed_point::FixedPoint;
pub use invertible::{Coupling, Flow, FlowInversions, Half, LayerInversion, Mixing, Residual};
pub use layerwise::LayerwiseInverse;
pub use learned::{
    BeliefNetwork, Chains, Divergence, Epoch, LearnedInverse, Lesson, RestrictedBoltzmann,
    Statistics, TiedAutoencoder,
};
pub use local::{Local, Smoothness, Unique, local, smoothness, unique};
pub use map::{Linearization, Map};
pub use multistart::{MultiStart, Solution, Solutions};
pub use options::{Evidence, Factors, Folds, LayerwiseOptions, Outside, Singular};
pub use polish::{Beginning, Polished};
pub use preimages::{Member, Nearest, NearestStop, Preimages};
pub use reach::{Reach, Witness, reach};
pub use recurrent::{
    Equilibrium, EquilibriumInput, History, HistoryStop, SequenceFault, SequenceInverse,
    SequenceInversion, recover_states,
};
pub use search::{DENSE, Search, SearchMethod, SearchOptions, SearchProgress, SearchStop, search};
