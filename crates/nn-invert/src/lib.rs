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
//! [`LayerwiseInverse`] does that for one target or for many.
//!
//! **The wrong turns**
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
//! Through a GRU or an LSTM each step is searched from the state before. [`recover_states`] goes the
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
//! # What is here, and what is not yet
//!
//! Square dense layers with tanh, leaky ReLU, identity, or an activation of one's own that has an
//! inverse. Rectangular layers (pseudo-inverses, with the caution that a chain of them is no
//! least-squares solution), ReLU, descent from a seed, networks of 100,000 inputs and the
//! set of all preimages are to come; until then they are refused by name.
//! The bound needs the inverse of each matrix, about 4·N³ multiply-adds and 2·N² numbers per layer: made
//! for N up to a few thousand.

mod affine;
mod arguments;
mod bounded;
mod chain;
mod door;
mod error;
mod fixed_point;
mod invertible;
mod layerwise;
mod learned;
mod local;
mod map;
mod multistart;
mod network_map;
mod perceptron;
mod preimages;
mod reach;
mod recurrent;
mod search;
#[cfg(test)]
mod testing;

pub use bounded::{Bounded, bounded_least_squares};
pub use chain::Chain;
pub use error::{Error, Result};
pub use fixed_point::FixedPoint;
pub use invertible::{Coupling, Flow, FlowInversions, Half, Mixing, Residual, Undone};
pub use layerwise::{Inversion, Inversions, LayerwiseInverse};
pub use learned::{
    BeliefNetwork, Chains, Divergence, Epoch, LearnedInverse, Lesson, RestrictedBoltzmann,
    Statistics, TiedAutoencoder,
};
pub use local::{Local, Smoothness, Unique, local, smoothness, unique};
pub use map::{Linearization, Map};
pub use multistart::{MultiStart, Solution, Solutions};
pub use preimages::{Member, Nearest, Preimages};
pub use reach::{Reach, Witness, reach};
pub use recurrent::{
    Equilibrium, EquilibriumInput, History, HistoryStop, SequenceInverse, SequenceInversion,
    recover_states,
};
pub use search::{DENSE, Search, SearchMethod, SearchOptions, SearchProgress, SearchStop, search};
