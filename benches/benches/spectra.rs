//! Real transforms, short-time spectra and Welch's method, each asserted right before it is timed.

use std::hint::black_box;

use benches::uniform;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use dsp::fft::{RealFft, Workspace};
use dsp::spectrum::Scaling;
use dsp::stft::Stft;
use dsp::welch::{WelchOptions, welch};
use dsp::window::Window;
use linalg::Complex;

fn transforms(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rfft");
    // Powers of two, sample rates, smooth odd lengths, primes.
    for n in [1024, 16_384, 48_000, 1125, 11_025, 99_225, 1009, 10_007, 100_003] {
        let x = uniform(1, n);
        let fft = RealFft::<f64>::new(n).expect("a length above 0");
        let mut spectrum = vec![Complex::ZERO; fft.bins()];
        let mut workspace = Workspace::default();
        fft.forward_into(&x, &mut spectrum, &mut workspace).expect("the planned length");
        let back = fft.inverse(&spectrum).expect("the planned length");
        assert!(back.iter().zip(&x).all(|(a, b)| (a - b).abs() < 1e-13), "{n} is wrong");
        group.bench_with_input(BenchmarkId::new("f64", n), &x, |bencher, x| {
            bencher.iter(|| fft.forward_into(black_box(x), &mut spectrum, &mut workspace));
        });
    }
    group.finish();
}

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frames");
    group.sample_size(10);
    let x = uniform(1, 441_000);
    let stft = Stft::new(2048, 512, Window::Hann).expect("a hop within the frame");
    let power = stft.power(&x, Scaling::Raw).expect("finite samples");
    let transforms = stft.forward(&x).expect("finite samples");
    let agrees = power.iter().zip(transforms.iter()).all(|(p, z)| (p - z.norm_sqr()).abs() < 1e-9);
    assert!(agrees, "the power is not that of the transforms");
    group.bench_function("stft/10s", |bencher| bencher.iter(|| stft.forward(black_box(&x))));
    group.bench_function("stft-power/10s", |bencher| {
        bencher.iter(|| stft.power(black_box(&x), Scaling::Raw));
    });
    let options = WelchOptions::default().len(2048).hop(512);
    // Uniform on [−1/2, 1/2): variance 1/12, at a rate of 2 a density of 1/12.
    let density = welch(&x, 2.0, &options).expect("finite samples").density;
    let mean = density.iter().sum::<f64>() / density.len() as f64;
    assert!((mean * 12.0 - 1.0).abs() < 0.02, "the density of noise is {mean}");
    group.bench_function("welch/10s", |bencher| {
        bencher.iter(|| welch(black_box(&x), 2.0, &options));
    });
    group.finish();
}

criterion_group!(benches, transforms, frames);
criterion_main!(benches);
