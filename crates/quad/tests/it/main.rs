//! What a user of `quad` sees, against closed forms.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod figures;
mod grid;
mod polynomials;
mod refusals;

use std::f64::consts::PI;

use quad::{Azimuths, Colatitudes, Direction, Measure, SphereRule};

/// A zonal function g of t = u·x, with ∫ g dΩ = 2π ∫ g(t) dt over [−1, 1] for any direction u
/// (Funk-Hecke), and ∫ |g| dΩ.
struct Zonal {
    name: &'static str,
    g: fn(f64) -> f64,
    integral: f64,
    magnitude: f64,
    /// Smooth, and resolved by 200 rings.
    resolved: bool,
}

/// Functions of every difficulty; digits from mpmath 1.4. Odd functions are left out: every rule
/// that is symmetric about the center integrates them exactly, and they would test nothing.
const ZONAL: [Zonal; 12] = [
    Zonal { name: "1", g: |_| 1.0, integral: 4.0 * PI, magnitude: 4.0 * PI, resolved: true },
    Zonal {
        name: "t^20",
        g: |t| t.powi(20),
        integral: 0.59839860068377014066,
        magnitude: 0.6,
        resolved: true,
    },
    Zonal {
        name: "t^100",
        g: |t| t.powi(100),
        integral: 0.12441951103325913816,
        magnitude: 0.12,
        resolved: true,
    },
    Zonal {
        name: "exp t",
        g: f64::exp,
        integral: 14.76801374576529069511,
        magnitude: 14.8,
        resolved: true,
    },
    Zonal {
        name: "exp 10t",
        g: |t| (10.0 * t).exp(),
        integral: 13839.63659657671218848,
        magnitude: 13840.0,
        resolved: true,
    },
    Zonal {
        name: "exp 100(t-1)",
        g: |t| (100.0 * (t - 1.0)).exp(),
        integral: 2.0 * PI / 100.0,
        magnitude: 0.063,
        resolved: true,
    },
    Zonal {
        name: "1/(1.1-t)",
        g: |t| 1.0 / (1.1 - t),
        integral: 19.12929864808238896,
        magnitude: 19.1,
        resolved: true,
    },
    Zonal {
        name: "1/(1.01-t)",
        g: |t| 1.0 / (1.01 - t),
        integral: 33.321647477810172492,
        magnitude: 33.3,
        resolved: true,
    },
    Zonal {
        name: "cos 50t",
        g: |t| (50.0 * t).cos(),
        integral: -0.065941993030636754058,
        magnitude: 8.0,
        resolved: true,
    },
    Zonal {
        name: "tanh",
        g: |t| (1.0 + (-4.0 + 9.0 * 3f64.sqrt() * t).tanh()) / 9.0,
        integral: 1.0379820457011971524,
        magnitude: 1.04,
        resolved: true,
    },
    Zonal { name: "|t|", g: f64::abs, integral: 2.0 * PI, magnitude: 2.0 * PI, resolved: false },
    Zonal {
        name: "cap of 0.7",
        g: |t| if t > 0.764_842_187_284_488_5 { 1.0 } else { 0.0 },
        integral: 1.4775401137225912542,
        magnitude: 1.5,
        resolved: false,
    },
];

/// Directions in general position.
fn axes() -> [Direction; 3] {
    [[0.3, 0.5, 0.8], [0.9, -0.1, 0.2], [-0.4, 0.8, -0.55]]
        .map(|vector| Direction::from_vector(vector).unwrap())
}

/// `linspace(first, last, n)`.
fn linspace(first: f64, last: f64, n: usize) -> Vec<f64> {
    (0..n).map(|i| first + (last - first) * i as f64 / (n - 1) as f64).collect()
}

/// The grid of the question: both poles, and φ = 2π repeated.
fn vertex_grid<M: Measure>(measure: M, rings: usize, columns: usize) -> SphereRule<M> {
    let theta = Colatitudes::from_radians(&linspace(0.0, PI, rings)).unwrap();
    let phi = Azimuths::from_radians(&linspace(0.0, 2.0 * PI, columns)).unwrap();
    SphereRule::on_grid(measure, &theta, &phi).unwrap()
}
