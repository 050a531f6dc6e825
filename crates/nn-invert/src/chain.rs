//! A network as a chain of affine and pointwise maps: what can be undone layer by layer.

use std::borrow::Cow;
use std::fmt::{self, Debug};
use std::sync::Arc;

use linalg::{DMatrix, DMatrixView, DVector, LinearOperator, Real, Threads, adjoint, gemm};
use nn_core::{Activation, Linear, Network, View};

use crate::arguments::batch;
use crate::{Error, Linearization, Map, Result};

/// Affine maps a = A·h + b and functions of each value on its own, one after the other.
///
/// Made of a network ([`Chain::of`]), or link by link of any matrix that is known by its products:
/// sparse, banded, of low rank plus a diagonal, a convolution, a closure.
///
/// # Examples
/// A network of 100,000 units, which no dense matrix could hold: each unit sees itself and the one
/// before it.
/// ```
/// use linalg::{Csr, DVector};
/// use nn_core::Tanh;
/// use nn_invert::{Chain, Map};
///
/// let n = 100_000;
/// let mut entries: Vec<_> = (0..n).map(|i| (i, i, 2.0)).collect();
/// entries.extend((1..n).map(|i| (i, i - 1, -1.0)));
/// let weight = Csr::from_triplets(n, n, &entries)?;
/// let chain = Chain::new(n).operator(weight, vec![0.5; n])?.activation(Tanh);
///
/// let y = chain.value(&DVector::from_element(n, 1.0_f64))?;
/// assert!((y[0] - 2.5_f64.tanh()).abs() < 1e-15);
/// assert!((y[99_999] - 1.5_f64.tanh()).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Chain<'a, T: Real> {
    inputs: usize,
    pub(crate) links: Vec<Link<'a, T>>,
    threads: Threads,
}

/// One map of a chain, and what messages call it.
#[derive(Debug, Clone)]
pub(crate) struct Link<'a, T: Real> {
    pub(crate) name: String,
    pub(crate) outputs: usize,
    pub(crate) kind: Kind<'a, T>,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind<'a, T: Real> {
    Affine { weight: Weight<'a, T>, bias: Cow<'a, [T]> },
    Pointwise(Function<'a, T>),
    Softmax { channels: usize },
}

/// The linear part of an affine map.
#[derive(Clone)]
pub(crate) enum Weight<'a, T: Real> {
    Dense(DMatrixView<'a, T>),
    Operator { operator: Shared<'a, T>, preconditioner: Option<Shared<'a, T>> },
}

/// An operator that the clones of a chain share.
type Shared<'a, T> = Arc<dyn LinearOperator<T> + Send + Sync + 'a>;

/// An activation, the network's or the chain's own.
#[derive(Debug, Clone)]
pub(crate) enum Function<'a, T: Real> {
    Borrowed(&'a dyn Activation<T>),
    Owned(Arc<dyn Activation<T>>),
}

impl<'a, T: Real> Chain<'a, T> {
    /// The chain without links: the identity on `inputs` values.
    #[must_use]
    pub fn new(inputs: usize) -> Self {
        Self { inputs, links: Vec::new(), threads: Threads::One }
    }

    /// The layers of `network` as they are in inference: dense layers, convolutions and average
    /// pooling are affine, and so is a batch normalization with its running values.
    ///
    /// # Errors
    /// [`Error::NoView`] for a layer that is neither affine nor pointwise nor a softmax, such as a
    /// max pooling or a recurrent layer: a network with one is a [`Map`] still, for the methods that
    /// descend. [`Error::Parameter`] for a NaN or an infinity in a bias.
    pub fn of(network: &'a Network<T>) -> Result<Self> {
        let mut chain = Self::new(network.inputs());
        for (layer, (view, shown)) in network.views().zip(network.layers()).enumerate() {
            let name = shown.describe();
            let outputs = shown.output().len();
            let kind = match view {
                View::Affine { linear: Linear::Matrix(weight), bias } => {
                    finite_bias(layer, &name, &bias)?;
                    Kind::Affine { weight: Weight::Dense(weight), bias }
                }
                View::Affine { linear: Linear::Operator(operator), bias } => {
                    finite_bias(layer, &name, &bias)?;
                    let operator = operator.into();
                    let weight = Weight::Operator { operator, preconditioner: None };
                    Kind::Affine { weight, bias }
                }
                View::Pointwise(activation) => Kind::Pointwise(Function::Borrowed(activation)),
                View::Softmax { channels } => Kind::Softmax { channels },
                _ => return Err(Error::NoView { layer, name }),
            };
            chain.links.push(Link { name, outputs, kind });
        }
        Ok(chain)
    }

    /// Adds z = W·h + b with a matrix in memory, outputs x inputs, to be factored where it is undone.
    ///
    /// # Errors
    /// [`Error::LinkInputs`] unless W has a column for each value that comes in,
    /// [`Error::BiasLength`] unless b has an entry for each row, [`Error::Parameter`] for a NaN or an
    /// infinity in b. The entries of W are looked at where they are factored.
    pub fn dense(
        mut self,
        weight: DMatrixView<'a, T>,
        bias: impl Into<Cow<'a, [T]>>,
    ) -> Result<Self> {
        let (name, bias) = (format!("dense {} -> {}", weight.ncols(), weight.nrows()), bias.into());
        self.check(&name, weight.nrows(), weight.ncols(), &bias)?;
        finite_bias(self.links.len(), &name, &bias)?;
        let (outputs, weight) = (weight.nrows(), Weight::Dense(weight));
        self.links.push(Link { name, outputs, kind: Kind::Affine { weight, bias } });
        Ok(self)
    }

    /// Adds z = A·h + b with a matrix that is known by its products. It is undone by its own
    /// [`LinearOperator::inverse`] where it has one, and else by iteration; no matrix is made of it.
    ///
    /// # Errors
    /// As [`Chain::dense`].
    pub fn operator(
        self,
        operator: impl LinearOperator<T> + Send + Sync + 'a,
        bias: impl Into<Cow<'a, [T]>>,
    ) -> Result<Self> {
        self.link_operator(Arc::new(operator), None, bias.into())
    }

    /// As [`Chain::operator`], with M ≈ A⁻¹ for the iteration that undoes it, such as
    /// [`Ilu0`](linalg::krylov::Ilu0) for a matrix on a grid.
    ///
    /// # Errors
    /// As [`Chain::dense`]; and [`Error::Linalg`] unless M is square with the columns of A.
    pub fn preconditioned(
        self,
        operator: impl LinearOperator<T> + Send + Sync + 'a,
        preconditioner: impl LinearOperator<T> + Send + Sync + 'a,
        bias: impl Into<Cow<'a, [T]>>,
    ) -> Result<Self> {
        let (n, found) = (operator.ncols(), (preconditioner.nrows(), preconditioner.ncols()));
        shape("preconditioner", found, (n, n))?;
        self.link_operator(Arc::new(operator), Some(Arc::new(preconditioner)), bias.into())
    }

    fn link_operator(
        mut self,
        operator: Shared<'a, T>,
        preconditioner: Option<Shared<'a, T>>,
        bias: Cow<'a, [T]>,
    ) -> Result<Self> {
        let (rows, columns) = (operator.nrows(), operator.ncols());
        let name = format!("operator {columns} -> {rows}");
        self.check(&name, rows, columns, &bias)?;
        finite_bias(self.links.len(), &name, &bias)?;
        let weight = Weight::Operator { operator, preconditioner };
        self.links.push(Link { name, outputs: rows, kind: Kind::Affine { weight, bias } });
        Ok(self)
    }

    /// Adds aᵢ = f(zᵢ).
    #[must_use]
    pub fn activation(mut self, activation: impl Activation<T>) -> Self {
        let outputs = self.outputs();
        let name = format!("{} {outputs}", activation.name());
        let kind = Kind::Pointwise(Function::Owned(Arc::new(activation)));
        self.links.push(Link { name, outputs, kind });
        self
    }

    /// Adds a softmax over all values.
    #[must_use]
    pub fn softmax(mut self) -> Self {
        let outputs = self.outputs();
        let (name, kind) = (format!("softmax {outputs}"), Kind::Softmax { channels: outputs });
        self.links.push(Link { name, outputs, kind });
        self
    }

    /// How many threads products with dense matrices may use; one unless set. The bits do not
    /// depend on it.
    #[must_use]
    pub fn threads(self, threads: Threads) -> Self {
        Self { threads, ..self }
    }

    /// The outputs for the inputs in the columns of `x`, outputs x samples.
    ///
    /// # Errors
    /// [`Error::Batch`] for an `x` of the wrong size, [`Error::NotFinite`] for a NaN or an
    /// infinity.
    pub fn values(&self, x: &DMatrix<T>) -> Result<DMatrix<T>> {
        batch("x", x, self.inputs)?;
        let mut value = Cow::Borrowed(x);
        for link in &self.links {
            value = Cow::Owned(self.forward(link, &value)?);
        }
        Ok(value.into_owned())
    }

    /// What `link` makes of each column.
    pub(crate) fn forward(&self, link: &Link<'a, T>, h: &DMatrix<T>) -> Result<DMatrix<T>> {
        let mut value = DMatrix::zeros(link.outputs, h.ncols());
        match &link.kind {
            Kind::Affine { weight, bias } => {
                weight.apply_to(h.as_view(), &mut value, self.threads)?;
                for mut column in value.column_iter_mut() {
                    for (entry, &b) in column.iter_mut().zip(bias.iter()) {
                        *entry += b;
                    }
                }
            }
            Kind::Pointwise(function) => {
                function.get().values(h.as_slice(), value.as_mut_slice());
            }
            Kind::Softmax { channels } => softmax(*channels, h.as_slice(), value.as_mut_slice()),
        }
        Ok(value)
    }

    fn check(&self, name: &str, rows: usize, columns: usize, bias: &[T]) -> Result<()> {
        let layer = self.links.len();
        let found = self.outputs();
        if columns != found {
            return Err(Error::LinkInputs { layer, name: name.into(), expected: columns, found });
        }
        if bias.len() != rows {
            let found = bias.len();
            return Err(Error::BiasLength { layer, name: name.into(), found, expected: rows });
        }
        Ok(())
    }
}

impl<T: Real> Map<T> for Chain<'_, T> {
    fn inputs(&self) -> usize {
        self.inputs
    }

    fn outputs(&self) -> usize {
        self.links.last().map_or(self.inputs, |link| link.outputs)
    }

    fn value(&self, x: &DVector<T>) -> Result<DVector<T>> {
        let value = self.values(&DMatrix::from_column_slice(x.len(), 1, x.as_slice()))?;
        Ok(value.column(0).into_owned())
    }

    fn chain(&self) -> Option<Chain<'_, T>> {
        Some(self.clone())
    }

    fn linearize<'b>(&'b self, x: &DVector<T>) -> Result<Linearization<'b, T>> {
        let mut value = DMatrix::from_column_slice(x.len(), 1, x.as_slice());
        batch("x", &value, self.inputs)?;
        let mut factors = Vec::with_capacity(self.links.len());
        for link in &self.links {
            let next = self.forward(link, &value)?;
            factors.push(link.factor(value.as_slice(), next.as_slice()));
            value = next;
        }
        let (rows, columns) = (self.outputs(), self.inputs);
        let jacobian = Box::new(Jacobian { rows, columns, factors, threads: self.threads });
        Ok(Linearization { value: value.column(0).into_owned(), jacobian })
    }
}

/// The Jacobian of a chain at a point: the product of its links' Jacobians, never multiplied out.
struct Jacobian<'a, T: Real> {
    rows: usize,
    columns: usize,
    factors: Vec<Factor<'a, T>>,
    threads: Threads,
}

/// The Jacobian of a link at a point.
pub(crate) enum Factor<'a, T: Real> {
    Weight(&'a Weight<'a, T>),
    Slopes(Vec<T>),
    /// diag p − p·pᵀ in each group.
    Softmax {
        channels: usize,
        p: Vec<T>,
    },
}

impl<'a, T: Real> Link<'a, T> {
    /// The Jacobian where z is made a.
    pub(crate) fn factor<'b>(&'b self, z: &[T], a: &[T]) -> Factor<'b, T>
    where
        'a: 'b,
    {
        match &self.kind {
            Kind::Affine { weight, .. } => Factor::Weight(weight),
            Kind::Pointwise(function) => {
                let ones = vec![T::one(); self.outputs];
                let mut slopes = ones.clone();
                function.get().pull_back(z, a, &ones, &mut slopes);
                Factor::Slopes(slopes)
            }
            Kind::Softmax { channels } => Factor::Softmax { channels: *channels, p: a.to_vec() },
        }
    }
}

impl<T: Real> Link<'_, T> {
    /// ∑ⱼ |wᵢⱼ·hⱼ| + |bᵢ|, which says how far zᵢ is rounded; where W is only multiplied with, what is known of it.
    pub(crate) fn sums(&self, h: &DMatrix<T>, z: &DMatrix<T>) -> DVector<f64> {
        let size = |x: T| x.to_double().abs();
        let mut sums = DVector::from_iterator(z.len(), z.iter().copied().map(size));
        match &self.kind {
            Kind::Affine { weight: Weight::Dense(weight), bias } => {
                for (sum, &b) in sums.iter_mut().zip(bias.iter()) {
                    *sum = size(b);
                }
                for (column, &h) in weight.column_iter().zip(h) {
                    for (sum, &w) in sums.iter_mut().zip(&column) {
                        *sum += size(w) * size(h);
                    }
                }
            }
            Kind::Affine { bias, .. } => {
                let largest = sums.max().max(h.iter().copied().map(size).fold(0.0, f64::max));
                for (sum, &b) in sums.iter_mut().zip(bias.iter()) {
                    *sum = largest + size(b);
                }
            }
            Kind::Pointwise(_) | Kind::Softmax { .. } => {}
        }
        sums
    }
}

impl<T: Real> Factor<'_, T> {
    /// The same for a symmetric factor, in place on each column.
    pub(crate) fn scale(&self, columns: &mut [T]) {
        match self {
            Self::Weight(_) => {}
            Self::Slopes(slopes) => {
                for column in columns.chunks_exact_mut(slopes.len().max(1)) {
                    for (entry, &slope) in column.iter_mut().zip(slopes) {
                        *entry *= slope;
                    }
                }
            }
            Self::Softmax { channels, p } => {
                for column in columns.chunks_exact_mut(p.len()) {
                    let groups = column.chunks_exact_mut(*channels);
                    for (v, p) in groups.zip(p.chunks_exact(*channels)) {
                        let mean = v.iter().zip(p).fold(T::zero(), |sum, (&v, &p)| sum + v * p);
                        for (v, &p) in v.iter_mut().zip(p) {
                            *v = p * (*v - mean);
                        }
                    }
                }
            }
        }
    }
}

impl<T: Real> LinearOperator<T> for Jacobian<'_, T> {
    fn nrows(&self) -> usize {
        self.rows
    }

    fn ncols(&self) -> usize {
        self.columns
    }

    fn apply(&self, x: &[T], y: &mut [T]) -> linalg::Result<()> {
        let x = DMatrixView::from_slice(x, x.len(), 1);
        let rows = y.len();
        self.apply_block(x, linalg::DMatrixViewMut::from_slice(y, rows, 1))
    }

    fn apply_adjoint(&self, x: &[T], y: &mut [T]) -> linalg::Result<()> {
        shape("x", (x.len(), 1), (self.rows, 1))?;
        shape("y", (y.len(), 1), (self.columns, 1))?;
        let mut value = x.to_vec();
        for factor in self.factors.iter().rev() {
            match factor {
                Factor::Weight(weight) => {
                    let mut before = vec![T::zero(); weight.ncols()];
                    weight.apply_adjoint_to(&value, &mut before, self.threads)?;
                    value = before;
                }
                symmetric => symmetric.scale(&mut value),
            }
        }
        y.copy_from_slice(&value);
        Ok(())
    }

    fn apply_block(
        &self,
        x: DMatrixView<'_, T>,
        mut y: linalg::DMatrixViewMut<'_, T>,
    ) -> linalg::Result<()> {
        shape("x", x.shape(), (self.columns, x.ncols()))?;
        shape("y", y.shape(), (self.rows, x.ncols()))?;
        let mut value = x.into_owned();
        for factor in &self.factors {
            match factor {
                Factor::Weight(weight) => {
                    let mut after = DMatrix::zeros(weight.nrows(), value.ncols());
                    weight.apply_to(value.as_view(), &mut after, self.threads)?;
                    value = after;
                }
                symmetric => symmetric.scale(value.as_mut_slice()),
            }
        }
        y.copy_from(&value);
        Ok(())
    }
}

impl<T: Real> Weight<'_, T> {
    pub(crate) fn nrows(&self) -> usize {
        match self {
            Self::Dense(matrix) => matrix.nrows(),
            Self::Operator { operator, .. } => operator.nrows(),
        }
    }

    pub(crate) fn ncols(&self) -> usize {
        match self {
            Self::Dense(matrix) => matrix.ncols(),
            Self::Operator { operator, .. } => operator.ncols(),
        }
    }

    /// Y ← W·H.
    pub(crate) fn apply_to(
        &self,
        h: DMatrixView<'_, T>,
        y: &mut DMatrix<T>,
        threads: Threads,
    ) -> linalg::Result<()> {
        match self {
            Self::Dense(matrix) => gemm(T::one(), *matrix, h, T::zero(), y.as_view_mut(), threads),
            Self::Operator { operator, .. } => operator.apply_block(h, y.as_view_mut()),
        }
    }

    /// y ← Wᵀ·x.
    pub(crate) fn apply_adjoint_to(
        &self,
        x: &[T],
        y: &mut [T],
        threads: Threads,
    ) -> linalg::Result<()> {
        match self {
            Self::Dense(matrix) => {
                let rows = y.len();
                let x = DMatrixView::from_slice(x, x.len(), 1);
                let y = linalg::DMatrixViewMut::from_slice(y, rows, 1);
                gemm(T::one(), adjoint(*matrix), x, T::zero(), y, threads)
            }
            Self::Operator { operator, .. } => operator.apply_adjoint(x, y),
        }
    }
}

impl<T: Real> Debug for Weight<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Dense(_) => "Dense",
            Self::Operator { .. } => "Operator",
        };
        f.debug_tuple(kind).field(&(self.nrows(), self.ncols())).finish()
    }
}

impl<T: Real> Function<'_, T> {
    pub(crate) fn get(&self) -> &dyn Activation<T> {
        match self {
            Self::Borrowed(activation) => *activation,
            Self::Owned(activation) => activation.as_ref(),
        }
    }
}

/// pᵢ = exp(xᵢ)/∑ⱼ exp(xⱼ) in each group of `channels` values.
fn softmax<T: Real>(channels: usize, x: &[T], p: &mut [T]) {
    for (x, p) in x.chunks_exact(channels.max(1)).zip(p.chunks_exact_mut(channels.max(1))) {
        let largest = x.iter().copied().fold(x[0], |m, x| if x > m { x } else { m });
        let shifted: Vec<T> = x.iter().map(|&x| x - largest).collect();
        linalg::elementary::exp(&shifted, p);
        let sum = p.iter().fold(T::zero(), |sum, &p| sum + p);
        for p in p {
            *p /= sum;
        }
    }
}

/// Refuses a NaN or an infinity in a bias.
fn finite_bias<T: Real>(layer: usize, name: &str, bias: &[T]) -> Result<()> {
    let Some(row) = bias.iter().position(|value| !value.is_finite()) else { return Ok(()) };
    let (name, value) = (name.into(), bias[row].to_double());
    Err(Error::Parameter { layer, name, block: "bias", row, column: 0, value })
}

/// Refuses a NaN or an infinity in a matrix.
pub(crate) fn finite_weight<T: Real>(
    layer: usize,
    name: &str,
    weight: DMatrixView<'_, T>,
) -> Result<()> {
    for (column, entries) in weight.column_iter().enumerate() {
        if let Some(row) = entries.iter().position(|value| !value.is_finite()) {
            let (name, value) = (name.into(), entries[row].to_double());
            return Err(Error::Parameter { layer, name, block: "weight", row, column, value });
        }
    }
    Ok(())
}

fn shape(
    argument: &'static str,
    found: (usize, usize),
    expected: (usize, usize),
) -> linalg::Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(linalg::Error::Shape {
        argument,
        found_rows: found.0,
        found_columns: found.1,
        expected_rows: expected.0,
        expected_columns: expected.1,
    })
}
