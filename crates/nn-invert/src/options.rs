//! What a layer-wise inversion is asked for.

use linalg::Threads;

use crate::Result;
use crate::arguments::{positive, within};

/// How layers are undone, and what is said of the answer. The setters carry the fields' names.
///
/// # Examples
/// ```
/// use nn_invert::{Evidence, Folds, LayerwiseOptions, Outside};
/// let options = LayerwiseOptions::default()
///     .evidence(Evidence::Estimate)
///     .folds(Folds::Rising)
///     .outside(Outside::Project { margin: 1e-3 });
/// assert_eq!(options.evidence, Evidence::Estimate);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LayerwiseOptions {
    /// What is computed besides the input; by default everything.
    pub evidence: Evidence,
    /// What happens to values that a layer cannot give; by default they are refused.
    pub outside: Outside,
    /// Which branch of an activation that is not one to one; by default such a layer is refused.
    pub folds: Folds,
    /// What happens to a square matrix that is singular to working precision; by default it is
    /// refused.
    pub singular: Singular,
    /// The precision of LU factors; by default the network's own.
    pub factors: Factors,
    /// Iterations stop at ‖b − A·h‖ ≤ `tolerance`·‖b‖, layer by layer; by default 1e-10.
    pub tolerance: f64,
    /// Most iterations for a target and a layer, by default 2000.
    pub iterations: usize,
    /// Most bytes for the factors of all dense layers, by default 8·10⁹. More is refused before
    /// anything is allocated.
    pub memory: f64,
    /// Threads for factorisations and products; one unless set. The bits do not depend on it.
    pub threads: Threads,
}

/// How much is said of an answer, and what that costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Evidence {
    /// The residual: a forward pass.
    Residual,
    /// And the error to expect: each solution nine times.
    Estimate,
    /// And a bound on the error where all layers are square: |W⁻¹| for each, which takes five times as
    /// long as the factorisation and as much memory again.
    #[default]
    Bound,
}

/// What to do with values that no input of a layer gives.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Outside {
    /// An error that names the layer.
    #[default]
    Refuse,
    /// Each value on its own is moved to the nearest one that is at least `margin` within the range,
    /// and reported. The answer depends on `margin`.
    Clip {
        /// Above 0, in units of the activation's values.
        margin: f64,
    },
    /// The values before the matrix are chosen, all together and at least `margin` within their
    /// range, so that the matrix gives the nearest there is to what was asked for. Reported too. Of an
    /// activation at the end of the network, each value on its own.
    Project {
        /// Above 0, in units of the activation's values.
        margin: f64,
    },
}

/// Which of several z with f(z) = a.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Folds {
    /// An activation that is not one to one is refused.
    #[default]
    Refuse,
    /// That on which f rises. A ReLU gives z = a for a > 0, and for a = 0 any z ≤ 0: whichever lets
    /// the layer before give it.
    Rising,
    /// That on which f falls, where there is one: the left one of SiLU and GELU for a < 0.
    Falling,
}

/// What to do with a square matrix that is singular to working precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Singular {
    /// An error that names the layer.
    #[default]
    Refuse,
    /// The pseudo-inverse, with its rank in the report.
    PseudoInverse,
}

/// The precision of LU factors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Factors {
    /// The network's.
    #[default]
    Full,
    /// `f32`, with residuals in the network's precision until they gain nothing more: half of the
    /// memory and about half of the time, the same digits. A matrix whose condition is too bad for
    /// that is factored in full. There is no bound on the error then, only the estimate.
    Single,
}

impl Default for LayerwiseOptions {
    fn default() -> Self {
        Self {
            evidence: Evidence::default(),
            outside: Outside::default(),
            folds: Folds::default(),
            singular: Singular::default(),
            factors: Factors::default(),
            tolerance: 1e-10,
            iterations: 2000,
            memory: 8e9,
            threads: Threads::One,
        }
    }
}

impl LayerwiseOptions {
    /// Sets [`Self::evidence`].
    #[must_use]
    pub fn evidence(self, evidence: Evidence) -> Self {
        Self { evidence, ..self }
    }

    /// Sets [`Self::outside`].
    #[must_use]
    pub fn outside(self, outside: Outside) -> Self {
        Self { outside, ..self }
    }

    /// Sets [`Self::folds`].
    #[must_use]
    pub fn folds(self, folds: Folds) -> Self {
        Self { folds, ..self }
    }

    /// Sets [`Self::singular`].
    #[must_use]
    pub fn singular(self, singular: Singular) -> Self {
        Self { singular, ..self }
    }

    /// Sets [`Self::factors`].
    #[must_use]
    pub fn factors(self, factors: Factors) -> Self {
        Self { factors, ..self }
    }

    /// Sets [`Self::tolerance`].
    #[must_use]
    pub fn tolerance(self, tolerance: f64) -> Self {
        Self { tolerance, ..self }
    }

    /// Sets [`Self::iterations`].
    #[must_use]
    pub fn iterations(self, iterations: usize) -> Self {
        Self { iterations, ..self }
    }

    /// Sets [`Self::memory`].
    #[must_use]
    pub fn memory(self, bytes: f64) -> Self {
        Self { memory: bytes, ..self }
    }

    /// Sets [`Self::threads`].
    #[must_use]
    pub fn threads(self, threads: Threads) -> Self {
        Self { threads, ..self }
    }

    pub(crate) fn check(&self) -> Result<()> {
        if let Outside::Clip { margin } | Outside::Project { margin } = self.outside {
            positive("outside.margin", margin)?;
        }
        let fine = self.tolerance > 0.0 && self.tolerance < 1.0;
        within("tolerance", self.tolerance, fine, "a number between 0 and 1")?;
        within("iterations", 0.0, self.iterations > 0, "at least 1")?;
        within("memory", self.memory, self.memory > 0.0, "a positive number of bytes")?;
        Ok(())
    }
}
