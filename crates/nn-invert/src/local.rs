//! What can be proved or predicted near an input that a search has found.

use std::any::Any;

use linalg::{DMatrix, DMatrixView, DVector, PseudoInverse, Real};
use nn_core::{Activation, Identity, Linear, Network, Sigmoid, Silu, Sin, Softplus, Tanh, View};

use crate::arguments::{finite, size};
use crate::search::entries;
use crate::{Error, Map, Result};

/// What the Jacobian at an input says of it.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Local {
    /// ‖f(x) − y‖₂.
    pub residual: f64,
    /// The rank of J.
    pub rank: usize,
    /// σᵣ/σᵣ₊₁, how clear the rank is.
    pub gap: f64,
    /// Inputs less rank: the dimension of the set of all x with this output, near x. 0 where the
    /// answer is the only one near.
    pub dimension: usize,
    /// Outputs less rank: above 0, most targets near y cannot be had near x.
    pub unreached: usize,
    /// σ₁/σᵣ, the condition of the whole map at x.
    pub condition: f64,
    /// 1/σᵣ, by how much an error of the target may grow on its way to x.
    pub amplification: f64,
    /// The distance ‖x − x*‖₂ to expect to the nearest input with the output y:
    /// ‖J⁺·(f(x) − y)‖₂ + eps·‖J⁺‖_F·‖y‖₂/√m, what the residual says and what the rounding of y leaves.
    /// An estimate to first order.
    pub predicted_error: f64,
}

/// What the Jacobian at `x` says of the answer x to f(x) = y.
///
/// # Errors
/// [`Error::Size`], [`Error::NotFinite`], and what the map refuses.
///
/// # Examples
/// ```
/// use linalg::{DMatrix, DVector};
/// use nn_invert::{Linearization, Map, Result, local};
///
/// /// (x, y) ↦ (x, y/1000).
/// struct Squeeze;
///
/// impl Map<f64> for Squeeze {
///     fn inputs(&self) -> usize {
///         2
///     }
///     fn outputs(&self) -> usize {
///         2
///     }
///     fn value(&self, x: &DVector<f64>) -> Result<DVector<f64>> {
///         Ok(DVector::from_vec(vec![x[0], x[1] / 1000.0]))
///     }
///     fn linearize<'a>(&'a self, x: &DVector<f64>) -> Result<Linearization<'a, f64>> {
///         let jacobian = DMatrix::from_diagonal(&DVector::from_vec(vec![1.0, 1e-3]));
///         Ok(Linearization { value: self.value(x)?, jacobian: Box::new(jacobian) })
///     }
/// }
///
/// // A residual of 1e-6 is an error of 1e-3.
/// let target = DVector::from_vec(vec![1.0, 1e-6]);
/// let report = local(&Squeeze, &target, &DVector::from_vec(vec![1.0, 0.0]))?;
/// assert!((report.condition - 1e3).abs() < 1e-9);
/// assert!((report.predicted_error - 1e-3).abs() < 1e-9);
/// # Ok::<(), nn_invert::Error>(())
/// ```
pub fn local<T: Real>(map: &dyn Map<T>, target: &DVector<T>, x: &DVector<T>) -> Result<Local> {
    let (value, inverse) = decompose(map, target, x)?;
    let r = target - value;
    let norms = inverse.singular_values().iter().take(inverse.rank());
    let frobenius = norms.map(|sigma| sigma.powi(-2)).sum::<f64>().sqrt();
    let last = inverse.rank().checked_sub(1).map(|last| inverse.singular_values()[last]);
    let rounding =
        T::EPSILON * frobenius * target.norm().to_double() / (target.len() as f64).sqrt();
    Ok(Local {
        residual: r.norm().to_double(),
        rank: inverse.rank(),
        gap: inverse.gap(),
        dimension: x.len() - inverse.rank(),
        unreached: target.len() - inverse.rank(),
        condition: inverse.condition_number(),
        amplification: last.map_or(f64::INFINITY, |sigma| 1.0 / sigma),
        predicted_error: inverse.solve(&r)?.norm().to_double() + rounding,
    })
}

fn decompose<T: Real>(
    map: &dyn Map<T>,
    target: &DVector<T>,
    x: &DVector<T>,
) -> Result<(DVector<T>, PseudoInverse<T>)> {
    size("target", "entries", target.len(), map.outputs())?;
    finite("target", target.as_slice(), target.len())?;
    size("x", "entries", x.len(), map.inputs())?;
    finite("x", x.as_slice(), x.len())?;
    let at = map.linearize(x)?;
    let inverse = PseudoInverse::new(&entries(at.jacobian.as_ref())?)?;
    Ok((at.value, inverse))
}

/// How curved a network can be anywhere, from its weights alone.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Smoothness {
    /// ‖J(x) − J(x′)‖₂ ≤ `curvature`·‖x − x′‖₂ for all x and x′.
    pub curvature: f64,
    /// ‖J(x)‖₂ ≤ `slope` for all x.
    pub slope: f64,
}

/// Bounds on the slope and the curvature of `network`, for [`unique`].
///
/// With ‖Wᵢ‖ bounded by the lesser of ‖Wᵢ‖_F and √(‖Wᵢ‖₁·‖Wᵢ‖_∞), and max|f′| and max|f″| of the
/// activations (tanh: 1 and 4/√27 = 0.7698), layer after layer: an affine layer multiplies slope s and
/// curvature k by ‖W‖, an activation makes them s·max|f′| and k·max|f′| + s²·max|f″|.
///
/// # Errors
/// [`Error::NoView`] for a layer that is neither a matrix in memory nor a smooth activation of
/// `nn-core`: ReLU has a kink, so nothing bounds its curvature.
///
/// # Examples
/// ```
/// use linalg::DMatrix;
/// use nn_core::{Network, Tanh};
/// use nn_invert::smoothness;
/// let network = Network::<f64>::builder(1)
///     .dense_from(DMatrix::from_element(1, 1, 3.0), vec![0.0])
///     .activation(Tanh)
///     .build_given()?;
/// let bounds = smoothness(&network)?;
/// assert!((bounds.slope - 3.0).abs() < 1e-12);
/// assert!((bounds.curvature - 9.0 * 4.0 / 27.0_f64.sqrt()).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn smoothness<T: Real>(network: &Network<T>) -> Result<Smoothness> {
    // Each step rounds by less than this; it is not to round down.
    const UP: f64 = 1.0 + 1e-14;
    let (mut slope, mut curvature) = (1.0, 0.0);
    for (layer, (view, shown)) in network.views().zip(network.layers()).enumerate() {
        match view {
            View::Affine { linear: Linear::Matrix(weight), .. } => {
                let norm = spectral_bound(weight) * UP;
                (slope, curvature) = (slope * norm, curvature * norm);
            }
            View::Pointwise(activation) => {
                let Some((first, second)) = extremes(activation) else {
                    return Err(Error::NoView { layer, name: shown.describe() });
                };
                curvature = (curvature * first + slope * slope * second) * UP;
                slope *= first * UP;
            }
            _ => return Err(Error::NoView { layer, name: shown.describe() }),
        }
    }
    Ok(Smoothness { curvature, slope })
}

/// A bound of ‖W‖₂ that needs no convergence.
fn spectral_bound<T: Real>(weight: DMatrixView<'_, T>) -> f64 {
    let mut rows = vec![0.0; weight.nrows()];
    let (mut columns, mut squares) = (0.0_f64, 0.0);
    for column in weight.column_iter() {
        let mut sum = 0.0;
        for (row, entry) in rows.iter_mut().zip(column.iter()) {
            let entry = entry.to_double().abs();
            *row += entry;
            sum += entry;
            squares += entry * entry;
        }
        columns = columns.max(sum);
    }
    let rows = rows.into_iter().fold(0.0_f64, f64::max);
    let rounding = 1.0 + (weight.len() + 4) as f64 * f64::EPSILON;
    squares.sqrt().min((rows * columns).sqrt()) * rounding
}

/// max|f′| and max|f″|.
fn extremes<T: Real>(activation: &dyn Activation<T>) -> Option<(f64, f64)> {
    let any: &dyn Any = activation;
    if any.is::<Identity>() {
        Some((1.0, 0.0))
    } else if any.is::<Tanh>() {
        Some((1.0, 4.0 / 27.0_f64.sqrt()))
    } else if any.is::<Sigmoid>() {
        Some((0.25, 1.0 / 108.0_f64.sqrt()))
    } else if any.is::<Softplus>() {
        Some((1.0, 0.25))
    } else if any.is::<Sin>() {
        Some((1.0, 1.0))
    } else if any.is::<Silu>() {
        // f′ is at most 1.09984, at z = 2.39936; f″ at most ½, at 0.
        Some((1.1, 0.5))
    } else {
        None
    }
}

/// Whether an exact solution is proved to lie near an approximate one.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Unique {
    /// h = β·η·K. At most ½: there is an exact x* with f(x*) = y within `radius`, and no other within
    /// `alone`. Above ½ nothing is proved.
    pub h: f64,
    /// β, a bound on ‖J(x)⁻¹‖₂.
    pub amplification: f64,
    /// η, a bound on ‖J(x)⁻¹·(f(x) − y)‖₂, the rounding of f included.
    pub step: f64,
    /// K, the bound on the curvature that was used.
    pub curvature: f64,
    /// ‖x − x*‖₂ ≤ radius = 2η/(1 + √(1 − 2h)); infinite where nothing is proved.
    pub radius: f64,
    /// No other solution lies within this of x: (1 + √(1 − 2h))/(β·K).
    pub alone: f64,
}

impl Unique {
    /// Whether h ≤ ½.
    #[must_use]
    pub fn is_proved(&self) -> bool {
        self.h <= 0.5
    }
}

/// Kantorovich's test at `x`, for a network with as many outputs as inputs: whether Newton's method from
/// x would converge, which proves that an exact solution is near, and that it is the only one there.
///
/// f is taken to be computed to within 4·∑ᵢ nᵢ·eps of the size of its terms, through all layers, which
/// is part of η; J to a relative error that changes β by less than a hundredth (where condition·eps
/// says otherwise, h is infinite).
///
/// # Errors
/// As [`local`] and [`smoothness`], and [`Error::NotSquare`].
///
/// # References
/// Ortega & Rheinboldt, "Iterative solution of nonlinear equations in several variables", 1970,
/// theorem 12.6.2; Ortega, "The Newton-Kantorovich theorem", Amer. Math. Monthly 75, 1968.
///
/// # Examples
/// ```
/// use linalg::{DMatrix, DVector};
/// use nn_core::{Network, Tanh};
/// use nn_invert::unique;
/// let network = Network::<f64>::builder(1)
///     .dense_from(DMatrix::from_element(1, 1, 1.0), vec![0.0])
///     .activation(Tanh)
///     .build_given()?;
/// // tanh x = ½ at x = 0.5493061443340549; here x is off by 1e-3.
/// let proof = unique(&network, &DVector::from_element(1, 0.5), &DVector::from_element(1, 0.5483))?;
/// assert!(proof.is_proved() && proof.radius > 1.0e-3 && proof.radius < 1.1e-3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn unique<T: Real>(
    network: &Network<T>,
    target: &DVector<T>,
    x: &DVector<T>,
) -> Result<Unique> {
    let (inputs, outputs) = (network.inputs(), network.outputs());
    if inputs != outputs {
        return Err(Error::NotSquare { outputs, inputs });
    }
    size("target", "entries", target.len(), outputs)?;
    finite("target", target.as_slice(), target.len())?;
    size("x", "entries", x.len(), inputs)?;
    finite("x", x.as_slice(), x.len())?;
    let Smoothness { curvature, .. } = smoothness(network)?;
    let jacobian = network.jacobian(x)?;
    let inverse = PseudoInverse::new(&jacobian)?;
    let (value, rounding) = with_rounding(network, x)?;
    let sigma = inverse.singular_values();
    let last = sigma[sigma.len() - 1];
    // δJ = 64·n·eps·‖J‖ must leave σₙ alone.
    let certain = inputs as f64 * 64.0 * T::EPSILON * sigma[0] < 0.01 * last;
    let amplification = 1.02 / last;
    let newton = inverse.solve(&(target - value))?.norm().to_double();
    let step = 1.02 * newton + amplification * rounding;
    let h = amplification * step * curvature;
    let h = if certain && h.is_finite() { h } else { f64::INFINITY };
    let root = (1.0 - 2.0 * h).max(0.0).sqrt();
    let proved = h <= 0.5;
    Ok(Unique {
        h,
        amplification,
        step,
        curvature,
        radius: if proved { 2.0 * step / (1.0 + root) } else { f64::INFINITY },
        alone: if proved { (1.0 + root) / (amplification * curvature) } else { 0.0 },
    })
}

/// f(x), and a bound on its error: each layer's own rounding, carried on by the norms of those behind.
fn with_rounding<T: Real>(network: &Network<T>, x: &DVector<T>) -> Result<(DVector<T>, f64)> {
    let mut trace = nn_core::Trace::new();
    network.forward(&DMatrix::from_column_slice(x.len(), 1, x.as_slice()), &mut trace)?;
    let mut error = 0.0;
    for (layer, view) in network.views().enumerate() {
        let size = |values: Option<DMatrixView<'_, T>>| {
            values.map_or(0.0, |values| values.norm().to_double())
        };
        match view {
            View::Affine { linear: Linear::Matrix(weight), bias } => {
                let offset = bias.iter().map(|b| b.to_double().powi(2)).sum::<f64>().sqrt();
                let terms = weight.norm().to_double() * size(trace.input_of(layer)) + offset;
                error = error * spectral_bound(weight)
                    + 4.0 * (weight.ncols() + 1) as f64 * T::EPSILON * terms;
            }
            View::Pointwise(activation) => {
                let slope = extremes(activation).map_or(f64::INFINITY, |(slope, _)| slope);
                error = error * slope + 4.0 * T::EPSILON * size(trace.output_of(layer));
            }
            _ => error = f64::INFINITY,
        }
    }
    Ok((trace.output().column(0).into_owned(), error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Tanhs, normal, seeded, vector};
    use crate::{SearchOptions, SearchStop, search};
    use nn_core::Relu;
    use std::ops::ControlFlow;

    fn network(widths: &[usize], gain: f64, seed: u64) -> Network<f64> {
        let layers = Tanhs::random(widths, gain, &mut seeded(seed)).0;
        let mut builder = Network::builder(widths[0]);
        for (index, (weight, bias)) in layers.into_iter().enumerate() {
            builder = if index > 0 { builder.activation(Tanh) } else { builder };
            builder = builder.dense_from(weight, bias.as_slice().to_vec());
        }
        builder.build_given().unwrap()
    }

    #[test]
    fn the_report_of_a_wide_map_counts_its_dimensions() {
        let map = Tanhs::random(&[6, 5, 3], 1.0, &mut seeded(1));
        let x = normal(6, 1, &mut seeded(2)).column(0).into_owned();
        let y = map.value(&x).unwrap();
        let report = local(&map, &y, &x).unwrap();
        assert_eq!((report.rank, report.dimension, report.unreached), (3, 3, 0));
        assert!(report.residual == 0.0 && report.gap.is_infinite());
        // A residual that is J·e is the error e, where e is in the range of Jᵀ.
        let jacobian = entries(map.linearize(&x).unwrap().jacobian.as_ref()).unwrap();
        let e = jacobian.tr_mul(&vector(&[1.0, 2.0, -1.0])) * 1e-6;
        let report = local(&map, &(&y + &jacobian * &e), &x).unwrap();
        assert!((report.predicted_error / e.norm() - 1.0).abs() < 1e-6, "{report:?}");
    }

    #[test]
    fn the_bounds_on_slope_and_curvature_hold_on_random_pairs() {
        for seed in 0..20 {
            let network = network(&[5, 7, 6, 5], 1.2, seed);
            let bounds = smoothness(&network).unwrap();
            let mut rng = seeded(100 + seed);
            let mut closest = 0.0_f64;
            for _ in 0..50 {
                let a = normal(5, 1, &mut rng).column(0).into_owned();
                let b = &a + normal(5, 1, &mut rng).column(0) * 0.1;
                let (ja, jb) = (network.jacobian(&a).unwrap(), network.jacobian(&b).unwrap());
                let slope = linalg::singular_values(&ja).unwrap()[0];
                let change = linalg::singular_values(&(&ja - &jb)).unwrap()[0] / (a - b).norm();
                assert!(slope <= bounds.slope && change <= bounds.curvature, "{bounds:?}");
                closest = closest.max(slope / bounds.slope);
            }
            assert!(closest > 1e-3, "the bound says something: {closest:e}");
        }
        let kink = Network::<f64>::builder(2).dense_from(DMatrix::identity(2, 2), vec![0.0; 2]);
        let kink = kink.activation(Relu).build_given().unwrap();
        assert!(matches!(smoothness(&kink), Err(Error::NoView { layer: 1, .. })));
    }

    #[test]
    fn the_proved_radius_contains_the_input_and_a_far_point_proves_nothing() {
        let mut proved = 0;
        for seed in 0..40 {
            let network = network(&[6, 6, 6], 0.9, seed);
            let x = normal(6, 1, &mut seeded(500 + seed)).column(0).into_owned();
            let y = Map::value(&network, &x).unwrap();
            let options = SearchOptions::default();
            let found =
                search(&network, &y, &(&x * 0.9), &options, |_| ControlFlow::Continue(())).unwrap();
            if found.stop != SearchStop::Converged {
                continue;
            }
            let proof = unique(&network, &y, &found.input).unwrap();
            let off = (&found.input - &x).norm();
            // Another root may have been found; then it lies beyond the ball of the only one.
            if proof.is_proved() {
                assert!(
                    off <= proof.radius || off >= proof.alone - proof.radius,
                    "{off:e} {proof:?}"
                );
                proved += usize::from(off <= proof.radius);
            }
            let far = unique(&network, &y, &(&x + vector(&[3.0; 6]))).unwrap();
            assert!(!far.is_proved() && far.radius.is_infinite());
        }
        assert!(proved >= 36, "{proved}");
    }

    #[test]
    fn a_network_that_is_not_square_is_refused() {
        let network = network(&[4, 3], 1.0, 1);
        let text = unique(&network, &vector(&[0.0; 3]), &vector(&[0.0; 4])).unwrap_err();
        assert_eq!(
            text.to_string(),
            "the network has 3 outputs and 4 inputs, expected as many of both"
        );
    }

    #[test]
    fn the_proof_for_one_unit_is_that_by_hand() {
        // tanh(w·x + b): J = w·(1 − a²), K = w²·4/√27, and f is off by eps of its terms, twice over.
        let (w, b, x) = (2.0, 0.25, 0.3_f64);
        let one = |x: f64| DMatrix::from_element(1, 1, x);
        let network = Network::<f64>::builder(1).dense_from(one(w), vec![b]).activation(Tanh);
        let network = network.build_given().unwrap();
        let a = (w * x + b).tanh();
        let slope = w * (1.0 - a * a);
        let curvature = w * w * 4.0 / 27.0_f64.sqrt();
        let rounding = 4.0 * f64::EPSILON * (2.0 * (w * x + b) + a);
        // h = β·η·K with β = 1.02/J, η = 1.02·r/J + β·rounding: r chosen for an h on each side of ½.
        for (h, proved) in [(1e-9, true), (0.1, true), (0.499, true), (0.501, false)] {
            let r = (h * slope / (1.02 * curvature) - 1.02 / slope * rounding) * slope / 1.02;
            let found = unique(&network, &vector(&[a + r]), &vector(&[x])).unwrap();
            let near = |found: f64, expected: f64| {
                // The digits of r are those of a + r.
                let limit = 1e-12 + 8.0 * f64::EPSILON / r;
                assert!((found / expected - 1.0).abs() <= limit, "{h}: {found} {expected}");
            };
            near(found.h, h);
            near(found.amplification, 1.02 / slope);
            near(found.curvature, curvature);
            near(found.step, h * slope / (1.02 * curvature));
            assert_eq!(found.is_proved(), proved);
            if proved {
                let root = (1.0 - 2.0 * h).sqrt();
                // √(1 − 2h) has a slope of 1/√0.002 at most.
                assert!((found.radius * (1.0 + root) / (2.0 * found.step) - 1.0).abs() <= 1e-8);
                let alone = (1.0 + root) * slope / (1.02 * curvature);
                assert!((found.alone / alone - 1.0).abs() <= 1e-8, "{} {alone}", found.alone);
            } else {
                assert!(found.radius.is_infinite() && found.alone.abs() < f64::MIN_POSITIVE);
            }
        }
        // What rounds is known where there is no residual at all.
        let found = unique(&network, &vector(&[a]), &vector(&[x])).unwrap();
        let expected = 1.02 / slope * rounding;
        assert!((found.step / expected - 1.0).abs() < 0.3, "{} {expected}", found.step);
        // At h = ½ itself it is proved.
        assert!(
            Unique { h: 0.5, ..found }.is_proved() && !Unique { h: f64::NAN, ..found }.is_proved()
        );
    }
}
