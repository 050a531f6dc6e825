//! An integral of an integrand that was sampled where the rule or the integrator wanted it.

use crate::{Error, Result, Sample, SolidAngle};

/// An integral over solid angle, how far it can be trusted, what it cost, and why it ended.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct Estimate<T: Sample> {
    /// The integral.
    pub value: T,
    /// How far `value` may be off in its worst component, judged from the samples.
    pub error_estimate: f64,
    /// ∫ |f|, with the largest modulus among the components of f: the scale of rounding errors, and
    /// of the error where the integral itself nearly cancels.
    pub magnitude: f64,
    /// How many times the integrand was evaluated.
    pub evaluations: usize,
    /// Why no more samples were taken.
    pub stop: Stop,
    /// How the last samples were placed.
    pub method: Method,
    /// What was integrated against.
    pub measure: SolidAngle,
}

impl<T: Sample> Estimate<T> {
    /// The value, or an error where the tolerance was not reached.
    ///
    /// # Errors
    /// [`Error::NotConverged`] with the error estimate and the evaluations.
    pub fn converged(&self) -> Result<T> {
        match self.stop {
            Stop::Converged | Stop::Fixed => Ok(self.value),
            Stop::Budget | Stop::Rounding => Err(Error::NotConverged {
                error_estimate: self.error_estimate,
                evaluations: self.evaluations,
            }),
        }
    }
}

impl<T: Sample> Estimate<T> {
    /// The error of an integrand that failed after this had been reached.
    pub(crate) fn interrupted(&self, error: Error) -> Error {
        let Error::IntegrandNotFinite { theta, phi, value } = error else { return error };
        let mut reached = Vec::new();
        self.value.append(&mut reached);
        let Self { evaluations, error_estimate, .. } = *self;
        Error::Interrupted { theta, phi, value, evaluations, reached, error_estimate }
    }
}

/// Why an integration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// The error estimate is within the tolerance.
    Converged,
    /// The next refinement would have cost more evaluations than were left.
    Budget,
    /// More samples cannot help: what is left is rounding, or cells too small to divide.
    Rounding,
    /// The number of samples was fixed by the rule.
    Fixed,
}

/// How samples were placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Method {
    /// A rule over the whole sphere, exact to this degree.
    Rule {
        /// The rule's degree.
        degree: usize,
    },
    /// Cells of the cubed sphere, refined where the integrand asks for it.
    Cells {
        /// How many cells there were in the end.
        count: usize,
    },
    /// Meridians cut where they cross a level set.
    CutMeridians {
        /// How many meridians.
        meridians: usize,
    },
    /// A rule over a part of the sphere.
    Region,
}
