//! How exact the transforms are, beside SciPy's.

use std::f64::consts::TAU;

use super::RealFft;

/// Lengths, and the error there of `scipy.fft.rfft`, SciPy 1.17.1, in units of eps·log₂ n: printed by
/// `data/fft-accuracy.py`.
const SCIPY: [(usize, f64); 19] = [
    (1024, 0.0953),
    (4096, 0.0933),
    (16384, 0.0797),
    (65536, 0.0780),
    (1_048_576, 0.0698),
    (44100, 0.1037),
    (48000, 0.0826),
    (1_000_000, 0.0642),
    (999, 0.1141),
    (4095, 0.1117),
    (11025, 0.1000),
    (99225, 0.1034),
    (30021, 0.1720),
    (251, 0.2475),
    (1009, 0.2175),
    (10007, 0.2026),
    (65537, 0.2840),
    (100_003, 0.2167),
    (1_000_003, 0.1467),
];

/// `SplitMix64` of a counter, uniform on [−½, ½): the numbers that the script has too.
fn noise(count: usize) -> Vec<f64> {
    (1..=count as u64)
        .map(|index| {
            let mut z = index.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 11) as f64 * 2_f64.powi(-53) - 0.5
        })
        .collect()
}

/// The sum of numbers and of products, with what rounding drops.
#[derive(Default)]
struct Compensated {
    sum: f64,
    rest: f64,
}

impl Compensated {
    fn add_product(&mut self, a: f64, b: f64) {
        let product = a * b;
        let next = self.sum + product;
        // Knuth's sum of two, and the rounding of the product.
        let part = next - self.sum;
        self.rest += (self.sum - (next - part)) + (product - part) + a.mul_add(b, -product);
        self.sum = next;
    }
}

/// Cosine and sine of 2π·m/n, each to a rounding: what is lost of the angle is put back.
fn turn(m: usize, n: usize) -> (f64, f64) {
    const TAU_REST: f64 = 2.449_293_598_294_706_4e-16;
    let (m, n) = (m as f64, n as f64);
    let share = m / n;
    let angle = TAU * share;
    let lost = TAU.mul_add(share, -angle) + TAU_REST * share + TAU * share.mul_add(-n, m) / n;
    let (sine, cosine) = angle.sin_cos();
    (cosine - lost * sine, sine + lost * cosine)
}

/// The error of our transform of n samples over 48 bins, in units of eps·log₂ n.
fn error(n: usize) -> f64 {
    let x = noise(n);
    let found = RealFft::<f64>::new(n).and_then(|fft| fft.forward(&x)).unwrap();
    let (mut error, mut size) = (0.0, 0.0);
    for bin in (0..48).map(|j| 1 + j * (n / 2 - 1) / 48) {
        let (mut re, mut im) = (Compensated::default(), Compensated::default());
        for (j, &x) in x.iter().enumerate() {
            let (cosine, sine) = turn(j * bin % n, n);
            re.add_product(x, cosine);
            im.add_product(-x, sine);
        }
        let (re, im) = (re.sum + re.rest, im.sum + im.rest);
        error += (found[bin].re - re).powi(2) + (found[bin].im - im).powi(2);
        size += re * re + im * im;
    }
    (error / size).sqrt() / (f64::EPSILON * (n as f64).log2())
}

/// Higham (Accuracy and Stability of Numerical Algorithms, theorem 24.2) bounds a transform of 2^t
/// values by t·(1 + 4√2)·u, u = eps/2: 3.4 in these units, for the worst case of every rounding. A
/// prime factor costs two transforms and a product.
const BOUND: f64 = 3.4;

#[test]
fn the_error_is_within_the_bound_and_near_scipys() {
    for (n, scipy) in SCIPY.into_iter().filter(|&(n, _)| n < 70_000) {
        let factors = super::numbers::factors(n);
        let rough = factors.last().is_some_and(|&largest| largest > 31);
        let ours = error(n);
        assert!(ours <= if rough { 2.0 * BOUND } else { BOUND }, "{n}: {ours}");
        assert!(ours <= 1.5 * scipy, "{n}: {ours}, SciPy {scipy}");
    }
}

#[test]
#[ignore = "half a minute; prints the table in the documentation of `RealFft`"]
fn table_of_errors() {
    for (n, scipy) in SCIPY {
        let ours = error(n);
        println!("{n:>8} {ours:.3} {scipy:.3} {:.2}", ours / scipy);
    }
}
