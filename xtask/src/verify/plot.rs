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
    /// Its name in the legend.
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
}
