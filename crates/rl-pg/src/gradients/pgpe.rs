//! Parameter-exploring policy gradients: exploring by whole parameter vectors.

use crate::gradients::estimate::Moments;
use crate::{
    Baseline, DiagonalGaussian, Error, GradientEstimate, Policy, Result, Streams,
    gradients::baseline,
};

/// The gradient of J = E[f(θ, seed)], θ ~ N(μ, σ²), by the parameters [μ; log σ] of the distribution, from
/// symmetric pairs (PGPE).
///
/// What is explored is not an action but a whole parameter vector, of a controller or a network, and what is
/// moved is the distribution that it is drawn from. f may be anything: a deterministic policy run over many
/// episodes. The cost grows with the number of parameters: on ArmHit-v0, 75 of a linear policy are learned and
/// 1,711 of a network are not.
///
/// With θ± = μ ± σε, r± = f(θ±) and m = (r₊ + r₋)/2, a pair contributes
///
/// ```text
/// ∂J/∂μ ≈ ε·(r₊ − r₋)/2σ          ∂J/∂log σ ≈ (ε² − 1)·(m − b)
/// ```
///
/// with b the mean of the other pairs' m. The first cancels whatever is even in ε, and σ learns from that
/// part alone: pairs whose only signal is the half difference leave σ where it is, for ever. Both
/// are unbiased. Both sides of a pair share a seed.
///
/// # Errors
/// [`Error::TooFewSamples`] for fewer than two pairs; what `f` returned; [`Error::ValueNotFinite`] at its
/// first value that is NaN or infinite.
///
/// # Examples
/// ```
/// use rl_pg::{DiagonalGaussian, pgpe};
/// let search = DiagonalGaussian::from_parameters(&[0.3, -0.2, -1.0, -1.0])?; // σ = 1/e
/// let f = |x: &[f64], _seed: u64| Ok(-0.5 * (x[0] * x[0] + x[1] * x[1]));
/// let found = pgpe(&search, f, 2000, 7)?;
/// // ∂J/∂μ = −μ, ∂J/∂log σ = −σ².
/// for (k, exact) in [-0.3, 0.2, -(-2f64).exp(), -(-2f64).exp()].into_iter().enumerate() {
///     assert!((found.gradient[k] - exact).abs() < 5.0 * found.std_error[k]);
/// }
/// # Ok::<(), rl_pg::Error>(())
/// ```
///
/// # References
/// F. Sehnke and others, "Parameter-exploring policy gradients", Neural Networks 23 (2010), section 2.4.
pub fn pgpe(
    search: &DiagonalGaussian,
    mut f: impl FnMut(&[f64], u64) -> Result<f64>,
    pairs: usize,
    seed: u64,
) -> Result<GradientEstimate> {
    if pairs < 2 {
        return Err(Error::TooFewSamples { baseline: "leave-one-out", got: pairs });
    }
    let (d, streams) = (search.mean().len(), Streams::new(seed));
    let mut evaluations = 0;
    let mut ask = |point: &[f64], seed: u64| {
        let value = f(point, seed)?;
        if !value.is_finite() {
            let (evaluation, point) = (evaluations, format!("{point:?}"));
            return Err(Error::ValueNotFinite { evaluation, point, value });
        }
        evaluations += 1;
        Ok(value)
    };
    let (mut draws, mut differences, mut means) =
        (Vec::with_capacity(pairs), Vec::with_capacity(pairs), Vec::with_capacity(pairs));
    let mut mirrored = vec![0.0; d];
    for pair in 0..pairs {
        let drawn = search.sample(&mut streams.rng(0, pair as u64, 0));
        for ((mirror, drawn), mean) in mirrored.iter_mut().zip(&drawn).zip(search.mean()) {
            *mirror = mean - (drawn - mean);
        }
        let key = streams.key(0, pair as u64, 1);
        let (plus, minus) = (ask(&drawn, key)?, ask(&mirrored, key)?);
        draws.push(drawn);
        differences.push(0.5 * (plus - minus));
        means.push(0.5 * (plus + minus));
    }
    let (mut moments, mut values) = (Moments::new(2 * d), Moments::new(1));
    let advantages = baseline::advantages(&means, Baseline::LeaveOneOut)?;
    let mut score = vec![0.0; 2 * d];
    for (pair, draw) in draws.iter().enumerate() {
        // The scores of the two sides are opposite in μ and the same in log σ.
        search.score(draw, &mut score)?;
        score[..d].iter_mut().for_each(|entry| *entry *= differences[pair]);
        score[d..].iter_mut().for_each(|entry| *entry *= advantages[pair]);
        moments.push(&score);
        values.push(&[means[pair]]);
    }
    Ok(moments.estimate(&values, 2 * pairs, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_unbiased_with_the_variance_of_antithetic_pairs() {
        let parameters: [f64; 6] = [0.4, -0.6, -0.3, -0.5, -0.7, -0.2];
        let search = DiagonalGaussian::from_parameters(&parameters).unwrap();
        // −|θ|²/2 and a term that both sides share, from the seed.
        let f = |x: &[f64], seed: u64| {
            Ok(-0.5 * x.iter().map(|x| x * x).sum::<f64>() + check_noise(seed))
        };
        let pairs = 200_000;
        let found = pgpe(&search, f, pairs, 7).unwrap();
        assert_eq!(found.evaluations, 2 * pairs);
        for k in 0..3 {
            let sigma = parameters[3 + k].exp();
            for (entry, exact) in [(k, -parameters[k]), (3 + k, -sigma * sigma)] {
                let z = (found.gradient[entry] - exact) / found.std_error[entry];
                assert!(z.abs() < 5.0, "{entry}: {z}");
            }
            // Var[εₖ·(ε·σδ)/σₖ] = (|σδ|² + σₖ²δₖ²)/σₖ², free of the noise.
            let stretched: f64 =
                (0..3).map(|j| (parameters[j] * parameters[3 + j].exp()).powi(2)).sum();
            let variance = stretched / (sigma * sigma) + parameters[k].powi(2);
            let ratio = found.std_error[k].powi(2) * 200_000.0 / variance;
            assert!((ratio - 1.0).abs() < 0.02, "{k}: {ratio}");
        }
    }

    /// A number from 0 to 1 from a seed.
    fn check_noise(seed: u64) -> f64 {
        crate::check::real((seed >> 40) as usize) / 2f64.powi(24)
    }

    #[test]
    fn bad_input_is_named() {
        let search = DiagonalGaussian::from_parameters(&[0.0, 0.0]).unwrap();
        // Two pairs are enough to tell how far one is off.
        assert!(pgpe(&search, |_, _| Ok(1.0), 1, 0).is_err());
        assert_eq!(pgpe(&search, |_, _| Ok(1.0), 2, 0).unwrap().evaluations, 4);
        let mut calls = 0;
        let failing = |_: &[f64], _: u64| {
            calls += 1;
            Ok(if calls == 4 { f64::INFINITY } else { 0.0 })
        };
        let error = pgpe(&search, failing, 9, 7).unwrap_err();
        assert_eq!(calls, 4);
        let text = error.to_string();
        assert!(text.starts_with("the black box returned inf at evaluation 3, for ["), "{text}");
        let error = pgpe(&search, |_, _| Ok(0.0), 1, 7).unwrap_err();
        assert_eq!(error.to_string(), "the leave-one-out baseline needs at least 2 samples, got 1");
    }
}
