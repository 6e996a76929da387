// A drawing as SVG, element by element. The same calls give the same bytes.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace octavo::cli {

struct Point {
  double x = 0, y = 0;  ///< from the left, from the top
};

/// Where a text stands beside its point.
enum class Anchor { kStart, kMiddle, kEnd };

struct TextStyle {
  Anchor anchor = Anchor::kStart;
  double size = 12;
  double turned = 0;  ///< degrees, clockwise
  std::string_view color = "#222";
};

/// `text` as it may stand between tags and in attributes.
std::string xml_text(std::string_view text);

class Svg {
 public:
  Svg(double width, double height);

  void line(Point from, Point to, std::string_view color);
  void polyline(std::span<const Point> points, std::string_view color);
  /// Filled, so that what is below shines through.
  void area(std::span<const Point> outline, std::string_view color);
  void dot(Point center, double radius, std::string_view color);
  /// `title` is shown when the mouse is over it.
  void rectangle(Point corner, double width, double height, std::string_view color,
                 std::string_view title = {});
  void text(Point at, std::string_view text, const TextStyle& style = {});

  /// The whole file.
  std::string finish() const;

 private:
  std::string body_;
};

}  // namespace octavo::cli
