#include "svg.h"

#include <fmt/format.h>

namespace octavo::cli {
namespace {

std::string points_text(std::span<const Point> points) {
  std::string result;
  for (const Point& point : points) {
    result += fmt::format("{}{:.2f},{:.2f}", result.empty() ? "" : " ", point.x, point.y);
  }
  return result;
}

std::string_view anchor_name(Anchor anchor) {
  switch (anchor) {
    case Anchor::kStart:
      return "start";
    case Anchor::kMiddle:
      return "middle";
    case Anchor::kEnd:
      return "end";
  }
  return "";
}

}  // namespace

std::string xml_text(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        // XML knows no control characters, not even escaped.
        result += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return result;
}

Svg::Svg(double width, double height)
    : body_(fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:g}\" "
                        "height=\"{1:g}\" viewBox=\"0 0 {0:g} {1:g}\" "
                        "font-family=\"sans-serif\">\n",
                        width, height)) {
  rectangle({0, 0}, width, height, "#fff");  // on a dark page too
}

void Svg::line(Point from, Point to, std::string_view color) {
  body_ +=
      fmt::format("<line x1=\"{:.2f}\" y1=\"{:.2f}\" x2=\"{:.2f}\" y2=\"{:.2f}\" stroke=\"{}\"/>\n",
                  from.x, from.y, to.x, to.y, color);
}

void Svg::polyline(std::span<const Point> points, std::string_view color) {
  body_ += fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n",
                       points_text(points), color);
}

void Svg::area(std::span<const Point> outline, std::string_view color) {
  body_ += fmt::format("<polygon points=\"{}\" fill=\"{}\" fill-opacity=\"0.2\"/>\n",
                       points_text(outline), color);
}

void Svg::dot(Point center, double radius, std::string_view color) {
  body_ += fmt::format("<circle cx=\"{:.2f}\" cy=\"{:.2f}\" r=\"{:g}\" fill=\"{}\"/>\n", center.x,
                       center.y, radius, color);
}

void Svg::rectangle(Point corner, double width, double height, std::string_view color,
                    std::string_view title) {
  body_ +=
      fmt::format("<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" fill=\"{}\"",
                  corner.x, corner.y, width, height, color);
  body_ += title.empty() ? "/>\n" : fmt::format("><title>{}</title></rect>\n", xml_text(title));
}

void Svg::text(Point at, std::string_view text, const TextStyle& style) {
  const std::string turn =
      style.turned == 0
          ? ""
          : fmt::format(" transform=\"rotate({:g} {:.2f} {:.2f})\"", style.turned, at.x, at.y);
  body_ += fmt::format(
      "<text x=\"{:.2f}\" y=\"{:.2f}\" font-size=\"{:g}\" text-anchor=\"{}\" fill=\"{}\"{}>{}"
      "</text>\n",
      at.x, at.y, style.size, anchor_name(style.anchor), style.color, turn, xml_text(text));
}

std::string Svg::finish() const { return body_ + "</svg>\n"; }

}  // namespace octavo::cli
