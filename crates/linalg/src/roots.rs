//! The roots of a polynomial, all at once.

use nalgebra::Complex;

use crate::precision::{im, re, size};
use crate::{Error, Result, Scalar};

/// The roots of a polynomial, each with the evidence that it is one.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use]
pub struct Roots {
    /// As many as the degree, multiple ones repeated, in no particular order.
    pub values: Vec<Complex<f64>>,
    /// |p(z)|/∑|cₖ|·|z|ᵏ at each root z, mostly below √degree·eps and never above 4·degree·eps: z
    /// is an exact root of a polynomial whose coefficients differ from the given ones by this
    /// fraction. The rounding of the evaluation itself, as large, is in it.
    pub backward_errors: Vec<f64>,
    /// ∑|cₖ|·|z|ᵏ/(|z|·|p′(z)|) at each root z: how many times larger its relative error can be
    /// than that of the coefficients. Infinite, in practice above 1e7, for a multiple root; 1 for a
    /// root at zero, which is exact.
    pub conditions: Vec<f64>,
    /// Sweeps over all roots that it took.
    pub sweeps: usize,
}

/// The roots of c₀ + c₁·z + c₂·z² + …, real or complex, where `coefficients[k]` is cₖ.
///
/// The order is ascending, the reverse of NumPy's and MATLAB's `roots`. Zeros at the end lower the
/// degree, zeros at the start are roots at zero; a constant has no roots. Real roots of a real
/// polynomial may have imaginary parts of rounding size. O(degree²) time per sweep, 5 to 25 sweeps.
///
/// The wrong turns are to divide a found root out (the errors pile up) and to start Newton's method
/// at random; the companion matrix costs O(degree³), and without exceptional shifts its QR
/// iteration never ends on zⁿ − 1.
///
/// # Errors
/// [`Error::Empty`] for no coefficient; [`Error::NotFinite`] with the index as its row;
/// [`Error::OutOfRange`] where all coefficients are zero (every number is a root), or where they or
/// the roots are too far apart for the range of `f64`; [`Error::NoConvergence`] where a root could
/// not be brought to a backward error of 4·degree·eps.
///
/// # Examples
/// ```
/// use linalg::roots;
/// // (z − 1)(z − 2)(z − 3) = −6 + 11z − 6z² + z³
/// let roots = roots(&[-6.0, 11.0, -6.0, 1.0])?;
/// let mut real: Vec<f64> = roots.values.iter().map(|z| z.re).collect();
/// real.sort_by(f64::total_cmp);
/// assert!((real[0] - 1.0).abs() < 1e-14);
/// assert!((real[1] - 2.0).abs() < 1e-14);
/// assert!((real[2] - 3.0).abs() < 1e-14);
/// assert!(roots.backward_errors.iter().all(|&error| error <= 3.0 * f64::EPSILON));
/// # Ok::<(), linalg::Error>(())
/// ```
///
/// # References
/// Aberth, "Iteration methods for finding all zeros of a polynomial simultaneously", Math. Comp.
/// 27, 1973; the start and the stop are those of Bini, "Numerical computation of polynomial zeros
/// by means of Aberth's method", Numer. Algorithms 13, 1996.
pub fn roots<T: Scalar>(coefficients: &[T]) -> Result<Roots> {
    let parts: Vec<Complex<f64>> =
        coefficients.iter().map(|&c| Complex::new(re(c), im(c))).collect();
    solve(&parts)
}

/// Sweeps before a start is given up. Multiple roots take the most: 23 in the tests.
const SWEEPS: usize = 100;

/// The angles, in radians, at which the starting points of a circle begin; any will do that is not
/// a symmetry of the polynomial. The second is for polynomials on which the first fails.
const ANGLES: [f64; 2] = [0.7, 2.3];

fn solve(coefficients: &[Complex<f64>]) -> Result<Roots> {
    const ARGUMENT: &str = "coefficients";
    let rows = coefficients.len();
    if rows == 0 {
        return Err(Error::Empty { argument: ARGUMENT, rows, columns: 1 });
    }
    if let Some(row) = coefficients.iter().position(|c| !(c.re.is_finite() && c.im.is_finite())) {
        let c = coefficients[row];
        let value = if c.re.is_finite() { c.im } else { c.re };
        return Err(Error::NotFinite { argument: ARGUMENT, row, column: 0, value });
    }
    let nonzero = |c: &Complex<f64>| size(*c) > 0.0;
    let (Some(low), Some(high)) =
        (coefficients.iter().position(nonzero), coefficients.iter().rposition(nonzero))
    else {
        let expected = "a coefficient other than zero";
        return Err(Error::OutOfRange { argument: ARGUMENT, value: 0.0, expected });
    };
    let (polynomial, exponent) = Polynomial::scaled(&coefficients[low..=high])?;
    let degree = polynomial.degree();
    let mut roots = ANGLES
        .iter()
        .find_map(|&angle| iterate(&polynomial, angle))
        .ok_or(Error::NoConvergence { algorithm: "polynomial roots", rows: degree, columns: 1 })?;
    for value in &mut roots.values {
        *value = Complex::new(ldexp(value.re, exponent), ldexp(value.im, exponent));
        if !(value.re.is_finite() && value.im.is_finite()) {
            let expected = "coefficients whose roots do not overflow";
            return Err(Error::OutOfRange { argument: ARGUMENT, value: value.re, expected });
        }
    }
    for _ in 0..low {
        roots.values.push(Complex::new(0.0, 0.0));
        roots.backward_errors.push(0.0);
        roots.conditions.push(1.0);
    }
    Ok(roots)
}

/// Coefficients with neither end zero, in both orders, with their moduli.
struct Polynomial {
    /// (Re, Im, modulus), the highest power first: for Horner's rule in z.
    falling: Vec<[f64; 3]>,
    /// The constant first: the reversed polynomial, in 1/z, for large |z|.
    rising: Vec<[f64; 3]>,
}

impl Polynomial {
    /// The polynomial in y with z = 2^s·y, where s brings the roots' geometric mean near 1; and s.
    fn scaled(coefficients: &[Complex<f64>]) -> Result<(Self, i32)> {
        #[expect(clippy::cast_possible_truncation, reason = "logarithms of finite numbers")]
        let log = |c: &Complex<f64>| size(*c).log2().floor() as i32;
        let degree = i32::try_from(coefficients.len() - 1).unwrap_or(i32::MAX).max(1);
        let s = (log(&coefficients[0]) - log(&coefficients[coefficients.len() - 1])) / degree;
        let exponents = (0..).map(|k| s * k);
        let nonzero = coefficients.iter().zip(exponents.clone()).filter(|(c, _)| size(**c) > 0.0);
        let logs = nonzero.map(|(c, exponent)| log(c) + exponent);
        let (least, most) =
            logs.fold((i32::MAX, i32::MIN), |(least, most), log| (least.min(log), most.max(log)));
        // The largest becomes 2^400, so that 1400 powers of two are left below it: sums and products
        // with small numbers stay in range, and no square is taken.
        let shift = TOP - most;
        if least + shift < f64::MIN_EXP {
            let expected = "coefficients within 1e400 of each other once the roots are near 1";
            let value = 2.0_f64.powi((least - most).max(-1074));
            return Err(Error::OutOfRange { argument: "coefficients", value, expected });
        }
        let rising: Vec<[f64; 3]> = coefficients
            .iter()
            .zip(exponents)
            .map(|(c, exponent)| {
                let (re, im) = (ldexp(c.re, exponent + shift), ldexp(c.im, exponent + shift));
                [re, im, re.hypot(im)]
            })
            .collect();
        let falling = rising.iter().rev().copied().collect();
        Ok((Self { falling, rising }, s))
    }

    fn degree(&self) -> usize {
        self.falling.len() - 1
    }

    /// The starting points: the upper convex hull of (k, log|cₖ|) has the slopes −log r, where r are
    /// radii of circles that hold as many roots as the edge is long.
    fn start(&self, angle: f64) -> Vec<Complex<f64>> {
        let logs: Vec<f64> = self.rising.iter().map(|c| c[2].log2()).collect();
        let mut hull: Vec<usize> = Vec::new();
        for k in 0..logs.len() {
            if logs[k] == f64::NEG_INFINITY {
                continue;
            }
            while let [.., a, b] = hull[..] {
                // b goes where it lies on or below the line from a to k.
                let (ab, ak) = (float(b - a), float(k - a));
                if (logs[b] - logs[a]) * ak > (logs[k] - logs[a]) * ab {
                    break;
                }
                hull.pop();
            }
            hull.push(k);
        }
        let mut points = Vec::with_capacity(self.degree());
        for edge in hull.windows(2) {
            let (a, b) = (edge[0], edge[1]);
            let count = float(b - a);
            let radius = ((logs[a] - logs[b]) / count).exp2();
            for j in 0..b - a {
                let turn = float(j) / count + float(a) / float(self.degree());
                points.push(Complex::from_polar(radius, std::f64::consts::TAU * turn + angle));
            }
        }
        points
    }
}

/// The binary logarithm of the largest coefficient after scaling.
const TOP: i32 = 400;

/// Points that are evaluated side by side: one chain of multiplications and additions waits for
/// itself, four fill the time.
const LANES: usize = 4;

/// Numbers side by side: real parts, imaginary parts.
type Lanes = ([f64; LANES], [f64; LANES]);

/// Aberth's iteration from one start, for roots near 1 in size: Newton's method on each root, with
/// the others divided out implicitly.
///
/// A point stops at a backward error of √degree·eps, where the evaluation is mostly rounding, or
/// once it does not move any more and has 4·degree·eps. `None` where one does neither.
fn iterate(polynomial: &Polynomial, angle: f64) -> Option<Roots> {
    let degree = polynomial.degree();
    let start = polynomial.start(angle);
    let mut points: Vec<[f64; 2]> = start.iter().map(|z| [z.re, z.im]).collect();
    let mut backward_errors = vec![f64::INFINITY; degree];
    let mut conditions = vec![f64::INFINITY; degree];
    let (aim, promised) = (float(degree).sqrt() * f64::EPSILON, 4.0 * float(degree) * f64::EPSILON);
    // Up to |z|ⁿ = 2^300 nothing overflows in z; farther out the reversed polynomial in 1/z is used.
    let horizon = (2.0 * 300.0 / float(degree)).exp2();
    let mut active: Vec<usize> = (0..degree).collect();
    let mut sweeps = 0;
    while !active.is_empty() && sweeps < SWEEPS {
        sweeps += 1;
        let inside = |i: &usize| points[*i][0].powi(2) + points[*i][1].powi(2) <= horizon;
        let (near, far): (Vec<usize>, Vec<usize>) = active.iter().partition(|i| inside(i));
        active.clear();
        for (group, is_near) in [(near, true), (far, false)] {
            for chunk in group.chunks(LANES) {
                // The last chunk repeats its last point in the free lanes.
                let lane = |lane: usize| chunk[lane.min(chunk.len() - 1)];
                let z: Lanes = (
                    std::array::from_fn(|i| points[lane(i)][0]),
                    std::array::from_fn(|i| points[lane(i)][1]),
                );
                let repulsion = repulsion(&points, &z);
                let steps = if is_near {
                    step_near(&polynomial.falling, &z, &repulsion)
                } else {
                    step_far(&polynomial.rising, &z, &repulsion)
                };
                for (&i, step) in chunk.iter().zip(steps) {
                    let [x, y] = points[i];
                    let still = size(step.change) <= f64::EPSILON * x.abs().max(y.abs());
                    let enough = if still { promised } else { aim };
                    if step.value.l1_norm() <= enough * step.scale {
                        backward_errors[i] = modulus(step.value) / step.scale;
                        conditions[i] = step.scale / modulus(step.slope);
                        continue;
                    }
                    let moved = [x - step.change.re, y - step.change.im];
                    // A derivative that vanishes sends the point to infinity; a nudge instead.
                    let is_finite = moved[0].is_finite() && moved[1].is_finite();
                    points[i] = if is_finite { moved } else { [1.01 * x - 0.01 * y, y + 0.01 * x] };
                    active.push(i);
                }
            }
        }
        active.sort_unstable();
    }
    let values = points.iter().map(|&[re, im]| Complex::new(re, im)).collect();
    active.is_empty().then_some(Roots { values, backward_errors, conditions, sweeps })
}

/// What the evaluation at a point says.
struct Step {
    /// To be subtracted from the point.
    change: Complex<f64>,
    /// p(z), divided by zⁿ where |z| is large.
    value: Complex<f64>,
    /// ∑|cₖ|·|z|ᵏ, divided alike.
    scale: f64,
    /// z·p′(z), divided alike.
    slope: Complex<f64>,
}

/// ∑ 1/(z − zⱼ) over the other points.
#[inline]
fn repulsion(points: &[[f64; 2]], z: &Lanes) -> Lanes {
    let mut sum: Lanes = Default::default();
    for &[x, y] in points {
        for i in 0..LANES {
            let (dx, dy) = (z.0[i] - x, z.1[i] - y);
            let squared = dx * dx + dy * dy;
            // The point itself, or one that coincides with it, does not push.
            let inverse = if squared > 0.0 { 1.0 / squared } else { 0.0 };
            sum.0[i] += dx * inverse;
            sum.1[i] -= dy * inverse;
        }
    }
    sum
}

/// p(z), p′(z) and ∑|cₖ|·|z|ᵏ by Horner's rule.
#[inline]
fn evaluate(falling: &[[f64; 3]], z: &Lanes) -> (Lanes, Lanes, [f64; LANES]) {
    let mut p: Lanes = Default::default();
    let mut d: Lanes = Default::default();
    let mut sum = [0.0; LANES];
    let radius: [f64; LANES] = std::array::from_fn(|i| (z.0[i] * z.0[i] + z.1[i] * z.1[i]).sqrt());
    for &[re, im, modulus] in falling {
        for i in 0..LANES {
            let (x, y) = (z.0[i], z.1[i]);
            (d.0[i], d.1[i]) = (d.0[i] * x - d.1[i] * y + p.0[i], d.0[i] * y + d.1[i] * x + p.1[i]);
            (p.0[i], p.1[i]) = (p.0[i] * x - p.1[i] * y + re, p.0[i] * y + p.1[i] * x + im);
            sum[i] = sum[i] * radius[i] + modulus;
        }
    }
    (p, d, sum)
}

/// Aberth's step p/(p′ − p·S), S being the repulsion.
fn step_near(falling: &[[f64; 3]], z: &Lanes, repulsion: &Lanes) -> [Step; LANES] {
    let (p, d, sum) = evaluate(falling, z);
    std::array::from_fn(|i| {
        let (z, s) = (lane(z, i), lane(repulsion, i));
        let (p, d) = (lane(&p, i), lane(&d, i));
        Step { change: divide(p, d - p * s), value: p, scale: sum[i], slope: z * d }
    })
}

/// The same for large |z| by the reversed polynomial q(u) = uⁿ·p(1/u) at u = 1/z, in which nothing
/// overflows: p/p′ = q/(u·(n·q − u·q′)).
fn step_far(rising: &[[f64; 3]], z: &Lanes, repulsion: &Lanes) -> [Step; LANES] {
    let degree = float(rising.len() - 1);
    let inverse: [Complex<f64>; LANES] =
        std::array::from_fn(|i| divide(Complex::new(1.0, 0.0), lane(z, i)));
    let u: Lanes = (inverse.map(|u| u.re), inverse.map(|u| u.im));
    let (q, d, sum) = evaluate(rising, &u);
    std::array::from_fn(|i| {
        let (u, s) = (inverse[i], lane(repulsion, i));
        let (q, d) = (lane(&q, i), lane(&d, i));
        let slope = q * degree - u * d;
        Step { change: divide(q, u * slope - q * s), value: q, scale: sum[i], slope }
    })
}

fn lane(lanes: &Lanes, i: usize) -> Complex<f64> {
    Complex::new(lanes.0[i], lanes.1[i])
}

fn modulus(z: Complex<f64>) -> f64 {
    z.re.hypot(z.im)
}

/// a/b without squares of large numbers.
fn divide(a: Complex<f64>, b: Complex<f64>) -> Complex<f64> {
    let scale = 1.0 / size(b);
    (a * scale) / (b * scale)
}

/// x·2^`exponent`, correct also where 2^`exponent` is out of range.
fn ldexp(x: f64, exponent: i32) -> f64 {
    let third = exponent / 3;
    x * 2.0_f64.powi(third) * 2.0_f64.powi(third) * 2.0_f64.powi(exponent - 2 * third)
}

#[expect(clippy::cast_precision_loss, reason = "degrees are far below 2^53")]
fn float(n: usize) -> f64 {
    n as f64
}
