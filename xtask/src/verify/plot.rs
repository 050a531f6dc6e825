//! A picture as data; `report` draws it.

/// A plot with two axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// What it shows, in a few words.
    pub title: &'static str,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// What is drawn, the first lowest.
    pub series: Vec<Series>,
}

/// An axis: its label, with the unit, and its scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    /// Label with unit, as in `frequency (Hz)`.
    pub label: &'static str,
    /// Linear or logarithmic.
    pub scale: Scale,
}

/// Linear or logarithmic. Points that a logarithmic axis cannot show are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Equal steps are equal differences.
    Linear,
    /// Equal steps are equal ratios.
    Log,
}

/// Points that belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name in the legend; one without belongs to the series before it and has its color.
    pub label: String,
    /// How it is drawn.
    pub mark: Mark,
    /// (x, y); a point that is not finite is a gap.
    pub points: Vec<(f64, f64)>,
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A line from point to point.
    Line,
    /// A dashed line, for limits and theory.
    Dashed,
    /// A dot at each point.
    Dots,
    /// A cell around each point, of side 1 on both axes: the pixels of an image that are this dark, from
    /// 1 to [`DARKEST`]. Lighter ones are not drawn.
    Cells(u8),
}

/// The darkest of the levels of [`Mark::Cells`].
pub const DARKEST: u8 = 5;

/// The pixels of `image`, rows of `width` values from 0 (white) to 1 (black) from the top down, with the first
/// one at `(x, y)` and y growing upward: what belongs to the series of each level, lightest first.
#[must_use]
pub fn cells(image: &[f64], width: usize, (x, y): (f64, f64)) -> Vec<(u8, Vec<(f64, f64)>)> {
    let level = |value: f64| (value.clamp(0.0, 1.0) * f64::from(DARKEST)).round();
    let of_level = |wanted: u8| {
        let pixels = image.iter().enumerate();
        let alike =
            pixels.filter(|(_, value)| level(**value).total_cmp(&f64::from(wanted)).is_eq());
        alike.map(|(at, _)| (x + (at % width) as f64, y - (at / width) as f64)).collect()
    };
    (1..=DARKEST).map(|wanted| (wanted, of_level(wanted))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_go_to_the_level_that_they_are_nearest_to() {
        // A column of white, black and a value beyond black, beside one of a light and two dark grays.
        let image = [0.0, 0.21, 1.0, 0.79, 7.0, 0.8];
        let levels = cells(&image, 2, (10.0, 5.0));
        assert_eq!(levels[0], (1, vec![(11.0, 5.0)]));
        assert_eq!(levels[3], (4, vec![(11.0, 4.0), (11.0, 3.0)]));
        assert_eq!(levels[4], (5, vec![(10.0, 4.0), (10.0, 3.0)]));
        assert!(levels[1].1.is_empty() && levels[2].1.is_empty());
    }
}
