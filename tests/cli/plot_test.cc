// Drawings: whole XML, the same every time, and what stands where.
#include "cli/plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/svg.h"
#include "cli/xml_check.h"

namespace octavo::test {
namespace {

using testing::HasSubstr;

TEST(XmlCheckTest, SeesWhatIsBroken) {
  EXPECT_EQ(xml_problem("<a b=\"c\">d &amp; e<f/></a>\n"), "");
  for (const char* broken : {"", "<a>", "<a></b>", "<a/><b/>", "<a>&</a>", "<a b=\"&c\"/>",
                             "<a b=c/>", "<a b=\"<\"/>", "text", "<a/>text", "<a>\x01</a>"}) {
    EXPECT_NE(xml_problem(broken), "") << broken;
  }
}

TEST(SvgTest, TextIsEscaped) {
  EXPECT_EQ(cli::xml_text("a < b & \"c\" > d\x01"), "a &lt; b &amp; &quot;c&quot; &gt; d ");
  cli::Svg svg(100, 50);
  svg.text({1, 2}, "<&>", {.turned = -90});
  svg.rectangle({0, 0}, 1, 1, "#000", "\"&\"");
  EXPECT_EQ(xml_problem(svg.finish()), "");
}

TEST(AxisTest, EvenTicksAreRoundAndCoverTheRange) {
  const cli::Axis axis = cli::even_axis("y", 3.14, 7.9);
  EXPECT_DOUBLE_EQ(axis.least, 3);
  EXPECT_DOUBLE_EQ(axis.most, 8);
  ASSERT_EQ(axis.ticks.size(), 6u);
  EXPECT_EQ(axis.ticks[0].text, "3");
  EXPECT_DOUBLE_EQ(axis.share(3), 0);
  EXPECT_DOUBLE_EQ(axis.share(5.5), 0.5);

  const cli::Axis small = cli::even_axis("y", 0.011, 0.052);
  EXPECT_EQ(small.ticks[0].text, "0.01");
  EXPECT_EQ(small.ticks.back().text, "0.06");
  const cli::Axis one = cli::even_axis("y", 5, 5);
  EXPECT_GT(one.most, one.least);
}

TEST(AxisTest, DoublingStepsAreEquallyWide) {
  const cli::Axis axis = cli::doubling_axis("x", {1024, 2048, 4096, 1048576});
  EXPECT_DOUBLE_EQ(axis.share(1024), 0);
  EXPECT_DOUBLE_EQ(axis.share(2048), 0.1);
  EXPECT_DOUBLE_EQ(axis.share(4096), 0.2);
  EXPECT_DOUBLE_EQ(axis.share(1048576), 1);
  EXPECT_EQ(axis.ticks[3].text, "1048576");
  EXPECT_DOUBLE_EQ(cli::doubling_axis("x", {256}).share(256), 0);
}

cli::LinePlot example_plot() {
  return {"a & b",
          cli::doubling_axis("tokens", {256, 512, 1024}),
          cli::even_axis("perplexity", 3, 8),
          {{"first <1>", {256, 512, 1024}, {8, 5, 3}, {0.5, 0.2, 0.1}},
           {"second", {256, 512, 1024}, {7, 6, 5}, {}}}};
}

TEST(LinePlotTest, HasItsLinesAndBands) {
  const std::string svg = cli::svg_of(example_plot());
  EXPECT_EQ(xml_problem(svg), "");
  EXPECT_EQ(svg, cli::svg_of(example_plot()));
  for (const char* text : {"a &amp; b", ">tokens<", ">perplexity<", ">256<", ">1024<", ">3<", ">8<",
                           "first &lt;1&gt;", ">second<"}) {
    EXPECT_THAT(svg, HasSubstr(text));
  }
  const auto count = [&svg](std::string_view what) {
    int found = 0;
    for (size_t at = 0; (at = svg.find(what, at)) != svg.npos; ++at) ++found;
    return found;
  };
  EXPECT_EQ(count("<polyline"), 2);
  EXPECT_EQ(count("<polygon"), 1);  // only the first has errors
  // From the top left corner of the frame down to its bottom right one.
  EXPECT_THAT(svg, HasSubstr("points=\"78.00,44.00 388.00,236.00 698.00,364.00\""));
}

TEST(HeatMapTest, HasACellForEachPair) {
  const cli::HeatMap map = {"found",
                            "length",
                            "depth",
                            {"1024", "2048"},
                            {"0 %", "50 %", "100 %"},
                            {{0, 1}, {0.5, 1}, {0.25, 0.75}}};
  const std::string svg = cli::svg_of(map);
  EXPECT_EQ(xml_problem(svg), "");
  EXPECT_EQ(svg, cli::svg_of(map));
  for (const char* title : {"1024, 0 %: 0 %", "2048, 0 %: 100 %", "1024, 50 %: 50 %",
                            "2048, 50 %: 100 %", "1024, 100 %: 25 %", "2048, 100 %: 75 %"}) {
    EXPECT_THAT(svg, HasSubstr("<title>" + std::string(title) + "</title>"));
  }
  EXPECT_THAT(svg, HasSubstr("#f0f4fa"));  // nothing found
  EXPECT_THAT(svg, HasSubstr("#08519c"));  // everything
}

TEST(BarChartTest, PanelsHaveTheirOwnScale) {
  const cli::BarChart chart{"m.8vo, <q4_k>",
                            {{"prefill", {{"cpu", 480, "480"}, {"cuda", 19000, "19000"}}},
                             {"decode", {{"cpu", 48, "48"}, {"cuda", 96, "96 (70 % of it)"}}}}};
  const std::string svg = cli::svg_of(chart);
  EXPECT_EQ(xml_problem(svg), "");
  EXPECT_EQ(svg, cli::svg_of(chart));
  EXPECT_THAT(svg, HasSubstr("m.8vo, &lt;q4_k&gt;"));
  EXPECT_THAT(svg, HasSubstr("96 (70 % of it)"));
  // 96 of an axis to 100, over 260 points.
  EXPECT_THAT(svg, HasSubstr("height=\"249.60\""));
}

TEST(BarChartTest, NothingIsNoBar) {
  EXPECT_EQ(xml_problem(cli::svg_of(cli::BarChart{"none", {{"prefill", {{"cpu", 0, "0"}}}}})), "");
  EXPECT_EQ(xml_problem(cli::svg_of(cli::BarChart{"none", {}})), "");
}

}  // namespace
}  // namespace octavo::test
