//! What is fuzzed: every reader of the crates, and the algorithms that take a user's array. A target must return,
//! whatever the bytes are; what it calls may refuse them.

use std::io::Cursor;
use std::ops::ControlFlow;
use std::process::Command;
use std::time::Duration;

use dsp::audio::Audio;
use dsp::peaks::{CwtOptions, NanPolicy, PeakOptions, PeakStream};
use dsp::subspace::{DelayOptions, Layout, Options, SampleKind, Section, Smoothing, Sources};
use dsp::wavelet::{DenoiseOptions, Mode, Wavelet};
use dsp::window::Window;
use linalg::{Complex, DMatrix, DVector};
use nn_core::{
    Adam, Batch, Header, LabelledImages, Loss, MeanSquaredError, Network, SoftmaxCrossEntropy,
    Tanh, Trace, Trainer,
};
use nn_invert::{LayerwiseInverse, SearchOptions};
use quad::{
    Azimuths, Colatitudes, Direction, PointRule, Region, ScatteredRule, SolidAngle, SphereRule,
};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rl_pg::process::{Encoding, ExternalSimulator};
use rl_pg::{
    Actor, ArmHit, Beta, Categorical, DiagonalGaussian, FullGaussian, LearnOptions, Learner,
    LearnerState, MovementPrimitive, Outcome, Policy, RadialBases, Simulator,
};

/// A function of bytes, and bytes to begin with.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&[u8]),
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
}

const fn target(name: &'static str, run: fn(&[u8]), seeds: fn() -> Vec<Vec<u8>>) -> Target {
    Target { name, run, seeds }
}

pub(crate) const TARGETS: &[Target] = &[
    target("wav", wav, wav_seeds),
    target("csv", csv, csv_seeds),
    target("section", section, number_seeds),
    target("idx", idx, idx_seeds),
    target("weights", weights, weights_seeds),
    target("checkpoint", checkpoint, checkpoint_seeds),
    target("learner", learner, learner_seeds),
    target("requests", requests, request_seeds),
    target("answers", answers, answer_seeds),
    target("peaks", peaks, number_seeds),
    target("events", events, number_seeds),
    target("transforms", transforms, number_seeds),
    target("spectra", spectra, number_seeds),
    target("subspace", subspace, number_seeds),
    target("arrivals", arrivals, number_seeds),
    target("matrices", matrices, number_seeds),
    target("polynomials", polynomials, number_seeds),
    target("krylov", krylov, number_seeds),
    target("grids", grids, number_seeds),
    target("points", points, number_seeds),
    target("networks", networks, number_seeds),
    target("inverses", inverses, number_seeds),
    target("policies", policies, number_seeds),
    target("simulators", simulators, number_seeds),
];

/// Reads bytes as numbers, more of them extreme than in any file.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn number(&mut self) -> f64 {
        match self.byte() {
            0 => f64::NAN,
            1 => f64::INFINITY,
            2 => f64::NEG_INFINITY,
            3 => f64::MAX,
            4 => 5e-324,
            5 => 1e-310,
            6 => -1e300,
            7..16 => {
                let (bits, rest) = self.0.split_at(self.0.len().min(8));
                self.0 = rest;
                bits.try_into().map_or(0.0, f64::from_le_bytes)
            }
            small => f64::from(small as i8) / 16.0,
        }
    }

    /// Below `limit`, once in 16 far beyond it.
    fn count(&mut self, limit: usize) -> usize {
        match self.byte() {
            255 => usize::MAX,
            254 => usize::MAX / 2 + 1,
            byte => usize::from(byte) % limit,
        }
    }

    fn numbers(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.number()).collect()
    }

    /// As many as there are, up to `most`.
    fn list(&mut self, most: usize) -> Vec<f64> {
        let mut all = Vec::new();
        while all.len() < most && !self.0.is_empty() {
            all.push(self.number());
        }
        all
    }

    fn matrix(&mut self, most: usize) -> DMatrix<f64> {
        let (rows, columns) = (usize::from(self.byte()) % most, usize::from(self.byte()) % most);
        DMatrix::from_vec(rows, columns, self.numbers(rows * columns))
    }

    fn complex(&mut self, most: usize) -> Vec<Complex<f64>> {
        self.list(2 * most).chunks_exact(2).map(|pair| Complex::new(pair[0], pair[1])).collect()
    }

    fn direction(&mut self) -> Option<Direction> {
        Direction::from_angles(self.number(), self.number()).ok()
    }
}

/// Lists of small numbers, a ramp, a wave and one with every extreme.
fn number_seeds() -> Vec<Vec<u8>> {
    let wave = (0..200).map(|k| (64.0 + 40.0 * (f64::from(k) * 0.7).sin()) as u8).collect();
    let ramp = (16..=255).collect();
    let extremes = (0..120).map(|k| if k % 5 == 0 { k / 5 % 16 } else { 40 + k }).collect();
    let zeros = vec![16; 100];
    vec![wave, ramp, extremes, zeros, vec![], vec![33; 3]]
}

fn wav(bytes: &[u8]) {
    let (read, salvaged) = (dsp::wav::read_from(bytes), dsp::wav::salvage_from(bytes));
    assert!(read.is_err() || salvaged.is_ok(), "what is read can be salvaged");
    if let Ok(audio) = read {
        assert!(audio.each().all(|channel| channel.len() == audio.frames()));
    }
}

fn wav_seeds() -> Vec<Vec<u8>> {
    let file = |tag: u16, channels: u16, bits: u16, data: &[u8]| {
        let bytes = channels * bits / 8;
        let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
        file.extend([tag.to_le_bytes(), channels.to_le_bytes()].concat());
        file.extend([8000u32.to_le_bytes(), (8000 * u32::from(bytes)).to_le_bytes()].concat());
        file.extend([bytes.to_le_bytes(), bits.to_le_bytes()].concat());
        file.extend(b"data");
        file.extend((data.len() as u32).to_le_bytes());
        file.extend(data);
        let length = file.len() as u32 - 8;
        file[4..8].copy_from_slice(&length.to_le_bytes());
        file
    };
    let data: Vec<u8> = (0..48).map(|k| k * 5).collect();
    vec![
        file(1, 1, 16, &data),
        file(1, 2, 24, &data),
        file(1, 1, 8, &data),
        file(3, 1, 32, &data),
        file(3, 2, 64, &data),
    ]
}

fn csv(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for column in [0, 1, usize::MAX] {
        let _ = dsp::csv::column(&text, column);
    }
    for header in [Header::Present, Header::Absent] {
        if let Ok(images) = LabelledImages::<f64>::from_csv(bytes, header, 3) {
            let _ = images.scaled(0.5);
        }
    }
}

fn csv_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "t,x\n0,1.5\n1,2.5\n",
        "1,0.5,0.25\n0,1.5,2.5\n",
        "# c\n\"1\";2\r\n3;4",
        "1e308\n-1e-320\n",
        "NaN,inf\n",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

fn section(bytes: &[u8]) {
    let mut from = Bytes(bytes);
    let kinds = [
        SampleKind::Signed16,
        SampleKind::Offset16,
        SampleKind::Signed32,
        SampleKind::Offset32,
        SampleKind::Float32,
    ];
    let kind = kinds[usize::from(from.byte()) % kinds.len()];
    let layout = Layout::new(from.count(40), kind)
        .header_bytes(from.count(20))
        .trace_header_bytes(from.count(20));
    if let Ok(section) = Section::from_bytes(from.0, &layout, 1e-9) {
        let _ = section.dewowed(5e-9).and_then(|section| section.first_arrivals(3e-9));
    }
}

fn idx(bytes: &[u8]) {
    let (first, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let (images, labels) = rest.split_at(usize::from(*first).min(rest.len()));
    let _ = LabelledImages::<f64>::from_idx(Cursor::new(images), Cursor::new(labels), 10);
}

fn idx_seeds() -> Vec<Vec<u8>> {
    let images = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4];
    let labels = [0, 0, 8, 1, 0, 0, 0, 2, 0, 1];
    let packed = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    vec![[&[20], &images[..], &labels].concat(), [&[20], &packed[..], &labels].concat()]
}

fn rng() -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(7)
}

fn network(inputs: usize, outputs: usize) -> Option<Network<f64>> {
    Network::builder(inputs).dense(3).activation(Tanh).dense(outputs).build(&mut rng()).ok()
}

fn weights(bytes: &[u8]) {
    let Some(mut network) = network(2, 2) else { return };
    let before = network.parameters().clone();
    if network.load_safetensors(bytes).is_err() {
        assert_eq!(*network.parameters(), before, "what is refused changes nothing");
    }
}

fn weights_seeds() -> Vec<Vec<u8>> {
    network(2, 2).and_then(|network| network.to_safetensors().ok()).into_iter().collect()
}

fn trainer() -> Option<Trainer<f64>> {
    Some(Trainer::new(Adam::new(0.1).ok()?, Batch::Full, 1))
}

fn checkpoint(bytes: &[u8]) {
    let (Some(mut network), Some(mut trainer)) = (network(2, 2), trainer()) else { return };
    if trainer.load_safetensors(&mut network, bytes).is_ok() {
        let (x, targets) = (DMatrix::from_element(2, 3, 0.5), DMatrix::from_element(2, 3, 0.25));
        if let Ok(loss) = MeanSquaredError::new(&targets) {
            let _ = trainer.train(&mut network, &x, &loss, 2, |_| ControlFlow::Continue(()));
        }
    }
}

fn checkpoint_seeds() -> Vec<Vec<u8>> {
    let (Some(network), Some(trainer)) = (network(2, 2), trainer()) else { return Vec::new() };
    trainer.to_safetensors(&network).into_iter().collect()
}

fn new_learner() -> Option<Learner<f64, DiagonalGaussian>> {
    let actor = Actor::new(network(1, 1)?, vec![-1.0], DiagonalGaussian::from_parameters).ok()?;
    Learner::new(actor, LearnOptions::default(), 7).ok()
}

fn learner(bytes: &[u8]) {
    let (Ok(state), Some(mut learner)) = (LearnerState::from_bytes(bytes), new_learner()) else {
        return;
    };
    let _ = learner.resume(&state);
}

fn learner_seeds() -> Vec<Vec<u8>> {
    new_learner().map(|learner| learner.state().to_bytes()).into_iter().collect()
}

struct Square;

impl Simulator for Square {
    fn context_length(&self) -> usize {
        1
    }
    fn action_length(&self) -> usize {
        1
    }
    fn rollout(&mut self, _: &[f64], action: &[f64], _: u64) -> rl_pg::Result<Outcome> {
        Ok(Outcome { reward: -action[0] * action[0], metrics: Vec::new() })
    }
}

fn requests(bytes: &[u8]) {
    for encoding in [Encoding::Json, Encoding::Binary] {
        let _ = rl_pg::process::serve(&mut Square, "square", encoding, bytes, Vec::new());
    }
}

fn request_seeds() -> Vec<Vec<u8>> {
    let request = r#"{"id":1,"seed":0,"context":[0.25],"action":[0.5]}"#;
    let list = format!("[{request},{request}]\n");
    let mut binary = 32u32.to_le_bytes().to_vec();
    binary.extend(
        [1u64.to_le_bytes(), 7u64.to_le_bytes(), 0.5f64.to_le_bytes(), 0.25f64.to_le_bytes()]
            .concat(),
    );
    // 2.7 GB announced, and 12 bytes behind it.
    let announced = b"\xa5\xa2\xf5\xa4\xa4\xa4\x5b\xf8\0\0\x001[\n{}".to_vec();
    vec![
        format!("{request}\n").into_bytes(),
        list.into_bytes(),
        binary,
        b"[]\n[[[[\n{}".to_vec(),
        announced,
        // A frame of one request without its numbers, and a request with too few.
        [&16u32.to_le_bytes()[..], &[0; 16]].concat(),
        b"{\"id\":1,\"seed\":0,\"context\":[0.25],\"action\":[]}\n".to_vec(),
    ]
}

/// What another process may answer, its greeting included.
fn answers(bytes: &[u8]) {
    let file = std::env::temp_dir().join(format!("answers-{}", std::process::id()));
    if std::fs::write(&file, bytes).is_err() {
        return;
    }
    let mut command = Command::new("cat");
    command.arg(&file);
    let short = Duration::from_secs(5);
    let options = rl_pg::process::Options::default()
        .start_timeout(short)
        .reply_timeout(short)
        .retries(0)
        .restarts(0)
        .back_off(Duration::ZERO);
    if let Ok(mut simulator) = ExternalSimulator::start(command, options) {
        let of = |rows: usize| DMatrix::from_element(rows.min(50), 2, 0.5);
        let (contexts, actions) = (of(simulator.context_length()), of(simulator.action_length()));
        let _ = simulator.attempts(&contexts, &actions, &[1, 2]);
    }
    let _ = std::fs::remove_file(file);
}

fn answer_seeds() -> Vec<Vec<u8>> {
    let hello = r#"{"hello":"a","proto":1,"context":1,"action":1,"metrics":["m"],"batch":4}"#;
    let binary = r#"{"hello":"a","proto":1,"context":1,"action":1,"encoding":"binary"}"#;
    let answers = r#"[{"id":0,"reward":1.5,"metrics":[null]},{"id":1,"error":"no","retry":false}]"#;
    let mut bytes = format!("{binary}\n").into_bytes();
    for id in 0..2u64 {
        bytes.extend(24u32.to_le_bytes());
        bytes.extend([id.to_le_bytes(), 0u64.to_le_bytes(), 0.5f64.to_le_bytes()].concat());
    }
    vec![format!("{hello}\n{answers}\n").into_bytes(), bytes]
}

fn peaks(bytes: &[u8]) {
    let mut from = Bytes(bytes);
    let options = PeakOptions::default()
        .height(from.number()..)
        .threshold(..=from.number())
        .prominence(from.number()..)
        .width(from.number()..)
        .distance(from.number())
        .relative_height(from.number())
        .window(from.count(20));
    let policy =
        [NanPolicy::Refuse, NanPolicy::Barrier, NanPolicy::Skip][usize::from(from.byte() % 3)];
    let (levels, indices) = (from.number(), [from.count(50), from.count(50)]);
    let x = from.list(300);
    let _ = dsp::peaks::find_peaks(&x, &options);
    let _ = dsp::peaks::find_peaks(
        &x,
        &PeakOptions::default().prominence(0.0..).width(0.0..).nan(policy),
    );
    let _ = dsp::peaks::persistence(&x);
    let _ = dsp::peaks::local_maxima(&x);
    if let Ok(prominences) = dsp::peaks::prominences(&x, &indices, Some(indices[0])) {
        let _ = dsp::peaks::widths(&x, &indices, &prominences, levels);
    }
    if let Ok(mut stream) = PeakStream::new(levels, policy) {
        let _ = stream.extend(&x);
    }
    let _ = dsp::peaks::find_peaks_cwt(
        &x,
        &[1.0, 2.0, levels.clamp(-10.0, 10.0)],
        &CwtOptions::default(),
    );
}

fn events(bytes: &[u8]) {
    let mut from = Bytes(bytes);
    let options = dsp::events::EventOptions::default()
        .enter(from.number())
        .leave(from.number())
        .min_scope(from.count(20));
    let (block, resolution) = (from.count(40), from.number());
    let x = from.list(300);
    let _ = dsp::noise::noise_floor(&x, resolution);
    if let Ok(floor) = dsp::noise::sliding_noise_floor(&x, block, resolution) {
        let _ = dsp::events::find_events(&x, &floor, &options);
    }
}

fn transforms(bytes: &[u8]) {
    let mut from = Bytes(bytes);
    let (len, hop, levels) = (from.count(40), from.count(20), from.count(9));
    let x = from.list(300);
    if let Ok(spectrum) = dsp::fft::RealFft::new(x.len()).and_then(|plan| plan.forward(&x)) {
        assert_eq!(spectrum.len(), x.len() / 2 + 1);
    }
    if let Ok(plan) = dsp::stft::Stft::new(len, hop, Window::Hann)
        && let Ok(frames) = plan.forward(&x)
    {
        let _ = plan.inverse(&frames, x.len());
    }
    let modes = [
        Mode::Zero,
        Mode::Symmetric,
        Mode::Reflect,
        Mode::Smooth,
        Mode::Antireflect,
        Mode::Periodization,
    ];
    let Ok(wavelet) = Wavelet::new("db3") else { return };
    let _ = wavelet
        .decompose(&x, modes[len % modes.len()], levels)
        .and_then(|parts| parts.reconstruct());
    let _ =
        dsp::wavelet::denoise(&x, &DenoiseOptions::new(wavelet).levels(levels).spins(hop.min(4)));
    let _ = dsp::sliding::goertzel(&x, from.number());
}

fn spectra(bytes: &[u8]) {
    let mut from = Bytes(bytes);
    let (rate, len) = (from.number(), from.count(40));
    let x = from.list(300);
    let _ = dsp::tone::tone(&x, rate);
    if let Ok(spectrum) = dsp::spectrum::Spectrum::new(&x, rate, Window::Hann) {
        let _ = dsp::pitch::pitch(&spectrum, &dsp::pitch::PitchOptions::default());
    }
    let _ = dsp::welch::welch(&x, rate, &dsp::welch::WelchOptions::default().len(len));
    if let Ok(audio) = Audio::from_interleaved(&x, 1 + len % 2, rate) {
        let _ = dsp::octave::diagnose_octave(&audio, &dsp::octave::Reading::new(440.0));
    }
}

fn subspace(bytes: &[u8]) {
    let mut from = Bytes(bytes);
    let (known, length) = (from.count(4), from.count(8));
    let options = Options::default().sources(Sources::Known(known)).subarray(length);
    let signal = from.complex(40);
    let _ = dsp::subspace::tones(&signal, 8000.0, &options);
    let _ = dsp::subspace::tones(&signal, 8000.0, &Options::default());
    let _ = dsp::subspace::matrix_pencil(&signal, length, known);
    let snapshots = DMatrix::from_vec(4, signal.len() / 4, signal[..signal.len() / 4 * 4].to_vec());
    let _ = dsp::subspace::directions(&snapshots, 0.5, &options);
    let _ = dsp::subspace::Covariance::new(&snapshots, Smoothing::Forward { length });
}

fn arrivals(bytes: &[u8]) {
    let mut from = Bytes(bytes);
    let options = DelayOptions::default().band_db(from.number()).regularization(from.number());
    let (dt, size) = (from.number(), from.count(40));
    let (pulse, trace) = (from.numbers(8), from.list(200));
    let _ = dsp::subspace::delays(&trace, &pulse, 1e-9, &options);
    let _ = dsp::subspace::transfer_function(&trace, &pulse, dt, &DelayOptions::default());
    let _ = dsp::subspace::moveout(&pulse, &trace[..trace.len().min(8)]);
    if let Ok(section) = Section::new(&trace, size, dt) {
        let _ = section.first_arrivals(4.0 * dt);
    }
}

fn matrices(bytes: &[u8]) {
    let mut from = Bytes(bytes);
    let a = from.matrix(9);
    let b = DVector::from_vec(from.numbers(a.nrows()));
    let _ = linalg::Lu::new(a.clone()).and_then(|lu| lu.solve(&b));
    let _ = linalg::Cholesky::new(a.clone()).and_then(|factor| factor.solve(&b));
    let _ = linalg::Qr::new(a.clone()).and_then(|qr| qr.least_squares(&b));
    if let Ok(svd) = linalg::Svd::new(&a) {
        assert!(svd.singular_values.iter().all(|value| *value >= 0.0));
    }
    let _ = linalg::PseudoInverse::new(&a).and_then(|inverse| inverse.solve(&b));
    let _ = linalg::eigenvalues(&a);
    let _ = linalg::HermitianEigen::new(&a);
    let symmetric = DMatrix::from_fn(a.ncols(), a.ncols(), |i, j| {
        if i < a.nrows() && j < a.nrows() { a[(i.min(j), i.max(j))] } else { 0.0 }
    });
    let _ = linalg::HermitianEigen::new(&symmetric);
}

fn polynomials(bytes: &[u8]) {
    let mut from = Bytes(bytes);
    let coefficients = from.list(20);
    if let Ok(roots) = linalg::roots(&coefficients) {
        assert!(roots.values.iter().all(|root| root.re.is_finite() && root.im.is_finite()));
    }
    let half = coefficients.len() / 2;
    let _ = linalg::tridiagonal_eigen(&coefficients[..half], &coefficients[half..]);
    let _ = linalg::tridiagonal_spectrum(&coefficients[half..], &coefficients[..half]);
}

fn krylov(bytes: &[u8]) {
    use linalg::krylov::{Options, bicgstab, cg, gmres, lsmr, lsqr, solve};
    let mut from = Bytes(bytes);
    let (rows, columns) = (from.count(8), from.count(8));
    let mut triplets = Vec::new();
    for _ in 0..from.count(30).min(30) {
        triplets.push((from.count(8), from.count(8), from.number()));
    }
    let Ok(a) = linalg::Csr::from_triplets(rows, columns, &triplets) else { return };
    let b = from.numbers(rows.min(20));
    let options = || Options::default().iterations(50);
    for method in [solve, cg, gmres, bicgstab, lsmr, lsqr] {
        if let Ok(solution) = method(&a, &b, options()) {
            assert!(solution.iterations <= 60, "{}", solution.iterations);
        }
    }
}

fn grids(bytes: &[u8]) {
    let mut from = Bytes(bytes);
    let (rings, columns) = (from.count(12), from.count(12));
    let (theta, phi) = (from.numbers(rings.min(12)), from.numbers(columns.min(12)));
    // Equal steps, which random numbers never have.
    let step = |k: usize, n: usize, length: f64| length * k as f64 / n.max(1) as f64;
    let equal: Vec<f64> = (0..=rings.min(12)).map(|k| step(k, rings.min(12), 180.0)).collect();
    let around: Vec<f64> = (0..columns.min(12)).map(|k| step(k, columns, 360.0)).collect();
    let samples = from.list(200);
    for theta in [theta, equal] {
        for phi in [&phi, &around] {
            if let (Ok(theta), Ok(phi)) =
                (Colatitudes::from_degrees(&theta), Azimuths::from_degrees(phi))
                && let Ok(rule) = SphereRule::on_grid(SolidAngle, &theta, &phi)
            {
                let few: Vec<f64> = samples.iter().copied().cycle().take(rule.len()).collect();
                let _ = rule.integrate_samples(&few);
                let _ = rule.integrate_with_missing(&few, quad::Missing::Nan);
            }
        }
    }
}

fn points(bytes: &[u8]) {
    let mut from = Bytes(bytes);
    let (radius, degree) = (from.number(), from.count(30));
    let (theta, phi) = ([from.number(), from.number()], [from.number(), from.number()]);
    let points: Vec<Direction> =
        (0..usize::from(from.byte() % 40)).filter_map(|_| from.direction()).collect();
    if let Ok(rule) = ScatteredRule::new(&points) {
        let _ = rule.integrate_samples(&from.numbers(rule.len()));
    }
    let f = |at: &Direction| at.z();
    let pole = points.first().copied();
    let regions = [
        pole.and_then(|pole| Region::cap(&pole, radius).ok()),
        Region::polygon(&points).ok(),
        Region::latitude_longitude_box(theta, phi).ok(),
    ];
    for region in regions.into_iter().flatten() {
        assert!(region.area() >= 0.0);
        let _ = region.integrate(SolidAngle, degree.min(20), f);
    }
    let _ = PointRule::lebedev(SolidAngle, degree)
        .and_then(|rule| rule.integrate_samples(&from.list(200)));
}

fn networks(bytes: &[u8]) {
    let mut from = Bytes(bytes);
    let Some(mut network) = network(2, 2) else { return };
    for weight in network.parameters_mut() {
        *weight = from.number();
    }
    let x = DMatrix::from_vec(2, 3, from.numbers(6));
    let targets = DMatrix::from_vec(2, 3, from.numbers(6));
    let labels = [from.count(3), from.count(3), from.count(3)];
    let mut trace = Trace::new();
    let mut ask = |loss: &dyn Loss<f64>| network.loss_and_gradient(&x, loss, &mut trace).is_ok();
    let asked = [
        MeanSquaredError::new(&targets).map(|loss| ask(&loss)).is_ok(),
        SoftmaxCrossEntropy::new(&labels, 2).map(|loss| ask(&loss)).is_ok(),
    ];
    if asked[0]
        && let Some(mut trainer) = trainer()
        && let Ok(loss) = MeanSquaredError::new(&targets)
    {
        let _ = trainer.train(&mut network, &x, &loss, 2, |_| ControlFlow::Continue(()));
    }
    let _ = nn_core::error_rate(&targets, &labels);
    let _ = nn_core::tuning(targets.as_slice(), from.count(4), from.count(4));
}

fn inverses(bytes: &[u8]) {
    let mut from = Bytes(bytes);
    let (first, last) =
        (DMatrix::from_vec(2, 2, from.numbers(4)), DMatrix::from_vec(2, 2, from.numbers(4)));
    let network = Network::builder(2)
        .dense_from(first, vec![0.1; 2])
        .activation(Tanh)
        .dense_from(last, vec![0.0; 2]);
    let Ok(network) = network.build_given() else { return };
    let (target, seed) = (DVector::from_vec(from.numbers(2)), DVector::from_vec(from.numbers(2)));
    let _ = LayerwiseInverse::new(&network).and_then(|inverse| inverse.invert(&target));
    let options =
        SearchOptions::default().iterations(30).bounds(seed.add_scalar(-1.0), seed.add_scalar(1.0));
    let _ = nn_invert::search(&network, &target, &seed, &options, |_| ControlFlow::Continue(()));
    let _ = nn_invert::reach(&network, &target);
}

fn asked<P: Policy>(policy: rl_pg::Result<P>) {
    if let Ok(policy) = policy {
        let action = policy.sample(&mut rng());
        let _ = (policy.log_probability(&action), policy.entropy(), policy.fisher(), policy.mode());
        let _ = policy.score(&action, &mut vec![0.0; policy.parameter_count()]);
    }
}

fn policies(bytes: &[u8]) {
    let parameters = Bytes(bytes).list(20);
    asked(Categorical::from_parameters(&parameters));
    asked(DiagonalGaussian::from_parameters(&parameters));
    asked(FullGaussian::from_parameters(&parameters));
    asked(Beta::from_parameters(&parameters));
}

fn simulators(bytes: &[u8]) {
    let mut from = Bytes(bytes);
    let (ball, action) = (from.numbers(4), from.numbers(15));
    let _ = ArmHit::new().rollout(&ball, &action, 1);
    let (duration, start, goal) = (from.number(), from.number(), from.number());
    if let Ok(motion) =
        MovementPrimitive::new(duration, from.count(9).min(20), from.count(30).min(60))
    {
        let _ = motion.positions(start, goal, &from.numbers(5));
    }
    if let Ok(bases) = RadialBases::new(duration, from.count(9).min(20), start, goal) {
        let _ = bases.motion(start, &from.numbers(5), goal);
    }
}
