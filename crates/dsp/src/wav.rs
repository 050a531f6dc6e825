//! Sound from WAV files.
//!
//! Integers of 8, 16, 24 and 32 bits and floats of 32 and 64, plain, with an extensible header or as RF64,
//! any number of channels. Chunks other than format and samples are skipped. A file that ends
//! before its samples do is an error for [`read`], and as much sound as is there for [`salvage`].
//! Memory is only taken for samples that are there, whatever the header says.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use crate::audio::Audio;
use crate::{Error, Result};

const PCM: u16 = 0x0001;
const FLOAT: u16 = 0x0003;
const EXTENSIBLE: u16 = 0xfffe;
/// A length that says that the true one is elsewhere, or was not known when the header was written.
const ELSEWHERE: u64 = 0xffff_ffff;

/// Reads the WAV file at `path`, all of it or not at all.
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
    read_from(open(path.as_ref())?)
}

/// Reads a WAV file from `reader`, which is buffered here and read to the end of its samples.
///
/// # Errors
/// [`Error::NotWav`], [`Error::MalformedWav`], [`Error::UnsupportedWav`],
/// [`Error::TruncatedWav`] where the samples end before the header says so, [`Error::Empty`] where
/// there are none, [`Error::NotFinite`] for a NaN or an infinity among float samples,
/// [`Error::OutOfRange`] for a sample rate of 0, [`Error::Read`] where `reader` fails.
///
/// # Examples
/// ```
/// let page = b"<!DOCTYPE html><title>404 Not Found</title>";
/// let error = dsp::wav::read_from(&page[..]).unwrap_err();
/// assert!(error.to_string().starts_with("not a WAV file"));
/// ```
pub fn read_from(reader: impl Read) -> Result<Audio> {
    let Salvaged { audio, missing_frames } = salvage_from(reader)?;
    if missing_frames > 0 {
        let found = audio.frames();
        return Err(Error::TruncatedWav { expected: found as u64 + missing_frames, found });
    }
    Ok(audio)
}

/// The sound of a file that may have been cut short, and how much of it is missing.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Salvaged {
    /// The frames that are there.
    pub audio: Audio,
    /// The frames that the header announces and the file does not have: 0 for a whole file, and for one
    /// whose header was written before its length was known.
    pub missing_frames: u64,
}

/// Reads as many whole frames of the WAV file at `path` as there are.
///
/// # Errors
/// [`Error::Open`], and those of [`read_from`] but [`Error::TruncatedWav`].
///
/// # Examples
/// A download that stopped half way:
/// ```
/// let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/piano-c4.wav");
/// let bytes = std::fs::read(path)?;
/// let half = &bytes[..44 + 4 * 44100];
/// assert!(dsp::wav::read_from(half).is_err());
/// let salvaged = dsp::wav::salvage_from(half)?;
/// assert_eq!((salvaged.audio.frames(), salvaged.missing_frames), (44100, 44100));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn salvage(path: impl AsRef<Path>) -> Result<Salvaged> {
    salvage_from(open(path.as_ref())?)
}

/// As [`salvage`], from `reader`.
///
/// # Errors
/// Those of [`read_from`] but [`Error::TruncatedWav`].
pub fn salvage_from(reader: impl Read) -> Result<Salvaged> {
    let mut reader = BufReader::new(reader);
    let (format, announced) = header(&mut reader)?;
    let mut bytes = Vec::new();
    reader.take(announced.unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
    let frame = usize::from(format.frame_bytes);
    let missing = announced.unwrap_or(0).saturating_sub(bytes.len() as u64);
    let frames = bytes.len() / frame;
    let expected = (bytes.len() as u64 + missing) / frame as u64;
    let audio = Audio::from_interleaved(
        &format.samples(&bytes[..frames * frame]),
        usize::from(format.channels),
        f64::from(format.sample_rate_hz),
    )?;
    Ok(Salvaged { audio, missing_frames: expected - frames as u64 })
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|source| Error::Open { path: path.to_owned(), source })
}

/// How frames are stored.
struct Format {
    tag: u16,
    channels: u16,
    sample_rate_hz: u32,
    frame_bytes: u16,
}

impl Format {
    /// From the bytes of a format chunk. An extensible header has its true tag further on; its valid
    /// bits are the high ones of their bytes, so that the scale is that of the bytes.
    fn new(chunk: &[u8]) -> Result<Self> {
        let word = |at: usize| u16::from_le_bytes([chunk[at], chunk[at + 1]]);
        if chunk.len() < 16 {
            return Err(Error::MalformedWav { reason: "its format chunk has fewer than 16 bytes" });
        }
        let tag = if word(0) == EXTENSIBLE && chunk.len() >= 26 { word(24) } else { word(0) };
        let format = Self {
            tag,
            channels: word(2),
            sample_rate_hz: u32::from(word(4)) | u32::from(word(6)) << 16,
            frame_bytes: word(12),
        };
        let bits = word(14);
        if !matches!((tag, bits), (PCM, 1..=32) | (FLOAT, 32 | 64)) {
            return Err(Error::UnsupportedWav { format: tag, bits });
        }
        let needed = u32::from(format.channels) * u32::from(bits.div_ceil(8));
        if needed == 0 || u32::from(format.frame_bytes) != needed {
            let reason = "its bytes per frame are not those of its channels and bits";
            return Err(Error::MalformedWav { reason });
        }
        Ok(format)
    }

    /// The samples in whole frames of `bytes`.
    fn samples(&self, bytes: &[u8]) -> Vec<f64> {
        let width = usize::from(self.frame_bytes / self.channels);
        // An integer's bytes become the high ones of 32 bits.
        let integer = |bytes: [u8; 4]| f64::from(i32::from_le_bytes(bytes)) * f64::exp2(-31.0);
        let of = |sample: &[u8]| match (self.tag, sample) {
            (FLOAT, &[a, b, c, d]) => f64::from(f32::from_le_bytes([a, b, c, d])),
            (FLOAT, &[a, b, c, d, e, f, g, h]) => f64::from_le_bytes([a, b, c, d, e, f, g, h]),
            // Bytes alone have no sign; their zero is at 128.
            (_, &[a]) => integer([0, 0, 0, a ^ 0x80]),
            (_, &[a, b]) => integer([0, 0, a, b]),
            (_, &[a, b, c]) => integer([0, a, b, c]),
            (_, &[a, b, c, d]) => integer([a, b, c, d]),
            _ => 0.0,
        };
        bytes.chunks_exact(width).map(of).collect()
    }
}

/// Reads up to the first sample: the format, and the bytes of samples that follow where that is known.
fn header(reader: &mut impl Read) -> Result<(Format, Option<u64>)> {
    let mut riff = [0; 12];
    let found = fill(reader, &mut riff)?;
    let is_long = riff.starts_with(b"RF64");
    if found < 12 || !(is_long || riff.starts_with(b"RIFF")) || !riff.ends_with(b"WAVE") {
        return Err(Error::NotWav);
    }
    let (mut format, mut long_data) = (None, None);
    loop {
        let mut chunk = [0; 8];
        if fill(reader, &mut chunk)? < 8 {
            return Err(Error::MalformedWav { reason: "it ends before its data chunk" });
        }
        let (kind, length) = chunk.split_at(4);
        let bytes = u64::from(u32::from_le_bytes([length[0], length[1], length[2], length[3]]));
        if kind == b"data" {
            let format = format
                .ok_or(Error::MalformedWav { reason: "its data come before their format" })?;
            let announced = match bytes {
                ELSEWHERE => long_data,
                0 if riff[4..8] == [0; 4] => None,
                bytes => Some(bytes),
            };
            return Ok((format, announced));
        }
        // Chunks are padded to even lengths.
        let mut chunk = reader.by_ref().take(bytes + bytes % 2);
        let mut known = [0; 40];
        let found = match kind {
            b"fmt " | b"ds64" => fill(&mut chunk, &mut known)?,
            _ => 0,
        };
        match kind {
            b"fmt " => format = Some(Format::new(&known[..found])?),
            // The sizes of the file and of its data, in 64 bits each.
            b"ds64" if is_long && found >= 16 => {
                let size: [u8; 8] = std::array::from_fn(|i| known[8 + i]);
                long_data = Some(u64::from_le_bytes(size));
            }
            _ => {}
        }
        io::copy(&mut chunk, &mut io::sink())?;
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
    use hound::{SampleFormat, WavSpec, WavWriter};
    use linalg::Real as _;
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

    /// hound 3.5 writes, this reads; hound itself is not used to read, because it takes a truncated
    /// file for a broken reader, forgets the padding of odd chunks, and has no 64-bit floats.
    #[test]
    fn what_another_library_writes_is_read_back() {
        let x: Vec<f64> = (0..1000).map(|i| (f64::from(i) * 0.37).sin()).collect();
        for (bits, sample_format) in [
            (8, SampleFormat::Int),
            (16, SampleFormat::Int),
            (24, SampleFormat::Int),
            (32, SampleFormat::Int),
            (32, SampleFormat::Float),
        ] {
            for channels in [1, 2, 5] {
                let spec =
                    WavSpec { channels, sample_rate: 48_000, bits_per_sample: bits, sample_format };
                let mut file = io::Cursor::new(Vec::new());
                let mut writer = WavWriter::new(&mut file, spec).unwrap();
                let full = f64::exp2(f64::from(bits) - 1.0);
                for x in &x {
                    match sample_format {
                        SampleFormat::Float => writer.write_sample(f32::from_double(*x)).unwrap(),
                        #[expect(
                            clippy::cast_possible_truncation,
                            reason = "rounded, and below 2³¹"
                        )]
                        SampleFormat::Int => {
                            writer.write_sample((x * (full - 1.0)).round() as i32).unwrap();
                        }
                    }
                }
                writer.finalize().unwrap();
                let audio = read_from(&file.get_ref()[..]).unwrap();
                assert_eq!(
                    (audio.channels(), audio.frames(), audio.sample_rate_hz()),
                    (usize::from(channels), 1000 / usize::from(channels), 48_000.0)
                );
                let read = (0..audio.frames()).flat_map(|i| audio.each().map(move |c| c[i]));
                for (read, x) in read.zip(&x) {
                    // One step of the integers, half of which is their rounding.
                    assert!((read - x).abs() <= 1.5 / full.min(8e6), "{bits} bits: {read} for {x}");
                }
            }
        }
    }

    #[test]
    fn doubles_and_odd_widths_are_read() {
        let data: Vec<u8> = [-1.0_f64, 0.1].iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(
            samples(&file(&[(b"fmt ", &format(FLOAT, 1, 64)), (b"data", &data)])),
            [-1.0, 0.1]
        );
        // 12 bits are the high ones of two bytes.
        let mut twelve = format(PCM, 1, 16);
        twelve[14] = 12;
        assert_eq!(samples(&file(&[(b"fmt ", &twelve), (b"data", &[0, 0x40])])), [0.5]);
    }

    #[test]
    fn sixty_four_bit_files_and_unknown_lengths_are_read_to_their_end() {
        let mut sizes = [0; 28];
        sizes[8] = 4;
        let mut bytes = file(&[
            (b"ds64", &sizes),
            (b"fmt ", &format(PCM, 1, 16)),
            (b"data", &[0, 0x40, 0, 0xc0]),
        ]);
        bytes[..4].copy_from_slice(b"RF64");
        let length = bytes.len() - 8;
        bytes[length..length + 4].copy_from_slice(&[0xff; 4]);
        bytes.extend_from_slice(b"LIST after the samples");
        assert_eq!(samples(&bytes), [0.5, -0.5]);

        // A pipe: nobody went back to fill in the lengths.
        let mut pipe = file(&[(b"fmt ", &format(PCM, 1, 16)), (b"data", &[0, 0x40, 0, 0xc0, 9])]);
        pipe.pop();
        let length = pipe.len() - 9;
        for unknown in [[0xff; 4], [0; 4]] {
            pipe[length..length + 4].copy_from_slice(&unknown);
            pipe[4..8].copy_from_slice(&unknown);
            let salvaged = salvage_from(&pipe[..]).unwrap();
            assert_eq!(salvaged.audio.channel(0).unwrap(), [0.5, -0.5], "a half sample is left");
            assert_eq!(salvaged.missing_frames, 0);
        }
    }

    #[test]
    fn a_cut_file_is_salvaged_to_its_last_whole_frame() {
        let data: Vec<u8> = (0..40).collect();
        let whole = file(&[(b"fmt ", &format(PCM, 2, 16)), (b"data", &data)]);
        for cut in 0..=40 {
            let salvaged = salvage_from(&whole[..whole.len() - cut]);
            let frames = (40 - cut) / 4;
            if frames == 0 {
                assert!(matches!(salvaged, Err(Error::Empty { .. })));
                continue;
            }
            let salvaged = salvaged.unwrap();
            assert_eq!(salvaged.audio.frames(), frames);
            assert_eq!(salvaged.missing_frames, 10 - frames as u64);
            assert_eq!(read_from(&whole[..whole.len() - cut]).is_ok(), frames == 10);
        }
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
            "WAV format 0x0055 with 16 bits per sample is not supported; PCM (0x0001) of up \
             to 32 bits and float (0x0003) of 32 and 64 bits are"
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
            if let Ok(Salvaged { audio, .. }) = salvage_from(&bytes[..]) {
                prop_assert!(audio.channels() * audio.frames() <= bytes.len());
            }
        }
    }
}
