//! How the samples of a radar section stand in a file.

use crate::{Error, Result};

/// What a sample is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SampleKind {
    /// Two bytes with a sign.
    Signed16,
    /// Two bytes without a sign, 32,768 being zero (offset binary).
    Offset16,
    /// Four bytes with a sign.
    Signed32,
    /// Four bytes without a sign, 2,147,483,648 being zero.
    Offset32,
    /// Four bytes, IEEE floating point.
    Float32,
}

impl SampleKind {
    fn bytes(self) -> usize {
        match self {
            Self::Signed16 | Self::Offset16 => 2,
            Self::Signed32 | Self::Offset32 | Self::Float32 => 4,
        }
    }
}

/// Which byte of a sample comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ByteOrder {
    /// The least significant.
    #[default]
    Little,
    /// The most significant.
    Big,
}

/// Traces one after the other, each after a header of its own, all after a header of the file.
///
/// | file | layout of n samples per trace |
/// |---|---|
/// | Sensors & Software, DT1 | `new(n, Signed16).trace_header_bytes(128)` |
/// | MALÅ, RD3; RD7 | `new(n, Signed16)`; `new(n, Signed32)` |
/// | GSSI, DZT of 16 bits; 32 bits | `new(n, Offset16)`; `new(n, Signed32)`; both `.header_bytes(1024)` or as the file says |
/// | SEG-Y | `new(n, Signed16)`, `Signed32` or `Float32`, `.byte_order(ByteOrder::Big).header_bytes(3600).trace_header_bytes(240)` |
///
/// # Examples
/// Two traces of two samples, each after a header of one byte:
/// ```
/// use dsp::subspace::{ByteOrder, Layout, SampleKind, Section};
/// let bytes = [1, 0x00, 0x03, 0xff, 0xff, 2, 0x01, 0x00, 0x80, 0x00];
/// let layout = Layout::new(2, SampleKind::Signed16).byte_order(ByteOrder::Big).trace_header_bytes(1);
/// let section = Section::from_bytes(&bytes, &layout, 0.4e-9)?;
/// assert_eq!(section.trace(0), [3.0, -1.0]);
/// assert_eq!(section.trace(1), [256.0, -32768.0]);
/// # Ok::<(), dsp::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Layout {
    /// Samples in a trace.
    pub samples: usize,
    /// What each of them is.
    pub kind: SampleKind,
    /// Which byte comes first. Default: the least significant.
    pub byte_order: ByteOrder,
    /// Bytes before the first trace. Default: 0.
    pub header_bytes: usize,
    /// Bytes before the samples of each trace. Default: 0.
    pub trace_header_bytes: usize,
}

impl Layout {
    /// Traces of so many samples, without headers, the least significant byte first.
    #[must_use]
    pub fn new(samples: usize, kind: SampleKind) -> Self {
        let byte_order = ByteOrder::Little;
        Self { samples, kind, byte_order, header_bytes: 0, trace_header_bytes: 0 }
    }

    /// Sets which byte comes first.
    #[must_use]
    pub fn byte_order(self, byte_order: ByteOrder) -> Self {
        Self { byte_order, ..self }
    }

    /// Sets how many bytes come before the first trace.
    #[must_use]
    pub fn header_bytes(self, header_bytes: usize) -> Self {
        Self { header_bytes, ..self }
    }

    /// Sets how many bytes come before the samples of each trace.
    #[must_use]
    pub fn trace_header_bytes(self, trace_header_bytes: usize) -> Self {
        Self { trace_header_bytes, ..self }
    }

    /// The samples of all traces.
    pub(super) fn read(&self, bytes: &[u8]) -> Result<Vec<f64>> {
        let size = self.kind.bytes();
        let refused = || Error::OutOfRange {
            argument: "bytes.len()",
            value: bytes.len() as f64,
            expected: "a header and whole traces",
        };
        if self.samples == 0 {
            return Err(Error::Empty { argument: "traces" });
        }
        let trace = self.samples.checked_mul(size).ok_or_else(refused)?;
        let trace = trace.checked_add(self.trace_header_bytes).ok_or_else(refused)?;
        let traces = bytes.get(self.header_bytes..).ok_or_else(refused)?;
        if !traces.len().is_multiple_of(trace) {
            return Err(refused());
        }
        let samples = traces
            .chunks_exact(trace)
            .flat_map(|trace| trace[self.trace_header_bytes..].chunks_exact(size));
        Ok(samples.map(|sample| self.number(sample)).collect())
    }

    fn number(&self, sample: &[u8]) -> f64 {
        let bits = match self.byte_order {
            ByteOrder::Little => {
                sample.iter().rev().fold(0, |bits, &byte| bits << 8 | u32::from(byte))
            }
            ByteOrder::Big => sample.iter().fold(0, |bits, &byte| bits << 8 | u32::from(byte)),
        };
        match self.kind {
            SampleKind::Offset16 => f64::from(bits) - 32_768.0,
            SampleKind::Offset32 => f64::from(bits) - 2_147_483_648.0,
            SampleKind::Float32 => f32::from_bits(bits).into(),
            // The sign bit of two bytes to that of four, and the sign down again.
            SampleKind::Signed16 => f64::from((bits << 16).cast_signed() >> 16),
            SampleKind::Signed32 => bits.cast_signed().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Section;
    use super::*;

    #[test]
    fn every_kind_of_sample_is_read_in_either_order() {
        use SampleKind::{Float32, Offset16, Offset32, Signed16, Signed32};
        let cases: [(SampleKind, &[u8], f64); 9] = [
            (Signed16, &[0xfe, 0xff], -2.0),
            (Signed16, &[0x39, 0x30], 12345.0),
            (Signed16, &[0x00, 0x80], -32768.0),
            (Offset16, &[0x00, 0x80], 0.0),
            (Offset16, &[0xff, 0xff], 32767.0),
            (Signed32, &[0xfe, 0xff, 0xff, 0xff], -2.0),
            (Offset32, &[0x01, 0x00, 0x00, 0x80], 1.0),
            (Offset32, &[0x00, 0x00, 0x00, 0x00], -2_147_483_648.0),
            (Float32, &[0x00, 0x00, 0x20, 0xc1], -10.0),
        ];
        for (kind, little, expected) in cases {
            let layout = Layout::new(1, kind);
            assert_eq!(layout.read(little).unwrap(), [expected], "{kind:?} {little:x?}");
            let big: Vec<u8> = little.iter().rev().copied().collect();
            let layout = layout.byte_order(ByteOrder::Big);
            assert_eq!(layout.read(&big).unwrap(), [expected], "{kind:?} {big:x?}");
        }
    }

    #[test]
    fn headers_are_passed_over() {
        let bytes: Vec<u8> = (0..20).collect();
        let layout = Layout::new(2, SampleKind::Signed16).header_bytes(6).trace_header_bytes(3);
        let section = Section::from_bytes(&bytes, &layout, 1.0).unwrap();
        let expected = [[0x0a09, 0x0c0b], [0x1110, 0x1312]].map(|trace| trace.map(f64::from));
        assert_eq!([section.trace(0), section.trace(1)], expected);
    }

    #[test]
    fn what_is_no_section_is_refused() {
        let text = |bytes: &[u8], layout: Layout| {
            Section::from_bytes(bytes, &layout, 1.0).unwrap_err().to_string()
        };
        let layout = Layout::new(2, SampleKind::Signed16);
        let expected = "expected a header and whole traces";
        assert_eq!(text(&[0; 7], layout), format!("bytes.len() is 7, {expected}"));
        assert_eq!(text(&[0; 7], layout.header_bytes(8)), format!("bytes.len() is 7, {expected}"));
        let huge = Layout::new(usize::MAX / 2, SampleKind::Signed32);
        assert_eq!(text(&[0; 7], huge), format!("bytes.len() is 7, {expected}"));
        let nothing = "traces is empty; at least one sample is needed";
        assert_eq!(text(&[], layout), nothing);
        assert_eq!(text(&[0; 8], Layout::new(0, SampleKind::Float32)), nothing);
        let nan = Layout::new(1, SampleKind::Float32);
        let not_finite = "traces[0] is NaN, and every sample must be finite";
        assert_eq!(text(&f32::NAN.to_le_bytes(), nan), not_finite);
    }
}
