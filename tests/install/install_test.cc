// What cmake --install leaves in a prefix, moved elsewhere, works for those who build against it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "support/command.h"
#include "support/files.h"
#include "support/temp_dir.h"

namespace octavo::test {
namespace {

namespace fs = std::filesystem;

/// Runs a line that must succeed.
std::string succeed(const std::string& line) {
  const CommandOutcome outcome = run_command(line);
  if (outcome.exit_code != 0) {
    throw std::runtime_error(line + "\nended with " + std::to_string(outcome.exit_code) + ":\n" +
                             outcome.output);
  }
  return outcome.output;
}

/// One installation for all tests, made under one name and moved to another.
struct Installed {
  Installed() {
    const std::string first = folder.file("first");
    succeed(std::string(OCTAVO_CMAKE) + " --install " OCTAVO_BUILD_DIR " --prefix " + first);
    fs::rename(first, prefix);
    succeed(prefix + "/bin/octavo convert " + pocket_mixtral().string() + " --to " + model +
            " --type bf16");
    expected =
        succeed(prefix + "/bin/octavo --version").substr(std::string("octavo ").size()) +
        succeed(prefix + "/bin/octavo run " + model + " -p 'Once upon a time' -n 8 --temp 0 -t 1");
    // Both lists of directories depend on the system; find follows.
    library_dir = fs::path(find("liboctavo.so")).parent_path();
  }

  std::string find(const std::string& name) const {
    for (const auto& entry : fs::recursive_directory_iterator(prefix)) {
      if (entry.path().filename() == name) return entry.path();
    }
    throw std::runtime_error(name + " is not installed");
  }

  TempDir folder;
  const std::string prefix = folder.file("moved"), model = folder.file("pocket.8vo");
  std::string expected;  ///< what every consumer prints
  std::string library_dir;
};

class InstallTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { installed_ = new Installed; }
  static void TearDownTestSuite() { delete installed_; }

  static void expect_runs(const std::string& program) {
    EXPECT_EQ(succeed(program + " " + installed_->model), installed_->expected) << program;
  }
  /// Builds a project of tests/install and returns where.
  static std::string build(const std::string& project) {
    const std::string tree = installed_->folder.file(project);
    succeed(std::string(OCTAVO_CMAKE) + " -G Ninja -S " OCTAVO_SOURCE_DIR "/tests/install/" +
            project + " -B " + tree +
            " -DCMAKE_C_COMPILER=" OCTAVO_C_COMPILER " -DCMAKE_CXX_COMPILER=" OCTAVO_CXX_COMPILER
            " -DCMAKE_PREFIX_PATH=" +
            installed_->prefix);
    succeed(std::string(OCTAVO_CMAKE) + " --build " + tree);
    return tree;
  }
  static std::string pkg_config(const std::string& arguments) {
    return "$(PKG_CONFIG_PATH=" + installed_->library_dir + "/pkgconfig pkg-config " + arguments +
           ")";
  }

  static Installed* installed_;
};
Installed* InstallTest::installed_ = nullptr;

TEST_F(InstallTest, EverythingIsThere) {
  const fs::path prefix = installed_->prefix;
  const fs::path libraries = installed_->library_dir;
  for (const fs::path& file : {prefix / "bin/octavo",
                               prefix / "include/octavo/octavo.hpp",
                               prefix / "include/octavo/octavo.h",
                               prefix / "include/octavo/error.hpp",
                               prefix / "include/octavo/export.h",
                               prefix / "include/octavo/calibrate.hpp",
                               prefix / "include/octavo/convert.hpp",
                               prefix / "include/octavo/inspect.hpp",
                               prefix / "include/octavo/machine.hpp",
                               prefix / "include/octavo/synthesize.hpp",
                               libraries / "liboctavo.a",
                               libraries / "liboctavo.so",
                               libraries / "liboctavo.so.0",
                               libraries / "pkgconfig/octavo.pc",
                               libraries / "cmake/octavo/octavoConfig.cmake",
                               libraries / "cmake/octavo/octavoConfigVersion.cmake",
                               prefix / "share/man/man1/octavo.1",
                               prefix / "share/bash-completion/completions/octavo",
                               prefix / "share/zsh/site-functions/_octavo",
                               prefix / "share/fish/vendor_completions.d/octavo.fish",
                               prefix / "share/doc/octavo/LICENSE",
                               prefix / "share/doc/octavo/NOTICE"}) {
    EXPECT_TRUE(fs::exists(file)) << file;
    EXPECT_GT(fs::file_size(file), 0u) << file;
  }
}

TEST_F(InstallTest, NoFileNamesTheBuildOrThePrefix) {
  for (const auto& entry : fs::recursive_directory_iterator(installed_->prefix)) {
    const std::string extension = entry.path().extension();
    if (extension != ".cmake" && extension != ".pc" && extension != ".1") continue;
    const std::string text = read_file(entry.path());
    EXPECT_THAT(text, testing::Not(testing::HasSubstr(OCTAVO_SOURCE_DIR))) << entry.path();
    EXPECT_THAT(text, testing::Not(testing::HasSubstr(installed_->folder.path().string())))
        << entry.path();
  }
}

TEST_F(InstallTest, CMakeConsumers) {
  const std::string tree = build("consumer");
  for (const char* program : {"c_octavo", "cc_octavo", "c_octavo_static", "cc_octavo_static"}) {
    expect_runs(tree + "/" + program);
  }
  EXPECT_THAT(succeed("ldd " + tree + "/c_octavo_static"),
              testing::Not(testing::HasSubstr("liboctavo")));
  for (const char* name : {"chat", "batch_score", "routing_trace", "desktop"}) {
    EXPECT_THAT(succeed(tree + "/example_" + name + " --help"), testing::HasSubstr(name));
  }
}

TEST_F(InstallTest, CMakeConsumerInCAlone) { expect_runs(build("c_only") + "/c_octavo"); }

TEST_F(InstallTest, PkgConfigConsumers) {
  const std::string sources = OCTAVO_SOURCE_DIR "/tests/install/consumer/consumer.";
  const std::string c = OCTAVO_C_COMPILER " -std=c11 " + sources + "c ";
  const std::string cxx = OCTAVO_CXX_COMPILER " -std=c++20 " + sources + "cc ";
  const std::string rpath = " -Wl,-rpath," + installed_->library_dir;
  EXPECT_EQ(succeed("echo " + pkg_config("--modversion octavo")),
            succeed("echo " + pkg_config("--modversion octavo-static")));
  for (const auto& [compile, name] : {std::pair{c, "pc_c"}, std::pair{cxx, "pc_cc"}}) {
    const std::string program = installed_->folder.file(name);
    succeed(compile + pkg_config("--cflags --libs octavo") + rpath + " -o " + program);
    expect_runs(program);
    EXPECT_THAT(succeed("ldd " + program), testing::HasSubstr("liboctavo.so.0"));
    succeed(compile + pkg_config("--cflags --libs octavo-static") + " -o " + program);
    expect_runs(program);
    EXPECT_THAT(succeed("ldd " + program), testing::Not(testing::HasSubstr("liboctavo")));
  }
  const std::string shared = succeed("echo " + pkg_config("--libs octavo"));
  EXPECT_THAT(shared, testing::HasSubstr("-loctavo"));
  EXPECT_THAT(shared, testing::Not(testing::HasSubstr("-lfmt")));
  EXPECT_THAT(succeed("echo " + pkg_config("--static --libs octavo")), testing::HasSubstr("-lfmt"));
}

TEST_F(InstallTest, DestDirIsRespected) {
  const std::string stage = installed_->folder.file("stage");
  succeed("DESTDIR=" + stage +
          " " OCTAVO_CMAKE " --install " OCTAVO_BUILD_DIR " --prefix /opt/octavo");
  EXPECT_TRUE(fs::exists(stage + "/opt/octavo/bin/octavo"));
}

}  // namespace
}  // namespace octavo::test
