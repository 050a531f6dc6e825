//! Maximum likelihood on the data themselves: variable projection, and the Cramér-Rao bound.

use linalg::{Cholesky, Complex, DMatrix, Qr, condition_number};

use super::Refinement;
use crate::{Error, Result};

/// What the amplitudes may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amplitudes {
    /// Any complex number, one per snapshot: tones, directions.
    Complex,
    /// Real: echoes of a known pulse in a real signal.
    Real,
}

/// Data of the form yₖ = sₖ·∑ᵢ aᵢ·e^(jkωᵢ) + white noise.
#[derive(Debug, Clone)]
pub(super) struct Model<'a> {
    /// y, samples x snapshots.
    pub(super) data: &'a DMatrix<Complex<f64>>,
    /// s; ones where empty.
    pub(super) pulse: &'a [Complex<f64>],
    /// k of the first sample.
    pub(super) first: usize,
    pub(super) amplitudes: Amplitudes,
}

/// The best parameters near a start.
#[derive(Debug, Clone)]
pub(super) struct Fit {
    /// ω.
    pub(super) angles: Vec<f64>,
    /// a, sources x snapshots.
    pub(super) amplitudes: DMatrix<Complex<f64>>,
    /// ‖y − model‖².
    pub(super) residual: f64,
    /// The variance of the noise in the real and in the imaginary part of each sample, unbiased.
    pub(super) noise_variance: f64,
    /// The Cramér-Rao bound on the covariance of the angles at that noise; `None` where the angles
    /// cannot be told apart at all.
    pub(super) bound: Option<DMatrix<f64>>,
    /// The condition number of the steering matrix.
    pub(super) condition: f64,
    pub(super) iterations: usize,
}

impl Model<'_> {
    /// Improves `start` by Levenberg and Marquardt's method on the residual left after the best
    /// amplitudes, with Kaufman's Jacobian.
    ///
    /// # References
    /// G. Golub and V. Pereyra, "Separable nonlinear least squares: the variable projection method",
    /// Inverse Problems 19, 2003.
    pub(super) fn fit(&self, start: &[f64], refinement: Refinement) -> Result<Fit> {
        let mut angles = start.to_vec();
        let mut here = self.project(&angles)?;
        let mut damping = 1e-3;
        let mut iterations = 0;
        let most = if refinement == Refinement::None { 0 } else { 100 };
        while iterations < most {
            iterations += 1;
            let (gram, downhill) = here.normal_equations();
            let mut improved = false;
            while damping < 1e12 {
                let step = damped_step(&gram, &downhill, damping);
                let next: Option<Vec<f64>> =
                    step.map(|step| angles.iter().zip(&step).map(|(angle, d)| angle + d).collect());
                let tried = next.as_ref().map(|next| self.project(next));
                if let (Some(next), Some(Ok(tried))) = (next, tried)
                    && tried.residual < here.residual
                {
                    let gain = (here.residual - tried.residual) / here.residual;
                    (angles, here) = (next, tried);
                    damping = (damping / 10.0).max(1e-12);
                    improved = gain > 1e-14;
                    break;
                }
                damping *= 10.0;
            }
            if !improved {
                break;
            }
        }
        self.finish(angles, &here, iterations)
    }

    fn finish(&self, angles: Vec<f64>, here: &Projection, iterations: usize) -> Result<Fit> {
        let (samples, snapshots) = self.data.shape();
        let (real, sources) = (here.steering.ncols(), angles.len());
        let free = (2 * samples * snapshots).saturating_sub(real * snapshots + sources);
        let noise_variance = if free > 0 { here.residual / free as f64 } else { 0.0 };
        let (gram, _) = here.normal_equations();
        let identity = DMatrix::identity(sources, sources);
        let bound = Cholesky::new(gram)
            .and_then(|cholesky| cholesky.solve_many(&identity))
            .ok()
            .map(|inverse| inverse.scale(noise_variance));
        let amplitudes =
            DMatrix::from_fn(sources, snapshots, |source, snapshot| match self.amplitudes {
                Amplitudes::Real => here.amplitudes[(source, snapshot)].into(),
                Amplitudes::Complex => Complex::new(
                    here.amplitudes[(source, snapshot)],
                    here.amplitudes[(sources + source, snapshot)],
                ),
            });
        let condition = condition_number(&here.steering)?;
        let residual = here.residual;
        Ok(Fit { angles, amplitudes, residual, noise_variance, bound, condition, iterations })
    }

    /// The best amplitudes for the given angles, and what they leave.
    ///
    /// Everything is stacked, real parts over imaginary parts; a complex amplitude is two real ones.
    fn project(&self, angles: &[f64]) -> Result<Projection> {
        let (samples, snapshots) = self.data.shape();
        let sources = angles.len();
        let columns = match self.amplitudes {
            Amplitudes::Real => sources,
            Amplitudes::Complex => 2 * sources,
        };
        let mut steering = DMatrix::zeros(2 * samples, columns);
        for (source, &angle) in angles.iter().enumerate() {
            for k in 0..samples {
                let h = self.response(k, angle);
                steering[(k, source)] = h.re;
                steering[(samples + k, source)] = h.im;
                if self.amplitudes == Amplitudes::Complex {
                    steering[(k, sources + source)] = -h.im;
                    steering[(samples + k, sources + source)] = h.re;
                }
            }
        }
        let data = DMatrix::from_fn(2 * samples, snapshots, |row, snapshot| {
            let y = self.data[(row % samples, snapshot)];
            if row < samples { y.re } else { y.im }
        });
        let qr = Qr::new(steering.clone())?;
        let (amplitudes, residuals) = solve(&qr, columns, &data)?;
        // The derivative by ω of the model at these amplitudes, less what amplitudes could undo.
        let mut slopes = Vec::with_capacity(sources);
        for (source, &angle) in angles.iter().enumerate() {
            let mut slope = DMatrix::zeros(2 * samples, snapshots);
            for k in 0..samples {
                let dh = self.response(k, angle) * Complex::new(0.0, (self.first + k) as f64);
                for snapshot in 0..snapshots {
                    let a = match self.amplitudes {
                        Amplitudes::Real => amplitudes[(source, snapshot)].into(),
                        Amplitudes::Complex => Complex::new(
                            amplitudes[(source, snapshot)],
                            amplitudes[(sources + source, snapshot)],
                        ),
                    };
                    let change: Complex<f64> = dh * a;
                    slope[(k, snapshot)] = change.re;
                    slope[(samples + k, snapshot)] = change.im;
                }
            }
            slopes.push(solve(&qr, columns, &slope)?.1);
        }
        let residual = residuals.norm_squared();
        Ok(Projection { steering, amplitudes, residuals, residual, slopes })
    }

    /// hₖ(ω) = sₖ·e^(jkω).
    pub(super) fn response(&self, k: usize, angle: f64) -> Complex<f64> {
        let turn = Complex::from_polar(1.0, (self.first + k) as f64 * angle);
        self.pulse.get(k).map_or(turn, |s| s * turn)
    }
}

/// x with A·x ≈ b by least squares, column by column, and b − A·x.
fn solve(qr: &Qr<f64>, columns: usize, b: &DMatrix<f64>) -> Result<(DMatrix<f64>, DMatrix<f64>)> {
    let mut rotated = b.clone();
    qr.apply_q_adjoint(&mut rotated)?;
    let r = qr.r();
    let mut x = rotated.rows(0, columns).into_owned();
    for mut column in x.column_iter_mut() {
        for i in (0..columns).rev() {
            let known: f64 = (i + 1..columns).map(|j| r[(i, j)] * column[j]).sum();
            // A column that is a combination of the others adds nothing: its amplitude is 0.
            let pivot = r[(i, i)];
            column[i] = if pivot == 0.0 { 0.0 } else { (column[i] - known) / pivot };
        }
    }
    rotated.rows_mut(0, columns).fill(0.0);
    qr.apply_q(&mut rotated)?;
    Ok((x, rotated))
}

/// The model at given angles.
struct Projection {
    /// A, stacked.
    steering: DMatrix<f64>,
    /// Real amplitudes, or the real parts over the imaginary parts.
    amplitudes: DMatrix<f64>,
    /// y − A·a, stacked.
    residuals: DMatrix<f64>,
    /// Its squared norm.
    residual: f64,
    /// For each source the projected derivative of the model by its angle.
    slopes: Vec<DMatrix<f64>>,
}

impl Projection {
    /// `JᵀJ` and `Jᵀr`, with J the derivative of the model.
    fn normal_equations(&self) -> (DMatrix<f64>, Vec<f64>) {
        let n = self.slopes.len();
        let gram = DMatrix::from_fn(n, n, |i, j| self.slopes[i].dot(&self.slopes[j]));
        let downhill = self.slopes.iter().map(|slope| slope.dot(&self.residuals)).collect();
        (gram, downhill)
    }
}

/// (G + damping·diag G)⁻¹·d; `None` where that is not positive definite.
fn damped_step(gram: &DMatrix<f64>, downhill: &[f64], damping: f64) -> Option<Vec<f64>> {
    let mut damped = gram.clone();
    for i in 0..downhill.len() {
        damped[(i, i)] *= 1.0 + damping;
    }
    let b = linalg::DVector::from_column_slice(downhill);
    Cholesky::new(damped)
        .and_then(|cholesky| cholesky.solve(&b))
        .ok()
        .map(|x| x.as_slice().to_vec())
}

/// Refuses more parameters than there are numbers.
pub(super) fn check_size(model: &Model<'_>, sources: usize) -> Result<()> {
    let per_source = match model.amplitudes {
        Amplitudes::Real => 1,
        Amplitudes::Complex => 2,
    };
    let (samples, snapshots) = model.data.shape();
    let limit = 2 * samples * snapshots / (per_source * snapshots + 1);
    if sources == 0 || sources >= limit.min(samples) {
        return Err(Error::Sources { sources, limit: limit.min(samples).saturating_sub(1) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_noise_is_divided_among_the_numbers_that_are_free() {
        for (amplitudes, snapshots, free) in [
            // 2·9·3 numbers less two complex amplitudes in each snapshot and two angles.
            (Amplitudes::Complex, 3, 54 - 12 - 2),
            (Amplitudes::Real, 1, 18 - 2 - 2),
        ] {
            let data = DMatrix::from_fn(9, snapshots, |k, snapshot| {
                Complex::from_polar(1.0, ((k * k + 5 * snapshot) as f64).sqrt())
            });
            let model = Model { data: &data, pulse: &[], first: 0, amplitudes };
            let fit = model.fit(&[0.5, -1.0], Refinement::None).unwrap();
            let found = fit.residual / fit.noise_variance;
            assert!((found - f64::from(free)).abs() <= 1e-12 * f64::from(free), "{found}");
        }
    }
}
