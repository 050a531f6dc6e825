//! The restricted Boltzmann machine.

use linalg::{DMatrix, DMatrixView, DVector, Threads, elementary, gemm, transpose};
use rand::{Rng, RngExt};

use crate::Result;
use crate::arguments::{finite, size, some, within};

/// Visible and hidden units that are 0 or 1, each connected to all of the other kind:
///
/// ```text
/// p(v, h) = exp(hᵀ·W·v + bᵀ·v + cᵀ·h)/Z      p(hᵢ = 1 | v) = σ(cᵢ + Wᵢ·v)      p(vⱼ = 1 | h) = σ(bⱼ + W·ⱼᵀ·h)
/// ```
///
/// It is no inverse of anything, but it reconstructs: from v to the probabilities of h and back to
/// those of v, which is what v looks like to a machine that knows the data. [`Divergence`](crate::Divergence)
/// trains it; a [`BeliefNetwork`](crate::BeliefNetwork) stacks several.
///
/// With few units of one kind everything is known exactly: [`RestrictedBoltzmann::log_partition`] sums
/// over all their states, which makes the likelihood of the data a number that training can be judged
/// by. **The wrong turn** is to judge by the reconstruction error, which falls while the likelihood does,
/// too.
///
/// # References
/// Hinton, "A practical guide to training restricted Boltzmann machines", 2010.
///
/// # Examples
/// One visible and one hidden unit with W = ln 2 and no biases: Z = 1 + 1 + 1 + 2.
/// ```
/// use linalg::{DMatrix, DVector};
/// use nn_invert::RestrictedBoltzmann;
///
/// let weight = DMatrix::from_element(1, 1, 2.0_f64.ln());
/// let machine = RestrictedBoltzmann::new(weight, DVector::zeros(1), DVector::zeros(1))?;
/// assert!((machine.log_partition()? - 5.0_f64.ln()).abs() < 1e-15);
/// // p(v = 1) = (1 + 2)/5
/// let one = DMatrix::from_element(1, 1, 1.0);
/// assert!((machine.negative_log_likelihood(&one)? - (5.0_f64 / 3.0).ln()).abs() < 1e-15);
/// // p(v = 1 | h = 1) = 2/3, and exp(−F(1)) = 1 + 2
/// assert_eq!(machine.visible(), 1);
/// assert!((machine.visible_given(&one)?[0] - 2.0 / 3.0).abs() < 1e-15);
/// assert!((machine.free_energies(&one)?[0] + 3.0_f64.ln()).abs() < 1e-15);
/// # Ok::<(), nn_invert::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RestrictedBoltzmann {
    pub(super) weight: DMatrix<f64>,
    pub(super) visible_bias: DVector<f64>,
    pub(super) hidden_bias: DVector<f64>,
}

/// Units whose states can all be enumerated.
const ENUMERATED: usize = 20;

impl RestrictedBoltzmann {
    /// W = `weight`, hidden x visible; b = `visible_bias`; c = `hidden_bias`.
    ///
    /// # Errors
    /// [`Error::Network`](crate::Error::Network) where the sizes do not fit, there are no units, or an
    /// entry is not finite.
    pub fn new(
        weight: DMatrix<f64>,
        visible_bias: DVector<f64>,
        hidden_bias: DVector<f64>,
    ) -> Result<Self> {
        let (hidden, visible) = weight.shape();
        some("the list of visible units", visible)?;
        some("the list of hidden units", hidden)?;
        size("visible_bias", "entries", visible_bias.len(), visible)?;
        size("hidden_bias", "entries", hidden_bias.len(), hidden)?;
        finite("weight", weight.as_slice(), hidden)?;
        finite("visible_bias", visible_bias.as_slice(), visible)?;
        finite("hidden_bias", hidden_bias.as_slice(), hidden)?;
        Ok(Self { weight, visible_bias, hidden_bias })
    }

    /// A machine to be trained on `data`, visible units x samples with entries from 0 to 1: weights
    /// uniform on ±0.02, visible biases that give each unit its mean in the data.
    ///
    /// # Errors
    /// [`Error::Network`](crate::Error::Network) for no hidden units, no data, or an entry outside of
    /// [0, 1].
    pub fn for_data(data: &DMatrix<f64>, hidden: usize, rng: &mut impl Rng) -> Result<Self> {
        some("the list of hidden units", hidden)?;
        check_data("data", data)?;
        let (visible, samples) = data.shape();
        let weight = DMatrix::from_fn(hidden, visible, |_, _| rng.random_range(-0.02..0.02));
        // As if half a sample more had each value: a unit that is always 0 keeps a finite bias.
        let bias = data.column_sum().map(|sum| ((sum + 0.5) / (samples as f64 - sum + 0.5)).ln());
        Self::new(weight, bias, DVector::zeros(hidden))
    }

    /// Visible units.
    #[must_use]
    pub fn visible(&self) -> usize {
        self.weight.ncols()
    }

    /// Hidden units.
    #[must_use]
    pub fn hidden(&self) -> usize {
        self.weight.nrows()
    }

    /// W, hidden x visible.
    #[must_use]
    pub fn weight(&self) -> &DMatrix<f64> {
        &self.weight
    }

    /// b, of the visible units.
    #[must_use]
    pub fn visible_bias(&self) -> &DVector<f64> {
        &self.visible_bias
    }

    /// c, of the hidden units.
    #[must_use]
    pub fn hidden_bias(&self) -> &DVector<f64> {
        &self.hidden_bias
    }

    /// p(h = 1 | v) for every column of `visible`, whose entries may be probabilities.
    ///
    /// # Errors
    /// [`Error::Network`](crate::Error::Network) where it does not fit or an entry is not finite.
    pub fn hidden_given(&self, visible: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        size("visible", "rows", visible.nrows(), self.visible())?;
        finite("visible", visible.as_slice(), visible.nrows())?;
        let mut hidden = DMatrix::zeros(self.hidden(), visible.ncols());
        self.up(visible, &mut hidden)?;
        Ok(hidden)
    }

    /// p(v = 1 | h) for every column of `hidden`.
    ///
    /// # Errors
    /// As [`RestrictedBoltzmann::hidden_given`].
    pub fn visible_given(&self, hidden: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        size("hidden", "rows", hidden.nrows(), self.hidden())?;
        finite("hidden", hidden.as_slice(), hidden.nrows())?;
        let mut visible = DMatrix::zeros(self.visible(), hidden.ncols());
        self.down(hidden, &mut visible)?;
        Ok(visible)
    }

    /// Up and down again in probabilities: what the machine makes of `visible`.
    ///
    /// # Errors
    /// As [`RestrictedBoltzmann::hidden_given`].
    pub fn reconstruct(&self, visible: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        self.visible_given(&self.hidden_given(visible)?)
    }

    /// F(v) = −bᵀ·v − ∑ᵢ ln(1 + exp(cᵢ + Wᵢ·v)) of every column: p(v) = exp(−F(v))/Z.
    ///
    /// # Errors
    /// As [`RestrictedBoltzmann::hidden_given`].
    pub fn free_energies(&self, visible: &DMatrix<f64>) -> Result<DVector<f64>> {
        size("visible", "rows", visible.nrows(), self.visible())?;
        finite("visible", visible.as_slice(), visible.nrows())?;
        let given = add_product(&self.weight, visible, &self.hidden_bias)?;
        let mut soft = given.clone();
        elementary::ln_1p_exp(given.as_slice(), soft.as_mut_slice());
        Ok(DVector::from_fn(visible.ncols(), |sample, _| {
            -self.visible_bias.dot(&visible.column(sample)) - soft.column(sample).sum()
        }))
    }

    /// ln Z, exactly: a sum over all states of the fewer units, of which there may be 20.
    ///
    /// # Errors
    /// [`Error::Network`](crate::Error::Network) for more.
    pub fn log_partition(&self) -> Result<f64> {
        let turned;
        let machine = if self.visible() <= self.hidden() {
            self
        } else {
            turned = Self {
                weight: self.weight.transpose(),
                visible_bias: self.hidden_bias.clone(),
                hidden_bias: self.visible_bias.clone(),
            };
            &turned
        };
        let mut exponents = Vec::new();
        machine.for_all_states(|states| {
            exponents.extend(machine.free_energies(states)?.iter().map(|energy| -energy));
            Ok(())
        })?;
        let largest = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = exponents.iter().map(|exponent| (exponent - largest).exp()).sum();
        Ok(largest + sum.ln())
    }

    /// The mean over the columns of `data` of −ln p(v), exactly.
    ///
    /// # Errors
    /// As [`RestrictedBoltzmann::log_partition`], and for data that does not fit.
    pub fn negative_log_likelihood(&self, data: &DMatrix<f64>) -> Result<f64> {
        check_data("data", data)?;
        Ok(self.free_energies(data)?.mean() + self.log_partition()?)
    }

    /// The gradient of the mean of ln p(v) over the columns of `data`, exactly, by a sum over all
    /// visible states: what [`Divergence`](crate::Divergence) estimates.
    ///
    /// # Errors
    /// [`Error::Network`](crate::Error::Network) for more than 20 visible units, and for data that does
    /// not fit.
    pub fn likelihood_gradient(&self, data: &DMatrix<f64>) -> Result<Statistics> {
        check_data("data", data)?;
        let log_partition = {
            // Over the visible states, whatever their number compared with the hidden ones.
            let mut exponents = Vec::new();
            self.for_all_states(|states| {
                exponents.extend(self.free_energies(states)?.iter().map(|energy| -energy));
                Ok(())
            })?;
            let largest = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            largest + exponents.iter().map(|e| (e - largest).exp()).sum::<f64>().ln()
        };
        let mut model = Statistics::zeros(self);
        self.for_all_states(|states| {
            let hidden = self.hidden_given(states)?;
            let energies = self.free_energies(states)?;
            let weights = energies.map(|energy| (-energy - log_partition).exp());
            model.add(states, &hidden, |sample| weights[sample])
        })?;
        let mut gradient = Statistics::zeros(self);
        let share = 1.0 / data.ncols() as f64;
        gradient.add(data, &self.hidden_given(data)?, |_| share)?;
        gradient.subtract(&model);
        Ok(gradient)
    }

    /// Calls `visit` with all states of the visible units, in blocks of columns.
    fn for_all_states(&self, mut visit: impl FnMut(&DMatrix<f64>) -> Result<()>) -> Result<()> {
        let units = self.visible();
        let fine = units <= ENUMERATED;
        within("the number of units to enumerate", units as f64, fine, "at most 20")?;
        let all = 1_usize << units;
        let block = all.min(1 << 10);
        for first in (0..all).step_by(block) {
            visit(&DMatrix::from_fn(units, block, |unit, state| {
                f64::from(u8::from((first + state) >> unit & 1 == 1))
            }))?;
        }
        Ok(())
    }

    pub(super) fn up(&self, visible: &DMatrix<f64>, hidden: &mut DMatrix<f64>) -> Result<()> {
        let given = add_product(&self.weight, visible, &self.hidden_bias)?;
        elementary::sigmoid(given.as_slice(), hidden.as_mut_slice());
        Ok(())
    }

    pub(super) fn down(&self, hidden: &DMatrix<f64>, visible: &mut DMatrix<f64>) -> Result<()> {
        let mut given = spread(&self.visible_bias, hidden.ncols());
        let weight = transpose(&self.weight);
        gemm(1.0, weight, hidden, 1.0, given.as_view_mut(), Threads::One)?;
        elementary::sigmoid(given.as_slice(), visible.as_mut_slice());
        Ok(())
    }
}

/// Sums over samples of h·vᵀ, v and h, or differences of such: a gradient of the log-likelihood.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Statistics {
    /// By W, hidden x visible.
    pub weight: DMatrix<f64>,
    /// By the visible biases.
    pub visible_bias: DVector<f64>,
    /// By the hidden biases.
    pub hidden_bias: DVector<f64>,
}

impl Statistics {
    pub(super) fn zeros(machine: &RestrictedBoltzmann) -> Self {
        let (hidden, visible) = machine.weight.shape();
        Self {
            weight: DMatrix::zeros(hidden, visible),
            visible_bias: DVector::zeros(visible),
            hidden_bias: DVector::zeros(hidden),
        }
    }

    /// Adds `share(sample)` of each sample.
    pub(super) fn add(
        &mut self,
        visible: &DMatrix<f64>,
        hidden: &DMatrix<f64>,
        share: impl Fn(usize) -> f64,
    ) -> Result<()> {
        let mut weighted = hidden.clone();
        for (sample, mut column) in weighted.column_iter_mut().enumerate() {
            column *= share(sample);
            self.hidden_bias += &column;
            self.visible_bias.axpy(share(sample), &visible.column(sample), 1.0);
        }
        let visible = transpose(visible);
        Ok(gemm(1.0, &weighted, visible, 1.0, self.weight.as_view_mut(), Threads::One)?)
    }

    pub(super) fn subtract(&mut self, other: &Self) {
        self.weight -= &other.weight;
        self.visible_bias -= &other.visible_bias;
        self.hidden_bias -= &other.hidden_bias;
    }

    /// √ of the sum of all squares.
    #[must_use]
    pub fn norm(&self) -> f64 {
        let parts = [self.weight.norm(), self.visible_bias.norm(), self.hidden_bias.norm()];
        parts.iter().map(|norm| norm * norm).sum::<f64>().sqrt()
    }

    /// The norm of the difference.
    ///
    /// # Examples
    /// The gradient at one weight of 0 and no biases, between the data 1 and the data 0: the weight's
    /// differ by p(h = 1) = ½, the visible bias's by 1.
    /// ```
    /// use linalg::{DMatrix, DVector};
    /// use nn_invert::RestrictedBoltzmann;
    ///
    /// let machine =
    ///     RestrictedBoltzmann::new(DMatrix::zeros(1, 1), DVector::zeros(1), DVector::zeros(1))?;
    /// let gradient = |v| machine.likelihood_gradient(&DMatrix::from_element(1, 1, v));
    /// let apart = gradient(1.0)?.distance(&gradient(0.0)?);
    /// assert!((apart - 1.25_f64.sqrt()).abs() < 1e-15);
    /// # Ok::<(), nn_invert::Error>(())
    /// ```
    #[must_use]
    pub fn distance(&self, other: &Self) -> f64 {
        let mut difference = self.clone();
        difference.subtract(other);
        difference.norm()
    }
}

/// Refuses data without entries, or with one outside of [0, 1].
pub(super) fn check_data(argument: &'static str, data: &DMatrix<f64>) -> Result<()> {
    some("the data", data.len())?;
    finite(argument, data.as_slice(), data.nrows())?;
    match data.iter().find(|value| !(0.0..=1.0).contains(*value)) {
        None => Ok(()),
        Some(&value) => within(argument, value, false, "entries from 0 to 1"),
    }
}

/// A·X + b in every column.
fn add_product(a: &DMatrix<f64>, x: &DMatrix<f64>, b: &DVector<f64>) -> Result<DMatrix<f64>> {
    let mut y = spread(b, x.ncols());
    let x: DMatrixView<'_, f64> = x.as_view();
    gemm(1.0, a, x, 1.0, y.as_view_mut(), Threads::One)?;
    Ok(y)
}

fn spread(column: &DVector<f64>, columns: usize) -> DMatrix<f64> {
    DMatrix::from_fn(column.len(), columns, |row, _| column[row])
}

/// 1 with the probability that is there, else 0.
pub(super) fn sample(probabilities: &mut DMatrix<f64>, rng: &mut impl Rng) {
    for p in probabilities.iter_mut() {
        *p = f64::from(u8::from(rng.random::<f64>() < *p));
    }
}
