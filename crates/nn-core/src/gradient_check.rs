//! Is the gradient right? Backpropagation against difference quotients, for any network and loss.

use std::sync::Arc;

use linalg::{DMatrix, DMatrixView, DMatrixViewMut, DVector, Real};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::tangent::{shifted, step};
use crate::trace::zeros;
use crate::{Block, Direction, Gradients, Layer, Loss, Mode, Network, Result, Trace};

/// What a check of a gradient found, block by block.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct GradientReport {
    /// Every matrix of parameters, first layer to last, and the input after them.
    pub blocks: Vec<BlockReport>,
}

impl GradientReport {
    /// The largest [`BlockReport::error`]: what is wrong. A NaN where one is a NaN.
    #[must_use]
    pub fn worst(&self) -> f64 {
        largest(self.blocks.iter().map(|block| block.error))
    }

    /// The largest [`BlockReport::uncertainty`]: how small an error would have been seen.
    #[must_use]
    pub fn uncertainty(&self) -> f64 {
        largest(self.blocks.iter().map(|block| block.uncertainty))
    }
}

/// How far the gradient of one matrix of parameters, or of the input, is from difference quotients.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BlockReport {
    /// The layer; `None` for the network's input.
    pub layer: Option<usize>,
    /// The layer's description and the matrix's name, as in `dense 2 -> 8 weight`.
    pub name: String,
    /// The largest disagreement beyond the quotient's own uncertainty, relative to the largest
    /// entry of the whole gradient.
    pub error: f64,
    /// Row of that entry.
    pub row: usize,
    /// Its column.
    pub column: usize,
    /// Its derivative by backpropagation.
    pub analytic: f64,
    /// Its derivative by differences.
    pub numeric: f64,
    /// The largest uncertainty of a quotient, relative to the same, kinks left out.
    pub uncertainty: f64,
    /// Entries whose quotient is uncertain to more than 1/1000 of it: the loss has a kink within the step,
    /// as ReLU makes them. Nothing is said about these.
    pub kinks: usize,
}

/// Compares the gradient of `loss` at `network` and `x`, of every parameter and of the input, with
/// central differences of step h = ∛eps·max(1, |θ|), in inference mode; [`GradientCheck`] has other
/// modes.
///
/// Each quotient brings its own uncertainty, from a second one with half the step, from the second
/// differences and from the rounding of the loss, so that a kink of a ReLU within the step is told
/// from an error. A correct network shows an error of 0, and in `f64` an uncertainty of 1e-8 or so;
/// a derivative taken at a instead of z shows an error of 1e-2 and more. Use `f64`: in `f32` only
/// gross errors can be told. Four forward passes of the batch per parameter.
///
/// # Errors
/// As [`Network::loss_and_gradient`].
///
/// # Examples
/// ```
/// use linalg::DMatrix;
/// use nn_core::{MeanSquaredError, Network, Sin, gradient_check};
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
/// let network = Network::<f64>::builder(2).dense(3).activation(Sin).dense(1).build(&mut rng)?;
/// let x = DMatrix::from_row_slice(2, 3, &[1.0, -2.0, 0.5, 0.5, 1.0, -1.5]);
/// let targets = DMatrix::from_row_slice(1, 3, &[1.0, 0.0, -1.0]);
/// let report = gradient_check(&network, &x, &MeanSquaredError::new(&targets)?)?;
/// assert!(report.worst() + report.uncertainty() < 1e-7, "{report:?}");
/// assert_eq!(report.blocks[0].name, "dense 2 -> 3 weight");
/// # Ok::<(), nn_core::Error>(())
/// ```
pub fn gradient_check<T: Real>(
    network: &Network<T>,
    x: &DMatrix<T>,
    loss: &dyn Loss<T>,
) -> Result<GradientReport> {
    GradientCheck::new().network(network, x, loss)
}

/// Holds one layer to its word, the caller's own for one: its gradients, its tangents, and its second
/// derivatives. As [`GradientCheck::layer`], in inference mode, for parameters and input.
///
/// # Errors
/// As [`GradientCheck::layer`].
///
/// # Examples
/// ```
/// use linalg::DMatrix;
/// use nn_core::{Dense, Initializer, layer_check};
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
/// let x = DMatrix::from_row_slice(2, 3, &[1.0, -2.0, 0.5, 0.5, 1.0, -1.5]);
/// let report = layer_check(Dense::new(2, 3, Initializer::HeNormal), &x, &mut rng)?;
/// assert!(report.gradient.worst() < 1e-7 && report.curvature.worst() < 1e-7);
/// assert!(report.adjoint < 1e-12 && report.symmetry < 1e-12);
/// # Ok::<(), nn_core::Error>(())
/// ```
pub fn layer_check<T: Real>(
    layer: impl Layer<T> + 'static,
    x: &DMatrix<T>,
    rng: &mut impl Rng,
) -> Result<LayerReport> {
    GradientCheck::new().layer(layer, x, rng)
}

/// How a gradient is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct GradientCheck {
    /// The mode of the passes: [`Mode::Inference`] until said otherwise.
    pub mode: Mode,
    /// What is checked: both until said otherwise. [`Gradients::Parameters`] is for networks whose
    /// input is labels, which cannot be moved a little.
    pub wanted: Gradients,
}

/// What [`GradientCheck::layer`] found.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct LayerReport {
    /// The layer's backward pass against differences of its forward pass.
    pub gradient: GradientReport,
    /// How its backward pass changes along a random direction, against differences of it.
    pub curvature: GradientReport,
    /// |⟨J·v, u⟩ − ⟨v, Jᵀ·u⟩| for random v and u, relative to the terms of these sums: the tangent and
    /// the backward pass against each other, without differences.
    pub adjoint: f64,
    /// |⟨H·v, w⟩ − ⟨v, H·w⟩| for random v and w, relative to the terms of these sums, or to the largest
    /// entry of the gradient where that is larger: a second derivative does not depend on the order.
    pub symmetry: f64,
}

impl Default for GradientCheck {
    fn default() -> Self {
        Self::new()
    }
}

impl GradientCheck {
    /// In inference mode, parameters and input.
    pub fn new() -> Self {
        Self { mode: Mode::Inference, wanted: Gradients::Both }
    }

    /// In training mode: every pass draws the same from `seed`.
    pub fn training(self, seed: u64) -> Self {
        Self { mode: Mode::Training { seed }, ..self }
    }

    /// What is checked.
    pub fn wanted(self, wanted: Gradients) -> Self {
        Self { wanted, ..self }
    }

    /// As [`gradient_check`].
    ///
    /// # Errors
    /// As [`Network::loss_and_gradient`].
    ///
    /// # Examples
    /// In training mode a dropout layer takes part, and draws the same in every pass:
    /// ```
    /// use linalg::DMatrix;
    /// use nn_core::{GradientCheck, MeanSquaredError, Network};
    /// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
    ///
    /// let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    /// let network = Network::<f64>::builder(2).dense(8).dropout(0.5).dense(1).build(&mut rng)?;
    /// let x = DMatrix::from_row_slice(2, 3, &[1.0, -2.0, 0.5, 0.5, 1.0, -1.5]);
    /// let targets = DMatrix::from_row_slice(1, 3, &[1.0, 0.0, -1.0]);
    /// let loss = MeanSquaredError::new(&targets)?;
    /// let report = GradientCheck::new().training(7).network(&network, &x, &loss)?;
    /// assert!(report.worst() < 1e-7);
    /// # Ok::<(), nn_core::Error>(())
    /// ```
    pub fn network<T: Real>(
        &self,
        network: &Network<T>,
        x: &DMatrix<T>,
        loss: &dyn Loss<T>,
    ) -> Result<GradientReport> {
        network.check_loss(x, loss)?;
        let all: Vec<usize> = (0..x.ncols()).collect();
        let mut trace = Trace::of(self.mode);
        let here = network.batch_loss(x, &all, loss, &mut trace)?;
        let analytic = self.gradient(network, x, loss, &mut trace)?;

        let mut moved = network.clone();
        let mut slopes = Vec::with_capacity(analytic.len());
        if self.wanted != Gradients::Input {
            for at in 0..network.parameters().len() {
                let theta = network.parameters()[at];
                slopes.push(slope(theta, here, |theta| {
                    moved.parameters_mut()[at] = theta;
                    moved.batch_loss(x, &all, loss, &mut trace)
                })?);
                moved.parameters_mut()[at] = theta;
            }
        }
        let mut input = x.clone();
        if self.wanted != Gradients::Parameters {
            for at in 0..x.len() {
                slopes.push(slope(x[at], here, |value| {
                    input[at] = value;
                    network.batch_loss(&input, &all, loss, &mut trace)
                })?);
                input[at] = x[at];
            }
        }
        let scale = size(&analytic);
        Ok(self.report(network, x.nrows(), &slopes, &analytic, scale))
    }

    /// Checks one layer with parameters of its own choice, moved at random, at the input `x`: as a
    /// network of this layer, with the loss ⟨U, Y⟩ for a random U.
    ///
    /// # Errors
    /// [`Error::Size`](crate::Error::Size), [`Error::Empty`](crate::Error::Empty) or
    /// [`Error::NotFinite`](crate::Error::NotFinite) for an x that does not fit, and what the layer
    /// itself returns.
    pub fn layer<T: Real>(
        &self,
        layer: impl Layer<T> + 'static,
        x: &DMatrix<T>,
        rng: &mut impl Rng,
    ) -> Result<LayerReport> {
        let mut parameters = zeros(layer.blocks().iter().map(Block::len).sum());
        layer.initialize(&mut parameters, rng);
        let mut draw = || {
            let unit: f64 = StandardNormal.sample(rng);
            T::from_double(unit)
        };
        for parameter in &mut parameters {
            *parameter += draw() * T::from_double(0.1);
        }
        let network = Network::from_parts(vec![Arc::new(layer)], DVector::from_vec(parameters));
        network.check_batch(x)?;
        let mut random = |rows, columns| DMatrix::from_fn(rows, columns, |_, _| draw());
        let weights = random(network.outputs(), x.ncols());
        let loss = Weighted(&weights);
        let gradient = self.network(&network, x, &loss)?;

        let thetas =
            [(); 2].map(|()| self.moves(Gradients::Input, random(network.parameters().len(), 1)));
        let inputs =
            [(); 2].map(|()| self.moves(Gradients::Parameters, random(x.nrows(), x.ncols())));
        let mut trace = Trace::of(self.mode);
        let along = |k: usize, trace: &mut Trace<T>| -> Result<Vec<f64>> {
            let [theta, input] = [thetas[k].as_slice(), inputs[k].as_slice()];
            self.change(&network, x, &loss, theta, input, trace)
        };
        let moved_gradient = along(0, &mut trace)?;
        let v = joined(&thetas[0], &inputs[0], self);

        let theta = DVector::from_column_slice(thetas[0].as_slice());
        let pushed = network.jvp(Direction::Both(&theta, &inputs[0]), &mut trace)?;
        let pulled = self.gradient(&network, x, &loss, &mut trace)?;
        let outer =
            terms(pushed.iter().zip(weights.iter()).map(|(a, b)| (a.to_double(), b.to_double())));
        let inner = terms(v.iter().copied().zip(pulled.iter().copied()));

        let other = along(1, &mut trace)?;
        let w = joined(&thetas[1], &inputs[1], self);
        let one = terms(moved_gradient.iter().copied().zip(w));
        let two = terms(other.into_iter().zip(v));

        let slopes = self.quotients(&network, x, &loss, &thetas[0], &inputs[0])?;
        let scale = size(&moved_gradient).max(size(&pulled));
        let curvature = self.report(&network, x.nrows(), &slopes, &moved_gradient, scale);
        Ok(LayerReport {
            gradient,
            curvature,
            adjoint: distance(outer, inner),
            symmetry: distance((one.0, one.1.max(size(&pulled))), two),
        })
    }

    /// `velocity`, or zeros where only `other` is to be checked.
    fn moves<T: Real>(&self, other: Gradients, velocity: DMatrix<T>) -> DMatrix<T> {
        if self.wanted == other {
            DMatrix::zeros(velocity.nrows(), velocity.ncols())
        } else {
            velocity
        }
    }

    /// dL/dθ and dL/dX one after the other, as far as wanted.
    fn gradient<T: Real>(
        &self,
        network: &Network<T>,
        x: &DMatrix<T>,
        loss: &dyn Loss<T>,
        trace: &mut Trace<T>,
    ) -> Result<Vec<f64>> {
        let all: Vec<usize> = (0..x.ncols()).collect();
        network.batch_loss(x, &all, loss, trace)?;
        network.run_backward(self.wanted, trace)?;
        let mut gradient = Vec::new();
        if self.wanted != Gradients::Input {
            gradient.extend(trace.gradient().iter().map(|g| g.to_double()));
        }
        if let Some(dx) = trace.input_gradient() {
            gradient.extend(dx.iter().map(|g| g.to_double()));
        }
        Ok(gradient)
    }

    /// The velocities of the same.
    fn change<T: Real>(
        &self,
        network: &Network<T>,
        x: &DMatrix<T>,
        loss: &dyn Loss<T>,
        theta: &[T],
        input: &[T],
        trace: &mut Trace<T>,
    ) -> Result<Vec<f64>> {
        let (by_theta, by_input) =
            network.gradient_tangent(x, loss, theta, input, self.wanted, trace)?;
        let by_theta = by_theta.iter().map(|g| g.to_double());
        let mut change: Vec<f64> =
            if self.wanted == Gradients::Input { vec![] } else { by_theta.collect() };
        change.extend(by_input.iter().map(|g| g.to_double()));
        Ok(change)
    }

    /// The velocities of the same by differences.
    fn quotients<T: Real>(
        &self,
        network: &Network<T>,
        x: &DMatrix<T>,
        loss: &dyn Loss<T>,
        theta: &DMatrix<T>,
        input: &DMatrix<T>,
    ) -> Result<Vec<Slope>> {
        let wide = step(
            &[network.parameters().as_slice(), x.as_slice()],
            &[theta.as_slice(), input.as_slice()],
        );
        let mut trace = Trace::of(self.mode);
        let mut at = |step: T| -> Result<Vec<f64>> {
            let mut moved = network.clone();
            let parameters = shifted(network.parameters().as_slice(), theta.as_slice(), step);
            moved.parameters_mut().copy_from_slice(&parameters);
            self.gradient(&moved, &(x + input * step), loss, &mut trace)
        };
        let here = at(T::zero())?;
        let largest = size(&here);
        // The quotient over both sides, and by how much those over one side differ: the bend.
        let mut central = |step: T| -> Result<Vec<(f64, f64)>> {
            let (above, below) = (at(step)?, at(-step)?);
            let step = step.to_double();
            let sides = above.iter().zip(&below).zip(&here);
            Ok(sides
                .map(|((above, below), here)| {
                    ((above - below) / (2.0 * step), (above - 2.0 * here + below) / step)
                })
                .collect())
        };
        let half = wide / (T::one() + T::one());
        let rounding = 8.0 * T::EPSILON * largest / half.to_double();
        let (wide, narrow) = (central(wide)?, central(half)?);
        Ok(narrow
            .into_iter()
            .zip(wide)
            .map(|((value, bend), (wide, wide_bend))| {
                // As for the slopes of the loss: half the step halves the bend, but not a kink.
                let uncertainty = (wide - value).abs() + (2.0 * bend - wide_bend).abs() + rounding;
                Slope { value, uncertainty }
            })
            .collect())
    }

    /// Block by block.
    fn report<T: Real>(
        &self,
        network: &Network<T>,
        inputs: usize,
        slopes: &[Slope],
        analytic: &[f64],
        scale: f64,
    ) -> GradientReport {
        let mut blocks = Vec::new();
        let mut start = 0;
        if self.wanted != Gradients::Input {
            for (index, layer) in network.layers().enumerate() {
                for block in layer.blocks() {
                    let range = start..start + block.len();
                    let (slopes, analytic) = (&slopes[range.clone()], &analytic[range]);
                    let name = format!("{} {}", layer.describe(), block.name);
                    let report = compare(slopes, analytic, block.rows, scale);
                    blocks.push(BlockReport { layer: Some(index), name, ..report });
                    start += block.len();
                }
            }
        }
        if self.wanted != Gradients::Parameters {
            blocks.push(compare(&slopes[start..], &analytic[start..], inputs, scale));
        }
        GradientReport { blocks }
    }
}

/// The loss ⟨U, P⟩, whose gradient is U and which has no curvature of its own.
#[derive(Debug)]
struct Weighted<'a, T: Real>(&'a DMatrix<T>);

impl<T: Real> Loss<T> for Weighted<'_, T> {
    fn samples(&self) -> usize {
        self.0.ncols()
    }

    fn outputs(&self) -> usize {
        self.0.nrows()
    }

    fn evaluate(
        &self,
        samples: &[usize],
        p: DMatrixView<'_, T>,
        mut dp: DMatrixViewMut<'_, T>,
    ) -> Result<f64> {
        let mut sum = 0.0;
        for (column, &sample) in samples.iter().enumerate() {
            dp.set_column(column, &self.0.column(sample));
            sum += p.column(column).dot(&self.0.column(sample)).to_double();
        }
        Ok(sum)
    }

    fn curvature(
        &self,
        _samples: &[usize],
        _p: DMatrixView<'_, T>,
        _direction: DMatrixView<'_, T>,
        mut out: DMatrixViewMut<'_, T>,
    ) -> Result<()> {
        out.fill(T::zero());
        Ok(())
    }
}

/// The velocities of what is checked, as [`GradientCheck::gradient`] has its entries.
fn joined<T: Real>(theta: &DMatrix<T>, input: &DMatrix<T>, check: &GradientCheck) -> Vec<f64> {
    let theta = theta.iter().filter(|_| check.wanted != Gradients::Input);
    let input = input.iter().filter(|_| check.wanted != Gradients::Parameters);
    theta.chain(input).map(|v| v.to_double()).collect()
}

/// A sum of products, and the sum of their absolute values.
fn terms(pairs: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
    pairs.fold((0.0, 0.0), |(sum, size), (a, b)| (sum + a * b, size + (a * b).abs()))
}

/// How far two sums are apart, relative to their terms.
fn distance(one: (f64, f64), two: (f64, f64)) -> f64 {
    let scale = one.1.max(two.1);
    if scale == 0.0 { 0.0 } else { (one.0 - two.0).abs() / scale }
}

/// A derivative by differences, and how uncertain it is.
struct Slope {
    value: f64,
    uncertainty: f64,
}

/// The derivative at `theta` of the function `loss`, which is `here` there.
fn slope<T: Real>(theta: T, here: f64, mut loss: impl FnMut(T) -> Result<f64>) -> Result<Slope> {
    let step = T::EPSILON.cbrt() * theta.to_double().abs().max(1.0);
    let mut quotients = |step: f64| -> Result<(f64, f64)> {
        let step = T::from_double(step);
        let (above, below) = (theta + step, theta - step);
        let (up, down) = (loss(above)?, loss(below)?);
        // The steps as they were rounded, not as they were meant.
        let up_step = (above - theta).to_double();
        let down_step = (theta - below).to_double();
        let central = (up - down) / (up_step + down_step);
        Ok((central, (up - here) / up_step - (here - down) / down_step))
    };
    let (wide, wide_bend) = quotients(step)?;
    let (value, bend) = quotients(step / 2.0)?;
    // Half the step leaves a quarter of a smooth function's error and half of its bend. A kink
    // beside the point breaks the first rule, a kink at the point the second. The rest is what a
    // few roundings of the loss make of a difference.
    let rounding = 8.0 * T::EPSILON * here.abs() / step;
    let uncertainty = (wide - value).abs() + (2.0 * bend - wide_bend).abs() + rounding;
    Ok(Slope { value, uncertainty })
}

fn compare(slopes: &[Slope], analytic: &[f64], rows: usize, scale: f64) -> BlockReport {
    let mut report = BlockReport {
        layer: None,
        name: "input".to_owned(),
        error: 0.0,
        row: 0,
        column: 0,
        analytic: 0.0,
        numeric: 0.0,
        uncertainty: 0.0,
        kinks: 0,
    };
    for (at, (slope, &analytic)) in slopes.iter().zip(analytic).enumerate() {
        if slope.uncertainty > 1e-3 * scale {
            report.kinks += 1;
        } else {
            report.uncertainty = report.uncertainty.max(slope.uncertainty / scale);
        }
        let beyond = (slope.value - analytic).abs() - slope.uncertainty;
        let error = if beyond <= 0.0 { 0.0 } else { beyond / scale };
        // The first entry fills the report; a NaN replaces anything.
        if at == 0 || error > report.error || (error.is_nan() && !report.error.is_nan()) {
            report.error = error;
            (report.row, report.column) = (at % rows, at / rows);
            (report.analytic, report.numeric) = (analytic, slope.value);
        }
    }
    report
}

/// The largest absolute value.
fn size(values: &[f64]) -> f64 {
    largest(values.iter().map(|value| value.abs()))
}

/// The largest of numbers that are not negative; a NaN where one is a NaN, which `f64::max` drops.
fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |a, b| if b.is_nan() || b > a { b } else { a })
}
