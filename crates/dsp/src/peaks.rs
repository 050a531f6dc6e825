//! Peaks of a signal and what is known about each: plateau, height, thresholds, prominence, width.
//!
//! [`find_peaks`] follows SciPy's function of that name to the bit, and differs from it in four
//! ways. Its prominences and widths take linear time on every signal, where SciPy's take minutes on
//! a million clipped samples. Of equal peaks too near to each other the first one stays, where
//! SciPy leaves that to an unstable sort. A NaN is refused by its index unless [`NanPolicy`] says
//! otherwise. And what was computed comes back as columns and as rows, [`Peaks`], not in a dictionary
//! whose keys depend on the arguments.
//!
//! [`peak_indices`], [`local_maxima`], [`prominences`] and [`widths`] are its parts, for those who
//! want one alone; [`persistence`] is prominence's sister that assumes nothing about the ends.

use std::borrow::Cow;

use crate::{Error, Result};
use maxima::Scan;

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

/// The peaks that met every condition, a column for each property; [`Peaks::iter`] has the rows.
///
/// All columns but `indices` and `heights` are empty unless the options ask for them: each condition
/// comes with its property, and `..` is a condition that every peak meets. What is not asked for
/// takes neither time nor memory.
///
/// # Examples
/// ```
/// use dsp::peaks::{PeakOptions, find_peaks};
/// let x = [0.0, 1.5, 0.1, 1.9, 2.2, 2.0, 2.1, 4.0, 2.0];
/// let peaks = find_peaks(&x, &PeakOptions::default().prominence(1.0..).width(..))?;
/// assert_eq!(peaks.indices, [1, 7]);
/// assert_eq!(peaks.heights, [1.5, 4.0]);
/// assert_eq!(peaks.prominences[1].value, 2.0);
/// assert!(peaks.plateaus.is_empty(), "not asked for");
/// for peak in peaks.iter() {
///     assert!(peak.width.is_some_and(|width| width.left < peak.index as f64));
/// }
/// # Ok::<(), dsp::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
#[must_use]
pub struct Peaks {
    /// The middle of each maximum, rounded down, in order.
    pub indices: Vec<usize>,
    /// x\[index\] of each.
    pub heights: Vec<f64>,
    /// Where each starts and ends, for [`PeakOptions::plateau_size`].
    pub plateaus: Vec<Maximum>,
    /// How far each lies above its neighbors, for [`PeakOptions::threshold`].
    pub thresholds: Vec<Thresholds>,
    /// How far each stands out, for [`PeakOptions::prominence`] and [`PeakOptions::width`].
    pub prominences: Vec<Prominence>,
    /// How wide each is, for [`PeakOptions::width`].
    pub widths: Vec<Width>,
}

impl Peaks {
    /// How many peaks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Peak number `k`, from 0, with all that is known of it.
    #[must_use]
    pub fn get(&self, k: usize) -> Option<Peak> {
        Some(Peak {
            index: *self.indices.get(k)?,
            height: *self.heights.get(k)?,
            plateau: self.plateaus.get(k).copied(),
            thresholds: self.thresholds.get(k).copied(),
            prominence: self.prominences.get(k).copied(),
            width: self.widths.get(k).copied(),
        })
    }

    /// One peak after the other.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Peak> {
        (0..self.len()).filter_map(|k| self.get(k))
    }
}

/// One of [`Peaks`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Peak {
    /// The middle of the maximum, rounded down.
    pub index: usize,
    /// x\[index\].
    pub height: f64,
    /// Where it starts and ends, where that was asked for.
    pub plateau: Option<Maximum>,
    /// How far it lies above its neighbors, where that was asked for.
    pub thresholds: Option<Thresholds>,
    /// How far it stands out, where that was asked for.
    pub prominence: Option<Prominence>,
    /// How wide it is, where that was asked for.
    pub width: Option<Width>,
}

/// How far a sample lies above its two neighbors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// x\[index\] − x\[index − 1\]; 0 on a plateau of three or more, infinite at the first sample.
    pub left: f64,
    /// x\[index\] − x\[index + 1\]; 0 on a plateau of two or more, infinite at the last sample.
    pub right: f64,
}

/// The local maxima of `x` that meet every condition of `options`, in order.
///
/// The conditions apply in the order plateau size, height, threshold, distance, prominence, width.
/// A prominence and a width do not depend on which other peaks were kept. O(n) whatever the
/// signal, `distance` included, and O(log n) more for a width.
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
/// assert_eq!(beats.indices, [1, 7]);
/// # Ok::<(), dsp::Error>(())
/// ```
///
/// # References
/// SciPy's `scipy.signal.find_peaks`, whose plateau rule, order of conditions and inclusive bounds
/// these are.
pub fn find_peaks(x: &[f64], options: &PeakOptions<'_>) -> Result<Peaks> {
    options.check(x.len())?;
    prominence::reach(options.window, x.len())?;
    if options.nan != NanPolicy::Skip || turning::gap(x) == x.len() {
        return Search::new(x, options).run(options.positions, None);
    }
    // Without the NaN, and positions where the rest has been.
    let there: Vec<usize> = (0..x.len()).filter(|&i| !x[i].is_nan()).collect();
    let rest: Vec<f64> = there.iter().map(|&i| x[i]).collect();
    let position = |&i: &usize| options.positions.map_or(i as f64, |positions| positions[i]);
    let positions: Vec<f64> = there.iter().map(position).collect();
    Search::new(&rest, options).run(Some(&positions), Some(&there))
}

/// A signal that points up.
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
    fn run(&self, positions: Option<&[f64]>, there: Option<&[usize]>) -> Result<Peaks> {
        let (x, options) = (&*self.x, self.options);
        let original = |i: usize| there.map_or(i, |there| there[i]);
        let within = |interval: Option<Interval<'_>>, value, p| {
            interval.is_none_or(|interval| interval.contains(value, original(p)))
        };
        let sign = if options.polarity == Polarity::Minima { -1.0 } else { 1.0 };

        let tops = self.tops()?;
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
        if options.threshold.is_some() {
            kept.to_mut().retain(|&p| {
                let Thresholds { left, right } = self.thresholds(p);
                within(options.threshold, left.min(right), p)
                    && within(options.threshold, left.max(right), p)
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

        let narrowed = match kept {
            Cow::Owned(kept) => Some(kept),
            Cow::Borrowed(_) => None,
        };
        let mut peaks =
            Peaks { indices: narrowed.unwrap_or(tops), prominences, widths, ..Peaks::default() };
        let kept = peaks.indices.iter();
        peaks.heights = kept.clone().map(|&p| sign * x[p]).collect();
        if options.plateau_size.is_some() {
            peaks.plateaus = kept.clone().map(|&p| maxima::plateau(x, p)).collect();
        }
        if options.threshold.is_some() {
            peaks.thresholds = kept.map(|&p| self.thresholds(p)).collect();
        }
        if options.polarity == Polarity::Minima {
            peaks.widths.iter_mut().for_each(|width| width.level = -width.level);
        }
        if let Some(there) = there {
            peaks.indices.iter_mut().for_each(|index| *index = there[*index]);
            for top in &mut peaks.plateaus {
                let Maximum { index, left_edge, right_edge } = *top;
                let (left_edge, right_edge) = (there[left_edge], there[right_edge]);
                *top = Maximum { index: there[index], left_edge, right_edge };
            }
            for prominence in &mut peaks.prominences {
                prominence.left_base = there[prominence.left_base];
                prominence.right_base = there[prominence.right_base];
            }
        }
        Ok(peaks)
    }

    /// The middles of the local maxima, with those at the ends where they are wanted.
    fn tops(&self) -> Result<Vec<usize>> {
        let Scan { middles, has_nan } = maxima::scan(&self.x);
        if has_nan && self.options.nan == NanPolicy::Refuse {
            return Err(Error::Nan { argument: "x", index: turning::gap(&self.x) });
        }
        let wanted = self.options.ends == Ends::Included && !self.is_flat();
        Ok(if wanted { persistence::with_ends(middles, &self.x) } else { middles })
    }

    /// One run from end to end has nothing beside it to stand out of.
    fn is_flat(&self) -> bool {
        self.x.first().is_none_or(|_| maxima::plateau(&self.x, 0).right_edge + 1 == self.x.len())
    }

    /// How far `p` lies above its neighbors; infinite where there is none.
    fn thresholds(&self, p: usize) -> Thresholds {
        let above = |neighbor: Option<&f64>| neighbor.map_or(f64::INFINITY, |n| self.x[p] - n);
        let before = p.checked_sub(1).and_then(|i| self.x.get(i));
        Thresholds { left: above(before), right: above(self.x.get(p + 1)) }
    }

    /// The prominences of `kept`, which are some of `tops`.
    fn prominences(&self, tops: &[usize], kept: &[usize]) -> Vec<Prominence> {
        let x = &*self.x;
        let mut found = match self.options.window {
            None => {
                let all = turning::all_prominences(x, tops);
                if kept.len() == tops.len() {
                    all
                } else {
                    let mut of_tops = tops.iter().zip(all);
                    kept.iter()
                        .filter_map(|p| of_tops.find(|&(top, _)| top == p).map(|(_, found)| found))
                        .collect()
                }
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
