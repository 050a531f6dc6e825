//! Sound from WAV files.
//!
//! Integers of 8, 16, 24 and 32 bits and 32-bit floats, plain or with an extensible header, any
//! number of channels. Chunks other than format and samples are skipped. A broken file gives an
//! error that says how; memory is only taken for samples that are there, whatever the header says.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use hound::{SampleFormat, WavReader};

use crate::audio::Audio;
use crate::{Error, Result};

const PCM: u16 = 0x0001;
const FLOAT: u16 = 0x0003;
const EXTENSIBLE: u16 = 0xfffe;

/// Reads the WAV file at `path`.
///
/// Integers of b bits become x/2^(b−1), so full scale is −1 to 1; floats stay as they are.
///
/// # Errors
/// [`Error::Open`] where there is no such file, and the errors of [`read_from`].
///
/// # Examples
/// ```
/// let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/piano-c4.wav");
/// let audio = dsp::wav::read(path)?;
/// assert_eq!((audio.channels(), audio.frames()), (2, 88200));
/// assert_eq!(audio.duration_s(), 2.0);
/// # Ok::<(), dsp::Error>(())
/// ```
pub fn read(path: impl AsRef<Path>) -> Result<Audio> {
    let path = path.as_ref();
    let file = File::open(path).map_err(|source| Error::Open { path: path.to_owned(), source })?;
    read_from(file)
}

/// Reads a WAV file from `reader`, which is buffered here and read to the end of its samples.
///
/// # Errors
/// [`Error::NotWav`], [`Error::MalformedWav`], [`Error::UnsupportedWav`],
/// [`Error::TruncatedWav`] where the samples end before the header says so, [`Error::Empty`] where
/// there are none, [`Error::NotFinite`] for a NaN or an infinity among float samples,
/// [`Error::Read`] where `reader` fails.
///
/// # Examples
/// ```
/// let page = b"<!DOCTYPE html><title>404 Not Found</title>";
/// let error = dsp::wav::read_from(&page[..]).unwrap_err();
/// assert!(error.to_string().starts_with("not a WAV file"));
/// ```
pub fn read_from(reader: impl Read) -> Result<Audio> {
    let mut reader = BufReader::new(reader);
    let header = header(&mut reader)?;
    let [format, bits] = [20, 34].map(|at| u16::from_le_bytes([header[at], header[at + 1]]));
    let failed = |error| match error {
        hound::Error::IoError(error) => Error::Read(error),
        hound::Error::FormatError(reason) => Error::MalformedWav { reason },
        _ => Error::UnsupportedWav { format, bits },
    };
    let mut wav = WavReader::new(Cursor::new(header).chain(reader)).map_err(failed)?;
    let spec = wav.spec();
    let channels = usize::from(spec.channels);
    let expected = wav.duration() as usize;

    let mut samples = Vec::new();
    let scale = f64::exp2(1.0 - f64::from(spec.bits_per_sample));
    let read = match spec.sample_format {
        SampleFormat::Int => gather(wav.samples::<i32>(), &mut samples, |x| f64::from(x) * scale),
        SampleFormat::Float => gather(wav.samples::<f32>(), &mut samples, f64::from),
    };
    if let Err(error) = read {
        // hound reports the end of the input as a failure to read; a second look tells.
        let ended = fill(&mut wav.into_inner(), &mut [0])? == 0;
        return Err(match error {
            hound::Error::IoError(error) if error.kind() == io::ErrorKind::Other && ended => {
                Error::TruncatedWav { expected, found: samples.len() / channels }
            }
            error => failed(error),
        });
    }
    Audio::from_interleaved(&samples, channels, f64::from(spec.sample_rate))
}

/// Appends what `from` yields until it ends or fails. What came before a failure stays.
fn gather<T>(
    from: impl Iterator<Item = hound::Result<T>>,
    to: &mut Vec<f64>,
    scaled: impl Fn(T) -> f64,
) -> hound::Result<()> {
    for sample in from {
        to.push(scaled(sample?));
    }
    Ok(())
}

/// Reads up to the first sample, and says the same in the plainest header there is.
///
/// The chunks are walked here and not by hound, which forgets the byte that pads a chunk of odd
/// length, takes the valid bits of an extensible header for the low ones (they are the high ones,
/// so the container as a whole has the right scale), and refuses long format chunks.
fn header(reader: &mut impl Read) -> Result<Vec<u8>> {
    let mut riff = [0; 12];
    if fill(reader, &mut riff)? < 12 || &riff[..4] != b"RIFF" || &riff[8..] != b"WAVE" {
        return Err(Error::NotWav);
    }
    let mut format = None;
    loop {
        let mut chunk = [0; 8];
        if fill(reader, &mut chunk)? < 8 {
            return Err(Error::MalformedWav { reason: "it ends before its data chunk" });
        }
        let (kind, length) = chunk.split_at(4);
        let bytes = u64::from(u32::from_le_bytes([length[0], length[1], length[2], length[3]]));
        if kind == b"data" {
            let plain: [u8; 16] = format
                .ok_or(Error::MalformedWav { reason: "its data come before their format" })?;
            return Ok([&riff[..], b"fmt \x10\0\0\0", &plain, &chunk].concat());
        }
        // Chunks are padded to even lengths.
        let mut chunk = reader.by_ref().take(bytes + bytes % 2);
        if kind == b"fmt " {
            format = Some(plain_format(&mut chunk)?);
        }
        io::copy(&mut chunk, &mut io::sink())?;
    }
}

/// The 16 bytes of a format chunk that matter: tag, channels, sample rate, bytes per second, bytes
/// per frame, bits per sample. An extensible header has its true tag further on.
fn plain_format(chunk: &mut impl Read) -> Result<[u8; 16]> {
    let mut bytes = [0; 40];
    let found = fill(chunk, &mut bytes)?;
    if found < 16 {
        return Err(Error::MalformedWav { reason: "its format chunk has fewer than 16 bytes" });
    }
    let mut plain = [0; 16];
    plain.copy_from_slice(&bytes[..16]);
    if u16::from_le_bytes([plain[0], plain[1]]) == EXTENSIBLE && found == 40 {
        plain[..2].copy_from_slice(&bytes[24..26]);
    }
    let format = u16::from_le_bytes([plain[0], plain[1]]);
    let bits = u16::from_le_bytes([plain[14], plain[15]]);
    match (format, bits) {
        (PCM, 8 | 16 | 24 | 32) | (FLOAT, 32) => Ok(plain),
        _ => Err(Error::UnsupportedWav { format, bits }),
    }
}

/// Reads until `buffer` is full or the input ends; how many bytes were there.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A WAV file with those chunks, each padded to an even length.
    fn file(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut body = b"WAVE".to_vec();
        for (kind, bytes) in chunks {
            body.extend_from_slice(*kind);
            body.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_le_bytes());
            body.extend_from_slice(bytes);
            body.resize(body.len().next_multiple_of(2), 0);
        }
        [b"RIFF", &u32::try_from(body.len()).unwrap().to_le_bytes(), &body[..]].concat()
    }

    /// A format chunk for 8 kHz.
    fn format(tag: u16, channels: u16, bits: u16) -> Vec<u8> {
        let frame = channels * (bits / 8);
        [
            &tag.to_le_bytes()[..],
            &channels.to_le_bytes(),
            &8000_u32.to_le_bytes(),
            &(8000 * u32::from(frame)).to_le_bytes(),
            &frame.to_le_bytes(),
            &bits.to_le_bytes(),
        ]
        .concat()
    }

    /// The same in extensible form, with that many valid bits.
    fn extensible(tag: u16, channels: u16, bits: u16, valid: u16) -> Vec<u8> {
        let guid = *b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71";
        [
            &format(EXTENSIBLE, channels, bits)[..],
            &22_u16.to_le_bytes(),
            &valid.to_le_bytes(),
            &3_u32.to_le_bytes(),
            &tag.to_le_bytes(),
            &guid,
        ]
        .concat()
    }

    fn samples(bytes: &[u8]) -> Vec<f64> {
        read_from(bytes).unwrap().channel(0).unwrap().to_vec()
    }

    fn text(bytes: &[u8]) -> String {
        read_from(bytes).unwrap_err().to_string()
    }

    #[test]
    fn every_width_has_its_full_scale_at_one() {
        let mono = |bits, data: &[u8]| {
            samples(&file(&[(b"fmt ", &format(PCM, 1, bits)), (b"data", data)]))
        };
        assert_eq!(mono(8, &[0, 128, 192]), [-1.0, 0.0, 0.5], "8 bits are unsigned");
        assert_eq!(mono(16, &[0, 0x80, 0, 0x40]), [-1.0, 0.5]);
        assert_eq!(mono(24, &[0, 0, 0x80, 1, 0, 0]), [-1.0, f64::exp2(-23.0)]);
        assert_eq!(mono(32, &[0, 0, 0, 0x80, 1, 0, 0, 0]), [-1.0, f64::exp2(-31.0)]);
        let data: Vec<u8> = [-1.0_f32, 0.25].iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(
            samples(&file(&[(b"fmt ", &format(FLOAT, 1, 32)), (b"data", &data)])),
            [-1.0, 0.25]
        );
    }

    #[test]
    fn extensible_headers_say_the_same() {
        let read = |tag, bits, valid, data: &[u8]| {
            samples(&file(&[(b"fmt ", &extensible(tag, 1, bits, valid)), (b"data", data)]))
        };
        assert_eq!(read(PCM, 16, 16, &[0, 0x40]), [0.5]);
        assert_eq!(read(PCM, 32, 24, &[0, 0, 0, 0x40]), [0.5], "valid bits are the high ones");
        assert_eq!(read(FLOAT, 32, 32, &0.5_f32.to_le_bytes()), [0.5]);
    }

    #[test]
    fn other_chunks_their_padding_and_longer_formats_are_skipped() {
        let mut long = format(PCM, 2, 16);
        long.extend_from_slice(&[4, 0, 1, 2, 3, 4]);
        let bytes = file(&[
            (b"LIST", b"an odd length"),
            (b"fmt ", &long),
            (b"fact", &[2, 0, 0, 0]),
            (b"data", &[0, 0x40, 0, 0xc0, 0, 0x20, 0, 0xe0]),
            (b"LIST", b"after the samples"),
        ]);
        let audio = read_from(&bytes[..]).unwrap();
        assert_eq!(audio.channel(0).unwrap(), [0.5, 0.25]);
        assert_eq!(audio.channel(1).unwrap(), [-0.5, -0.25]);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        assert_eq!(
            text(b"adc\n975\n981\n987\n989\n"),
            "not a WAV file: it does not begin with RIFF, a length and WAVE"
        );
        assert!(matches!(read_from(&[][..]), Err(Error::NotWav)), "nor is an empty one");

        let whole = file(&[(b"fmt ", &format(PCM, 2, 16)), (b"data", &[0; 40])]);
        // Ten frames of four bytes are announced; seven and a half are left.
        assert_eq!(
            text(&whole[..whole.len() - 10]),
            "truncated WAV file: its header announces 10 frames, 7 are there"
        );
        assert_eq!(text(&whole[..40]), "malformed WAV file: it ends before its data chunk");
        assert_eq!(
            text(&file(&[(b"data", &[0; 4]), (b"fmt ", &format(PCM, 2, 16))])),
            "malformed WAV file: its data come before their format"
        );
        assert_eq!(
            text(&file(&[(b"fmt ", &[1, 0, 1, 0]), (b"data", &[])])),
            "malformed WAV file: its format chunk has fewer than 16 bytes"
        );
        assert_eq!(
            text(&file(&[(b"fmt ", &format(0x0055, 2, 16)), (b"data", &[0; 4])])),
            "WAV format 0x0055 with 16 bits per sample is not supported; PCM (0x0001) of 8, 16, \
             24 and 32 bits and float (0x0003) of 32 bits are"
        );
        assert_eq!(
            text(&file(&[(b"fmt ", &format(PCM, 1, 16)), (b"data", &[])])),
            "samples is empty; at least one sample is needed"
        );
        let nan: Vec<u8> = [0.0, f32::NAN].iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(
            text(&file(&[(b"fmt ", &format(FLOAT, 1, 32)), (b"data", &nan)])),
            "samples[1] is NaN, and every sample must be finite"
        );
        let missing = read("no/such/file.wav").unwrap_err().to_string();
        assert!(missing.starts_with("cannot open no/such/file.wav: "), "{missing}");
    }

    #[test]
    fn a_reader_that_fails_is_not_a_short_file() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::new(io::ErrorKind::TimedOut, "the line is dead"))
            }
        }
        let whole = file(&[(b"fmt ", &format(PCM, 1, 16)), (b"data", &[0; 40])]);
        let error = read_from(whole[..60].chain(Broken)).unwrap_err();
        assert_eq!(error.to_string(), "cannot read: the line is dead");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// Whatever a broken disk makes of a file: a recording or an error, and never more samples
        /// than there are bytes.
        #[test]
        fn a_corrupt_file_is_read_or_refused(
            wide in any::<bool>(),
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            cut in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let header = if wide { extensible(PCM, 2, 24, 24) } else { format(PCM, 2, 16) };
            let mut bytes = file(&[(b"fmt ", &header), (b"LIST", b"odd"), (b"data", &[7; 48])]);
            for (at, value) in flips {
                // Nine in ten land in the header, where the harm is.
                let range = if value % 10 == 0 { bytes.len() } else { 80.min(bytes.len()) };
                let at = at.index(range);
                bytes[at] = value;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            if let Ok(audio) = read_from(&bytes[..]) {
                prop_assert!(audio.channels() * audio.frames() <= bytes.len());
            }
        }
    }
}
