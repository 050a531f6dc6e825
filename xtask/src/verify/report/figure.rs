//! A plot as an HTML figure: an inline SVG, and its legend below.
//!
//! Colors are classes (`s0` to `s5`), so that the page's style has them in light and in dark.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::axis::{Range, Tick};
use super::page::escape;
use crate::verify::plot::{Mark, Plot, Series};

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 300.0;
/// Room for the label of the vertical axis above, ticks and label of the horizontal one below.
const TOP: f64 = 26.0;
const BOTTOM: f64 = 46.0;
/// Half a tick label may stand out to the right.
const RIGHT: f64 = 26.0;
/// A tick label's character, at the page's 13 pixels.
const CHARACTER: f64 = 7.2;
/// Series beyond this many share colors.
const COLORS: usize = 6;

/// The `<figure>` element. Points that an axis cannot show are gaps.
#[must_use]
pub fn figure(plot: &Plot) -> String {
    let title = escape(plot.title);
    let mut html = format!("<figure>\n<figcaption>{title}</figcaption>\n{}", svg(plot, &title));
    if plot.series.iter().any(|series| !series.label.is_empty()) {
        html.push_str("<ul class=\"legend\">\n");
        for (series, color) in colored(&plot.series).filter(|(series, _)| !series.label.is_empty())
        {
            let class = class(color, series.mark);
            let path = match series.mark {
                Mark::Dots => "M14 7h0",
                Mark::Cells(_) => "M8 1h12v12H8z",
                Mark::Line | Mark::Dashed => "M2 7h24",
            };
            let _ = writeln!(
                html,
                "<li><svg class=\"key\" viewBox=\"0 0 28 14\" aria-hidden=\"true\">\
                 <path class=\"{class}\" d=\"{path}\"/></svg> {}</li>",
                escape(&series.label)
            );
        }
        html.push_str("</ul>\n");
    }
    html.push_str("</figure>\n");
    html
}

fn svg(plot: &Plot, title: &str) -> String {
    let values = |pick: fn(&(f64, f64)) -> f64| {
        plot.series.iter().flat_map(move |series| {
            let half = if matches!(series.mark, Mark::Cells(_)) { 0.5 } else { 0.0 };
            series.points.iter().map(pick).flat_map(move |value| [value - half, value + half])
        })
    };
    // A point that lacks one coordinate is not drawn, though its other one counts here: harmless.
    let horizontal = Range::around(values(|point| point.0), plot.x.scale);
    let vertical = Range::around(values(|point| point.1), plot.y.scale);
    let (x_ticks, y_ticks) = (horizontal.ticks(), vertical.ticks());
    let left = widest(&y_ticks).max(3.0 * CHARACTER) + 14.0;
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    let x_of = |fraction: f64| left + fraction * (right - left);
    let y_of = |fraction: f64| bottom - fraction * (bottom - TOP);
    let middle = f64::midpoint(left, right);

    let mut svg = format!(
        "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"{title}\">\n"
    );
    // As many labels as fit beside one another, with a character between them.
    let mut free = f64::NEG_INFINITY;
    for tick in &x_ticks {
        let x = x_of(tick.fraction);
        line(&mut svg, "grid", &format!("M{x:.1} {TOP}V{bottom}"));
        if x >= free {
            text(&mut svg, (x, bottom + 17.0), "text-anchor=\"middle\"", &tick.label);
            free = x + widest(&x_ticks) + CHARACTER;
        }
    }
    for tick in &y_ticks {
        let y = y_of(tick.fraction);
        line(&mut svg, "grid", &format!("M{left:.1} {y:.1}H{right}"));
        text(&mut svg, (left - 7.0, y + 4.5), "text-anchor=\"end\"", &tick.label);
    }
    line(&mut svg, "axes", &format!("M{left:.1} {TOP}V{bottom}H{right}"));
    let centered = "class=\"label\" text-anchor=\"middle\"";
    text(&mut svg, (middle, HEIGHT - 8.0), centered, plot.x.label);
    text(&mut svg, (4.0, 15.0), "class=\"label\"", plot.y.label);
    let mut empty = true;
    for (series, color) in colored(&plot.series) {
        let path = path(series, |(x, y)| {
            Some((x_of(horizontal.fraction(x)?), y_of(vertical.fraction(y)?)))
        });
        if !path.is_empty() {
            line(&mut svg, &class(color, series.mark), &path);
            empty = false;
        }
    }
    if empty {
        let place = (middle, f64::midpoint(TOP, bottom));
        text(&mut svg, place, "text-anchor=\"middle\"", "no point to show");
    }
    svg.push_str("</svg>\n");
    svg
}

fn line(svg: &mut String, class: &str, path: &str) {
    let _ = writeln!(svg, "<path class=\"{class}\" d=\"{path}\"/>");
}

fn text(svg: &mut String, (x, y): (f64, f64), attributes: &str, text: &str) {
    let text = escape(text);
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" {attributes}>{text}</text>");
}

/// The width of the longest label.
fn widest(ticks: &[Tick]) -> f64 {
    let width = |tick: &Tick| tick.label.chars().map(|_| CHARACTER).sum();
    ticks.iter().map(width).fold(0.0, f64::max)
}

/// The series and their colors. One without a label belongs to the one before and has its color.
fn colored(series: &[Series]) -> impl Iterator<Item = (&Series, usize)> {
    series.iter().scan(0_usize, |labelled, series| {
        *labelled += usize::from(!series.label.is_empty());
        Some((series, labelled.saturating_sub(1)))
    })
}

fn class(color: usize, mark: Mark) -> String {
    let kind = match mark {
        Mark::Line => "line",
        Mark::Dashed => "dashed",
        Mark::Dots => "dots",
        Mark::Cells(level) => return format!("cells l{level}"),
    };
    format!("{kind} s{}", color % COLORS)
}

/// The path through the points that `place` can show. A point between two gaps is a short dash, and a
/// line of no length a dot, by its round cap.
fn path(series: &Series, place: impl Fn((f64, f64)) -> Option<(f64, f64)>) -> String {
    let placed: Vec<_> = series.points.iter().map(|&point| place(point)).collect();
    if series.mark == Mark::Dots {
        // Dots at the same half pixel are one.
        let half = |x: f64| (2.0 * x).round() / 2.0;
        let dots: BTreeSet<_> = placed
            .into_iter()
            .flatten()
            .map(|(x, y)| format!("M{} {}h0", half(x), half(y)))
            .collect();
        return dots.into_iter().collect();
    }
    let mut path = String::new();
    if matches!(series.mark, Mark::Cells(_)) {
        for &(x, y) in &series.points {
            let corners = (place((x - 0.5, y - 0.5)), place((x + 0.5, y + 0.5)));
            if let (Some((left, bottom)), Some((right, top))) = corners {
                let _ = write!(path, "M{left:.1} {bottom:.1}H{right:.1}V{top:.1}H{left:.1}z");
            }
        }
        return path;
    }
    for run in placed.split(Option::is_none) {
        let run: Vec<_> = run.iter().copied().flatten().collect();
        if let [(x, y)] = run[..] {
            let _ = write!(path, "M{:.1} {y:.1}h4", x - 2.0);
            continue;
        }
        for (index, (x, y)) in thin(&run).into_iter().enumerate() {
            let _ = write!(path, "{}{x:.1} {y:.1}", if index == 0 { 'M' } else { ' ' });
        }
    }
    path
}

/// Of neighbors in one pixel column, the first, the lowest, the highest and the last: the same
/// picture from thousands of points.
fn thin(run: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let same_column = |a: &(f64, f64), b: &(f64, f64)| (a.0.floor() - b.0.floor()).abs() < 0.5;
    let mut kept = Vec::new();
    for column in run.chunk_by(same_column) {
        let order = |a: &usize, b: &usize| column[*a].1.total_cmp(&column[*b].1);
        let last = column.len() - 1;
        let low = (0..=last).min_by(order).unwrap_or(0);
        let high = (0..=last).max_by(order).unwrap_or(0);
        let mut indices = vec![0, low, high, last];
        indices.sort_unstable();
        indices.dedup();
        kept.extend(indices.into_iter().map(|index| column[index]));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::plot::{Axis, Scale};

    fn through(mark: Mark, points: &[(f64, f64)]) -> String {
        let series = Series { label: String::new(), mark, points: points.to_vec() };
        path(&series, |(x, y)| (x.is_finite() && y.is_finite()).then_some((x, y)))
    }

    #[test]
    fn a_point_that_is_not_finite_is_a_gap() {
        let points = [(0.0, 0.0), (1.0, 2.0), (2.0, f64::NAN), (3.0, 4.0)];
        assert_eq!(through(Mark::Line, &points), "M0.0 0.0 1.0 2.0M1.0 4.0h4");
        assert_eq!(through(Mark::Dots, &points), "M0 0h0M1 2h0M3 4h0");
        assert_eq!(through(Mark::Line, &[(f64::NAN, 0.0)]), "");
    }

    #[test]
    fn a_cell_is_drawn_around_its_point() {
        let points = [(1.0, 2.0), (f64::NAN, 2.0)];
        assert_eq!(through(Mark::Cells(3), &points), "M0.5 1.5H1.5V2.5H0.5z");
        assert_eq!(class(7, Mark::Cells(3)), "cells l3");
    }

    #[test]
    fn a_pixel_column_keeps_its_extremes() {
        let spike = |k: u32| match k {
            500 => 9.0,
            700 => -9.0,
            _ => 0.0,
        };
        let run: Vec<_> = (0..1000).map(|k| (f64::from(k) / 1000.0, spike(k))).collect();
        assert_eq!(thin(&run), [(0.0, 0.0), (0.5, 9.0), (0.7, -9.0), (0.999, 0.0)]);
        assert_eq!(thin(&[]), []);
    }

    #[test]
    fn what_has_no_label_has_the_color_of_what_it_belongs_to_and_no_place_in_the_legend() {
        let series =
            |label: &str, mark| Series { label: label.into(), mark, points: vec![(0.0, 1.0)] };
        let (dots, dashed) = (Mark::Dots, Mark::Dashed);
        let all = [series("a", dots), series("", dashed), series("b", dots), series("", dashed)];
        let colors: Vec<usize> = colored(&all).map(|(_, color)| color).collect();
        assert_eq!(colors, [0, 0, 1, 1]);
        let axis = || Axis { label: "", scale: Scale::Linear };
        let plot = Plot { title: "", x: axis(), y: axis(), series: all.to_vec() };
        assert_eq!(figure(&plot).matches("<li>").count(), 2);
    }

    #[test]
    fn dots_on_one_another_are_drawn_once() {
        assert_eq!(through(Mark::Dots, &[(1.0, 1.0), (1.1, 1.1), (1.4, 1.0)]), "M1 1h0M1.5 1h0");
    }
}
