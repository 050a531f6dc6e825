//! Equal steps in θ: coefficients and weights by fast transforms.

use std::f64::consts::PI;

use linalg::Complex;
use rustfft::FftPlanner;

use crate::RingKind;
use crate::rings::{Ring, real};

/// Rings at (2i + offset) π/(2 steps), i = 0..count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Equispaced {
    pub(crate) steps: usize,
    /// 0 where the first ring is the north pole, 1 half a step south of it, 2 a whole step.
    offset: usize,
    pub(crate) count: usize,
}

/// cos kθ or sin kθ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Series {
    /// Of what is even about the poles: p, averaged over φ.
    Cosine,
    /// Of what is odd about the poles: p sin θ, averaged over φ.
    Sine,
}

impl Equispaced {
    /// `None` for the kinds whose rings are not equispaced.
    pub(crate) fn of(kind: RingKind, count: usize) -> Option<Self> {
        let (steps, offset) = match kind {
            RingKind::Vertices => (count.saturating_sub(1).max(1), 0),
            RingKind::Cells => (count, 1),
            RingKind::Interior => (count + 1, 2),
            RingKind::NorthPole => (count, 0),
            RingKind::Gauss | RingKind::Free => return None,
        };
        Some(Self { steps, offset, count })
    }

    /// Where the rings lie.
    pub(crate) fn rings(self) -> Vec<Ring> {
        let n = self.steps;
        // The quarter circle, each value to half a unit in the last place or so.
        let unit = PI / real(2 * n);
        let quarter: Vec<f64> = (0..=n)
            .map(|j| {
                let other = n - j;
                if j < other { (unit * real(j)).cos() } else { (unit * real(other)).sin() }
            })
            .collect();
        (0..self.count)
            .map(|i| {
                let angle = 2 * i + self.offset;
                let mirrored = angle.min(2 * n - angle);
                let cosine = quarter[mirrored];
                Ring {
                    theta: PI * real(angle) / real(2 * n),
                    sine: quarter[n - mirrored],
                    cosine: if angle <= n { cosine } else { -cosine },
                }
            })
            .collect()
    }

    /// Whether both poles are rings.
    pub(crate) fn has_poles(self) -> bool {
        self.offset == 0 && self.count == self.steps + 1
    }

    /// How far the first and the last ring are from their poles, in steps.
    pub(crate) fn distances(self) -> [f64; 2] {
        let last = 2 * self.steps - (2 * (self.count - 1) + self.offset);
        [0.5 * real(self.offset), 0.5 * real(last)]
    }

    /// The number of the last term that the rings can tell from lower ones.
    pub(crate) fn top(self, series: Series) -> usize {
        // Poles hold cos nθ and the centers of cells sin nθ; the others are zero on all rings.
        let holds = (self.offset == 1) == (series == Series::Sine);
        if holds { self.steps } else { self.steps - 1 }
    }

    /// Coefficients k = 0..=steps of the trigonometric interpolant of `values`.
    pub(crate) fn coefficients(self, values: &[f64], series: Series) -> Vec<f64> {
        let n = self.steps;
        let (half, first) = (self.offset % 2, self.offset / 2);
        let sign = if series == Series::Cosine { 1.0 } else { -1.0 };
        let mut circle = vec![Complex::new(0.0, 0.0); 2 * n];
        for (i, &value) in values.iter().enumerate() {
            let at = i + first;
            let mirror = (2 * n - half - at) % (2 * n);
            circle[mirror].re = sign * value;
            circle[at].re = value;
        }
        if series == Series::Sine && half == 0 {
            circle[0].re = 0.0;
            circle[n].re = 0.0;
        }
        FftPlanner::new().plan_fft_forward(2 * n).process(&mut circle);
        (0..=n)
            .map(|k| {
                let value = circle[k] * self.turn(k).conj();
                let part = if series == Series::Cosine { value.re } else { -value.im };
                part / real(if k == 0 || k == n { 2 * n } else { n })
            })
            .collect()
    }

    /// The weights that integrate the interpolant term by term: wᵢ = Σₖ `moment(k)` times the
    /// share of ring i in coefficient k.
    ///
    /// J. Waldvogel, "Fast construction of the Fejér and Clenshaw-Curtis quadrature rules", BIT 46
    /// (2006).
    pub(crate) fn weights(self, series: Series, moment: impl Fn(usize) -> f64) -> Vec<f64> {
        let n = self.steps;
        let top = self.top(series);
        // Where only even terms count, the sum has period π, and half the transform will do.
        let stride = if series == Series::Cosine { 2 } else { 1 };
        let mut sums = vec![Complex::new(0.0, 0.0); 2 * n / stride];
        for k in (0..=top).step_by(stride) {
            let term = moment(k) / if k == 0 || k == n { real(n) } else { 0.5 * real(n) };
            let term = self.turn(k) * term;
            sums[k / stride] += term;
        }
        FftPlanner::new().plan_fft_inverse(sums.len()).process(&mut sums);
        // No ring lies beyond n steps, where the shorter sums begin again.
        let first = self.offset / 2;
        (first..first + self.count)
            .map(|at| {
                let sum = sums[if at < sums.len() { at } else { 0 }];
                let pole = self.offset != 1 && (at == 0 || at == n);
                match series {
                    Series::Cosine => sum.re * if pole { 0.5 } else { 1.0 },
                    Series::Sine if pole => 0.0,
                    Series::Sine => sum.im,
                }
            })
            .collect()
    }

    /// What ring weights make of cos kθ or sin kθ, k = 0..=2 steps: exact up to the top, aliased
    /// above.
    pub(crate) fn alias(self, k: usize, series: Series) -> (usize, f64) {
        let n = self.steps;
        let k = k % (4 * n);
        // About k = 2n the centers of cells change sign.
        let (k, turn) = if k > 2 * n {
            (4 * n - k, if series == Series::Cosine { 1.0 } else { -1.0 })
        } else {
            (k, 1.0)
        };
        if k <= n {
            return (k, turn);
        }
        let sign = match (series, self.offset == 1) {
            (Series::Cosine, false) | (Series::Sine, true) => 1.0,
            (Series::Cosine, true) | (Series::Sine, false) => -1.0,
        };
        (2 * n - k, sign * turn)
    }

    /// e^{ikθ₀} of the first ring, where it is the center of a cell.
    fn turn(self, k: usize) -> Complex<f64> {
        if self.offset != 1 {
            return Complex::new(1.0, 0.0);
        }
        let (sine, cosine) = (PI * real(k) / real(2 * self.steps)).sin_cos();
        Complex::new(cosine, sine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [RingKind; 4] =
        [RingKind::Vertices, RingKind::Cells, RingKind::Interior, RingKind::NorthPole];

    #[test]
    fn coefficients_are_those_of_the_series() {
        for kind in KINDS {
            for n in [3, 4, 17, 64] {
                let grid = Equispaced::of(kind, n).unwrap();
                for series in [Series::Cosine, Series::Sine] {
                    if series == Series::Cosine && grid.offset != 1 && !grid.has_poles() {
                        continue;
                    }
                    for k in 0..=grid.top(series) {
                        let values: Vec<f64> = grid
                            .rings()
                            .iter()
                            .map(|ring| match series {
                                Series::Cosine => (real(k) * ring.theta).cos(),
                                Series::Sine => (real(k) * ring.theta).sin(),
                            })
                            .collect();
                        let found = grid.coefficients(&values, series);
                        for (j, coefficient) in found.iter().enumerate() {
                            let one = j == k && !(series == Series::Sine && k == 0);
                            let expected = if one { 1.0 } else { 0.0 };
                            let error = (coefficient - expected).abs();
                            // Angles kθ carry k eps.
                            let limit = f64::EPSILON * (8.0 + real(k));
                            assert!(error < limit, "{kind:?} {series:?} {n} {k} {j}: {error:e}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn higher_terms_look_like_their_alias() {
        for kind in KINDS {
            let grid = Equispaced::of(kind, 9).unwrap();
            for series in [Series::Cosine, Series::Sine] {
                for k in 0..=4 * grid.steps {
                    let (low, sign) = grid.alias(k, series);
                    for ring in grid.rings() {
                        let term = |k: usize| match series {
                            Series::Cosine => (real(k) * ring.theta).cos(),
                            Series::Sine => (real(k) * ring.theta).sin(),
                        };
                        let error = (term(k) - sign * term(low)).abs();
                        assert!(error < 1e-13, "{kind:?} {series:?} {k}: {error:e}");
                    }
                }
            }
        }
    }
}
