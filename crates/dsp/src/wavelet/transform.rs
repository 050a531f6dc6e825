//! The decimated transform and its inverse.

use linalg::lanes::run;

use super::lanes::{Analysis, Shrinking, Synthesis, Taps};
use super::{Wavelet, check, stretches};
use crate::door::finite;
use crate::{Error, Result};

/// How the signal goes on beyond its ends; the names are PyWavelets'.
///
/// For 1 2 3 4 5 6 7 and three samples to either side:
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// 0 0 0 | … | 0 0 0
    Zero,
    /// 1 1 1 | … | 7 7 7
    Constant,
    /// 3 2 1 | … | 7 6 5
    #[default]
    Symmetric,
    /// 5 6 7 | … | 1 2 3
    Periodic,
    /// 4 3 2 | … | 6 5 4
    Reflect,
    /// −3 −2 −1 | … | −7 −6 −5
    Antisymmetric,
    /// −2 −1 0 | … | 8 9 10, along the first and the last step
    Smooth,
    /// −2 −1 0 | … | 8 9 10, the reflection about the end's value
    Antireflect,
    /// Periodic, after the last sample was repeated if the length is odd; the only one with no
    /// more coefficients than samples, ⌈n/2⌉ of either kind.
    Periodization,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 9] = [
        Self::Zero,
        Self::Constant,
        Self::Symmetric,
        Self::Periodic,
        Self::Reflect,
        Self::Antisymmetric,
        Self::Smooth,
        Self::Antireflect,
        Self::Periodization,
    ];

    /// Sample `i` of the signal and what it goes on with.
    #[expect(
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        reason = "lengths are below 2⁶³, and remainders by them are not negative"
    )]
    pub(super) fn sample(self, x: &[f64], i: isize) -> f64 {
        let n = x.len() as isize;
        let wrap = |period: isize| i.rem_euclid(period) as usize;
        let (first, last) = (x[0], x[x.len() - 1]);
        if (0..n).contains(&i) {
            return x[i as usize];
        }
        match self {
            Self::Zero => 0.0,
            Self::Constant => {
                if i < 0 {
                    first
                } else {
                    last
                }
            }
            Self::Periodic => x[wrap(n)],
            Self::Periodization => x[wrap(n + n % 2).min(x.len() - 1)],
            Self::Symmetric => {
                let place = wrap(2 * n);
                x[place.min(2 * x.len() - 1 - place)]
            }
            Self::Antisymmetric => {
                let place = wrap(2 * n);
                if place < x.len() { x[place] } else { -x[2 * x.len() - 1 - place] }
            }
            _ if n == 1 => first,
            Self::Reflect => {
                let place = wrap(2 * n - 2);
                x[place.min(2 * x.len() - 2 - place)]
            }
            Self::Smooth if i < 0 => first + i as f64 * (x[1] - first),
            Self::Smooth => last + (i - n + 1) as f64 * (last - x[x.len() - 2]),
            Self::Antireflect => {
                let (turn, place) = (i.div_euclid(n - 1), wrap(n - 1));
                let rise = last - first;
                if turn % 2 == 0 {
                    x[place] + turn as f64 * rise
                } else {
                    2.0 * last - x[x.len() - 1 - place] + (turn - 1) as f64 * rise
                }
            }
        }
    }

    /// The coefficients of either kind that a signal of `len` samples has.
    fn outputs(self, len: usize, taps: usize) -> usize {
        if self == Self::Periodization { len.div_ceil(2) } else { (len + taps - 1) / 2 }
    }
}

/// A signal taken apart: the coarsest approximation and the details of each level.
///
/// The fields may be changed, to shrink details or drop them; the numbers of coefficients not.
#[derive(Debug, Clone, PartialEq)]
pub struct Decomposition {
    /// What is left after the last level.
    pub approximation: Vec<f64>,
    /// The details, the finest first.
    pub details: Vec<Vec<f64>>,
    wavelet: Wavelet,
    mode: Mode,
    /// The samples that went into each level.
    lengths: Vec<usize>,
}

impl Wavelet {
    /// Takes `x` apart in `levels` levels:
    ///
    /// ```text
    /// approximation[i] = Σ_j dec_lo[j]·x[2i + 1 − j],   detail[i] = Σ_j dec_hi[j]·x[2i + 1 − j]
    /// ```
    ///
    /// then the approximation again. O(n·taps).
    ///
    /// # Errors
    /// [`Error::Empty`] without samples, [`Error::NotFinite`] with the index of the first NaN or
    /// infinity, [`Error::OutOfRange`] for levels that are not 1 to 30. [`Wavelet::max_level`] is
    /// the deepest that makes sense.
    ///
    /// # Examples
    /// 21 samples stay 21 (PyWavelets' `waverec` returns 22 here):
    /// ```
    /// use dsp::wavelet::{Mode, Wavelet};
    /// let x: Vec<f64> = (0..21).map(f64::from).collect();
    /// let parts = Wavelet::new("db4")?.decompose(&x, Mode::Symmetric, 2)?;
    /// let lengths = [&parts.approximation, &parts.details[1], &parts.details[0]].map(Vec::len);
    /// assert_eq!(lengths, [10, 10, 14]);
    /// let back = parts.reconstruct()?;
    /// assert_eq!(back.len(), 21);
    /// assert!(x.iter().zip(&back).all(|(x, back)| (x - back).abs() < 1e-13));
    /// # Ok::<(), dsp::Error>(())
    /// ```
    ///
    /// # References
    /// Mallat, *A theory for multiresolution signal decomposition*, IEEE Trans. PAMI 11 (1989).
    /// PyWavelets' `wavedec`, whose modes and lengths these are.
    pub fn decompose(&self, x: &[f64], mode: Mode, levels: usize) -> Result<Decomposition> {
        check(x.len(), levels)?;
        let at_once = stretches::levels(self, mode, x.len(), levels);
        let lengths = self.lengths(mode, x.len(), levels);
        let mut details =
            if at_once > 0 { self.analyze_stretches(x, mode, at_once) } else { vec![] };
        let mut approximation = details.pop().unwrap_or_default();
        while details.len() < levels {
            let from = if details.is_empty() { x } else { &approximation };
            let [low, high] = self.analyze(from, mode);
            details.push(high);
            approximation = low;
        }
        // Every sample has a part in every level's approximation, so a NaN or an infinity ends up in the
        // last one, which is short.
        if !approximation.iter().all(|value| value.is_finite()) {
            finite(x, "x")?;
        }
        Ok(Decomposition { approximation, details, wavelet: self.clone(), mode, lengths })
    }

    /// The samples that go into each level.
    pub(super) fn lengths(&self, mode: Mode, len: usize, levels: usize) -> Vec<usize> {
        let taps = self.dec_lo().len();
        std::iter::successors(Some(len), |&len| Some(mode.outputs(len, taps)))
            .take(levels)
            .collect()
    }

    /// So many levels at once: the details of each, and the approximation.
    fn analyze_stretches(&self, x: &[f64], mode: Mode, levels: usize) -> Vec<Vec<f64>> {
        let taps = self.dec_lo().len();
        let room = |len: &usize| Vec::with_capacity(mode.outputs(*len, taps));
        let lengths = self.lengths(mode, x.len(), levels);
        // The approximation is as long as the last details.
        let mut parts: Vec<Vec<f64>> = lengths.iter().chain(lengths.last()).map(room).collect();
        let ends = self.analyze_into(x, mode, levels, &mut parts[..]);
        for (part, end) in parts.iter_mut().zip(ends) {
            part.extend(end);
        }
        parts
    }

    /// The same, of whole stretches into `sink`; gives what follows those.
    pub(super) fn analyze_into(
        &self,
        x: &[f64],
        mode: Mode,
        levels: usize,
        sink: impl stretches::Sink,
    ) -> Vec<Vec<f64>> {
        let before = run(stretches::Analysis { x, mode, levels, taps: self.analysis_taps(), sink });
        let mut rest = x[stretches::reached(x.len())..].to_vec();
        let mut ends = Vec::with_capacity(levels + 1);
        for mut x in before {
            x.extend(&rest);
            let (taps, count) =
                (self.analysis_taps(), mode.outputs(rest.len(), self.dec_lo().len()));
            let [low, high] = run(Analysis { x: &x, mode, taps, start: 0, count });
            ends.push(high);
            rest = low;
        }
        ends.push(rest);
        ends
    }

    /// From the latest tap, which meets the earliest sample, to the first.
    fn analysis_taps(&self) -> Taps {
        [self.dec_lo(), self.dec_hi()]
            .map(|filter| filter.rchunks_exact(2).map(|pair| [pair[1], pair[0]]).collect())
    }

    fn synthesis_taps(&self) -> Taps {
        [0, 1].map(|parity| {
            let filters = self.rec_lo().rchunks_exact(2).zip(self.rec_hi().rchunks_exact(2));
            filters.map(|(lo, hi)| [lo[parity], hi[parity]]).collect()
        })
    }

    /// One level: low pass and high pass.
    #[expect(clippy::cast_possible_wrap, reason = "a filter has 76 taps at most")]
    pub(super) fn analyze(&self, x: &[f64], mode: Mode) -> [Vec<f64>; 2] {
        let taps = self.dec_lo().len();
        let wraps = mode == Mode::Periodization;
        let start = 1 - if wraps { taps as isize / 2 } else { taps as isize - 1 };
        let count = mode.outputs(x.len(), taps);
        run(Analysis { x, mode, taps: self.analysis_taps(), start, count })
    }

    /// The inverse of the first levels at once.
    pub(super) fn synthesize_from<P: stretches::Parts>(
        &self,
        approximation: &[f64],
        parts: P,
        shrinking: Option<&[Shrinking]>,
        lengths: &[usize],
    ) -> P {
        let taps = self.synthesis_taps();
        run(stretches::Synthesis { approximation, parts, shrinking, taps, lengths })
    }

    /// The inverse of one level, `len` samples of it.
    pub(super) fn synthesize(&self, [low, high]: [&[f64]; 2], mode: Mode, len: usize) -> Vec<f64> {
        let taps = self.rec_lo().len();
        // Output pair u of the plain sum Σ_i low[i]·rec_lo[t + taps − 2 − 2i] needs low[u..u + taps/2].
        // A periodization's sum is the same over the periodic coefficients, moved by half of that,
        // and by one output where the half is odd.
        let (turn, skip) = match mode {
            Mode::Periodization => (Some(taps / 4), (taps / 2 + 1) % 2),
            _ => (None, 0),
        };
        let count = (len + skip).div_ceil(2);
        let taps = self.synthesis_taps();
        let mut x = run(Synthesis { low, high, taps, turn, count });
        x.drain(..skip);
        x.truncate(len);
        x
    }
}

impl Decomposition {
    /// The signal: exactly as many samples as were taken apart.
    ///
    /// # Errors
    /// [`Error::Length`] if a number of coefficients was changed.
    pub fn reconstruct(&self) -> Result<Vec<f64>> {
        let taps = self.wavelet.rec_lo().len();
        let expect = |argument, found: usize, expected: usize| {
            if found == expected {
                Ok(())
            } else {
                Err(Error::Length { argument, found, expected })
            }
        };
        expect("details", self.details.len(), self.lengths.len())?;
        let mut found = self.approximation.len();
        for (detail, &len) in self.details.iter().zip(&self.lengths).rev() {
            let count = self.mode.outputs(len, taps);
            expect("approximation", found, count)?;
            expect("details", detail.len(), count)?;
            found = len;
        }
        let levels = self.lengths.len();
        let at_once = stretches::levels(&self.wavelet, self.mode, self.lengths[0], levels);
        let mut low = self.approximation.clone();
        for level in (at_once..levels).rev() {
            let inputs = [&low[..], &self.details[level][..]];
            low = self.wavelet.synthesize(inputs, self.mode, self.lengths[level]);
        }
        if at_once == 0 {
            return Ok(low);
        }
        let x = Vec::with_capacity(self.lengths[0]);
        let parts = stretches::Apart { details: &self.details, x };
        let lengths = &self.lengths[..at_once];
        Ok(self.wavelet.synthesize_from(&low, parts, None, lengths).x)
    }

    /// The wavelet that took it apart.
    #[must_use]
    pub fn wavelet(&self) -> &Wavelet {
        &self.wavelet
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Lines `wavelet,mode,samples,level,kind,coefficients...` that PyWavelets wrote.
    fn pywavelets() -> impl Iterator<Item = (Wavelet, Mode, Vec<f64>, Vec<Vec<f64>>)> {
        let file = include_str!("../../data/dwt-pywavelets.csv");
        file.lines().skip(1).map(|line| {
            let mut fields = line.split(',');
            let wavelet = Wavelet::new(fields.next().unwrap()).unwrap();
            let name = fields.next().unwrap().to_lowercase();
            let mode = Mode::ALL.into_iter().find(|m| format!("{m:?}").to_lowercase() == name);
            let len: usize = fields.next().unwrap().parse().unwrap();
            let x =
                (0..len).map(|i| f64::from(u32::try_from(i * i * 7 + 3 * i).unwrap() % 23) - 9.0);
            let parts = fields
                .map(|part| part.split(' ').map(|number| number.parse().unwrap()).collect())
                .collect();
            (wavelet, mode.unwrap(), x.collect(), parts)
        })
    }

    #[test]
    fn coefficients_are_pywavelets_in_all_modes() {
        let mut lines = 0;
        for (wavelet, mode, x, parts) in pywavelets() {
            let found = wavelet.decompose(&x, mode, parts.len() - 1).unwrap();
            let found = std::iter::once(&found.approximation).chain(found.details.iter().rev());
            for (found, expected) in found.zip(&parts) {
                assert_eq!(found.len(), expected.len(), "{} {mode:?}", wavelet.name());
                for (found, expected) in found.iter().zip(expected) {
                    // PyWavelets' symlets are good to 2e-11; antireflection of a few samples grows.
                    let limit = 2e-11 * expected.abs().max(50.0);
                    let error = (found - expected).abs();
                    assert!(error <= limit, "{} {mode:?} {}: {error:e}", wavelet.name(), x.len());
                }
            }
            lines += 1;
        }
        assert!(lines > 100, "{lines} lines");
    }

    /// The heads of `pywt.dwt([1, 2, 3, 4, 5, 6, 7], "db2", mode)`.
    #[test]
    fn the_printed_heads_come_out() {
        let x: Vec<f64> = (1..8).map(f64::from).collect();
        let heads = [
            (Mode::Zero, -0.034675, -0.12941),
            (Mode::Constant, 1.284804, -0.482963),
            (Mode::Symmetric, 1.767767, -0.612372),
            (Mode::Periodic, 8.718716, -2.474874),
            (Mode::Smooth, -0.517638, 0.0),
            (Mode::Antireflect, -0.517638, 0.0),
            (Mode::Reflect, 3.087246, -0.965926),
            (Mode::Antisymmetric, -1.837117, 0.353553),
            (Mode::Periodization, 4.277316, -0.905867),
        ];
        let wavelet = Wavelet::new("db2").unwrap();
        for (mode, low, high) in heads {
            let found = wavelet.decompose(&x, mode, 1).unwrap();
            let error =
                (found.approximation[0] - low).abs().max((found.details[0][0] - high).abs());
            assert!(error < 1e-6, "{mode:?}: {found:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn what_was_taken_apart_comes_together_with_its_length(
            x in prop::collection::vec(-1.0f64..1.0, 1..300),
            levels in 1usize..6,
            mode in prop::sample::select(Mode::ALL.to_vec()),
            name in prop::sample::select(vec!["haar", "db4", "db20", "db38", "sym7", "coif5", "bior4.4", "rbio6.8", "bior3.1"]),
        ) {
            let wavelet = Wavelet::new(name).unwrap();
            let parts = wavelet.decompose(&x, mode, levels).unwrap();
            let back = parts.reconstruct().unwrap();
            prop_assert_eq!(back.len(), x.len());
            // Each level multiplies by Σ|taps| of either side at most; antireflection and smooth
            // extension of a few samples by many taps grow with the extension itself.
            let gain = |filter: &[f64]| filter.iter().map(|tap| tap.abs()).sum::<f64>();
            let level = gain(wavelet.dec_lo()).max(gain(wavelet.dec_hi())) * gain(wavelet.rec_lo());
            let largest = parts.details.iter().flatten().chain(&parts.approximation);
            let scale = largest.fold(1.0_f64, |scale, c| scale.max(c.abs()));
            let limit = 8.0 * f64::EPSILON * level * scale * levels as f64;
            for (i, (x, back)) in x.iter().zip(&back).enumerate() {
                prop_assert!((x - back).abs() <= limit, "{} {:?} {}: {} {}", name, mode, i, x, back);
            }
        }
    }

    #[test]
    fn what_is_not_finite_is_found_wherever_it_is() {
        for name in ["haar", "db4", "bior3.1"] {
            let wavelet = Wavelet::new(name).unwrap();
            for (mode, n) in Mode::ALL.into_iter().flat_map(|mode| [1, 2, 7, 40].map(|n| (mode, n)))
            {
                for at in 0..n {
                    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                        let mut x = vec![1.0; n];
                        x[at] = value;
                        let text = wavelet.decompose(&x, mode, 3).unwrap_err().to_string();
                        let expected =
                            format!("x[{at}] is {value}, and every sample must be finite");
                        assert_eq!(text, expected, "{name} {mode:?} {n}");
                    }
                }
            }
            // Sums of the largest numbers overflow, and are what was asked for.
            assert!(wavelet.decompose(&[f64::MAX; 9], Mode::Constant, 3).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_changed_number_of_coefficients_is_refused() {
        let x = [1.0; 20];
        let mut parts = Wavelet::new("db2").unwrap().decompose(&x, Mode::Zero, 2).unwrap();
        parts.details[0].pop();
        assert_eq!(
            parts.reconstruct().unwrap_err().to_string(),
            "details has 10 samples, expected 11"
        );
    }

    #[test]
    fn bad_input_is_named() {
        let wavelet = Wavelet::new("db2").unwrap();
        let text =
            |x: &[f64], levels| wavelet.decompose(x, Mode::Zero, levels).unwrap_err().to_string();
        assert_eq!(text(&[], 1), "x is empty; at least one sample is needed");
        assert_eq!(text(&[f64::NAN], 1), "x[0] is NaN, and every sample must be finite");
        assert_eq!(text(&[1.0], 0), "levels is 0, expected from 1 to 30");
        assert_eq!(text(&[1.0], 31), "levels is 31, expected from 1 to 30");
    }
}
