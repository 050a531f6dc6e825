//! Peaks of a signal and what is known about each: plateau, height, thresholds, prominence, width.
//!
//! [`find_peaks`] follows SciPy's function of that name to the bit, and differs from it in four
//! ways. Its prominences and widths take linear time on every signal, where SciPy's take minutes on
//! a million clipped samples. Of equal peaks too near to each other the first one stays, where
//! SciPy leaves that to an unstable sort. A NaN is refused by its index unless [`NanPolicy`] says
//! otherwise. And what was computed comes back with each [`Peak`], not in a dictionary whose keys
//! depend on the arguments.
//!
//! [`peak_indices`], [`local_maxima`], [`prominences`] and [`widths`] are its parts, for those who
//! want one alone; [`persistence`] is prominence's sister that assumes nothing about the ends.

use std::borrow::Cow;

use crate::{Error, Result};

mod cwt;
mod distance;
mod maxima;
mod options;
mod persistence;
mod prominence;
mod stream;
mod turning;
mod width;

pub use cwt::{CwtOptions, find_peaks_cwt};
pub use maxima::{Maximum, local_maxima, peak_indices};
pub use options::{Bound, Ends, Interval, NanPolicy, PeakOptions, Polarity, WidthReference};
pub use persistence::{Hill, persistence};
pub use prominence::{Prominence, prominences};
pub use stream::{PeakStream, StreamedPeak};
pub use width::{Width, widths};

/// A peak that met every condition, with what was computed on the way.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Peak {
    /// The middle of the maximum, rounded down.
    pub index: usize,
    /// The first sample of its plateau; equal to `index` where it is one sample.
    pub left_edge: usize,
    /// The last sample of its plateau.
    pub right_edge: usize,
    /// x\[index\].
    pub height: f64,
    /// x\[index\] − x\[index − 1\]; 0 on a plateau of three or more.
    pub left_threshold: f64,
    /// x\[index\] − x\[index + 1\]; 0 on a plateau of two or more.
    pub right_threshold: f64,
    /// How far it stands out, where the options ask for [`PeakOptions::prominence`] or width.
    pub prominence: Option<Prominence>,
    /// How wide it is, where the options ask for [`PeakOptions::width`].
    pub width: Option<Width>,
}

/// The local maxima of `x` that meet every condition of `options`, in order.
///
/// The conditions apply in the order plateau size, height, threshold, distance, prominence, width.
/// A prominence and a width do not depend on which other peaks were kept. O(n) whatever the
/// signal, `distance` included, and O(log n) more for a width. Where the indices of all maxima are
/// enough, [`peak_indices`] takes a tenth of the time, for each [`Peak`] has 112 bytes.
///
/// # Errors
/// [`Error::Nan`] with the index of the first NaN under [`NanPolicy::Refuse`];
/// [`Error::OutOfRange`] for bounds that exclude everything, a window below 2, a distance below one
/// sample, or a negative relative height; [`Error::Length`] for bounds or positions that are not
/// there for each sample; [`Error::NotFinite`] and [`Error::NotIncreasing`] for positions that are
/// not in order.
///
/// # Examples
/// The beats of a signal with a wandering baseline are the tops that stand out by 1; a threshold
/// on the height would take the slow hump for a beat or lose the first one:
/// ```
/// use dsp::peaks::{PeakOptions, find_peaks};
/// let x = [0.0, 1.5, 0.1, 1.9, 2.2, 2.0, 2.1, 4.0, 2.0];
/// let beats = find_peaks(&x, &PeakOptions::default().prominence(1.0..))?;
/// let indices: Vec<usize> = beats.iter().map(|beat| beat.index).collect();
/// assert_eq!(indices, [1, 7]);
/// # Ok::<(), dsp::Error>(())
/// ```
///
/// # References
/// SciPy's `scipy.signal.find_peaks`, whose plateau rule, order of conditions and inclusive bounds
/// these are.
pub fn find_peaks(x: &[f64], options: &PeakOptions<'_>) -> Result<Vec<Peak>> {
    options.check(x.len())?;
    prominence::reach(options.window, x.len())?;
    let first_nan = turning::gap(x);
    if first_nan < x.len() && options.nan == NanPolicy::Refuse {
        return Err(Error::Nan { argument: "x", index: first_nan });
    }
    if first_nan == x.len() || options.nan != NanPolicy::Skip {
        return Ok(Search::new(x, options).run(options.positions, None));
    }
    // Without the NaN, and positions where the rest has been.
    let there: Vec<usize> = (0..x.len()).filter(|&i| !x[i].is_nan()).collect();
    let rest: Vec<f64> = there.iter().map(|&i| x[i]).collect();
    let position = |&i: &usize| options.positions.map_or(i as f64, |positions| positions[i]);
    let positions: Vec<f64> = there.iter().map(position).collect();
    Ok(Search::new(&rest, options).run(Some(&positions), Some(&there)))
}

/// A signal that points up and has no NaN that it should not have.
struct Search<'a> {
    x: Cow<'a, [f64]>,
    options: &'a PeakOptions<'a>,
}

impl<'a> Search<'a> {
    fn new(x: &'a [f64], options: &'a PeakOptions<'a>) -> Self {
        let x = match options.polarity {
            Polarity::Maxima => Cow::Borrowed(x),
            Polarity::Minima => x.iter().map(|value| -value).collect(),
        };
        Self { x, options }
    }

    /// The conditions in their order. `there` has the index in the caller's signal of each sample.
    fn run(&self, positions: Option<&[f64]>, there: Option<&[usize]>) -> Vec<Peak> {
        let (x, options) = (&*self.x, self.options);
        let original = |i: usize| there.map_or(i, |there| there[i]);
        let within = |interval: Option<Interval<'_>>, value, p| {
            interval.is_none_or(|interval| interval.contains(value, original(p)))
        };
        let sign = if options.polarity == Polarity::Minima { -1.0 } else { 1.0 };

        let tops = if self.is_flat() { Vec::new() } else { persistence::tops(x, options.ends) };
        let mut kept = Cow::Borrowed(&tops[..]);
        if options.plateau_size.is_some() {
            kept.to_mut().retain(|&p| {
                let top = maxima::plateau(x, p);
                within(options.plateau_size, (top.right_edge - top.left_edge + 1) as f64, p)
            });
        }
        if options.height.is_some() {
            kept.to_mut().retain(|&p| within(options.height, sign * x[p], p));
        }
        if let Some(threshold) = options.threshold {
            kept.to_mut().retain(|&p| {
                let (left, right) = self.thresholds(p);
                let at = original(p);
                threshold.contains(left.min(right), at) && threshold.contains(left.max(right), at)
            });
        }
        if let Some(distance) = options.distance {
            let position = |k: usize| positions.map_or(kept[k] as f64, |at| at[kept[k]]);
            let apart = distance::thinned(kept.len(), |k| x[kept[k]], position, distance);
            kept = apart.into_iter().map(|k| kept[k]).collect();
        }

        let judged = options.prominence.is_some() || options.width.is_some();
        let mut prominences = if judged { self.prominences(&tops, &kept) } else { Vec::new() };
        if let Some(bounds) = options.prominence {
            let keeps: Vec<bool> = kept
                .iter()
                .zip(&prominences)
                .map(|(&p, prominence)| bounds.contains(prominence.value, original(p)))
                .collect();
            retain(kept.to_mut(), &keeps);
            retain(&mut prominences, &keeps);
        }
        let mut widths = Vec::new();
        if let Some(bounds) = options.width {
            let crossings = width::Crossings::new(x, positions);
            let (part, reference) = (options.relative_height, options.width_reference);
            widths = kept
                .iter()
                .zip(&prominences)
                .map(|(&p, prominence)| crossings.width(p, prominence, part, reference))
                .collect();
            let keeps: Vec<bool> = kept
                .iter()
                .zip(&widths)
                .map(|(&p, width)| bounds.contains(width.value(), original(p)))
                .collect();
            retain(kept.to_mut(), &keeps);
            retain(&mut prominences, &keeps);
            retain(&mut widths, &keeps);
        }

        let back = |prominence: &Prominence| Prominence {
            left_base: original(prominence.left_base),
            right_base: original(prominence.right_base),
            ..*prominence
        };
        kept.iter()
            .enumerate()
            .map(|(k, &p)| {
                let top = maxima::plateau(x, p);
                let (left_threshold, right_threshold) = self.thresholds(p);
                Peak {
                    index: original(p),
                    left_edge: original(top.left_edge),
                    right_edge: original(top.right_edge),
                    height: sign * x[p],
                    left_threshold,
                    right_threshold,
                    prominence: prominences.get(k).map(back),
                    width: widths.get(k).map(|w| Width { level: sign * w.level, ..*w }),
                }
            })
            .collect()
    }

    /// One run from end to end has nothing beside it to stand out of.
    fn is_flat(&self) -> bool {
        self.x.first().is_none_or(|_| maxima::plateau(&self.x, 0).right_edge + 1 == self.x.len())
    }

    /// How far `p` lies above its neighbors; infinite where there is none.
    fn thresholds(&self, p: usize) -> (f64, f64) {
        let above = |neighbor: Option<&f64>| neighbor.map_or(f64::INFINITY, |n| self.x[p] - n);
        let before = p.checked_sub(1).and_then(|i| self.x.get(i));
        (above(before), above(self.x.get(p + 1)))
    }

    /// The prominences of `kept`, which are some of `tops`.
    fn prominences(&self, tops: &[usize], kept: &[usize]) -> Vec<Prominence> {
        let x = &*self.x;
        let mut found = match self.options.window {
            None => {
                let mut of_tops = tops.iter().zip(turning::all_prominences(x, tops));
                kept.iter()
                    .filter_map(|p| of_tops.find(|&(top, _)| top == p).map(|(_, found)| found))
                    .collect()
            }
            Some(window) => prominence::within(x, kept, window / 2),
        };
        if self.options.ends == Ends::Included {
            for (&p, prominence) in kept.iter().zip(&mut found) {
                let top = maxima::plateau(x, p);
                if top.left_edge == 0 {
                    prominence.value = x[p] - x[prominence.right_base];
                } else if top.right_edge + 1 == x.len() {
                    prominence.value = x[p] - x[prominence.left_base];
                }
            }
        }
        found
    }
}

fn retain<T>(items: &mut Vec<T>, keeps: &[bool]) {
    let mut keeps = keeps.iter();
    items.retain(|_| keeps.next() == Some(&true));
}

#[cfg(test)]
mod tests;
