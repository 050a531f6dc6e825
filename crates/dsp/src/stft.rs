//! Short-time spectra: the transform of one windowed frame after the other, and the way back.

use linalg::{Complex, DMatrix, Real};

use crate::fft::{PairFft, RealFft, Workspace, check_length};
use crate::parallel::for_each_chunk;
use crate::spectrum::Scaling;
use crate::window::Window;
use crate::{Error, Result};

/// Frames that one thread takes at a time; even, as frames are transformed in pairs.
const BLOCK: usize = 64;
/// How much of the largest overlap of squared windows the smallest has to be for a way back.
const LEAST_OVERLAP: f64 = 1e-8;

/// Short-time transforms of frames of one length and hop: planned once, used many times.
///
/// ```text
/// X_{k,j} = Σ_n w_n x_{jH − N/2 + n} e^{−2πi kn/N},    k = 0 … N/2,  j = 0 … ⌈L/H⌉
/// ```
///
/// Frame j is centered on sample jH; beyond both ends of the L samples there are zeros. The result is a
/// matrix of bins × frames, a frame to a column. [`Self::inverse`] gives back the signal, all of it
/// and to rounding, from any frames that overlap enough.
///
/// # Examples
/// ```
/// use dsp::{spectrum::Scaling, stft::Stft, window::Window};
/// // A tone of amplitude 1 at an eighth of the sample rate.
/// let x: Vec<f64> = (0..4096).map(|n| (std::f64::consts::TAU * n as f64 / 8.0).cos()).collect();
/// let stft = Stft::new(256, 64, Window::Hann)?;
/// let power = stft.power(&x, Scaling::Tone)?;
/// assert_eq!(power.shape(), (129, 65));
/// assert!((power[(32, 30)] - 0.5).abs() < 1e-12);
/// let back = stft.inverse(&stft.forward(&x)?, x.len())?;
/// assert!(x.iter().zip(&back).all(|(x, y)| (x - y).abs() < 1e-14));
/// # Ok::<(), dsp::Error>(())
/// ```
///
/// # References
/// D. W. Griffin and J. S. Lim, "Signal estimation from modified short-time Fourier transform", IEEE
/// Trans. ASSP 32(2):236-243, 1984 (eq. 6, the inverse).
#[derive(Debug, Clone)]
pub struct Stft<T: Real> {
    real: RealFft<T>,
    pair: PairFft<T>,
    weights: Vec<f64>,
    window: Vec<T>,
    hop: usize,
}

impl<T: Real> Stft<T> {
    /// Plans frames of `len` samples, `hop` samples apart.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a length of 0 or above 2³², or a hop that is 0 or above the length.
    pub fn new(len: usize, hop: usize, window: Window) -> Result<Self> {
        let real = RealFft::new(len)?;
        if !(1..=len).contains(&hop) {
            return Err(Error::OutOfRange {
                argument: "hop",
                value: hop as f64,
                expected: "1 sample to a whole frame",
            });
        }
        let weights = window.samples(len);
        let window = weights.iter().map(|&w| T::from_double(w)).collect();
        Ok(Self { real, pair: PairFft::new(len)?, weights, window, hop })
    }

    /// N, the samples of a frame.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a frame has at least one sample")]
    pub fn len(&self) -> usize {
        self.window.len()
    }

    /// H, the samples from one frame to the next.
    #[must_use]
    pub fn hop(&self) -> usize {
        self.hop
    }

    /// N/2 + 1 (rounded down), the rows of a result.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.real.bins()
    }

    /// ⌈L/H⌉ + 1, the columns of a result for L = `samples`.
    #[must_use]
    pub fn frames(&self, samples: usize) -> usize {
        samples.div_ceil(self.hop) + 1
    }

    /// The transforms of all frames of `x`, bins × frames, not scaled.
    ///
    /// # Errors
    /// [`Error::Empty`] without samples, [`Error::NotFinite`] with the index of the first NaN or
    /// infinity.
    pub fn forward(&self, x: &[T]) -> Result<DMatrix<Complex<T>>> {
        check_signal(x)?;
        let (bins, frames) = (self.bins(), self.frames(x.len()));
        let mut values = vec![Complex::new(T::zero(), T::zero()); bins * frames];
        let state = || (vec![T::zero(); self.len()], Workspace::default());
        for_each_chunk(&mut values, bins * BLOCK, state, |(frame, workspace), block, columns| {
            for (j, column) in columns.chunks_exact_mut(bins).enumerate() {
                self.frame(x, block * BLOCK + j, |n, value| frame[n] = value);
                self.real.forward_planned(frame, column, workspace);
            }
        });
        Ok(DMatrix::from_vec(bins, frames, values))
    }

    /// The power in each bin of each frame of `x`, bins × frames, without the phases: half the time and
    /// memory of [`Self::forward`], as two frames go into one transform.
    ///
    /// # Errors
    /// As [`Self::forward`], and [`Error::OutOfRange`] for a density per no sample rate.
    pub fn power(&self, x: &[T], scaling: Scaling) -> Result<DMatrix<T>> {
        let mut power = DMatrix::from_vec(0, 0, Vec::new());
        self.power_into(x, scaling, &mut power)?;
        Ok(power)
    }

    /// [`Self::power`] in the memory of an earlier result, if that is as large: a minute of sound has tens
    /// of megabytes of powers, and where the system gives memory anew at every call, a page at a time, that
    /// takes up to half of the time. The matrix may have any shape, and has the right one afterwards.
    ///
    /// # Errors
    /// As [`Self::power`]; the matrix then is as it was.
    ///
    /// # Examples
    /// ```
    /// use dsp::{spectrum::Scaling, stft::Stft, window::Window};
    /// let stft = Stft::new(256, 64, Window::Hann)?;
    /// let mut power = stft.power(&[1.0; 4096], Scaling::Tone)?;
    /// stft.power_into(&[0.5; 4000], Scaling::Tone, &mut power)?;
    /// assert_eq!(power, stft.power(&[0.5; 4000], Scaling::Tone)?);
    /// # Ok::<(), dsp::Error>(())
    /// ```
    pub fn power_into(&self, x: &[T], scaling: Scaling, power: &mut DMatrix<T>) -> Result<()> {
        check_signal(x)?;
        let factors = scaling.factors(&self.weights)?.map(T::from_double);
        let (bins, frames) = (self.bins(), self.frames(x.len()));
        let mut values: Vec<T> = std::mem::take(power).data.into();
        if values.len() < bins * frames {
            // Zeros of the system's, which nobody writes.
            values = vec![T::zero(); bins * frames];
        }
        values.truncate(bins * frames);
        let state = || (self.packed(), Workspace::default());
        for_each_chunk(&mut values, bins * BLOCK, state, |(packed, workspace), block, columns| {
            for (j, both) in columns.chunks_mut(2 * bins).enumerate() {
                let first = block * BLOCK + 2 * j;
                self.frame(x, first, |n, value| packed[n] = Complex::new(value, T::zero()));
                if both.len() == 2 * bins {
                    self.frame(x, first + 1, |n, value| packed[n].im = value);
                }
                self.pair.process(packed, workspace);
                let (one, other) = both.split_at_mut(bins);
                powers(packed, one, other, factors);
            }
        });
        *power = DMatrix::from_vec(bins, frames, values);
        Ok(())
    }

    /// [`Self::power`] of each column of `x`, samples × channels.
    ///
    /// # Errors
    /// As [`Self::power`].
    pub fn power_of_columns(&self, x: &DMatrix<T>, scaling: Scaling) -> Result<Vec<DMatrix<T>>> {
        let rows = x.nrows().max(1);
        x.as_slice().chunks_exact(rows).map(|column| self.power(column, scaling)).collect()
    }

    /// The signal of `samples` samples whose short-time transforms are nearest to `transforms`, bins × frames:
    /// the signal itself where they are one's.
    ///
    /// ```text
    /// x_n = Σ_j w_{n−s_j} y_{j,n−s_j} / Σ_j w²_{n−s_j},    y_j the inverse of column j, which starts at s_j
    /// ```
    ///
    /// # Errors
    /// [`Error::Overlap`] where the squared windows leave out a sample, or all but: a Hann window at a hop of
    /// its length does. [`Error::Length`] where `transforms` has not [`Self::bins`] rows and
    /// [`Self::frames`] columns.
    pub fn inverse(&self, transforms: &DMatrix<Complex<T>>, samples: usize) -> Result<Vec<T>> {
        let (bins, frames) = (self.bins(), self.frames(samples));
        check_length("rows of transforms", transforms.nrows(), bins)?;
        check_length("columns of transforms", transforms.ncols(), frames)?;
        let (mut sum, mut overlap) = (vec![T::zero(); samples], vec![0.0; samples]);
        let mut frame = vec![T::zero(); self.len()];
        let mut workspace = Workspace::default();
        for (j, column) in transforms.as_slice().chunks_exact(bins).enumerate() {
            self.real.inverse_into(column, &mut frame, &mut workspace)?;
            let (start, skipped) = self.start(j);
            // A last frame of few samples may begin behind the end.
            let here = start.min(samples)..(start + self.len() - skipped).min(samples);
            let weights = self.weights[skipped..].iter().zip(&frame[skipped..]);
            for ((sum, overlap), (&w, &y)) in
                sum[here.clone()].iter_mut().zip(&mut overlap[here]).zip(weights)
            {
                *sum += y * T::from_double(w);
                *overlap += w * w;
            }
        }
        let most = overlap.iter().copied().fold(0.0, f64::max);
        if let Some(index) = overlap.iter().position(|&least| !(least > LEAST_OVERLAP * most)) {
            return Err(Error::Overlap { index, hop: self.hop, len: self.len() });
        }
        sum.iter_mut().zip(&overlap).for_each(|(x, &overlap)| *x /= T::from_double(overlap));
        Ok(sum)
    }

    fn packed(&self) -> Vec<Complex<T>> {
        vec![Complex::new(T::zero(), T::zero()); self.len()]
    }

    /// The first sample of frame `j` that is not before the signal, and how many of its samples are.
    fn start(&self, j: usize) -> (usize, usize) {
        let (center, half) = (j * self.hop, self.len() / 2);
        (center.saturating_sub(half), half.saturating_sub(center))
    }

    /// Hands out the windowed samples of frame `j`.
    fn frame(&self, x: &[T], j: usize, mut put: impl FnMut(usize, T)) {
        let (start, skipped) = self.start(j);
        let there = &x[start.min(x.len())..(start + self.len() - skipped).min(x.len())];
        for n in (0..skipped).chain(skipped + there.len()..self.len()) {
            put(n, T::zero());
        }
        let weights = &self.window[skipped..skipped + there.len()];
        for (n, (&x, &w)) in (skipped..).zip(there.iter().zip(weights)) {
            put(n, x * w);
        }
    }
}

/// The powers of both signals from the transform of the one plus i times the other.
fn powers<T: Real>(packed: &[Complex<T>], one: &mut [T], other: &mut [T], factors: [T; 2]) {
    let n = packed.len();
    // |A|² and |B|² of A = (Z_k + conj Z_{N−k})/2, B = (Z_k − conj Z_{N−k})/2i.
    let both = |here: Complex<T>, mirror: Complex<T>, factor: T| {
        let (sum, difference) = (here + mirror, here - mirror);
        [
            (sum.re * sum.re + difference.im * difference.im) * factor,
            (sum.im * sum.im + difference.re * difference.re) * factor,
        ]
    };
    let quarter = T::from_double(0.25);
    let [double, single] = factors.map(|factor| factor * quarter);
    let last = one.len() - 1;
    let mut put = |k: usize, powers: [T; 2]| {
        one[k] = powers[0];
        if let Some(other) = other.get_mut(k) {
            *other = powers[1];
        }
    };
    put(0, both(packed[0], packed[0], single));
    if last > 0 {
        let factor = if n.is_multiple_of(2) { single } else { double };
        put(last, both(packed[last], packed[n - last], factor));
    }
    if last < 2 {
        return;
    }
    let count = last - 1;
    let mirrored = &packed[n - count..];
    let there = packed[1..=count].iter().zip(mirrored.iter().rev());
    if other.is_empty() {
        for (one, (&here, &mirror)) in one[1..].iter_mut().zip(there) {
            *one = both(here, mirror, double)[0];
        }
    } else {
        let outs = one[1..].iter_mut().zip(&mut other[1..]);
        for ((one, other), (&here, &mirror)) in outs.zip(there) {
            [*one, *other] = both(here, mirror, double);
        }
    }
}

pub(crate) fn check_signal<T: Real>(x: &[T]) -> Result<()> {
    if x.is_empty() {
        return Err(Error::Empty { argument: "x" });
    }
    match x.iter().position(|value| !value.to_double().is_finite()) {
        Some(index) => Err(Error::NotFinite { argument: "x", index, value: x[index].to_double() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn signal(n: usize) -> Vec<f64> {
        (0..n).map(|i| (i as f64 * 0.618_033_988_749_894_9).fract() - 0.4).collect()
    }

    #[test]
    fn a_column_is_the_transform_of_its_windowed_frame() {
        let x = signal(100);
        for (len, hop) in [(16, 5), (15, 15), (1, 1), (2, 1), (64, 16)] {
            let stft = Stft::new(len, hop, Window::Hann).unwrap();
            let transforms = stft.forward(&x).unwrap();
            let power = stft.power(&x, Scaling::Raw).unwrap();
            assert_eq!(transforms.shape(), (len / 2 + 1, 100_usize.div_ceil(hop) + 1));
            assert_eq!(power.shape(), transforms.shape());
            for j in 0..transforms.ncols() {
                let frame: Vec<f64> = Window::Hann
                    .samples(len)
                    .iter()
                    .enumerate()
                    .map(|(n, w)| {
                        let at = (j * hop + n).checked_sub(len / 2);
                        w * at.and_then(|at| x.get(at)).copied().unwrap_or(0.0)
                    })
                    .collect();
                let expected = RealFft::new(len).unwrap().forward(&frame).unwrap();
                for k in 0..expected.len() {
                    // len terms of size one: len eps, and twice that squared.
                    let tolerance = 64.0 * 64.0 * f64::EPSILON;
                    assert!((transforms[(k, j)] - expected[k]).norm() <= tolerance, "{k}, {j}");
                    assert!(
                        (power[(k, j)] - expected[k].norm_sqr()).abs() <= tolerance,
                        "{k}, {j}"
                    );
                }
            }
        }
    }

    #[test]
    fn columns_of_a_batch_are_channels() {
        let x = DMatrix::from_fn(50, 3, |i, c| ((i * (c + 2)) % 7) as f32);
        let stft = Stft::new(8, 4, Window::Hann).unwrap();
        let each = stft.power_of_columns(&x, Scaling::Tone).unwrap();
        assert_eq!(each.len(), 3);
        for (c, power) in each.iter().enumerate() {
            assert_eq!(*power, stft.power(x.column(c).as_slice(), Scaling::Tone).unwrap());
        }
    }

    #[cfg(feature = "parallel")]
    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        let x = signal(20_000);
        let stft = Stft::new(128, 32, Window::Hann).unwrap();
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| (stft.power(&x, Scaling::Raw).unwrap(), stft.forward(&x).unwrap()))
        };
        assert_eq!(on(1), on(3));
    }

    #[test]
    fn an_earlier_result_lends_its_memory_and_nothing_else() {
        let stft = Stft::new(16, 4, Window::Hann).unwrap();
        let mut power = DMatrix::from_element(40, 3, f64::NAN);
        for n in [100, 99, 30, 1, 60] {
            let x = signal(n);
            stft.power_into(&x, Scaling::Tone, &mut power).unwrap();
            assert_eq!(power, stft.power(&x, Scaling::Tone).unwrap(), "{n}");
        }
        let before = power.clone();
        let none = Scaling::Density { sample_rate_hz: 0.0 };
        assert!(stft.power_into(&signal(9), none, &mut power).is_err());
        assert_eq!(power, before);
    }

    proptest! {
        #[test]
        fn the_inverse_gives_back_every_sample(
            x in prop::collection::vec(-1.0..1.0, 1..300),
            len in 1_usize..70,
            part in 1_usize..4,
        ) {
            // Hops up to half a frame: every sample is under the top half of some window.
            let hop = (len / (2 * part)).max(1);
            let stft = Stft::<f64>::new(len, hop, Window::Hann).unwrap();
            let back = stft.inverse(&stft.forward(&x).unwrap(), x.len()).unwrap();
            for (a, b) in back.iter().zip(&x) {
                // Two transforms of rounding eps log2 len, over an overlap of at least 1/4.
                prop_assert!((a - b).abs() < 1e-13, "{} {}", a, b);
            }
        }
    }

    #[test]
    fn frames_that_leave_samples_out_have_no_inverse() {
        let x = signal(64);
        // A Hann window is 0 at its first sample, and nothing else covers it.
        let stft = Stft::new(8, 8, Window::Hann).unwrap();
        let error = stft.inverse(&stft.forward(&x).unwrap(), 64).unwrap_err().to_string();
        assert_eq!(
            error,
            "frames of 8 samples with a hop of 8 leave out sample 4; take a smaller hop"
        );
        let stft = Stft::new(8, 8, Window::Rectangular).unwrap();
        assert!(stft.inverse(&stft.forward(&x).unwrap(), 64).is_ok());
    }

    #[test]
    fn the_last_frame_may_begin_behind_the_end() {
        let stft = Stft::<f64>::new(3, 3, Window::Rectangular).unwrap();
        let x = [1.0, -2.0, 3.0, 0.5];
        let back = stft.inverse(&stft.forward(&x).unwrap(), 4).unwrap();
        // Three sums of three terms each.
        assert!(x.iter().zip(&back).all(|(x, y)| (x - y).abs() <= 9.0 * f64::EPSILON * 3.0));
    }

    #[test]
    fn bad_frames_are_named() {
        let text = |error: Error| error.to_string();
        for hop in [0, 9] {
            assert_eq!(
                text(Stft::<f64>::new(8, hop, Window::Hann).unwrap_err()),
                format!("hop is {hop}, expected 1 sample to a whole frame")
            );
        }
        let stft = Stft::new(8, 2, Window::Hann).unwrap();
        assert_eq!(
            text(stft.forward(&[]).unwrap_err()),
            "x is empty; at least one sample is needed"
        );
        assert_eq!(
            text(stft.power(&[0.0, f64::NAN], Scaling::Raw).unwrap_err()),
            "x[1] is NaN, and every sample must be finite"
        );
        assert_eq!(
            text(stft.power(&[0.0], Scaling::Density { sample_rate_hz: 0.0 }).unwrap_err()),
            "sample_rate_hz is 0, expected a positive, finite number of samples per second"
        );
        let transforms = stft.forward(&signal(20)).unwrap();
        assert_eq!(
            text(stft.inverse(&transforms, 30).unwrap_err()),
            "columns of transforms has 11 samples, expected 16"
        );
    }
}
