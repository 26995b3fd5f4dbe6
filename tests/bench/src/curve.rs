//! Latency over concurrency as a picture: one chart for each kind of call, a colour for each series, a line style for each quantile.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::bench::Point;
use crate::finding::time;

const SIZE: (u32, u32) = (620, 420);
const COLOURS: [RGBColor; 4] =
    [RGBColor(0, 95, 175), RGBColor(200, 80, 0), RGBColor(20, 130, 70), RGBColor(120, 60, 160)];

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

pub fn draw(points: &[Point], path: &Path) -> Result<()> {
    let mut charts: Vec<&str> = points.iter().map(|point| point.chart.as_str()).collect();
    charts.dedup();
    let rows = charts.len().div_ceil(2) as u32;
    let canvas = SVGBackend::new(path, (SIZE.0 * 2, SIZE.1 * rows)).into_drawing_area();
    canvas.fill(&WHITE).map_err(drawn)?;
    let areas = canvas.split_evenly((rows as usize, 2));
    for (chart, area) in charts.iter().zip(&areas) {
        let points: Vec<&Point> = points.iter().filter(|point| point.chart == *chart).collect();
        panel(area, chart, &points)?;
    }
    canvas.present().map_err(drawn)
}

fn panel(area: &Canvas<'_>, title: &str, points: &[&Point]) -> Result<()> {
    let most = points.iter().map(|point| point.concurrency).max().unwrap_or(1) as f64;
    let least = points.iter().map(|point| point.p50).fold(f64::MAX, f64::min) / 1e3;
    let longest = points.iter().map(|point| point.p99).fold(0.0, f64::max) / 1e3;
    let mut chart = ChartBuilder::on(area)
        .caption(format!("Latency of {title}"), ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d((0.9..most * 1.2).log_scale(), (least * 0.8..longest * 1.3).log_scale())
        .map_err(drawn)?;
    chart
        .configure_mesh()
        .x_desc("callers")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| time(y * 1e3))
        .light_line_style(WHITE)
        .draw()
        .map_err(drawn)?;
    let mut series: Vec<&str> = points.iter().map(|point| point.series.as_str()).collect();
    series.sort_unstable();
    series.dedup();
    for (name, colour) in series.iter().zip(COLOURS) {
        let of = |quantile: fn(&Point) -> f64| {
            let mut line: Vec<(f64, f64)> = points
                .iter()
                .filter(|point| point.series == *name)
                .map(|point| (point.concurrency as f64, quantile(point) / 1e3))
                .collect();
            line.sort_by(|a, b| a.0.total_cmp(&b.0));
            line
        };
        let solid = LineSeries::new(of(|point| point.p50), colour.stroke_width(2)).point_size(3);
        chart
            .draw_series(solid)
            .map_err(drawn)?
            .label(format!("{name}: p50"))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        for (quantile, label, gap) in [(p95 as fn(&Point) -> f64, "p95", 4), (p99, "p99", 9)] {
            let dashed = DashedLineSeries::new(of(quantile), 6, gap, colour.stroke_width(1));
            chart.draw_series(dashed).map_err(drawn)?.label(format!("{name}: {label}")).legend(move |at| {
                EmptyElement::at(at)
                    + PathElement::new([(0, 0), (6, 0)], colour.stroke_width(1))
                    + PathElement::new([(6 + gap, 0), (12 + gap, 0)], colour.stroke_width(1))
            });
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()
        .map_err(drawn)
}

fn p95(point: &Point) -> f64 {
    point.p95
}

fn p99(point: &Point) -> f64 {
    point.p99
}

fn drawn<E: std::fmt::Display>(error: E) -> anyhow::Error {
    anyhow!("the picture cannot be drawn: {error}")
}
