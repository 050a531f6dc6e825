//! The side of `benches/peers/dsp_peaks.py` that is ours.
//!
//! Requests are lines on standard input: `load FILE` (doubles, little-endian), `time OPERATION
//! REPEATS` on what was loaded, answered by processor seconds of one, how many and a checksum; `case NAME=VALUE;...`, answered
//! by every property of every peak; `stream CASES SEED`, answered by the cases in which the stream
//! and the whole differ.

use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Instant;

use dsp::peaks::{
    Bound, Interval, NanPolicy, PeakOptions, PeakStream, find_peaks, local_maxima, peak_indices,
};
use dsp::wavelet::{DenoiseOptions, Mode, Wavelet, denoise};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

type Answer<T> = Result<T, Box<dyn Error>>;

fn main() -> Answer<()> {
    let mut x = Vec::new();
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (request, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match request {
            "load" => {
                let bytes = std::fs::read(rest)?;
                x = bytes.as_chunks::<8>().0.iter().map(|&b| f64::from_le_bytes(b)).collect();
                writeln!(out, "{}", x.len())?;
            }
            "time" => writeln!(out, "{}", time(rest, &x)?)?,
            "case" => writeln!(out, "{}", case(rest)?)?,
            "stream" => writeln!(out, "{}", stream(rest)?)?,
            _ => return Err(format!("not a request: {line}").into()),
        }
        out.flush()?;
    }
    Ok(())
}

/// Processor seconds of one of `repeats` runs, and what the last returns; what the others return is dropped
/// before the next begins. Where the system does not tell a process its processor time, the seconds of a
/// clock.
fn timed<R>(repeats: usize, mut run: impl FnMut() -> R) -> (f64, R) {
    let processor = || -> Option<f64> {
        let text = std::fs::read_to_string("/proc/self/schedstat").ok()?;
        text.split(' ').next()?.parse::<f64>().ok().map(|nanoseconds| nanoseconds * 1e-9)
    };
    let (clock, start) = (Instant::now(), processor());
    let mut result = run();
    for _ in 1..repeats {
        drop(result);
        result = run();
    }
    let seconds = processor().zip(start).map(|(end, start)| end - start);
    (seconds.unwrap_or(clock.elapsed().as_secs_f64()) / repeats as f64, result)
}

/// `OPERATION REPEATS`.
fn time(request: &str, x: &[f64]) -> Answer<String> {
    let (operation, repeats) = request.split_once(' ').ok_or("how often?")?;
    let repeats = repeats.parse()?;
    let plain = PeakOptions::default();
    let options = match operation {
        "indices" => {
            let (seconds, found) = timed(repeats, || peak_indices(x));
            return Ok(format!("{seconds:e} {} {}", found.len(), found.iter().sum::<usize>()));
        }
        "maxima" => {
            let (seconds, found) = timed(repeats, || local_maxima(x));
            let sum: usize = found.iter().map(|top| top.index).sum();
            return Ok(format!("{seconds:e} {} {sum}", found.len()));
        }
        "find" => plain,
        "distance" => plain.distance(50.0),
        "prominence" => plain.prominence(0.5..),
        "prominence-window" => plain.prominence(0.5..).window(201),
        "width" => plain.width(2.0..),
        "width-whole" => plain.width(2.0..).relative_height(1.0),
        "all" => plain.plateau_size(..).height(..).threshold(..).prominence(..).width(..),
        other => return wavelet(other, x, repeats),
    };
    let (seconds, found) = timed(repeats, || find_peaks(x, &options));
    let found = found?;
    let sum: usize = found.indices.iter().sum();
    Ok(format!("{seconds:e} {} {sum}", found.len()))
}

/// `dwt:NAME:LEVELS` there and back, or `denoise:NAME:LEVELS`.
fn wavelet(operation: &str, x: &[f64], repeats: usize) -> Answer<String> {
    let [what, name, levels] = operation.split(':').collect::<Vec<_>>()[..] else {
        return Err(format!("no operation {operation}").into());
    };
    let (wavelet, levels) = (Wavelet::new(name)?, levels.parse()?);
    let (seconds, y) = if what == "dwt" {
        timed(repeats, || wavelet.decompose(x, Mode::Symmetric, levels)?.reconstruct())
    } else {
        let options = DenoiseOptions::new(wavelet).levels(levels);
        timed(repeats, || denoise(x, &options).map(|denoised| denoised.signal))
    };
    let y = y?;
    Ok(format!("{seconds:e} {} {:e}", y.len(), y.iter().map(|y| y.abs()).sum::<f64>()))
}

fn numbers(text: &str) -> Answer<Vec<f64>> {
    Ok(text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}

/// A bound is a number, `none`, or numbers for each sample in brackets; `least` is none's.
fn bound<'a>(text: &str, none: f64, room: &'a mut Vec<f64>) -> Answer<Bound<'a>> {
    if text == "none" {
        return Ok(Bound::Value(none));
    }
    let Some(inside) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) else {
        return Ok(Bound::Value(text.parse()?));
    };
    *room = numbers(inside)?;
    Ok(Bound::PerSample(room))
}

fn case(text: &str) -> Answer<String> {
    let mut rooms = vec![Vec::new(); 10];
    let mut rooms = rooms.iter_mut();
    let mut x = Vec::new();
    let mut options = PeakOptions::default().nan(NanPolicy::Barrier);
    for field in text.split(';') {
        let (name, value) = field.split_once('=').ok_or("no value")?;
        match name {
            "x" => x = numbers(value)?,
            "distance" => options = options.distance(value.parse()?),
            "rel_height" => options = options.relative_height(value.parse()?),
            "wlen" => options = options.window(value.parse()?),
            _ => {
                let (min, max) = value.split_once(':').ok_or("no interval")?;
                let (low, high) = (rooms.next().ok_or("room")?, rooms.next().ok_or("room")?);
                let interval = Interval {
                    min: bound(min, f64::NEG_INFINITY, low)?,
                    max: bound(max, f64::INFINITY, high)?,
                };
                options = match name {
                    "height" => options.height(interval),
                    "threshold" => options.threshold(interval),
                    "prominence" => options.prominence(interval),
                    "width" => options.width(interval),
                    "plateau_size" => options.plateau_size(interval),
                    _ => return Err(format!("no option {name}").into()),
                };
            }
        }
    }
    // Where a case asks for no plateau or threshold, every peak meets these; SciPy's side asks for them too.
    if options.plateau_size.is_none() {
        options = options.plateau_size(..);
    }
    if options.threshold.is_none() {
        options = options.threshold(..);
    }
    let peaks = find_peaks(&x, &options)?;
    let rows = peaks.iter().map(|peak| {
        let mut row = peak.index.to_string();
        if let (Some(plateau), Some(thresholds)) = (peak.plateau, peak.thresholds) {
            row += &format!(" {} {} {:?}", plateau.left_edge, plateau.right_edge, peak.height);
            row += &format!(" {:?} {:?}", thresholds.left, thresholds.right);
        }
        if let Some(p) = peak.prominence {
            row += &format!(" {:?} {} {}", p.value, p.left_base, p.right_base);
        }
        if let Some(w) = peak.width {
            row += &format!(" {:?} {:?} {:?} {:?}", w.value(), w.level, w.left, w.right);
        }
        row
    });
    Ok(rows.collect::<Vec<_>>().join(","))
}

/// Random signals of ties, walks and plain noise, in random chunks.
fn stream(text: &str) -> Answer<usize> {
    let (cases, seed) = text.split_once(' ').ok_or("two numbers")?;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed.parse()?);
    let mut differing = 0;
    for case in 0..cases.parse::<usize>()? {
        let n = rng.random_range(0..400);
        let mut x: Vec<f64> = (0..n)
            .map(|_| match case % 3 {
                0 => rng.random_range(-1.0..1.0),
                _ => f64::from(rng.random_range(-3..4)),
            })
            .collect();
        if case % 3 == 2 {
            (1..n).for_each(|i| x[i] += x[i - 1]);
        }
        let least = [0.3, 1.0, 2.0, 5.0][rng.random_range(0..4)];
        let options = PeakOptions::default().plateau_size(..).prominence(least..);
        let whole = find_peaks(&x, &options)?.plateaus;
        let mut stream = PeakStream::new(least, NanPolicy::Refuse)?;
        let (mut found, mut rest) = (Vec::new(), &x[..]);
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(rng.random_range(1..=rest.len()));
            found.extend(stream.extend(chunk)?);
            rest = after;
        }
        differing += usize::from(!found.iter().map(|peak| peak.maximum).eq(whole));
    }
    Ok(differing)
}
