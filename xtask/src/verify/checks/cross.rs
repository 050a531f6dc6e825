//! What holds between two crates.

use std::f64::consts::{PI, TAU};

use linalg::{DMatrix, DVector, tridiagonal_spectrum};
use quad::{Direction, Flat, GaussLegendre, Measure, SolidAngle, SphereRule};
use rand::{Rng, RngExt};
use rl_pg::{Baseline, Policy, score_function};

use crate::verify::check::{BoxError, Check, Context, Control, Evidence};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "cross/gauss-nodes-jacobi",
        question: None,
        claim: "The Gauss-Legendre nodes of quad are the eigenvalues of the Legendre polynomials' \
                Jacobi matrix by linalg.",
        run: gauss_nodes_jacobi,
    },
    Check {
        id: "cross/policy-on-sphere",
        question: Some(2),
        claim: "The gradient of a policy's expected reward on the sphere, integrated by quad, is the one \
                that rl-pg estimates from samples.",
        run: policy_on_sphere,
    },
];

fn gauss_nodes_jacobi(_: &Context) -> Result<Evidence, BoxError> {
    let (mut worst, mut worst_control) = (0.0f64, 0.0f64);
    let sizes = [2usize, 3, 5, 10, 21, 64, 150];
    for n in sizes {
        let rule = GaussLegendre::new(n)?;
        let off = |couplings: &[f64]| {
            let found = tridiagonal_spectrum(&vec![0.0; n], couplings)?.values;
            let differences =
                rule.nodes().iter().rev().zip(&found).map(|(node, value)| node - value);
            let largest = differences.fold(0.0f64, |largest, difference| {
                if difference.abs() <= largest { largest } else { difference.abs() }
            });
            Ok::<_, linalg::Error>(largest / (n as f64 * f64::EPSILON))
        };
        // k/√(4k² − 1) for Legendre polynomials; 1/2 for Chebyshev's, which is also their limit.
        let legendre: Vec<f64> =
            (1..n).map(|k| k as f64 / (4.0 * (k * k) as f64 - 1.0).sqrt()).collect();
        worst = worst.max(off(&legendre)?);
        worst_control = worst_control.max(off(&vec![0.5; n - 1])?);
    }
    Ok(Evidence {
        measured: worst,
        limit: 10.0,
        reason: "largest difference over n eps: a backward stable eigensolver moves the eigenvalues of a \
                 matrix of norm below 1 by at most a small multiple of n eps (Weyl), the nodes are within \
                 eps",
        control: Control {
            what: "off-diagonals of 1/2, as Chebyshev polynomials of the second kind have",
            measured: worst_control,
        },
        plots: Vec::new(),
        notes: vec![format!("n = {sizes:?}.")],
    })
}

/// The von Mises-Fisher policy: a direction x with density C exp(η·x) per solid angle, C = κ/(4π
/// sinh κ) and κ = |η|; the parameters are η.
struct VonMisesFisher {
    eta: DVector<f64>,
}

impl VonMisesFisher {
    fn kappa(&self) -> f64 {
        self.eta.norm()
    }

    /// E[x] = (coth κ − 1/κ) η/κ.
    fn mean(&self) -> DVector<f64> {
        let kappa = self.kappa();
        &self.eta * ((1.0 / kappa.tanh() - 1.0 / kappa) / kappa)
    }

    /// log C, without overflow.
    fn log_constant(&self) -> f64 {
        let kappa = self.kappa();
        (kappa / TAU).ln() - kappa - (-(-2.0 * kappa).exp()).ln_1p()
    }
}

impl Policy for VonMisesFisher {
    type Action = Direction;

    fn parameter_count(&self) -> usize {
        3
    }

    fn sample(&self, rng: &mut dyn Rng) -> Direction {
        let kappa = self.kappa();
        // The component along η has density proportional to exp(κ t) on [−1, 1]; the rest is
        // uniform.
        let u: f64 = rng.random();
        let t = 1.0 + (u + (1.0 - u) * (-2.0 * kappa).exp()).ln() / kappa;
        let across = (1.0 - t * t).max(0.0).sqrt();
        let (sine, cosine) = rng.random_range(0.0..TAU).sin_cos();
        let axis = &self.eta / kappa;
        // Any vector that is not along the axis gives two at right angles to it.
        let shortest = axis.iamin();
        let helper = DVector::from_fn(3, |i, _| if i == shortest { 1.0 } else { 0.0 });
        let first = axis.cross(&helper).normalize();
        let second = axis.cross(&first);
        let x = axis * t + (first * cosine + second * sine) * across;
        // Three finite components of a unit vector always have a direction.
        Direction::from_vector([x[0], x[1], x[2]]).expect("a unit vector")
    }

    fn log_probability(&self, x: &Direction) -> rl_pg::Result<f64> {
        Ok(self.log_constant() + self.eta.dot(&DVector::from_column_slice(&x.vector())))
    }

    fn score(&self, x: &Direction, score: &mut [f64]) -> rl_pg::Result<()> {
        let mean = self.mean();
        for (entry, (component, mean)) in score.iter_mut().zip(x.vector().iter().zip(&mean)) {
            *entry = component - mean;
        }
        Ok(())
    }

    fn mode(&self) -> Direction {
        let [x, y, z] = [0, 1, 2].map(|k| self.eta[k]);
        Direction::from_vector([x, y, z]).expect("a vector of length κ")
    }

    fn entropy(&self) -> f64 {
        -self.log_constant() - self.eta.dot(&self.mean())
    }

    fn entropy_gradient(&self, gradient: &mut [f64]) -> rl_pg::Result<()> {
        gradient.copy_from_slice((self.fisher() * -&self.eta).as_slice());
        Ok(())
    }

    fn divergence(&self, other: &Self) -> rl_pg::Result<f64> {
        let apart = (&self.eta - &other.eta).dot(&self.mean());
        Ok(apart + self.log_constant() - other.log_constant())
    }

    /// The covariance of x: 1/κ² − 1/sinh² κ along η, (coth κ − 1/κ)/κ across.
    fn fisher(&self) -> DMatrix<f64> {
        let kappa = self.kappa();
        let (axis, across) = (&self.eta / kappa, (1.0 / kappa.tanh() - 1.0 / kappa) / kappa);
        let along = kappa.powi(-2) - kappa.sinh().powi(-2);
        DMatrix::identity(3, 3) * across + &axis * axis.transpose() * (along - across)
    }
}

fn policy_on_sphere(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let policy = VonMisesFisher { eta: random_vector(&mut rng, 1.0..3.0) };
    // The nearer to a target the better, on a scale of its own; not a polynomial.
    let target = random_vector(&mut rng, 1.0..1.0001);
    let reward = |x: &Direction| 1.0 / (1.3 - target.dot(&DVector::from_column_slice(&x.vector())));
    let samples = 50_000;
    let estimate = score_function(&policy, reward, samples, Baseline::LeaveOneOut, &mut rng)?;
    let in_errors = |exact: &[f64; 4]| {
        let found = estimate.gradient.iter().copied().chain([estimate.value]);
        let errors = estimate.std_error.iter().copied().chain([estimate.value_std_error]);
        found.zip(errors).zip(exact).fold(0.0f64, |worst, ((found, error), exact)| {
            let z = (found - exact).abs() / error;
            if z <= worst { worst } else { z }
        })
    };
    let exact = integrals(SolidAngle, &policy, reward)?;
    let flat = integrals(Flat, &policy, reward)?;
    Ok(Evidence {
        measured: in_errors(&exact),
        limit: 5.0,
        reason: "largest of four deviations in standard errors: normal numbers exceed 5 once in 400,000 \
                 runs; quad's own error is below 1e-10",
        control: Control {
            what: "the integrals without sin θ: over dθ dφ instead of the solid angle",
            measured: in_errors(&flat),
        },
        plots: Vec::new(),
        notes: vec![format!(
            "J = {:.5} by quad from {} values, {:.5} ± {:.5} by rl-pg from {samples} samples.",
            exact[3],
            SphereRule::of_degree(SolidAngle, DEGREE)?.len(),
            estimate.value,
            estimate.value_std_error
        )],
    })
}

/// Enough for 1/(1.3 − t), whose Legendre coefficients fall by a factor of 2.1 a degree.
const DEGREE: usize = 60;

/// ∇J = ∫ r p ∇log p and J = ∫ r p against the measure.
fn integrals<M: Measure>(
    measure: M,
    policy: &VonMisesFisher,
    reward: impl Fn(&Direction) -> f64,
) -> Result<[f64; 4], BoxError> {
    let rule = SphereRule::of_degree(measure, DEGREE)?;
    let mut integrands: [Vec<f64>; 4] = Default::default();
    for x in rule.directions() {
        let weighted = reward(&x) * policy.log_probability(&x)?.exp();
        let mut factors = [1.0; 4];
        policy.score(&x, &mut factors[..3])?;
        for (integrand, factor) in integrands.iter_mut().zip(factors) {
            integrand.push(weighted * factor);
        }
    }
    let mut values = [0.0; 4];
    for (value, integrand) in values.iter_mut().zip(&integrands) {
        *value = rule.integrate_samples(integrand)?.value;
    }
    Ok(values)
}

/// A vector in a uniform direction, of a length in the range.
fn random_vector(rng: &mut impl Rng, length: std::ops::Range<f64>) -> DVector<f64> {
    let z: f64 = rng.random_range(-1.0..1.0);
    let (sine, cosine) = rng.random_range(-PI..PI).sin_cos();
    let across = (1.0 - z * z).sqrt();
    let unit = DVector::from_column_slice(&[across * cosine, across * sine, z]);
    unit * rng.random_range(length)
}
