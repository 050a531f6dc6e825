//! `find_peaks` against SciPy: its own suite's cases, printed sums, random cases, and what differs.

#![expect(clippy::float_cmp, reason = "to SciPy's last bit")]

use super::*;
use crate::fixture;

fn indices(x: &[f64], options: &PeakOptions<'_>) -> Vec<usize> {
    find_peaks(x, options).unwrap().indices
}

/// `TestFindPeaks` of `scipy/signal/tests/test_peak_finding.py`.
#[test]
fn the_cases_of_scipys_own_suite_come_out_the_same() {
    let mut saw: Vec<f64> = (0..50).map(|i| -10.0 + 20.0 * f64::from(i) / 49.0).collect();
    saw.iter_mut().skip(2).step_by(3).for_each(|value| *value += 1.0);
    let every_third: Vec<usize> = (2..48).step_by(3).collect();
    assert_eq!(indices(&saw, &PeakOptions::default()), every_third);

    // Plateaus as wide as high, apart by one zero.
    let mut wide = vec![0.0];
    for size in [1_usize, 2, 3, 4, 8, 20, 111] {
        wide.extend(std::iter::repeat_n(size as f64, size));
        wide.push(0.0);
    }
    let sized =
        |sizes: Interval<'static>| indices(&wide, &PeakOptions::default().plateau_size(sizes));
    assert_eq!(sized((..).into()), [1, 3, 7, 11, 18, 33, 100]);
    assert_eq!(sized((4.0..).into()), [11, 18, 33, 100]);
    assert_eq!(sized((..=3.5).into()), [1, 3, 7]);
    assert_eq!(sized((5.0..=50.0).into()), [18, 33]);

    let x = [0.0, 1.0 / 3.0, 0.0, 2.5, 0.0, 4.0, 0.0];
    assert_eq!(indices(&x, &PeakOptions::default().height(0.5..)), [3, 5]);
    assert_eq!(indices(&x, &PeakOptions::default().height(..=3.0)), [1, 3]);
    assert_eq!(indices(&x, &PeakOptions::default().height(2.0..=3.0)), [3]);
    assert_eq!(indices(&x, &PeakOptions::default().height(2.5..=4.0)), [3, 5], "inclusive");
}

/// Sums that SciPy 1.11.4 and 1.17.1 print, on 60 s of electrocardiogram in millivolts.
#[test]
fn the_electrocardiogram_has_scipys_peaks() {
    let x = fixture::ecg_millivolts();
    let none = PeakOptions::default();
    let all = indices(&x, &none);
    assert_eq!(all[..6], [4, 9, 16, 23, 25, 29]);

    let prominence = |peak: Peak| peak.prominence.unwrap().value;
    type Case = (PeakOptions<'static>, usize, usize, f64, fn(Peak) -> f64);
    let cases: [Case; 7] = [
        (none.clone(), 3007, 32041122, 3007.0, |_| 1.0),
        (none.clone().height(0.0..), 889, 9618838, 575.825, |peak| peak.height),
        (none.clone().prominence(..=0.6), 2873, 30565627, 156.75, prominence),
        (none.clone().prominence(0.5..), 151, 1709098, 247.165, prominence),
        (none.clone().prominence(0.5..).window(201), 150, 1694404, 225.31, prominence),
        (none.clone().plateau_size(2.0..), 511, 5348635, 1066.0, |peak| {
            let plateau = peak.plateau.unwrap();
            (plateau.right_edge - plateau.left_edge + 1) as f64
        }),
        (
            none.height(-1.0..=3.0).plateau_size(..=3.0).prominence(0.2..).window(301),
            343,
            3881137,
            287.47,
            prominence,
        ),
    ];
    for (options, count, index_sum, property_sum, property) in cases {
        let peaks = find_peaks(&x, &options).unwrap();
        assert_eq!(peaks.len(), count, "{options:?}");
        assert_eq!(peaks.indices.iter().sum::<usize>(), index_sum);
        let sum: f64 = peaks.iter().map(property).sum();
        // The order of summation, which is ours, moves a sum of n terms by n eps at most.
        let tolerance = count as f64 * f64::EPSILON * property_sum;
        assert!((sum - property_sum).abs() <= tolerance, "{options:?}: {sum}");
    }
}

#[test]
fn every_edge_base_and_prominence_of_the_electrocardiogram_is_scipys() {
    let options = PeakOptions::default().plateau_size(..).prominence(..);
    let peaks = find_peaks(&fixture::ecg(), &options).unwrap();
    let found: Vec<[usize; 6]> = peaks
        .iter()
        .map(|peak| {
            let (p, plateau) = (peak.prominence.unwrap(), peak.plateau.unwrap());
            assert!(p.value.fract() == 0.0 && p.value > 0.0, "a difference of integers");
            let value = p.value.to_string().parse().unwrap();
            [plateau.index, plateau.left_edge, plateau.right_edge, value, p.left_base, p.right_base]
        })
        .collect();
    assert_eq!(found, fixture::ecg_peaks());
}

#[test]
fn a_nan_is_refused_by_index_or_parts_the_signal() {
    let x = [0.0, 1.0, 0.0, f64::NAN, 0.0, 2.0, 0.0];
    assert_eq!(
        find_peaks(&x, &PeakOptions::default()).unwrap_err().to_string(),
        "x[3] is NaN; with NanPolicy::Barrier it parts the signal there"
    );
    let parted = PeakOptions::default().nan(NanPolicy::Barrier).prominence(..);
    let peaks = find_peaks(&x, &parted).unwrap();
    let bases: Vec<_> = peaks
        .iter()
        .map(|peak| (peak.index, peak.prominence.unwrap()))
        .map(|(index, p)| (index, p.left_base, p.right_base))
        .collect();
    assert_eq!(bases, [(1, 0, 2), (5, 4, 6)]);
    assert!(indices(&[0.0, f64::NAN, 1.0, 0.0], &parted).is_empty(), "the NaN hides its neighbor");
}

#[test]
fn infinities_have_an_order_and_so_have_peaks() {
    let x = [f64::NEG_INFINITY, 0.0, f64::NEG_INFINITY, f64::INFINITY, 1.0];
    let peaks = find_peaks(&x, &PeakOptions::default().prominence(..)).unwrap();
    assert_eq!(peaks.indices, [1, 3]);
    assert!(peaks.prominences.iter().all(|p| p.value == f64::INFINITY));
}

#[test]
fn bounds_that_exclude_everything_are_refused() {
    let x = [0.0, 1.0, 0.0];
    let none = PeakOptions::default();
    let text = |options: &PeakOptions<'_>| find_peaks(&x, options).unwrap_err().to_string();
    let expected = "expected a least value that is not above the greatest";
    let upside_down = 2.0..=1.0;
    assert_eq!(text(&none.clone().height(upside_down.clone())), format!("height is 2, {expected}"));
    assert_eq!(
        text(&none.clone().prominence(f64::NAN..)),
        format!("prominence is NaN, {expected}")
    );
    assert_eq!(
        text(&none.clone().plateau_size(upside_down)),
        format!("plateau_size is 2, {expected}")
    );
    assert_eq!(text(&none.window(0)), "window is 0, expected at least 2 samples");
}
/// The rest of `TestFindPeaks`: threshold, distance, width, window.
#[test]
fn conditions_on_neighbors_and_widths_are_scipys() {
    let none = PeakOptions::default();
    let x = [0.0, 2.0, 1.0, 4.0, -1.0];
    assert_eq!(indices(&x, &none.clone().threshold(2.0..)), [3]);
    assert!(indices(&x, &none.clone().threshold(3.5..)).is_empty(), "the lesser side is 3");
    assert_eq!(indices(&x, &none.clone().threshold(..=5.0)), [1, 3]);
    assert_eq!(indices(&x, &none.clone().threshold(..=4.0)), [1]);
    let both = find_peaks(&x, &none.clone().threshold(2.0..=5.0)).unwrap();
    assert_eq!(both.thresholds, [Thresholds { left: 3.0, right: 5.0 }]);

    let rising: Vec<f64> = (0..60).map(|i| f64::from(i % 3 == 1) + f64::from(i) / 100.0).collect();
    let all: Vec<usize> = (1..59).step_by(3).collect();
    assert_eq!(indices(&rising, &none.clone().distance(3.0)), all);
    let apart: Vec<usize> = all.iter().rev().step_by(2).rev().copied().collect();
    assert_eq!(indices(&rising, &none.clone().distance(3.0001)), apart);
    assert_eq!(indices(&[-2.0, 1.0, -1.0, 0.0, -3.0], &none.clone().distance(10.0)), [1]);
    let flat = [0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 2.0, 2.0, 2.0, 2.0, 2.0, 0.0];
    assert_eq!(indices(&flat, &none.clone().distance(5.0)), [3, 9]);

    let x = [1.0, 0.0, 1.0, 2.0, 1.0, 0.0, -1.0, 4.0, 0.0];
    let narrow = none.clone().width(..=2.0).relative_height(0.75);
    let found = find_peaks(&x, &narrow).unwrap();
    let width = found.widths[0];
    assert_eq!(found.indices, [7]);
    assert_eq!((width.level, width.left, width.right), (1.0, 6.4, 7.75));
    assert!((width.value() - 1.35).abs() < 1e-15, "{width:?}");

    let short = none.prominence(..).width(..).window(2);
    let peaks = find_peaks(&[0.0, 1.0, 1.0, 1.0, 0.0], &short).unwrap();
    assert_eq!(peaks.prominences, [Prominence { value: 0.0, left_base: 2, right_base: 2 }]);
    assert_eq!(peaks.widths, [Width { level: 1.0, left: 2.0, right: 2.0 }]);
}

/// Of equal peaks the first stays; SciPy's answer, [3, 7, 11], depends on the version of NumPy.
#[test]
fn of_equal_peaks_too_near_the_first_stays() {
    let x = [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0];
    assert_eq!(indices(&x, &PeakOptions::default().distance(3.0)), [1, 5, 9]);
}

/// The sets that need distance, threshold or width, on the electrocardiogram in millivolts.
#[test]
fn the_electrocardiogram_has_scipys_peaks_under_the_other_conditions() {
    let x = fixture::ecg_millivolts();
    let sums = |options: &PeakOptions<'_>| {
        let peaks = find_peaks(&x, options).unwrap();
        let width: f64 = peaks.widths.iter().map(Width::value).sum();
        let prominence: f64 = peaks.prominences.iter().map(|p| p.value).sum();
        let index: usize = peaks.indices.iter().sum();
        let first: Vec<usize> = peaks.indices.iter().take(4).copied().collect();
        let left: f64 = peaks.thresholds.iter().map(|both| both.left).sum();
        let right: f64 = peaks.thresholds.iter().map(|both| both.right).sum();
        (peaks.len(), index, first, prominence, width, (left, right))
    };
    // Sums of a few thousand terms of size 1, in our order.
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a}, {b}");
    let none = PeakOptions::default();
    let found = sums(&none.clone().distance(150.0));
    assert_eq!((found.0, found.1, found.2), (111, 1177376, vec![125, 343, 552, 748]));
    let found = sums(&none.clone().prominence(1.0..).width(20.0..));
    assert_eq!((found.0, found.1, found.2), (15, 176489, vec![1029, 2956, 5674, 5856]));
    near(found.3, 38.25);
    near(found.4, 922.260548619);
    let found = sums(&none.clone().threshold(0.03..));
    assert_eq!((found.0, found.1), (137, 1562213));
    near(found.5.0, 12.455);
    near(found.5.1, 14.265);
    let all = none
        .plateau_size(..)
        .height(-1.0..=3.0)
        .threshold(..=0.2)
        .distance(150.0)
        .prominence(0.2..)
        .width(3.0..=60.0)
        .window(301)
        .relative_height(0.7);
    let found = sums(&all);
    assert_eq!((found.0, found.1), (100, 1024969));
    near(found.3, 178.125);
    near(found.4, 1336.363862174);
}

fn interval(text: &str) -> Interval<'static> {
    let (min, max) = text.split_once(':').unwrap();
    let bound =
        |text: &str, none| Bound::Value(if text == "none" { none } else { text.parse().unwrap() });
    Interval { min: bound(min, f64::NEG_INFINITY), max: bound(max, f64::INFINITY) }
}

/// `data/peaks-scipy.txt`: every property of every peak, to the last bit.
#[test]
fn random_signals_have_scipys_peaks_under_every_option() {
    let file = include_str!("../../data/peaks-scipy.txt");
    let mut compared = 0;
    for line in file.lines() {
        let [x, asked, rows] = line.split('|').collect::<Vec<_>>()[..] else {
            panic!("three fields: {line}")
        };
        let x: Vec<f64> = x.split(' ').map(|number| number.parse().unwrap()).collect();
        let mut options = PeakOptions::default().plateau_size(..).threshold(..);
        for (name, value) in asked.split_whitespace().map(|field| field.split_once('=').unwrap()) {
            options = match name {
                "plateau_size" => options.plateau_size(interval(value)),
                "height" => options.height(interval(value)),
                "threshold" => options.threshold(interval(value)),
                "distance" => options.distance(value.parse().unwrap()),
                "prominence" => options.prominence(interval(value)),
                "width" => options.width(interval(value)),
                "wlen" => options.window(value.parse().unwrap()),
                "rel_height" => options.relative_height(value.parse().unwrap()),
                other => panic!("no option {other}"),
            };
        }
        let found = find_peaks(&x, &options).unwrap();
        let expected: Vec<Vec<f64>> = rows
            .split(',')
            .filter(|row| !row.is_empty())
            .map(|row| row.split(' ').map(|number| number.parse().unwrap()).collect())
            .collect();
        assert_eq!(found.len(), expected.len(), "{line}");
        for (peak, expected) in found.iter().zip(&expected) {
            let (plateau, thresholds) = (peak.plateau.unwrap(), peak.thresholds.unwrap());
            let mut row =
                [plateau.index, plateau.left_edge, plateau.right_edge].map(|i| i as f64).to_vec();
            row.extend([thresholds.left, thresholds.right]);
            if let Some(p) = peak.prominence {
                row.extend([p.value, p.left_base as f64, p.right_base as f64]);
            }
            if let Some(w) = peak.width {
                row.extend([w.value(), w.level, w.left, w.right]);
            }
            assert_eq!(&row, expected, "{line}");
            compared += 1;
        }
    }
    assert!(compared > 1000, "{compared} peaks");
}

#[test]
fn minima_are_the_maxima_of_the_mirrored_signal() {
    let x = [3.0, 1.0, 2.0, -4.0, -4.0, 5.0];
    let options = PeakOptions::default().polarity(Polarity::Minima).threshold(..).width(..);
    let dips = find_peaks(&x, &options).unwrap();
    assert_eq!((&dips.indices[..], &dips.heights[..]), (&[1, 3][..], &[1.0, -4.0][..]));
    assert_eq!(dips.prominences[0].value, 1.0);
    assert_eq!(dips.widths[0].level, 1.5, "half way up to the saddle at 2");
    assert_eq!(dips.thresholds[0], Thresholds { left: 2.0, right: 1.0 });
    assert_eq!(indices(&x, &options.height(0.0..)), [1], "bounds are on x, not on −x");
}

#[test]
fn a_column_is_there_where_it_was_asked_for_and_a_row_has_what_the_columns_have() {
    let x = fixture::ecg_millivolts();
    let plain = find_peaks(&x, &PeakOptions::default()).unwrap();
    assert_eq!((plain.len(), plain.heights.len()), (3007, 3007));
    let columns = |peaks: &Peaks| {
        let judged = [peaks.prominences.len(), peaks.widths.len()];
        [peaks.plateaus.len(), peaks.thresholds.len(), judged[0], judged[1]]
    };
    assert_eq!(columns(&plain), [0; 4]);
    let none = PeakOptions::default;
    for (options, asked) in [
        (none().plateau_size(1.0..).height(1.0..), [1, 0, 0, 0]),
        (none().threshold(..=0.1).distance(20.0), [0, 1, 0, 0]),
        (none().prominence(0.1..), [0, 0, 1, 0]),
        (none().width(3.0..), [0, 0, 1, 1]),
        (none().plateau_size(..).threshold(..).width(..), [1; 4]),
    ] {
        let peaks = find_peaks(&x, &options).unwrap();
        assert!(!peaks.is_empty(), "{options:?}");
        assert_eq!(columns(&peaks), asked.map(|asked| asked * peaks.len()), "{options:?}");
        for (k, peak) in peaks.iter().enumerate() {
            assert_eq!((peak.index, peak.height), (peaks.indices[k], x[peak.index]));
            assert_eq!(peak.plateau, peaks.plateaus.get(k).copied());
            assert_eq!(peak.thresholds, peaks.thresholds.get(k).copied());
            assert_eq!(peak.prominence, peaks.prominences.get(k).copied());
            assert_eq!(peak.width, peaks.widths.get(k).copied());
        }
        assert_eq!(peaks.get(peaks.len()), None);
    }
    assert!(find_peaks(&[], &none()).unwrap().is_empty());
}

#[test]
fn an_end_is_a_peak_only_where_asked() {
    let x = [5.0, 5.0, 1.0, 3.0, 0.0, 4.0];
    assert_eq!(indices(&x, &PeakOptions::default()), [3]);
    let options = PeakOptions::default().ends(Ends::Included).plateau_size(..).threshold(..);
    let options = options.prominence(..);
    let found = find_peaks(&x, &options).unwrap();
    let seen: Vec<_> = found.iter().map(|p| (p.index, p.prominence.unwrap().value)).collect();
    assert_eq!(seen, [(0, 5.0), (3, 2.0), (5, 4.0)]);
    assert_eq!((found.plateaus[0].right_edge, found.thresholds[2].right), (1, f64::INFINITY));
    for flat in [&[][..], &[1.0], &[2.0; 5]] {
        assert!(indices(flat, &options).is_empty(), "nothing is lower in {flat:?}");
    }
}

#[test]
fn a_skipped_nan_is_not_there_but_its_place_is() {
    let nan = f64::NAN;
    let x = [0.0, 2.0, nan, nan, nan, 2.0, 0.0, 1.0, 0.0];
    let options = PeakOptions::default().nan(NanPolicy::Skip).plateau_size(..).width(..);
    let found = find_peaks(&x, &options).unwrap();
    assert_eq!(found.plateaus[0], Maximum { left_edge: 1, index: 1, right_edge: 5 });
    let (prominence, width) = (found.prominences[0], found.widths[0]);
    assert_eq!((prominence.left_base, prominence.right_base), (0, 6));
    assert_eq!((width.left, width.right), (0.5, 5.5));
    assert_eq!(found.indices, [1, 7]);
    assert_eq!(indices(&x, &options.clone().distance(6.5)), [1]);
    assert_eq!(indices(&x, &options.distance(6.0)), [1, 7], "6 apart, where each sample lies");
}

#[test]
fn positions_set_the_unit_of_distance_and_width() {
    let x = [0.0, 2.0, 0.0, 1.0, 0.0];
    let times = [0.0, 1.0, 3.0, 3.5, 3.75];
    let options = PeakOptions::default().positions(&times).width(..);
    let found = find_peaks(&x, &options).unwrap();
    let width = found.widths[0];
    assert_eq!((width.left, width.right), (0.5, 2.0));
    assert_eq!(indices(&x, &options.clone().distance(2.5)), [1, 3]);
    assert_eq!(indices(&x, &options.distance(2.6)), [1]);
}

#[test]
fn a_width_may_be_taken_at_a_part_of_the_height() {
    let x = [2.0, 4.0, 8.0, 4.0, 3.0];
    let options = PeakOptions::default().width(..).width_reference(WidthReference::Height);
    let width = find_peaks(&x, &options).unwrap().widths[0];
    assert_eq!((width.level, width.left, width.right), (4.0, 1.0, 3.0));
}

#[test]
fn options_outside_their_range_are_named() {
    let x = [0.0, 1.0, 0.0];
    let none = PeakOptions::default;
    let text = |options: &PeakOptions<'_>| find_peaks(&x, options).unwrap_err().to_string();
    assert_eq!(text(&none().distance(0.5)), "distance is 0.5, expected at least 1 sample");
    assert_eq!(text(&none().distance(f64::NAN)), "distance is NaN, expected at least 1 sample");
    assert_eq!(
        text(&none().relative_height(-0.1)),
        "relative_height is -0.1, expected a number from 0 up"
    );
    assert_eq!(text(&none().height(&[0.0; 2][..]..)), "height has 2 samples, expected 3");
    assert_eq!(text(&none().positions(&[0.0, 1.0])), "positions has 2 samples, expected 3");
    let times = [0.0, 1.0, 1.0];
    assert_eq!(
        text(&none().positions(&times)),
        "positions[2] is 1, which is not above the one before it"
    );
    assert_eq!(
        text(&none().positions(&[0.0, 1.0, f64::INFINITY])),
        "positions[2] is inf, and every sample must be finite"
    );
    assert_eq!(
        text(&none().positions(&[0.0, 1.0, 2.0]).distance(0.0)),
        "distance is 0, expected a positive number"
    );
}

#[test]
fn bounds_may_be_given_for_each_sample() {
    let x = [0.0, 2.0, 0.0, 5.0, 0.0, 2.0, 0.0];
    let (low, high) = ([0.0, 1.0, 0.0, 1.0, 0.0, 3.0, 0.0], [4.0; 7]);
    let none = PeakOptions::default;
    assert_eq!(indices(&x, &none().height(&low[..]..)), [1, 3]);
    assert_eq!(indices(&x, &none().height(..=&high[..])), [1, 5]);
    assert_eq!(indices(&x, &none().height(&low[..]..=&high[..])), [1]);
    assert_eq!(indices(&x, &none().prominence(&low[..]..)), [1, 3]);
    assert!(indices(&x, &none().height(&[f64::NAN; 7][..]..)).is_empty(), "a NaN excludes");
}

/// Every signal of up to three samples from a few, all options on.
#[test]
fn the_shortest_signals_and_the_oddest_samples_are_no_trouble() {
    let samples = [0.0, -0.0, 1.0, f64::MAX, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    let mut signals: Vec<Vec<f64>> = vec![Vec::new()];
    for _ in 0..4 {
        let longer = signals.iter().flat_map(|x| {
            samples.iter().map(move |&sample| x.iter().copied().chain([sample]).collect())
        });
        signals = longer.chain([Vec::new()]).collect();
        for x in &signals {
            for nan in [NanPolicy::Refuse, NanPolicy::Barrier, NanPolicy::Skip] {
                for (ends, polarity) in
                    [(Ends::Excluded, Polarity::Maxima), (Ends::Included, Polarity::Minima)]
                {
                    let options = PeakOptions::default()
                        .plateau_size(1.0..)
                        .threshold(..)
                        .distance(2.0)
                        .prominence(..)
                        .width(..)
                        .relative_height(1.0)
                        .window(3)
                        .ends(ends)
                        .polarity(polarity)
                        .nan(nan);
                    match find_peaks(x, &options) {
                        Ok(peaks) => assert!(peaks.len() <= x.len(), "{x:?}"),
                        Err(error) => assert!(matches!(error, Error::Nan { .. }), "{x:?}: {error}"),
                    }
                }
            }
        }
    }
}
