//! One activation, made ready to be undone.

use linalg::Real;
use nn_core::{Activation, Fold};

use crate::options::Folds;

/// What f can give, and how z is found from a.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Undo {
    how: How,
    folds: Folds,
    /// f's values lie between these.
    pub(crate) lower: f64,
    pub(crate) upper: f64,
}

#[derive(Debug, Clone, Copy)]
enum How {
    /// f is one to one, its range open.
    Inverse,
    /// f falls up to `at`, or is constant there, and rises from it. The lower end is a value.
    Folded { at: f64, flat: bool },
}

/// The z of a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Preimage<T> {
    /// The one there is, or the one that was chosen.
    One(T),
    /// Any up to this one.
    UpTo(T),
    /// None: the value is outside of the range.
    None,
}

impl Undo {
    /// `None` where `activation` is not one to one and `folds` does not say what to do.
    pub(crate) fn new<T: Real>(activation: &dyn Activation<T>, folds: Folds) -> Option<Self> {
        if let Some(range) = activation.inverse_domain() {
            let (lower, upper) = (range.lower, range.upper);
            return Some(Self { how: How::Inverse, folds, lower, upper });
        }
        if folds == Folds::Refuse {
            return None;
        }
        let (at, flat) = match activation.fold()? {
            Fold::Valley(at) => (at, false),
            Fold::Flat(at) => (at, true),
        };
        let lower = activation.value(T::from_double(at)).to_double();
        let how = How::Folded { at, flat };
        Some(Self { how, folds, lower, upper: f64::INFINITY })
    }

    /// Whether several z have one value.
    pub(crate) fn is_folded(&self) -> bool {
        matches!(self.how, How::Folded { .. })
    }

    /// Whether one of two z was chosen, and not all of a set kept.
    pub(crate) fn has_branches(&self) -> bool {
        matches!(self.how, How::Folded { flat: false, .. })
    }

    /// The z of `a`; a value within `noise` of a closed end counts as that end.
    pub(crate) fn preimage<T: Real>(
        &self,
        activation: &dyn Activation<T>,
        a: T,
        noise: f64,
    ) -> Preimage<T> {
        let How::Folded { at, flat } = self.how else {
            return activation.inverse(a).map_or(Preimage::None, Preimage::One);
        };
        let (value, at) = (a.to_double(), T::from_double(at));
        if !value.is_finite() || value < self.lower - noise {
            return Preimage::None;
        }
        if value <= self.lower + if flat { noise } else { 0.0 } {
            return if flat { Preimage::UpTo(at) } else { Preimage::One(at) };
        }
        if self.folds == Folds::Falling
            && !flat
            && let Some(z) = solve(activation, a, at, -T::one())
        {
            return Preimage::One(z);
        }
        solve(activation, a, at, T::one()).map_or(Preimage::None, Preimage::One)
    }

    /// The z of every entry of `a`, where f is one to one and all have one; tells whether they do.
    pub(crate) fn preimages<T: Real>(
        &self,
        activation: &dyn Activation<T>,
        a: &[T],
        z: &mut [T],
    ) -> bool {
        if self.is_folded() {
            return false;
        }
        activation.inverses(a, z);
        z.iter().fold(true, |all, z| all & z.is_finite())
    }

    /// The value nearest to `a` that is at least `margin` within the range.
    pub(crate) fn clip(&self, a: f64, margin: f64) -> f64 {
        let (lower, upper) = self.within(margin);
        a.max(lower).min(upper)
    }

    /// The ends of the range, open ones drawn in by `margin`, or by a quarter of the range.
    pub(crate) fn within(&self, margin: f64) -> (f64, f64) {
        let margin = margin.min((self.upper - self.lower) / 4.0);
        match self.how {
            How::Inverse => (self.lower + margin, self.upper - margin),
            How::Folded { .. } => (self.lower, self.upper),
        }
    }

    /// Whether every one of `values` has a z; `noise` is asked for where ends are closed.
    pub(crate) fn contains<T: Real>(&self, values: &[T], noise: impl FnOnce() -> f64) -> bool {
        // Without a way out of the loops, they run on vectors.
        let (lower, upper) = (T::from_double(self.lower), T::from_double(self.upper));
        match self.how {
            How::Inverse => values.iter().fold(true, |all, &a| all & (a > lower) & (a < upper)),
            How::Folded { .. } => {
                let lower = lower - T::from_double(noise());
                values.iter().fold(true, |all, &a| all & (a >= lower) & a.is_finite())
            }
        }
    }
}

/// f(z) = a for the z on the side of `at` that `direction` points to, where f rises away from `at`:
/// Newton's method within a bracket that bisection keeps.
fn solve<T: Real>(activation: &dyn Activation<T>, a: T, at: T, direction: T) -> Option<T> {
    let two = T::one() + T::one();
    let mut inner = at;
    // a itself is beyond z where f(z) is nearly z.
    let guess = (a - at) * direction;
    let mut reach = if guess > T::one() { guess } else { T::one() };
    let mut outer = at + direction * reach;
    let mut doublings = 0;
    while activation.value(outer) < a {
        (inner, reach, doublings) = (outer, reach + reach, doublings + 1);
        outer = at + direction * reach;
        if doublings > 60 {
            return None;
        }
    }
    let start = at + direction * guess;
    let mut z = if guess > T::zero() && doublings == 0 { start } else { outer };
    for _ in 0..200 {
        let value = activation.value(z);
        if value == a {
            return Some(z);
        }
        if value < a {
            inner = z;
        } else {
            outer = z;
        }
        let newton = z - (value - a) / activation.slope(z);
        // z itself is an end of the bracket by now, so that no step at all would not lie within.
        if (newton - z).abs() <= T::from_double(T::EPSILON) * z.abs() {
            return Some(newton);
        }
        let (low, high) = if inner < outer { (inner, outer) } else { (outer, inner) };
        let middle = low + (high - low) / two;
        let next = if newton > low && newton < high { newton } else { middle };
        if next == z || middle == low || middle == high {
            return Some(next);
        }
        z = next;
    }
    Some(z)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "numbers that come out exact, or by one path")]
mod tests {
    use super::*;
    use nn_core::{Gelu, Relu, Silu, Sin, Tanh};

    fn one(activation: &dyn Activation<f64>, folds: Folds, a: f64) -> f64 {
        match Undo::new(activation, folds).unwrap().preimage(activation, a, 0.0) {
            Preimage::One(z) => z,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_two_branches_of_silu_as_computed_to_30_digits() {
        // y + W(y·e^−y) with the two real branches of Lambert's W.
        let right = one(&Silu, Folds::Rising, -0.2);
        let left = one(&Silu, Folds::Falling, -0.2);
        assert!((right + 0.5448804401599816).abs() <= 4e-16, "{right}");
        assert!((left + 2.3961385060760683).abs() <= 2e-15, "{left}");
        let undo = Undo::new::<f64>(&Silu, Folds::Rising).unwrap();
        assert_eq!(undo.preimage(&Silu, -0.3, 0.0), Preimage::None);
        // Beyond zero there is one branch only.
        assert_eq!(one(&Silu, Folds::Falling, 1.5), one(&Silu, Folds::Rising, 1.5));
    }

    #[test]
    fn values_come_back_on_both_sides_of_a_valley() {
        for k in -60..400 {
            let z = f64::from(k) / 20.0;
            for f in [&Silu as &dyn Activation<f64>, &Gelu] {
                let Some(Fold::Valley(at)) = f.fold() else { panic!() };
                let folds = if z < at { Folds::Falling } else { Folds::Rising };
                let back = one(f, folds, f.value(z));
                // A rounding of the value, over the slope; near the valley its square root.
                let slope = f.slope(z).abs().max(1e-7);
                let limit = 4.0 * f64::EPSILON * (z.abs() + f.value(z).abs().max(0.1) / slope);
                assert!((back - z).abs() <= limit, "{} at {z}: {back}", f.name());
            }
        }
    }

    #[test]
    fn a_relu_gives_back_what_it_let_through_and_a_set_for_zero() {
        let undo = Undo::new::<f64>(&Relu, Folds::Rising).unwrap();
        for a in [1e-300, 0.3, 7.0, 1e300] {
            assert_eq!(undo.preimage(&Relu, a, 0.0), Preimage::One(a));
        }
        assert_eq!(undo.preimage(&Relu, 0.0, 0.0), Preimage::UpTo(0.0));
        assert_eq!(undo.preimage(&Relu, -1e-17, 1e-16), Preimage::UpTo(0.0));
        assert_eq!(undo.preimage(&Relu, -1e-3, 1e-16), Preimage::None);
        assert!(Undo::new::<f64>(&Relu, Folds::Refuse).is_none());
        assert!(Undo::new::<f64>(&Sin, Folds::Rising).is_none());
    }

    #[test]
    fn all_values_come_back_at_once_where_they_can() {
        let mut z = [0.0_f64; 3];
        let tanh = Undo::new::<f64>(&Tanh, Folds::Refuse).unwrap();
        assert!(tanh.preimages(&Tanh, &[0.5, -0.5, 0.0], &mut z));
        assert!((z[0] - 0.5493061443340549).abs() <= 2e-16 && z[1] == -z[0] && z[2] == 0.0);
        assert!(!tanh.preimages(&Tanh, &[0.5, 1.0, 0.0], &mut z));
        let relu = Undo::new::<f64>(&Relu, Folds::Rising).unwrap();
        assert!(!relu.preimages(&Relu, &[0.5, 1.0, 2.0], &mut z));
    }

    #[test]
    fn ranges_are_drawn_in_by_the_margin() {
        let undo = Undo::new::<f64>(&Tanh, Folds::Refuse).unwrap();
        assert_eq!(undo.within(0.1), (-0.9, 0.9));
        assert_eq!(undo.within(5.0), (-0.5, 0.5));
        assert_eq!(undo.clip(3.0, 0.25), 0.75);
        let contains = |a| undo.contains(&[0.1, a, -0.3], || f64::INFINITY);
        assert!(contains(0.99) && !contains(1.0) && !contains(f64::NAN));
        let relu = Undo::new::<f64>(&Relu, Folds::Rising).unwrap();
        assert!(relu.contains(&[1.0, -1e-9], || 1e-8) && !relu.contains(&[-1e-7, 1.0], || 1e-8));
        assert!(!relu.contains(&[f64::INFINITY], || 0.0));
    }

    #[test]
    fn newton_needs_few_values() {
        #[derive(Debug)]
        struct Counted(std::sync::atomic::AtomicUsize);
        impl Activation<f64> for Counted {
            fn name(&self) -> &'static str {
                "counted"
            }
            fn value(&self, z: f64) -> f64 {
                self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                Activation::<f64>::value(&Silu, z)
            }
            fn slope(&self, z: f64) -> f64 {
                Activation::<f64>::slope(&Silu, z)
            }
            fn fold(&self) -> Option<Fold> {
                Activation::<f64>::fold(&Silu)
            }
        }
        for folds in [Folds::Rising, Folds::Falling] {
            // Above 0 there is no left branch, which 61 doublings find out.
            let both = [-0.27, -0.2, -0.01, -1e-3, -1e-12];
            let right = if folds == Folds::Rising { &[0.5, 3.0, 1e3, 1e9][..] } else { &[] };
            for a in both.into_iter().chain(right.iter().copied()) {
                let counted = Counted(std::sync::atomic::AtomicUsize::new(0));
                let undo = Undo::new::<f64>(&counted, folds).unwrap();
                let Preimage::One(z) = undo.preimage(&counted, a, 0.0) else { panic!("{a}") };
                let off = Activation::<f64>::value(&Silu, z) - a;
                assert!(
                    off.abs() <= 4.0 * f64::EPSILON * (a.abs() + z.abs() * a.abs()),
                    "{a} {off:e}"
                );
                // Bisection alone takes one for each of 53 bits, and doublings before.
                let count = counted.0.into_inner();
                assert!(count <= 20, "{folds:?} {a}: {count}");
            }
        }
    }
}
