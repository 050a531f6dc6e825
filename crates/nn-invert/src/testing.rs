//! Maps for the tests of this crate.

use linalg::{DMatrix, DVector, LinearOperator};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

use crate::{Linearization, Map, Result};

pub(crate) fn seeded(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

pub(crate) fn normal(rows: usize, columns: usize, rng: &mut Xoshiro256PlusPlus) -> DMatrix<f64> {
    DMatrix::from_fn(rows, columns, |_, _| rng.sample(StandardNormal))
}

pub(crate) fn vector(entries: &[f64]) -> DVector<f64> {
    DVector::from_column_slice(entries)
}

/// W₂·tanh(W₁·x + b₁) + b₂ and so on, written out.
pub(crate) struct Tanhs(pub(crate) Vec<(DMatrix<f64>, DVector<f64>)>);

impl Tanhs {
    /// Weights N(0, gain²/inputs), biases N(0, 1/100).
    pub(crate) fn random(widths: &[usize], gain: f64, rng: &mut Xoshiro256PlusPlus) -> Self {
        let layer = |pair: &[usize]| {
            let weight = normal(pair[1], pair[0], rng) * (gain / (pair[0] as f64).sqrt());
            (weight, normal(pair[1], 1, rng).column(0) * 0.1)
        };
        Self(widths.windows(2).map(layer).collect())
    }

    pub(crate) fn linear(weight: DMatrix<f64>) -> Self {
        let bias = DVector::zeros(weight.nrows());
        Self(vec![(weight, bias)])
    }
}

impl Map<f64> for Tanhs {
    fn inputs(&self) -> usize {
        self.0[0].0.ncols()
    }

    fn outputs(&self) -> usize {
        self.0[self.0.len() - 1].0.nrows()
    }

    fn value(&self, x: &DVector<f64>) -> Result<DVector<f64>> {
        let mut h = x.clone();
        for (layer, (weight, bias)) in self.0.iter().enumerate() {
            h = if layer > 0 { h.map(f64::tanh) } else { h };
            h = weight * h + bias;
        }
        Ok(h)
    }

    fn linearize<'a>(&'a self, x: &DVector<f64>) -> Result<Linearization<'a, f64>> {
        let mut h = x.clone();
        let mut jacobian = DMatrix::identity(x.len(), x.len());
        for (layer, (weight, bias)) in self.0.iter().enumerate() {
            if layer > 0 {
                h = h.map(f64::tanh);
                for (mut row, h) in jacobian.row_iter_mut().zip(&h) {
                    row *= 1.0 - h * h;
                }
            }
            h = weight * h + bias;
            jacobian = weight * jacobian;
        }
        Ok(Linearization { value: h, jacobian: Box::new(jacobian) })
    }
}

/// Another map whose Jacobian is too wide and too high to be made: yᵢ = xᵢ + a·sin(xᵢ₊₁).
pub(crate) struct Ring {
    pub(crate) n: usize,
    pub(crate) a: f64,
}

struct RingJacobian {
    slopes: Vec<f64>,
}

impl LinearOperator<f64> for RingJacobian {
    fn nrows(&self) -> usize {
        self.slopes.len()
    }

    fn ncols(&self) -> usize {
        self.slopes.len()
    }

    fn apply(&self, x: &[f64], y: &mut [f64]) -> linalg::Result<()> {
        let n = x.len();
        for i in 0..n {
            y[i] = x[i] + self.slopes[(i + 1) % n] * x[(i + 1) % n];
        }
        Ok(())
    }

    fn apply_adjoint(&self, x: &[f64], y: &mut [f64]) -> linalg::Result<()> {
        let n = x.len();
        for i in 0..n {
            y[i] = x[i] + self.slopes[i] * x[(i + n - 1) % n];
        }
        Ok(())
    }
}

impl Map<f64> for Ring {
    fn inputs(&self) -> usize {
        self.n
    }

    fn outputs(&self) -> usize {
        self.n
    }

    fn value(&self, x: &DVector<f64>) -> Result<DVector<f64>> {
        Ok(DVector::from_fn(self.n, |i, _| x[i] + self.a * x[(i + 1) % self.n].sin()))
    }

    fn linearize<'a>(&'a self, x: &DVector<f64>) -> Result<Linearization<'a, f64>> {
        let slopes = x.iter().map(|x| self.a * x.cos()).collect();
        Ok(Linearization { value: self.value(x)?, jacobian: Box::new(RingJacobian { slopes }) })
    }
}

/// A map with half as many outputs as inputs: yᵢ = xᵢ + a·tanh(xₘ₊ᵢ).
pub(crate) struct Pairs {
    pub(crate) m: usize,
    pub(crate) a: f64,
}

struct PairsJacobian(Vec<f64>);

impl LinearOperator<f64> for PairsJacobian {
    fn nrows(&self) -> usize {
        self.0.len()
    }

    fn ncols(&self) -> usize {
        2 * self.0.len()
    }

    fn apply(&self, x: &[f64], y: &mut [f64]) -> linalg::Result<()> {
        let m = self.0.len();
        for i in 0..m {
            y[i] = x[i] + self.0[i] * x[m + i];
        }
        Ok(())
    }

    fn apply_adjoint(&self, x: &[f64], y: &mut [f64]) -> linalg::Result<()> {
        let m = self.0.len();
        for i in 0..m {
            (y[i], y[m + i]) = (x[i], self.0[i] * x[i]);
        }
        Ok(())
    }
}

impl Map<f64> for Pairs {
    fn inputs(&self) -> usize {
        2 * self.m
    }

    fn outputs(&self) -> usize {
        self.m
    }

    fn value(&self, x: &DVector<f64>) -> Result<DVector<f64>> {
        Ok(DVector::from_fn(self.m, |i, _| x[i] + self.a * x[self.m + i].tanh()))
    }

    fn linearize<'a>(&'a self, x: &DVector<f64>) -> Result<Linearization<'a, f64>> {
        let slopes = x.rows(self.m, self.m).iter().map(|v| self.a / v.cosh().powi(2)).collect();
        let jacobian = Box::new(PairsJacobian(slopes));
        Ok(Linearization { value: self.value(x)?, jacobian })
    }
}
