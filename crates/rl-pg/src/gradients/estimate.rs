//! An estimated gradient, with its evidence.

use linalg::DVector;

use crate::check::real;

/// An estimated gradient with how far it can be trusted.
///
/// It points uphill, where what it is the gradient of grows. Add a multiple of it to the point to
/// raise a reward; subtract one to lower a loss.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct GradientEstimate {
    /// The gradient, an entry per parameter.
    pub gradient: DVector<f64>,
    /// The standard error of each entry of `gradient`, from the spread of the terms whose mean it is;
    /// infinite for a single term. Where the terms share a baseline this neglects it, at a relative cost
    /// of order 1/N.
    pub std_error: DVector<f64>,
    /// The mean of the values that were asked for.
    pub value: f64,
    /// The standard error of `value`; infinite for a single term.
    pub value_std_error: f64,
    /// How often the black box was asked: the number of rollouts.
    pub evaluations: usize,
    /// Slopes at two displacements, where the estimator compares them.
    pub slopes: Option<Slopes>,
}

/// The slope of a black box along one direction at two displacements, a narrow and a wide one.
///
/// Where they are far apart, a jump or a kink lies between them: the gradient of what happens within the
/// narrow displacement, however exact, does not say what a step of the wide one will bring. Near the edge
/// of contact it can point the wrong way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slopes {
    /// The slope that the estimated gradient predicts along the direction.
    pub narrow: f64,
    /// The two-point slope over the wide displacement.
    pub wide: f64,
    /// What their difference is measured by: the largest of |narrow|, |wide|, the root mean square of the
    /// gradient's entries, and |f(x + hv) + f(x − hv) − 2f(x)|/2h over the wide displacement h, which keeps
    /// slopes that all but vanish, as at an optimum, from being compared with each other.
    pub scale: f64,
}

impl Slopes {
    /// |narrow − wide| over the scale, from 0 to 2; 0 where all is flat.
    #[must_use]
    pub fn disagreement(&self) -> f64 {
        if self.scale == 0.0 { 0.0 } else { (self.narrow - self.wide).abs() / self.scale }
    }

    /// Whether they differ by more than half: curvature rarely does that within a displacement worth
    /// taking, a jump does.
    #[must_use]
    pub fn disagree(&self) -> bool {
        // Written so that a NaN disagrees.
        !(self.disagreement() <= 0.5)
    }
}

/// Mean and spread of terms that come one by one (B. P. Welford, Technometrics 4, 1962).
#[derive(Debug, Clone)]
pub(crate) struct Moments {
    count: usize,
    mean: DVector<f64>,
    squares: DVector<f64>,
}

impl Moments {
    /// Of terms with this many entries.
    pub(crate) fn new(entries: usize) -> Self {
        Self { count: 0, mean: DVector::zeros(entries), squares: DVector::zeros(entries) }
    }

    pub(crate) fn push(&mut self, term: &[f64]) {
        self.count += 1;
        let share = 1.0 / real(self.count);
        for ((mean, square), term) in self.mean.iter_mut().zip(self.squares.iter_mut()).zip(term) {
            let off = term - *mean;
            *mean += off * share;
            *square += off * (term - *mean);
        }
    }

    /// Those of both (T. F. Chan, G. H. Golub and others, The American Statistician 37, 1983).
    pub(crate) fn join(mut self, other: &Self) -> Self {
        let all = self.count + other.count;
        let share = real(other.count) / real(all.max(1));
        let weight = real(self.count) * share;
        let (means, squares) = (self.mean.iter_mut(), self.squares.iter_mut());
        for (k, (mean, square)) in means.zip(squares).enumerate() {
            let off = other.mean[k] - *mean;
            *mean += off * share;
            *square += other.squares[k] + off * off * weight;
        }
        self.count = all;
        self
    }

    pub(crate) fn mean(&self) -> &DVector<f64> {
        &self.mean
    }

    /// The variance of one term, an entry each; infinite for fewer than two terms.
    pub(crate) fn variance(&self) -> DVector<f64> {
        // One term says nothing about its spread, and 0/0 would say NaN.
        let free = if self.count < 2 { 0.0 } else { 1.0 / real(self.count - 1) };
        self.squares.map(|square| if self.count < 2 { f64::INFINITY } else { square * free })
    }

    /// The standard error of the mean.
    pub(crate) fn std_error(&self) -> DVector<f64> {
        let count = real(self.count);
        self.variance().map(|variance| (variance / count).sqrt())
    }

    /// The estimate whose terms these are, with the moments of the values.
    pub(crate) fn estimate(
        self,
        values: &Self,
        evaluations: usize,
        slopes: Option<Slopes>,
    ) -> GradientEstimate {
        GradientEstimate {
            std_error: self.std_error(),
            gradient: self.mean,
            value: values.mean[0],
            value_std_error: values.std_error()[0],
            evaluations,
            slopes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_definition() {
        let terms = [[1.0, 1e9], [4.0, 1e9 + 1.0], [-2.0, 1e9 + 2.0]];
        let mut moments = Moments::new(2);
        terms.iter().for_each(|term| moments.push(term));
        assert_eq!(moments.mean().as_slice(), [1.0, 1e9 + 1.0]);
        assert_eq!(moments.variance().as_slice(), [9.0, 1.0]);
        assert!((moments.std_error()[0] - 3f64.sqrt()).abs() < 1e-15);
        let mut single = Moments::new(1);
        single.push(&[2.0]);
        assert_eq!(single.std_error().as_slice(), [f64::INFINITY]);
    }

    #[test]
    fn slopes_disagree_when_they_differ_by_more_than_half() {
        let slopes = |narrow, wide, scale| Slopes { narrow, wide, scale };
        assert!(!slopes(1.0, 0.6, 1.0).disagree() && slopes(1.0, 0.4, 1.0).disagree());
        assert!(!slopes(0.0, 0.1, 1.0).disagree(), "small beside the gradient");
        assert!(!slopes(0.0, 0.0, 0.0).disagree(), "flat");
        assert!(slopes(f64::NAN, 1.0, 1.0).disagree());
        assert!((slopes(1.0, -1.0, 1.0).disagreement() - 2.0).abs() < 1e-15);
    }
}
