#include "plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "svg.h"

namespace octavo::cli {
namespace {

constexpr std::string_view kInk = "#222", kGrid = "#ddd";
// Apart for colour-blind eyes and in print.
constexpr std::array<std::string_view, 4> kLineColors = {"#08519c", "#d95f02", "#1b9e77",
                                                         "#7570b3"};
constexpr double kTitleSize = 15, kLabelSize = 13;
constexpr double kTop = 44, kLeft = 78, kBottom = 58, kRight = 24;

/// The part of a chart that data is drawn in.
struct Frame {
  double width, height;
  double left = kLeft;

  double right() const { return left + width; }
  double bottom() const { return kTop + height; }
  Point at(double x_share, double y_share) const {
    return {left + x_share * width, bottom() - y_share * height};
  }
};

Svg framed(const Frame& frame, const std::string& title, const std::string& x_label,
           const std::string& y_label) {
  Svg svg(frame.right() + kRight, frame.bottom() + kBottom);
  svg.text({kLeft, kTop - 18}, title, {.size = kTitleSize});
  const double middle = kLeft + frame.width / 2;
  svg.text({middle, frame.bottom() + 44}, x_label, {Anchor::kMiddle, kLabelSize});
  svg.text({20, kTop + frame.height / 2}, y_label,
           {.anchor = Anchor::kMiddle, .size = kLabelSize, .turned = -90});
  return svg;
}

void draw_ticks(Svg& svg, const Frame& frame, const Axis& x, const Axis& y) {
  for (const Tick& tick : x.ticks) {
    const double share = x.share(tick.value);
    svg.line(frame.at(share, 0), frame.at(share, 1), kGrid);
    const Point foot = frame.at(share, 0);
    svg.text({foot.x, foot.y + 18}, tick.text, {.anchor = Anchor::kMiddle});
  }
  for (const Tick& tick : y.ticks) {
    const double share = y.share(tick.value);
    svg.line(frame.at(0, share), frame.at(1, share), kGrid);
    const Point foot = frame.at(0, share);
    svg.text({foot.x - 8, foot.y + 4}, tick.text, {.anchor = Anchor::kEnd});
  }
  svg.line(frame.at(0, 0), frame.at(1, 0), kInk);
  svg.line(frame.at(0, 0), frame.at(0, 1), kInk);
}

void draw_line(Svg& svg, const Frame& frame, const LinePlot& plot, const Line& line,
               std::string_view color) {
  const size_t count = line.x.size();
  std::vector<Point> points(count), band(line.error.empty() ? 0 : 2 * count);
  const auto at = [&](size_t i, double offset) {
    return frame.at(plot.x.share(line.x[i]), plot.y.share(line.y[i] + offset));
  };
  for (size_t i = 0; i < count; ++i) {
    points[i] = at(i, 0);
    if (band.empty()) continue;
    band[i] = at(i, line.error[i]);
    band[2 * count - 1 - i] = at(i, -line.error[i]);  // and back below
  }
  if (!band.empty()) svg.area(band, color);
  svg.polyline(points, color);
  for (const Point& point : points) svg.dot(point, 3, color);
}

void draw_legend(Svg& svg, const Frame& frame, const std::vector<Line>& lines) {
  for (size_t i = 0; i < lines.size(); ++i) {
    const double y = kTop + 16 + 18 * static_cast<double>(i);
    svg.text({frame.right() - 30, y}, lines[i].name, {.anchor = Anchor::kEnd});
    svg.rectangle({frame.right() - 24, y - 6}, 18, 3, kLineColors[i % kLineColors.size()]);
  }
}

/// One panel, in the `frame` that is its own.
void draw_bars(Svg& svg, const Frame& frame, const BarPanel& panel) {
  double most = 0;
  for (const Bar& bar : panel.bars) most = std::max(most, bar.value);
  const Axis axis = even_axis(panel.title, 0, most);
  draw_ticks(svg, frame, {.label = {}, .ticks = {}}, axis);
  svg.text({frame.left + frame.width / 2, frame.bottom() + 44}, panel.title,
           {Anchor::kMiddle, kLabelSize});
  const double step = frame.width / static_cast<double>(std::max<size_t>(panel.bars.size(), 1));
  for (size_t i = 0; i < panel.bars.size(); ++i) {
    const Bar& bar = panel.bars[i];
    const double middle = frame.left + step * (static_cast<double>(i) + 0.5);
    const double height = frame.height * axis.share(bar.value);
    svg.rectangle({middle - step / 3, frame.bottom() - height}, 2 * step / 3, height,
                  kLineColors[i % kLineColors.size()], bar.name + ": " + bar.label);
    svg.text({middle, frame.bottom() - height - 6}, bar.label, {.anchor = Anchor::kMiddle});
    svg.text({middle, frame.bottom() + 18}, bar.name, {.anchor = Anchor::kMiddle});
  }
}

/// Between nearly white and dark blue.
std::string shade(double share) {
  constexpr std::array<double, 3> kNone = {240, 244, 250}, kAll = {8, 81, 156};
  std::array<int, 3> mixed{};
  for (size_t i = 0; i < mixed.size(); ++i) {
    mixed[i] = static_cast<int>(std::lround(kNone[i] + share * (kAll[i] - kNone[i])));
  }
  return fmt::format("#{:02x}{:02x}{:02x}", mixed[0], mixed[1], mixed[2]);
}

}  // namespace

double Axis::share(double value) const {
  return doubling ? std::log(value / least) / std::log(most / least)
                  : (value - least) / (most - least);
}

Axis even_axis(std::string label, double least, double most) {
  if (!(most > least)) most = least + 1;
  const double wanted = (most - least) / 5;
  const double power = std::pow(10, std::floor(std::log10(wanted)));
  const double times = wanted / power;
  const double step = power * (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10);
  const auto first = static_cast<int64_t>(std::floor(least / step));
  const auto last = static_cast<int64_t>(std::ceil(most / step));
  const int digits = std::max(0, -static_cast<int>(std::floor(std::log10(step) + 1e-9)));
  Axis axis{std::move(label),
            static_cast<double>(first) * step,
            static_cast<double>(last) * step,
            false,
            {}};
  for (int64_t i = first; i <= last; ++i) {
    const double value = static_cast<double>(i) * step;
    axis.ticks.push_back({value, fmt::format("{:.{}f}", value, digits)});
  }
  return axis;
}

Axis doubling_axis(std::string label, const std::vector<double>& values) {
  Axis axis{std::move(label), 1, 2, true, {}};
  if (values.empty()) return axis;
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  axis.least = *least;
  axis.most = *most > *least ? *most : 2 * *least;
  for (const double value : values) axis.ticks.push_back({value, fmt::format("{:.10g}", value)});
  return axis;
}

std::string svg_of(const LinePlot& plot) {
  const Frame frame{620, 320};
  Svg svg = framed(frame, plot.title, plot.x.label, plot.y.label);
  draw_ticks(svg, frame, plot.x, plot.y);
  for (size_t i = 0; i < plot.lines.size(); ++i) {
    draw_line(svg, frame, plot, plot.lines[i], kLineColors[i % kLineColors.size()]);
  }
  draw_legend(svg, frame, plot.lines);
  return svg.finish();
}

std::string svg_of(const HeatMap& map) {
  constexpr double kCellWidth = 64, kCellHeight = 28;
  const Frame frame{std::max(kCellWidth * static_cast<double>(map.columns.size()), 320.0),
                    kCellHeight * static_cast<double>(map.rows.size())};
  Svg svg = framed(frame, map.title, map.x_label, map.y_label);
  const double width = frame.width / static_cast<double>(map.columns.size());
  for (size_t column = 0; column < map.columns.size(); ++column) {
    const double middle = kLeft + width * (static_cast<double>(column) + 0.5);
    svg.text({middle, frame.bottom() + 18}, map.columns[column], {.anchor = Anchor::kMiddle});
  }
  for (size_t row = 0; row < map.rows.size(); ++row) {
    const double top = kTop + kCellHeight * static_cast<double>(row);
    svg.text({kLeft - 8, top + 18}, map.rows[row], {.anchor = Anchor::kEnd});
    for (size_t column = 0; column < map.columns.size(); ++column) {
      const double share = map.shares[row][column];
      const double left = kLeft + width * static_cast<double>(column);
      const std::string percent = fmt::format("{:.0f} %", 100 * share);
      svg.rectangle({left, top}, width - 1, kCellHeight - 1, shade(share),
                    fmt::format("{}, {}: {}", map.columns[column], map.rows[row], percent));
      svg.text({left + width / 2, top + 18}, percent,
               {.anchor = Anchor::kMiddle, .color = share > 0.5 ? "#fff" : kInk});
    }
  }
  return svg.finish();
}

std::string svg_of(const BarChart& chart) {
  constexpr double kPanelWidth = 300, kHeight = 260;
  const auto left_of = [](size_t panel) {
    return kLeft + static_cast<double>(panel) * (kPanelWidth + kLeft);
  };
  Svg svg(left_of(chart.panels.size()) - kLeft + kRight, kTop + kHeight + kBottom);
  svg.text({kLeft, kTop - 18}, chart.title, {.size = kTitleSize});
  for (size_t i = 0; i < chart.panels.size(); ++i) {
    draw_bars(svg, {kPanelWidth, kHeight, left_of(i)}, chart.panels[i]);
  }
  return svg.finish();
}

}  // namespace octavo::cli
