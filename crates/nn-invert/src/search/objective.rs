//! What a search makes small: a stack of residuals, and its Jacobian.

use linalg::descent::dot;
use linalg::{DMatrix, DVector, LinearOperator, Real};
use nn_core::Shape;

use super::options::{DENSE, SearchOptions};
use crate::arguments::{finite, positive, size, within};
use crate::{Error, Linearization, Map, Result};

/// Most entries of a Jacobian that is made.
const ENTRIES: usize = 1 << 24;

/// ½‖r(x)‖² with r = [w∘(f(x) − y); √λ·(x − seed); √μ·D·x], lower ≤ x ≤ upper, some of x fixed.
pub(super) struct Objective<'a, T: Real> {
    pub(super) map: &'a dyn Map<T>,
    target: &'a DVector<T>,
    seed: &'a DVector<T>,
    /// The outputs of positive weight, with it.
    known: Vec<(usize, T)>,
    near: T,
    smooth: T,
    /// Neighbors, whose difference is a row of D.
    neighbors: Vec<(usize, usize)>,
    pub(super) bounds: Option<&'a (DVector<T>, DVector<T>)>,
    pub(super) fixed: Vec<bool>,
    /// ‖w∘y‖, or 1 where that is 0.
    pub(super) scale: f64,
}

/// A point with its value.
pub(super) struct Point<T: Real> {
    pub(super) x: DVector<T>,
    pub(super) value: DVector<T>,
    pub(super) stack: DVector<T>,
    /// ½‖r‖².
    pub(super) cost: f64,
}

/// The Jacobian of the stack, over all inputs.
pub(super) enum Jacobian<'a, T: Real> {
    Dense(DMatrix<T>),
    Products(Box<dyn LinearOperator<T> + Send + Sync + 'a>),
}

impl<'a, T: Real> Objective<'a, T> {
    pub(super) fn new(
        map: &'a dyn Map<T>,
        target: &'a DVector<T>,
        seed: &'a DVector<T>,
        options: &'a SearchOptions<T>,
    ) -> Result<Self> {
        let (inputs, outputs) = (map.inputs(), map.outputs());
        size("target", "entries", target.len(), outputs)?;
        size("seed", "entries", seed.len(), inputs)?;
        finite("seed", seed.as_slice(), seed.len())?;
        check_options(options, inputs, outputs)?;
        let mut fixed = vec![false; inputs];
        for &index in &options.fixed {
            fixed[index] = true;
        }
        if let Some((lower, upper)) = &options.bounds {
            for index in (0..inputs).filter(|&index| !fixed[index]) {
                if !(seed[index] >= lower[index] && seed[index] <= upper[index]) {
                    return Err(Error::SeedOutside {
                        index,
                        value: seed[index].to_double(),
                        lower: lower[index].to_double(),
                        upper: upper[index].to_double(),
                    });
                }
            }
        }
        let weight = |index| options.weights.as_ref().map_or_else(T::one, |weights| weights[index]);
        let known: Vec<(usize, T)> =
            (0..outputs).map(|i| (i, weight(i))).filter(|(_, w)| *w > T::zero()).collect();
        for &(row, _) in &known {
            if !target[row].is_finite() {
                let value = target[row].to_double();
                return Err(Error::NotFinite { argument: "target", row, column: 0, value });
            }
        }
        let size =
            known.iter().map(|&(i, w)| (w * target[i]).to_double().powi(2)).sum::<f64>().sqrt();
        let root = |weight: f64| T::from_double(weight.sqrt());
        Ok(Self {
            map,
            target,
            seed,
            known,
            near: root(options.stay_near),
            smooth: root(options.smooth.map_or(0.0, |(_, weight)| weight)),
            neighbors: options.smooth.map_or_else(Vec::new, |(shape, _)| neighbors(shape)),
            bounds: options.bounds.as_ref(),
            fixed,
            scale: if size > 0.0 { size } else { 1.0 },
        })
    }

    /// Whether anything but the target is asked for.
    pub(super) fn has_priors(&self) -> bool {
        self.near > T::zero() || !self.neighbors.is_empty()
    }

    fn near_rows(&self) -> usize {
        if self.near > T::zero() { self.seed.len() } else { 0 }
    }

    /// Entries of the stack.
    pub(super) fn rows(&self) -> usize {
        self.known.len() + self.near_rows() + self.neighbors.len()
    }

    /// The point `x` with its value; an x that overflowed has an infinite cost.
    pub(super) fn point(&self, x: DVector<T>) -> Result<Point<T>> {
        if x.iter().any(|entry| !entry.is_finite()) {
            let (value, stack) = (DVector::zeros(0), DVector::zeros(0));
            return Ok(Point { x, value, stack, cost: f64::INFINITY });
        }
        let value = self.map.value(&x)?;
        self.point_of(x, value)
    }

    fn point_of(&self, x: DVector<T>, value: DVector<T>) -> Result<Point<T>> {
        size("the map's value", "entries", value.len(), self.target.len())?;
        let data = self.known.iter().map(|&(i, w)| w * (value[i] - self.target[i]));
        let near = (0..self.near_rows()).map(|i| self.near * (x[i] - self.seed[i]));
        let smooth = self.neighbors.iter().map(|&(i, j)| self.smooth * (x[j] - x[i]));
        let stack: Vec<T> = data.chain(near).chain(smooth).collect();
        let stack = DVector::from_vec(stack);
        let cost = 0.5 * dot(&stack, &stack);
        let cost = if cost.is_nan() { f64::INFINITY } else { cost };
        Ok(Point { x, value, stack, cost })
    }

    /// The point `x` with its Jacobian, made where it is small.
    pub(super) fn linearize(&self, x: DVector<T>) -> Result<(Point<T>, Jacobian<'_, T>)> {
        let Linearization { value, jacobian } = self.map.linearize(&x)?;
        let (rows, columns) = (self.rows(), jacobian.ncols());
        let jacobian = if rows.min(columns) <= DENSE && rows * columns <= ENTRIES {
            Jacobian::Dense(self.stacked(&entries(jacobian.as_ref())?))
        } else {
            Jacobian::Products(jacobian)
        };
        Ok((self.point_of(x, value)?, jacobian))
    }

    /// The Jacobian of the stack from that of f.
    fn stacked(&self, jacobian: &DMatrix<T>) -> DMatrix<T> {
        let mut stacked = DMatrix::zeros(self.rows(), jacobian.ncols());
        for (column, mut to) in stacked.column_iter_mut().enumerate() {
            for (to, &(i, w)) in to.iter_mut().zip(&self.known) {
                *to = w * jacobian[(i, column)];
            }
        }
        let start = self.known.len();
        for i in 0..self.near_rows() {
            stacked[(start + i, i)] = self.near;
        }
        let start = start + self.near_rows();
        for (row, &(i, j)) in self.neighbors.iter().enumerate() {
            stacked[(start + row, i)] = -self.smooth;
            stacked[(start + row, j)] = self.smooth;
        }
        stacked
    }

    /// J·v, `v` over all inputs.
    pub(super) fn apply(
        &self,
        jacobian: &Jacobian<'_, T>,
        v: &DVector<T>,
    ) -> linalg::Result<DVector<T>> {
        let mut product = DVector::zeros(self.rows());
        match jacobian {
            Jacobian::Dense(matrix) => matrix.apply(v.as_slice(), product.as_mut_slice())?,
            Jacobian::Products(operator) => {
                let mut data = DVector::zeros(operator.nrows());
                operator.apply(v.as_slice(), data.as_mut_slice())?;
                let data = self.known.iter().map(|&(i, w)| w * data[i]);
                let near = (0..self.near_rows()).map(|i| self.near * v[i]);
                let smooth = self.neighbors.iter().map(|&(i, j)| self.smooth * (v[j] - v[i]));
                for (to, from) in product.iter_mut().zip(data.chain(near).chain(smooth)) {
                    *to = from;
                }
            }
        }
        Ok(product)
    }

    /// Jᵀ·u, over all inputs, zero for the fixed ones.
    pub(super) fn apply_adjoint(
        &self,
        jacobian: &Jacobian<'_, T>,
        u: &DVector<T>,
    ) -> linalg::Result<DVector<T>> {
        let mut product = DVector::zeros(self.fixed.len());
        match jacobian {
            Jacobian::Dense(matrix) => {
                matrix.apply_adjoint(u.as_slice(), product.as_mut_slice())?;
            }
            Jacobian::Products(operator) => {
                let mut data = DVector::zeros(operator.nrows());
                for (&(i, w), &u) in self.known.iter().zip(u.iter()) {
                    data[i] = w * u;
                }
                operator.apply_adjoint(data.as_slice(), product.as_mut_slice())?;
                let (start, near) = (self.known.len(), self.near_rows());
                for i in 0..near {
                    product[i] += self.near * u[start + i];
                }
                for (row, &(i, j)) in self.neighbors.iter().enumerate() {
                    let pull = self.smooth * u[start + near + row];
                    product[i] -= pull;
                    product[j] += pull;
                }
            }
        }
        for (entry, &fixed) in product.iter_mut().zip(&self.fixed) {
            if fixed {
                *entry = T::zero();
            }
        }
        Ok(product)
    }

    /// ‖w∘(f(x) − y)‖₂, which convergence is judged by.
    pub(super) fn weighted_residual(&self, point: &Point<T>) -> f64 {
        let data = point.stack.iter().take(self.known.len());
        data.map(|r| r.to_double().powi(2)).sum::<f64>().sqrt()
    }

    /// ‖f(x) − y‖₂ over the known coordinates.
    pub(super) fn residual(&self, value: &DVector<T>) -> f64 {
        let square = |i: usize| (value[i] - self.target[i]).to_double().powi(2);
        self.known.iter().map(|&(i, _)| square(i)).sum::<f64>().sqrt()
    }

    /// The nearest point within the bounds.
    pub(super) fn clamp(&self, mut x: DVector<T>) -> DVector<T> {
        if let Some((lower, upper)) = self.bounds {
            for (index, entry) in x.iter_mut().enumerate().filter(|&(i, _)| !self.fixed[i]) {
                // A NaN stays one.
                if *entry < lower[index] {
                    *entry = lower[index];
                } else if *entry > upper[index] {
                    *entry = upper[index];
                }
            }
        }
        x
    }

    /// Whether input `i` may move against the gradient: it is not fixed, and not at a bound that the
    /// step would leave.
    pub(super) fn may_move(&self, x: &DVector<T>, gradient: &DVector<T>, i: usize) -> bool {
        let held = self.bounds.is_some_and(|(lower, upper)| {
            (x[i] <= lower[i] && gradient[i] > T::zero())
                || (x[i] >= upper[i] && gradient[i] < T::zero())
        });
        !self.fixed[i] && !held
    }

    /// The inputs that lie on a bound.
    pub(super) fn at_bounds(&self, x: &DVector<T>) -> Vec<usize> {
        let at = |i: &usize| {
            self.bounds.is_some_and(|(l, u)| !self.fixed[*i] && (x[*i] <= l[*i] || x[*i] >= u[*i]))
        };
        (0..x.len()).filter(at).collect()
    }
}

/// The entries of an operator: by its columns, or by its rows where these are much fewer.
pub(crate) fn entries<T: Real>(operator: &(impl LinearOperator<T> + ?Sized)) -> Result<DMatrix<T>> {
    let (rows, columns) = (operator.nrows(), operator.ncols());
    if columns <= 4 * rows {
        let mut matrix = DMatrix::zeros(rows, columns);
        let unit = DMatrix::identity(columns, columns);
        operator.apply_block(unit.as_view(), matrix.as_view_mut())?;
        return Ok(matrix);
    }
    let mut transposed = DMatrix::zeros(columns, rows);
    let mut unit = DVector::zeros(rows);
    for (row, mut to) in transposed.column_iter_mut().enumerate() {
        unit[row] = T::one();
        operator.apply_adjoint(unit.as_slice(), to.as_mut_slice())?;
        unit[row] = T::zero();
    }
    Ok(transposed.transpose())
}

/// Pairs of places of one channel, side by side or one above the other.
fn neighbors(shape: Shape) -> Vec<(usize, usize)> {
    let at = |c, x, y| (y * shape.width + x) * shape.channels + c;
    let mut pairs = Vec::new();
    for y in 0..shape.height {
        for x in 0..shape.width {
            for c in 0..shape.channels {
                if x + 1 < shape.width {
                    pairs.push((at(c, x, y), at(c, x + 1, y)));
                }
                if y + 1 < shape.height {
                    pairs.push((at(c, x, y), at(c, x, y + 1)));
                }
            }
        }
    }
    pairs
}

fn check_options<T: Real>(options: &SearchOptions<T>, inputs: usize, outputs: usize) -> Result<()> {
    positive("tolerance", options.tolerance)?;
    let fine = options.stationarity >= 0.0 && options.stationarity < 1.0;
    within("stationarity", options.stationarity, fine, "a cosine from 0 to below 1")?;
    within("iterations", 0.0, options.iterations > 0, "at least 1")?;
    if let super::SearchMethod::Adam { rate } = options.method {
        positive("rate", rate)?;
    }
    let fine = options.stay_near >= 0.0 && options.stay_near.is_finite();
    within("stay_near", options.stay_near, fine, "a finite number, 0 or greater")?;
    if let Some((shape, weight)) = options.smooth {
        positive("the weight of smooth", weight)?;
        size("the shape of smooth", "entries", shape.len(), inputs)?;
    }
    if let Some(&index) = options.fixed.iter().find(|&&index| index >= inputs) {
        return Err(Error::Index { argument: "fixed", index, size: inputs });
    }
    if let Some(weights) = &options.weights {
        size("weights", "entries", weights.len(), outputs)?;
        finite("weights", weights.as_slice(), weights.len())?;
        for &weight in weights {
            within("a weight", weight.to_double(), weight >= T::zero(), "0 or greater")?;
        }
        let fine = weights.iter().any(|&weight| weight > T::zero());
        within("the largest weight", 0.0, fine, "a number greater than 0")?;
    }
    if let Some((lower, upper)) = &options.bounds {
        size("the lower bounds", "entries", lower.len(), inputs)?;
        size("the upper bounds", "entries", upper.len(), inputs)?;
        let bad = |&i: &usize| {
            !(lower[i] <= upper[i])
                || lower[i].to_double() == f64::INFINITY
                || upper[i].to_double() == f64::NEG_INFINITY
        };
        if let Some(index) = (0..inputs).find(bad) {
            let (lower, upper) = (lower[index].to_double(), upper[index].to_double());
            return Err(Error::Bounds { index, lower, upper });
        }
    }
    Ok(())
}
