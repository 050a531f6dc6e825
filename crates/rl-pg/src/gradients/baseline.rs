//! What is subtracted from rewards before they weigh scores.

use linalg::DMatrix;

use crate::check::{self, real};
use crate::{Error, Result};

/// What is subtracted from the rewards before they weigh the scores.
///
/// A number that does not depend on the sample's own action leaves the expectation alone, because
/// E[∇ log π] = 0, and can take most of the variance away.
///
/// The variance of (r − b)·s is least at b* = E(‖s‖²·r)/E(‖s‖²) for the whole gradient, and at bₖ* =
/// E(sₖ²·r)/E(sₖ²) for its entry k. On the bandit of [`score_function`](crate::score_function)
/// the variance of one sample is 0.891 with no baseline, 0.128 with the mean reward, 0.077 with b* and
/// 0.034 with a bₖ* for each parameter.
///
/// # References
/// E. Greensmith, P. L. Bartlett and J. Baxter, "Variance reduction techniques for gradient estimates
/// in reinforcement learning", Journal of Machine Learning Research 5 (2004), theorem 8; per parameter:
/// J. Peters and S. Schaal, "Reinforcement learning of motor skills with policy gradients", Neural
/// Networks 21 (2008), table 1.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Baseline {
    /// Nothing. Unbiased, and noisy where the rewards have a large common part.
    None,
    /// This number, a guess of the mean reward made before the batch. Unbiased.
    Constant(f64),
    /// The mean reward of the batch. It holds a share of each sample's own reward, so the
    /// estimate's expectation is (1 − 1/N) times the gradient: right in direction, too short by
    /// 1/N.
    BatchMean,
    /// For each sample the mean reward of the others. Unbiased: exactly N/(N − 1) times the
    /// estimate with [`Self::BatchMean`]. The one to start with.
    LeaveOneOut,
    /// For each sample the b* of the others. Unbiased, and near the least variance that one number
    /// reaches once the batch is large enough to know it, some tens of samples.
    Optimal,
    /// For each sample and parameter the bₖ* of the others. Unbiased.
    OptimalPerParameter,
}

/// Rewards less their baselines, for the baselines that do not look at scores.
pub(crate) fn advantages(rewards: &[f64], baseline: Baseline) -> Result<Vec<f64>> {
    let less = |b: f64| rewards.iter().map(|reward| reward - b).collect();
    at_least_two(baseline, rewards.len())?;
    Ok(match baseline {
        Baseline::None => rewards.to_vec(),
        Baseline::Constant(value) => {
            check::finite("baseline", &[value])?;
            less(value)
        }
        Baseline::BatchMean => less(mean(rewards)),
        // r − (Σ − r)/(N − 1) = (r − mean) N/(N − 1).
        Baseline::LeaveOneOut | Baseline::Optimal | Baseline::OptimalPerParameter => {
            let n = real(rewards.len());
            let mean = mean(rewards);
            rewards.iter().map(|reward| (reward - mean) * (n / (n - 1.0))).collect()
        }
    })
}

/// Turns scores, a column per sample, into terms: each entry times its reward less its baseline.
pub(crate) fn weigh(scores: &mut DMatrix<f64>, rewards: &[f64], baseline: Baseline) -> Result<()> {
    at_least_two(baseline, rewards.len())?;
    match baseline {
        Baseline::OptimalPerParameter => {
            for mut row in scores.row_iter_mut() {
                let weights: Vec<f64> = row.iter().map(|score| score * score).collect();
                let baselines = others(&weights, rewards);
                for ((term, reward), baseline) in row.iter_mut().zip(rewards).zip(baselines) {
                    *term *= reward - baseline;
                }
            }
        }
        Baseline::Optimal => {
            let weights: Vec<f64> =
                scores.column_iter().map(|score| score.norm_squared()).collect();
            let baselines = others(&weights, rewards);
            for ((mut term, reward), baseline) in
                scores.column_iter_mut().zip(rewards).zip(baselines)
            {
                term *= reward - baseline;
            }
        }
        _ => {
            for (mut term, advantage) in
                scores.column_iter_mut().zip(advantages(rewards, baseline)?)
            {
                term *= advantage;
            }
        }
    }
    Ok(())
}

/// For each sample the weighted mean of the other samples' values; their plain mean where the others
/// have no weight.
fn others(weights: &[f64], values: &[f64]) -> Vec<f64> {
    let n = values.len();
    // About the mean, so that equal values stay equal. Sums from both ends meet at the sample that is
    // left out: a total less its own part would cancel where that part is nearly all.
    let center = mean(values);
    let mut baselines = vec![0.0; n];
    let mut totals = vec![(0.0, 0.0, 0.0); n];
    let mut add = |order: &mut dyn Iterator<Item = usize>| {
        let (mut weight, mut weighted, mut plain) = (0.0, 0.0, 0.0);
        for i in order {
            let (w, wv, v) = &mut totals[i];
            (*w, *wv, *v) = (*w + weight, *wv + weighted, *v + plain);
            let off = values[i] - center;
            (weight, weighted, plain) =
                (weight + weights[i], weighted + weights[i] * off, plain + off);
        }
    };
    add(&mut (0..n));
    add(&mut (0..n).rev());
    for (baseline, (weight, weighted, plain)) in baselines.iter_mut().zip(totals) {
        let off = if weight > 0.0 { weighted / weight } else { plain / real(n - 1) };
        *baseline = center + off;
    }
    baselines
}

/// A baseline of the batch's own rewards needs two of them.
fn at_least_two(baseline: Baseline, got: usize) -> Result<()> {
    let baseline = match baseline {
        Baseline::None | Baseline::Constant(_) => return Ok(()),
        Baseline::BatchMean => "batch-mean",
        Baseline::LeaveOneOut => "leave-one-out",
        Baseline::Optimal => "optimal",
        Baseline::OptimalPerParameter => "optimal per-parameter",
    };
    if got < 2 { Err(Error::TooFewSamples { baseline, got }) } else { Ok(()) }
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / real(values.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_others_are_all_but_the_sample_itself() {
        let (weights, values) = ([1.0, 2.0, 1e12], [3.0, 6.0, 0.5]);
        let expected = [
            (2.0 * 6.0 + 1e12 * 0.5) / (2.0 + 1e12),
            (1.0 * 3.0 + 1e12 * 0.5) / (1.0 + 1e12),
            (1.0 * 3.0 + 2.0 * 6.0) / 3.0,
        ];
        for (found, expected) in others(&weights, &values).iter().zip(expected) {
            assert!((found - expected).abs() < 1e-14, "{found} {expected}");
        }
        let unweighted = others(&[1.0, 0.0, 0.0], &values)[0];
        assert!((unweighted - 3.25).abs() < 1e-15, "the plain mean: {unweighted}");
        assert_eq!(others(&weights, &[0.1; 3]), [0.1; 3]);
    }

    #[test]
    fn one_sample_is_too_few_and_a_baseline_must_be_finite() {
        let mut scores = DMatrix::from_element(1, 1, 1.0);
        for (baseline, text) in [
            (Baseline::BatchMean, "the batch-mean baseline needs at least 2 samples, got 1"),
            (Baseline::LeaveOneOut, "the leave-one-out baseline needs at least 2 samples, got 1"),
            (Baseline::Optimal, "the optimal baseline needs at least 2 samples, got 1"),
            (
                Baseline::OptimalPerParameter,
                "the optimal per-parameter baseline needs at least 2 samples, got 1",
            ),
            (Baseline::Constant(f64::NAN), "baseline[0] is NaN, and every entry must be finite"),
        ] {
            assert_eq!(weigh(&mut scores, &[1.0], baseline).unwrap_err().to_string(), text);
        }
    }
}
