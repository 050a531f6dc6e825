//! What can be wrong with a request or a file.

use std::path::PathBuf;

use linalg::shown;

/// The result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is wrong, naming the argument or the file, what it was and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A signal without samples, where at least one is needed.
    #[error("{argument} is empty; at least one sample is needed")]
    Empty {
        /// The argument's name.
        argument: &'static str,
    },
    /// A signal whose length is not the one that was planned for.
    #[error("{argument} has {found} samples, expected {expected}")]
    Length {
        /// The argument's name.
        argument: &'static str,
        /// Its length.
        found: usize,
        /// The length it should have.
        expected: usize,
    },
    /// A NaN or an infinity among the samples.
    #[error("{argument}[{index}] is {value}, and every sample must be finite")]
    NotFinite {
        /// The argument's name.
        argument: &'static str,
        /// Index of the first such sample.
        index: usize,
        /// The sample.
        value: f64,
    },
    /// A NaN where it was not announced.
    #[error("{argument}[{index}] is NaN; with NanPolicy::Barrier it parts the signal there")]
    Nan {
        /// The argument's name.
        argument: &'static str,
        /// Index of the first NaN.
        index: usize,
    },
    /// A parameter outside its range.
    #[error("{argument} is {value}, expected {expected}", value = shown(.value))]
    OutOfRange {
        /// The argument's name.
        argument: &'static str,
        /// Its value.
        value: f64,
        /// What it should be, in words.
        expected: &'static str,
    },
    /// A wavelet that there is not.
    #[error("no wavelet is called {name:?}; db4, sym8, coif3 and bior4.4 are")]
    UnknownWavelet {
        /// The name.
        name: String,
    },
    /// Positions that do not go up.
    #[error(
        "{argument}[{index}] is {value}, which is not above the one before it",
        value = shown(.value)
    )]
    NotIncreasing {
        /// The argument's name.
        argument: &'static str,
        /// Index of the first such value.
        index: usize,
        /// The value.
        value: f64,
    },
    /// Interleaved samples that do not fill their last frame.
    #[error("{samples} interleaved samples do not make whole frames of {channels} channels")]
    PartialFrame {
        /// Samples given, over all channels.
        samples: usize,
        /// Channels per frame.
        channels: usize,
    },
    /// A recording with another number of channels than a policy is for.
    #[error("the recording has {found} channels, expected {expected}")]
    Channels {
        /// Its channels.
        found: usize,
        /// The channels that it should have.
        expected: usize,
    },
    /// An index at or beyond the end.
    #[error("{argument} is {index}, and there are {length}")]
    Index {
        /// The argument's name.
        argument: &'static str,
        /// Its value.
        index: usize,
        /// How many there are.
        length: usize,
    },
    /// Frames that do not overlap enough for a way back.
    #[error(
        "frames of {len} samples with a hop of {hop} leave out sample {index}; take a smaller hop"
    )]
    Overlap {
        /// The first sample that no window, or next to none, covers.
        index: usize,
        /// Samples from one frame to the next.
        hop: usize,
        /// Samples of a frame.
        len: usize,
    },
    /// A signal without a tone.
    #[error("no tone stands out: the samples are all the same, or next to")]
    NoTone,
    /// No series of partials stands out of the spectrum.
    #[error("no partials of a note between {low_hz} Hz and {high_hz} Hz stand out of the noise")]
    NoPitch {
        /// Lowest fundamental that was looked for.
        low_hz: f64,
        /// Highest.
        high_hz: f64,
    },
    /// More sources than the data can tell apart, or none.
    #[error(
        "{sources} sources cannot be told apart here, expected 1 to {limit}: fewer than a subarray's \
         length, and no more than the subarrays (twice as many forward-backward)"
    )]
    Sources {
        /// Sources asked for.
        sources: usize,
        /// The most there may be.
        limit: usize,
    },
    /// Samples that are all zero.
    #[error("{argument} holds nothing but zeros")]
    NoSignal {
        /// The argument's name.
        argument: &'static str,
    },
    /// A pulse whose band covers too few bins of the trace's transform.
    #[error(
        "the pulse's band holds {bins} bins of the trace's transform, and 4 are needed: a longer trace \
         or a wider band has more"
    )]
    NoBand {
        /// Bins in the band.
        bins: usize,
    },
    /// A matrix that could not be decomposed.
    #[error(transparent)]
    Linalg(#[from] linalg::Error),
    /// Text where a number should be.
    #[error("line {line}, column {column}: {field:?} is not a number")]
    NotANumber {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What stands there, its first 40 characters.
        field: String,
    },
    /// A file that cannot be opened.
    #[error("cannot open {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A reader that failed while the file was read.
    #[error("cannot read: {0}")]
    Read(#[from] std::io::Error),
    /// A file of another kind.
    #[error("not a WAV file: it does not begin with RIFF, a length and WAVE")]
    NotWav,
    /// A WAV file whose header contradicts itself or never comes to the samples.
    #[error("malformed WAV file: {reason}")]
    MalformedWav {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A WAV file that ends before its samples do.
    #[error("truncated WAV file: its header announces {expected} frames, {found} are there")]
    TruncatedWav {
        /// Frames that the header announces.
        expected: u64,
        /// Whole frames in the file.
        found: usize,
    },
    /// A WAV file with samples of an unknown kind.
    #[error(
        "WAV format {format:#06x} with {bits} bits per sample is not supported; PCM (0x0001) of \
         up to 32 bits and float (0x0003) of 32 and 64 bits are"
    )]
    UnsupportedWav {
        /// The format tag (of the sub-format, for an extensible header).
        format: u16,
        /// Bits of a sample's container.
        bits: u16,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The variants that no other module's tests spell out.
    #[test]
    fn the_texts_name_the_argument_its_value_and_what_was_expected() {
        let text = |error: Error| error.to_string();
        assert_eq!(
            text(Error::Length { argument: "x", found: 3, expected: 4 }),
            "x has 3 samples, expected 4"
        );
        assert_eq!(
            text(Error::NotFinite { argument: "x", index: 7, value: f64::INFINITY }),
            "x[7] is inf, and every sample must be finite"
        );
        assert_eq!(
            text(Error::Index { argument: "channel", index: 2, length: 2 }),
            "channel is 2, and there are 2"
        );
        assert_eq!(
            text(Error::from(std::io::Error::other("the disk is gone"))),
            "cannot read: the disk is gone"
        );
    }
}
