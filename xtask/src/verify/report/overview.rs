//! All questions on one picture: how far below its limit each answer stays, and how far above it the wrong
//! way ends.

use std::fmt::Write;

use super::page::escape;
use super::questions::Question;
use crate::verify::check::Evidence;
use crate::verify::outcome::Outcome;

const WIDTH: f64 = 460.0;
/// A row has its topic, and its line below.
const ROW: f64 = 40.0;
const TOP: f64 = 34.0;
const LEFT: f64 = 16.0;
const RIGHT: f64 = WIDTH - 16.0;
/// Decades below and above the limit that are shown; what is beyond stands at the edge.
const BELOW: f64 = 6.0;
const ABOVE: f64 = 12.0;

/// The colors of a picture that stands alone, in light and in dark.
const STYLE: &str = "\
    text { fill: #1c1e21; font: 13px system-ui, sans-serif; }\n\
    .label { fill: #5d646e; }\n\
    path { fill: none; stroke-width: 3; stroke-linecap: round; }\n\
    .grid { stroke: #d9dce1; stroke-width: 1; }\n\
    .limit { stroke: #1c1e21; stroke-width: 2; stroke-linecap: butt; }\n\
    .held, .right { stroke: #0b6e3f; }\n\
    .over, .wrong { stroke: #b3261e; }\n\
    .right, .wrong { stroke-width: 11; }\n\
    @media (prefers-color-scheme: dark) {\n\
    text { fill: #e4e6e9; } .label { fill: #a0a7b1; } .grid { stroke: #383c42; }\n\
    .limit { stroke: #e4e6e9; } .held, .right { stroke: #5fce93; } .over, .wrong { stroke: #ff8a80; }\n\
    }\n";

/// The picture as a part of the page.
#[must_use]
pub fn figure(asked: &[(&Question, &Outcome)]) -> String {
    let (height, rows) = rows(asked);
    let label = "each answer and the wrong way against the limit";
    format!(
        "<figure>\n<figcaption>Each answer against its limit, and the usual wrong way, in decades</figcaption>\n\
         <svg class=\"plot overview\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{label}\">\n\
         {rows}</svg>\n</figure>\n"
    )
}

/// The same as a file of its own.
#[must_use]
pub fn picture(asked: &[(&Question, &Outcome)]) -> String {
    let (height, rows) = rows(asked);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\">\n<style>\n{STYLE}</style>\n{rows}</svg>\n"
    )
}

fn rows(asked: &[(&Question, &Outcome)]) -> (f64, String) {
    let height = TOP + ROW * asked.len() as f64 + 8.0;
    let middle = place(0.0);
    let mut svg = format!(
        "<text x=\"{:.1}\" y=\"16\" text-anchor=\"end\" class=\"label\">here</text>\n\
         <text x=\"{middle:.1}\" y=\"16\" text-anchor=\"middle\">limit</text>\n\
         <text x=\"{:.1}\" y=\"16\" class=\"label\">the wrong way</text>\n\
         <path class=\"limit\" d=\"M{middle:.1} 24V{height}\"/>\n",
        middle - 30.0,
        middle + 30.0,
    );
    for (index, (question, outcome)) in asked.iter().enumerate() {
        let y = TOP + ROW * index as f64;
        let line = y + 24.0;
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{LEFT} {line}H{RIGHT}\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\">{}  {}</text>\n",
            middle + 8.0,
            y + 12.0,
            question.number,
            escape(question.topic)
        );
        if let Some(evidence) = &outcome.evidence {
            let [measured, control] = decades(evidence).map(place);
            let (held, over) = (measured.min(middle), control.max(middle));
            let _ = write!(
                svg,
                "<path class=\"held\" d=\"M{held:.1} {line}H{middle:.1}\"/>\n\
                 <path class=\"over\" d=\"M{middle:.1} {line}H{over:.1}\"/>\n\
                 <path class=\"right\" d=\"M{measured:.1} {line}h0\"/>\n\
                 <path class=\"wrong\" d=\"M{control:.1} {line}h0\"/>\n",
            );
        }
    }
    (height, svg)
}

/// Where so many decades above the limit lie.
fn place(decades: f64) -> f64 {
    LEFT + (decades.clamp(-BELOW, ABOVE) + BELOW) / (BELOW + ABOVE) * (RIGHT - LEFT)
}

/// The measurement and the control over the limit, in decades; of a limit of 0 as of one.
fn decades(evidence: &Evidence) -> [f64; 2] {
    let limit = if evidence.limit > 0.0 { evidence.limit } else { 1.0 };
    // A NaN is as bad as can be.
    let decades = |value: f64| if value.is_nan() { ABOVE } else { (value / limit).log10() };
    [decades(evidence.measured), decades(evidence.control.measured)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::check::Control;

    #[test]
    fn right_is_left_of_the_limit_and_wrong_right_of_it() {
        let evidence = |measured, limit, control| Evidence {
            measured,
            limit,
            reason: "",
            control: Control { what: "wrong", measured: control },
            plots: Vec::new(),
            notes: Vec::new(),
        };
        let at = |measured, limit, control| decades(&evidence(measured, limit, control)).map(place);
        for (measured, limit, control) in
            [(1e-16, 1e-13, 0.4), (0.0, 1e-3, f64::INFINITY), (0.0, 0.0, 3.0), (1.0, 5.0, 5.1)]
        {
            let [right, wrong] = at(measured, limit, control);
            assert!(LEFT <= right && right < place(0.0), "{right}");
            assert!(place(0.0) < wrong && wrong <= RIGHT, "{wrong}");
        }
        assert!((at(f64::NAN, 1.0, 2.0)[0] - RIGHT).abs() < 1e-9);
    }
}
