// Charts as SVG: lines with their errors, a map of shares, and bars side by side.
#pragma once

#include <string>
#include <vector>

namespace octavo::cli {

struct Tick {
  double value = 0;
  std::string text;
};

struct Axis {
  std::string label;
  double least = 0, most = 1;  ///< what its ends stand for; most > least
  bool doubling = false;       ///< equal steps double the value; then least > 0
  std::vector<Tick> ticks;

  /// 0 at the least value, 1 at the most.
  double share(double value) const;
};

/// An axis over [least, most] widened to round numbers, with a tick at about 5 of them.
Axis even_axis(std::string label, double least, double most);
/// An axis over positive values with a tick at each of them.
Axis doubling_axis(std::string label, const std::vector<double>& values);

/// y over x; `error` (as many as y, or none) is drawn as a band around it.
struct Line {
  std::string name;
  std::vector<double> x, y, error;
};

struct LinePlot {
  std::string title;
  Axis x, y;
  std::vector<Line> lines;
};

std::string svg_of(const LinePlot& plot);

/// A cell for each pair of a row and a column, with its share in colour and in percent.
struct HeatMap {
  std::string title, x_label, y_label;
  std::vector<std::string> columns, rows;
  std::vector<std::vector<double>> shares;  ///< [rows][columns], 0 to 1
};

std::string svg_of(const HeatMap& map);

/// One value of a panel, and what is said of it above its bar.
struct Bar {
  std::string name;
  double value = 0;  ///< not negative
  std::string label;
};
/// Bars of one quantity, over an axis of its own from 0.
struct BarPanel {
  std::string title;
  std::vector<Bar> bars;
};
struct BarChart {
  std::string title;
  std::vector<BarPanel> panels;
};

std::string svg_of(const BarChart& chart);

}  // namespace octavo::cli
