//! Factors of the rate, as plain functions of the step, for [`Trainer::schedule`].
//!
//! They multiply: `|t| warm_up(t, 100) * cosine(t, 5000)`. Constant is no schedule at all.
//!
//! ```
//! use nn_core::schedule::{cosine, halved, stepped, warm_up};
//! assert_eq!([warm_up(0, 4), warm_up(3, 4), warm_up(9, 4)], [0.25, 1.0, 1.0]);
//! assert_eq!([halved(99, 100), halved(100, 100), halved(250, 100)], [1.0, 0.5, 0.25]);
//! assert_eq!(stepped(250, 100, 0.25), 0.0625);
//! assert!((cosine(50, 100) - 0.5_f64).abs() < 1e-15);
//! ```
//!
//! [`Trainer::schedule`]: crate::Trainer::schedule

/// (t + 1)/`steps`, then 1: rises in a straight line.
#[must_use]
pub fn warm_up(step: u64, steps: u64) -> f64 {
    if step < steps { (step + 1) as f64 / steps as f64 } else { 1.0 }
}

/// Halves after every `every` steps.
#[must_use]
pub fn halved(step: u64, every: u64) -> f64 {
    stepped(step, every, 0.5)
}

/// Is multiplied by `factor` after every `every` steps, as PyTorch's `StepLR`.
#[must_use]
pub fn stepped(step: u64, every: u64, factor: f64) -> f64 {
    let times = step / every.max(1);
    factor.powi(i32::try_from(times).unwrap_or(i32::MAX))
}

/// Is multiplied by `factor` at every step, as PyTorch's `ExponentialLR`.
#[must_use]
pub fn exponential(step: u64, factor: f64) -> f64 {
    stepped(step, 1, factor)
}

/// (1 + cos πt/`steps`)/2, then 0: falls along half a cosine, as PyTorch's `CosineAnnealingLR` to 0.
#[must_use]
pub fn cosine(step: u64, steps: u64) -> f64 {
    if step >= steps {
        return 0.0;
    }
    f64::midpoint(1.0, (std::f64::consts::PI * step as f64 / steps as f64).cos())
}

/// 1 − t/`steps`, then 0: falls in a straight line.
#[must_use]
pub fn linear(step: u64, steps: u64) -> f64 {
    if step < steps { 1.0 - step as f64 / steps as f64 } else { 0.0 }
}
