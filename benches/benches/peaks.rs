//! Peaks, events and wavelets on signals that are easy and hard for them.

use std::hint::black_box;

use benches::uniform;
use criterion::{Criterion, criterion_group, criterion_main};
use dsp::events::{EventOptions, find_events};
use dsp::noise::noise_floor;
use dsp::peaks::{NanPolicy, PeakOptions, PeakStream, find_peaks, peak_indices};
use dsp::wavelet::{DenoiseOptions, Mode, Wavelet, denoise};

/// White noise, a slow sine in it, that in 8 bits and clipped, and a random walk.
fn signals(n: usize) -> [(&'static str, Vec<f64>); 4] {
    let white = uniform(1, n);
    let sine: Vec<f64> =
        white.iter().enumerate().map(|(i, noise)| (i as f64 * 0.01).sin() + 0.7 * noise).collect();
    let clipped = sine.iter().map(|x| (x * 127.0).round().clamp(-100.0, 100.0)).collect();
    let mut level = 0.0;
    let walk = white
        .iter()
        .map(|step| {
            level += step;
            level
        })
        .collect();
    [("white", white), ("sine", sine), ("clipped", clipped), ("walk", walk)]
}

fn peaks(criterion: &mut Criterion) {
    for n in [100_000, 1_000_000] {
        for (name, x) in signals(n) {
            let indices = peak_indices(&x);
            let found = find_peaks(&x, &PeakOptions::default()).expect("no NaN");
            assert!(found.indices == indices, "{name} at {n}");
            criterion.bench_function(&format!("peaks/indices/{name}/{n}"), |bencher| {
                bencher.iter(|| peak_indices(black_box(&x)));
            });
            let plain = PeakOptions::default;
            for (what, options) in [
                ("distance", plain().distance(50.0)),
                ("prominence", plain().prominence(0.5..)),
                ("width", plain().width(2.0..)),
            ] {
                criterion.bench_function(&format!("peaks/{what}/{name}/{n}"), |bencher| {
                    bencher.iter(|| find_peaks(black_box(&x), &options));
                });
            }
            criterion.bench_function(&format!("peaks/stream/{name}/{n}"), |bencher| {
                bencher.iter(|| PeakStream::new(0.5, NanPolicy::Refuse)?.extend(black_box(&x)));
            });
        }
    }
}

fn events(criterion: &mut Criterion) {
    let x = uniform(3, 1_000_000);
    let floor = noise_floor(&x, 0.0).expect("finite samples");
    let options = EventOptions::default().enter(1.5).leave(1.0);
    let found = find_events(&x, &[floor], &options).expect("a floor above 0");
    assert!(!found.is_empty(), "uniform noise passes 1.5 sigma");
    criterion.bench_function("events/floor/1000000", |bencher| {
        bencher.iter(|| noise_floor(black_box(&x), 0.0));
    });
    criterion.bench_function("events/find/1000000", |bencher| {
        bencher.iter(|| find_events(black_box(&x), &[floor], &options));
    });
}

fn wavelets(criterion: &mut Criterion) {
    let x = uniform(4, 1_000_000);
    for (name, levels) in [("haar", 15), ("db4", 6), ("sym8", 6), ("db20", 6), ("coif5", 6)] {
        let wavelet = Wavelet::new(name).expect("it is in the tables");
        let there_and_back =
            || wavelet.decompose(black_box(&x), Mode::Symmetric, levels)?.reconstruct();
        let back = there_and_back().expect("finite samples");
        assert!(back.iter().zip(&x).all(|(a, b)| (a - b).abs() < 1e-13), "{name}");
        criterion.bench_function(&format!("wavelet/dwt/{name}/1000000"), |bencher| {
            bencher.iter(there_and_back);
        });
        let options = DenoiseOptions::new(wavelet.clone()).levels(levels);
        criterion.bench_function(&format!("wavelet/denoise/{name}/1000000"), |bencher| {
            bencher.iter(|| denoise(black_box(&x), &options));
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = peaks, events, wavelets
}
criterion_main!(benches);
