//! The noise floor: where an idle signal lies and how far it scatters, whatever else is in it.

use linalg::lanes::{Task, Vectors, run};

use crate::door::finite;
use crate::{Error, Result};

/// The center and scatter of what is not an event.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct NoiseFloor {
    /// The median.
    pub center: f64,
    /// 1.4826·median |x − median|, the standard deviation if the noise is normal; at least the
    /// resolution/√12.
    pub sigma: f64,
}

/// 1/Φ⁻¹(3/4), which makes the median absolute deviation of normal noise its standard deviation.
const NORMAL: f64 = 1.0 / 0.6744897501960817;

/// The noise floor of `x` as a whole, by the median and the median absolute deviation.
///
/// Half of the samples may be anything: peaks and bursts move neither median by much, where they
/// swell a mean and a standard deviation. Its standard error is 1.17·σ/√n for independent normal
/// samples. `resolution` is the step of the converter, or 0: a quantised signal at rest has a
/// deviation of 0, though its noise is at least that of rounding, resolution/√12. O(n).
///
/// # Errors
/// [`Error::Empty`] without samples, [`Error::NotFinite`] with the index of the first NaN or
/// infinity, [`Error::OutOfRange`] for a negative resolution.
///
/// # Examples
/// Two bursts do not move it:
/// ```
/// use dsp::noise::noise_floor;
/// let x = [1.0, -1.0, 2.0, -2.0, 0.0, 0.0, 90.0, 95.0, 1.0];
/// let floor = noise_floor(&x, 0.0)?;
/// assert_eq!(floor.center, 1.0);
/// assert!((floor.sigma - 1.4826).abs() < 1e-4);
/// # Ok::<(), dsp::Error>(())
/// ```
///
/// # References
/// Rousseeuw & Croux, *Alternatives to the median absolute deviation*, J. Amer. Statist. Assoc. 88
/// (1993); Bennett, *Spectra of quantized signals*, Bell Syst. Tech. J. 27 (1948) for 1/√12.
pub fn noise_floor(x: &[f64], resolution: f64) -> Result<NoiseFloor> {
    check(x, resolution)?;
    Ok(floor_of(&mut x.to_vec(), resolution))
}

/// The noise floor at each sample of `x`: that of blocks of `block` samples, placed at their
/// middles, with straight lines between and level ends.
///
/// For baselines that drift and noise that swells, slowly against a block. A block has to be longer
/// than twice the longest event in it. The last block takes the samples that do not fill another.
///
/// # Errors
/// As [`noise_floor`]; [`Error::OutOfRange`] for a block below 8 samples.
///
/// # Examples
/// ```
/// use dsp::noise::sliding_noise_floor;
/// let drift: Vec<f64> = (0..1000).map(|i| f64::from(i) + f64::from(i % 2)).collect();
/// let floor = sliding_noise_floor(&drift, 100, 1.0)?;
/// assert!((floor[500].center - 500.5).abs() < 1.0);
/// # Ok::<(), dsp::Error>(())
/// ```
pub fn sliding_noise_floor(x: &[f64], block: usize, resolution: f64) -> Result<Vec<NoiseFloor>> {
    check(x, resolution)?;
    if block < 8 {
        let expected = "at least 8 samples";
        return Err(Error::OutOfRange { argument: "block", value: block as f64, expected });
    }
    let block = block.min(x.len());
    let blocks = (x.len() / block).max(1);
    let mut scratch = Vec::with_capacity(2 * block);
    let floors: Vec<NoiseFloor> = (0..blocks)
        .map(|b| {
            let end = if b + 1 == blocks { x.len() } else { (b + 1) * block };
            scratch.clear();
            scratch.extend_from_slice(&x[b * block..end]);
            floor_of(&mut scratch, resolution)
        })
        .collect();
    // The middle of block b lies at b·block + (block − 1)/2.
    let at = |i: usize| {
        let before = ((2 * i + 1).saturating_sub(block) / (2 * block)).min(blocks - 1);
        let after = (before + 1).min(blocks - 1);
        let middle = (before * block) as f64 + (block as f64 - 1.0) / 2.0;
        let part = ((i as f64 - middle) / block as f64).max(0.0);
        let between = |a: f64, b: f64| a + part * (b - a);
        NoiseFloor {
            center: between(floors[before].center, floors[after].center),
            sigma: between(floors[before].sigma, floors[after].sigma),
        }
    };
    Ok((0..x.len()).map(at).collect())
}

fn check(x: &[f64], resolution: f64) -> Result<()> {
    if x.is_empty() {
        return Err(Error::Empty { argument: "x" });
    }
    finite(x, "x")?;
    if !(resolution >= 0.0 && resolution.is_finite()) {
        let expected = "a number from 0 up";
        return Err(Error::OutOfRange { argument: "resolution", value: resolution, expected });
    }
    Ok(())
}

fn floor_of(x: &mut [f64], resolution: f64) -> NoiseFloor {
    let center = median(x);
    x.iter_mut().for_each(|value| *value = (*value - center).abs());
    let sigma = (NORMAL * median(x)).max(resolution / 12.0_f64.sqrt());
    NoiseFloor { center, sigma }
}

/// 1.4826·median |x|, x being in pieces: the standard deviation of normal noise about 0; 0 of nothing.
pub(crate) fn sigma_about_zero(pieces: &[&[f64]]) -> f64 {
    // A thousand sizes say between which two bounds the median all but surely lies: three
    // deviations of its rank to either side. Of what is below it is enough to know how much it is.
    const SOME: usize = 1024;
    const REACH: usize = 48;
    let count: usize = pieces.iter().map(|x| x.len()).sum();
    let (half, even) = (count / 2, count.is_multiple_of(2));
    let sizes = pieces.iter().copied().flatten().map(|x| x.abs());
    if count >= 16 * SOME {
        let mut some = every(pieces, count / SOME);
        some.sort_unstable_by(f64::total_cmp);
        let (low, high) = (some[some.len() / 2 - REACH], some[some.len() / 2 + REACH]);
        let mut near = Vec::new();
        let below: usize =
            pieces.iter().map(|x| run(Between { x, low, high, near: &mut near })).sum();
        if (below + 1..below + near.len()).contains(&half) {
            return NORMAL * middle(&mut near, half - below, even);
        }
    }
    NORMAL * median(&mut sizes.collect::<Vec<f64>>())
}

/// The sizes of the first number and of every one `step` further on.
fn every(pieces: &[&[f64]], step: usize) -> Vec<f64> {
    let (mut some, mut next) = (Vec::new(), 0);
    for x in pieces {
        while let Some(x) = x.get(next) {
            some.push(x.abs());
            next += step;
        }
        next -= x.len();
    }
    some
}

/// Those of |x| from `low` to `high`, appended in order; gives how many are lower.
struct Between<'a> {
    x: &'a [f64],
    low: f64,
    high: f64,
    near: &'a mut Vec<f64>,
}

impl Task<f64> for Between<'_> {
    type Output = usize;

    #[inline(always)]
    fn run<V: Vectors<f64>>(self, _: V) -> usize {
        const BLOCK: usize = 64;
        const PART: usize = 8 * BLOCK;
        let Self { x, low, high, near } = self;
        let mut found = [0.0; PART];
        let mut below = 0;
        for part in x.chunks(PART) {
            let mut count = 0;
            let (blocks, rest) = part.as_chunks::<BLOCK>();
            for block in blocks {
                // A bit for each: in a loop of its own, which the compiler turns into vector compares.
                let (mut not_below, mut not_above) = (0_u64, 0_u64);
                for (j, x) in block.iter().enumerate() {
                    not_below |= u64::from(x.abs() >= low) << j;
                    not_above |= u64::from(x.abs() <= high) << j;
                }
                below += not_below.count_zeros() as usize;
                let mut inside = not_below & not_above;
                let (mut place, until) = (count, count + inside.count_ones() as usize);
                // Eight at a time, some of them beyond the last: cheaper than a branch after each.
                while place < until {
                    for _ in 0..8 {
                        found[place % PART] = block[inside.trailing_zeros() as usize % BLOCK].abs();
                        inside &= inside.wrapping_sub(1);
                        place += 1;
                    }
                }
                count = until;
            }
            near.extend_from_slice(&found[..count]);
            let sizes = rest.iter().map(|x| x.abs());
            below += sizes.clone().filter(|&size| size < low).count();
            near.extend(sizes.filter(|size| (low..=high).contains(size)));
        }
        below
    }
}

/// The middle value, or the mean of the two middle ones; 0 of nothing. Reorders `x`.
fn median(x: &mut [f64]) -> f64 {
    let (half, even) = (x.len() / 2, x.len().is_multiple_of(2));
    if x.is_empty() { 0.0 } else { middle(x, half, even) }
}

/// The value of rank `half`, or the mean of it and the one before. Reorders `x`.
fn middle(x: &mut [f64], half: usize, even: bool) -> f64 {
    let (below, &mut upper, _) = x.select_nth_unstable_by(half, f64::total_cmp);
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if even { lower + (upper - lower) / 2.0 } else { upper }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "medians of small integers")]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_samples_may_be_anything() {
        let mut x: Vec<f64> = (0..1001).map(|i| f64::from(i % 21) - 10.0).collect();
        let quiet = noise_floor(&x, 0.0).unwrap();
        x[..300].fill(1e9);
        let floor = noise_floor(&x, 0.0).unwrap();
        // The samples of rank 500 of 1001 and 500 of 701: at most four steps of 21 further.
        assert!((floor.center - quiet.center).abs() <= 5.0, "{floor:?} instead of {quiet:?}");
        assert!(floor.sigma <= 2.0 * quiet.sigma, "{floor:?} instead of {quiet:?}");
    }

    #[test]
    fn an_idle_quantised_signal_has_the_noise_of_rounding() {
        let mut x = vec![1024.0; 100];
        x[7] = 1025.0;
        assert_eq!(noise_floor(&x, 0.0).unwrap().sigma, 0.0);
        assert_eq!(noise_floor(&x, 1.0).unwrap().sigma, 1.0 / 12.0_f64.sqrt());
    }

    #[test]
    fn the_middle_size_is_found_wherever_a_thousand_sizes_point() {
        let scattered = |n: usize| (0..n).map(|i| (i * 7919 % n) as f64 - 0.4 * n as f64).collect();
        // Every 16th is 0, which is all that the thousand see.
        let misleading =
            |n: usize| (0..n).map(|i| if i % 16 == 0 { 0.0 } else { i as f64 }).collect();
        for n in [0, 1, 2, 3, 999, 16_384, 16_385, 40_000] {
            for x in [scattered(n), misleading(n), vec![-3.0; n]] {
                let mut sizes: Vec<f64> = x.iter().map(|value: &f64| value.abs()).collect();
                let expected = NORMAL * median(&mut sizes);
                assert_eq!(sigma_about_zero(&[&x]), expected, "{n}");
                assert_eq!(sigma_about_zero(&x.chunks(700).collect::<Vec<_>>()), expected, "{n}");
            }
        }
    }

    #[test]
    fn the_median_of_an_even_count_is_between_the_middle_two() {
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(&mut [9.0, 1.0, 3.0]), 3.0);
    }

    #[test]
    fn a_sliding_floor_is_exact_in_the_middle_of_blocks_and_straight_between() {
        let x: Vec<f64> = (0..64).map(|i| f64::from(i / 16) * 8.0).collect();
        let floor = sliding_noise_floor(&x, 16, 1.0).unwrap();
        // Middles at 7.5, 23.5, 39.5, 55.5; levels 0, 8, 16, 24: half a unit per sample.
        for (i, floor) in floor.iter().enumerate() {
            let expected = ((i as f64 - 7.5) / 2.0).clamp(0.0, 24.0);
            assert!((floor.center - expected).abs() < 1e-12, "{i}: {floor:?}, {expected}");
        }
        assert_eq!(sliding_noise_floor(&x[..5], 16, 1.0).unwrap().len(), 5);
    }

    #[test]
    fn bad_input_is_named() {
        let text = |x: &[f64], resolution| noise_floor(x, resolution).unwrap_err().to_string();
        assert_eq!(text(&[], 0.0), "x is empty; at least one sample is needed");
        assert_eq!(
            text(&[0.0, f64::INFINITY], 0.0),
            "x[1] is inf, and every sample must be finite"
        );
        assert_eq!(text(&[0.0], -1.0), "resolution is -1, expected a number from 0 up");
        assert_eq!(
            sliding_noise_floor(&[0.0], 7, 0.0).unwrap_err().to_string(),
            "block is 7, expected at least 8 samples"
        );
    }
}
