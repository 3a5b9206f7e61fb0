//! A report as a picture: for each figure that both products have, rkafka's share of the other's, on a logarithmic
//! axis; left of the line at 1 rkafka needs less (or gives less, where more is better: the unit says).

use svg::Document;
use svg::node::element::{Line, Rectangle, Text};

const ROW: f64 = 18.0;
const LEFT: f64 = 640.0;
const RIGHT: f64 = 90.0;
const TOP: f64 = 40.0;
const DECADE: f64 = 110.0;
/// The axis: powers of ten.
const FROM: i32 = -3;
const TO: i32 = 1;

/// One bar: what it is, and the ratio of the medians.
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) ratio: f64,
}

/// The picture of `bars`, as SVG.
pub(crate) fn ratios(title: &str, bars: &[Bar]) -> String {
    let width = LEFT + f64::from(TO - FROM) * DECADE + RIGHT;
    let height = TOP + ROW * bars.len() as f64 + ROW;
    let mut picture = Document::new().set("viewBox", (0.0, 0.0, width, height)).set("width", width);
    picture = picture.set("font-family", "sans-serif").set("font-size", 11);
    picture = picture.add(Rectangle::new().set("width", width).set("height", height).set("fill", "white"));
    picture = picture.add(text(title, 8.0, 14.0, "start").set("font-weight", "bold"));
    for power in FROM..=TO {
        let x = position(10f64.powi(power));
        let colour = if power == 0 { "black" } else { "#cccccc" };
        picture = picture.add(line(x, TOP - 4.0, height - ROW, colour));
        picture = picture.add(text(&format!("{}", 10f64.powi(power)), x, TOP - 8.0, "middle"));
    }
    for (bar, row) in bars.iter().zip(0..) {
        let y = TOP + ROW * f64::from(row);
        let (one, end) = (position(1.0), position(bar.ratio));
        let colour = if bar.ratio <= 1.0 { "#2a7f9e" } else { "#d9822b" };
        picture = picture.add(text(&bar.name, LEFT - 8.0, y + 13.0, "end"));
        let bar_of = Rectangle::new().set("x", one.min(end)).set("width", (one - end).abs());
        picture = picture.add(bar_of.set("y", y + 3.0).set("height", ROW - 6.0).set("fill", colour));
        let label = text(&format!("{:.3}", bar.ratio), end.max(one) + 6.0, y + 13.0, "start");
        picture = picture.add(label);
    }
    picture.to_string() + "\n"
}

/// Where a ratio lies; beyond the axis at its end.
fn position(ratio: f64) -> f64 {
    let power = ratio.log10().clamp(f64::from(FROM), f64::from(TO) + 0.2);
    LEFT + (power - f64::from(FROM)) * DECADE
}

fn text(words: &str, x: f64, y: f64, anchor: &str) -> Text {
    Text::new(words).set("x", x).set("y", y).set("text-anchor", anchor)
}

fn line(x: f64, from: f64, to: f64, colour: &str) -> Line {
    Line::new().set("x1", x).set("x2", x).set("y1", from).set("y2", to).set("stroke", colour)
}
