//! Times `quad` and the Rust peers in turn, in one run: Gauss-Legendre rules and Clenshaw-Curtis
//! weights. Prints a line per size: nanoseconds a node, and ours over theirs, median of the pairs.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::Instant;

/// Seconds of one call, from enough calls to be measured.
fn seconds(calls: usize, mut run: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        run();
    }
    start.elapsed().as_secs_f64() / calls as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let rounds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(15);
    println!("Gauss-Legendre: n, ns a node of quad, gauss-quad, bilby; ratio to each");
    for n in [10, 100, 1000, 1_000_000] {
        let calls = (2_000_000 / n).clamp(1, 50_000);
        let ours = || drop(black_box(quad::GaussLegendre::new(black_box(n))));
        let gauss = || {
            let n = NonZeroUsize::new(black_box(n)).expect("positive");
            drop(black_box(gauss_quad::legendre::GaussLegendre::new(n)));
        };
        let bilby = || drop(black_box(bilby::GaussLegendre::new(black_box(n))));
        // The same nodes, before the times.
        let (mine, theirs) = (
            quad::GaussLegendre::new(n).expect("n is in range"),
            bilby::GaussLegendre::new(n).expect("n is positive"),
        );
        for (a, b) in mine.nodes().iter().rev().zip(theirs.nodes()) {
            assert!((a - b).abs() < 1e-15, "nodes differ at n = {n}: {a} {b}");
        }
        let mut times = [const { Vec::new() }; 5];
        for _ in 0..rounds {
            // A slow peer needs fewer calls.
            let (a, b) = (seconds(calls, ours), seconds(calls, gauss));
            let c = seconds((calls / 20).max(1), bilby);
            for (list, time) in times.iter_mut().zip([a, b, c, a / b, a / c]) {
                list.push(time);
            }
        }
        let [a, b, c, to_gauss, to_bilby] = times.map(median);
        let per = 1e9 / n as f64;
        println!(
            "{n:>8} {:>8.1} {:>8.1} {:>8.1}   {to_gauss:.2} {to_bilby:.2}",
            a * per,
            b * per,
            c * per
        );
    }
    println!("Clenshaw-Curtis: n, seconds of quad, bilby; ratio");
    for n in [65, 1025, 4097] {
        let ours = || {
            let weights =
                quad::ring_weights(quad::SolidAngle, quad::RingKind::Vertices, black_box(n));
            drop(black_box(weights));
        };
        let bilby = || drop(black_box(bilby::ClenshawCurtis::new(black_box(n))));
        let mine = quad::ring_weights(quad::SolidAngle, quad::RingKind::Vertices, n);
        let theirs = bilby::ClenshawCurtis::new(n).expect("n is positive");
        for (a, b) in mine.expect("n is in range").iter().zip(theirs.weights()) {
            assert!((a - b).abs() < 1e-13, "weights differ at n = {n}: {a} {b}");
        }
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..rounds.min(7) {
            let (a, b) = (seconds(20, ours), seconds(1, bilby));
            for (list, time) in times.iter_mut().zip([a, b, a / b]) {
                list.push(time);
            }
        }
        let [a, b, ratio] = times.map(median);
        println!("{n:>8} {a:.2e} {b:.2e}   1/{:.0}", 1.0 / ratio);
    }
}
