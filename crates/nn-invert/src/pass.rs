//! The way back from the outputs to the inputs, and what is learned on it.

use linalg::krylov::Stop;
use linalg::{DMatrix, DVector, Real};
use nn_core::Activation;

use crate::affine::{AffineInverse, column};
use crate::answer::{Fault, Inversions, growth};
use crate::bound::carry_through;
use crate::bounded::nearest_in_box;
use crate::layerwise::{LayerwiseInverse, Step};
use crate::options::{Evidence, Outside};
use crate::undo::{Preimage, Undo};
use crate::{Error, Result};

/// Random probes of the size of J⁻¹: eight miss ‖J⁻¹‖_F by a factor of 10 once in ten million times.
pub(crate) const PROBES: usize = 8;

/// To what the probes are solved for where that takes iterations: they are an estimate.
const PROBE_TOLERANCE: f64 = 1e-2;

/// How far within an open range a choice of hidden values is tried, relative to its width.
const MARGINS: [f64; 4] = [0.05, 0.005, 1e-4, 1e-6];

/// Where the pass is.
pub(crate) struct Pass<'p, 'a, T: Real> {
    inverse: &'p LayerwiseInverse<'a, T>,
    /// The values between two layers, a column per target.
    value: DMatrix<T>,
    /// A bound on the error of each, where wanted.
    error: Option<DMatrix<T>>,
    /// Roundings so far, [`PROBES`] columns per target, where wanted.
    probes: Option<DMatrix<T>>,
    /// For each target, the entries of `value` that may be any number up to what they are.
    loose: Vec<Vec<usize>>,
    /// For each target, the first layer that chose.
    chosen: Vec<Option<usize>>,
    faults: Vec<Option<Fault>>,
    iterations: Vec<usize>,
}

impl<'p, 'a, T: Real> Pass<'p, 'a, T> {
    pub(crate) fn new(inverse: &'p LayerwiseInverse<'a, T>, targets: &DMatrix<T>) -> Self {
        let (rows, count) = targets.shape();
        let evidence = inverse.options.evidence;
        let mut pass = Self {
            inverse,
            value: targets.clone(),
            error: (evidence == Evidence::Bound).then(|| DMatrix::zeros(rows, count)),
            probes: (evidence != Evidence::Residual).then(|| DMatrix::zeros(rows, count * PROBES)),
            loose: vec![Vec::new(); count],
            chosen: vec![None; count],
            faults: vec![None; count],
            iterations: vec![0; count],
        };
        pass.round(inverse.steps.len());
        pass
    }

    /// Undoes layer `layer`.
    pub(crate) fn undo(&mut self, layer: usize) -> Result<()> {
        match &self.inverse.steps[layer] {
            Step::Affine(affine) => self.affine(layer, affine)?,
            Step::Pointwise { activation, undo } => {
                self.pointwise(layer, activation.get(), undo)?;
            }
            Step::Softmax { channels } => self.softmax(layer, *channels)?,
        }
        if layer > 0 {
            self.round(layer);
        }
        Ok(())
    }

    /// Evaluates the network at what was found.
    pub(crate) fn finish(self, targets: &DMatrix<T>) -> Result<Inversions<T>> {
        let count = targets.ncols();
        let residuals = if self.value.iter().any(|x| !x.is_finite()) {
            // An input that overflowed on the way back reproduces nothing.
            vec![f64::INFINITY; count]
        } else {
            let difference = self.inverse.chain.values(&self.value)? - targets;
            difference.column_iter().map(|column| column.norm().to_double()).collect()
        };
        let unknown = || vec![f64::INFINITY; count];
        let predicted_errors = self.probes.map_or_else(unknown, |probes| {
            let size = |k: usize| probes.columns(k * PROBES, PROBES).norm().to_double();
            (0..count).map(|k| size(k) / (PROBES as f64).sqrt()).collect()
        });
        // A NaN (0 times infinity) bounds nothing either.
        let honest = |bound: f64| if bound.is_nan() { f64::INFINITY } else { bound };
        let error_bounds = self.error.map_or_else(unknown, |error| {
            error.column_iter().map(|e| honest(e.norm().to_double())).collect()
        });
        Ok(Inversions {
            inputs: self.value,
            residuals,
            predicted_errors,
            error_bounds,
            conditions: self.inverse.conditions(),
            faults: self.faults,
            iterations: self.iterations,
        })
    }

    fn affine(&mut self, layer: usize, affine: &AffineInverse<'a, T>) -> Result<()> {
        let options = &self.inverse.options;
        affine.shift(&mut self.value);
        let (mut h, iterated) = affine.solve(self.value.clone(), options.tolerance, options)?;
        for (target, found) in iterated.iter().enumerate() {
            self.iterations[target] += found.iterations;
            if !matches!(found.stop, Stop::Converged | Stop::LeastSquares) {
                self.blame(
                    target,
                    Fault::NotConverged {
                        layer,
                        stop: found.stop,
                        relative_residual: found.relative_residual,
                        iterations: found.iterations,
                    },
                );
            }
        }
        self.choose(layer, affine, &mut h)?;
        if let Some((rank, _)) = affine.rank()
            && rank < affine.weight.nrows().min(affine.weight.ncols())
        {
            let full = affine.weight.nrows().min(affine.weight.ncols());
            for target in 0..h.ncols() {
                self.blame(target, Fault::RankDeficient { layer, rank, full });
            }
        }
        if let Some(error) = &self.error {
            self.error = Some(affine.carry(&self.value, &h, error)?);
        }
        if let Some(probes) = self.probes.take() {
            let tolerance = PROBE_TOLERANCE.max(options.tolerance);
            self.probes = Some(affine.solve(probes, tolerance, options)?.0);
        }
        for (chosen, loose) in self.chosen.iter_mut().zip(&mut self.loose) {
            if affine.leaves_choice() || !loose.is_empty() {
                chosen.get_or_insert(layer);
            }
            loose.clear();
        }
        self.value = h;
        Ok(())
    }

    /// Replaces the columns of `h` that the activation before cannot give, or that the matrix does not
    /// map to what was asked for, where another choice is better; reports or refuses the rest.
    fn choose(
        &mut self,
        layer: usize,
        affine: &AffineInverse<'a, T>,
        h: &mut DMatrix<T>,
    ) -> Result<()> {
        let before = match layer.checked_sub(1).map(|before| &self.inverse.steps[before]) {
            Some(Step::Pointwise { undo, .. }) => Some(*undo),
            _ => None,
        };
        let loose = self.loose.iter().any(|rows| !rows.is_empty());
        let may_miss = affine.may_miss();
        if before.is_none() && !loose && !may_miss {
            return Ok(());
        }
        let off = if may_miss { Some(affine.residual(h, &self.value)?) } else { None };
        let outside = self.inverse.options.outside;
        for target in 0..h.ncols() {
            let unfit = before.as_ref().is_some_and(|undo| {
                let noise = || self.hidden_noise(h, target);
                !undo.contains(h.column(target).as_slice(), noise)
            });
            if off.is_none() && !unfit {
                continue;
            }
            let noise = self.noise(target);
            let size = self.value.column(target).norm().to_double();
            // Without probes the noise is not known, and more is put down to it.
            let relative = if self.probes.is_some() { 1e-9_f64 } else { 1e-6 };
            let allowed = relative.max(64.0 * T::EPSILON) * size
                + 10.0 * noise * (affine.weight.nrows() as f64).sqrt();
            let missed = off.as_ref().map_or(0.0, |off| off.column(target).norm().to_double());
            if missed <= allowed && !unfit {
                continue;
            }
            let free = affine.leaves_choice() || !self.loose[target].is_empty();
            let project = matches!(outside, Outside::Project { .. });
            let dense = if free || project { affine.dense() } else { None };
            if let Some(weight) = dense {
                let r = column(&self.value, target);
                let boxed = Boxes { weight, loose: &self.loose[target], before };
                if free && let Some(x) = boxed.exact(&r, allowed)? {
                    set(h, target, &x);
                    continue;
                }
                if let Outside::Project { margin } = outside {
                    let (x, distance) = boxed.nearest(&r, margin)?;
                    set(h, target, &x);
                    if distance > allowed {
                        self.unreachable(layer, target, distance);
                    }
                    continue;
                }
                if unfit {
                    // No choice within the range of the activation before gives z.
                    let margin = MARGINS[MARGINS.len() - 1];
                    let distance = boxed.nearest(&r, margin)?.1;
                    self.unreachable(layer, target, distance);
                    if outside == Outside::Refuse {
                        return Err(self.refusal(layer, target, distance));
                    }
                    continue;
                }
            }
            if missed > allowed {
                self.unreachable(layer, target, missed);
                if outside == Outside::Refuse {
                    return Err(self.refusal(layer, target, missed));
                }
            }
            // Out of the range with nothing to choose: the activation itself says so.
        }
        Ok(())
    }

    fn pointwise(
        &mut self,
        layer: usize,
        activation: &dyn Activation<T>,
        undo: &Undo,
    ) -> Result<()> {
        let mut z = DMatrix::zeros(self.value.nrows(), self.value.ncols());
        if !undo.preimages(activation, self.value.as_slice(), z.as_mut_slice()) {
            z = self.one_by_one(layer, activation, undo)?;
        }
        if let Some(error) = &self.error {
            let folded = undo.is_folded();
            let infinite = || DMatrix::from_element(z.nrows(), z.ncols(), infinity());
            let carried =
                if folded { infinite() } else { carry_through(activation, &self.value, &z, error) };
            self.error = Some(carried);
        }
        self.pull_back(layer, activation, &z);
        self.value = z;
        Ok(())
    }

    /// The z of each value on its own: chosen, moved into the range, or refused.
    fn one_by_one(
        &mut self,
        layer: usize,
        activation: &dyn Activation<T>,
        undo: &Undo,
    ) -> Result<DMatrix<T>> {
        let outside = self.inverse.options.outside;
        let mut z = self.value.clone();
        for target in 0..z.ncols() {
            let noise = self.hidden_noise(&self.value, target);
            let mut farthest = (0, 0.0);
            for row in 0..z.nrows() {
                let a = self.value[(row, target)];
                let mut preimage = undo.preimage(activation, a, noise);
                if preimage == Preimage::None {
                    let margin = match outside {
                        Outside::Clip { margin } | Outside::Project { margin } => margin,
                        // What an iteration left is gone on with.
                        Outside::Refuse if self.not_converged(target) => 1e-3,
                        Outside::Refuse => {
                            return Err(self.out_of_range(layer, (row, target), undo));
                        }
                    };
                    let moved = undo.clip(a.to_double(), margin);
                    let distance = (moved - a.to_double()).abs();
                    if distance > farthest.1 {
                        farthest = (row, distance);
                    }
                    self.value[(row, target)] = T::from_double(moved);
                    preimage = undo.preimage(activation, self.value[(row, target)], noise);
                }
                z[(row, target)] = match preimage {
                    Preimage::One(z) => z,
                    Preimage::UpTo(z) => {
                        self.loose[target].push(row);
                        z
                    }
                    // The margin was below the precision.
                    Preimage::None => return Err(self.out_of_range(layer, (row, target), undo)),
                };
            }
            if farthest.1 > 0.0 {
                let (index, distance) = farthest;
                self.blame(target, Fault::Clipped { layer, index, distance });
            }
            if undo.has_branches() {
                self.chosen[target].get_or_insert(layer);
            }
        }
        Ok(z)
    }

    /// Carries the probes through, and notes the worst unit.
    fn pull_back(&mut self, layer: usize, activation: &dyn Activation<T>, z: &DMatrix<T>) {
        let ones = vec![T::one(); z.nrows()];
        let mut slopes = ones.clone();
        for target in 0..z.ncols() {
            let (z, a) = (z.column(target), self.value.column(target));
            activation.pull_back(z.as_slice(), a.as_slice(), &ones, &mut slopes);
            let mut worst = None;
            if any_flat(z.as_slice(), a.as_slice(), &slopes) {
                worst = self.flattest(target, z.as_slice(), &slopes);
            }
            if let Some(probes) = &mut self.probes {
                for mut probe in probes.columns_mut(target * PROBES, PROBES).column_iter_mut() {
                    for (row, (p, &slope)) in probe.iter_mut().zip(&slopes).enumerate() {
                        *p = match slope {
                            slope if slope != T::zero() => *p / slope,
                            _ if self.loose[target].contains(&row) => T::zero(),
                            _ => infinity(),
                        };
                    }
                }
            }
            if let Some((index, digits)) = worst {
                self.blame(target, Fault::Saturated { layer, index, digits });
            }
        }
    }

    /// The unit that has the fewest digits of its z left, and how many, where these are less than half.
    fn flattest(&self, target: usize, z: &[T], slopes: &[T]) -> Option<(usize, f64)> {
        let mut worst = (0, 0.0);
        for (row, ((z, a), &slope)) in
            z.iter().zip(&self.value.column(target)).zip(slopes).enumerate()
        {
            // A unit that is free carries no error, and has no digits to lose.
            if slope == T::zero() && self.loose[target].contains(&row) {
                continue;
            }
            let growth = growth(z.to_double(), a.to_double(), slope.to_double());
            if growth > worst.1 {
                worst = (row, growth);
            }
        }
        let (row, growth) = worst;
        let digits = -(T::EPSILON / 2.0 * growth).log10();
        (digits < -T::EPSILON.log10() / 2.0).then_some((row, digits))
    }

    /// z = ln p less its mean, in each group.
    fn softmax(&mut self, layer: usize, channels: usize) -> Result<()> {
        let mut z = self.value.clone();
        for target in 0..z.ncols() {
            let noise = 16.0 * T::EPSILON * channels as f64 + 10.0 * self.noise(target);
            let mut column = z.column_mut(target);
            let mut moved = (0, 0.0);
            for (group, p) in column.as_mut_slice().chunks_exact_mut(channels).enumerate() {
                let sum = p.iter().fold(0.0, |sum, p| sum + p.to_double());
                let bad = p.iter().position(|&p| !(p > T::zero()));
                let off = (sum - 1.0).abs();
                if bad.is_some() || off > noise {
                    let index = group * channels + bad.unwrap_or(0);
                    match self.inverse.options.outside {
                        Outside::Refuse => {
                            let name = self.name(layer);
                            let value = p[bad.unwrap_or(0)].to_double();
                            return Err(Error::NotProbabilities {
                                layer,
                                name,
                                sample: target,
                                index,
                                value,
                                sum,
                            });
                        }
                        Outside::Clip { margin } | Outside::Project { margin } => {
                            let floor = T::from_double(margin.min(0.5 / channels as f64));
                            for p in p.iter_mut().filter(|p| !(**p > floor)) {
                                *p = floor;
                            }
                            if off > moved.1 {
                                moved = (index, off);
                            }
                        }
                    }
                }
                let mean = p.iter().fold(T::zero(), |sum, p| sum + p.ln())
                    / T::from_double(channels as f64);
                for p in p {
                    *p = p.ln() - mean;
                }
            }
            if moved.1 > 0.0 {
                let (index, distance) = moved;
                self.blame(target, Fault::Clipped { layer, index, distance });
            }
            self.chosen[target].get_or_insert(layer);
        }
        if let Some(error) = &mut self.error {
            error.fill(infinity());
        }
        if let Some(probes) = &mut self.probes {
            for (k, mut probe) in probes.column_iter_mut().enumerate() {
                let p = self.value.column(k / PROBES);
                let (p, d) = (p.as_slice(), probe.as_mut_slice());
                for (d, p) in d.chunks_exact_mut(channels).zip(p.chunks_exact(channels)) {
                    for (d, &p) in d.iter_mut().zip(p) {
                        *d /= p;
                    }
                    let mean = d.iter().fold(T::zero(), |sum, &d| sum + d)
                        / T::from_double(channels as f64);
                    d.iter_mut().for_each(|d| *d -= mean);
                }
            }
        }
        self.value = z;
        Ok(())
    }

    /// Adds to the probes what rounding the values that entered layer `layer`, as the forward pass
    /// did, is: eps of each entry with a random sign, anew at every layer. The mean of the probes'
    /// squares is then ∑ᵢ ‖∂x/∂vᵢ·diag(eps·vᵢ)‖_F² over the layers i.
    fn round(&mut self, layer: usize) {
        let Some(probes) = &mut self.probes else { return };
        let eps = T::from_double(T::EPSILON);
        for (k, mut probe) in probes.column_iter_mut().enumerate() {
            let value = self.value.column(k / PROBES);
            for (row, (p, &v)) in probe.iter_mut().zip(value.iter()).enumerate() {
                *p += eps * if sign(row, k % PROBES, layer) { v } else { -v };
            }
        }
    }

    /// What the entries of `value` are uncertain by, as far as the probes tell: root mean square.
    fn noise(&self, target: usize) -> f64 {
        self.probes.as_ref().map_or(0.0, |probes| {
            let count = (PROBES * probes.nrows()) as f64;
            probes.columns(target * PROBES, PROBES).norm().to_double() / count.sqrt()
        })
    }

    /// By how much a value may be out of a closed range by rounding alone.
    fn hidden_noise(&self, values: &DMatrix<T>, target: usize) -> f64 {
        let size = values.column(target).amax().to_double();
        64.0 * T::EPSILON * size + 10.0 * self.noise(target)
    }

    fn not_converged(&self, target: usize) -> bool {
        matches!(self.faults[target], Some(Fault::NotConverged { .. }))
    }

    /// The first fault on the way back is the cause.
    fn blame(&mut self, target: usize, fault: Fault) {
        self.faults[target].get_or_insert(fault);
    }

    fn unreachable(&mut self, layer: usize, target: usize, distance: f64) {
        let chosen_by = self.chosen[target];
        self.blame(target, Fault::Unreachable { layer, distance, chosen_by });
    }

    fn refusal(&self, layer: usize, sample: usize, distance: f64) -> Error {
        let name = self.name(layer);
        match self.chosen[sample] {
            None => Error::Unreachable { layer, name, sample, distance },
            Some(chosen_by) => Error::Missed { layer, name, sample, distance, chosen_by },
        }
    }

    fn out_of_range(&self, layer: usize, (index, sample): (usize, usize), undo: &Undo) -> Error {
        let value = self.value[(index, sample)].to_double();
        let (lower, upper) = (undo.lower, undo.upper);
        let excess = (value - upper).max(lower - value).max(0.0);
        let name = self.name(layer);
        Error::OutOfRange { layer, name, index, sample, value, lower, upper, excess }
    }

    fn name(&self, layer: usize) -> String {
        self.inverse.chain.links[layer].name.clone()
    }
}

/// The choice of h in W·h = r among what the activation before can give, where some entries of r may
/// be any number up to what they are.
struct Boxes<'b> {
    weight: DMatrix<f64>,
    loose: &'b [usize],
    before: Option<Undo>,
}

impl Boxes<'_> {
    /// h that gives r, as far within the range as is possible; `None` where there is none.
    fn exact(&self, r: &DVector<f64>, allowed: f64) -> Result<Option<DVector<f64>>> {
        for relative in MARGINS {
            let width = self.before.map_or(1.0, |undo| (undo.upper - undo.lower).min(1.0));
            let (x, distance) = self.nearest(r, relative * width)?;
            if distance <= allowed {
                return Ok(Some(x));
            }
        }
        Ok(None)
    }

    /// h that comes nearest to r, and how near.
    fn nearest(&self, r: &DVector<f64>, margin: f64) -> Result<(DVector<f64>, f64)> {
        let (m, n) = self.weight.shape();
        let slack = self.loose.len();
        // W·h + s = r with s ≥ 0 in the loose rows.
        let mut a = DMatrix::zeros(m, n + slack);
        a.columns_mut(0, n).copy_from(&self.weight);
        for (k, &row) in self.loose.iter().enumerate() {
            a[(row, n + k)] = 1.0;
        }
        let (low, high) =
            self.before.map_or((f64::NEG_INFINITY, f64::INFINITY), |undo| undo.within(margin));
        let middle =
            if low.is_finite() && high.is_finite() { (low + high) / 2.0 } else { low.max(0.0) };
        let part = |inside: f64, slack: f64| {
            DVector::from_fn(a.ncols(), |j, _| if j < n { inside } else { slack })
        };
        let (lower, upper) = (part(low, 0.0), part(high, f64::INFINITY));
        let found = nearest_in_box(&a, r, &lower, &upper, &part(middle, 0.0))?;
        Ok((found.x.rows(0, n).into_owned(), found.residual.norm()))
    }
}

/// Whether some unit may have lost half of the digits of its z: its [`growth`] is more than 2/√eps, or nearly.
fn any_flat<T: Real>(z: &[T], a: &[T], slopes: &[T]) -> bool {
    let limit = T::from_double(1.9 / T::EPSILON.sqrt());
    // Without a way out of the loop, and without divisions, it runs on vectors.
    z.iter().zip(a).zip(slopes).fold(false, |any, ((z, a), slope)| {
        let size = if z.abs() > T::one() { z.abs() } else { T::one() };
        any | (a.abs() > limit * slope.abs() * size)
    })
}

fn set<T: Real>(h: &mut DMatrix<T>, target: usize, x: &DVector<f64>) {
    for (h, &x) in h.column_mut(target).iter_mut().zip(x.iter()) {
        *h = T::from_double(x);
    }
}

fn infinity<T: Real>() -> T {
    T::from_double(f64::INFINITY)
}

/// A random bit: the finalizer of `SplitMix64` (Steele, Lea & Flood 2014) scatters the index's bits. The
/// same in every run.
pub(crate) fn sign(row: usize, probe: usize, layer: usize) -> bool {
    let index = (row * PROBES + probe) as u64 ^ ((layer as u64) << 48);
    let mut bits = index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits ^ (bits >> 31)) & 1 == 0
}
