//! Is the gradient right? Backpropagation against difference quotients, for any network and loss.

use linalg::{DMatrix, Real};

use crate::{Gradients, Loss, Network, Result, Trace};

/// What [`gradient_check`] found, block by block.
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
/// central differences of step h = ∛eps·max(1, |θ|).
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
    network.check_loss(x, loss)?;
    let all: Vec<usize> = (0..x.ncols()).collect();
    let mut trace = Trace::new();
    let here = network.batch_loss(x, &all, loss, &mut trace)?;
    network.run_backward(Gradients::Both, &mut trace)?;
    let analytic: Vec<f64> = trace.gradient().iter().map(|&g| g.to_double()).collect();
    let to_input = trace.input_gradient().map(|dx| dx.into_owned()).unwrap_or_default();
    let to_input: Vec<f64> = to_input.iter().map(|&g| g.to_double()).collect();
    let scale = size(&analytic).max(size(&to_input));

    let mut blocks = Vec::new();
    let mut moved = network.clone();
    let mut start = 0;
    for (index, layer) in network.layers().enumerate() {
        for block in layer.blocks() {
            let slopes = (start..start + block.len())
                .map(|at| {
                    let theta = network.parameters()[at];
                    let slope = slope(theta, here, |theta| {
                        moved.parameters_mut()[at] = theta;
                        moved.batch_loss(x, &all, loss, &mut trace)
                    });
                    moved.parameters_mut()[at] = theta;
                    slope
                })
                .collect::<Result<Vec<Slope>>>()?;
            let name = format!("{} {}", layer.describe(), block.name);
            let analytic = &analytic[start..start + block.len()];
            let report = compare(&slopes, analytic, block.rows, scale);
            blocks.push(BlockReport { layer: Some(index), name, ..report });
            start += block.len();
        }
    }

    let mut input = x.clone();
    let slopes = (0..x.len())
        .map(|at| {
            let slope = slope(x[at], here, |value| {
                input[at] = value;
                network.batch_loss(&input, &all, loss, &mut trace)
            });
            input[at] = x[at];
            slope
        })
        .collect::<Result<Vec<Slope>>>()?;
    blocks.push(compare(&slopes, &to_input, x.nrows(), scale));
    Ok(GradientReport { blocks })
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
