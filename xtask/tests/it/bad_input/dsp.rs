//! Rows of `dsp`.

use std::f64::consts::TAU;

use dsp::audio::Audio;
use dsp::events::{Edges, EventOptions, EventStream, find_events};
use dsp::fft::{PairFft, RealFft, Workspace, separate};
use dsp::noise::{NoiseFloor, noise_floor, sliding_noise_floor};
use dsp::octave::{Reading, diagnose_octave};
use dsp::peaks::{
    CwtOptions, NanPolicy, PeakOptions, PeakStream, Peaks, Prominence, find_peaks, find_peaks_cwt,
    local_maxima, peak_indices, persistence, prominences, widths,
};
use dsp::picture::spectrogram_svg;
use dsp::pitch::{PitchOptions, pitch};
use dsp::sliding::{SlidingDft, goertzel};
use dsp::spectrum::{Decibels, Scaling, Spectrum, SpectrumPlan};
use dsp::stft::Stft;
use dsp::subspace::{
    Array, Axis, ByteOrder, Covariance, DelayOptions, Grid, Layout, Method, NullSpectrum, Options,
    SampleKind, Section, Smoothing, Solution, Sources, Subspace, delays, directions, esprit,
    gaussian_pulse, matrix_pencil, moveout, ricker, sources, tones, transfer_function,
};
use dsp::tone::tone;
use dsp::wav;
use dsp::wavelet::{
    DenoiseOptions, Mode, Shrinkage, Stationary, Threshold, Wavelet, denoise, denoised_extrema,
};
use dsp::welch::{WelchOptions, cross_density, periodogram, welch};
use dsp::window::{Kaiser, Window};
use linalg::{Complex, DMatrix};

use super::{holds, row, shown};
use crate::bad_input::draw::Input;

/// A tone of 3.3 cycles in 64 samples, with a third of it at thrice the frequency.
fn signal() -> Vec<f64> {
    let tone = |cycles: f64, k: usize| (TAU * cycles * k as f64 / 64.0).sin();
    (0..64).map(|k| tone(3.3, k) + 0.3 * tone(9.9, k) + 0.01 * tone(27.0, k * k)).collect()
}

fn analytic(frequency: f64) -> Vec<Complex<f64>> {
    let rough = |k: usize| 0.01 * ((k * k) as f64).sin();
    (0..32)
        .map(|k| Complex::cis(TAU * frequency * k as f64) + Complex::new(rough(k), rough(k + 7)))
        .collect()
}

/// [`analytic`] with something wrong with it.
fn complex_tone(x: &Input) -> Vec<Complex<f64>> {
    let bad = [Complex::default(), f64::NAN.into(), 1e300.into(), 1e-310.into()];
    let mut all = vec![vec![], analytic(0.1)[..1].to_vec()];
    all.extend(bad.map(|sample| vec![sample; 32]));
    x.pick(analytic(0.1), all)
}

fn snapshots() -> DMatrix<Complex<f64>> {
    DMatrix::from_fn(6, 12, |i, j| {
        let phase = (j * j) as f64;
        Complex::cis(0.7 * i as f64 + phase)
            + Complex::cis(-0.4 * i as f64 + 2.0 * phase) * 0.5
            + Complex::new(0.01 * (i as f64 + 3.0 * phase).sin(), 0.0)
    })
}

fn subspace() -> dsp::Result<Subspace> {
    Subspace::new(&Covariance::new(&snapshots(), Smoothing::None)?)
}

fn trace() -> Vec<f64> {
    let pulse = ricker(400e6, 0.2e-9, 41).unwrap_or_default();
    let mut trace = vec![0.0; 256];
    for (k, p) in pulse.iter().enumerate() {
        trace[60 + k] += p;
        trace[110 + k] += 0.5 * p;
    }
    trace
}

fn section() -> dsp::Result<Section> {
    let traces: Vec<f64> = (0..3).flat_map(|_| trace()).collect();
    Section::new(&traces, 256, 0.2e-9)
}

fn wav_file() -> Vec<u8> {
    let mut file = b"RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x08\0\0\0".to_vec();
    file.extend([0, 1, 0, 2, 0, 3, 0, 4]);
    file
}

const FLOOR: NoiseFloor = NoiseFloor { center: 0.0, sigma: 0.1 };

#[test]
fn audio_and_files() {
    holds(&[
        row("Audio::from_interleaved", |x| {
            shown(Audio::from_interleaved(&x.slice(&signal()), x.count(2), x.number(8000.0))?)
        }),
        row("Audio::from_channels", |x| {
            let audio =
                Audio::from_channels(&[x.slice(&signal()), x.slice(&signal())], x.number(8000.0))?;
            shown((audio.mid(), audio.side()?, audio.duration_s(), audio.power_mean(Window::Hann)?))
        })
        .passes("per almost no hertz, or sums beyond the largest number"),
        row("Audio::channel", |x| {
            shown(Audio::from_interleaved(&signal(), 2, 8000.0)?.channel(x.count(1))?)
        }),
        row("csv::column", |x| {
            shown(dsp::csv::column(&x.text("t,x\n0,1.5\n1,2.5\n"), x.count(1))?)
        })
        .passes("NaN in a file marks what was not measured; peaks have a policy for it"),
        row("wav::read_from", |x| shown(wav::read_from(x.bytes(&wav_file()).as_slice())?)),
        row("wav::salvage_from", |x| shown(wav::salvage_from(x.bytes(&wav_file()).as_slice())?)),
    ]);
}

#[test]
fn events_and_noise() {
    holds(&[
        row("noise_floor", |x| shown(noise_floor(&x.slice(&signal()), x.number(0.0))?))
            .overflows("differences of sums beyond the largest number"),
        row("sliding_noise_floor", |x| {
            shown(sliding_noise_floor(&x.slice(&signal()), x.count(16), x.number(0.0))?)
        })
        .overflows("differences of sums beyond the largest number"),
        row("find_events", |x| {
            let floor = [NoiseFloor { center: x.number(0.0), sigma: x.number(0.1) }];
            let options = EventOptions::default()
                .enter(x.number(4.0))
                .leave(x.number(2.0))
                .edges(Edges::Slope(x.number(0.1)))
                .min_scope(x.count(2))
                .min_excess(x.number(0.0));
            shown(find_events(&x.slice(&signal()), &floor, &options)?)
        })
        .infinite("the signal over almost no noise"),
        row("EventOptions::for_false_alarms", |x| {
            let options = EventOptions::default().for_false_alarms(x.number(1e-3))?;
            shown((options, options.false_alarms_per_sample()))
        }),
        row("EventStream", |x| {
            let mut stream = EventStream::new(EventOptions::default().enter(x.number(4.0)))?;
            let mut events = Vec::new();
            for sample in x.slice(&signal()) {
                events.extend(stream.push(sample, FLOOR)?);
            }
            events.extend(
                stream.push(
                    x.number(1.0),
                    NoiseFloor { center: x.number(0.0), sigma: x.number(0.1) },
                )?,
            );
            events.extend(stream.finish());
            shown(events)
        })
        .infinite("the signal over almost no noise"),
    ]);
}

#[test]
fn transforms() {
    holds(&[
        row("RealFft", |x| {
            let plan = RealFft::<f64>::new(x.count(64))?;
            let spectrum = plan.forward(&x.slice(&signal()))?;
            shown((plan.inverse(&x.complex(&spectrum))?, spectrum))
        })
        .passes("a transform is a sum: what is not a number spreads"),
        row("RealFft::forward_into", |x| {
            let (plan, mut workspace) = (RealFft::new(64)?, Workspace::default());
            let (mut spectrum, mut back) =
                (x.complex(&[Complex::default(); 33]), x.slice(&[0.0; 64]));
            plan.forward_into(&x.slice(&signal()), &mut spectrum, &mut workspace)?;
            plan.inverse_into(&x.complex(&spectrum), &mut back, &mut workspace)?;
            shown((spectrum, back))
        })
        .passes("a transform is a sum: what is not a number spreads"),
        row("PairFft", |x| {
            let plan = PairFft::<f64>::new(x.count(64))?;
            let pair = plan.forward(&x.slice(&signal()), &x.slice(&signal()))?;
            shown((pair, plan.packed(&x.slice(&signal()), &x.slice(&signal()))?))
        })
        .passes("a transform is a sum: what is not a number spreads"),
        row("separate", |x| shown(separate(&x.complex(&analytic(0.1)))))
            .passes("a sum of two entries"),
        row("goertzel", |x| shown(goertzel(&x.slice(&signal()), x.number(3.0))?))
            .overflows("differences of sums beyond the largest number"),
        row("SlidingDft", |x| {
            let mut bins = SlidingDft::new(x.count(16), &x.counts(&[1, 3]))?;
            bins.push(x.number(1.0))?;
            bins.extend(&x.slice(&signal()))?;
            shown((bins.bins(), bins.recomputed()))
        })
        .overflows("differences of sums beyond the largest number"),
        row("Stft::new", |x| {
            let plan = Stft::<f64>::new(x.count(16), x.count(4), Window::Hann)?;
            shown((plan.len(), plan.hop(), plan.bins(), plan.frames(x.count(64))))
        }),
        row("Stft::forward", |x| {
            let plan = Stft::<f64>::new(16, 4, Window::Hann)?;
            let frames = plan.forward(&x.slice(&signal()))?;
            shown((plan.inverse(&x.complex_matrix(&frames), x.count(64))?, frames))
        })
        .passes("a transform is a sum: what is not a number spreads"),
        row("Stft::power", |x| {
            let plan = Stft::<f64>::new(16, 4, Window::Hann)?;
            let density = Scaling::Density { sample_rate_hz: x.number(8000.0) };
            let columns = DMatrix::from_fn(64, 2, |i, j| signal()[i] + j as f64);
            let mut again = x.matrix(&columns);
            plan.power_into(&x.slice(&signal()), density, &mut again)?;
            shown((
                again,
                plan.power(&x.slice(&signal()), density)?,
                plan.power_of_columns(&x.matrix(&columns), Scaling::Tone)?,
            ))
        })
        .passes("per almost no hertz, or sums beyond the largest number"),
        row("Wavelet", |x| {
            let wavelet = Wavelet::new(&x.text("db4"))?;
            let parts = wavelet.decompose(&x.slice(&signal()), Mode::Smooth, x.count(2))?;
            shown((wavelet.max_level(x.count(64)), parts.reconstruct()?, parts))
        })
        .overflows("differences of sums beyond the largest number"),
        row("Stationary", |x| {
            let parts = Stationary::new(&Wavelet::new("sym4")?, &x.slice(&signal()), x.count(2))?;
            shown((parts.reconstruct()?, parts))
        })
        .overflows("differences of sums beyond the largest number"),
        row("denoise", |x| {
            let options = DenoiseOptions::new(Wavelet::new("sym4")?)
                .levels(x.count(2))
                .spins(x.size(2))
                .threshold(Threshold::Fixed(x.number(0.1)))
                .shrinkage(Shrinkage::Firm(x.number(2.0)));
            shown(denoise(&x.slice(&signal()), &options)?)
        })
        .overflows("differences of sums beyond the largest number"),
        row("denoised_extrema", |x| {
            let options = DenoiseOptions::new(Wavelet::new("sym4")?);
            shown(denoised_extrema(&x.slice(&signal()), &options, &PeakOptions::default())?)
        })
        .overflows("differences of sums beyond the largest number"),
        row("Shrinkage::shrink", |x| {
            let (detail, threshold) = (x.number(1.0), x.number(0.5));
            let all = [
                Shrinkage::Soft,
                Shrinkage::Hard,
                Shrinkage::Garrote,
                Shrinkage::Firm(x.number(2.0)),
            ];
            shown(all.map(|rule| rule.shrink(detail, threshold)))
        })
        .passes("a function of a number"),
    ]);
}

#[test]
fn peaks() {
    holds(&[
        row("find_peaks", |x| {
            let positions: Vec<f64> = (0..64).map(f64::from).collect();
            let positions = x.slice(&positions);
            let options = PeakOptions::default()
                .height(x.number(-2.0)..=x.number(2.0))
                .threshold(x.number(0.0)..)
                .prominence(x.number(0.01)..)
                .width(..=x.number(50.0))
                .plateau_size(x.number(1.0)..)
                .distance(x.number(2.0))
                .relative_height(x.number(0.5))
                .window(x.count(33))
                .positions(&positions);
            let peaks = find_peaks(&x.slice(&signal()), &options)?;
            shown((Peaks::get(&peaks, x.count(0)), &peaks))
        })
        .infinite("the difference of numbers near the largest"),
        row("find_peaks, a limit for each sample", |x| {
            let limits = x.slice(&[-2.0; 64]);
            shown(find_peaks(&x.slice(&signal()), &PeakOptions::default().height(&limits[..]..))?)
        })
        .infinite("the difference of numbers near the largest"),
        row("find_peaks, NaN is a barrier", |x| {
            shown(find_peaks(&x.slice(&signal()), &PeakOptions::default().nan(NanPolicy::Barrier))?)
        })
        .infinite("the difference of numbers near the largest"),
        row("local_maxima", |x| {
            let x = x.slice(&signal());
            shown((local_maxima(&x), peak_indices(&x)))
        }),
        row("persistence", |x| shown(persistence(&x.slice(&signal()))?))
            .passes("the highest hill has no saddle, and dies at minus infinity"),
        row("prominences", |x| {
            let peaks = peak_indices(&signal());
            shown(prominences(&x.slice(&signal()), &x.counts(&peaks), Some(x.count(33)))?)
        })
        .infinite("the difference of numbers near the largest"),
        row("widths", |x| {
            let peaks = peak_indices(&signal());
            let good = prominences(&signal(), &peaks, None)?;
            let bad =
                Prominence { value: x.number(0.5), left_base: x.count(0), right_base: x.count(20) };
            let given = x.pick(good.clone(), vec![vec![], vec![bad], vec![bad; good.len()]]);
            shown(widths(&x.slice(&signal()), &x.counts(&peaks), &given, x.number(0.5))?)
        })
        .infinite("the difference of numbers near the largest"),
        row("widths of a prominence", |x| {
            let bad =
                Prominence { value: x.number(0.5), left_base: x.count(0), right_base: x.count(20) };
            shown(widths(&signal(), &[5], &[bad], 0.5)?)
        })
        .infinite("a height below the smallest number"),
        row("PeakStream", |x| {
            let mut stream = PeakStream::new(x.number(0.1), NanPolicy::Refuse)?;
            shown(stream.extend(&x.slice(&signal()))?)
        })
        .infinite("infinity is a height like another"),
        row("find_peaks_cwt", |x| {
            let options = CwtOptions::default()
                .gap(x.count(2))
                .min_length(x.count(2))
                .min_snr(x.number(1.0))
                .noise_percentile(x.number(10.0))
                .window(x.count(8));
            let signal = x.pick(
                signal(),
                vec![
                    vec![],
                    vec![1.0],
                    vec![0.0; 64],
                    vec![f64::NAN; 64],
                    vec![f64::MAX; 64],
                    vec![5e-324; 64],
                ],
            );
            shown(find_peaks_cwt(
                &signal,
                &x.pick(
                    vec![1.0, 2.0, 3.0],
                    vec![
                        vec![],
                        vec![0.0],
                        vec![-1.0],
                        vec![f64::NAN],
                        vec![f64::INFINITY],
                        vec![1e300],
                        vec![5e-324],
                    ],
                ),
                &options,
            )?)
        }),
    ]);
}

#[test]
fn spectra() {
    holds(&[
        row("Spectrum", |x| {
            let spectrum = Spectrum::new(&x.slice(&signal()), x.number(8000.0), Window::Hann)?;
            shown((spectrum.amplitudes(), spectrum.bin_width_hz()))
        })
        .overflows("differences of sums beyond the largest number"),
        row("SpectrumPlan", |x| {
            let plan = SpectrumPlan::new(x.size(64), x.number(8000.0), Window::Hann)?;
            shown(plan.spectrum(&x.slice(&signal()))?)
        })
        .overflows("differences of sums beyond the largest number"),
        row("Spectrum::amplitude", |x| {
            let s = Spectrum::new(&signal(), 8000.0, Window::Hann)?;
            shown((
                s.frequency_hz(x.count(3)),
                s.amplitude(x.count(3)),
                s.power(x.count(3)),
                s.density(x.count(3)),
            ))
        }),
        row("Decibels", |x| {
            let scale = Decibels::new(x.number(1.0), x.number(-120.0))?;
            shown((
                scale.of_amplitude(x.number(0.5)),
                scale.of_power(x.number(0.5)),
                scale.floor_db(),
            ))
        })
        .passes("the logarithm of a quotient"),
        row("pitch", |x| {
            let spectrum = Spectrum::new(&x.slice(&signal()), x.number(8000.0), Window::Hann)?;
            let options = PitchOptions::default()
                .low_hz(x.number(100.0))
                .high_hz(x.number(3000.0))
                .range_db(x.number(60.0));
            let found = pitch(&spectrum, &options)?;
            shown((found.strongest(), found.frequency_hz))
        })
        .overflows("differences of sums beyond the largest number"),
        row("diagnose_octave", |x| {
            let audio = Audio::from_interleaved(&signal(), 1, 8000.0)?;
            let reading = Reading::new(x.number(412.0))
                .sample_rate_hz(x.number(8000.0))
                .axis(x.number(125.0), x.count(64));
            shown(diagnose_octave(&audio, &reading)?)
        })
        .infinite("the ratio of two frequencies, one of them almost 0"),
        row("spectrogram_svg", |x| {
            let power = DMatrix::from_fn(9, 4, |i, j| 0.01 + (i * j) as f64);
            let scale = Decibels::new(1.0, -120.0)?;
            shown(spectrogram_svg(&x.matrix(&power), x.count(4), x.number(8000.0), scale)?.len())
        }),
        row("tone", |x| shown(tone(&x.slice(&signal()), x.number(8000.0))?))
            .overflows("differences of sums beyond the largest number"),
        row("welch", |x| {
            let options = WelchOptions::default().len(x.count(16)).hop(x.count(8));
            shown(welch(&x.slice(&signal()), x.number(8000.0), &options)?)
        })
        .passes("per almost no hertz, or sums beyond the largest number"),
        row("periodogram", |x| {
            shown(periodogram(&x.slice(&signal()), x.number(8000.0), Window::Hann)?)
        })
        .passes("per almost no hertz, or sums beyond the largest number"),
        row("cross_density", |x| {
            let options = WelchOptions::default().len(16);
            let (a, b) = (x.slice(&signal()), x.slice(&signal()));
            shown(cross_density(&a, &b, x.number(8000.0), &options)?)
        })
        .passes("products of numbers beyond the largest, or densities per almost no hertz"),
        row("Window", |x| {
            let kaiser = Window::Kaiser(Kaiser::new(x.number(8.0))?);
            let len = x.pick(16, vec![0, 1, 2, 100_000]);
            shown(
                [kaiser, Window::Hann, Window::FlatTop].map(|window| Window::samples(window, len)),
            )
        }),
    ]);
}

#[test]
fn arrivals() {
    holds(&[
        row("Covariance", |x| {
            let smoothing = Smoothing::ForwardBackward { length: x.count(4) };
            let covariance = Covariance::new(&x.complex_matrix(&snapshots()), smoothing)?;
            let subspace = Subspace::new(&covariance)?;
            shown((subspace.source_count().by_mdl(), subspace.values))
        })
        .overflows("differences of sums beyond the largest number"),
        row("directions", |x| {
            let options =
                Options::default().sources(Sources::Known(x.count(2))).subarray(x.count(4));
            shown(directions(&x.complex_matrix(&snapshots()), x.number(0.5), &options)?)
        })
        .passes("sensors next to no wavelength apart: NaN for phases that no direction has"),
        row("tones", |x| {
            let options = Options::default().sources(Sources::Known(x.count(1)));
            shown(tones(&complex_tone(x), x.number(8000.0), &options)?)
        }),
        row("sources", |x| {
            let options = Options::default().subarray(x.count(4));
            shown(sources(&x.complex_matrix(&snapshots()), Axis::delay(x.number(1e6))?, &options)?)
        }),
        row("Axis", |x| {
            let axes = [
                Axis::frequency(x.number(8000.0))?,
                Axis::delay(x.number(1e6))?,
                Axis::direction(x.number(0.5))?,
            ];
            let at = x.number(0.3);
            shown(axes.map(|axis| {
                (
                    Axis::angle(&axis, at),
                    Axis::value(&axis, at),
                    Axis::slope(&axis, at),
                    Axis::extent(&axis),
                )
            }))
        })
        .passes("functions of a number; a direction beyond the end of its axis is NaN"),
        row("NullSpectrum", |x| {
            let spectrum = NullSpectrum::new(&subspace()?, x.count(2), Method::Music)?;
            let grid = Grid::new(x.pick(64, vec![0, 1, 2, 1000]))?;
            shown((
                Grid::angle(&grid, 3),
                spectrum.on(&grid),
                spectrum.minima(&grid),
                spectrum.root_angles()?,
            ))
        }),
        row("NullSpectrum::at", |x| {
            let grid = Grid::new(16)?;
            shown((
                NullSpectrum::new(&subspace()?, 2, Method::Music)?.at(x.number(0.3)),
                Grid::angle(&grid, x.count(3)),
            ))
        })
        .passes("functions of a number"),
        row("esprit", |x| shown(esprit(&subspace()?, x.count(2), Solution::TotalLeastSquares)?)),
        row("matrix_pencil", |x| shown(matrix_pencil(&complex_tone(x), x.count(10), x.count(1))?)),
        row("Array", |x| {
            let place = |x: f64| [x, 0.0, 0.0];
            let positions: Vec<_> = (0..6).map(|k| place(0.5 * f64::from(k))).collect();
            let bad = [f64::NAN, f64::INFINITY, f64::MAX, 5e-324].map(|x| vec![place(x); 6]);
            let mut all = bad.to_vec();
            all.extend([vec![], vec![place(0.0)], vec![place(0.0); 6]]);
            let array = Array::new(&x.pick(positions, all))?;
            let steering = Array::steering(&array, [x.number(1.0), x.number(0.0), 0.0])?;
            let two = [x.complex(&steering), steering];
            shown(Array::null_spectrum(&array, &subspace()?, x.count(2), Method::Music, &two)?)
        })
        .overflows("a spectrum of positions beyond the largest number of wavelengths"),
        row("ricker", |x| {
            let samples = x.pick(41, vec![0, 1, 2, 1001]);
            shown(ricker(x.number(400e6), x.number(0.2e-9), samples)?)
        })
        .overflows("differences of sums beyond the largest number"),
        row("gaussian_pulse", |x| {
            let samples = x.pick(41, vec![0, 1, 2, 1001]);
            shown(gaussian_pulse(x.number(400e6), x.number(100e6), x.number(0.2e-9), samples)?)
        })
        .overflows("differences of sums beyond the largest number"),
        row("delays", |x| {
            let options = DelayOptions::default()
                .band_db(x.number(10.0))
                .regularization(x.number(1e-3))
                .gate_s(x.number(0.0)..x.number(40e-9));
            let pulse = ricker(400e6, 0.2e-9, 41)?;
            shown(delays(&x.slice(&trace()), &x.slice(&pulse), x.number(0.2e-9), &options)?)
        }),
        row("transfer_function", |x| {
            let (pulse, options) = (ricker(400e6, 0.2e-9, 41)?, DelayOptions::default());
            shown(transfer_function(
                &x.slice(&trace()),
                &x.slice(&pulse),
                x.number(0.2e-9),
                &options,
            )?)
        }),
        row("Section", |x| {
            let section = Section::new(&x.slice(&trace()), x.count(256), x.number(0.2e-9))?;
            shown((section.trace(x.count(0)).len(), section.traces()))
        }),
        row("Section::from_i16", |x| {
            let i16s = x.pick(vec![1i16; 8], vec![vec![], vec![i16::MIN; 8], vec![0; 7]]);
            let i32s = x.pick(vec![1i32; 8], vec![vec![], vec![i32::MIN; 8], vec![0; 7]]);
            let (samples, dt_s) = (x.count(4), x.number(1e-9));
            shown((
                Section::from_i16(&i16s, samples, dt_s)?,
                Section::from_i32(&i32s, samples, dt_s)?,
            ))
        }),
        row("Section::from_bytes", |x| {
            let layout = Layout::new(x.count(4), SampleKind::Float32)
                .header_bytes(x.count(8))
                .trace_header_bytes(x.count(4))
                .byte_order(ByteOrder::Big);
            shown(Section::from_bytes(&x.bytes(&[1; 8 + 2 * 20]), &layout, x.number(1e-9))?)
        }),
        row("Section::first_arrivals", |x| {
            let section = section()?.dewowed(x.number(10e-9))?.from_time_zero(x.number(2e-9))?;
            shown(section.first_arrivals(x.number(2.5e-9))?)
        }),
        row("Section::delays", |x| {
            let pulse = x.slice(&ricker(400e6, 0.2e-9, 41)?);
            let all: Result<Vec<_>, _> =
                Section::delays(&section()?, &pulse, &DelayOptions::default())
                    .into_iter()
                    .collect();
            shown(all?)
        }),
        row("moveout", |x| {
            let metres: Vec<f64> = (1..9).map(f64::from).collect();
            let times: Vec<f64> = metres.iter().map(|m| 1e-8 + m * 1e-8).collect();
            shown(moveout(&x.slice(&metres), &x.slice(&times))?)
        })
        .infinite("the velocity of a wave that reaches all offsets at once"),
    ]);
}
