//! The policies of this crate, a file for each.

mod bernoulli;
mod beta;
mod categorical;
mod diagonal_gaussian;
mod full_gaussian;
mod gamma;
#[cfg(test)]
mod oracle;
mod squashed_gaussian;

pub use bernoulli::Bernoulli;
pub use beta::Beta;
pub use categorical::Categorical;
pub use diagonal_gaussian::DiagonalGaussian;
pub use full_gaussian::FullGaussian;
pub use squashed_gaussian::{Squashed, SquashedGaussian};

use crate::{Error, Result, check};

/// Logarithms of standard deviations lie within ±this, where σ² neither overflows nor vanishes.
const LOG_STD_LIMIT: f64 = 300.0;

/// How many components there are when each has two parameters.
fn pairs(policy: &'static str, parameters: &[f64]) -> Result<usize> {
    check::not_empty("parameters", parameters.len())?;
    if !parameters.len().is_multiple_of(2) {
        let (got, form) = (parameters.len(), "2·n");
        return Err(Error::ParameterCount { policy, got, form });
    }
    check::finite("parameters", parameters)?;
    Ok(parameters.len() / 2)
}

/// Refuses a logarithm of a standard deviation, parameter `index`, that is out of range.
fn log_std(index: usize, value: f64) -> Result<f64> {
    if value.abs() <= LOG_STD_LIMIT {
        return Ok(value);
    }
    let (argument, low, high) = ("parameters", -LOG_STD_LIMIT, LOG_STD_LIMIT);
    Err(Error::EntryOutOfRange { argument, index, value, low, high })
}

/// 1/(1 + e^−x), without overflow.
fn sigmoid(x: f64) -> f64 {
    let small = (-x.abs()).exp();
    if x >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) }
}

/// log(1 + e^x), without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
