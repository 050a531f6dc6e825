//! The linear maps of Winograd's F(4 x 4, 3 x 3) and their adjoints.

use linalg::Real;
use linalg::lanes::Vectors;

// The matrices interpolate at 0, ±3/4, ±3/2 and infinity. The points 0, ±1, ±2 of the paper lose
// three times as much to rounding.
const NEAR: f64 = 0.75;
const FAR: f64 = 1.5;
const NEAR2: f64 = NEAR * NEAR;
const FAR2: f64 = FAR * FAR;
const BOTH2: f64 = NEAR2 * FAR2;
/// 1/∏(p − q) over the other finite points q, for p = ±3/4 and p = ±3/2.
const NEAR_SHARE: f64 = 1.0 / (2.0 * NEAR2 * (NEAR2 - FAR2));
const FAR_SHARE: f64 = 1.0 / (2.0 * FAR2 * (FAR2 - NEAR2));

/// a·x + b·y, for constants x and y.
#[inline(always)]
fn sum<T: Real, V: Vectors<T>>(
    v: V,
    (a, x): (V::Vector, f64),
    (b, y): (V::Vector, f64),
) -> V::Vector {
    v.mul_add(a, T::from_double(x), v.times(b, T::from_double(y)))
}

/// a + b·y, for a constant y.
#[inline(always)]
fn add<T: Real, V: Vectors<T>>(v: V, a: V::Vector, (b, y): (V::Vector, f64)) -> V::Vector {
    v.mul_add(b, T::from_double(y), a)
}

#[inline(always)]
fn times<T: Real, V: Vectors<T>>(v: V, a: V::Vector, x: f64) -> V::Vector {
    v.times(a, T::from_double(x))
}

/// Where the entries of a square come from.
pub(super) trait Source<T: Real, V: Vectors<T>> {
    fn get(&self, i: usize, j: usize) -> V::Vector;
}

/// Where the entries of a square go.
pub(super) trait Target<T: Real, V: Vectors<T>> {
    fn put(&mut self, i: usize, j: usize, entry: V::Vector);
}

/// One of the linear maps, on vectors of neighbouring channels.
pub(super) trait Transform<T: Real, const M: usize, const N: usize> {
    fn apply<V: Vectors<T>>(v: V, x: [V::Vector; M]) -> [V::Vector; N];

    /// The map along each column of a square. (An array that is filled in a loop would first be filled
    /// with zeros.)
    fn columns<V: Vectors<T>>(v: V, from: &impl Source<T, V>) -> [[V::Vector; N]; M];

    #[inline(always)]
    fn column<V: Vectors<T>>(v: V, from: &impl Source<T, V>, j: usize) -> [V::Vector; N] {
        let mut column = [from.get(0, j); M];
        for i in 1..M {
            column[i] = from.get(i, j);
        }
        Self::apply(v, column)
    }

    /// The map along the columns of a square and then along its rows.
    #[inline(always)]
    fn both<V: Vectors<T>>(v: V, from: &impl Source<T, V>, to: &mut impl Target<T, V>) {
        let columns = Self::columns(v, from);
        for i in 0..N {
            let mut row = [columns[0][i]; M];
            for j in 1..M {
                row[j] = columns[j][i];
            }
            let row = Self::apply(v, row);
            for j in 0..N {
                to.put(i, j, row[j]);
            }
        }
    }
}

/// [`Transform::columns`] of so many.
macro_rules! columns {
    ($m:literal, $n:literal: $($j:literal)+) => {
        #[inline(always)]
        fn columns<V: Vectors<T>>(v: V, from: &impl Source<T, V>) -> [[V::Vector; $n]; $m] {
            [$(Self::column(v, from, $j)),+]
        }
    };
}

/// Bᵀ·d.
pub(super) struct Input;

impl<T: Real> Transform<T, 6, 6> for Input {
    columns!(6, 6: 0 1 2 3 4 5);

    #[inline(always)]
    fn apply<V: Vectors<T>>(v: V, d: [V::Vector; 6]) -> [V::Vector; 6] {
        let near = add(v, d[4], (d[2], -FAR2));
        let far = add(v, d[4], (d[2], -NEAR2));
        let near_odd = sum(v, (d[3], NEAR), (d[1], -NEAR * FAR2));
        let far_odd = sum(v, (d[3], FAR), (d[1], -FAR * NEAR2));
        [
            add(v, add(v, d[4], (d[2], -NEAR2 - FAR2)), (d[0], BOTH2)),
            v.plus(near, near_odd),
            v.minus(near, near_odd),
            v.plus(far, far_odd),
            v.minus(far, far_odd),
            add(v, add(v, d[5], (d[3], -NEAR2 - FAR2)), (d[1], BOTH2)),
        ]
    }
}

/// B·v, the adjoint of [`Input`].
pub(super) struct InputAdjoint;

impl<T: Real> Transform<T, 6, 6> for InputAdjoint {
    columns!(6, 6: 0 1 2 3 4 5);

    #[inline(always)]
    fn apply<V: Vectors<T>>(v: V, d: [V::Vector; 6]) -> [V::Vector; 6] {
        let (near, far) = (v.plus(d[1], d[2]), v.plus(d[3], d[4]));
        let near_odd = times(v, v.minus(d[1], d[2]), NEAR);
        let far_odd = times(v, v.minus(d[3], d[4]), FAR);
        let even = sum(v, (near, -FAR2), (far, -NEAR2));
        let odd = sum(v, (near_odd, -FAR2), (far_odd, -NEAR2));
        [
            times(v, d[0], BOTH2),
            add(v, odd, (d[5], BOTH2)),
            add(v, even, (d[0], -NEAR2 - FAR2)),
            add(v, v.plus(near_odd, far_odd), (d[5], -NEAR2 - FAR2)),
            v.plus(d[0], v.plus(near, far)),
            d[5],
        ]
    }
}

/// Aᵀ·m.
pub(super) struct Output;

impl<T: Real> Transform<T, 6, 4> for Output {
    columns!(6, 4: 0 1 2 3 4 5);

    #[inline(always)]
    fn apply<V: Vectors<T>>(v: V, m: [V::Vector; 6]) -> [V::Vector; 4] {
        let (near, far) = (v.plus(m[1], m[2]), v.plus(m[3], m[4]));
        let near_odd = times(v, v.minus(m[1], m[2]), NEAR);
        let far_odd = times(v, v.minus(m[3], m[4]), FAR);
        [
            v.plus(m[0], v.plus(near, far)),
            v.plus(near_odd, far_odd),
            sum(v, (near, NEAR2), (far, FAR2)),
            v.plus(m[5], sum(v, (near_odd, NEAR2), (far_odd, FAR2))),
        ]
    }
}

/// A·y, the adjoint of [`Output`].
pub(super) struct OutputAdjoint;

impl<T: Real> Transform<T, 4, 6> for OutputAdjoint {
    columns!(4, 6: 0 1 2 3);

    #[inline(always)]
    fn apply<V: Vectors<T>>(v: V, y: [V::Vector; 4]) -> [V::Vector; 6] {
        let (near, far) = (add(v, y[0], (y[2], NEAR2)), add(v, y[0], (y[2], FAR2)));
        let near_odd = sum(v, (y[1], NEAR), (y[3], NEAR * NEAR2));
        let far_odd = sum(v, (y[1], FAR), (y[3], FAR * FAR2));
        [
            y[0],
            v.plus(near, near_odd),
            v.minus(near, near_odd),
            v.plus(far, far_odd),
            v.minus(far, far_odd),
            y[3],
        ]
    }
}

/// G·w.
pub(super) struct Weight;

impl<T: Real> Transform<T, 3, 6> for Weight {
    columns!(3, 6: 0 1 2);

    #[inline(always)]
    fn apply<V: Vectors<T>>(v: V, w: [V::Vector; 3]) -> [V::Vector; 6] {
        let near = times(v, add(v, w[0], (w[2], NEAR2)), NEAR_SHARE);
        let far = times(v, add(v, w[0], (w[2], FAR2)), FAR_SHARE);
        let near_odd = times(v, w[1], NEAR * NEAR_SHARE);
        let far_odd = times(v, w[1], FAR * FAR_SHARE);
        [
            times(v, w[0], 1.0 / BOTH2),
            v.plus(near, near_odd),
            v.minus(near, near_odd),
            v.plus(far, far_odd),
            v.minus(far, far_odd),
            w[2],
        ]
    }
}

/// Gᵀ·u, the adjoint of [`Weight`].
pub(super) struct WeightAdjoint;

impl<T: Real> Transform<T, 6, 3> for WeightAdjoint {
    columns!(6, 3: 0 1 2 3 4 5);

    #[inline(always)]
    fn apply<V: Vectors<T>>(v: V, u: [V::Vector; 6]) -> [V::Vector; 3] {
        let near = times(v, v.plus(u[1], u[2]), NEAR_SHARE);
        let far = times(v, v.plus(u[3], u[4]), FAR_SHARE);
        let (near_odd, far_odd) = (v.minus(u[1], u[2]), v.minus(u[3], u[4]));
        [
            add(v, v.plus(near, far), (u[0], 1.0 / BOTH2)),
            sum(v, (near_odd, NEAR * NEAR_SHARE), (far_odd, FAR * FAR_SHARE)),
            v.plus(u[5], sum(v, (near, NEAR2), (far, FAR2))),
        ]
    }
}
