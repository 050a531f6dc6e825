//! The data files, for tests.

use crate::audio::Audio;

/// Two seconds of a piano, "c3" or "c4".
pub(crate) fn recording(name: &str) -> Audio {
    crate::wav::read(format!("{}/data/piano-{name}.wav", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// 60 s of electrocardiogram at 360 Hz, in units of the converter.
pub(crate) fn ecg() -> Vec<f64> {
    let file = include_str!("../data/ecg-mitbih-208.csv");
    file.lines().skip(1).map(|line| line.parse().unwrap()).collect()
}

/// The same in millivolts.
pub(crate) fn ecg_millivolts() -> Vec<f64> {
    ecg().iter().map(|adc| (adc - 1024.0) / 200.0).collect()
}

/// Its local maxima by SciPy: index, left and right edge, prominence, left and right base.
pub(crate) fn ecg_peaks() -> Vec<[usize; 6]> {
    let file = include_str!("../data/ecg-peaks-scipy.csv");
    let row = |line: &str| {
        let numbers: Vec<usize> = line.split(',').map(|number| number.parse().unwrap()).collect();
        numbers.try_into().unwrap()
    };
    file.lines().skip(1).map(row).collect()
}
