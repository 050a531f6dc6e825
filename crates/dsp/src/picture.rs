//! Pictures of short-time spectra, as one self-contained SVG file.
//!
//! Time runs to the right, frequency upwards, and color says decibels from dark to bright. The image inside is a
//! PNG of at most 800 × 400 cells; a cell shows the loudest of what falls into it, so that no line gets
//! lost. It is stored without compression, which takes about 400 kB and no library.

use std::fmt::Write;

use linalg::DMatrix;

use crate::spectrum::{Decibels, check_rate};
use crate::{Error, Result};

const WIDTH: usize = 800;
const HEIGHT: usize = 400;

/// The picture of `power`, bins × frames, `hop` samples apart at `sample_rate_hz`.
///
/// Decibels are of amplitudes √power: [`Scaling::Tone`](crate::spectrum::Scaling::Tone) and a reference of 1/√2 make a tone
/// of amplitude 1 show 0 dB. What is at or below the scale's floor is darkest, the loudest of all brightest.
///
/// # Errors
/// [`Error::Empty`] without bins or frames, [`Error::OutOfRange`] for a sample rate that is not positive and finite
/// or a hop of 0.
///
/// # Examples
/// ```
/// use dsp::{picture::spectrogram_svg, spectrum::{Decibels, Scaling}, stft::Stft, window::Window};
/// let x: Vec<f64> = (0..8000).map(|n| ((n * n) as f64 * 2e-4).cos()).collect();
/// let power = Stft::new(256, 64, Window::Hann)?.power(&x, Scaling::Tone)?;
/// let svg = spectrogram_svg(&power, 64, 8000.0, Decibels::new(0.5_f64.sqrt(), -80.0)?)?;
/// assert!(svg.starts_with("<svg") && svg.contains("data:image/png;base64,"));
/// # Ok::<(), dsp::Error>(())
/// ```
pub fn spectrogram_svg(
    power: &DMatrix<f64>,
    hop: usize,
    sample_rate_hz: f64,
    scale: Decibels,
) -> Result<String> {
    check_rate(sample_rate_hz)?;
    if hop == 0 {
        let expected = "at least 1 sample";
        return Err(Error::OutOfRange { argument: "hop", value: 0.0, expected });
    }
    if power.is_empty() {
        return Err(Error::Empty { argument: "power" });
    }
    let (bins, frames) = power.shape();
    let (width, height) = (frames.min(WIDTH), bins.min(HEIGHT));
    let loudest = power.iter().map(|&p| scale.of_power(p)).fold(scale.floor_db(), f64::max);
    let range = (loudest - scale.floor_db()).max(1e-9);
    let mut cells = vec![0; width * height];
    for (cell, color) in cells.iter_mut().enumerate() {
        // Rows of a picture run down.
        let (row, column) = (height - 1 - cell / width, cell % width);
        let (rows, columns) = (part(row, height, bins), part(column, width, frames));
        let block = power.view((rows.start, columns.start), (rows.len(), columns.len()));
        let level = (scale.of_power(block.max()) - scale.floor_db()) / range;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
        {
            *color = (255.0 * level.clamp(0.0, 1.0)).round() as u8;
        }
    }

    let image = base64(&png(&cells, width));
    let (seconds, top) = ((frames - 1) as f64 * hop as f64 / sample_rate_hz, sample_rate_hz / 2.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 960 480\" width=\"960\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"960\" height=\"480\" fill=\"white\"/>\n\
         <image x=\"70\" y=\"20\" width=\"{WIDTH}\" height=\"{HEIGHT}\" preserveAspectRatio=\"none\" \
         href=\"data:image/png;base64,{image}\"/>\n"
    );
    let mut label = |x: f64, y: f64, anchor: &str, text: String| {
        // Writing to a string does not fail.
        let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>");
    };
    for i in 0..=5 {
        let share = f64::from(i) / 5.0;
        label(70.0 + 800.0 * share, 440.0, "middle", format!("{:.3}", seconds * share));
        label(62.0, 424.0 - 400.0 * share, "end", format!("{:.0}", top * share));
        let decibels = scale.floor_db() + range * share;
        label(905.0, 424.0 - 400.0 * share, "start", format!("{decibels:.0}"));
    }
    label(470.0, 465.0, "middle", "time (s)".to_owned());
    label(70.0, 13.0, "middle", "frequency (Hz)".to_owned());
    label(900.0, 13.0, "middle", "dB".to_owned());
    for i in 0..40_u8 {
        let [red, green, blue] = color(i * 6 + i / 2);
        let y = 410 - 10 * u32::from(i);
        let _ = writeln!(
            svg,
            "<rect x=\"885\" y=\"{y}\" width=\"14\" height=\"10\" fill=\"rgb({red},{green},{blue})\"/>"
        );
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

/// The share of `total` that cell `index` of `cells` shows; never empty.
fn part(index: usize, cells: usize, total: usize) -> std::ops::Range<usize> {
    index * total / cells..(index + 1) * total / cells
}

/// From black by violet and orange to a pale yellow, ever brighter.
fn color(level: u8) -> [u8; 3] {
    const STOPS: [[f64; 3]; 6] = [
        [0.0, 0.0, 4.0],
        [66.0, 10.0, 104.0],
        [147.0, 38.0, 103.0],
        [221.0, 81.0, 58.0],
        [252.0, 165.0, 10.0],
        [252.0, 255.0, 164.0],
    ];
    let place = f64::from(level) / 51.0;
    let before = usize::from(level / 51).min(4);
    let share = place - before as f64;
    std::array::from_fn(|i| {
        let mixed = STOPS[before][i] * (1.0 - share) + STOPS[before + 1][i] * share;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
        {
            mixed.round() as u8
        }
    })
}

/// A PNG of one byte a cell with [`color`] as palette, stored (ISO/IEC 15948, RFC 1950, RFC 1951).
fn png(cells: &[u8], width: usize) -> Vec<u8> {
    let rows: Vec<u8> = cells.chunks(width).flat_map(|row| [&[0], row].concat()).collect();
    let mut stream = vec![0x78, 0x01];
    let blocks = rows.chunks(0xffff);
    let last = blocks.len() - 1;
    for (index, block) in blocks.enumerate() {
        let [low, high, ..] = block.len().to_le_bytes();
        stream.extend_from_slice(&[u8::from(index == last), low, high, !low, !high]);
        stream.extend_from_slice(block);
    }
    stream.extend_from_slice(&adler32(&rows).to_be_bytes());

    let size = |n: usize| {
        let [a, b, c, d, ..] = n.to_le_bytes();
        [d, c, b, a]
    };
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        let body = [&kind[..], data].concat();
        file.extend_from_slice(&size(data.len()));
        file.extend_from_slice(&body);
        file.extend_from_slice(&crc32(&body).to_be_bytes());
    };
    let header = [&size(width)[..], &size(cells.len() / width), &[8, 3, 0, 0, 0]].concat();
    chunk(b"IHDR", &header);
    chunk(b"PLTE", &(0..=255).flat_map(color).collect::<Vec<u8>>());
    chunk(b"IDAT", &stream);
    chunk(b"IEND", &[]);
    file
}

fn adler32(bytes: &[u8]) -> u32 {
    let step = |[a, b]: [u32; 2], &byte: &u8| {
        let a = (a + u32::from(byte)) % 65521;
        [a, (b + a) % 65521]
    };
    let [a, b] = bytes.iter().fold([1, 0], step);
    b << 16 | a
}

fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    let byte = |crc: u32, &byte: &u8| (0..8).fold(crc ^ u32::from(byte), bit);
    !bytes.iter().fold(!0, byte)
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let number =
            (0..3).fold(0, |n, i| n << 8 | usize::from(group.get(i).copied().unwrap_or(0)));
        for digit in 0..4 {
            let sextet = number >> (18 - 6 * digit) & 63;
            text.push(if digit <= group.len() { char::from(DIGITS[sextet]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Check values of the standards: CRC-32 of "123456789" (ISO 3309), Adler-32 of "Wikipedia"
    /// and the test vectors of RFC 4648, section 10.
    #[test]
    fn the_sums_and_digits_are_those_of_the_standards() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn the_loudest_cell_is_brightest_and_at_its_place() {
        // One cell a bin and a frame: the loud bin 1 of frame 2 is the middle row's last cell.
        let mut power = DMatrix::zeros(3, 3);
        power[(1, 2)] = 1.0;
        let svg = spectrogram_svg(&power, 10, 100.0, Decibels::new(1.0, -60.0).unwrap()).unwrap();
        let cells = [0, 0, 0, 0, 0, 255, 0, 0, 0];
        assert!(svg.contains(&base64(&png(&cells, 3))));
        assert!(
            svg.contains(">0.200</text>")
                && svg.contains(">50</text>")
                && svg.contains(">-60</text>")
        );
        assert_eq!((color(0), color(255)), ([0, 0, 4], [252, 255, 164]));
    }

    #[test]
    fn what_cannot_be_drawn_is_named() {
        let scale = Decibels::new(1.0, -60.0).unwrap();
        let text = |power: DMatrix<f64>, hop, rate| {
            spectrogram_svg(&power, hop, rate, scale).unwrap_err().to_string()
        };
        let one = DMatrix::zeros(1, 1);
        assert_eq!(
            text(DMatrix::zeros(0, 3), 1, 1.0),
            "power is empty; at least one sample is needed"
        );
        assert_eq!(text(one.clone(), 0, 1.0), "hop is 0, expected at least 1 sample");
        assert!(text(one, 1, f64::NAN).starts_with("sample_rate_hz is NaN"));
        // More bins and frames than cells, and fewer.
        for (bins, frames) in [(1, 1), (1025, 3), (2, 5000)] {
            assert!(spectrogram_svg(&DMatrix::zeros(bins, frames), 1, 1.0, scale).is_ok());
        }
    }
}
