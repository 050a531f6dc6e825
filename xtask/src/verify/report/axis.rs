//! The range of an axis, where a value lies on it, and its ticks.

use crate::verify::plot::Scale;

/// The values that an axis shows, with a margin at both ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    scale: Scale,
    /// The ends: values of a linear axis, decimal logarithms of a logarithmic one.
    low: f64,
    high: f64,
}

/// A labelled place on an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Where, from 0 at the low end to 1 at the high end.
    pub fraction: f64,
    /// What stands there.
    pub label: String,
}

/// Values closer than this a linear axis cannot tell apart; a fifth of it is still a normal number.
const TINY: f64 = 1e-300;

impl Range {
    /// The range of the values that the scale can show.
    ///
    /// No value at all gives 0 to 1, or 1 to 10. Values that cannot be told apart get room around.
    #[must_use]
    pub fn around(values: impl Iterator<Item = f64>, scale: Scale) -> Self {
        let (low, high) = values
            .filter_map(|value| coordinate(value, scale))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        if low > high {
            return Self { scale, low: 0.0, high: 1.0 };
        }
        let span = high - low;
        let size = low.abs().max(high.abs());
        let margin = if span > TINY.max(1e-9 * size) {
            span / 25.0
        } else if scale == Scale::Log {
            0.5
        } else if size > TINY {
            size / 10.0
        } else {
            1.0
        };
        // The span from -MAX to MAX is infinite, and so is its margin; the ends stay finite.
        let end = |x: f64| x.clamp(f64::MIN, f64::MAX);
        Self { scale, low: end(low - margin), high: end(high + margin) }
    }

    /// Where a value lies, from 0 to 1; `None` when this axis cannot show it.
    #[must_use]
    pub fn fraction(&self, value: f64) -> Option<f64> {
        coordinate(value, self.scale).map(|x| self.place(x))
    }

    /// In halves, which are finite where the span is not.
    fn place(&self, x: f64) -> f64 {
        (x / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0)
    }

    /// Two to nine ticks at round values; powers of ten on a logarithmic axis that shows three.
    #[must_use]
    pub fn ticks(&self) -> Vec<Tick> {
        match self.scale {
            Scale::Linear => round_values(self.low, self.high)
                .into_iter()
                .map(|(value, label)| Tick { fraction: self.place(value), label })
                .collect(),
            Scale::Log => self.powers_of_ten(),
        }
    }

    fn powers_of_ten(&self) -> Vec<Tick> {
        let (first, last) = (self.low.ceil(), self.high.floor());
        if last - first >= 2.0 {
            let stride = ((last - first + 1.0) / 7.0).ceil();
            let first = (first / stride).ceil() * stride;
            return steps(first, stride, last)
                .map(|power| Tick { fraction: self.place(power), label: power_label(power) })
                .collect();
        }
        if self.high - self.low > 0.7 {
            // Few powers of ten in sight: twice and five times each as well.
            return steps(self.low.floor(), 1.0, self.high)
                .flat_map(|power| [1.0, 2.0, 5.0].map(|digit| (digit * 10_f64.powf(power), power)))
                .map(|(value, power)| Tick {
                    fraction: self.place(value.log10()),
                    label: label(value, power, power),
                })
                .filter(|tick| (0.0..=1.0).contains(&tick.fraction))
                .collect();
        }
        round_values(10_f64.powf(self.low), 10_f64.powf(self.high))
            .into_iter()
            .map(|(value, label)| Tick { fraction: self.place(value.log10()), label })
            .collect()
    }
}

/// The place of a value on an unbounded axis; `None` for what the scale cannot show.
fn coordinate(value: f64, scale: Scale) -> Option<f64> {
    match scale {
        Scale::Linear => value.is_finite().then_some(value),
        Scale::Log => (value > 0.0 && value.is_finite()).then(|| value.log10()),
    }
}

/// Multiples of 1, 2 or 5 times a power of ten between two values, with labels that tell them apart.
fn round_values(low: f64, high: f64) -> Vec<(f64, String)> {
    let rough = high / 5.0 - low / 5.0;
    if !(rough > TINY && rough.is_finite()) {
        return Vec::new();
    }
    let power = rough.log10().floor();
    let (digit, exponent) = match rough / 10_f64.powf(power) {
        lead if lead < 1.5 => (1.0, power),
        lead if lead < 3.5 => (2.0, power),
        lead if lead < 7.5 => (5.0, power),
        _ => (1.0, power + 1.0),
    };
    let step = digit * 10_f64.powf(exponent);
    let leading = low.abs().max(high.abs()).log10().floor();
    // A round end belongs to the axis, whatever the division's last bit says.
    steps((low / step - 1e-9).ceil(), 1.0, (high / step + 1e-9).floor())
        .map(|k| (k * step, label(k * step, leading, exponent)))
        .collect()
}

/// `first`, `first + step`, .. up to `last`; never more than twenty.
fn steps(first: f64, step: f64, last: f64) -> impl Iterator<Item = f64> {
    (0..20).map(move |k| first + f64::from(k) * step).take_while(move |&x| x <= last)
}

/// A value with digits down to the power of ten `step` and, for numbers that are long to write out,
/// a power of ten.
fn label(value: f64, leading: f64, step: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if leading < 6.0 && step > -5.0 {
        let decimals = digits(-step);
        return format!("{value:.decimals$}");
    }
    let own = value.abs().log10().floor();
    let decimals = digits(own - step);
    let text = format!("{value:.decimals$e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => format!("{mantissa}·10{}", superscript(exponent)),
        None => text,
    }
}

fn power_label(power: f64) -> String {
    format!("10{}", superscript(&format!("{power:.0}")))
}

/// A count of decimals from a power of ten: none below zero, and no more than a number has.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a whole number between 0 and 17 by the clamp"
)]
fn digits(power: f64) -> usize {
    power.clamp(0.0, 17.0) as usize
}

fn superscript(number: &str) -> String {
    number
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '0' => '⁰',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            '4' => '⁴',
            '5' => '⁵',
            '6' => '⁶',
            '7' => '⁷',
            '8' => '⁸',
            '9' => '⁹',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(values: &[f64], scale: Scale) -> Vec<String> {
        let range = Range::around(values.iter().copied(), scale);
        range.ticks().into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn linear_ticks_are_round() {
        assert_eq!(labels(&[0.0, 1.0], Scale::Linear), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&[-3.0, 9.0], Scale::Linear), ["-2", "0", "2", "4", "6", "8"]);
        assert_eq!(labels(&[0.0, 60.0], Scale::Linear), ["0", "10", "20", "30", "40", "50", "60"]);
        assert_eq!(labels(&[0.0, 0.04], Scale::Linear), ["0", "0.01", "0.02", "0.03", "0.04"]);
        assert_eq!(
            labels(&[0.0, 2e-9], Scale::Linear),
            ["0", "5·10⁻¹⁰", "1.0·10⁻⁹", "1.5·10⁻⁹", "2.0·10⁻⁹"]
        );
    }

    #[test]
    fn logarithmic_ticks_are_powers_of_ten() {
        assert_eq!(labels(&[1.0, 1000.0], Scale::Log), ["10⁰", "10¹", "10²", "10³"]);
        assert_eq!(
            labels(&[1e-16, 1.0], Scale::Log),
            ["10⁻¹⁵", "10⁻¹²", "10⁻⁹", "10⁻⁶", "10⁻³", "10⁰"]
        );
        assert_eq!(labels(&[0.02, 1.6], Scale::Log), ["0.02", "0.05", "0.1", "0.2", "0.5", "1"]);
        assert_eq!(labels(&[3e-9, 7e-8], Scale::Log), ["5·10⁻⁹", "1·10⁻⁸", "2·10⁻⁸", "5·10⁻⁸"]);
        assert_eq!(labels(&[2.0, 50.0], Scale::Log), ["2", "5", "10", "20", "50"]);
        assert_eq!(
            labels(&[2e-9, 7e-9], Scale::Log),
            ["2·10⁻⁹", "3·10⁻⁹", "4·10⁻⁹", "5·10⁻⁹", "6·10⁻⁹", "7·10⁻⁹"]
        );
        assert_eq!(
            labels(&[5.0, 8.0], Scale::Log),
            ["5.0", "5.5", "6.0", "6.5", "7.0", "7.5", "8.0"]
        );
        assert_eq!(
            labels(&[1.0, 1.001], Scale::Log),
            ["1.0000", "1.0002", "1.0004", "1.0006", "1.0008", "1.0010"]
        );
    }

    #[test]
    fn every_tick_lies_on_its_axis() {
        for values in [
            &[][..],
            &[0.0],
            &[5.0],
            &[-1e-200, 1e-200],
            &[f64::MIN, f64::MAX],
            &[5e-324],
            &[5e-324, 1e-310],
            &[f64::MAX],
            &[1e16, 1e16 + 2.0],
            &[1.0, 1.0 + 1e-8],
            &[f64::NAN, f64::INFINITY, -1.0],
            &[-7.0, 0.0, 3.0],
            &[5e-324, f64::MAX],
        ] {
            for scale in [Scale::Linear, Scale::Log] {
                let range = Range::around(values.iter().copied(), scale);
                for tick in range.ticks() {
                    assert!(
                        (-1e-6..=1.0 + 1e-6).contains(&tick.fraction),
                        "{values:?} {scale:?} {tick:?}"
                    );
                }
                for &value in values {
                    let fraction = range.fraction(value);
                    assert!(
                        fraction.is_none_or(|x| (0.0..=1.0).contains(&x)),
                        "{values:?} {scale:?} {value} {fraction:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_logarithmic_axis_shows_no_zero_and_no_negative() {
        let range = Range::around([0.0, -1.0, 2.0, 3.0].into_iter(), Scale::Log);
        assert_eq!(range.fraction(0.0), None);
        assert_eq!(range.fraction(-1.0), None);
        assert_eq!(range.fraction(f64::NAN), None);
        assert!(range.fraction(2.5).is_some_and(|x| x > 0.4 && x < 0.8));
    }
}
