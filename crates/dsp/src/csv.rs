//! A column of numbers from the text of a CSV file.

use crate::{Error, Result};

/// The numbers in a column of `text`, the first of which is 1: fields between commas, a line each.
///
/// Lines before the first number are headings, blank lines are passed over. `nan` and `inf` are
/// numbers here; what they mean is for whoever reads the signal to say.
///
/// # Errors
/// [`Error::NotANumber`] with line and field, once there has been a number; [`Error::Empty`] where
/// there is none.
///
/// # Examples
/// ```
/// let text = "time,volts\n0.0, 1.5\n0.1,-2e-3\n";
/// assert_eq!(dsp::csv::column(text, 2)?, [1.5, -0.002]);
/// let broken = dsp::csv::column("1\n2\n3;4\n", 1).unwrap_err();
/// assert_eq!(broken.to_string(), "line 3, column 1: \"3;4\" is not a number");
/// # Ok::<(), dsp::Error>(())
/// ```
pub fn column(text: &str, column: usize) -> Result<Vec<f64>> {
    let mut numbers = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let field = line.split(',').nth(column.saturating_sub(1)).unwrap_or("").trim();
        match field.parse() {
            Ok(number) => numbers.push(number),
            Err(_) if numbers.is_empty() => {}
            Err(_) => {
                // A broken file may be one long field.
                let field = field.chars().take(40).collect();
                return Err(Error::NotANumber { line: index + 1, column, field });
            }
        }
    }
    if numbers.is_empty() {
        return Err(Error::Empty { argument: "the column" });
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::events::{EventOptions, EventStream, find_events};
    use crate::noise::{noise_floor, sliding_noise_floor};
    use crate::peaks::{NanPolicy, PeakOptions, PeakStream, Polarity, find_peaks, persistence};

    #[test]
    fn headings_and_blank_lines_are_passed_over() {
        assert_eq!(column("a,b\n\n(V),(A)\n1,2\n\n3,4", 1).unwrap(), [1.0, 3.0]);
        assert_eq!(
            column("a,b\n1", 2).unwrap_err().to_string(),
            "the column is empty; at least one sample is needed"
        );
        let long = format!("1\n{}", "x".repeat(1000));
        assert!(column(&long, 1).unwrap_err().to_string().len() < 80);
    }

    /// Everything that takes a signal, on `x`: what it gives fits the signal, or it is an error.
    fn survive(x: &[f64], distance: f64, window: usize) -> std::result::Result<(), TestCaseError> {
        for nan in [NanPolicy::Refuse, NanPolicy::Barrier, NanPolicy::Skip] {
            for polarity in [Polarity::Maxima, Polarity::Minima] {
                let all = PeakOptions::default()
                    .height(..)
                    .threshold(..)
                    .prominence(..)
                    .width(..)
                    .nan(nan)
                    .polarity(polarity);
                for options in [all.clone(), all.distance(distance).window(window)] {
                    let Ok(peaks) = find_peaks(x, &options) else { continue };
                    prop_assert!(peaks.len() <= x.len() / 2);
                    let inside = |index: usize| index + 1 < x.len() && index > 0;
                    prop_assert!(peaks.indices.iter().all(|&index| inside(index)));
                    prop_assert!(peaks.indices.is_sorted());
                }
            }
            let mut stream = PeakStream::new(1.0, nan).unwrap();
            if let Ok(peaks) = stream.extend(x) {
                prop_assert!(peaks.len() <= x.len());
            }
        }
        if let Ok(hills) = persistence(x) {
            prop_assert!(hills.len() <= x.len());
        }
        let floors =
            [noise_floor(x, 0.0).map(|floor| vec![floor]), sliding_noise_floor(x, 16, 1.0)];
        for floor in floors.into_iter().flatten() {
            if let Ok(events) = find_events(x, &floor, &EventOptions::default()) {
                let inside = events.iter().all(|event| {
                    event.onset <= event.apex
                        && event.apex <= event.offset
                        && event.offset < x.len()
                });
                prop_assert!(inside, "{events:?}");
            }
            let mut stream = EventStream::new(EventOptions::default()).unwrap();
            for (&sample, &floor) in x.iter().zip(floor.iter().cycle()) {
                // An error names the sample and leaves the stream as it was.
                let _ = stream.push(sample, floor);
            }
            let _ = stream.finish();
        }
        Ok(())
    }

    /// The first heartbeat and a half of a recording, as its file has it.
    fn file() -> Vec<u8> {
        let file = include_str!("../data/ecg-mitbih-208.csv");
        file.lines().take(160).flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn a_corrupt_file_is_read_or_refused_and_what_is_read_is_survived(
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            inserts in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..8), 0..4),
            cut in prop::option::of(any::<prop::sample::Index>()),
            distance in 1.0..50.0,
            window in 2_usize..300,
        ) {
            const TOKENS: [&[u8]; 8] =
                [b"nan\n", b"inf\n", b"-inf\n", b"1e308\n", b"-1.7e308\n", b"\n\n", b",", b"5e-324\n"];
            let mut bytes = file();
            for (at, value) in flips {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            for (at, token) in inserts {
                // At the beginning of a line, where a token makes a number of its own.
                let at = at.index(bytes.len());
                let at = bytes[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
                bytes.splice(at..at, TOKENS[token].iter().copied());
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            if let Ok(x) = column(&String::from_utf8_lossy(&bytes), 1) {
                prop_assert!(x.len() <= bytes.len());
                survive(&x, distance, window)?;
            }
        }

        /// Few levels, so that there are ties, plateaus and walls everywhere; lengths from 0.
        #[test]
        fn nothing_is_too_odd_a_signal(
            levels in prop::collection::vec(0_usize..9, 0..70),
            distance in 1.0..50.0,
            window in 2_usize..60,
        ) {
            const LEVELS: [f64; 9] =
                [0.0, -0.0, 1.0, 2.0, f64::MAX, f64::MIN, f64::INFINITY, f64::NAN, f64::MIN_POSITIVE];
            let x: Vec<f64> = levels.iter().map(|&level| LEVELS[level]).collect();
            survive(&x, distance, window)?;
        }
    }

    #[test]
    fn the_line_that_is_no_number_is_counted_from_one() {
        for (text, expected) in [("1\nx", 2), ("a\n\n1\n2\nx\n3", 5)] {
            let error = column(text, 1).unwrap_err();
            assert!(matches!(error, Error::NotANumber { line, .. } if line == expected), "{error}");
        }
    }
}
